//! What a client feels of the faults that are on.

use std::sync::Arc;

use crate::scenario::ClientFault;

/// The lasting faults of one client; several at once add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effects {
    /// It neither reads, nor writes, nor does anything else.
    pub frozen: bool,
    /// It sends no beats and answers no pings.
    pub no_heartbeats: bool,
    /// It reads at most so many bytes a second.
    pub slow_read: Option<u64>,
    /// Messages where one was due; at least 1.
    pub burst: u32,
}

impl Default for Effects {
    fn default() -> Self {
        Self {
            frozen: false,
            no_heartbeats: false,
            slow_read: None,
            burst: 1,
        }
    }
}

impl Effects {
    /// Adds a lasting fault: the slowest reading counts, bursts multiply.
    pub fn add(&mut self, fault: &ClientFault) {
        match fault {
            ClientFault::Freeze => self.frozen = true,
            ClientFault::StopHeartbeats => self.no_heartbeats = true,
            ClientFault::SlowRead { bytes_per_s } => {
                let slowest = self.slow_read.map_or(*bytes_per_s, |s| s.min(*bytes_per_s));
                self.slow_read = Some(slowest);
            }
            ClientFault::Burst { factor } => self.burst = self.burst.saturating_mul(*factor),
            ClientFault::Disconnect | ClientFault::Close { .. } => {}
        }
    }
}

/// What a client is to do at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Drop the connection with RST.
    Disconnect,
    /// Close it in order and come back.
    Close(u16, Arc<str>),
}
