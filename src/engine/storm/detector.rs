//! Which losses are a storm, and when it began.
//!
//! A loss is undecided for up to a second: only then it is known whether enough others went with it.
//! Everything after an undecided loss waits in a queue, so that whoever counts attempts knows at once
//! which storm they belong to:
//!
//! ```text
//! event -> level, duplicates -> queue ... verdicts ... -> released in order
//! ```
//!
//! A storm gathers members until no client was lost for a second; later losses are looked at afresh.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use super::losses::{Loss, Losses};
use super::{FEWEST, MASS_PERCENT, STORMS, WINDOW};
use crate::clock::Offset;
use crate::metrics::{ConnectionEvent, ConnectionStep};

/// A fault that makes clients lose their connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commanded {
    /// When it was commanded.
    pub at: Offset,
    /// What it is called in the report.
    pub name: &'static str,
    /// How long the target stays away; `None` = unknown.
    pub outage: Option<Duration>,
}

/// How a storm began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begin {
    /// From 0.
    pub storm: u64,
    /// t = 0.
    pub at: Offset,
    /// What caused it, when that is known.
    pub fault: Option<Commanded>,
    /// Open connections just before.
    pub level: u64,
}

/// An event with what is known about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What happened.
    pub event: ConnectionEvent,
    /// Open connections after it.
    pub level: u64,
    /// A loss: the storm it belongs to.
    pub storm: Option<u64>,
    /// An attempt while another of the client is in flight or open.
    pub duplicate: bool,
}

/// Finds storms in a stream of events.
#[derive(Debug, Default)]
pub struct Detector {
    links: HashMap<u64, Link>,
    level: u64,
    faults: VecDeque<Commanded>,
    undecided: Losses,
    gathering: Option<Gathering>,
    queue: VecDeque<Entry>,
    /// How many entries were released.
    released: u64,
    begun: VecDeque<Begin>,
    found: u64,
}

/// What a client is doing; only those that dial or are connected are kept.
#[derive(Clone, Copy, Debug, Default)]
struct Link {
    dialing: bool,
    open: bool,
}

#[derive(Clone, Copy, Debug)]
struct Gathering {
    /// `None`: more than can be kept.
    storm: Option<u64>,
    last: Offset,
}

impl Detector {
    /// A fault is carried out; to be told before the events after it.
    pub fn fault(&mut self, fault: Commanded) {
        let place = self.faults.partition_point(|f| f.at <= fault.at);
        self.faults.insert(place, fault);
    }

    /// The next event.
    pub fn see(&mut self, event: ConnectionEvent) {
        self.pass(event.at);
        let before = self.level;
        let duplicate = self.link(&event);
        let entry = self.released + self.queue.len() as u64;
        self.queue.push_back(Entry {
            event,
            level: self.level,
            storm: None,
            duplicate,
        });
        if event.what != ConnectionStep::Lost {
            return;
        }
        if let Some(gathering) = &mut self.gathering {
            gathering.last = event.at;
            let storm = gathering.storm;
            self.assign(entry, storm);
            return;
        }
        self.undecided.push(Loss {
            entry,
            at: event.at,
            client: event.client,
            level: before,
        });
        self.judge(event.at);
    }

    /// All events before `now` have been seen.
    pub fn pass(&mut self, now: Offset) {
        self.undecided.slide(now);
        self.gathering = self.gathering.filter(|g| now < g.last + WINDOW);
        while self.faults.front().is_some_and(|f| f.at + WINDOW <= now) {
            self.faults.pop_front();
        }
    }

    /// The next event whose storm is known.
    pub fn release(&mut self) -> Option<Entry> {
        if self
            .undecided
            .first()
            .is_some_and(|loss| loss.entry == self.released)
        {
            return None;
        }
        let entry = self.queue.pop_front()?;
        self.released += 1;
        Some(entry)
    }

    /// The time before which everything was released, when everything before `now` was seen.
    pub fn released_until(&self, now: Offset) -> Offset {
        self.queue.front().map_or(now, |entry| entry.event.at)
    }

    /// The next storm that began; in the order of their losses.
    pub fn begin(&mut self) -> Option<Begin> {
        self.begun.pop_front()
    }

    /// Whether a storm still takes members.
    pub fn gathers(&self, storm: u64) -> bool {
        self.gathering.is_some_and(|g| g.storm == Some(storm))
    }

    /// Storms that were found beyond [`STORMS`].
    pub fn omitted(&self) -> u64 {
        self.found.saturating_sub(STORMS)
    }

    /// Keeps the level; says whether an attempt is a duplicate.
    fn link(&mut self, event: &ConnectionEvent) -> bool {
        let link = self.links.entry(event.client).or_default();
        let before = *link;
        match event.what {
            ConnectionStep::Attempt { .. } => link.dialing = true,
            ConnectionStep::Opened(_) => {
                *link = Link {
                    dialing: false,
                    open: true,
                }
            }
            ConnectionStep::Failed { .. } | ConnectionStep::Abandoned => link.dialing = false,
            ConnectionStep::Lost | ConnectionStep::Closed => link.open = false,
            ConnectionStep::Left => *link = Link::default(),
            ConnectionStep::FirstMessage { .. } | ConnectionStep::GaveUp => {}
        }
        let after = *link;
        self.level = self.level + u64::from(after.open) - u64::from(before.open);
        if !after.open && !after.dialing {
            self.links.remove(&event.client);
        }
        let attempt = matches!(event.what, ConnectionStep::Attempt { .. });
        attempt && (before.dialing || before.open)
    }

    /// Whether the undecided losses are a storm.
    fn judge(&mut self, now: Offset) {
        let commanded = self.faults.partition_point(|fault| fault.at <= now);
        let latest = commanded.checked_sub(1).and_then(|n| self.faults.get(n));
        if let Some(fault) = latest.copied() {
            let losses = self.undecided.since(fault.at);
            let clients: HashSet<_> = losses.map(|loss| loss.client).collect();
            if clients.len() as u64 >= FEWEST {
                self.start(fault.at, Some(fault), now);
                return;
            }
        }
        let Some(first) = self.undecided.first() else {
            return;
        };
        let clients = self.undecided.clients();
        if clients >= FEWEST && clients * 100 >= first.level * MASS_PERCENT {
            self.start(first.at, None, now);
        }
    }

    fn start(&mut self, at: Offset, fault: Option<Commanded>, now: Offset) {
        let storm = (self.found < STORMS).then_some(self.found);
        self.found += 1;
        self.gathering = Some(Gathering { storm, last: now });
        let losses: Vec<Loss> = self.undecided.since(at).copied().collect();
        self.undecided.clear();
        let level = losses.first().map_or(self.level, |loss| loss.level);
        if let Some(storm) = storm {
            self.begun.push_back(Begin {
                storm,
                at,
                fault,
                level,
            });
        }
        for loss in losses {
            self.assign(loss.entry, storm);
        }
    }

    fn assign(&mut self, entry: u64, storm: Option<u64>) {
        let place = usize::try_from(entry - self.released).expect("the queue is in memory");
        let entry = self.queue.get_mut(place);
        entry.expect("an undecided loss is never released").storm = storm;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn event(ms: u64, client: u64, what: ConnectionStep) -> ConnectionEvent {
        let at = Offset::from_nanos(ms * MS);
        ConnectionEvent { at, client, what }
    }

    /// `clients` connected at 0, then losses at (ms, client).
    fn found(clients: u64, losses: &[(u64, u64)], faults: &[u64]) -> Vec<(u64, usize)> {
        let mut detector = Detector::default();
        for client in 0..clients {
            let dial = crate::metrics::event::Dial::default();
            detector.see(event(0, client, ConnectionStep::Opened(dial)));
        }
        for at in faults {
            detector.fault(Commanded {
                at: Offset::from_nanos(at * MS),
                name: "drop",
                outage: None,
            });
        }
        for (ms, client) in losses {
            detector.see(event(*ms, *client, ConnectionStep::Lost));
        }
        detector.pass(Offset::MAX);
        let mut storms = Vec::new();
        while let Some(begin) = detector.begin() {
            storms.push((begin.at.nanos() / MS, 0));
        }
        let mut released = 0;
        while let Some(entry) = detector.release() {
            released += 1;
            if let Some(storm) = entry.storm {
                storms[storm as usize].1 += 1;
            }
        }
        assert_eq!(
            released,
            clients + losses.len() as u64,
            "nothing stays behind"
        );
        assert_eq!(detector.level, clients - distinct(losses));
        storms
    }

    fn distinct(losses: &[(u64, u64)]) -> u64 {
        losses
            .iter()
            .map(|(_, client)| client)
            .collect::<HashSet<_>>()
            .len() as u64
    }

    #[test]
    fn ten_percent_within_a_second_is_a_storm() {
        let spread =
            |count: u64, gap: u64| (0..count).map(|n| (5000 + n * gap, n)).collect::<Vec<_>>();
        for (clients, losses, expected) in [
            (100, spread(10, 1), vec![(5000, 10)]),
            (100, spread(9, 1), vec![]),
            // 9 in any second; later that would be a tenth of those who are left.
            (100, spread(18, 112), vec![]),
            (100, spread(19, 112), vec![(6120, 9)]),
            (100, spread(50, 111), vec![(5000, 50)]),
            // One client alone is not many.
            (5, vec![(5000, 1)], vec![]),
            (5, vec![(5000, 1), (5500, 1)], vec![]),
            (5, vec![(5000, 1), (5999, 2)], vec![(5000, 2)]),
            (5, vec![(5000, 1), (6000, 2)], vec![]),
            // A gap of a second ends a storm; what follows is another, or nothing.
            (20, vec![(1, 0), (2, 1), (1001, 2), (2001, 3)], vec![(1, 3)]),
            (
                20,
                vec![(1, 0), (2, 1), (1002, 2), (1003, 3)],
                vec![(1, 2), (1002, 2)],
            ),
            // Each step is below a tenth, together they are not; t = 0 is the first of the second.
            (20, vec![(0, 0), (1500, 1), (2400, 2)], vec![(1500, 2)]),
        ] {
            assert_eq!(
                found(clients, &losses, &[]),
                expected,
                "{clients}: {losses:?}"
            );
        }
    }

    #[test]
    fn a_commanded_fault_is_the_beginning() {
        for (losses, fault, expected) in [
            (vec![(5100, 1), (5200, 2)], 5000, vec![(5000, 2)]),
            // One alone, or too late, is not its doing.
            (vec![(5100, 1)], 5000, vec![]),
            (vec![(6000, 1), (6001, 2)], 5000, vec![]),
            // What was lost before it is not its doing.
            (vec![(4900, 0), (5100, 1), (5200, 2)], 5000, vec![(5000, 2)]),
        ] {
            assert_eq!(found(1000, &losses, &[fault]), expected, "{losses:?}");
        }
    }

    #[test]
    fn levels_and_duplicates_are_exact() {
        use ConnectionStep::{Abandoned, Attempt, Closed, Left, Lost, Opened};
        let attempt = Attempt { due: Offset::ZERO };
        let opened = Opened(crate::metrics::event::Dial::default());
        let mut detector = Detector::default();
        for (client, what, level, duplicate) in [
            (1, attempt, 0, false),
            (1, attempt, 0, true),
            (1, opened, 1, false),
            (1, attempt, 1, true),
            (1, opened, 1, false),
            (2, attempt, 1, false),
            (2, Abandoned, 1, false),
            (2, attempt, 1, false),
            (2, opened, 2, false),
            (1, Lost, 1, false),
            (1, Lost, 1, false),
            (2, Closed, 0, false),
            (3, opened, 1, false),
            (3, Left, 0, false),
        ] {
            detector.see(event(0, client, what));
            let entry = detector.queue.back().unwrap();
            assert_eq!(
                (entry.level, entry.duplicate),
                (level, duplicate),
                "{client} {what:?}"
            );
        }
        assert!(detector.links.is_empty(), "nothing is kept of who is gone");
    }

    #[test]
    fn storms_beyond_the_limit_are_counted() {
        let mut detector = Detector::default();
        let opened = ConnectionStep::Opened(Default::default());
        for n in 0..STORMS + 2 {
            for (ms, what) in [(0, opened), (500, ConnectionStep::Lost)] {
                detector.see(event(2000 * n + ms, 1, what));
                detector.see(event(2000 * n + ms, 2, what));
            }
        }
        assert_eq!(detector.omitted(), 2);
    }
}
