//! What to run: a validated test plan. A value of these types cannot be wrong.
//!
//! `file` reads TOML into them (the only place that knows the file's shape); everything below the
//! commands only sees these types. They hold no sockets, no clock and no results.

mod ad_hoc;
pub mod address;
mod changes;
pub mod fault;
mod file;
pub mod forecast;
pub mod gate;
pub mod heartbeat;
pub mod limits;
pub mod load;
pub mod matcher;
mod nearest;
pub mod pressure;
pub mod problem;
mod recipe;
pub mod reconnect;
pub mod redact;
pub mod relay;
pub mod server;
pub mod session;
pub mod target;
pub mod template;
pub mod threshold;
mod toxic_text;
pub mod warning;

use std::sync::Arc;
use std::time::Duration;

pub use ad_hoc::AdHoc;
pub use address::{Address, AddressError};
pub use fault::{
    ClientFault, Fault, FaultKind, ServerEnding, ServerFault, ServerFaultPlan, TimedFault,
};
pub use file::{Overrides, schema};
pub use forecast::Forecast;
pub use gate::{GatePlan, GateRule};
pub use heartbeat::{AnswerPings, Heartbeat, HeartbeatStyle};
pub use limits::Limits;
pub use load::{Load, LoadModel, Stage};
pub use matcher::{Capture, Matcher, Pointer, PointerError, Reply};
pub(crate) use nearest::nearest;
pub use pressure::Pressure;
pub use problem::{Problem, Problems};
pub use recipe::{Recipe, Replica};
pub use reconnect::{Factors, Jitter, Reconnect, ReconnectPolicy};
pub use redact::{REDACTED, redact, redact_url};
pub use relay::{Direction, FrameKind, RelayPlan, Toxic, ToxicKind};
pub use server::{Behaviour, MOST_PROCESSES, ServerPlan, Single, Stall};
pub use session::{Delivery, Payload, Schedule, ScheduleKind, SendStep, Session, Step};
pub use target::{ResolveOverride, Target, TlsPlan};
pub use template::{Context, Names, Template, TemplateError};
pub use threshold::{Comparison, StatisticKind, Statistics, Threshold};
pub use toxic_text::{TimedToxic, ToxicError};
pub use warning::Warning;

/// A named, validated test plan.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Letters, digits, `-`, `_` and `.`; names the results folder.
    pub name: String,
    /// One line for people.
    pub description: String,
    /// Seeds every random draw of the run.
    pub seed: u64,
    /// The text it was read from, with `${ENV}` references unexpanded (so without secrets).
    pub source: Arc<str>,
    /// How to make it again from `source`, in another process.
    pub recipe: Recipe,
    /// The URL under test and how to dial it.
    pub target: Target,
    /// The built-in server to start, if the scenario asks for one.
    pub server: Option<ServerPlan>,
    /// How many clients, when.
    pub load: Load,
    /// How hard it may press the target.
    pub limits: Limits,
    /// The liveness probe of every client.
    pub heartbeat: Heartbeat,
    /// What a client does after losing its connection.
    pub reconnect: Reconnect,
    /// At least one; dealt to clients by weight.
    pub sessions: Vec<Session>,
    /// Rows from CSV files, used by templates as `row.COLUMN`.
    pub data: Option<Arc<DataSet>>,
    /// What goes wrong, in the order of the file.
    pub faults: Vec<Fault>,
    /// The path between clients and target, if it is to misbehave.
    pub relay: Option<RelayPlan>,
    /// Absolute limits judged on the measured phase.
    pub thresholds: Vec<Threshold>,
    /// What decides when its runs are compared.
    pub gate: GatePlan,
    /// When the generator itself was too late to be believed.
    pub validity: Validity,
    /// Texts that must not be printed or saved: from the environment, the server's token, query values,
    /// credentials in headers. For [`redact()`].
    pub secrets: Vec<String>,
    /// Oddities that do not keep it from running.
    pub warnings: Vec<Warning>,
}

/// Rows of a CSV feeder; client `i` uses row `i % rows`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSet {
    /// Header names, in order.
    pub columns: Vec<String>,
    /// At least one row; each as long as `columns`.
    pub rows: Vec<Vec<String>>,
}

/// Limits on the generator's own lateness (DESIGN section 3).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Validity {
    /// Largest schedule_lag p99; `None` = 1 ms + 1 % of the shortest period.
    pub schedule_lag_p99: Option<Duration>,
    /// Largest share of an interval a shard's thread may be busy, 0 to 1.
    pub busy: f64,
    /// Whether dropped arrivals are tolerated.
    pub dropped_arrivals: bool,
    /// Longest stall of the generator; `None` = none at all, or as long as `schedule_lag_p99` if that
    /// is given.
    pub longest_stall: Option<Duration>,
}

impl Default for Validity {
    fn default() -> Self {
        Self {
            schedule_lag_p99: None,
            busy: 0.95,
            dropped_arrivals: false,
            longest_stall: None,
        }
    }
}
