//! The words of a judgement, as they are saved. `compare` decides; this only holds the outcome.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The answer to a command's question, in rising order of precedence: joining two keeps the later.
///
/// A failure outranks an unanswered question, since one broken limit is an answer already. An
/// invalid run outranks a failure: when the generator was late, the failure may be its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything asked was answered with yes.
    #[default]
    Pass,
    /// Something could not be answered.
    Inconclusive,
    /// A limit was broken.
    Fail,
    /// The numbers cannot be believed.
    Invalid,
}

impl Verdict {
    /// The least upper bound.
    pub fn join(self, other: Self) -> Self {
        self.max(other)
    }

    /// As in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Inconclusive => "inconclusive",
            Self::Fail => "fail",
            Self::Invalid => "invalid",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How a threshold came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdState {
    /// Kept.
    Pass,
    /// Broken.
    Fail,
    /// There was nothing to judge: not kept silently.
    NoData,
}

/// A threshold and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ThresholdOutcome {
    /// `round_trip.p99`.
    pub name: String,
    /// The limit as written, with its operator: `< 50ms`.
    pub limit: String,
    /// The measured value in its base unit (seconds, ratio, count, per second, number).
    pub value: Option<f64>,
    /// The base unit: `s`, `ratio`, `count`, `per_s`, `number`.
    pub unit: String,
    /// `value` is only a lower bound: the quantile falls among unanswered messages.
    #[serde(default)]
    pub censored: bool,
    /// So few samples that a value of this quantile is chance (the summary shows none): so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub few_samples: Option<u64>,
    /// How it came out.
    pub state: ThresholdState,
}

/// What a comparison with a baseline said (all of it is in `comparison.json`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineOutcome {
    /// The baseline as it was given.
    pub from: String,
    /// Runs in it.
    pub runs: usize,
    /// The answer of the comparison alone.
    pub verdict: Verdict,
    /// That answer in a sentence.
    pub because: String,
}

/// Why the numbers of a run cannot be believed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum InvalidReason {
    /// Messages left later than the schedule said.
    ScheduleLag {
        /// schedule_lag p99 in ms.
        p99_ms: f64,
        /// Its limit in ms.
        limit_ms: f64,
    },
    /// A shard's thread had no time left.
    Busy {
        /// The highest share in a measured interval, 0 to 1.
        share: f64,
        /// Its limit.
        limit: f64,
        /// How many measured intervals were over it.
        intervals: u64,
    },
    /// The generator itself stood still in the measured phase or after it.
    Stalled {
        /// How often.
        stalls: u64,
        /// When the longest began, in seconds from the start of the run.
        start_s: f64,
        /// How long that one was, in seconds.
        length_s: f64,
        /// All of them together, in seconds.
        total_s: f64,
        /// Times recorded across a stall.
        samples: u64,
    },
    /// Clients were due with no slot free.
    DroppedArrivals {
        /// How many.
        dropped: u64,
        /// Of how many.
        scheduled: u64,
    },
    /// A generator process ended early: its books are not whole.
    Incomplete {
        /// Which, and how.
        lost: String,
    },
    /// The books do not balance: a bug of this tool.
    Unbalanced {
        /// The law and both its sums.
        law: String,
    },
}

impl fmt::Display for InvalidReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ScheduleLag { p99_ms, limit_ms } => write!(
                f,
                "the generator sent late: schedule_lag p99 {p99_ms:.3} ms is over its limit of \
                 {limit_ms:.3} ms; lower the rate, free a core, or accept it with --set validity.schedule_lag_p99=.."
            ),
            Self::Busy {
                share,
                limit,
                intervals,
            } => write!(
                f,
                "the generator was busy {:.0} % of an interval (limit {:.0} %, {intervals} \
                 {} over it); use more cores or machines, or lower the rate",
                share * 100.0,
                limit * 100.0,
                if *intervals == 1 {
                    "interval"
                } else {
                    "intervals"
                },
            ),
            Self::Stalled {
                stalls,
                start_s,
                length_s,
                total_s,
                samples,
            } => {
                let times = if *stalls == 1 {
                    "once"
                } else {
                    "several times"
                };
                write!(
                    f,
                    "the generator itself stood still {times} (stopped, suspended or starved of \
                     CPU): {length_s:.3} s from {start_s:.3} s on"
                )?;
                if *stalls > 1 {
                    write!(f, ", {stalls} stalls and {total_s:.3} s in all")?;
                }
                write!(
                    f,
                    "; {samples} times were taken across it; deadlines waited as long, so no \
                     timeout or dead connection is its doing; run again undisturbed, or accept \
                     it with --set validity.longest_stall=.."
                )
            }
            Self::DroppedArrivals { dropped, scheduled } => write!(
                f,
                "{dropped} of {scheduled} arrivals found no free slot; raise `max_clients`, or \
                 set `[validity] dropped_arrivals = true` if that is what you test"
            ),
            Self::Incomplete { lost } => write!(f, "{lost}; run again"),
            Self::Unbalanced { law } => write!(
                f,
                "the books do not balance: {law}; this is a bug of wsbench, please report it"
            ),
        }
    }
}
