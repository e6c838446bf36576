//! One measured load, and whether the generator was honest under it.

use std::fmt;

use serde::Serialize;

use crate::metrics::{Counter, Metric};
use crate::result::{MetricSummary, RunResult};

/// Half of all messages leave at most so late, in ms. The pacer serves what falls due within 50 us in
/// one wake-up; more than twice that is no rounding but a queue.
pub const LAG_P50_MS: f64 = 0.1;
/// 99 % of all messages leave at most so late, in ms: half of the 1 ms from which on a run may be
/// called invalid, so that a run within the limit stated here has room before it is.
///
/// Not a share of round_trip: against a server on the same machine p50 is 0.1 ms, and a tenth of that
/// is below what any timer of an operating system promises.
pub const LAG_P99_MS: f64 = 0.5;
/// Of what the schedule asks for, at least this share is sent.
pub const SENT_SHARE: f64 = 0.995;

/// Quantiles in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// Half are at most this.
    pub p50: f64,
    /// See `p50`.
    pub p90: f64,
    /// See `p50`.
    pub p99: f64,
    /// See `p50`.
    pub p999: f64,
}

impl Quantiles {
    /// Each less the other's.
    pub fn minus(self, other: Self) -> Self {
        self.with(other, |a, b| a - b)
    }

    /// The larger of each.
    pub fn max(self, other: Self) -> Self {
        self.with(other, f64::max)
    }

    /// Each without its sign.
    pub fn abs(self) -> Self {
        self.with(self, |a, _| a.abs())
    }

    /// None below one to its left.
    pub fn rising(self) -> Self {
        let p90 = self.p90.max(self.p50);
        let p99 = self.p99.max(p90);
        Self {
            p50: self.p50,
            p90,
            p99,
            p999: self.p999.max(p99),
        }
    }

    fn with(self, other: Self, join: fn(f64, f64) -> f64) -> Self {
        // To a nanosecond: digits beyond are the arithmetic's.
        let join = |a, b| (join(a, b) * 1e6).round() / 1e6;
        Self {
            p50: join(self.p50, other.p50),
            p90: join(self.p90, other.p90),
            p99: join(self.p99, other.p99),
            p999: join(self.p999, other.p999),
        }
    }
}

impl From<&MetricSummary> for Quantiles {
    fn from(metric: &MetricSummary) -> Self {
        Self {
            p50: metric.p50,
            p90: metric.p90,
            p99: metric.p99,
            p999: metric.p999,
        }
    }
}

/// What one load came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Measured {
    /// Messages sent a second.
    pub sent_per_s: f64,
    /// Messages answered in time, a second.
    pub answered_per_s: f64,
    /// Due messages that were not sent.
    pub sends_skipped: u64,
    /// Sent - intended: the generator's own lateness.
    pub schedule_lag_ms: Quantiles,
    /// Received - intended.
    pub round_trip_ms: Quantiles,
    /// Received - sent.
    pub service_time_ms: Quantiles,
    /// Share of the measured time in which the busiest shard's thread was busy, 0 to 1.
    pub busy: f64,
    /// The same of the built-in server's threads, over the whole run; `null` when it did not say.
    pub server_busy: Option<f64>,
    /// Why `wsbench run` calls a run at this load invalid; empty when it does not.
    pub invalid: Vec<String>,
}

impl Measured {
    /// From a judged result against a built-in server with so many threads.
    pub fn of(result: &RunResult, server_threads: u16) -> Self {
        let summary = &result.summary;
        let per_s = |counter| summary.counter(counter) as f64 / summary.measured_s.max(1e-9);
        let quantiles = |metric| {
            let metric = summary.metrics.get(&metric);
            metric.map_or_else(Quantiles::default, Quantiles::from)
        };
        let threads_s = result.phases.drain_end_s * f64::from(server_threads);
        let server = result.server_counts;
        Self {
            sent_per_s: per_s(Counter::MessagesSent),
            answered_per_s: per_s(Counter::RepliesMatched),
            sends_skipped: summary.counter(Counter::SendsSkipped),
            schedule_lag_ms: quantiles(Metric::ScheduleLag),
            round_trip_ms: quantiles(Metric::RoundTrip),
            service_time_ms: quantiles(Metric::ServiceTime),
            busy: busy(result),
            server_busy: server.map(|counts| (counts.cpu_s / threads_s.max(1e-9)).min(1.0)),
            invalid: result
                .validity
                .reasons
                .iter()
                .map(ToString::to_string)
                .collect(),
        }
    }
}

/// Busy of all measured intervals, each by its length.
fn busy(result: &RunResult) -> f64 {
    let rows = result.timeline.rows.iter();
    let measured = rows.filter(|row| row.phase == crate::metrics::Phase::Measure);
    let (mut spent, mut length) = (0.0, 0.0);
    for row in measured {
        spent += row.busy * (row.end_s - row.start_s);
        length += row.end_s - row.start_s;
    }
    if length > 0.0 { spent / length } else { 0.0 }
}

/// A load that was tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Generator threads.
    pub shards: u16,
    /// Messages a second that the schedule asked for.
    pub asked_per_s: u64,
    /// What came of it.
    #[serde(flatten)]
    pub measured: Measured,
    /// What the generator did wrong; empty = it was honest.
    pub lies: Vec<Lie>,
}

impl Point {
    /// Judges what was measured.
    pub fn new(shards: u16, asked_per_s: u64, measured: Measured) -> Self {
        Self {
            shards,
            asked_per_s,
            lies: lies(asked_per_s, &measured),
            measured,
        }
    }

    /// Nothing was found against the generator.
    pub fn is_honest(&self) -> bool {
        self.lies.is_empty()
    }
}

/// A way in which a generator's numbers are not the server's.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Lie {
    /// Messages left late.
    ScheduleLag {
        /// `p50` or `p99`.
        quantile: &'static str,
        /// How late, in ms.
        ms: f64,
        /// The most that is believed.
        limit_ms: f64,
    },
    /// Due messages were not sent at all.
    SendsSkipped {
        /// How many.
        skipped: u64,
    },
    /// Fewer were sent than asked for.
    SentTooFew {
        /// A second.
        sent_per_s: f64,
    },
    /// `wsbench run` itself would not believe the run.
    Invalid {
        /// Its reason.
        reason: String,
    },
}

impl fmt::Display for Lie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ScheduleLag {
                quantile,
                ms,
                limit_ms,
            } => write!(f, "schedule_lag {quantile} {ms:.3} ms, over {limit_ms} ms"),
            Self::SendsSkipped { skipped } => write!(f, "{skipped} sends skipped"),
            Self::SentTooFew { sent_per_s } => write!(f, "only {sent_per_s:.0}/s sent"),
            Self::Invalid { reason } => write!(f, "invalid: {reason}"),
        }
    }
}

/// Everything found against the generator at a load of `asked` messages a second.
pub fn lies(asked: u64, measured: &Measured) -> Vec<Lie> {
    let lag = measured.schedule_lag_ms;
    let mut found = Vec::new();
    for (quantile, ms, limit_ms) in [("p99", lag.p99, LAG_P99_MS), ("p50", lag.p50, LAG_P50_MS)] {
        if ms > limit_ms {
            found.push(Lie::ScheduleLag {
                quantile,
                ms,
                limit_ms,
            });
        }
    }
    if measured.sends_skipped > 0 {
        let skipped = measured.sends_skipped;
        found.push(Lie::SendsSkipped { skipped });
    }
    if measured.sent_per_s < SENT_SHARE * asked as f64 {
        let sent_per_s = measured.sent_per_s;
        found.push(Lie::SentTooFew { sent_per_s });
    }
    let invalid = measured.invalid.iter().cloned();
    found.extend(invalid.map(|reason| Lie::Invalid { reason }));
    found
}
