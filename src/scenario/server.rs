//! The reference server as a scenario describes it; `wsbench serve` has every key as a flag.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::fault::{Fault, FaultKind, ServerFault, ServerFaultPlan};

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
    /// Processes that share its port; `None` = as many as the clients of a run need, else one.
    pub processes: Option<u16>,
}

/// Processes that one server may have.
pub const MOST_PROCESSES: u16 = 64;

/// What keeps a server in one process: it would be wrong in several, and nobody would notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Single {
    /// Chat and broadcast.
    #[error("this behaviour passes messages on to connections that another process would hold")]
    Behaviour,
    /// A limit on all connections.
    #[error("max_connections is counted within one process")]
    MaxConnections,
    /// The regular freeze of a plan.
    #[error("every process would stall at a time of its own")]
    Stall,
    /// The fault of that name.
    #[error("the fault backlog is about one accept queue, and every process has its own")]
    Backlog,
}

impl Single {
    /// The key of `[server]` that says so.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Behaviour => "behaviour",
            Self::MaxConnections => "max_connections",
            Self::Stall => "stall",
            Self::Backlog => "faults",
        }
    }

    /// What to do to have several processes all the same.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::Behaviour => "use one process, or the behaviour echo or ack",
            Self::MaxConnections => "use one process, or leave max_connections out",
            Self::Stall => "use one process, or the fault stall_server, which stops all at once",
            Self::Backlog => "use one process, or leave that fault out",
        }
    }
}

impl ServerPlan {
    /// One thread of this behaviour and nothing else, messages and frames up to 1 MiB.
    pub fn plain(behaviour: Behaviour) -> Self {
        Self {
            listen: None,
            behaviour,
            echo_prefix: String::new(),
            greeting: None,
            token: None,
            reject_with_401: false,
            origins: Vec::new(),
            subprotocols: Vec::new(),
            ping_interval: None,
            max_connections: None,
            max_message: 1 << 20,
            max_frame: 1 << 20,
            delay: Duration::ZERO,
            stall: None,
            faults: Vec::new(),
            seed: 1,
            tls: false,
            cert: None,
            key: None,
            threads: Some(1),
            processes: None,
        }
    }

    /// What keeps this server, which also does `faults`, in one process.
    pub fn single(&self, faults: &[Fault]) -> Option<Single> {
        if matches!(self.behaviour, Behaviour::Chat | Behaviour::Broadcast) {
            return Some(Single::Behaviour);
        }
        if self.max_connections.is_some() {
            return Some(Single::MaxConnections);
        }
        if self.stall.is_some() {
            return Some(Single::Stall);
        }
        let timed = faults.iter().filter_map(|fault| match &fault.kind {
            FaultKind::Server(plan) => Some(plan),
            FaultKind::Client { .. } | FaultKind::Relay(_) => None,
        });
        let mut all = self.faults.iter().chain(timed);
        all.any(|plan| is_single(&plan.fault))
            .then_some(Single::Backlog)
    }
}

/// Whether a fault means one process. The others are drawn for each connection by a number that no two
/// processes give, hit every process alike, or (accept_rate) are split between them.
const fn is_single(fault: &ServerFault) -> bool {
    match fault {
        ServerFault::Backlog { .. } => true,
        ServerFault::RestartServer
        | ServerFault::DropConnections { .. }
        | ServerFault::StallServer
        | ServerFault::Delay { .. }
        | ServerFault::DropPongs
        | ServerFault::DropReplies
        | ServerFault::ReorderReplies
        | ServerFault::DuplicateReplies
        | ServerFault::CorruptReplies
        | ServerFault::AcceptRate { .. }
        | ServerFault::Refuse { .. }
        | ServerFault::CloseAfter { .. } => false,
    }
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
