//! Who should receive a broadcast: the clients of a group that had joined when it was due.
//!
//! A member is listed with the time it joined, so that a broadcast that was due before a client
//! joined is not expected by it, however late the sender was. Shared between shards; one short lock
//! a broadcast.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Offset;

/// A client's number with the time it joined.
type Member = (Offset, u64);

/// The members of one group, by the time they joined.
#[derive(Debug, Default)]
pub struct Group {
    members: Mutex<Vec<Member>>,
}

impl Group {
    /// Adds a client that can receive from `since` on.
    pub fn join(&self, client: u64, since: Offset) {
        let mut members = lock(&self.members);
        let place = members.partition_point(|m| *m <= (since, client));
        members.insert(place, (since, client));
    }

    /// Takes a client out that joined at `since`; the same client may be in again already.
    pub fn leave(&self, client: u64, since: Offset) {
        let mut members = lock(&self.members);
        if let Ok(place) = members.binary_search(&(since, client)) {
            members.remove(place);
        }
    }

    /// How many members should receive a broadcast that was due at `intended`; whether `sender` is
    /// one of those counted.
    pub fn receivers(&self, intended: Offset, sender: u64, includes_sender: bool) -> u64 {
        let members = lock(&self.members);
        let joined = members.partition_point(|(since, _)| *since <= intended);
        let mut count = joined as u64;
        if !includes_sender && members[..joined].iter().any(|(_, m)| *m == sender) {
            count -= 1;
        }
        count
    }
}

/// All groups of a run, and how many deliveries are still to come.
#[derive(Debug, Default)]
pub struct Groups {
    groups: Mutex<HashMap<Vec<u8>, Arc<Group>>>,
    expected: AtomicU64,
    received: AtomicU64,
}

impl Groups {
    /// The group of a rendered name; made when it is first asked for.
    pub fn named(&self, name: &[u8]) -> Arc<Group> {
        let mut groups = lock(&self.groups);
        if let Some(group) = groups.get(name) {
            return Arc::clone(group);
        }
        let group = Arc::<Group>::default();
        groups.insert(name.to_vec(), Arc::clone(&group));
        group
    }

    /// So many deliveries more are to come.
    pub fn expect(&self, count: u64) {
        self.expected.fetch_add(count, Ordering::Relaxed);
    }

    /// One of them came.
    pub fn receive(&self) {
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    /// Expected deliveries that have not come.
    pub fn outstanding(&self) -> u64 {
        let expected = self.expected.load(Ordering::Relaxed);
        expected.saturating_sub(self.received.load(Ordering::Relaxed))
    }
}

/// A panic elsewhere cannot leave these lists half-changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_members_that_had_joined_are_expected() {
        let group = Group::default();
        let at = Offset::from_nanos;
        group.join(1, at(10));
        group.join(2, at(30));
        group.join(3, at(20));
        assert_eq!(group.receivers(at(9), 1, true), 0);
        assert_eq!(group.receivers(at(10), 1, true), 1);
        assert_eq!(group.receivers(at(25), 1, true), 2);
        assert_eq!(group.receivers(at(25), 1, false), 1);
        assert_eq!(group.receivers(at(25), 2, false), 2);
        group.leave(3, at(20));
        group.leave(2, at(7));
        assert_eq!(group.receivers(at(40), 1, true), 2);
    }

    #[test]
    fn a_name_is_one_group() {
        let groups = Groups::default();
        groups.named(b"a").join(1, Offset::ZERO);
        assert_eq!(groups.named(b"a").receivers(Offset::ZERO, 1, true), 1);
        assert_eq!(groups.named(b"b").receivers(Offset::ZERO, 1, true), 0);
        groups.expect(3);
        groups.receive();
        assert_eq!(groups.outstanding(), 2);
    }
}
