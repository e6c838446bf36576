//! What the server does wrong on purpose: which connections and messages a fault hits.
//!
//! Every decision is a pure function of the seed, the fault's number, the connection's number and the
//! message's number within its connection: a run can be repeated whatever arrives in between.

mod board;
mod draw;

use std::time::Duration;

use tokio::time::Instant;

use crate::scenario::{ServerEnding, ServerFault, ServerFaultPlan};
use crate::wire::{Data, OpCode};

pub(super) use board::{Board, Faults, Order};
pub use board::{FaultError, MOST_FAULTS};
use draw::{chance, mix};

/// Faults that are active from the start have numbers of their own.
const FROM_THE_START: u64 = 1 << 63;

/// A fault that is switched on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Active {
    /// Its number: given by whoever switched it on.
    pub id: u64,
    pub plan: ServerFaultPlan,
    /// When it ends by itself.
    pub until: Option<Instant>,
    /// Of its draws.
    seed: u64,
}

/// What one number is drawn for: a fault's draws are independent of each other.
#[derive(Clone, Copy, Debug)]
enum Lot {
    Share = 1,
    Strike,
    Jitter,
    Place,
}

impl Active {
    /// The draws depend on the server's seed and the fault's number.
    pub fn new(seed: u64, id: u64, plan: ServerFaultPlan, until: Option<Instant>) -> Self {
        Self {
            id,
            plan,
            until,
            seed: mix(seed ^ mix(id)),
        }
    }

    /// The faults of a plan, which last as long as the server.
    pub fn from_the_start(seed: u64, plans: &[ServerFaultPlan]) -> Vec<Self> {
        let numbered = (FROM_THE_START..).zip(plans);
        numbered
            .map(|(id, plan)| Self::new(seed, id, plan.clone(), None))
            .collect()
    }

    /// Whether it is over as soon as it was done.
    pub const fn is_instant(&self) -> bool {
        matches!(self.plan.fault, ServerFault::DropConnections { .. })
    }

    fn draw(&self, lot: Lot, connection: u64, message: u64) -> u64 {
        mix(mix(mix(self.seed ^ lot as u64) ^ connection) ^ message)
    }

    /// Whether the connection is among those it can hit at all.
    pub fn hits(&self, connection: u64) -> bool {
        chance(self.draw(Lot::Share, connection, 0), self.plan.share)
    }

    /// Whether it hits this message (or pong, or handshake) of the connection.
    fn strikes(&self, connection: u64, message: u64) -> bool {
        let draw = self.draw(Lot::Strike, connection, message);
        self.hits(connection) && chance(draw, self.plan.probability)
    }
}

/// What happens to one reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fate {
    /// It is not sent.
    pub dropped: bool,
    /// One byte is changed; the number says which and how.
    pub corrupted: Option<u64>,
    /// It is sent twice.
    pub doubled: bool,
    /// It waits for the next one.
    pub swapped: bool,
}

/// The fate of the reply to a message.
pub(super) fn fate(faults: &[Active], connection: u64, message: u64) -> Fate {
    let mut fate = Fate::default();
    for fault in faults.iter().filter(|f| f.strikes(connection, message)) {
        match fault.plan.fault {
            ServerFault::DropReplies => fate.dropped = true,
            ServerFault::CorruptReplies => {
                fate.corrupted = Some(fault.draw(Lot::Place, connection, message));
            }
            ServerFault::DuplicateReplies => fate.doubled = true,
            ServerFault::ReorderReplies => fate.swapped = true,
            _ => {}
        }
    }
    fate
}

/// Whether a ping goes unanswered.
pub(super) fn loses_pong(faults: &[Active], connection: u64, ping: u64) -> bool {
    faults
        .iter()
        .any(|fault| fault.plan.fault == ServerFault::DropPongs && fault.strikes(connection, ping))
}

/// How much later a message is answered.
pub(super) fn delay(faults: &[Active], connection: u64, message: u64) -> Duration {
    let spans = faults.iter().filter_map(|fault| match fault.plan.fault {
        ServerFault::Delay { delay, jitter } if fault.strikes(connection, message) => {
            let draw = fault.draw(Lot::Jitter, connection, message);
            Some(delay + jitter.mul_f64(draw::unit(draw)))
        }
        _ => None,
    });
    spans.sum()
}

/// The HTTP status and Retry-After with which an upgrade is refused.
pub(super) fn refusal(faults: &[Active], connection: u64) -> Option<(u16, Option<Duration>)> {
    faults.iter().find_map(|fault| match fault.plan.fault {
        ServerFault::Refuse {
            status,
            retry_after,
        } if fault.strikes(connection, 0) => Some((status, retry_after)),
        _ => None,
    })
}

/// The time from one accept to the next.
pub(super) fn accept_gap(faults: &[Active]) -> Option<Duration> {
    let gaps = faults.iter().filter_map(|fault| match fault.plan.fault {
        ServerFault::AcceptRate { per_s } => Duration::try_from_secs_f64(1.0 / per_s).ok(),
        _ => None,
    });
    gaps.max()
}

/// The length of the accept queue, as `listen(2)` counts it.
pub(super) fn backlog(faults: &[Active]) -> Option<u32> {
    let lengths = faults.iter().filter_map(|fault| match fault.plan.fault {
        ServerFault::Backlog { connections } => Some(connections),
        _ => None,
    });
    lengths.min()
}

/// Whether the server's door is shut.
pub(super) fn is_shut(faults: &[Active]) -> bool {
    let mut faults = faults.iter();
    faults.any(|fault| fault.plan.fault == ServerFault::RestartServer)
}

/// How a connection of this age with so many received messages is to end, if it is.
pub(super) fn ending(
    faults: &[Active],
    connection: u64,
    age: Duration,
    received: u64,
) -> Option<ServerEnding> {
    faults.iter().find_map(|fault| match fault.plan.fault {
        ServerFault::CloseAfter {
            after,
            messages,
            ending,
        } if after.is_some_and(|after| age >= after)
            || messages.is_some_and(|messages| received >= messages) =>
        {
            fault.hits(connection).then_some(ending)
        }
        _ => None,
    })
}

/// The age at which a connection is to end, if a fault gives one.
pub(super) fn longest_age(faults: &[Active], connection: u64) -> Option<Duration> {
    let ages = faults.iter().filter_map(|fault| match fault.plan.fault {
        ServerFault::CloseAfter {
            after: Some(after), ..
        } if fault.hits(connection) => Some(after),
        _ => None,
    });
    ages.min()
}

/// Changes one byte; text stays UTF-8. Nothing can be changed in an empty message.
pub(super) fn corrupt(opcode: OpCode, payload: &mut [u8], draw: u64) {
    if payload.is_empty() {
        return;
    }
    let length = payload.len();
    let mut at = (draw % length as u64) as usize;
    if opcode == OpCode::Data(Data::Text) {
        // To the last byte of its character: there, 6 bits are free in every character.
        while payload.get(at + 1).is_some_and(|next| next & 0xc0 == 0x80) {
            at += 1;
        }
    }
    payload[at] ^= 1 + (mix(draw) % 63) as u8;
}

#[cfg(test)]
mod tests;
