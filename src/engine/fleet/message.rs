//! What the processes of a run tell each other.

use std::net::SocketAddr;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::clock::SharedEpoch;
use crate::engine::shard::Report;
use crate::engine::stage::Stage;
use crate::scenario::Replica;

/// Of these messages and of the program: both ends are the same build.
pub const VERSION: &str = concat!("wsbench ", env!("CARGO_PKG_VERSION"), " fleet 1");

/// What a worker is to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// [`VERSION`].
    pub version: String,
    /// What is run.
    pub scenario: Replica,
    /// Shards of all processes together.
    pub shards: u16,
    /// Those of the worker.
    pub own: Range<u16>,
    /// Where clients connect instead of the target's address.
    pub via: Option<SocketAddr>,
}

/// The run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// When.
    pub epoch: SharedEpoch,
}

/// From the parent to a worker: first an assignment, then a start, then stages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToWorker {
    /// What to do.
    Assignment(Box<Assignment>),
    /// From when on.
    Start(Start),
    /// What everybody is to do now.
    Stage(Stage),
}

/// From a worker to the parent: first whether it is ready, then reports.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum FromWorker {
    /// It waits for the start.
    Ready,
    /// It cannot do it: why.
    Refused(String),
    /// What one of its shards tells.
    Report(Report),
}
