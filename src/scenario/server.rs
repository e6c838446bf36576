//! The reference server as a scenario describes it; `wsbench serve` has every key as a flag.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::fault::ServerFaultPlan;

/// Settings of the built-in reference server.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerPlan {
    /// Where to listen; `None` = the host and port of the target's URL.
    pub listen: Option<SocketAddr>,
    /// What it does with messages.
    pub behaviour: Behaviour,
    /// Put before every echoed payload.
    pub echo_prefix: String,
    /// Sent as a text message to every new connection.
    pub greeting: Option<String>,
    /// Needed as `?token=` or `Authorization: Bearer`; never printed.
    pub token: Option<String>,
    /// Answer a wrong token with HTTP 401 instead of close 4001.
    pub reject_with_401: bool,
    /// Allowed `Origin` values; empty = all.
    pub origins: Vec<String>,
    /// Chosen in this order from what the client offers; empty = none.
    pub subprotocols: Vec<String>,
    /// Server pings, and reaping of peers that did not answer the previous one.
    pub ping_interval: Option<Duration>,
    /// Connections beyond this get HTTP 503.
    pub max_connections: Option<u32>,
    /// Bytes; a larger message is closed with 1009.
    pub max_message: usize,
    /// Bytes; a larger frame is closed with 1009.
    pub max_frame: usize,
    /// Every reply is sent this long after its message was read.
    pub delay: Duration,
    /// All of the server's processing stops for `stall` at the end of every `stall_every`.
    pub stall: Option<Stall>,
    /// What it does wrong from the start, as long as it lives: none that happen in an instant or
    /// stop the whole server.
    pub faults: Vec<ServerFaultPlan>,
    /// Of every draw of its faults.
    pub seed: u64,
    /// TLS with `cert`/`key`, or with a self-signed certificate made on the spot.
    pub tls: bool,
    /// PEM chain.
    pub cert: Option<PathBuf>,
    /// PEM key.
    pub key: Option<PathBuf>,
    /// Server threads; `None` = half of the machine's cores, at least one.
    pub threads: Option<u16>,
}

/// A regular freeze, to check measurements against a known truth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall {
    /// Length of a freeze; shorter than `every`.
    pub duration: Duration,
    /// From one freeze's start to the next.
    pub every: Duration,
}

/// What the reference server does with messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Sends every message back.
    Echo,
    /// Rooms: join -> joined, say -> ack to the sender and said to the room.
    Chat,
    /// Sends every message to all connections, the sender included.
    Broadcast,
    /// `{"id":x,...}` -> `{"ack":x}`.
    Ack,
}
