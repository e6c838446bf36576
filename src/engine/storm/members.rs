//! The clients a storm took: who is away, who is back, and when so many were.

use std::collections::HashMap;
use std::time::Duration;

use super::formulas::{nearest_rank, share_of};
use crate::clock::Offset;

/// Everybody who lost a connection in one storm.
#[derive(Debug, Default)]
pub struct Members {
    clients: HashMap<u64, Member>,
    away: u64,
    back: u64,
    gave_up: u64,
    left: u64,
    /// Back, and waiting for the first message.
    waiting: u64,
    /// When for the first time 1, 2, 3 .. were connected at one time.
    first_now: Vec<Offset>,
    /// Likewise of those who had ever been back.
    first_ever: Vec<Offset>,
    /// The last time somebody came back or was given up.
    settled_at: Offset,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    place: Place,
    lost_at: Offset,
    attempts: u32,
    ever_back: bool,
    waits: bool,
    got_message: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Away,
    /// A planned close later does not undo that.
    Back,
    GaveUp,
    Left,
}

impl Members {
    /// N_d.
    pub fn len(&self) -> u64 {
        self.clients.len() as u64
    }

    /// Still dialling or waiting to.
    pub fn away(&self) -> u64 {
        self.away
    }

    /// Connected again.
    pub fn back(&self) -> u64 {
        self.back
    }

    /// Used up their attempts.
    pub fn gave_up(&self) -> u64 {
        self.gave_up
    }

    /// Left before they were back.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Back, and waiting for the first message.
    pub fn waiting(&self) -> u64 {
        self.waiting
    }

    /// The last time somebody came back or was given up.
    pub fn settled_at(&self) -> Offset {
        self.settled_at
    }

    /// A client was lost in this storm.
    pub fn join(&mut self, client: u64, at: Offset) {
        if self.clients.contains_key(&client) {
            self.lose(client, at);
            return;
        }
        self.away += 1;
        let member = Member {
            place: Place::Away,
            lost_at: at,
            attempts: 0,
            ever_back: false,
            waits: false,
            got_message: false,
        };
        self.clients.insert(client, member);
    }

    /// A member was lost again.
    pub fn lose(&mut self, client: u64, at: Offset) {
        self.stop_waiting(client);
        let Some(member) = self.clients.get_mut(&client) else {
            return;
        };
        match member.place {
            Place::Away => return,
            Place::Back => self.back -= 1,
            Place::GaveUp => self.gave_up -= 1,
            Place::Left => self.left -= 1,
        }
        member.place = Place::Away;
        member.lost_at = at;
        self.away += 1;
    }

    /// An attempt of a member begins.
    pub fn attempt(&mut self, client: u64) {
        if let Some(member) = self.clients.get_mut(&client) {
            member.attempts = member.attempts.saturating_add(1);
        }
    }

    /// A member is connected; gives the time since its loss if it was away.
    pub fn open(&mut self, client: u64, at: Offset) -> Option<Duration> {
        let member = self.clients.get_mut(&client)?;
        if member.place != Place::Away {
            return None;
        }
        member.place = Place::Back;
        self.waiting += u64::from(!member.waits);
        member.waits = true;
        self.away -= 1;
        self.back += 1;
        if !member.ever_back {
            member.ever_back = true;
            self.first_ever.push(at);
        }
        if self.back > self.first_now.len() as u64 {
            self.first_now.push(at);
        }
        self.settled_at = at;
        Some(at.since(member.lost_at))
    }

    /// A member used up its attempts.
    pub fn give_up(&mut self, client: u64, at: Offset) {
        if self.leaves(client, Place::GaveUp, at) {
            self.gave_up += 1;
        }
    }

    /// A member left; one that was back counts as back.
    pub fn leave(&mut self, client: u64, at: Offset) {
        self.stop_waiting(client);
        if self.leaves(client, Place::Left, at) {
            self.left += 1;
        }
    }

    fn leaves(&mut self, client: u64, place: Place, at: Offset) -> bool {
        let member = self.clients.get_mut(&client);
        let Some(member) = member.filter(|member| member.place == Place::Away) else {
            return false;
        };
        member.place = place;
        self.away -= 1;
        self.settled_at = at;
        true
    }

    /// The first message of a member's new connection.
    pub fn message(&mut self, client: u64) {
        self.stop_waiting(client);
        if let Some(member) = self.clients.get_mut(&client) {
            member.got_message = true;
        }
    }

    /// No first message will come on this connection any more.
    pub fn stop_waiting(&mut self, client: u64) {
        if let Some(member) = self.clients.get_mut(&client) {
            self.waiting -= u64::from(member.waits);
            member.waits = false;
        }
    }

    /// Members that were back and got no message.
    pub fn without_message(&self) -> u64 {
        let members = self.clients.values();
        let silent = members.filter(|member| member.ever_back && !member.got_message);
        silent.count() as u64
    }

    /// When `percent` of them were connected at one time.
    pub fn back_now(&self, percent: u64) -> Option<Offset> {
        reached(&self.first_now, share_of(self.len(), percent))
    }

    /// When `percent` of them had ever been back.
    pub fn back_ever(&self, percent: u64) -> Option<Offset> {
        reached(&self.first_ever, share_of(self.len(), percent))
    }

    /// Attempts of a member: the 99th percentile and the most.
    pub fn attempts(&self) -> (u64, u64) {
        let members = self.clients.values();
        let mut attempts: Vec<_> = members.map(|member| u64::from(member.attempts)).collect();
        let p99 = nearest_rank(&mut attempts, 0.99);
        (p99, attempts.last().copied().unwrap_or(0))
    }
}

fn reached(firsts: &[Offset], clients: u64) -> Option<Offset> {
    let index = usize::try_from(clients.checked_sub(1)?).ok()?;
    firsts.get(index).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Offset {
        Offset::from_nanos(secs * 1_000_000_000)
    }

    #[test]
    fn flapping_shows_as_ever_before_now() {
        let mut members = Members::default();
        (0..4).for_each(|client| members.join(client, at(0)));
        assert_eq!(members.open(0, at(1)), Some(Duration::from_secs(1)));
        members.open(1, at(2));
        members.lose(0, at(3));
        members.open(2, at(4));
        members.open(3, at(5));
        assert_eq!(members.back_ever(100), Some(at(5)));
        assert_eq!(
            (members.back_now(50), members.back_now(100)),
            (Some(at(2)), None)
        );
        assert_eq!(members.open(0, at(9)), Some(Duration::from_secs(6)));
        assert_eq!(members.back_now(100), Some(at(9)));
        assert_eq!(
            (members.away(), members.back(), members.settled_at()),
            (0, 4, at(9))
        );
    }

    #[test]
    fn everybody_is_somewhere() {
        let mut members = Members::default();
        (0..5).for_each(|client| members.join(client, at(0)));
        members.open(0, at(1));
        members.leave(0, at(2));
        members.give_up(1, at(3));
        members.leave(1, at(4));
        members.leave(2, at(5));
        // Not a member.
        members.open(77, at(6));
        members.leave(77, at(6));
        let places = (
            members.away(),
            members.back(),
            members.gave_up(),
            members.left(),
        );
        assert_eq!(places, (2, 1, 1, 1));
        assert_eq!(members.settled_at(), at(5));
        // Lost twice in one storm is one member.
        members.join(0, at(7));
        members.join(3, at(7));
        assert_eq!((members.len(), members.away(), members.back()), (5, 3, 0));
    }

    #[test]
    fn first_messages_are_waited_for_once() {
        let mut members = Members::default();
        (0..3).for_each(|client| members.join(client, at(0)));
        for client in 0..3 {
            members.open(client, at(1));
        }
        assert_eq!((members.waiting(), members.without_message()), (3, 3));
        members.message(0);
        members.message(0);
        members.lose(1, at(2));
        members.stop_waiting(1);
        assert_eq!((members.waiting(), members.without_message()), (1, 2));
        members.leave(2, at(3));
        assert_eq!(members.waiting(), 0);
    }
}
