//! Which answer belongs to which question: the outstanding questions of one client.
//!
//! [`Matchers`] are compiled once for each session; a shard has one [`Reader`] for each session, and every
//! client a small [`Questions`] table. A received message is at most one of: the reply to a question, the answer to a
//! beat, another client's message (a delivery), what a step waits for, or unexpected; in that order. The
//! one exception is a sender's own broadcast, which can be reply and delivery at once.
//!
//! Promises: each question is answered at most once and ends exactly once (answered, expired, lost or
//! still outstanding); an answer exactly at the deadline is in time, a later one is unexpected; the table
//! is bounded; a message is parsed at most once. Questions of equal fingerprint (and all questions of a
//! `text`, `prefix` or `regex` matcher look alike) are answered in the order they were asked.
//!
//! It does not send, does not read a clock, and does not count.

mod compile;
mod queue;
mod reader;

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Offset;
use crate::scenario::template::Context;

use queue::Queue;

pub use compile::{DeliveryId, Matchers, QuestionId};
pub use reader::{Arrival, Incoming, Key, Reader, Sent};

/// Questions one client can have outstanding; beyond it a message must not be sent.
pub const OUTSTANDING_LIMIT: usize = 65_536;
/// Beats whose own answer one client can tell from others; the oldest is forgotten first.
pub const BEATS_LIMIT: usize = 64;

/// What kind of step asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuestionKind {
    /// A message that was sent and waits for its reply.
    Reply,
    /// A step that waits for a message the server sends by itself.
    Expect,
}

/// An outstanding question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which step's.
    pub question: QuestionId,
    /// What kind of step asks.
    pub kind: QuestionKind,
    /// Fingerprint of what answers it.
    pub key: Key,
    /// When the message was due.
    pub intended: Offset,
    /// When it was handed to the kernel.
    pub sent: Offset,
    /// The last instant at which an answer is in time.
    pub deadline: Offset,
    /// Whether it enters totals.
    pub measured: bool,
}

/// What a received message was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dispatch {
    /// The reply to a question, which is outstanding no more.
    Reply {
        /// The question.
        entry: Entry,
        /// It is also the sender's own broadcast coming back.
        delivery: Option<Arrival>,
    },
    /// The answer to a beat; `None` = any beat's.
    Heartbeat {
        /// The beat it names.
        id: Option<u64>,
    },
    /// A message another client sent.
    Delivery(Arrival),
    /// What the waiting step waited for; it waits no more.
    Expected(Entry),
    /// None of these: late, twice, or never asked for.
    Unexpected,
}

/// The table has [`OUTSTANDING_LIMIT`] questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "ask: {OUTSTANDING_LIMIT} questions of one client are outstanding; hint: lower the rate or the timeout"
)]
pub struct TableFull;

/// The outstanding questions of one client.
#[derive(Clone, Debug)]
pub struct Questions {
    /// In send order.
    entries: Queue<Entry>,
    /// The step that waits, if one does. Boxed: a client is large enough without.
    expecting: Option<Box<Entry>>,
    /// No deadline is earlier; it may be that of a question answered meanwhile.
    earliest: Offset,
    /// What a message can be beside an answer. Boxed, and few sessions need it.
    others: Option<Box<Others>>,
}

/// How to tell the answers to beats and other clients' messages.
#[derive(Clone, Debug, Default)]
struct Others {
    /// What answers a beat when all beats have the same answer.
    any_beat: Option<Key>,
    /// What answers each of the last beats when they differ.
    beats: VecDeque<(u64, Key)>,
    /// What tells the deliveries of each kind.
    deliveries: Box<[Key]>,
}

impl Questions {
    /// For a client; renders what its deliveries and heartbeat answers look like.
    pub fn new(reader: &mut Reader, context: &Context<'_>, rng: &mut fastrand::Rng) -> Self {
        let mut questions = Self {
            entries: Queue::new(),
            expecting: None,
            earliest: Offset::MAX,
            others: None,
        };
        questions.refresh(reader, context, rng);
        questions
    }

    /// Renders deliveries and heartbeat answers again, after a capture they may use.
    pub fn refresh(&mut self, reader: &mut Reader, context: &Context<'_>, rng: &mut fastrand::Rng) {
        let any_beat = reader.any_beat_key(context, rng);
        let deliveries = reader.delivery_keys(context, rng);
        if any_beat.is_some() || !deliveries.is_empty() {
            let others = self.others.get_or_insert_default();
            (others.any_beat, others.deliveries) = (any_beat, deliveries);
        }
    }

    /// Questions outstanding, a waiting step not included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is outstanding and no step waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.expecting.is_none()
    }

    /// Whether a message that waits for a reply must not be sent now.
    pub fn is_full(&self) -> bool {
        self.entries.len() >= OUTSTANDING_LIMIT
    }

    /// Adds a question. One of kind `Expect` becomes the waiting step; a session waits at one step at a
    /// time, so the one before has been answered, has expired or was lost.
    pub fn ask(&mut self, entry: Entry) -> Result<(), TableFull> {
        if self.is_empty() {
            self.earliest = Offset::MAX;
        }
        match entry.kind {
            QuestionKind::Expect => {
                debug_assert!(self.expecting.is_none(), "a session waits at one step");
                self.expecting = Some(Box::new(entry));
            }
            QuestionKind::Reply if self.is_full() => return Err(TableFull),
            QuestionKind::Reply => self.entries.push_back(entry),
        }
        self.earliest = self.earliest.min(entry.deadline);
        Ok(())
    }

    /// The messages asked with `sent` at [`Offset::MAX`] were handed to the kernel at `at`: from now
    /// on their time runs.
    pub fn stamp_sent(&mut self, matchers: &Matchers, at: Offset) {
        let unsent = self.entries.iter_mut().rev();
        for entry in unsent.take_while(|entry| entry.sent == Offset::MAX) {
            entry.sent = at;
            entry.deadline = at + matchers.timeout(entry.question);
            self.earliest = self.earliest.min(entry.deadline);
        }
    }

    /// We stood still for `by`: every question whose time runs gets so much more.
    pub fn postpone(&mut self, by: Duration) {
        let waiting = self.expecting.as_deref_mut();
        let running = self.entries.iter_mut().chain(waiting);
        for entry in running.filter(|entry| entry.deadline < Offset::MAX) {
            entry.deadline = entry.deadline + by;
        }
        self.earliest = self.earliest + by;
    }

    /// A beat whose own answer can be told from others was sent.
    pub fn beat_sent(&mut self, id: u64, key: Key) {
        let beats = &mut self.others.get_or_insert_default().beats;
        if beats.len() >= BEATS_LIMIT {
            beats.pop_front();
        }
        beats.push_back((id, key));
    }

    /// Says what a message received at `now` is, and takes the question it answers off the table.
    pub fn dispatch(
        &mut self,
        reader: &mut Reader,
        message: Incoming<'_>,
        now: Offset,
    ) -> Dispatch {
        reader.begin();
        let mut answers = |entry: &Entry| {
            now <= entry.deadline && reader.answers(entry.question, entry.key, message)
        };
        // In order means the first. Out of order, what lies before is few or soon expires, and taking
        // an entry out moves only the shorter side.
        let found = if self.entries.front().is_some_and(&mut answers) {
            self.entries.pop_front()
        } else {
            let index = self.entries.iter().skip(1).position(answers);
            index.and_then(|index| self.entries.remove(index + 1))
        };
        if let Some(entry) = found {
            let deliveries = self.others.as_ref().map_or(&[][..], |o| &o.deliveries);
            let delivery = reader.own_delivery(entry.question, deliveries, message);
            return Dispatch::Reply { entry, delivery };
        }
        if let Some(others) = &self.others {
            if let Some(id) = others.beat_answered(reader, message) {
                return Dispatch::Heartbeat { id };
            }
            if let Some(arrival) = reader.delivery(&others.deliveries, message) {
                return Dispatch::Delivery(arrival);
            }
        }
        let answers = |entry: &mut Box<Entry>| {
            now <= entry.deadline && reader.answers(entry.question, entry.key, message)
        };
        match self.expecting.take_if(answers) {
            Some(entry) => Dispatch::Expected(*entry),
            None => Dispatch::Unexpected,
        }
    }

    /// When [`Questions::expire`] should be called; nothing expires earlier. It can come once too often,
    /// since an answered question's deadline is only forgotten then.
    pub fn next_deadline(&self) -> Option<Offset> {
        (!self.is_empty()).then(|| self.earliest + Duration::from_nanos(1))
    }

    /// Takes off, in the order asked, every question whose deadline is before `now`.
    pub fn expire(&mut self, now: Offset, mut emit: impl FnMut(Entry)) {
        if now <= self.earliest {
            return;
        }
        let mut earliest = Offset::MAX;
        let mut stays = |entry: &Entry| {
            let stays = now <= entry.deadline;
            if stays {
                earliest = earliest.min(entry.deadline);
            }
            stays
        };
        self.entries.retain(|entry| {
            let stays = stays(entry);
            if !stays {
                emit(*entry);
            }
            stays
        });
        if let Some(entry) = self.expecting.take_if(|entry| !stays(entry)) {
            emit(*entry);
        }
        self.earliest = earliest;
    }

    /// Takes off everything, in the order asked, the waiting step last: the connection or the run ended.
    /// Beats are forgotten too.
    pub fn lose_all(&mut self, emit: impl FnMut(Entry)) {
        if let Some(others) = &mut self.others {
            others.beats.clear();
        }
        let waiting = self.expecting.take().map(|entry| *entry);
        self.entries.take_all().chain(waiting).for_each(emit);
    }
}

impl Others {
    fn beat_answered(&self, reader: &mut Reader, message: Incoming<'_>) -> Option<Option<u64>> {
        if let Some(key) = self.any_beat {
            return reader.answers_beat(key, message).then_some(None);
        }
        // Newest first: answers are nearly always for one of the last beats.
        let mut beats = self.beats.iter().rev();
        let (id, _) = beats.find(|(_, key)| reader.answers_beat(*key, message))?;
        Some(Some(*id))
    }
}

#[cfg(test)]
mod tests;
