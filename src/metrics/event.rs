//! What happened to connections, one by one: for questions that counters cannot answer, such as how
//! many attempts a client needed to come back, and when.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Offset;
use crate::failure::FailureKind;

/// Events one shard keeps for one interval; more are counted, not kept: some 40 MB.
pub const EVENTS: usize = 1 << 20;

/// One step in a client's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionEvent {
    /// When.
    pub at: Offset,
    /// Whose: the client's number.
    pub client: u64,
    /// What.
    pub what: ConnectionStep,
}

/// What can happen to a client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConnectionStep {
    /// A dial begins that was due at `due`; later than that is our own lateness.
    Attempt {
        /// When it should have begun.
        due: Offset,
    },
    /// The dial became an open connection.
    Opened(Dial),
    /// The dial failed.
    Failed {
        /// Why.
        kind: FailureKind,
        /// How far it came.
        dial: Dial,
    },
    /// The dial was given up because the run ended or the client was to leave.
    Abandoned,
    /// The first data message on a connection that replaced a lost one.
    FirstMessage {
        /// From the opening to the message.
        after: Duration,
    },
    /// The connection was lost: by the peer, the path, a heartbeat's verdict or a fault of ours.
    Lost,
    /// The connection ended as planned.
    Closed,
    /// The client used up its attempts.
    GaveUp,
    /// The client left: nothing more will come from it.
    Left,
}

/// How a dial went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dial {
    /// From the begin to the end of the dial.
    pub took: Duration,
    /// SYN to established; `None` when TCP did not open.
    pub tcp_connect: Option<Duration>,
    /// SYNs that had to be sent again (Linux: TCP_INFO's tcpi_total_retrans right after connect).
    pub syn_resends: u32,
    /// Bytes sent and received by the upgrade, both directions together, without TLS and TCP.
    pub bytes: u32,
}

/// A fault of our own clients took effect on one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultHit {
    /// Which of the plan's occurrences.
    pub occurrence: usize,
    /// When.
    pub at: Offset,
    /// How many clients it hit.
    pub clients: u64,
}

/// Fault hits one shard keeps for one interval; those beyond it are not in the report.
pub const FAULT_HITS: usize = 10_000;

/// The events of one interval, bounded by [`EVENTS`] a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Events {
    /// In no order between shards.
    pub list: Vec<ConnectionEvent>,
    /// Events that were not kept.
    pub dropped: u64,
    /// Faults of our own clients.
    pub faults: Vec<FaultHit>,
}

impl Events {
    /// Keeps an event, or counts it when there is no room.
    pub fn push(&mut self, event: ConnectionEvent) {
        if self.list.len() < EVENTS {
            self.list.push(event);
        } else {
            self.dropped += 1;
        }
    }

    /// Adds those of another shard, in order of time.
    pub fn merge(&mut self, other: &Self) {
        self.list.extend_from_slice(&other.list);
        // Stable: what happened to one client in one instant stays in order.
        self.list.sort_by_key(|e| (e.at, e.client));
        self.dropped += other.dropped;
        self.faults.extend_from_slice(&other.faults);
        self.faults.sort_by_key(|hit| (hit.at, hit.occurrence));
    }
}
