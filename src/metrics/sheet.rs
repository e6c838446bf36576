//! One page of the books: counters, distributions, unanswered counts, failures and closes.
//!
//! Merging is associative and commutative and loses nothing, so shards, intervals and machines may
//! be added up in any order. Memory is bounded by the enums, not by the traffic.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failure::{CloseCause, FailureKind};

use super::{Counter, Histogram, Metric};

/// The longest example text kept for a kind of failure, in bytes.
pub const EXAMPLE_LIMIT: usize = 300;

/// How often one kind of failure or close was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How often.
    pub count: u64,
    /// What one of them said, raw as it came: at most [`EXAMPLE_LIMIT`] bytes.
    pub example: Option<Box<str>>,
}

impl Tally {
    /// Adds `other`; of two examples the lesser text stays, so that the order does not matter.
    pub fn merge(&mut self, other: &Self) {
        self.count += other.count;
        if let Some(theirs) = &other.example
            && self.example.as_ref().is_none_or(|ours| theirs < ours)
        {
            self.example = Some(theirs.clone());
        }
    }
}

/// Everything recorded about one group of events.
#[derive(Clone, Debug)]
pub struct Sheet {
    counters: [u64; Counter::COUNT],
    /// Allocated by the first sample: most runs use half of the metrics.
    histograms: [Option<Box<Histogram>>; Metric::COUNT],
    censored: [u64; Metric::COUNT],
    /// Failed dials by kind.
    pub failures: BTreeMap<FailureKind, Tally>,
    /// Ended connections by cause.
    pub closes: BTreeMap<CloseCause, Tally>,
}

impl Default for Sheet {
    fn default() -> Self {
        Self {
            counters: [0; Counter::COUNT],
            histograms: [const { None }; Metric::COUNT],
            censored: [0; Metric::COUNT],
            failures: BTreeMap::new(),
            closes: BTreeMap::new(),
        }
    }
}

impl Sheet {
    /// The value of a counter.
    pub fn counter(&self, counter: Counter) -> u64 {
        self.counters[counter as usize]
    }

    /// The distribution of a metric; `None` when nothing was recorded.
    pub fn histogram(&self, metric: Metric) -> Option<&Histogram> {
        let histogram = self.histograms[metric as usize].as_deref();
        histogram.filter(|histogram| !histogram.is_empty())
    }

    /// How many times of a metric were recorded.
    pub fn samples(&self, metric: Metric) -> u64 {
        self.histogram(metric).map_or(0, Histogram::count)
    }

    /// How many messages that would have given a sample were never answered.
    pub fn censored(&self, metric: Metric) -> u64 {
        self.censored[metric as usize]
    }

    /// Adds to a counter.
    pub fn add(&mut self, counter: Counter, n: u64) {
        self.counters[counter as usize] += n;
    }

    /// Adds a time to a metric.
    pub fn record(&mut self, metric: Metric, value: Duration) {
        self.histograms[metric as usize]
            .get_or_insert_default()
            .record(value);
    }

    /// Adds unanswered messages to a metric.
    pub fn censor(&mut self, metric: Metric, n: u64) {
        self.censored[metric as usize] += n;
    }

    /// Adds a whole distribution to a metric.
    pub(super) fn add_histogram(&mut self, metric: Metric, histogram: Histogram) {
        match &mut self.histograms[metric as usize] {
            Some(ours) => ours.merge(&histogram),
            place @ None => *place = Some(Box::new(histogram)),
        }
    }

    /// Adds everything in `other`.
    pub fn merge(&mut self, other: &Self) {
        for (ours, theirs) in self.counters.iter_mut().zip(&other.counters) {
            *ours += theirs;
        }
        for (ours, theirs) in self.censored.iter_mut().zip(&other.censored) {
            *ours += theirs;
        }
        for metric in Metric::ALL.iter().copied() {
            if let Some(theirs) = other.histogram(metric) {
                self.histograms[metric as usize]
                    .get_or_insert_default()
                    .merge(theirs);
            }
        }
        for (kind, tally) in &other.failures {
            self.failures.entry(*kind).or_default().merge(tally);
        }
        for (cause, tally) in &other.closes {
            self.closes.entry(*cause).or_default().merge(tally);
        }
    }

    /// Forgets everything, keeps the memory of the histograms.
    pub fn clear(&mut self) {
        self.counters.fill(0);
        self.censored.fill(0);
        for histogram in self.histograms.iter_mut().flatten() {
            if !histogram.is_empty() {
                histogram.clear();
            }
        }
        self.failures.clear();
        self.closes.clear();
    }
}

impl PartialEq for Sheet {
    /// An allocated histogram without samples equals none.
    fn eq(&self, other: &Self) -> bool {
        self.counters == other.counters
            && self.censored == other.censored
            && self.failures == other.failures
            && self.closes == other.closes
            && Metric::ALL
                .iter()
                .all(|metric| self.histogram(*metric) == other.histogram(*metric))
    }
}

/// `text` within [`EXAMPLE_LIMIT`] bytes, cut at the end of a character.
pub fn cut_example(text: &str) -> &str {
    let mut end = text.len().min(EXAMPLE_LIMIT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_cut_between_characters() {
        let text = "ü".repeat(400);
        assert_eq!(cut_example(&text).len(), EXAMPLE_LIMIT);
        let text = format!("x{text}");
        assert_eq!(cut_example(&text).len(), EXAMPLE_LIMIT - 1);
        assert_eq!(cut_example("short"), "short");
    }

    #[test]
    fn a_cleared_sheet_equals_a_new_one() {
        let mut sheet = Sheet::default();
        sheet.add(Counter::MessagesSent, 3);
        sheet.record(Metric::RoundTrip, Duration::from_millis(1));
        sheet.censor(Metric::RoundTrip, 1);
        sheet.failures.insert(FailureKind::Dns, Tally::default());
        assert_ne!(sheet, Sheet::default());
        sheet.clear();
        assert_eq!(sheet, Sheet::default());
    }
}
