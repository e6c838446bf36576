//! What `wsbench calibrate --json` prints. Additive changes keep the version; a renamed or re-defined
//! field raises it.

use serde::Serialize;

use super::point::{Point, Quantiles};
use crate::result::Environment;
use crate::result::run::Tool;

/// The version of the document.
pub const SCHEMA_VERSION: u32 = 1;

/// What a machine's generator can be trusted with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Calibration {
    /// The version of this document's fields.
    pub schema_version: u32,
    /// Always `calibration`.
    pub document: &'static str,
    /// What wrote it.
    pub tool: Tool,
    /// Wall time at the start, RFC 3339 in UTC.
    pub started: String,
    /// Short points, few of them.
    pub quick: bool,
    /// Seeds every run.
    pub seed: u64,
    /// Connections that the load was spread over.
    pub clients: u32,
    /// Where it was measured, and what disturbed it.
    pub machine: Machine,
    /// How many idle clients fit; arithmetic, not measured.
    pub capacity: Capacity,
    /// How fast connections open; `null` when that was not reached.
    pub handshakes: Option<Handshakes>,
    /// Where the generator begins to lie, first on one shard.
    pub knees: Vec<Knee>,
    /// round_trip against a known delay.
    pub truth: Vec<Truth>,
    /// Every load of the search, in the order tried.
    pub points: Vec<Point>,
    /// Whether `wsbench run` refuses to believe runs above the limit; `null` without any such run.
    pub beyond: Option<Beyond>,
    /// What can be trusted, first on one shard; empty when that cannot be said.
    pub trusted: Vec<Trusted>,
    /// What speaks against these figures.
    pub noise: Vec<Noise>,
    /// It was stopped before its end.
    pub interrupted: bool,
    /// All of it in words.
    pub statement: Vec<String>,
}

/// The machine while it was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Machine {
    /// What it is.
    pub environment: Environment,
    /// How the processor chooses its clock; `null` where it does not say.
    pub governor: Option<String>,
    /// How late it wakes a thread that has nothing else to do.
    pub timer: Lateness,
    /// What wakes it.
    pub timer_kind: String,
    /// Cost of one reading of the clock, in ns.
    pub clock_read_ns: f64,
    /// Share of the processors' time that the hypervisor took away; `null` where it does not say.
    pub stolen: Option<f64>,
    /// Share of the processors' time that other programs took.
    pub others: Option<f64>,
}

/// How late wake-ups were, in ms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Lateness {
    /// How many were measured.
    pub count: u64,
    /// Quantiles.
    #[serde(flatten)]
    pub quantiles: Quantiles,
    /// The latest.
    pub max: f64,
}

/// Idle clients by what each takes; `null` where the machine does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Capacity {
    /// By descriptors of one process.
    pub descriptors: Option<u64>,
    /// By ephemeral ports, from one source address to one target.
    pub ports: Option<u64>,
    /// By memory.
    pub memory: Option<u64>,
}

impl Capacity {
    /// What the scarcest allows, and its name.
    pub fn least(&self) -> Option<(u64, &'static str)> {
        let all = [
            (self.descriptors, "descriptors"),
            (self.ports, "ports"),
            (self.memory, "memory"),
        ];
        let known = all.into_iter().filter_map(|(n, name)| Some((n?, name)));
        known.min()
    }
}

/// Connections opened and closed as fast as they go.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Handshakes {
    /// Opened a second.
    pub per_s: f64,
    /// Of so many clients at a time.
    pub at_once: u32,
    /// Dials that failed.
    pub failed: u64,
    /// Busy share of the generator's shard.
    pub busy: f64,
    /// Busy share of the server's threads.
    pub server_busy: Option<f64>,
}

/// Where a generator begins to lie.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Knee {
    /// Generator threads.
    pub shards: u16,
    /// The highest load under which it was honest, messages a second.
    pub honest_per_s: Option<u64>,
    /// The lowest load above it under which it lied.
    pub lying_per_s: Option<u64>,
    /// Who had no time left there; `null` without such a load.
    pub bottleneck: Option<Bottleneck>,
    /// Loads under which it lied only at the first of two attempts.
    pub disturbed: usize,
}

/// Who had no time left where the generator began to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bottleneck {
    /// The generator's shards: it is the generator's own limit.
    Generator,
    /// The built-in server: the generator may be good for more.
    Server,
    /// Neither: somebody else took the processors, or woke them late.
    Machine,
}

/// round_trip held against a server that answers after a known time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Truth {
    /// Share of the load under which the generator was still honest.
    pub share: f64,
    /// The server's delay, in ms.
    pub delay_ms: f64,
    /// How late the server's answers really left, in ms; `null` when it did not say so in time.
    pub server_late_ms: Option<Quantiles>,
    /// round_trip - delay - the server's lateness (as far as it is known), in ms: what is left is the way there and back, the
    /// server's reading, and the generator's error. An upper bound of that error.
    pub error_ms: Quantiles,
    /// The load and what it came to.
    #[serde(flatten)]
    pub point: Point,
}

/// Whether lies are noticed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Beyond {
    /// The lowest load tried of which `wsbench run` says that it is invalid; `null` = none was.
    pub invalid_per_s: Option<u64>,
    /// What it says.
    pub reasons: Vec<String>,
    /// Loads under which the generator was late by the limits of this command, which are tighter, but
    /// `wsbench run` still believes the run.
    pub still_valid_per_s: Vec<u64>,
}

/// A load, and how true round_trip is up to it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Trusted {
    /// Generator threads.
    pub shards: u16,
    /// Messages a second.
    pub per_s: u64,
    /// The largest error of round_trip up to there, in ms.
    pub error_ms: Quantiles,
}

/// What speaks against the figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Noise {
    /// The hypervisor gave the processors to others.
    Stolen {
        /// Of the processors' time.
        share: f64,
    },
    /// Other programs used the processors.
    Others {
        /// Of the processors' time.
        share: f64,
    },
    /// An idle thread was woken late.
    Timer {
        /// p99 in ms.
        p99_ms: f64,
    },
    /// Loads had to be tried twice.
    Disturbed {
        /// How many.
        loads: usize,
    },
    /// The generator was late although nobody was busy.
    LateThoughIdle {
        /// Generator threads.
        shards: u16,
        /// Messages a second.
        per_s: u64,
    },
    /// It was late under a load under which it had not been.
    Unsteady {
        /// Generator threads.
        shards: u16,
        /// Messages a second.
        per_s: u64,
    },
    /// It was late under every load.
    NeverHonest,
    /// A debug build: the figures say little about a release.
    DebugBuild,
}
