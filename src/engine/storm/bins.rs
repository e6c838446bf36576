//! A storm in fixed bins of 100 ms from t = 0: for the file, and for how attempts were spread.

use super::{BIN, BINS};
use crate::clock::Offset;
use crate::result::storm::StormSeries;

/// Counts by bin; bounded by [`BINS`].
#[derive(Debug)]
pub struct Bins {
    start: Offset,
    level: u32,
    series: StormSeries,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// An attempt that began.
    Attempt,
    /// An attempt that succeeded.
    Success,
    /// An attempt that failed.
    Failure,
}

impl Bins {
    /// From t = 0, with so many open connections.
    pub fn new(start: Offset, level: u64) -> Self {
        let series = StormSeries {
            bin_ms: BIN.as_secs_f64() * 1e3,
            ..StormSeries::default()
        };
        Self {
            start,
            level: narrow(level),
            series,
        }
    }

    /// Counts one.
    pub fn add(&mut self, at: Offset, what: Counted) {
        if let Some(bin) = self.reach(at) {
            let column = match what {
                Counted::Attempt => &mut self.series.attempts,
                Counted::Success => &mut self.series.succeeded,
                Counted::Failure => &mut self.series.failed,
            };
            column[bin] = column[bin].saturating_add(1);
        }
    }

    /// So many connections are open now.
    pub fn connected(&mut self, at: Offset, level: u64) {
        let bin = self.reach(at);
        self.level = narrow(level);
        if let Some(bin) = bin {
            self.series.connected[bin] = self.level;
        }
    }

    /// The attempts of the bins from one time to another, both included; empty if out of reach.
    pub fn attempts(&self, from: Offset, to: Offset) -> &[u32] {
        let last = self
            .index(to)
            .min(self.series.attempts.len().saturating_sub(1));
        self.series
            .attempts
            .get(self.index(from)..=last)
            .unwrap_or(&[])
    }

    /// All bins up to the end of the storm.
    pub fn series(&mut self, end: Offset) -> StormSeries {
        let bins = self.reach(end).map_or(BINS, |bin| bin + 1);
        let mut series = self.series.clone();
        cut(&mut series, bins);
        series
    }

    fn index(&self, at: Offset) -> usize {
        let bin = at.since(self.start).as_nanos() / BIN.as_nanos();
        usize::try_from(bin).unwrap_or(usize::MAX)
    }

    /// Makes the bins up to a time; `None` when there is no room for it.
    fn reach(&mut self, at: Offset) -> Option<usize> {
        let bin = self.index(at);
        self.series.cut |= bin >= BINS;
        let bins = bin.saturating_add(1).min(BINS);
        if bins > self.series.attempts.len() {
            let StormSeries {
                attempts,
                succeeded,
                failed,
                connected,
                ..
            } = &mut self.series;
            for column in [attempts, succeeded, failed] {
                column.resize(bins, 0);
            }
            connected.resize(bins, self.level);
        }
        (bin < BINS).then_some(bin)
    }
}

/// Keeps the first bins.
pub fn cut(series: &mut StormSeries, bins: usize) {
    let StormSeries {
        attempts,
        succeeded,
        failed,
        connected,
        ..
    } = series;
    for column in [attempts, succeeded, failed, connected] {
        column.truncate(bins);
    }
}

fn narrow(level: u64) -> u32 {
    u32::try_from(level).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Offset {
        Offset::from_nanos((1000 + ms) * 1_000_000)
    }

    #[test]
    fn bins_begin_at_zero_and_the_level_is_carried_on() {
        let mut bins = Bins::new(at(0), 10);
        bins.connected(at(0), 9);
        bins.connected(at(99), 8);
        bins.add(at(100), Counted::Attempt);
        bins.add(at(199), Counted::Attempt);
        bins.add(at(350), Counted::Success);
        bins.connected(at(350), 9);
        bins.add(at(360), Counted::Failure);
        let series = bins.series(at(520));
        assert_eq!(series.attempts, [0, 2, 0, 0, 0, 0]);
        assert_eq!(series.succeeded, [0, 0, 0, 1, 0, 0]);
        assert_eq!(series.failed, [0, 0, 0, 1, 0, 0]);
        assert_eq!(series.connected, [8, 8, 8, 9, 9, 9]);
        assert_eq!(bins.attempts(at(100), at(300)), [2, 0, 0]);
        assert_eq!(bins.series(at(150)).connected, [8, 8]);
        assert!(!series.cut);
    }

    #[test]
    fn an_endless_storm_is_bounded() {
        let mut bins = Bins::new(at(0), 1);
        bins.connected(at(100 * 10 * BINS as u64), 0);
        bins.add(at(100 * 11 * BINS as u64), Counted::Attempt);
        let series = bins.series(Offset::MAX);
        assert_eq!(
            (series.attempts.len(), series.connected.len()),
            (BINS, BINS)
        );
        assert!(series.cut);
        assert!(
            bins.attempts(at(100 * 11 * BINS as u64), Offset::MAX)
                .is_empty()
        );
    }
}
