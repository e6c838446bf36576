//! How late delayed replies really left: the truth that a measured time is held against.
//!
//! A server that delays every reply by a known time is itself woken a little late. Without that
//! lateness its delay would be a promise; with it, it is a measurement.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::result::LateReplies;

/// Buckets of 1 us, then of [`COARSE`].
const FINE: usize = 2_048;
/// Microseconds of a coarse bucket.
const COARSE: usize = 64;
/// Coarse buckets; the last also holds everything beyond, from 133 ms on.
const COARSE_BUCKETS: usize = 2_048;

/// Lateness of one thread: only that thread adds, anybody reads; 32 KiB, made with the first entry.
#[derive(Debug, Default)]
pub(super) struct Lateness(std::sync::OnceLock<Box<[AtomicU64]>>);

impl Lateness {
    /// Adds one reply; for the owning thread only.
    pub fn add(&self, late: Duration) {
        let zeros = || (0..FINE + COARSE_BUCKETS).map(|_| AtomicU64::new(0));
        let buckets = self.0.get_or_init(|| zeros().collect());
        let bucket = &buckets[position(late)];
        bucket.store(bucket.load(Relaxed).wrapping_add(1), Relaxed);
    }
}

fn position(late: Duration) -> usize {
    let micros = usize::try_from(late.as_micros()).unwrap_or(usize::MAX);
    if micros < FINE {
        return micros;
    }
    FINE + ((micros - FINE) / COARSE).min(COARSE_BUCKETS - 1)
}

fn micros(position: usize) -> u64 {
    let coarse = position.saturating_sub(FINE);
    let micros = if position < FINE {
        position
    } else {
        FINE + coarse * COARSE
    };
    micros as u64
}

/// Of all threads together; `None` when nothing was delayed.
pub(super) fn late_replies<'a>(all: impl Iterator<Item = &'a Lateness>) -> Option<LateReplies> {
    let mut counts = vec![0u64; FINE + COARSE_BUCKETS];
    for buckets in all.filter_map(|lateness| lateness.0.get()) {
        for (sum, bucket) in counts.iter_mut().zip(buckets) {
            *sum += bucket.load(Relaxed);
        }
    }
    let count: u64 = counts.iter().sum();
    let at = |share: f64| {
        let wanted = (count as f64 * share).ceil() as u64;
        let mut seen = 0;
        let reached = counts.iter().position(|n| {
            seen += n;
            seen >= wanted.max(1)
        });
        reached.map(micros)
    };
    Some(LateReplies {
        count,
        p50_us: at(0.5)?,
        p90_us: at(0.9)?,
        p99_us: at(0.99)?,
        p999_us: at(0.999)?,
        max_us: at(1.0)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_over_all_threads() {
        let (one, other, silent) = (
            Lateness::default(),
            Lateness::default(),
            Lateness::default(),
        );
        assert_eq!(late_replies([&one, &silent].into_iter()), None);
        for micros in 1..=98 {
            one.add(Duration::from_micros(micros));
        }
        other.add(Duration::from_micros(5_000));
        other.add(Duration::from_secs(100));
        let late = late_replies([&one, &other, &silent].into_iter()).expect("100 replies");
        assert_eq!((late.count, late.p50_us, late.p90_us), (100, 50, 90));
        assert_eq!((late.p99_us, late.max_us), (4_992, 133_056));
    }

    #[test]
    fn a_bucket_begins_where_the_one_before_it_ends() {
        for micros_late in [0, 1, 2_047, 2_048, 2_111, 2_112, 100_000, 133_055] {
            let start = micros(position(Duration::from_micros(micros_late)));
            assert!(start <= micros_late && micros_late - start < 64, "{start}");
        }
    }
}
