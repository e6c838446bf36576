//! Is the peer still there? The verdict on every beat of one connection, and on the connection.
//!
//! Definitions are those of RELIABILITY 2.3. One [`Heartbeats`] belongs to one connection from open to
//! end. It is told what happened and when, and it answers with outcomes, each carrying the time its beat
//! was sent, so that a beat is counted in the phase that sent it.
//!
//! Promises: at every moment sent = on_time + superseded + late + missed + cut + pending + the beats still
//! open; an event at the very instant of a deadline comes before the deadline, so an answer exactly at
//! sent + timeout is on time, and a run that ends there leaves the beat pending; nothing that happens after
//! the verdict changes a count, it can only prove the verdict wrong.
//!
//! It does not send, does not know what a beat looks like, and does not read a clock.

mod beats;
mod outcome;
mod rule;

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Offset;

use beats::{Beat, Beats, State};

pub use beats::{BEATS_IN_FLIGHT, BEATS_OVERDUE, BEATS_REMEMBERED};
pub use outcome::{Answer, Cause, Outcome, OutcomeKind, Tally, Verdict};
pub use rule::{Acknowledges, Rule, due, start_phase};

/// The smallest step of the clock: a deadline has passed one step after it.
const STEP: Duration = Duration::from_nanos(1);

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Open,
    /// Declared dead, the caller not told yet.
    Untold,
    /// Declared dead, the caller told.
    Dead,
    Ended,
}

/// The heartbeats of one connection.
///
/// Every method takes the offset of its event; offsets never go back (an earlier one counts as the
/// latest seen). Deadlines that passed before an event are settled first, so the order of calls, not
/// the punctuality of [`Heartbeats::advance`], decides the result.
#[derive(Clone, Debug)]
pub struct Heartbeats {
    rule: Arc<Rule>,
    now: Offset,
    last_received: Offset,
    /// How much longer than the rule says silence is tolerated, since the last byte.
    quiet_more: Duration,
    /// The same for the grace watch, since the verdict.
    watch_more: Duration,
    /// Misses since the last sign of life.
    row: u32,
    life: Life,
    verdict: Option<Verdict>,
    beats: Beats,
    tally: Tally,
}

impl Heartbeats {
    /// For a connection that opened at `opened`.
    pub fn new(rule: Arc<Rule>, opened: Offset) -> Self {
        Self {
            rule,
            now: opened,
            last_received: opened,
            quiet_more: Duration::ZERO,
            watch_more: Duration::ZERO,
            row: 0,
            life: Life::Open,
            verdict: None,
            beats: Beats::default(),
            tally: Tally::default(),
        }
    }

    /// Beat `id` is with the kernel (its last byte was written). Ids rise from beat to beat.
    pub fn sent(&mut self, at: Offset, id: u64, emit: &mut impl FnMut(Outcome)) {
        let at = self.settle(at, emit);
        if self.life != Life::Open {
            return;
        }
        if self.rule.acknowledges == Acknowledges::Nothing {
            self.tally.one_way += 1;
            return;
        }
        self.tally.sent += 1;
        while let Some(old) = self.beats.make_room() {
            if old.state == State::Waiting {
                self.tally.given_up += 1;
            }
            if old.state != State::Acknowledged {
                self.finish(old, OutcomeKind::Missed, None, emit);
            }
        }
        self.beats.push(id, at, self.rule.timeout);
    }

    /// A beat was due but the connection was not writable: neither sent nor missed.
    pub fn blocked(&mut self, at: Offset, emit: &mut impl FnMut(Outcome)) {
        self.settle(at, emit);
        if self.life == Life::Open {
            self.tally.blocked += 1;
        }
    }

    /// An answer arrived; `id` is the beat it names, if it names one. It counts as inbound traffic too.
    pub fn answered(
        &mut self,
        at: Offset,
        id: Option<u64>,
        emit: &mut impl FnMut(Outcome),
    ) -> Answer {
        let at = self.receive(at, emit);
        if self.life != Life::Open {
            return Answer::Ignored;
        }
        let target = match (self.rule.acknowledges, id) {
            (Acknowledges::Any, _) => self.beats.latest_open(),
            (Acknowledges::Exact | Acknowledges::UpTo, Some(id)) => self.beats.find(id),
            _ => None,
        };
        let Some(index) = target else {
            // Without a name an answer can only be for some beat of the past, if there was one.
            let again = self.rule.acknowledges == Acknowledges::Any && self.tally.sent > 0;
            return self.stray(again);
        };
        let beat = self.beats.get(index);
        if beat.state == State::Acknowledged {
            return self.stray(true);
        }
        self.row = 0;
        let rtt = at.since(beat.sent);
        self.beats.acknowledge(index);
        if beat.state == State::Overdue {
            self.finish(beat, OutcomeKind::Late, Some(rtt), emit);
            return Answer::Late(rtt);
        }
        self.finish(beat, OutcomeKind::OnTime, Some(rtt), emit);
        if self.rule.acknowledges != Acknowledges::Exact {
            self.supersede_before(index, emit);
        }
        Answer::OnTime(rtt)
    }

    /// Something else was received: any byte at all.
    pub fn received(&mut self, at: Offset, emit: &mut impl FnMut(Outcome)) {
        self.receive(at, emit);
    }

    /// We stood still for `by` and could not look: every deadline that was still ahead then moves so
    /// much. To be told before anything that happened after the stall.
    pub fn postpone(&mut self, by: Duration) {
        self.beats.postpone(by);
        match self.life {
            Life::Open => self.quiet_more += by,
            Life::Untold | Life::Dead => self.watch_more += by,
            Life::Ended => {}
        }
    }

    /// Settles every deadline before `now`. `Some` exactly once, when the connection has been declared
    /// dead: the caller ends it (after the rule's grace, if there is one).
    pub fn advance(&mut self, now: Offset, emit: &mut impl FnMut(Outcome)) -> Option<Verdict> {
        self.settle(now, emit);
        if self.life != Life::Untold {
            return None;
        }
        self.life = Life::Dead;
        self.verdict
    }

    /// The first offset at which [`Heartbeats::advance`] will have something to do.
    pub fn next_deadline(&self) -> Option<Offset> {
        match self.life {
            Life::Open => {
                let quiet = self.quiet_deadline();
                let beat = self.beat_deadline();
                let first = quiet.into_iter().chain(beat).min()?;
                Some((first + STEP).max(self.now))
            }
            Life::Untold => Some(self.now),
            Life::Dead => Some((self.watched_until()? + STEP).max(self.now)),
            Life::Ended => None,
        }
    }

    /// The connection ended: beats within their timeout are cut. `Some` when the connection had been dead
    /// before and [`Heartbeats::advance`] did not get to say so.
    pub fn connection_ended(
        &mut self,
        at: Offset,
        emit: &mut impl FnMut(Outcome),
    ) -> Option<Verdict> {
        self.end(at, OutcomeKind::Cut, emit)
    }

    /// The run ended with the connection open: beats within their timeout are pending. `Some` as for
    /// [`Heartbeats::connection_ended`].
    pub fn run_ended(&mut self, at: Offset, emit: &mut impl FnMut(Outcome)) -> Option<Verdict> {
        self.end(at, OutcomeKind::Pending, emit)
    }

    /// The verdict, once there is one.
    pub fn verdict(&self) -> Option<Verdict> {
        self.verdict
    }

    /// When the last byte was received; the opening before the first one.
    pub fn last_received(&self) -> Offset {
        self.last_received
    }

    /// Whether the next beat would push out one still within its timeout; then count it as blocked
    /// instead of sending it.
    pub fn is_full(&self) -> bool {
        self.beats.is_full()
    }

    /// The counts so far.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Beats sent that have no outcome yet; zero after the verdict and after the end.
    pub fn open_beats(&self) -> usize {
        self.beats.open()
    }

    fn receive(&mut self, at: Offset, emit: &mut impl FnMut(Outcome)) -> Offset {
        let at = self.settle(at, emit);
        if self.life == Life::Open {
            self.last_received = at;
            self.quiet_more = Duration::ZERO;
            if self.rule.any_traffic {
                self.row = 0;
            }
        } else if self.watched_until().is_some() {
            self.tally.false_dead = Some(true);
        }
        at
    }

    /// Fires, in order of time, everything that fell due before `at`; returns the offset to use.
    fn settle(&mut self, at: Offset, emit: &mut impl FnMut(Outcome)) -> Offset {
        self.now = self.now.max(at);
        while self.life == Life::Open {
            let quiet = self.quiet_deadline().filter(|due| *due < self.now);
            let beat = self.beat_deadline().filter(|due| *due < self.now);
            match (beat, quiet) {
                (Some(due), quiet) if quiet.is_none_or(|quiet| due <= quiet) => {
                    self.miss(due, emit)
                }
                (_, Some(due)) => self.declare_dead(due, Cause::Quiet, emit),
                _ => break,
            }
        }
        if self.watched_until().is_some_and(|end| end < self.now) {
            self.tally.false_dead = Some(false);
        }
        self.now
    }

    /// The beat due at `due` is over its timeout. It can still become late; it is missed at the end.
    fn miss(&mut self, due: Offset, emit: &mut impl FnMut(Outcome)) {
        self.beats.expire_first();
        self.row = self.row.saturating_add(1);
        if self.rule.max_missed.is_some_and(|most| self.row >= most) {
            self.declare_dead(due, Cause::Misses, emit);
        }
    }

    fn declare_dead(&mut self, at: Offset, cause: Cause, emit: &mut impl FnMut(Outcome)) {
        let detection = at.since(self.last_received);
        self.life = Life::Untold;
        self.verdict = Some(Verdict {
            at,
            detection,
            cause,
        });
        // Deadlines of the same instant passed together with the one that decided.
        while self.beat_deadline().is_some_and(|due| due <= at) {
            self.beats.expire_first();
        }
        self.finish_all(OutcomeKind::Cut, emit);
    }

    fn end(
        &mut self,
        at: Offset,
        within: OutcomeKind,
        emit: &mut impl FnMut(Outcome),
    ) -> Option<Verdict> {
        let at = self.settle(at, emit);
        if self.life == Life::Open {
            self.finish_all(within, emit);
        } else if self.watched_until() == Some(at) {
            // Watched to the last instant; a watch cut shorter proves nothing.
            self.tally.false_dead = Some(false);
        }
        let untold = self.life == Life::Untold;
        self.life = Life::Ended;
        self.verdict.filter(|_| untold)
    }

    fn finish_all(&mut self, within: OutcomeKind, emit: &mut impl FnMut(Outcome)) {
        while let Some(beat) = self.beats.pop() {
            match beat.state {
                State::Waiting => self.finish(beat, within, None, emit),
                State::Overdue => self.finish(beat, OutcomeKind::Missed, None, emit),
                State::Acknowledged => {}
            }
        }
        self.beats = Beats::default();
    }

    fn supersede_before(&mut self, index: usize, emit: &mut impl FnMut(Outcome)) {
        // Whatever comes before an overdue or acknowledged beat is settled as well.
        for earlier in (0..index).rev() {
            let beat = self.beats.get(earlier);
            if beat.state != State::Waiting {
                break;
            }
            self.beats.acknowledge(earlier);
            self.finish(beat, OutcomeKind::Superseded, None, emit);
        }
    }

    fn finish(
        &mut self,
        beat: Beat,
        kind: OutcomeKind,
        rtt: Option<Duration>,
        emit: &mut impl FnMut(Outcome),
    ) {
        self.tally.count(kind);
        emit(Outcome {
            kind,
            sent: beat.sent,
            rtt,
        });
    }

    fn stray(&mut self, again: bool) -> Answer {
        if again {
            self.tally.duplicate += 1;
            Answer::Duplicate
        } else {
            self.tally.unsolicited += 1;
            Answer::Unsolicited
        }
    }

    /// The last instant of the grace watch, while it runs and has seen nothing.
    fn watched_until(&self) -> Option<Offset> {
        let verdict = self.verdict.filter(|_| self.life != Life::Ended)?;
        let unknown = !self.rule.grace.is_zero() && self.tally.false_dead.is_none();
        unknown.then(|| verdict.at + self.rule.grace + self.watch_more)
    }

    fn quiet_deadline(&self) -> Option<Offset> {
        Some(self.last_received + self.rule.max_quiet? + self.quiet_more)
    }

    fn beat_deadline(&self) -> Option<Offset> {
        Some(self.beats.first_waiting()?.deadline)
    }
}

#[cfg(test)]
mod tests;
