//! Sheets and histograms as data, for the way from one process to another: only what is not zero.
//!
//! What comes out equals what went in, so that a merge of copies is a merge of the originals.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Counter, Histogram, Metric, Sheet, Tally};
use crate::failure::{CloseCause, FailureKind};

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counts: Vec<(u64, u64)> = self.counts().collect();
        counts.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Histogram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let counts = Vec::<(u64, u64)>::deserialize(deserializer)?;
        Self::from_counts(counts).map_err(D::Error::custom)
    }
}

/// A sheet as it travels.
#[derive(Serialize, Deserialize)]
struct Page {
    counters: Vec<(Counter, u64)>,
    histograms: Vec<(Metric, Histogram)>,
    censored: Vec<(Metric, u64)>,
    failures: BTreeMap<FailureKind, Tally>,
    closes: BTreeMap<CloseCause, Tally>,
}

impl Serialize for Sheet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let counters = Counter::ALL.iter().map(|c| (*c, self.counter(*c)));
        let censored = Metric::ALL.iter().map(|m| (*m, self.censored(*m)));
        let histograms = Metric::ALL.iter();
        Page {
            counters: counters.filter(|(_, n)| *n > 0).collect(),
            histograms: histograms
                .filter_map(|m| Some((*m, self.histogram(*m)?.clone())))
                .collect(),
            censored: censored.filter(|(_, n)| *n > 0).collect(),
            failures: self.failures.clone(),
            closes: self.closes.clone(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Sheet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let page = Page::deserialize(deserializer)?;
        let mut sheet = Self::default();
        for (counter, n) in page.counters {
            sheet.add(counter, n);
        }
        for (metric, n) in page.censored {
            sheet.censor(metric, n);
        }
        for (metric, histogram) in page.histograms {
            sheet.add_histogram(metric, histogram);
        }
        sheet.failures = page.failures;
        sheet.closes = page.closes;
        Ok(sheet)
    }
}
