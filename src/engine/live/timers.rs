//! What is due by the clock, and when to look again.

use std::task::Context;
use std::time::Duration;

use super::State;
use super::ending::{Closing, Ended, Next};
use super::steps::Waiting;
use crate::clock::Offset;
use crate::engine::matching::{Entry, QuestionKind};
use crate::engine::schedule::Ticks;
use crate::engine::shard::Shard;
use crate::engine::stage::Stage;
use crate::metrics::{Counter, Metric};
use crate::wire::{Dial, Outbox};

impl<D: Dial + 'static> State<D> {
    /// Does everything that is due at `now`; the end, if that is due too.
    pub(super) fn on_time(
        &mut self,
        shard: &Shard<D>,
        now: Offset,
        outbox: &mut Outbox,
    ) -> Option<Ended> {
        if let Some(ended) = self.obey(shard, now, outbox) {
            return Some(ended);
        }
        if let Some(ended) = self.close_timers(shard, now) {
            return Some(ended);
        }
        if self.closing != Closing::Open {
            return None;
        }
        self.expire(shard, now);
        self.beat(shard, now, outbox);
        if self.closing != Closing::Open {
            return self.close_timers(shard, now);
        }
        self.pong_timers(shard, now, outbox);
        self.waited(shard, now);
        self.advance(shard, now, outbox);
        if self.scheduled && !self.leaving && !self.stuck {
            self.send_due(shard, now, outbox);
        }
        self.leave_when_done(shard, now, outbox);
        None
    }

    /// Does what the run's stage and the load curve ask for.
    fn obey(&mut self, shard: &Shard<D>, now: Offset, outbox: &mut Outbox) -> Option<Ended> {
        let stage = shard.stage.get();
        if stage == Stage::Cut {
            return Some(self.cut(shard, now));
        }
        self.leaving |= stage >= Stage::Draining;
        if stage == Stage::Closing && self.closing == Closing::Open {
            self.start_close(shard, now, outbox, (1000, ""), Next::Leave);
        }
        None
    }

    /// Moves every deadline: we stood still for `by`. What is due to be done stays due.
    pub(super) fn postpone(&mut self, shard: &Shard<D>, by: Duration) {
        self.questions.postpone(by);
        self.postpone_heart(shard, by);
        if let Some(pongs) = &mut self.pongs {
            pongs.postpone(by);
        }
        if let Waiting::Pong { deadline, .. } = &mut self.waiting {
            *deadline = *deadline + by;
        }
        match &mut self.closing {
            Closing::Asked { deadline, .. }
            | Closing::Answered { deadline, .. }
            | Closing::Dead { until: deadline } => *deadline = *deadline + by,
            Closing::Open => {}
        }
    }

    fn expire(&mut self, shard: &Shard<D>, now: Offset) {
        if self.questions.next_deadline().is_none_or(|due| due > now) {
            return;
        }
        let mut expired = Vec::new();
        self.questions.expire(now, |entry| expired.push(entry));
        for entry in &expired {
            self.book_timeout(shard, entry);
            self.resume(entry, now);
        }
    }

    fn book_timeout(&self, shard: &Shard<D>, entry: &Entry) {
        let origin = super::origin(entry.measured);
        let mut recorder = shard.recorder.borrow_mut();
        if entry.kind == QuestionKind::Expect {
            return recorder.count(origin, Counter::ExpectsTimedOut);
        }
        shard.outstanding.set(shard.outstanding.get() - 1);
        recorder.count(origin, Counter::RepliesTimedOut);
        recorder.censor(origin, Metric::RoundTrip);
        recorder.censor(origin, Metric::ServiceTime);
    }

    fn waited(&mut self, shard: &Shard<D>, now: Offset) {
        match self.waiting {
            Waiting::Until(due) if due <= now => self.go_on(due),
            Waiting::Pong { deadline, .. } if deadline <= now => {
                shard.count(shard.plan.origin(now), Counter::ExpectsTimedOut);
                self.go_on(now);
            }
            _ => {}
        }
    }

    /// Asks the pacer to wake this client for what is due next. Due times mostly move into the
    /// future, so the pacer is only told when one comes closer: a wake-up too many is cheaper than
    /// a change of the queue for every message.
    pub(super) fn arm(&mut self, shard: &Shard<D>, now: Offset, cx: &Context<'_>) {
        let due = self.next_due(shard);
        let rang = self.armed <= now || self.armed == Offset::MAX;
        if rang || due < self.armed {
            self.armed = due;
            shard.pacer.arm(self.client.control.slot, due, cx.waker());
        }
    }

    fn next_due(&self, shard: &Shard<D>) -> Offset {
        let closing = match &self.closing {
            Closing::Asked { deadline, .. } | Closing::Answered { deadline, .. } => *deadline,
            Closing::Dead { until } => *until,
            Closing::Open => Offset::MAX,
        };
        if self.closing != Closing::Open || shard.stage.get() == Stage::Cut {
            return closing;
        }
        let waiting = match self.waiting {
            Waiting::Until(due) | Waiting::Pong { deadline: due, .. } => due,
            _ => Offset::MAX,
        };
        let questions = self.questions.next_deadline().unwrap_or(Offset::MAX);
        if self.frozen_at.is_some() {
            return Offset::MAX;
        }
        let mut due = waiting
            .min(questions)
            .min(self.slowness.next_due())
            .min(self.heart_due)
            .min(self.pongs.as_ref().map_or(Offset::MAX, |p| p.next_due()));
        // With a full socket or table the next thing to happen is that it gets room.
        let able = !self.leaving && !self.stuck && !self.questions.is_full();
        if able && self.scheduled {
            let ticks = self.client.ticks.iter().zip(&self.started);
            let running = ticks.filter_map(|(ticks, started)| ticks.as_ref().filter(|_| *started));
            due = running.filter_map(Ticks::peek).fold(due, Offset::min);
        }
        due
    }
}
