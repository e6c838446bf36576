//! Who is connected, who is in which room, and how one message reaches all of them.
//!
//! Within a thread there is no lock: frames are encoded once and copied into each member's mailbox.
//! Between threads they travel as parcels through a bounded inbox each; a thread too far behind
//! loses parcels, which are counted.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::member::{Member, Stage};

/// Bytes of parcels a thread may have waiting.
const INBOX_LIMIT: usize = 16 << 20;

type Members = BTreeMap<u64, Rc<Member>>;

/// The members of one thread.
#[derive(Debug, Default)]
pub(super) struct Hub {
    members: RefCell<Members>,
    rooms: RefCell<HashMap<Arc<str>, Members>>,
}

impl Hub {
    pub fn insert(&self, member: Rc<Member>) {
        self.members.borrow_mut().insert(member.id, member);
    }

    pub fn get(&self, id: u64) -> Option<Rc<Member>> {
        self.members.borrow().get(&id).cloned()
    }

    /// Forgets a member; returns whether it was the last.
    pub fn remove(&self, member: &Member) -> bool {
        self.leave_room(member);
        let mut members = self.members.borrow_mut();
        members.remove(&member.id);
        members.is_empty()
    }

    pub fn is_empty(&self) -> bool {
        self.members.borrow().is_empty()
    }

    pub fn for_each(&self, act: impl Fn(&Member)) {
        self.members.borrow().values().for_each(|m| act(m));
    }

    /// Puts a member into a room, out of any other.
    pub fn join_room(&self, member: &Rc<Member>, name: &str) {
        self.leave_room(member);
        let mut rooms = self.rooms.borrow_mut();
        let name = match rooms.get_key_value(name) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(name),
        };
        let room = rooms.entry(Arc::clone(&name)).or_default();
        room.insert(member.id, Rc::clone(member));
        *member.room.borrow_mut() = Some(name);
    }

    /// Takes a member out of its room; returns the room's name.
    pub fn leave_room(&self, member: &Member) -> Option<Arc<str>> {
        let name = member.room.borrow_mut().take()?;
        let mut rooms = self.rooms.borrow_mut();
        if let Some(room) = rooms.get_mut(&name) {
            room.remove(&member.id);
            if room.is_empty() {
                rooms.remove(&name);
            }
        }
        Some(name)
    }

    /// Delivers frames to a room, or to everybody; returns how many got them.
    pub fn deliver(&self, room: Option<&str>, frames: &[u8], limit: usize) -> u64 {
        let send = |members: &Members| {
            let open = members.values().filter(|m| m.stage.get() == Stage::Open);
            open.filter(|m| m.deliver(frames, limit)).count() as u64
        };
        match room {
            None => send(&self.members.borrow()),
            Some(name) => self.rooms.borrow().get(name).map_or(0, send),
        }
    }
}

/// A message on its way to another thread.
#[derive(Clone, Debug)]
pub(super) struct Parcel {
    /// For the members of this room; `None` = for everybody.
    pub room: Option<Arc<str>>,
    /// Encoded.
    pub frames: Arc<[u8]>,
}

/// What other threads have sent to one thread.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    waiting: Mutex<(Vec<Parcel>, usize)>,
    arrived: Notify,
}

impl Inbox {
    /// Leaves a parcel; `false` when the inbox is full.
    pub fn push(&self, parcel: Parcel) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (parcels, bytes) = &mut *waiting;
        if *bytes + parcel.frames.len() > INBOX_LIMIT && !parcels.is_empty() {
            return false;
        }
        *bytes += parcel.frames.len();
        parcels.push(parcel);
        if parcels.len() == 1 {
            self.arrived.notify_one();
        }
        true
    }

    /// Waits for parcels and takes all of them.
    pub async fn take(&self) -> Vec<Parcel> {
        loop {
            let parcels = self.drain();
            if !parcels.is_empty() {
                return parcels;
            }
            self.arrived.notified().await;
        }
    }

    fn drain(&self) -> Vec<Parcel> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (parcels, _) = std::mem::take(&mut *waiting);
        parcels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(hub: &Hub, id: u64) -> Rc<Member> {
        let member = Rc::new(Member::new(id));
        member.stage.set(Stage::Open);
        hub.insert(Rc::clone(&member));
        member
    }

    #[test]
    fn a_room_has_its_members_only_and_goes_with_the_last() {
        let hub = Hub::default();
        let (a, b, c) = (member(&hub, 1), member(&hub, 2), member(&hub, 3));
        hub.join_room(&a, "x");
        hub.join_room(&b, "x");
        hub.join_room(&c, "y");
        assert_eq!(hub.deliver(Some("x"), b"hi", 100), 2);
        assert_eq!(hub.deliver(None, b"all", 100), 3);
        assert_eq!(c.take_mail(<[u8]>::to_vec), Some(b"all".to_vec()));
        assert_eq!(a.take_mail(<[u8]>::to_vec), Some(b"hiall".to_vec()));
        hub.join_room(&a, "y");
        assert_eq!(hub.deliver(Some("x"), b"hi", 100), 1);
        assert_eq!(hub.leave_room(&b).as_deref(), Some("x"));
        assert_eq!(hub.leave_room(&b), None);
        assert_eq!(hub.rooms.borrow().len(), 1);
        a.stage.set(Stage::Leaving);
        assert_eq!(hub.deliver(Some("y"), b"hi", 100), 1);
        assert!(!hub.remove(&a) && !hub.remove(&b) && hub.remove(&c));
        assert!(hub.rooms.borrow().is_empty() && hub.is_empty());
    }

    #[tokio::test]
    async fn an_inbox_is_bounded_and_empties_at_once() {
        let inbox = Inbox::default();
        let parcel = Parcel {
            room: None,
            frames: vec![0; INBOX_LIMIT / 2].into(),
        };
        assert!(inbox.push(parcel.clone()));
        assert!(inbox.push(parcel.clone()));
        assert!(!inbox.push(parcel.clone()));
        assert_eq!(inbox.take().await.len(), 2);
        assert!(inbox.push(parcel));
        assert_eq!(inbox.take().await.len(), 1);
    }
}
