//! What the run command knows about a run besides its numbers.
//!
//! Plain data, so that results depend neither on the engine nor on the scenario's types.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::clock::Offset;
use crate::metrics::Metric;

/// Everything a result tells beside what was measured.
#[derive(Clone, Debug)]
pub struct RunFacts {
    /// The scenario's name.
    pub name: String,
    /// Its one line for people.
    pub description: String,
    /// Its text as written: `${ENV}` references unexpanded.
    pub text: String,
    /// The keys that flags gave another value than the text, and that value.
    pub changes: BTreeMap<String, String>,
    /// The seed of every random draw.
    pub seed: u64,
    /// The URLs under test; pass them without secrets, they are redacted again.
    pub targets: Vec<String>,
    /// The built-in server's behaviour, when this run started one.
    pub server: Option<String>,
    /// What the load asked for, in words (`1,000 clients`, `50 arrivals/s`).
    pub load: String,
    /// Wall time at the start.
    pub started: SystemTime,
    /// Where the phases ended.
    pub phases: Phases,
    /// Why it ended.
    pub end_reason: EndReason,
    /// How many shards.
    pub shards: usize,
    /// In how many processes.
    pub processes: usize,
    /// What woke the senders: `timerfd`, or `tokio sleep (late by up to 2 ms)`.
    pub pacing: String,
    /// A stalled server also slowed the schedule: no step had one of its own.
    pub closed_loop: bool,
    /// When the generator's own lateness spoils the run.
    pub limits: ValidityLimits,
    /// How hard the run might press its target.
    pub caps: Caps,
    /// When the generator stood still, in order; bounded.
    pub stalls: Vec<Stall>,
    /// Stalls beyond those listed.
    pub stalls_beyond: u64,
    /// How long an unanswered message of a metric had waited at least (the shortest timeout).
    pub unanswered_after: BTreeMap<Metric, Duration>,
}

/// How hard a run might press its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caps {
    /// Dials a second, first dials and reconnects; those beyond it waited.
    pub dials_per_s: u64,
    /// Messages a second that the plan might ask for; `None` = any number.
    pub messages_per_s: Option<u64>,
    /// Clients at once that the plan might ask for; `None` = any number.
    pub clients: Option<u64>,
}

/// A standstill of the generator itself: it was stopped, suspended or starved of CPU.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stall {
    /// The last sign of life before it, in seconds from the start of the run.
    pub start_s: f64,
    /// How long it lasted, in seconds.
    pub length_s: f64,
}

/// Where the phases of a run ended, from its start; an early end moves all later ones to itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases {
    /// End of warm-up, start of measure.
    pub warm_up_end: Offset,
    /// End of measure, start of drain.
    pub measure_end: Offset,
    /// End of drain, and of the run.
    pub drain_end: Offset,
}

impl Phases {
    /// How long the measured phase lasted.
    pub fn measured(&self) -> Duration {
        self.measure_end.since(self.warm_up_end)
    }
}

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// As planned.
    Completed,
    /// Ctrl-C.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// A threshold with `abort_run` was broken: its name.
    AbortedByThreshold(String),
    /// Not one connection opened.
    NothingConnected,
    /// The built-in server ended before the run.
    ServerEnded,
}

/// Limits on the generator's own lateness (DESIGN section 3).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ValidityLimits {
    /// Largest schedule_lag p99; `None` = 1 ms + 1 % of the shortest period.
    pub schedule_lag_p99: Option<Duration>,
    /// The shortest period of all open schedules; `None` when there is none.
    pub shortest_period: Option<Duration>,
    /// Largest share of a measured interval that a shard may be busy, 0 to 1.
    pub busy: f64,
    /// Whether dropped arrivals are tolerated.
    pub dropped_arrivals: bool,
    /// Longest stall of the generator; `None` = as long as `schedule_lag_p99`, if that is given.
    pub longest_stall: Option<Duration>,
}

impl Default for ValidityLimits {
    fn default() -> Self {
        Self {
            schedule_lag_p99: None,
            shortest_period: None,
            busy: 0.95,
            dropped_arrivals: false,
            longest_stall: None,
        }
    }
}

impl ValidityLimits {
    /// The longest stall that is tolerated. Who accepts messages late by so much accepts a stall of
    /// that length too.
    pub fn stall(&self) -> Duration {
        let accepted = self.longest_stall.or(self.schedule_lag_p99);
        accepted.unwrap_or_default()
    }

    /// The largest schedule_lag p99 that is believed.
    pub fn lag(&self) -> Duration {
        let period = self.shortest_period.unwrap_or_default();
        self.schedule_lag_p99
            .unwrap_or(Duration::from_millis(1) + period / 100)
    }
}
