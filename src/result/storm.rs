//! A storm, as it is saved: many clients lost at once, and how they came back (RELIABILITY 3.3).
//!
//! t = 0 is the first loss, or the fault that was commanded. Times that never came are `null`. Every
//! field has a default, so that later versions can add some.

pub mod csv;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One storm.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StormReport {
    /// From 1, in order of their beginning.
    pub number: u64,
    /// Where it was seen, in a result that was merged of several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// t = 0, in seconds from the start of the run.
    pub at_s: f64,
    /// t = 0 lies in the measured phase: only then thresholds look at it.
    pub measured: bool,
    /// The commanded fault that caused it; `null` when it came by itself.
    pub fault: Option<String>,
    /// Open connections just before.
    pub connected_before: u64,
    /// Clients that lost their connection in it: N_d.
    pub clients_lost: u64,
    /// How it ended.
    pub ended: StormEnd,
    /// From t = 0 to its end, in seconds.
    pub length_s: f64,
    /// Every client that was lost was connected again, all at one time.
    pub recovered: bool,
    /// Clients that used up their attempts.
    pub gave_up: u64,
    /// Clients that left before they were back.
    pub left: u64,
    /// Clients that were still away when it ended.
    pub away: u64,
    /// What the clients tried.
    pub attempts: StormAttempts,
    /// How they came back.
    pub recovery: StormRecovery,
    /// How the attempts were spread; `null` without any.
    pub spread: Option<StormSpread>,
    /// SYNs that had to be sent again.
    pub syn: StormSyn,
    /// What it cost the target.
    pub work: StormWork,
    /// What it cost a client to come back.
    pub cost: StormCost,
    /// Whether the generator was up to it.
    pub generator: StormGenerator,
    /// The storm in bins of 100 ms.
    pub series: StormSeries,
}

/// How a storm ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StormEnd {
    /// Every client was back.
    AllBack,
    /// Every client was back, gave up or left.
    SomeGone,
    /// The run ended first.
    #[default]
    RunEnded,
    /// Too many storms were on at once: the oldest was cut off.
    CutOff,
}

impl StormEnd {
    /// As in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AllBack => "all_back",
            Self::SomeGone => "some_gone",
            Self::RunEnded => "run_ended",
            Self::CutOff => "cut_off",
        }
    }
}

/// Dials of the clients that were lost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StormAttempts {
    /// Begun.
    pub total: u64,
    /// `total` / clients lost.
    pub per_client_mean: f64,
    /// 99 % of the clients needed at most so many.
    pub per_client_p99: u64,
    /// What the most persistent client needed.
    pub per_client_max: u64,
    /// Became open connections.
    pub succeeded: u64,
    /// Failed by the target or the path, by kind.
    pub failed: BTreeMap<String, u64>,
    /// Failed for want of our own ports or descriptors: never the target's fault.
    pub failed_locally: BTreeMap<String, u64>,
    /// Given up because the run ended or the client was to leave.
    pub abandoned: u64,
    /// Neither succeeded nor failed when the storm ended.
    pub unfinished: u64,
    /// Begun while another of the same client was in flight or open; 0, or a bug of this tool.
    pub duplicates: u64,
    /// Most begun in any 100 ms (sliding).
    pub peak_100ms: u64,
    /// Most begun in any 1 s (sliding).
    pub peak_1s: u64,
}

/// When a share of the lost clients was back, from t = 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct BackAfter {
    /// So many were connected at one time, in seconds.
    pub now_s: Option<f64>,
    /// So many had been connected again at some time: earlier than `now_s` when clients flap.
    pub ever_s: Option<f64>,
}

/// How the clients came back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StormRecovery {
    /// 50 % of them.
    pub t50: BackAfter,
    /// 90 %.
    pub t90: BackAfter,
    /// 99 %.
    pub t99: BackAfter,
    /// All.
    pub t100: BackAfter,
    /// From t = 0 to the first success, or the commanded length of the fault, in seconds: D.
    pub outage_s: Option<f64>,
    /// Most successful handshakes in any 1 s: R.
    pub best_1s: u64,
    /// D + N_d / R: no policy brings everybody back sooner, in seconds.
    pub floor_s: Option<f64>,
    /// `floor_s` / T100; above 1 when all came back in less than the second that R is counted over.
    pub efficiency: Option<f64>,
}

/// How attempts were spread over the bins from the first of them to T99 (or the last attempt).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StormSpread {
    /// Variance over mean of the bins: 1 for independent clients, N for a herd of N.
    pub fano: f64,
    /// 0: even; 1: all in one bin.
    pub sync: f64,
    /// w, in ms.
    pub bin_ms: f64,
    /// k: how many bins.
    pub bins: u64,
    /// Of the fixed period in `period_s`, how far attempts are in phase: 1 = in lockstep.
    pub in_phase: Option<f64>,
    /// The fixed period of the reconnect policy; `null` when it has none.
    pub period_s: Option<f64>,
}

/// SYNs that had to be sent again: a full accept queue, or loss.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StormSyn {
    /// SYNs sent again, all attempts together.
    pub resends: u64,
    /// Attempts with at least one.
    pub attempts: u64,
    /// Connect times by the kernel's steps; empty ones are left out.
    pub steps: Vec<StormSynStep>,
}

/// The connects that took one of the kernel's steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StormSynStep {
    /// `first SYN`, `2nd resend (2 s)`.
    pub label: String,
    /// The step, in seconds: connects took at least so long.
    pub from_s: f64,
    /// How many.
    pub connects: u64,
}

/// What the storm cost the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StormWork {
    /// Handshakes the target finished for clients that had gone.
    pub wasted: u64,
    /// `wasted` is only what was seen from outside: attempts that timed out after TCP was up.
    pub lower_bound: bool,
    /// Attempts turned away at little cost: refused, or answered with an HTTP status.
    pub refusals: u64,
    /// (successes + wasted + 0.1 x refusals) / clients lost.
    pub amplification: f64,
}

/// A distribution of times in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StormTimes {
    /// How many.
    pub count: u64,
    /// The median.
    pub p50_ms: f64,
    /// 90 %.
    pub p90_ms: f64,
    /// 99 %.
    pub p99_ms: f64,
    /// The longest.
    pub max_ms: f64,
}

/// What it cost a client to come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StormCost {
    /// From the loss to being connected again.
    pub reconnect_time: Option<StormTimes>,
    /// Successful handshakes.
    pub handshake: Option<StormTimes>,
    /// Bytes of a successful upgrade, both directions, without TLS and TCP.
    pub bytes_per_success: Option<f64>,
    /// From the opening to the first message.
    pub first_message: Option<StormTimes>,
    /// Clients that were back and got no message until the next end of their connection, or for as
    /// long as the storm was watched.
    pub without_message: u64,
}

/// Whether the generator was up to the storm.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StormGenerator {
    /// Begin of an attempt after it was due.
    pub lag: Option<StormTimes>,
    /// The lag's p99 is over 100 ms: peaks are lower bounds.
    pub limited: bool,
    /// Attempts held back by limits of our own.
    pub held_back: u64,
    /// The busiest shard's share of an interval that overlaps the storm, 0 to 1.
    pub busiest: Option<f64>,
    /// Times at which the generator stood still.
    pub stalls: Vec<StormStall>,
    /// Events that were not kept while it lasted: with any, all numbers are lower bounds.
    pub events_dropped: u64,
}

/// A time at which the generator stood still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StormStall {
    /// Its begin after t = 0, in seconds.
    pub at_s: f64,
    /// How long, in ms.
    pub length_ms: f64,
}

/// The storm in fixed bins from t = 0; all lists are equally long.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StormSeries {
    /// Width of a bin in ms.
    pub bin_ms: f64,
    /// Attempts begun.
    pub attempts: Vec<u32>,
    /// Attempts that succeeded.
    pub succeeded: Vec<u32>,
    /// Attempts that failed.
    pub failed: Vec<u32>,
    /// Open connections of the whole run at the end of the bin.
    pub connected: Vec<u32>,
    /// The storm lasted longer than is kept here.
    pub cut: bool,
}

impl StormReport {
    /// All attempts that failed, our own shortages included.
    pub fn failed(&self) -> u64 {
        let both = [&self.attempts.failed, &self.attempts.failed_locally];
        both.into_iter().flat_map(BTreeMap::values).sum()
    }
}
