//! What goes wrong, when, and to whom: `[[fault]]`, on a timeline that starts with the measured phase.
//!
//! Client faults happen to our own clients, whatever the target is. Server faults need the built-in
//! server, relay faults (toxics) need `[relay]`. Which clients, connections and messages are hit is
//! drawn from the scenario's seed, so that a run can be repeated.

mod text;

use std::time::Duration;

use super::relay::Toxic;
pub use text::{FaultTextError, TimedFault};

/// One entry of `[[fault]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// First time, from the start of the measured phase.
    pub at: Duration,
    /// From one time to the next; `None` = once.
    pub every: Option<Duration>,
    /// How many times at most; `None` = until the load ends.
    pub count: Option<u32>,
    /// Each time is moved later by U(0, jitter).
    pub jitter: Duration,
    /// How long it lasts; `None` = an instant, or for ever, by its kind.
    pub duration: Option<Duration>,
    /// What happens.
    pub kind: FaultKind,
}

/// Times of one fault, at most; a run with more says so when it is checked.
pub const OCCURRENCES: usize = 100_000;

impl Fault {
    /// When it happens, in order, from the start of the measured phase; all before `measure` is over
    /// (a time that jitter moves beyond it does not happen). `seed` should be the fault's own.
    pub fn times(&self, measure: Duration, seed: u64) -> Vec<Duration> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let most = match self.every {
            None => 1,
            Some(_) => self.count.map_or(OCCURRENCES, |count| count as usize),
        };
        let mut times = Vec::new();
        let mut due = self.at;
        while due < measure && times.len() < most.min(OCCURRENCES) {
            times.push(due + self.jitter.mul_f64(rng.f64()));
            due += self.every.unwrap_or(Duration::MAX - due);
        }
        times.retain(|time| *time < measure);
        times.sort_unstable();
        times
    }
}

/// What happens, by whom it is done.
#[derive(Clone, Debug, PartialEq)]
pub enum FaultKind {
    /// By our own clients.
    Client {
        /// What.
        fault: ClientFault,
        /// The share of clients it hits, above 0 to 1.
        share: f64,
    },
    /// By the built-in server.
    Server(ServerFaultPlan),
    /// By the relay.
    Relay(Toxic),
}

/// What our own clients do.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientFault {
    /// They drop their connection with RST.
    Disconnect,
    /// They close with this code and reason, as a client that means to come back.
    Close {
        /// 1000, or 3000 to 4999.
        code: u16,
        /// At most 123 bytes.
        reason: String,
    },
    /// They neither read nor answer nor send: half-open.
    Freeze,
    /// They read at most so many bytes a second.
    SlowRead {
        /// At least 1.
        bytes_per_s: u64,
    },
    /// They send no beats and answer no pings.
    StopHeartbeats,
    /// They send `factor` messages where one was due.
    Burst {
        /// At least 2.
        factor: u32,
    },
}

/// How a server ends a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerEnding {
    /// FIN without a close frame.
    Fin,
    /// RST.
    #[default]
    Reset,
    /// A close frame with this code.
    Close(u16),
}

/// What the built-in server does.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerFault {
    /// Drops every connection, stops listening for the fault's duration, then listens again.
    RestartServer,
    /// Drops a share of the connections.
    DropConnections {
        /// How.
        ending: ServerEnding,
    },
    /// Does nothing at all for the fault's duration.
    StallServer,
    /// Every reply waits.
    Delay {
        /// At least so long.
        delay: Duration,
        /// And U(0, jitter) more.
        jitter: Duration,
    },
    /// Pings are not answered.
    DropPongs,
    /// Replies are not sent.
    DropReplies,
    /// A reply is sent after the next one.
    ReorderReplies,
    /// A reply is sent twice.
    DuplicateReplies,
    /// One byte of a reply is changed (text stays UTF-8).
    CorruptReplies,
    /// At most so many connections are accepted a second.
    AcceptRate {
        /// Above zero.
        per_s: f64,
    },
    /// The accept queue holds at most so many connections.
    Backlog {
        /// As `listen(2)` counts them.
        connections: u32,
    },
    /// Upgrades are refused with an HTTP status.
    Refuse {
        /// 400 to 599.
        status: u16,
        /// The Retry-After header in whole seconds.
        retry_after: Option<Duration>,
    },
    /// Connections are ended by the server after a time or a number of messages.
    CloseAfter {
        /// From their opening.
        after: Option<Duration>,
        /// Messages received.
        messages: Option<u64>,
        /// How.
        ending: ServerEnding,
    },
}

/// A fault of the server with its chance: of each reply, pong or handshake it could hit.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerFaultPlan {
    /// What.
    pub fault: ServerFault,
    /// Above 0 to 1.
    pub probability: f64,
    /// The share of connections it can hit at all, above 0 to 1.
    pub share: f64,
}

impl FaultKind {
    /// As in the file.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Client { fault, .. } => fault.name(),
            Self::Server(plan) => plan.fault.name(),
            Self::Relay(toxic) => toxic.kind.name(),
        }
    }
}

impl ClientFault {
    /// As in the file.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Disconnect => "disconnect",
            Self::Close { .. } => "close",
            Self::Freeze => "freeze",
            Self::SlowRead { .. } => "slow_read",
            Self::StopHeartbeats => "stop_heartbeats",
            Self::Burst { .. } => "burst",
        }
    }
}

impl ServerFault {
    /// As in the file.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RestartServer => "restart_server",
            Self::DropConnections { .. } => "drop_connections",
            Self::StallServer => "stall_server",
            Self::Delay { .. } => "delay",
            Self::DropPongs => "drop_pongs",
            Self::DropReplies => "drop_replies",
            Self::ReorderReplies => "reorder_replies",
            Self::DuplicateReplies => "duplicate_replies",
            Self::CorruptReplies => "corrupt_replies",
            Self::AcceptRate { .. } => "accept_rate",
            Self::Backlog { .. } => "backlog",
            Self::Refuse { .. } => "refuse",
            Self::CloseAfter { .. } => "close_after",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn fault(every: Option<Duration>, count: Option<u32>, jitter: Duration) -> Fault {
        Fault {
            at: 2 * SECOND,
            every,
            count,
            jitter,
            duration: None,
            kind: FaultKind::Client {
                fault: ClientFault::Freeze,
                share: 1.0,
            },
        }
    }

    fn seconds(fault: &Fault, measure: u32) -> Vec<u64> {
        let times = fault.times(measure * SECOND, 7);
        times.iter().map(Duration::as_secs).collect()
    }

    #[test]
    fn times_repeat_until_the_load_ends_or_the_count_is_reached() {
        let zero = Duration::ZERO;
        for (every, count, expected) in [
            (None, None, vec![2]),
            (Some(3 * SECOND), None, vec![2, 5, 8]),
            (Some(3 * SECOND), Some(2), vec![2, 5]),
            (Some(9 * SECOND), Some(5), vec![2]),
        ] {
            assert_eq!(seconds(&fault(every, count, zero), 10), expected);
        }
        assert_eq!(seconds(&fault(None, None, zero), 2), [0; 0]);
    }

    #[test]
    fn jitter_moves_later_and_comes_from_the_seed() {
        let fault = fault(Some(SECOND), None, SECOND / 2);
        let times = fault.times(100 * SECOND, 7);
        assert_eq!(times, fault.times(100 * SECOND, 7));
        assert_ne!(times, fault.times(100 * SECOND, 8));
        for (index, time) in times.iter().enumerate() {
            let due = (index as u32 + 2) * SECOND;
            assert!(
                due <= *time && *time < due + SECOND / 2,
                "{index}: {time:?}"
            );
        }
    }
}
