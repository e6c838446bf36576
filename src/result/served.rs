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
    /// How late its delayed replies left; `None` when it delayed nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub late_replies: Option<LateReplies>,
}

/// How late the replies of a server with a delay were, in microseconds, rounded down (in steps of
/// 64 us from 2 ms on).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateReplies {
    /// Replies that were delayed.
    pub count: u64,
    /// Half of them were at most so late.
    pub p50_us: u64,
    /// See `p50_us`.
    pub p90_us: u64,
    /// See `p50_us`.
    pub p99_us: u64,
    /// See `p50_us`.
    pub p999_us: u64,
    /// The latest.
    pub max_us: u64,
}
