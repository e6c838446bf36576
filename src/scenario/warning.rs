//! What is odd about a scenario that can be run all the same.

use std::fmt;
use std::time::Duration;

use crate::units::{ByteSize, TimeSpan};

/// An oddity with its facts; its text says what follows from it and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The load still ramps up while it is measured.
    RampMeasured {
        /// Until the end of the first ascent.
        ramp: Duration,
        /// Shorter.
        warm_up: Duration,
    },
    /// Replies at the end are waited for shorter than their timeout.
    DrainShort {
        /// The longest of a reply.
        timeout: Duration,
        /// Shorter.
        drain: Duration,
    },
    /// A reply's timeout is longer than the whole load.
    TimeoutBeyondRun {
        /// The longest of a reply.
        timeout: Duration,
        /// All stages.
        run: Duration,
    },
    /// Many clients never beat.
    HeartbeatRare {
        /// Between beats.
        interval: Duration,
        /// All stages; shorter.
        run: Duration,
    },
    /// Beats overlap.
    HeartbeatOverlaps {
        /// Of an answer.
        timeout: Duration,
        /// Between beats; shorter.
        interval: Duration,
    },
    /// Beats are as frequent as a round trip is long.
    HeartbeatFrequent {
        /// Between beats.
        interval: Duration,
    },
    /// Clients share rows.
    RowsReused {
        /// In the data set.
        rows: usize,
        /// More.
        clients: u32,
    },
    /// A session's weight is too small for it to be dealt to a client.
    SessionUnused {
        /// Its name.
        session: String,
        /// The most connected at once.
        clients: u32,
    },
    /// Certificates are not verified.
    Insecure {
        /// Because the built-in server signs its own.
        self_signed: bool,
    },
    /// TLS settings without a `wss://` URL.
    TlsUnused,
    /// A frame cannot be larger than its message.
    FrameLimit {
        /// In bytes: what counts.
        effective: usize,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = |duration: &Duration| TimeSpan(*duration);
        match self {
            Self::RampMeasured { ramp, warm_up } => write!(
                f,
                "the load ramps up for {} but warm-up is {}: the ramp is measured too; set load.warm_up to {} or more",
                span(ramp), span(warm_up), span(ramp)
            ),
            Self::DrainShort { timeout, drain } => write!(
                f,
                "a reply may take {} but the run waits only {} at its end: replies still out then count as outstanding; set load.drain to {}",
                span(timeout), span(drain), span(timeout)
            ),
            Self::TimeoutBeyondRun { timeout, run } => write!(
                f,
                "a reply may take {} but the load lasts {}: an unanswered message may never be found out; shorten the timeout",
                span(timeout), span(run)
            ),
            Self::HeartbeatRare { interval, run } => write!(
                f,
                "heartbeats come every {} but the load lasts {}: many clients never beat; shorten heartbeat.interval",
                span(interval), span(run)
            ),
            Self::HeartbeatOverlaps { timeout, interval } => write!(
                f,
                "heartbeat.timeout {} is longer than heartbeat.interval {}: several beats are out at once, and an answer to a later one supersedes the earlier",
                span(timeout), span(interval)
            ),
            Self::HeartbeatFrequent { interval } => write!(
                f,
                "heartbeats come every {}: that is about a round trip, so they are a load of their own",
                span(interval)
            ),
            Self::RowsReused { rows, clients } => {
                write!(f, "{clients} clients share {rows} data rows: client i uses row i modulo {rows}")
            }
            Self::SessionUnused { session, clients } => write!(
                f,
                "session `{session}` is dealt to no client: its weight is too small for {clients} clients"
            ),
            Self::Insecure { self_signed: true } => f.write_str(
                "certificates are not verified: the built-in server signs its own; give server.cert and target.tls.ca to verify",
            ),
            Self::Insecure { self_signed: false } => {
                f.write_str("certificates are not verified: anybody on the path can answer")
            }
            Self::TlsUnused => f.write_str("[target.tls] has no effect: no URL starts with wss://"),
            Self::FrameLimit { effective } => write!(
                f,
                "max_frame is larger than max_message: the limit of a frame is {}",
                ByteSize(*effective as u64)
            ),
        }
    }
}
