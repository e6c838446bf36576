//! `histograms.hlog`, read again: the histograms of each interval, still encoded.

use std::collections::BTreeMap;

use crate::metrics::{Histogram, HistogramError, Metric};
use crate::result::summary::millis;

/// Longest line that is read: no histogram of ours is larger.
const LONGEST: usize = 2 << 20;

/// The histograms by the start of their interval in ms, as written.
#[derive(Clone, Debug, Default)]
pub struct Log {
    intervals: BTreeMap<u64, BTreeMap<Metric, String>>,
}

/// A log that was not written by wsbench.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the interval log is none of wsbench's")]
pub struct LogError {
    /// From 1.
    pub line: usize,
}

impl Log {
    /// Reads the lines that `hlog::lines` wrote; a last line without its end is left out.
    pub fn parse(text: &str) -> Result<Self, LogError> {
        let mut intervals: BTreeMap<u64, BTreeMap<Metric, String>> = BTreeMap::new();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for (index, line) in whole.lines().enumerate() {
            if line.starts_with('#') || line.starts_with('"') || line.is_empty() {
                continue;
            }
            let (start, metric, histogram) = entry(line).ok_or(LogError { line: index + 1 })?;
            let interval = intervals.entry(start).or_default();
            interval.insert(metric, histogram.to_owned());
        }
        Ok(Self { intervals })
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.intervals.is_empty()
    }

    /// The histogram of a metric in the interval that begins then.
    pub(super) fn get(
        &self,
        start_s: f64,
        metric: Metric,
    ) -> Option<Result<Histogram, HistogramError>> {
        let interval = self.intervals.get(&whole_ms(start_s))?;
        interval.get(&metric).map(|text| Histogram::decode(text))
    }
}

/// `Tag=METRIC,START,LENGTH,MAX,HISTOGRAM`
fn entry(line: &str) -> Option<(u64, Metric, &str)> {
    if line.len() > LONGEST {
        return None;
    }
    let mut cells = line.split(',');
    let metric = Metric::from_name(cells.next()?.strip_prefix("Tag=")?)?;
    let start: f64 = cells
        .next()?
        .parse()
        .ok()
        .filter(|s: &f64| s.is_finite() && *s >= 0.0)?;
    let histogram = cells.nth(2)?;
    cells
        .next()
        .is_none()
        .then_some((whole_ms(start), metric, histogram))
}

/// The log has three decimals.
fn whole_ms(seconds: f64) -> u64 {
    (seconds * 1e3).round() as u64
}

/// A line of the merged log.
pub(super) fn line(start_s: f64, end_s: f64, metric: Metric, histogram: &Histogram) -> String {
    format!(
        "Tag={},{start_s:.3},{:.3},{:.3},{}\n",
        metric.name(),
        end_s - start_s,
        millis(histogram.max().unwrap_or_default()),
        histogram.encode(),
    )
}
