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
use crate::engine::matching::Sent;
use crate::engine::plan::Plan;
use crate::engine::shard::Shard;
use crate::metrics::{Counter, Metric, Recorder};
use crate::scenario::{HeartbeatStyle, Template};
use crate::wire::{Dial, Outbox};

/// A control ping's payload: who, which beat, when.
const PAYLOAD: usize = 24;

/// The heart of one connection that beats, or that judges silence.
#[derive(Debug)]
pub(super) struct Heart {
    machine: Heartbeats,
    rule: Arc<Rule>,
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
    /// That of a connection opened at `opened`; none without a rule. Boxed: every message looks at
    /// the rest of a connection, few at this.
    pub fn new(plan: &Plan, rng: &mut fastrand::Rng, opened: Offset) -> Option<Box<Self>> {
        let rule = plan.rule.clone()?;
        Some(Box::new(Self {
            machine: Heartbeats::new(Arc::clone(&rule), opened),
            phase: start_phase(rule.interval, rng),
            rule,
            beats: !matches!(plan.scenario.heartbeat.style, HeartbeatStyle::None),
            next: 0,
            opened,
            received: opened,
            beaten: opened,
        }))
    }

    /// When beat `number` is due.
    fn due(&self, number: u64) -> Option<Offset> {
        let active = self.received.max(self.beaten);
        let due = || self.rule.due(self.opened, self.phase, number, active);
        self.beats.then(due)
    }

    /// When it has to be looked at again.
    pub fn next_due(&self) -> Offset {
        let due = self.due(self.next).into_iter();
        let due = due.chain(self.machine.next_deadline()).min();
        due.unwrap_or(Offset::MAX)
    }

    /// Takes the next beat, if it is due.
    fn take_due(&mut self, now: Offset) -> Option<DueBeat> {
        let due = self.due(self.next).filter(|due| *due <= now)?;
        let number = self.next;
        self.next += 1;
        self.beaten = due;
        let full = self.machine.is_full();
        Some(DueBeat { number, due, full })
    }

    /// Leaves out the beats that were due before `now`.
    fn skip_until(&mut self, now: Offset) {
        if !self.beats {
            return;
        }
        let rule = &self.rule;
        let interval = rule.interval.as_nanos().max(1);
        let passed = now.since(self.opened + self.phase).as_nanos();
        let next = u64::try_from(passed.div_ceil(interval)).unwrap_or(u64::MAX);
        if rule.due(self.opened, self.phase, self.next, self.opened) < now {
            self.next = self.next.max(next);
            self.beaten = now;
        }
    }
}

/// A beat that is to be sent now.
struct DueBeat {
    number: u64,
    due: Offset,
    /// There is no room for another one whose answer is awaited.
    full: bool,
}

fn book_verdict(plan: &Plan, recorder: &mut Recorder, verdict: &Verdict) {
    let origin = plan.origin(verdict.at);
    recorder.count(origin, Counter::DeclaredDead);
    recorder.record(origin, Metric::DeathDetection, verdict.detection);
}

/// A beat was due and could not be sent.
fn beat_blocked<D: Dial + 'static>(
    heart: &mut Heart,
    shard: &Shard<D>,
    recorder: &mut Recorder,
    now: Offset,
) {
    recorder.count(shard.plan.origin(now), Counter::HeartbeatsBlocked);
    heart.machine.blocked(now, &mut emitter(shard, recorder));
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

impl<D: Dial + 'static> State<D> {
    /// Bytes came, whatever they mean. The heart is told once something is due there, since until then
    /// only the last of many matters: a busy connection's messages do not look at it.
    pub(super) fn heard(&mut self, shard: &Shard<D>, now: Offset) {
        if self.heart_due <= now {
            // What came before was in time for what is due now, perhaps.
            self.with_heart(shard, |_, _| {});
        }
        self.heard_at = now;
        self.heart_unaware = true;
        if self.heart_due <= now {
            self.with_heart(shard, |_, _| {});
        }
    }

    /// Does something with the heart, which first learns what it has not been told.
    fn with_heart<T>(
        &mut self,
        shard: &Shard<D>,
        act: impl FnOnce(&mut Heart, &mut Recorder) -> T,
    ) -> Option<T> {
        let heart = self.heart.as_deref_mut()?;
        let mut recorder = shard.recorder.borrow_mut();
        if std::mem::take(&mut self.heart_unaware) {
            heart.received = self.heard_at;
            let emit = &mut emitter(shard, &mut recorder);
            heart.machine.received(self.heard_at, emit);
        }
        let done = act(heart, &mut recorder);
        self.heart_due = heart.next_due();
        Some(done)
    }

    /// Sends beats that are due and acts on a verdict.
    pub(super) fn beat(&mut self, shard: &Shard<D>, now: Offset, outbox: &mut Outbox) {
        if now < self.heart_due {
            return;
        }
        while let Some(beat) = self
            .with_heart(shard, |heart, _| heart.take_due(now))
            .flatten()
        {
            let DueBeat { number, due, full } = beat;
            if self.client.control.effects.get().no_heartbeats {
                continue;
            }
            // Never behind a full buffer: that would measure our own queue.
            if !full && !self.stuck && self.queue_beat(shard, number, now, outbox) {
                self.unsent.push(Unsent::Beat { number, due });
                continue;
            }
            self.with_heart(shard, |heart, recorder| {
                beat_blocked(heart, shard, recorder, now);
            });
        }
        self.judge(shard, now);
    }

    fn judge(&mut self, shard: &Shard<D>, now: Offset) {
        let verdict = self.with_heart(shard, |heart, recorder| {
            let emit = &mut emitter(shard, recorder);
            heart.machine.advance(now, emit)
        });
        let verdict = verdict.flatten().filter(|_| self.closing == Closing::Open);
        let Some(verdict) = verdict else {
            return;
        };
        // The heart itself goes on: it watches whether the peer lives after all.
        let watched = self.with_heart(shard, |heart, recorder| {
            book_verdict(&shard.plan, recorder, &verdict);
            heart.beats = false;
            heart.rule.grace
        });
        self.leave_groups();
        self.settle_messages(shard);
        self.closing = Closing::Dead {
            until: verdict.at + watched.unwrap_or_default(),
        };
    }

    /// We stood still for `by`: the heart waits so much longer.
    pub(super) fn postpone_heart(&mut self, shard: &Shard<D>, by: Duration) {
        self.with_heart(shard, |heart, _| heart.machine.postpone(by));
    }

    /// Leaves out the beats that were due before `now`.
    pub(super) fn skip_beats(&mut self, shard: &Shard<D>, now: Offset) {
        self.with_heart(shard, |heart, _| heart.skip_until(now));
    }

    /// The connection or the run ended: there are no more beats.
    pub(super) fn end_heart(&mut self, shard: &Shard<D>, now: Offset, run_over: bool) {
        self.with_heart(shard, |heart, recorder| {
            heart.beats = false;
            let machine = &mut heart.machine;
            let verdict = if run_over {
                machine.run_ended(now, &mut emitter(shard, recorder))
            } else {
                machine.connection_ended(now, &mut emitter(shard, recorder))
            };
            if let Some(verdict) = verdict {
                book_verdict(&shard.plan, recorder, &verdict);
            }
        });
    }

    /// Whether the peer turned out to live after the verdict.
    pub(super) fn finish_watch(&mut self, shard: &Shard<D>, now: Offset) -> bool {
        let lived = self.with_heart(shard, |heart, _| {
            let _ = heart.machine.connection_ended(now, &mut |_| {});
            heart.machine.tally().false_dead == Some(true)
        });
        lived.unwrap_or_default()
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
        let mut readers = shard.readers.borrow_mut();
        let key = readers[identity.session].beat_key(Sent::Text(&text), &context, &mut rng);
        identity.rng = rng;
        if let Some(key) = key {
            self.questions.beat_sent(number, key);
        }
        outbox.text(&text).is_ok()
    }

    /// Of the beats that fell due while we stood still only the last is sent: a burst of them would
    /// measure how the peer copes with our absence.
    pub(super) fn leave_out_beats(&mut self, shard: &Shard<D>, now: Offset) {
        self.with_heart(shard, |heart, recorder| {
            while heart.due(heart.next + 1).is_some_and(|due| due <= now) {
                heart.next += 1;
                beat_blocked(heart, shard, recorder, now);
            }
        });
    }

    /// A beat's last byte went to the kernel.
    pub(super) fn beat_sent(&mut self, shard: &Shard<D>, at: Offset, number: u64, due: Offset) {
        self.with_heart(shard, |heart, recorder| {
            let origin = shard.plan.origin(at);
            shard.span(recorder, origin, Metric::HeartbeatLag, (due, at));
            let machine = &mut heart.machine;
            let before = machine.tally().sent;
            machine.sent(at, number, &mut emitter(shard, recorder));
            if machine.tally().sent > before {
                recorder.count(origin, Counter::HeartbeatsSent);
            }
        });
    }

    /// An answer to a beat came; `None` = to any.
    pub(super) fn beat_answered(&mut self, shard: &Shard<D>, now: Offset, number: Option<u64>) {
        let answer = self.with_heart(shard, |heart, recorder| {
            let emit = &mut emitter(shard, recorder);
            heart.machine.answered(now, number, emit)
        });
        let counter = match answer {
            Some(Answer::Duplicate) => Counter::PongsDuplicate,
            Some(Answer::Unsolicited) | None => Counter::PongsUnsolicited,
            Some(Answer::OnTime(_) | Answer::Late(_) | Answer::Ignored) => return,
        };
        shard.count(shard.plan.origin(now), counter);
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
