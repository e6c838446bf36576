//! A queue of due times with one entry a client: an indexed 4-ary heap.
//!
//! Changing an entry moves it in place, so the queue never holds more than one entry a client and
//! no stale ones. Four children a node: half the depth of a binary heap, and they share a cache line.

use crate::clock::Offset;

/// A client's place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot(u32);

const ABSENT: u32 = u32::MAX;
const ARITY: usize = 4;

/// Slots by due time.
#[derive(Debug, Default)]
pub struct DueQueue {
    heap: Vec<(Offset, Slot)>,
    /// Where in `heap` a slot is, or [`ABSENT`].
    places: Vec<u32>,
    free: Vec<Slot>,
}

impl DueQueue {
    /// A slot without a due time.
    pub fn add(&mut self) -> Slot {
        if let Some(slot) = self.free.pop() {
            return slot;
        }
        let slot = Slot(self.places.len() as u32);
        self.places.push(ABSENT);
        slot
    }

    /// Gives a slot back.
    pub fn remove(&mut self, slot: Slot) {
        self.clear(slot);
        self.free.push(slot);
    }

    /// Number of a slot, dense from 0: an index for what belongs to it.
    pub fn index(slot: Slot) -> usize {
        slot.0 as usize
    }

    /// The earliest due time.
    pub fn earliest(&self) -> Option<Offset> {
        self.heap.first().map(|(due, _)| *due)
    }

    /// Sets, moves or (with `None`) clears a slot's due time.
    pub fn set(&mut self, slot: Slot, due: Option<Offset>) {
        let Some(due) = due else {
            return self.clear(slot);
        };
        let place = self.places[Self::index(slot)];
        if place == ABSENT {
            self.heap.push((due, slot));
            self.rise(self.heap.len() - 1);
            return;
        }
        let place = place as usize;
        let before = std::mem::replace(&mut self.heap[place].0, due);
        if due < before {
            self.rise(place);
        } else if due > before {
            self.sink(place);
        }
    }

    /// Takes the earliest slot that is due by `now`.
    pub fn pop_due(&mut self, now: Offset) -> Option<Slot> {
        let (due, slot) = *self.heap.first()?;
        if due > now {
            return None;
        }
        self.clear(slot);
        Some(slot)
    }

    fn clear(&mut self, slot: Slot) {
        let place = std::mem::replace(&mut self.places[Self::index(slot)], ABSENT);
        if place == ABSENT {
            return;
        }
        let place = place as usize;
        self.heap.swap_remove(place);
        if place < self.heap.len() {
            self.places[Self::index(self.heap[place].1)] = place as u32;
            self.rise(place);
            self.sink(place);
        }
    }

    fn rise(&mut self, mut place: usize) {
        let entry = self.heap[place];
        while place > 0 {
            let parent = (place - 1) / ARITY;
            if self.heap[parent].0 <= entry.0 {
                break;
            }
            self.put(place, self.heap[parent]);
            place = parent;
        }
        self.put(place, entry);
    }

    fn sink(&mut self, mut place: usize) {
        let entry = self.heap[place];
        loop {
            let first = place * ARITY + 1;
            let last = (first + ARITY).min(self.heap.len());
            let Some(least) = (first..last).min_by_key(|&i| self.heap[i].0) else {
                break;
            };
            if self.heap[least].0 >= entry.0 {
                break;
            }
            self.put(place, self.heap[least]);
            place = least;
        }
        self.put(place, entry);
    }

    fn put(&mut self, place: usize, entry: (Offset, Slot)) {
        self.heap[place] = entry;
        self.places[Self::index(entry.1)] = place as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        /// The same operations on a plain map give the same order.
        #[test]
        fn behaves_like_a_sorted_map(
            operations in prop::collection::vec((0usize..20, prop::option::of(0u64..100)), 0..400)
        ) {
            let mut queue = DueQueue::default();
            let slots: Vec<Slot> = (0..20).map(|_| queue.add()).collect();
            let mut model = BTreeMap::new();
            for (index, due) in operations {
                let due = due.map(Offset::from_nanos);
                queue.set(slots[index], due);
                match due {
                    Some(due) => { model.insert(index, due); }
                    None => { model.remove(&index); }
                }
                prop_assert_eq!(queue.earliest(), model.values().min().copied());
                prop_assert_eq!(queue.heap.len(), model.len());
            }
            let mut popped = Vec::new();
            while let Some(slot) = queue.pop_due(Offset::MAX) {
                popped.push(model[&DueQueue::index(slot)]);
            }
            prop_assert_eq!(popped.len(), model.len());
            prop_assert!(popped.is_sorted());
        }
    }

    #[test]
    fn slots_are_used_again() {
        let mut queue = DueQueue::default();
        let first = queue.add();
        queue.set(first, Some(Offset::ZERO));
        queue.remove(first);
        assert_eq!(queue.earliest(), None);
        assert_eq!(queue.add(), first);
        assert_eq!(queue.pop_due(Offset::MAX), None);
    }
}
