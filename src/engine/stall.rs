//! When the generator itself stood still: stopped (SIGSTOP), suspended, throttled or starved of CPU.
//!
//! A shard looks at its clock every [`TICK`] at the latest; more than [`STALL`] between two looks in a
//! row means that nobody looked, whatever the cause. What waited then was not waiting for the peer:
//! deadlines move by the length of the stall, as if the clock had stopped, and the run says so.
//!
//! ```text
//!   look   look                                  look
//!    |------|====== nobody could look ============|----> time
//!           start <------- length ------------> end      every open deadline moves by `length`
//! ```
//!
//! The watch starts a stall at the last look, so it is up to one tick longer than the standstill:
//! always in favour of what waits. It does not read a clock.

use std::cell::Cell;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Offset;

/// A shard looks at its clock this often at least.
pub const TICK: Duration = Duration::from_millis(10);
/// Longer than this between two looks is a stall.
pub const STALL: Duration = Duration::from_millis(100);
/// Stalls that are listed; more are only counted.
pub const LISTED: usize = 1_000;

/// One standstill of the generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stall {
    /// The last look at the clock before it.
    pub start: Offset,
    /// The first look after it.
    pub end: Offset,
}

impl Stall {
    /// How long nobody looked.
    pub fn length(self) -> Duration {
        self.end.since(self.start)
    }
}

/// Watches one thread's looks at its clock.
#[derive(Debug, Default)]
pub struct Watch {
    seen: Cell<Offset>,
    total: Cell<Duration>,
    until: Cell<Offset>,
}

impl Watch {
    /// One whose first look was at `now`.
    pub fn new(now: Offset) -> Self {
        Self {
            seen: Cell::new(now),
            ..Self::default()
        }
    }

    /// The clock shows `now`: was it looked at often enough? A comparison, when it was.
    #[inline]
    pub fn look(&self, now: Offset) -> Option<Stall> {
        let start = self.seen.replace(now);
        if now.since(start) <= STALL {
            return None;
        }
        self.total.set(self.total.get() + now.since(start));
        self.until.set(now);
        Some(Stall { start, end: now })
    }

    /// All stalls so far, added up.
    pub fn total(&self) -> Duration {
        self.total.get()
    }

    /// The end of the last stall; [`Offset::ZERO`] without one. What began before it and ends after
    /// it lasted through a stall.
    pub fn until(&self) -> Offset {
        self.until.get()
    }
}

/// The stalls of a shard or of a whole run: in order, apart from each other, bounded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stalls {
    list: Vec<Stall>,
    /// Not listed any more: there were too many.
    beyond: u64,
}

impl Stalls {
    /// Adds one; shards that stood still together make one stall, from the first to the last.
    pub fn add(&mut self, stall: Stall) {
        let apart = |other: &Stall| other.end < stall.start || stall.end < other.start;
        let mut whole = stall;
        for other in self.list.extract_if(.., |other| !apart(other)) {
            whole.start = whole.start.min(other.start);
            whole.end = whole.end.max(other.end);
        }
        if self.list.len() >= LISTED {
            self.beyond += 1;
            return;
        }
        let place = self.list.partition_point(|other| other.start < whole.start);
        self.list.insert(place, whole);
    }

    /// Adds another shard's.
    pub fn merge(&mut self, other: &Self) {
        other.list.iter().for_each(|stall| self.add(*stall));
        self.beyond += other.beyond;
    }

    /// Those listed, in order.
    pub fn list(&self) -> &[Stall] {
        &self.list
    }

    /// How many more there were.
    pub fn beyond(&self) -> u64 {
        self.beyond
    }

    /// Whether there was none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty() && self.beyond == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Offset {
        Offset::from_nanos(ms * 1_000_000)
    }

    fn stall((start, end): (u64, u64)) -> Stall {
        Stall {
            start: at(start),
            end: at(end),
        }
    }

    #[test]
    fn only_a_gap_over_the_limit_is_a_stall() {
        for (looks, expected) in [
            (&[0, 10, 20, 30][..], &[][..]),
            (&[0, 100, 200, 300], &[]),
            (&[0, 101], &[(0, 101)]),
            (&[10, 3_010, 3_020], &[(10, 3_010)]),
            (&[10, 210, 220, 420], &[(10, 210), (220, 420)]),
            // A clock that goes back is the runtime's bug, not a stall.
            (&[500, 100, 150], &[]),
        ] {
            let watch = Watch::new(at(looks[0]));
            let found: Vec<_> = looks.iter().filter_map(|ms| watch.look(at(*ms))).collect();
            let expected: Vec<_> = expected.iter().copied().map(stall).collect();
            assert_eq!(found, expected, "{looks:?}");
            let total: Duration = expected.iter().map(|s| s.length()).sum();
            assert_eq!(watch.total(), total);
            let end = expected.last().map_or(Offset::ZERO, |stall| stall.end);
            assert_eq!(watch.until(), end);
        }
    }

    #[test]
    fn stalls_of_shards_are_joined_where_they_overlap() {
        for (added, expected) in [
            (&[(10, 200), (15, 205)][..], &[(10, 205)][..]),
            (&[(500, 700), (10, 200)], &[(10, 200), (500, 700)]),
            (&[(10, 200), (300, 500), (100, 400)], &[(10, 500)]),
            (&[(10, 200), (200, 500)], &[(10, 500)]),
            (&[(10, 500), (100, 300)], &[(10, 500)]),
        ] {
            let mut stalls = Stalls::default();
            for each in added {
                stalls.add(stall(*each));
            }
            let expected: Vec<_> = expected.iter().copied().map(stall).collect();
            assert_eq!(stalls.list(), expected, "{added:?}");
        }
    }

    #[test]
    fn the_list_is_bounded_and_the_rest_is_counted() {
        let mut stalls = Stalls::default();
        assert!(stalls.is_empty());
        for n in 0..LISTED as u64 + 7 {
            stalls.add(stall((n * 1_000, n * 1_000 + 500)));
        }
        assert_eq!((stalls.list().len(), stalls.beyond()), (LISTED, 7));
        let mut both = stalls.clone();
        both.merge(&stalls);
        assert_eq!((both.list(), both.beyond()), (stalls.list(), 14));
    }
}
