//! The measured numbers of a run, as they are saved and judged: built from a sheet, read from a file.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::metrics::{
    Counter, Histogram, HistogramError, Metric, Quantile, Sheet, is_supported, sheet::Tally,
};

use super::text::printable;

/// Hides secrets in a text before it is saved.
pub type Redact<'a> = &'a dyn Fn(&str) -> String;

/// How long unanswered messages of a metric had waited at least.
pub type UnansweredAfter = BTreeMap<Metric, Duration>;

/// The quantiles every result holds, with their names in files.
pub const QUANTILES: [(&str, f64); 6] = [
    ("p50", 0.5),
    ("p75", 0.75),
    ("p90", 0.9),
    ("p95", 0.95),
    ("p99", 0.99),
    ("p999", 0.999),
];

/// The numbers of the measured phase.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Length of the measured phase: what rates are over.
    pub measured_s: f64,
    /// Every counter, zeros included.
    pub counters: BTreeMap<Counter, u64>,
    /// Failed dials by kind, the most frequent first.
    pub failures: Vec<TallyRow>,
    /// Ended connections by cause, the most frequent first.
    pub closes: Vec<TallyRow>,
    /// The metrics that have samples or unanswered messages.
    pub metrics: BTreeMap<Metric, MetricSummary>,
}

/// How often one kind of failure or close was seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TallyRow {
    /// The kind with its parameter: `http_status{503}`, `lost:reset`.
    pub kind: String,
    /// How often.
    pub count: u64,
    /// Whether it counts as a failure (a planned close does not).
    pub failure: bool,
    /// What one of them said; escaped and without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<String>,
    /// What can be done about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// One metric's distribution in numbers, all times in ms.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricSummary {
    /// Always `ms`.
    pub unit: String,
    /// How many samples.
    pub count: u64,
    /// The shortest; absent when nothing was answered.
    pub min: Option<f64>,
    /// The arithmetic mean of the samples.
    pub mean: Option<f64>,
    /// The population standard deviation of the samples.
    pub stddev: Option<f64>,
    /// Quantiles over samples and unanswered messages together.
    pub p50: f64,
    /// See `p50`.
    pub p75: f64,
    /// See `p50`.
    pub p90: f64,
    /// See `p50`.
    pub p95: f64,
    /// See `p50`.
    pub p99: f64,
    /// See `p50`.
    pub p999: f64,
    /// The longest; a lower bound when any message went unanswered.
    pub max: f64,
    /// How many unanswered messages rank above all samples.
    pub censored_count: u64,
    /// Whether any figure above is only a lower bound.
    pub censored: bool,
    /// The first of them (`p99`): it and all above are "more than" their number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub censored_from: Option<String>,
    /// The whole histogram in us, base64 of HdrHistogram V2 (compressed).
    pub histogram: String,
}

impl Summary {
    /// The numbers of `measured`. `redact` sees every text that a server had a hand in. Histograms
    /// stay empty until [`Summary::attach_histograms`]: judging a run while it lasts needs none.
    pub fn new(
        measured: &Sheet,
        length: Duration,
        unanswered_after: &UnansweredAfter,
        redact: Redact<'_>,
    ) -> Self {
        let metrics = Metric::ALL.iter().filter_map(|&metric| {
            let after = unanswered_after.get(&metric).copied().unwrap_or_default();
            Some((metric, MetricSummary::new(measured, metric, after)?))
        });
        Self {
            measured_s: length.as_secs_f64(),
            counters: counters(measured),
            failures: failures(measured, redact),
            closes: closes(measured, redact),
            metrics: metrics.collect(),
        }
    }

    /// Adds the whole distributions.
    pub fn attach_histograms(&mut self, measured: &Sheet) {
        for (metric, summary) in &mut self.metrics {
            let histogram = measured.histogram(*metric);
            summary.histogram = histogram.map(Histogram::encode).unwrap_or_default();
        }
    }

    /// How many samples a quantile rests on (`round_trip.p99`), when they are too few for it.
    pub fn few_samples(&self, statistic: &str) -> Option<u64> {
        let (metric, quantile) = statistic.split_once('.')?;
        let summary = self.metrics.get(&Metric::from_name(metric)?)?;
        (!summary.supports(quantile)).then_some(summary.count + summary.censored_count)
    }

    /// The value of a counter.
    pub fn counter(&self, counter: Counter) -> u64 {
        self.counters.get(&counter).copied().unwrap_or(0)
    }

    /// Connections that were lost rather than closed as planned.
    pub fn connections_lost(&self) -> u64 {
        let lost = self.closes.iter().filter(|row| row.failure);
        lost.fold(0, |sum, row| sum.saturating_add(row.count))
    }
}

/// All counters of a sheet by name, zeros included.
pub fn counters(sheet: &Sheet) -> BTreeMap<Counter, u64> {
    let counters = Counter::ALL.iter();
    counters.map(|&c| (c, sheet.counter(c))).collect()
}

/// Failed dials by kind, the most frequent first.
pub fn failures(sheet: &Sheet, redact: Redact<'_>) -> Vec<TallyRow> {
    let rows = sheet
        .failures
        .iter()
        .map(|(kind, tally)| TallyRow::new(kind.to_string(), tally, Some(kind.hint()), redact));
    sorted(rows.collect())
}

/// Ended connections by cause, the most frequent first.
pub fn closes(sheet: &Sheet, redact: Redact<'_>) -> Vec<TallyRow> {
    let rows = sheet.closes.iter().map(|(cause, tally)| {
        let hint = cause.failure().map(|kind| kind.hint());
        TallyRow::new(cause.to_string(), tally, hint, redact)
    });
    sorted(rows.collect())
}

/// The most frequent first; equals by kind.
pub(super) fn sorted(mut rows: Vec<TallyRow>) -> Vec<TallyRow> {
    rows.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.kind.cmp(&b.kind)));
    rows
}

impl TallyRow {
    fn new(kind: String, tally: &Tally, hint: Option<&str>, redact: Redact<'_>) -> Self {
        let example = tally.example.as_deref().filter(|text| !text.is_empty());
        Self {
            kind,
            count: tally.count,
            failure: hint.is_some(),
            example: example.map(|text| printable(&redact(text)).into_owned()),
            hint: hint.map(str::to_owned),
        }
    }
}

impl MetricSummary {
    /// `None` without samples and unanswered messages.
    fn new(sheet: &Sheet, metric: Metric, unanswered_after: Duration) -> Option<Self> {
        let censored_count = sheet.censored(metric);
        let samples = sheet.histogram(metric);
        if samples.is_none() && censored_count == 0 {
            return None;
        }
        let empty = Histogram::new();
        let histogram = samples.unwrap_or(&empty);
        let (count, after) = (censored_count, unanswered_after);
        Some(Self::without_histogram(metric, histogram, count, after))
    }

    /// Of a whole distribution, which it keeps, and so many unanswered messages that had waited at
    /// least so long.
    pub fn of(
        metric: Metric,
        histogram: &Histogram,
        censored_count: u64,
        unanswered_after: Duration,
    ) -> Self {
        Self {
            // As a run saves it: without samples there is none.
            histogram: match histogram.is_empty() {
                true => String::new(),
                false => histogram.encode(),
            },
            ..Self::without_histogram(metric, histogram, censored_count, unanswered_after)
        }
    }

    fn without_histogram(
        metric: Metric,
        histogram: &Histogram,
        censored_count: u64,
        unanswered_after: Duration,
    ) -> Self {
        let mut censored_from = None;
        let mut at = |name: &str, q: f64| {
            let (value, censored) = value_at(histogram, q, censored_count, unanswered_after);
            if censored {
                censored_from.get_or_insert_with(|| name.to_owned());
            }
            value
        };
        let [p50, p75, p90, p95, p99, p999] = QUANTILES.map(|(name, q)| at(name, q));
        let max = at("max", 1.0);
        Self {
            unit: metric.unit().to_owned(),
            count: histogram.count(),
            min: histogram.min().map(millis),
            mean: histogram.mean_micros().map(rounded_millis),
            stddev: histogram.stddev_micros().map(rounded_millis),
            p50,
            p75,
            p90,
            p95,
            p99,
            p999,
            max,
            censored_count,
            censored: censored_from.is_some(),
            censored_from,
            histogram: String::new(),
        }
    }

    /// How long its unanswered messages had waited at least; zero without any.
    pub fn waited(&self) -> Duration {
        match self.censored {
            true => Duration::try_from_secs_f64(self.max / 1e3).unwrap_or_default(),
            false => Duration::ZERO,
        }
    }

    /// Whether there are samples enough for the named quantile: a value of the others is chance.
    pub fn supports(&self, name: &str) -> bool {
        let quantile = QUANTILES.iter().find(|(known, _)| *known == name);
        let all = self.count + self.censored_count;
        quantile.is_none_or(|(_, q)| is_supported(*q, all))
    }

    /// The named quantile (`p50` to `p999`) or `max` in ms, and whether it is only a lower bound.
    pub fn figure(&self, name: &str) -> Option<(f64, bool)> {
        let value = match name {
            "p50" => self.p50,
            "p75" => self.p75,
            "p90" => self.p90,
            "p95" => self.p95,
            "p99" => self.p99,
            "p999" => self.p999,
            "max" => self.max,
            _ => return None,
        };
        let order = |name: &str| QUANTILES.iter().position(|(known, _)| *known == name);
        let rank = |name: &str| order(name).unwrap_or(QUANTILES.len());
        let from = self.censored_from.as_deref();
        Some((value, from.is_some_and(|from| rank(from) <= rank(name))))
    }

    /// The whole distribution again.
    pub fn decode(&self) -> Result<Histogram, HistogramError> {
        if self.histogram.is_empty() {
            return Ok(Histogram::new());
        }
        Histogram::decode(&self.histogram)
    }
}

/// A quantile in ms; when censored, the larger of the timeout and the longest answer.
fn value_at(histogram: &Histogram, q: f64, censored: u64, after: Duration) -> (f64, bool) {
    match histogram.quantile(q, censored) {
        Quantile::Value(value) => (millis(value), false),
        Quantile::Censored { more_than } => (millis(more_than.max(after)), true),
        Quantile::None => (0.0, false),
    }
}

/// Milliseconds with microsecond resolution.
pub fn millis(value: Duration) -> f64 {
    value.as_micros() as f64 / 1e3
}

/// Microseconds as milliseconds, to a nanosecond: digits beyond say nothing.
fn rounded_millis(micros: f64) -> f64 {
    (micros * 1e3).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(answered: u64, unanswered: u64) -> Sheet {
        let mut sheet = Sheet::default();
        for n in 1..=answered {
            sheet.record(Metric::RoundTrip, Duration::from_micros(n));
        }
        sheet.censor(Metric::RoundTrip, unanswered);
        sheet
    }

    fn summary(sheet: &Sheet) -> Summary {
        let after = [(Metric::RoundTrip, Duration::from_secs(5))].into();
        Summary::new(sheet, Duration::from_secs(1), &after, &str::to_owned)
    }

    #[test]
    fn unanswered_messages_show_from_the_quantile_they_reach() {
        let summary = summary(&sheet(95, 5));
        let metric = &summary.metrics[&Metric::RoundTrip];
        assert_eq!(metric.figure("p95"), Some((0.095, false)));
        assert_eq!(metric.figure("p99"), Some((5_000.0, true)));
        assert_eq!(metric.figure("max"), Some((5_000.0, true)));
        assert_eq!(metric.censored_from.as_deref(), Some("p99"));
        assert_eq!((metric.count, metric.censored_count), (95, 5));
    }

    #[test]
    fn nothing_answered_has_no_minimum_and_no_mean() {
        let summary = summary(&sheet(0, 3));
        let metric = &summary.metrics[&Metric::RoundTrip];
        assert_eq!((metric.min, metric.mean), (None, None));
        assert_eq!(metric.figure("p50"), Some((5_000.0, true)));
    }

    #[test]
    fn metrics_without_data_are_left_out() {
        assert!(summary(&Sheet::default()).metrics.is_empty());
    }

    #[test]
    fn the_whole_histogram_is_kept() {
        let sheet = sheet(100, 0);
        let mut summary = summary(&sheet);
        summary.attach_histograms(&sheet);
        let again = summary.metrics[&Metric::RoundTrip].decode().unwrap();
        assert_eq!(Some(&again), sheet.histogram(Metric::RoundTrip));
    }
}
