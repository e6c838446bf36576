//! `histograms.hlog`: the HdrHistogram interval log, version 1.3, tagged by metric.
//!
//! Only measured samples go in, so that the sum of the log is the histogram in `result.json`. Any
//! HdrHistogram log tool reads it; values are microseconds.

use std::fmt::Write as _;
use std::time::SystemTime;

use crate::metrics::{Interval, Metric};

use super::summary::millis;

/// The lines before the first interval. Times of intervals are relative to `started`.
pub fn header(started: SystemTime) -> String {
    let timestamp = jiff::Timestamp::try_from(started).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let seconds = timestamp.as_millisecond() as f64 / 1e3;
    format!(
        "#[wsbench: values are microseconds; Interval_Max is in milliseconds; measured samples only]\n\
         #[Histogram log format version 1.3]\n\
         #[BaseTime: {seconds:.3} (seconds since epoch)]\n\
         #[StartTime: {seconds:.3} (seconds since epoch), {timestamp}]\n\
         \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n"
    )
}

/// One line for each metric with measured samples in this interval; empty when there are none.
pub fn lines(interval: &Interval) -> String {
    let mut text = String::new();
    let start = interval.window.start;
    let length = interval.window.end.since(start);
    for metric in Metric::ALL {
        let Some(histogram) = interval.measured.histogram(*metric) else {
            continue;
        };
        writeln!(
            text,
            "Tag={},{:.3},{:.3},{:.3},{}",
            metric.name(),
            start.secs_f64(),
            length.as_secs_f64(),
            millis(histogram.max().unwrap_or_default()),
            histogram.encode(),
        )
        .expect("a String takes every write");
    }
    text
}
