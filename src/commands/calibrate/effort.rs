//! How long each part of a calibration takes.

use std::time::Duration;

use crate::calibrate::Shape;

/// How hard to look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Effort {
    /// Watching an idle thread's timer.
    pub idle: Duration,
    /// The measured part of a load; its ramp and the end come on top.
    pub measure: Duration,
    /// Opening and closing connections.
    pub handshakes: Duration,
    /// The search on one shard.
    pub search: Shape,
    /// Loads of the search on all shards, which begins where one shard ended.
    pub more_shards_points: usize,
    /// Shares of the limit at which round_trip is held against the truth.
    pub truth: &'static [f64],
}

/// About a minute.
const THOROUGH: Effort = Effort {
    idle: Duration::from_secs(2),
    measure: Duration::from_millis(2_600),
    handshakes: Duration::from_secs(2),
    search: Shape {
        start: 5_000,
        factor: 2.0,
        floor: 100,
        cap: 1_000_000,
        precision: 1.1,
        most_points: 13,
        retries: 3,
    },
    more_shards_points: 8,
    truth: &[0.1, 0.5, 0.9],
};

/// About ten seconds: a coarse answer.
const QUICK: Effort = Effort {
    idle: Duration::from_millis(500),
    // Two pieces of the timeline that are long enough to be judged.
    measure: Duration::from_millis(1_200),
    handshakes: Duration::from_millis(800),
    search: Shape {
        start: 10_000,
        factor: 3.0,
        floor: 100,
        cap: 1_000_000,
        precision: 1.6,
        most_points: 4,
        retries: 1,
    },
    more_shards_points: 3,
    truth: &[0.5, 0.9],
};

impl Effort {
    /// The quick or the thorough one.
    pub const fn new(quick: bool) -> Self {
        if quick { QUICK } else { THOROUGH }
    }

    /// What it takes at most, roughly.
    pub fn in_words(self, shard_counts: usize) -> String {
        // Ramp, drain and the start and end of two processes' worth of threads.
        let each = self.measure.as_secs_f64() + 0.7;
        let more = (shard_counts - 1) * (self.more_shards_points + 1);
        let points = self.search.most_points + self.truth.len() + more;
        let all = points as f64 * each + self.idle.as_secs_f64() + self.handshakes.as_secs_f64();
        format!("at most about {:.0} s", all)
    }
}
