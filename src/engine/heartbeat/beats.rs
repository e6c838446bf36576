//! The beats of one connection that an answer can still name, oldest first.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Offset;

/// Acknowledged beats kept to tell a duplicate answer from an unsolicited one.
pub const BEATS_REMEMBERED: usize = 16;
/// An overdue beat is kept for a late answer until this many beats are remembered; then it is missed for
/// good, and an answer to it is unsolicited.
pub const BEATS_OVERDUE: usize = 64;
/// Beats within their timeout on one connection; the oldest beyond it is given up as missed.
pub const BEATS_IN_FLIGHT: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Within its timeout.
    Waiting,
    /// Over its timeout, not answered so far.
    Overdue,
    /// Answered, or superseded.
    Acknowledged,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Beat {
    pub(super) id: u64,
    pub(super) sent: Offset,
    /// The last instant at which an answer is in time.
    pub(super) deadline: Offset,
    pub(super) state: State,
}

/// Beats in send order. Since all share one timeout, deadlines are in the same order.
#[derive(Clone, Debug, Default)]
pub(super) struct Beats {
    ring: VecDeque<Beat>,
    /// No beat before this index is waiting; kept so that the next deadline is found at once.
    waiting_from: usize,
}

impl Beats {
    pub(super) fn push(&mut self, id: u64, sent: Offset, timeout: Duration) {
        self.ring.push_back(Beat {
            id,
            sent,
            deadline: sent + timeout,
            state: State::Waiting,
        });
    }

    /// Takes out the oldest beat if it has to go before another one is added.
    pub(super) fn make_room(&mut self) -> Option<Beat> {
        let front = self.ring.front()?;
        let limit = match front.state {
            State::Acknowledged => BEATS_REMEMBERED,
            State::Overdue => BEATS_OVERDUE,
            State::Waiting => BEATS_IN_FLIGHT,
        };
        if self.ring.len() < limit {
            return None;
        }
        self.pop()
    }

    pub(super) fn is_full(&self) -> bool {
        let waiting = |beat: &Beat| beat.state == State::Waiting;
        self.ring.len() >= BEATS_IN_FLIGHT && self.ring.front().is_some_and(waiting)
    }

    pub(super) fn pop(&mut self) -> Option<Beat> {
        let beat = self.ring.pop_front()?;
        self.waiting_from = self.waiting_from.saturating_sub(1);
        self.skip_settled();
        Some(beat)
    }

    pub(super) fn get(&self, index: usize) -> Beat {
        self.ring[index]
    }

    /// Newest first: an answer is nearly always for one of the last beats.
    pub(super) fn find(&self, id: u64) -> Option<usize> {
        self.ring.iter().rposition(|beat| beat.id == id)
    }

    pub(super) fn latest_open(&self) -> Option<usize> {
        let open = |beat: &Beat| beat.state != State::Acknowledged;
        self.ring.iter().rposition(open)
    }

    pub(super) fn first_waiting(&self) -> Option<&Beat> {
        self.ring.get(self.waiting_from)
    }

    /// Every beat within its timeout gets so much more.
    pub(super) fn postpone(&mut self, by: Duration) {
        for beat in self.ring.range_mut(self.waiting_from..) {
            beat.deadline = beat.deadline + by;
        }
    }

    pub(super) fn acknowledge(&mut self, index: usize) {
        self.ring[index].state = State::Acknowledged;
        self.skip_settled();
    }

    pub(super) fn expire_first(&mut self) {
        if let Some(beat) = self.ring.get_mut(self.waiting_from) {
            beat.state = State::Overdue;
        }
        self.skip_settled();
    }

    pub(super) fn open(&self) -> usize {
        let open = |beat: &&Beat| beat.state != State::Acknowledged;
        self.ring.iter().filter(open).count()
    }

    fn skip_settled(&mut self) {
        let settled = |beat: &Beat| beat.state != State::Waiting;
        while self.ring.get(self.waiting_from).is_some_and(settled) {
            self.waiting_from += 1;
        }
    }
}
