//! The way of a reply out of the server, and what faults do to it there.
//!
//! A reply is what a message brings its sender, or, in the behaviour broadcast, everybody. Pongs are
//! none, nor is what a room hears.

use std::time::Duration;

use tokio::time::Instant;

use super::desk::Desk;
use super::faults;
use crate::wire::{Full, OpCode, Outbox};

/// How long a reply waits for the one that is to overtake it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whom a reply is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum To {
    Sender,
    Everybody,
}

/// A reply that the next one overtakes.
#[derive(Debug)]
pub(super) struct Kept {
    due: Instant,
    to: To,
    opcode: OpCode,
    payload: Vec<u8>,
    times: u8,
}

impl Desk {
    /// Sends a reply, as far as faults let it.
    pub fn send(
        &mut self,
        to: To,
        opcode: OpCode,
        payload: &[u8],
        outbox: &mut Outbox,
    ) -> Result<(), Full> {
        if !self.lane.faults.any() && self.kept.is_none() {
            return self.say(to, opcode, payload, outbox);
        }
        self.disturb(to, opcode, payload, outbox)
    }

    fn disturb(
        &mut self,
        to: To,
        opcode: OpCode,
        payload: &[u8],
        outbox: &mut Outbox,
    ) -> Result<(), Full> {
        let fate = faults::fate(&self.lane.faults.active(), self.member.id, self.answering);
        if fate.dropped {
            return Ok(());
        }
        let mut payload = payload.to_vec();
        if let Some(draw) = fate.corrupted {
            faults::corrupt(opcode, &mut payload, draw);
        }
        let times = 1 + u8::from(fate.doubled);
        if fate.swapped && self.kept.is_none() {
            let due = Instant::now() + PATIENCE;
            self.lane.alarm.set_turn(due, self.member.id);
            self.kept = Some(Box::new(Kept {
                due,
                to,
                opcode,
                payload,
                times,
            }));
            return Ok(());
        }
        for _ in 0..times {
            self.say(to, opcode, &payload, outbox)?;
        }
        self.release(outbox);
        Ok(())
    }

    /// Sends the kept reply, if there is one; without room for it, it is lost like any other.
    pub fn release(&mut self, outbox: &mut Outbox) {
        let Some(kept) = self.kept.take() else {
            return;
        };
        for _ in 0..kept.times {
            let _ = self.say(kept.to, kept.opcode, &kept.payload, outbox);
        }
    }

    /// Sends the kept reply when nothing has overtaken it in time.
    pub fn release_due(&mut self, outbox: &mut Outbox) {
        let now = Instant::now();
        if self.kept.as_ref().is_some_and(|kept| kept.due <= now) {
            self.release(outbox);
        }
    }

    /// Sends.
    pub fn say(
        &self,
        to: To,
        opcode: OpCode,
        payload: &[u8],
        outbox: &mut Outbox,
    ) -> Result<(), Full> {
        match to {
            To::Everybody => self.lane.publish(None, opcode, payload),
            To::Sender => {
                outbox.frame(opcode, payload)?;
                self.lane.meter().messages_sent.add(1);
            }
        }
        Ok(())
    }
}
