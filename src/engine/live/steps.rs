//! The session's program: what a client does next, and what it waits for.

use std::time::Duration;

use super::State;
use super::ending::{Closing, Next};
use crate::clock::Offset;
use crate::engine::matching::{Key, QuestionId};
use crate::engine::program::Op;
use crate::engine::schedule::Ticks;
use crate::engine::shard::Shard;
use crate::engine::stage::Stage;
use crate::metrics::Counter;
use crate::scenario::LoadModel;
use crate::wire::{Dial, Outbox};

/// Instructions one call may run: a loop of sends without answers must let others run too.
const BUDGET: usize = 64;

/// What the program waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// Nothing: it can go on.
    Go,
    /// The answer to the message that was due then.
    Reply(QuestionId, Offset),
    /// A message of the server.
    Expect,
    /// A time.
    Until(Offset),
    /// A pong.
    Pong { number: u64, deadline: Offset },
    /// The end of the connection: there are no more steps.
    Done,
}

impl<D: Dial + 'static> State<D> {
    /// Runs instructions until one has to wait.
    pub(super) fn advance(&mut self, shard: &Shard<D>, now: Offset, outbox: &mut Outbox) {
        for _ in 0..BUDGET {
            let stopped = self.leaving || self.closing != Closing::Open;
            if stopped || self.waiting != Waiting::Go {
                return;
            }
            let program = &shard.plan.programs[self.client.identity.session];
            let Some(op) = program.ops.get(self.cursor) else {
                self.waiting = Waiting::Done;
                return;
            };
            self.cursor += 1;
            if !self.execute(shard, op, now, outbox) {
                // No room: the same instruction again once the outbox is empty.
                self.cursor -= 1;
                return;
            }
        }
    }

    /// Runs one instruction; false when the outbox has no room for it.
    fn execute(&mut self, shard: &Shard<D>, op: &Op, now: Offset, outbox: &mut Outbox) -> bool {
        match op {
            Op::Send(step) => return self.send_step(shard, *step, now, outbox),
            Op::Start(step) => {
                if self.program.sends[*step].delivery.is_some() {
                    self.join_groups(shard, now);
                }
                self.start_schedule(shard, *step, now);
            }
            Op::Expect(expect) => self.expect(shard, *expect, now),
            Op::Pause { min, max } => {
                let pause = between(*min, *max, &mut self.client.identity.rng);
                self.waiting = Waiting::Until(self.step_due + pause);
            }
            Op::Ping { timeout } => match self.send_ping(now, outbox) {
                Some(number) => {
                    let deadline = now + *timeout;
                    self.waiting = Waiting::Pong { number, deadline };
                }
                None => return false,
            },
            Op::Again { counter, times, to } => {
                let more = times.is_none_or(|times| {
                    self.counters[*counter] += 1;
                    self.counters[*counter] < times
                });
                if more {
                    self.cursor = *to;
                } else {
                    self.counters[*counter] = 0;
                }
            }
            // What was said before counts as said only once the kernel has it.
            Op::Close { .. } if !self.unsent.is_empty() => return false,
            Op::Close { code, reason } => self.close_step(shard, now, *code, reason, outbox),
        }
        true
    }

    fn send_step(
        &mut self,
        shard: &Shard<D>,
        step: usize,
        now: Offset,
        outbox: &mut Outbox,
    ) -> bool {
        // A closed step is never queued behind others: it would measure our own queue.
        if !outbox.is_empty() && outbox.len() > 64 * 1024 {
            return false;
        }
        let send = &self.program.sends[step];
        if send.delivery.is_some() {
            self.join_groups(shard, now);
        }
        let intended = self.step_due;
        if !self.send(shard, step, intended, now, outbox) {
            return false;
        }
        self.step_due = now;
        let question = shard.plan.questions[self.client.identity.session].sends[step];
        if let (true, Some(question)) = (self.program.sends[step].blocking, question) {
            self.waiting = Waiting::Reply(question, intended);
        }
        true
    }

    fn expect(&mut self, shard: &Shard<D>, expect: usize, now: Offset) {
        let session = self.client.identity.session;
        let Some(question) = shard.plan.questions[session].expects[expect] else {
            return;
        };
        let identity = &mut self.client.identity;
        let mut rng = identity.rng.clone();
        let context = identity.context(&shard.plan, self.client.seq, 0);
        let mut readers = shard.readers.borrow_mut();
        let reader = &mut readers[session];
        let key: Key = reader.key(question, None, &context, &mut rng);
        let measured = shard.plan.phases.is_measured(now);
        let entry = reader.matchers().entry(question, key, now, now, measured);
        identity.rng = rng;
        self.questions
            .ask(entry)
            .expect("a waiting step needs no room in the table");
        self.waiting = Waiting::Expect;
    }

    fn close_step(
        &mut self,
        shard: &Shard<D>,
        now: Offset,
        code: u16,
        reason: &str,
        outbox: &mut Outbox,
    ) {
        shard.count(shard.plan.origin(now), Counter::SessionsCompleted);
        for ticks in self.client.ticks.iter_mut().flatten() {
            super::skip(shard, ticks, now);
        }
        self.client.ticks.fill(None);
        let next = match shard.plan.scenario.load.model {
            LoadModel::Closed => Next::Restart,
            LoadModel::Open { .. } => Next::Leave,
        };
        self.start_close(shard, now, outbox, (code, reason), next);
    }

    /// What the program waited for came; its next step is due at `due`.
    pub(super) fn go_on(&mut self, due: Offset) {
        self.waiting = Waiting::Go;
        self.step_due = due;
    }

    /// Whether instructions could run right now.
    pub(super) fn is_runnable(&self) -> bool {
        let able = !self.leaving && self.closing == Closing::Open;
        able && self.waiting == Waiting::Go && !self.questions.is_full()
    }

    /// The last step is done and no schedule has messages left. A closed load keeps its clients
    /// connected; in an open load such a client leaves.
    fn is_finished(&self, shard: &Shard<D>) -> bool {
        let open = matches!(shard.plan.scenario.load.model, LoadModel::Open { .. });
        let ticks = self.client.ticks.iter().flatten();
        open && self.waiting == Waiting::Done
            && !self.program.lasts
            && ticks.filter_map(Ticks::peek).next().is_none()
    }

    /// Closes once there is nothing left to do and nothing outstanding.
    pub(super) fn leave_when_done(&mut self, shard: &Shard<D>, now: Offset, outbox: &mut Outbox) {
        if !self.leaving && self.is_finished(shard) {
            shard.count(shard.plan.origin(now), Counter::SessionsCompleted);
            self.leaving = true;
        }
        // While the run drains, broadcasts of others may still be on their way.
        let draining = shard.stage.get() == Stage::Draining;
        let outstanding = self.questions.len();
        let busy = outstanding > 0 || !self.unsent.is_empty() || draining;
        if self.leaving && !busy && self.closing == Closing::Open {
            self.start_close(shard, now, outbox, (1000, ""), Next::Leave);
        }
    }
}

fn between(min: Duration, max: Duration, rng: &mut fastrand::Rng) -> Duration {
    let span = Offset::from(max.saturating_sub(min)).nanos();
    min + Duration::from_nanos(rng.u64(0..=span))
}
