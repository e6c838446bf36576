//! The gate before every dial of a shard: so many a second and no more, whatever the load curve and
//! the reconnect policy ask for.
//!
//! Slots lie one gap apart (the generic cell rate algorithm: a token bucket without a timer); unused
//! ones stay good for `BURST`. Whoever comes takes the next slot, so that waiters go in the order of
//! their coming and each is woken once. A slot of a waiter that left is given to the next that comes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use super::shard::{Control, Shard};
use super::stage::Stage;
use crate::clock::Offset;
use crate::metrics::{Counter, Metric};
use crate::wire::Dial;

/// How long an unused slot stays good, and how late a slot may be used.
const BURST: Duration = Duration::from_millis(100);

/// Slots for dials, as a function of offsets.
#[derive(Clone, Debug)]
pub struct Gate {
    /// From one slot to the next.
    gap: Duration,
    /// The next slot nobody has.
    next: Offset,
    /// Slots given back before their time; never more than there were waiters.
    returned: BinaryHeap<Reverse<Offset>>,
}

impl Gate {
    /// One shard's part of `per_s` dials a second; all shards together let no more through.
    pub fn new(per_s: u64, shards: u16) -> Self {
        let gap = (u64::from(shards) * 1_000_000_000).div_ceil(per_s.max(1));
        Self {
            gap: Duration::from_nanos(gap),
            next: Offset::ZERO,
            returned: BinaryHeap::new(),
        }
    }

    /// Takes a slot: when the dial may begin, now or later.
    pub fn take(&mut self, now: Offset) -> Offset {
        while let Some(Reverse(slot)) = self.returned.pop() {
            if slot >= now {
                return slot;
            }
        }
        // A full burst ends with the slot of now itself.
        let oldest = now - BURST.saturating_sub(self.gap);
        let slot = self.next.max(oldest);
        self.next = slot + self.gap;
        slot.max(now)
    }

    /// Gives a slot back that was not used.
    pub fn give_back(&mut self, slot: Offset) {
        self.returned.push(Reverse(slot));
    }

    /// Whether a slot may still be used: a shard that was stopped must not catch up all at once.
    pub fn is_good(slot: Offset, now: Offset) -> bool {
        now.since(slot) <= BURST
    }
}

impl<D: Dial + 'static> Shard<D> {
    /// Waits until a dial that was due at `due` may begin, and records how late it is; false when
    /// the run drains or the client is told to leave first.
    pub async fn admit(&self, due: Offset, control: &Control) -> bool {
        let came = self.now();
        let mut now = came;
        loop {
            let slot = self.gate.borrow_mut().take(now);
            if slot > now {
                if now == came {
                    self.count(self.plan.origin(now), Counter::DialsHeldBack);
                }
                let until = Stage::Draining;
                self.sleep(control.slot, slot, until, Some(control)).await;
                now = self.now();
                if control.leave.get() || self.stage.get() >= until {
                    self.gate.borrow_mut().give_back(slot);
                    return false;
                }
            }
            if Gate::is_good(slot, now) {
                break;
            }
        }
        let lag = now.since(due);
        self.record(self.plan.origin(now), Metric::DialLag, lag);
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    fn at(ms: u64) -> Offset {
        Offset::from_nanos(ms * MS)
    }

    #[test]
    fn a_burst_of_a_tenth_of_a_second_goes_at_once_then_one_a_gap() {
        for (per_s, shards, burst, gap_ms) in [
            (1_000, 1, 100, 1),
            (1_000, 4, 25, 4),
            (100, 1, 10, 10),
            // Less than ten a second: one at a time.
            (5, 1, 1, 200),
            (1, 2, 1, 2_000),
        ] {
            let mut gate = Gate::new(per_s, shards);
            let now = at(60_000);
            let slots: Vec<_> = (0..burst + 3).map(|_| gate.take(now)).collect();
            assert!(slots[..burst].iter().all(|slot| *slot == now), "{per_s}");
            let later = |n: u64| at(60_000 + n * gap_ms);
            assert_eq!(slots[burst..], [later(1), later(2), later(3)], "{per_s}");
        }
    }

    #[test]
    fn the_start_of_a_run_has_no_burst_saved_up() {
        let mut gate = Gate::new(1_000, 1);
        let slots: Vec<_> = (0..3).map(|_| gate.take(Offset::ZERO)).collect();
        assert_eq!(slots, [at(0), at(1), at(2)]);
    }

    #[test]
    fn a_slot_given_back_goes_to_the_next_that_comes() {
        let mut gate = Gate::new(100, 1);
        let slots: Vec<_> = (0..4).map(|_| gate.take(at(0))).collect();
        assert_eq!(slots, [at(0), at(10), at(20), at(30)]);
        gate.give_back(at(10));
        gate.give_back(at(20));
        assert_eq!(gate.take(at(5)), at(10));
        // What has passed is gone.
        assert_eq!(gate.take(at(25)), at(40));
        assert_eq!(gate.returned.len(), 0);
    }

    #[test]
    fn a_slot_slept_through_is_not_used() {
        assert!(Gate::is_good(at(10), at(10)));
        assert!(Gate::is_good(at(10), at(110)));
        assert!(!Gate::is_good(at(10), at(111)));
    }

    proptest! {
        /// Comers at any times, some of whom leave, some of whom are woken late.
        #[test]
        fn no_window_has_more_than_its_share(
            per_s in 1..5_000_u64,
            shards in 1..5_u16,
            comers in proptest::collection::vec((0..50_u64, 0..4_u8, 0..400_u64), 1..300),
            window_ms in 1..3_000_u64,
        ) {
            let mut gate = Gate::new(per_s, shards);
            let mut now = 0;
            let mut begun = Vec::new();
            for (gap_ms, fate, late_ms) in comers {
                now += gap_ms;
                let slot = gate.take(at(now));
                prop_assert!(slot >= at(now));
                if fate == 0 && slot > at(now) {
                    gate.give_back(slot);
                    continue;
                }
                let woken = if slot > at(now) { slot + Duration::from_millis(late_ms) } else { slot };
                if Gate::is_good(slot, woken) {
                    begun.push(woken.nanos());
                }
            }
            begun.sort_unstable();
            let share = per_s as f64 / f64::from(shards);
            // A burst saved up before the window, and one of slots used late.
            let most = share * (window_ms as f64 / 1e3 + 2.0 * BURST.as_secs_f64()) + 1.0;
            for (index, first) in begun.iter().enumerate() {
                let end = first + window_ms * MS;
                let within = begun[index..].iter().take_while(|at| **at < end).count();
                prop_assert!(within as f64 <= most + 1.0, "{within} in {window_ms} ms, {most} allowed");
            }
        }

        #[test]
        fn all_shards_together_keep_to_the_cap(per_s in 1..200_000_u64, shards in 1..64_u16) {
            let gap = Gate::new(per_s, shards).gap.as_secs_f64();
            prop_assert!(f64::from(shards) / gap <= per_s as f64 * (1.0 + 1e-9));
        }
    }
}
