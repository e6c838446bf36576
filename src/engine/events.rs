//! Tells the recorder what happens to a client's connection, step by step.

use super::client::Client;
use super::live::{Ended, Next};
use crate::clock::Offset;
use crate::failure::CloseCause;
use crate::metrics::event::Dial as DialFacts;
use crate::metrics::{ConnectionEvent, ConnectionStep};
use crate::wire::{Dial, DialError, Dialled, Timings};

impl<D: Dial + 'static> Client<D> {
    /// Something happened at `at`.
    pub(super) fn happened(&self, at: Offset, what: ConnectionStep) {
        let client = self.identity.number;
        let event = ConnectionEvent { at, client, what };
        self.shard.recorder.borrow_mut().event(event);
    }
}

/// The end of a dial.
pub(super) fn dial_ended<S>(result: &Result<Dialled<S>, Box<DialError>>) -> ConnectionStep {
    match result {
        Ok(dialled) => ConnectionStep::Opened(facts(&dialled.answer.timings)),
        Err(error) => ConnectionStep::Failed {
            kind: error.kind,
            dial: facts(&error.timings),
        },
    }
}

/// The end of a connection: a loss unless it was meant to end.
pub(super) fn connection_ended(ended: &Ended) -> ConnectionStep {
    let lost = match ended.cause {
        CloseCause::Lost(_) | CloseCause::ByFault => true,
        CloseCause::ByPeer(_) => ended.next == Next::Reconnect,
        CloseCause::ByUs | CloseCause::ByUsUnanswered => false,
    };
    if lost && !ended.cut {
        ConnectionStep::Lost
    } else {
        ConnectionStep::Closed
    }
}

fn facts(timings: &Timings) -> DialFacts {
    DialFacts {
        took: timings.handshake,
        tcp_connect: timings.tcp_connect,
        syn_resends: timings.syn_resends,
        bytes: timings.bytes,
    }
}
