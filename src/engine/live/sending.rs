//! What goes out, and when it counts as sent: once the kernel has taken its last byte.

use std::sync::Arc;

use super::heart::ping_payload;
use super::{Membership, State};
use crate::clock::Offset;
use crate::engine::groups::Group;
use crate::engine::matching::{Entry, Matchers, QuestionId, Sent};
use crate::engine::program::Program;
use crate::engine::schedule::{self, Ticks};
use crate::engine::shard::Shard;
use crate::engine::{identity, plan::Plan};
use crate::metrics::{Counter, Metric, Origin};
use crate::scenario::{Payload, Step};
use crate::wire::{Dial, Outbox};

/// Messages one wake-up may send for schedules that fell behind, before others get their turn.
const BURST: usize = 64;

/// Something queued that the kernel has not taken yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsent {
    /// A message of send `step`.
    Message {
        step: usize,
        intended: Offset,
        measured: bool,
        asks: bool,
    },
    /// A heartbeat.
    Beat { number: u64, due: Offset },
    /// The answer to a ping that was read at `read`.
    Pong { read: Offset },
}

impl Unsent {
    /// For a message: whether it is measured.
    pub fn is_message(self) -> Option<bool> {
        match self {
            Self::Message { measured, .. } => Some(measured),
            Self::Beat { .. } | Self::Pong { .. } => None,
        }
    }
}

impl<D: Dial + 'static> State<D> {
    /// Queues one message that is due at `intended`; false when there is no room.
    pub(super) fn send(
        &mut self,
        shard: &Shard<D>,
        step: usize,
        intended: Offset,
        now: Offset,
        outbox: &mut Outbox,
    ) -> bool {
        let plan = &shard.plan;
        let program = &plan.programs[self.client.identity.session];
        let send = &program.sends[step];
        let question = plan.questions[self.client.identity.session].sends[step];
        if question.is_some() && self.questions.is_full() {
            return false;
        }
        let mut text = shard.text.borrow_mut();
        text.clear();
        let identity = &mut self.client.identity;
        let mut rng = identity.rng.clone();
        let intended_us = plan.epoch.unix_micros(intended);
        let context = identity.context(plan, self.client.seq, intended_us);
        let queued = match &send.payload {
            Payload::Text(template) => {
                template.render(&context, &mut rng, &mut text);
                outbox.text(&text)
            }
            Payload::Binary(bytes) => {
                text.extend_from_slice(bytes);
                outbox.binary(bytes)
            }
            Payload::RandomBinary(size) => {
                text.resize(*size, 0);
                rng.fill(&mut text);
                outbox.binary(&text)
            }
        };
        if queued.is_err() {
            return false;
        }
        let measured = plan.phases.is_measured(intended);
        if let Some(question) = question {
            let sent = match &send.payload {
                Payload::Text(_) => Sent::Text(&text),
                Payload::Binary(_) | Payload::RandomBinary(_) => Sent::Binary(&text),
            };
            let mut readers = shard.readers.borrow_mut();
            let reader = &mut readers[identity.session];
            let key = reader.key(question, Some(sent), &context, &mut rng);
            let mut entry = reader
                .matchers()
                .entry(question, key, intended, now, measured);
            // Its time runs once the kernel has it.
            (entry.sent, entry.deadline) = (Offset::MAX, Offset::MAX);
            self.questions
                .ask(entry)
                .expect("room was checked before the message was queued");
            shard.outstanding.set(shard.outstanding.get() + 1);
        }
        identity.rng = rng;
        self.client.seq += 1;
        self.unsent.push(Unsent::Message {
            step,
            intended,
            measured,
            asks: question.is_some(),
        });
        true
    }

    /// The kernel has taken everything that was queued: it is sent now.
    pub(super) fn flushed(&mut self, shard: &Shard<D>, outbox: &mut Outbox) {
        if self.unsent.is_empty() {
            return self.pay_pong(outbox);
        }
        let at = self.now(shard);
        let session = self.client.identity.session;
        self.questions.stamp_sent(&shard.plan.matchers[session], at);
        let mut list = std::mem::take(&mut self.unsent);
        for unsent in list.drain(..) {
            match unsent {
                Unsent::Message { .. } => self.message_sent(shard, unsent, at),
                Unsent::Beat { number, due } => self.beat_sent(shard, at, number, due),
                Unsent::Pong { read } => {
                    shard.record(shard.plan.origin(read), Metric::PongDelay, at.since(read));
                }
            }
        }
        // The list keeps its memory unless a flood made it large.
        if list.capacity() <= BURST {
            self.unsent = list;
        }
        self.pay_pong(outbox);
    }

    fn message_sent(&self, shard: &Shard<D>, unsent: Unsent, at: Offset) {
        let Unsent::Message {
            step,
            intended,
            measured,
            asks,
        } = unsent
        else {
            return;
        };
        let origin = super::origin(measured);
        let counter = if asks {
            Counter::MessagesSent
        } else {
            Counter::MessagesSentUnmatched
        };
        {
            let mut recorder = shard.recorder.borrow_mut();
            recorder.count(origin, counter);
            shard.span(&mut recorder, origin, Metric::ScheduleLag, (intended, at));
        }
        self.expect_deliveries(shard, step, intended, origin);
    }

    /// An answer came although the kernel has not taken the whole buffer: its message is out.
    pub(super) fn sent_already(&mut self, shard: &Shard<D>, entry: &Entry, now: Offset) {
        let is_it = |unsent: &Unsent| {
            matches!(unsent, Unsent::Message { intended, asks: true, .. }
                if *intended == entry.intended)
        };
        if let Some(place) = self.unsent.iter().position(is_it) {
            let unsent = self.unsent.remove(place);
            self.message_sent(shard, unsent, now);
        }
    }

    /// The same for a beat: its pong came before the rest of the buffer went.
    pub(super) fn beat_sent_already(&mut self, shard: &Shard<D>, now: Offset, beat: Option<u64>) {
        let is_it = |unsent: &Unsent| matches!(unsent, Unsent::Beat { number, .. } if beat.is_none_or(|beat| beat == *number));
        if let Some(place) = self.unsent.iter().position(is_it)
            && let Unsent::Beat { number, due } = self.unsent.remove(place)
        {
            self.beat_sent(shard, now, number, due);
        }
    }

    fn expect_deliveries(&self, shard: &Shard<D>, step: usize, intended: Offset, origin: Origin) {
        let Some(delivery) = &self.program.sends[step].delivery else {
            return;
        };
        let groups = self.membership.as_ref().map(|m| &m.groups);
        let place = self.program.group_of[step];
        let Some(group) = groups
            .zip(place)
            .and_then(|(groups, place)| groups.get(place))
        else {
            return;
        };
        let seen = shard.plan.epoch.in_micros(intended);
        let number = self.client.identity.number;
        let count = group.receivers(seen, number, delivery.includes_sender);
        shard.plan.groups.expect(count);
        let mut recorder = shard.recorder.borrow_mut();
        recorder.add(origin, Counter::DeliveriesExpected, count);
    }

    /// Sends what schedules have due. Nothing is queued behind a full buffer: a late message keeps
    /// its intended time, so the wait is measured and not hidden.
    pub(super) fn send_due(&mut self, shard: &Shard<D>, now: Offset, outbox: &mut Outbox) {
        let mut left = BURST;
        for step in 0..self.program.sends.len() {
            if !self.started[step] {
                continue;
            }
            self.skip_late(shard, step, now);
            while left > 0 && outbox.len() < BURST_BYTES {
                let ticks = self.client.ticks[step].as_ref();
                let Some(due) = ticks.and_then(Ticks::peek).filter(|due| *due <= now) else {
                    break;
                };
                if !self.send(shard, step, due, now, outbox) {
                    return;
                }
                if let Some(ticks) = &mut self.client.ticks[step] {
                    ticks.next();
                }
                left -= 1;
            }
        }
    }

    fn skip_late(&mut self, shard: &Shard<D>, step: usize, now: Offset) {
        let schedule = self.program.sends[step].schedule.as_ref();
        let (Some(limit), Some(ticks)) = (
            schedule.and_then(|s| s.skip_after),
            &mut self.client.ticks[step],
        ) else {
            return;
        };
        skip(shard, ticks, now - limit);
    }

    /// Starts the schedule of a step, or takes it up again after a reconnect: what fell due in
    /// between is skipped and counted.
    pub(super) fn start_schedule(&mut self, shard: &Shard<D>, step: usize, now: Offset) {
        let Some(schedule) = &self.program.sends[step].schedule else {
            return;
        };
        self.started[step] = true;
        self.scheduled = true;
        if let Some(ticks) = &mut self.client.ticks[step] {
            return skip(shard, ticks, now);
        }
        let number = self.client.identity.number;
        let phase = schedule::phase(schedule.period, number, step as u64);
        let seed = identity::mix(shard.plan.scenario.seed ^ (step as u64 + 1), number);
        let mut ticks = Ticks::new(schedule, now, phase, seed);
        ticks.set_burst(self.felt.burst);
        self.client.ticks[step] = Some(ticks);
    }

    /// A control ping of the session's own; its number cannot be a beat's.
    pub(super) fn send_ping(&mut self, now: Offset, outbox: &mut Outbox) -> Option<u64> {
        let number = u64::MAX - self.client.seq;
        self.client.seq += 1;
        let payload = ping_payload(self.client.identity.number, number, now);
        outbox.ping(&payload).is_ok().then_some(number)
    }

    /// The client takes part in the broadcasts of a step from now on.
    pub(super) fn join_groups(&mut self, shard: &Shard<D>, now: Offset) {
        if self.membership.is_some() {
            return;
        }
        let mut groups: Vec<Arc<Group>> = Vec::new();
        let identity = &self.client.identity;
        let context = identity.context(&shard.plan, 0, 0);
        let mut rng = identity.rng.clone();
        // As other clients' messages tell when they were due: in whole microseconds.
        let since = shard.plan.epoch.in_micros(now);
        let mut name = Vec::new();
        for send in &self.program.sends {
            let group = send.delivery.as_ref().and_then(|d| d.group.as_ref());
            let Some(template) = group else { continue };
            name.clear();
            template.render(&context, &mut rng, &mut name);
            let group = shard.plan.groups.named(&name);
            // Two steps may broadcast to one group; a client is in it once.
            if !groups.iter().any(|joined| Arc::ptr_eq(joined, &group)) {
                group.join(identity.number, since);
            }
            groups.push(group);
        }
        if !groups.is_empty() {
            self.membership = Some(Box::new(Membership { since, groups }));
        }
    }
}

/// A burst stops queueing at this: the rest is sent once the kernel has taken it.
const BURST_BYTES: usize = 256 * 1024;

/// Leaves out what was due before `until`, counted in the phase it was due in.
pub(in crate::engine) fn skip<D: Dial>(shard: &Shard<D>, ticks: &mut Ticks, until: Offset) {
    let Plan { phases, .. } = &*shard.plan;
    let before = ticks.skip_until(until.min(phases.warm_up_end));
    let measured = ticks.skip_until(until.min(phases.measure_end));
    if before + measured > 0 {
        let mut recorder = shard.recorder.borrow_mut();
        recorder.add(Origin::Other, Counter::SendsSkipped, before);
        recorder.add(Origin::Measured, Counter::SendsSkipped, measured);
    }
}

/// The questions of a session's steps, by position in its program.
#[derive(Clone, Debug, Default)]
pub struct StepQuestions {
    /// Of each send.
    pub sends: Vec<Option<QuestionId>>,
    /// Of each expect.
    pub expects: Vec<Option<QuestionId>>,
}

impl StepQuestions {
    /// Looks them up once.
    pub fn of(program: &Program, matchers: &Matchers) -> Self {
        let sends = program.sends.iter().map(|s| Step::Send(Arc::clone(s)));
        let expects = program.expects.iter().map(|r| Step::Expect(Arc::clone(r)));
        Self {
            sends: sends.map(|step| matchers.question(&step)).collect(),
            expects: expects.map(|step| matchers.question(&step)).collect(),
        }
    }
}
