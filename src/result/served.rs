//! What the built-in server counted: the other side of the same run.

use serde::{Deserialize, Serialize};

/// What the built-in server has done when the run was over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerCounts {
    /// WebSockets it opened: those beyond the clients' own count were wasted on clients that had gone.
    pub upgrades: u64,
    /// Requests it refused with an HTTP status.
    pub refused: u64,
    /// Messages it received.
    pub messages_received: u64,
    /// Messages it queued for sending.
    pub messages_sent: u64,
    /// How often it had no descriptor for a connection.
    pub descriptor_shortages: u64,
    /// How often it could not listen again after a restart, because the port was taken.
    pub listen_failures: u64,
    /// CPU time of its process, in seconds.
    pub cpu_s: f64,
    /// Connections that found an accept queue full, on the whole host; `None` where unknown.
    pub listen_overflows: Option<u64>,
}
