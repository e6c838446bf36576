//! Heartbeats of a live connection: when a beat is due, what it is made of, what its answer counts.
//! The judgement itself is the pure machine in `engine::heartbeat`.

use std::sync::Arc;
use std::time::Duration;

use super::State;
use super::ending::Closing;
use super::sending::Unsent;
use crate::clock::Offset;
use crate::engine::heartbeat::{
    Answer, Heartbeats, Outcome, OutcomeKind, Rule, Verdict, start_phase,
};
use crate::engine::matching::Incoming;
use crate::engine::plan::Plan;
use crate::engine::shard::Shard;
use crate::metrics::{Counter, Metric, Recorder};
use crate::scenario::{HeartbeatStyle, Template};
use crate::wire::{Dial, Outbox};

/// A control ping's payload: who, which beat, when.
const PAYLOAD: usize = 24;

/// The heart of one connection.
#[derive(Debug)]
pub(super) struct Heart {
    machine: Option<Heartbeats>,
    rule: Option<Arc<Rule>>,
    beats: bool,
    phase: Duration,
    /// Number of the next beat.
    next: u64,
    opened: Offset,
    received: Offset,
    /// When the last beat was due; idle connections beat one interval after it.
    beaten: Offset,
}

impl Heart {
    pub fn new(plan: &Plan, rng: &mut fastrand::Rng, opened: Offset) -> Self {
        let rule = plan.rule.clone();
        let beats = !matches!(plan.scenario.heartbeat.style, HeartbeatStyle::None);
        Self {
            machine: rule.clone().map(|rule| Heartbeats::new(rule, opened)),
            phase: rule
                .as_ref()
                .map_or(Duration::ZERO, |rule| start_phase(rule.interval, rng)),
            rule,
            beats,
            next: 0,
            opened,
            received: opened,
            beaten: opened,
        }
    }

    /// When the last byte came.
    pub fn last_received(&self) -> Offset {
        self.received
    }

    /// When the next beat is due.
    fn due(&self) -> Option<Offset> {
        self.due_of(self.next)
    }

    fn due_of(&self, number: u64) -> Option<Offset> {
        let rule = self.rule.as_ref().filter(|_| self.beats)?;
        let active = self.received.max(self.beaten);
        Some(rule.due(self.opened, self.phase, number, active))
    }

    /// When it has to be looked at again.
    pub fn next_due(&self) -> Offset {
        let deadline = self.machine.as_ref().and_then(Heartbeats::next_deadline);
        let due = self.due().into_iter().chain(deadline).min();
        due.unwrap_or(Offset::MAX)
    }

    /// We stood still for `by`.
    pub fn postpone(&mut self, by: Duration) {
        if let Some(machine) = &mut self.machine {
            machine.postpone(by);
        }
    }

    /// Leaves out the beats that were due before `now`.
    pub fn skip_until(&mut self, now: Offset) {
        let Some(rule) = self.rule.as_ref().filter(|_| self.beats) else {
            return;
        };
        let interval = rule.interval.as_nanos().max(1);
        let passed = now.since(self.opened + self.phase).as_nanos();
        let next = u64::try_from(passed.div_ceil(interval)).unwrap_or(u64::MAX);
        if rule.due(self.opened, self.phase, self.next, self.opened) < now {
            self.next = self.next.max(next);
            self.beaten = now;
        }
    }

    /// The connection or the run ended.
    pub fn end<D: Dial + 'static>(&mut self, shard: &Shard<D>, now: Offset, run_over: bool) {
        self.beats = false;
        let Some(machine) = &mut self.machine else {
            return;
        };
        let mut recorder = shard.recorder.borrow_mut();
        let mut emit = emitter(shard, &mut recorder);
        let verdict = if run_over {
            machine.run_ended(now, &mut emit)
        } else {
            machine.connection_ended(now, &mut emit)
        };
        drop(emit);
        if let Some(verdict) = verdict {
            book_verdict(&shard.plan, &mut recorder, &verdict);
        }
    }

    /// Whether the peer turned out to live after the verdict.
    pub fn finish_watch(&mut self, now: Offset) -> bool {
        let Some(machine) = &mut self.machine else {
            return false;
        };
        let _ = machine.connection_ended(now, &mut |_| {});
        machine.tally().false_dead == Some(true)
    }
}

fn book_verdict(plan: &Plan, recorder: &mut Recorder, verdict: &Verdict) {
    let origin = plan.origin(verdict.at);
    recorder.count(origin, Counter::DeclaredDead);
    recorder.record(origin, Metric::DeathDetection, verdict.detection);
}

/// Books what became of a beat where the beat was sent.
fn emitter<'a, D: Dial + 'static>(
    shard: &'a Shard<D>,
    recorder: &'a mut Recorder,
) -> impl FnMut(Outcome) + use<'a, D> {
    |outcome| {
        let origin = shard.plan.origin(outcome.sent);
        let counter = match outcome.kind {
            OutcomeKind::OnTime => Counter::HeartbeatsOnTime,
            OutcomeKind::Superseded => Counter::HeartbeatsSuperseded,
            OutcomeKind::Late => Counter::HeartbeatsLate,
            OutcomeKind::Missed => Counter::HeartbeatsMissed,
            OutcomeKind::Cut => Counter::HeartbeatsCut,
            OutcomeKind::Pending => Counter::HeartbeatsPending,
        };
        recorder.count(origin, counter);
        if let Some(rtt) = outcome.rtt {
            let answered = (outcome.sent, outcome.sent + rtt);
            shard.span(recorder, origin, Metric::HeartbeatRtt, answered);
        }
    }
}

impl<D: Dial + 'static> State<'_, D> {
    /// Sends beats that are due and acts on a verdict.
    pub(super) fn beat(&mut self, shard: &Shard<D>, now: Offset, outbox: &mut Outbox) {
        while self.heart.due().is_some_and(|due| due <= now) {
            let due = self.heart.due().unwrap_or(now);
            let number = self.heart.next;
            self.heart.next += 1;
            self.heart.beaten = due;
            if self.client.control.effects.get().no_heartbeats {
                continue;
            }
            // Never behind a full buffer: that would measure our own queue.
            let full = self.heart.machine.as_ref().is_some_and(Heartbeats::is_full);
            if !full && !self.stuck && self.queue_beat(shard, number, now, outbox) {
                self.unsent.push(Unsent::Beat { number, due });
                continue;
            }
            let mut recorder = shard.recorder.borrow_mut();
            recorder.count(shard.plan.origin(now), Counter::HeartbeatsBlocked);
            if let Some(machine) = &mut self.heart.machine {
                machine.blocked(now, &mut emitter(shard, &mut recorder));
            }
        }
        self.judge(shard, now);
    }

    fn judge(&mut self, shard: &Shard<D>, now: Offset) {
        let Some(machine) = &mut self.heart.machine else {
            return;
        };
        let verdict = {
            let mut recorder = shard.recorder.borrow_mut();
            machine.advance(now, &mut emitter(shard, &mut recorder))
        };
        let Some(verdict) = verdict.filter(|_| self.closing == Closing::Open) else {
            return;
        };
        book_verdict(&shard.plan, &mut shard.recorder.borrow_mut(), &verdict);
        self.heart.beats = false;
        let watched = self.heart.rule.as_ref().map_or(Duration::ZERO, |r| r.grace);
        self.leave_groups();
        // The heart itself goes on: it watches whether the peer lives after all.
        self.settle_messages(shard);
        self.closing = Closing::Dead {
            until: verdict.at + watched,
        };
    }

    fn queue_beat(
        &mut self,
        shard: &Shard<D>,
        number: u64,
        now: Offset,
        outbox: &mut Outbox,
    ) -> bool {
        let plan = &shard.plan;
        match &plan.scenario.heartbeat.style {
            HeartbeatStyle::None => false,
            HeartbeatStyle::Ping { empty: true } => outbox.ping(&[]).is_ok(),
            HeartbeatStyle::Ping { empty: false } => {
                let payload = ping_payload(self.client.identity.number, number, now);
                outbox.ping(&payload).is_ok()
            }
            HeartbeatStyle::Text { send, .. }
            | HeartbeatStyle::Json { send, .. }
            | HeartbeatStyle::OneWay { send } => self.queue_text_beat(shard, send, number, outbox),
        }
    }

    fn queue_text_beat(
        &mut self,
        shard: &Shard<D>,
        template: &Template,
        number: u64,
        outbox: &mut Outbox,
    ) -> bool {
        let mut text = shard.text.borrow_mut();
        text.clear();
        let identity = &mut self.client.identity;
        let mut rng = identity.rng.clone();
        let context = identity.context(&shard.plan, number, 0);
        template.render(&context, &mut rng, &mut text);
        let sent = Incoming::Text(std::str::from_utf8(&text).unwrap_or(""));
        let mut readers = shard.readers.borrow_mut();
        let key = readers[identity.session].beat_key(sent, &context, &mut rng);
        identity.rng = rng;
        if let Some(key) = key {
            self.questions.beat_sent(number, key);
        }
        outbox.text(&text).is_ok()
    }

    /// Of the beats that fell due while we stood still only the last is sent: a burst of them would
    /// measure how the peer copes with our absence.
    pub(super) fn leave_out_beats(&mut self, shard: &Shard<D>, now: Offset) {
        let followed = |due: Option<Offset>| due.is_some_and(|due| due <= now);
        while followed(self.heart.due_of(self.heart.next + 1)) {
            self.heart.next += 1;
            let mut recorder = shard.recorder.borrow_mut();
            recorder.count(shard.plan.origin(now), Counter::HeartbeatsBlocked);
            if let Some(machine) = &mut self.heart.machine {
                machine.blocked(now, &mut emitter(shard, &mut recorder));
            }
        }
    }

    /// A beat's last byte went to the kernel.
    pub(super) fn beat_sent(&mut self, shard: &Shard<D>, at: Offset, number: u64, due: Offset) {
        let mut recorder = shard.recorder.borrow_mut();
        let origin = shard.plan.origin(at);
        shard.span(&mut recorder, origin, Metric::HeartbeatLag, (due, at));
        let Some(machine) = &mut self.heart.machine else {
            return;
        };
        let before = machine.tally().sent;
        machine.sent(at, number, &mut emitter(shard, &mut recorder));
        if machine.tally().sent > before {
            recorder.count(origin, Counter::HeartbeatsSent);
        }
    }

    /// Bytes came, whatever they mean.
    pub(super) fn heard(&mut self, shard: &Shard<D>, now: Offset) {
        self.heart.received = now;
        if let Some(machine) = &mut self.heart.machine {
            let mut recorder = shard.recorder.borrow_mut();
            machine.received(now, &mut emitter(shard, &mut recorder));
        }
    }

    /// An answer to a beat came; `None` = to any.
    pub(super) fn beat_answered(&mut self, shard: &Shard<D>, now: Offset, number: Option<u64>) {
        let Some(machine) = &mut self.heart.machine else {
            return shard.count(shard.plan.origin(now), Counter::PongsUnsolicited);
        };
        let mut recorder = shard.recorder.borrow_mut();
        let answer = machine.answered(now, number, &mut emitter(shard, &mut recorder));
        let counter = match answer {
            Answer::Duplicate => Counter::PongsDuplicate,
            Answer::Unsolicited => Counter::PongsUnsolicited,
            Answer::OnTime(_) | Answer::Late(_) | Answer::Ignored => return,
        };
        recorder.count(shard.plan.origin(now), counter);
    }

    /// Which of our beats a pong's payload names.
    pub(super) fn beat_of(&self, payload: &[u8]) -> Option<u64> {
        let (client, rest) = payload.split_first_chunk::<8>()?;
        let (number, _) = rest.split_first_chunk::<8>()?;
        let ours =
            payload.len() == PAYLOAD && u64::from_be_bytes(*client) == self.client.identity.number;
        ours.then(|| u64::from_be_bytes(*number))
    }
}

pub(super) fn ping_payload(client: u64, number: u64, now: Offset) -> [u8; PAYLOAD] {
    let mut payload = [0; PAYLOAD];
    payload[..8].copy_from_slice(&client.to_be_bytes());
    payload[8..16].copy_from_slice(&number.to_be_bytes());
    payload[16..].copy_from_slice(&now.nanos().to_be_bytes());
    payload
}
