//! Events in order of time: those of several shards come a little out of it, and some come early.

use crate::clock::Offset;
use crate::metrics::{ConnectionEvent, Events};

/// Events that may wait at most; beyond, they are handed on without waiting.
const WAITING: usize = 1 << 22;

/// Holds events back until everything before them has come.
#[derive(Debug, Default)]
pub struct Inbox {
    waiting: Vec<ConnectionEvent>,
    last: Offset,
}

impl Inbox {
    /// Takes events and gives those before `complete_until`, in order. A late one is given the time of
    /// the last that was handed on, so that time never runs backwards.
    pub fn take(&mut self, events: &Events, complete_until: Offset) -> Vec<ConnectionEvent> {
        self.waiting.extend_from_slice(&events.list);
        // Stable: what happened to one client in one instant stays in order.
        self.waiting.sort_by_key(|event| event.at);
        let complete = self.waiting.partition_point(|e| e.at < complete_until);
        let ready = complete.max(self.waiting.len().saturating_sub(WAITING));
        let mut ready: Vec<_> = self.waiting.drain(..ready).collect();
        for event in &mut ready {
            event.at = event.at.max(self.last);
            self.last = event.at;
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::ConnectionStep;

    fn take(inbox: &mut Inbox, list: &[(u64, u64)], until: u64) -> Vec<(u64, u64)> {
        let event = |(at, client): &(u64, u64)| ConnectionEvent {
            at: Offset::from_nanos(*at),
            client: *client,
            what: ConnectionStep::Lost,
        };
        let events = Events {
            list: list.iter().map(event).collect(),
            ..Events::default()
        };
        let ready = inbox.take(&events, Offset::from_nanos(until));
        ready.iter().map(|e| (e.at.nanos(), e.client)).collect()
    }

    #[test]
    fn events_wait_for_what_is_before_them() {
        let mut inbox = Inbox::default();
        assert_eq!(
            take(&mut inbox, &[(9, 1), (12, 2), (3, 3)], 10),
            [(3, 3), (9, 1)]
        );
        assert_eq!(
            take(&mut inbox, &[(11, 4), (12, 5)], 20),
            [(11, 4), (12, 2), (12, 5)]
        );
        // Too late: time does not run backwards.
        assert_eq!(take(&mut inbox, &[(5, 6)], 30), [(12, 6)]);
        assert_eq!(take(&mut inbox, &[], 40), []);
    }
}
