//! What a received frame means to a client.

use std::collections::VecDeque;
use std::time::Duration;

use super::State;
use super::ending::Closing;
use super::sending::Unsent;
use super::steps::Waiting;
use crate::clock::Offset;
use crate::engine::matching::{Arrival, Dispatch, Entry, Incoming, QuestionId, QuestionKind};
use crate::engine::shard::Shard;
use crate::metrics::{ConnectionStep, Counter, Metric};
use crate::scenario::{AnswerPings, Heartbeat};
use crate::wire::{Dial, Event, Outbox};

/// With more than this waiting to be written, only the latest ping is still answered, as RFC 6455
/// 5.5.3 allows: a flood of pings cannot make us hold a flood of pongs.
const PONG_BACKLOG: usize = 4096;
/// Pings whose answer is delayed, at most.
const DELAYED: usize = 64;

/// A control frame's payload; inline, since it is short.
type Payload = Box<[u8]>;

/// Pings of the server and what is owed for them. Few connections have any of it at a time.
#[derive(Debug, Default)]
pub(super) struct Pongs {
    /// Answered later on purpose.
    delayed: VecDeque<(Offset, Offset, Payload)>,
    /// The latest ping that could not be answered at once.
    owed: Option<(Offset, Payload)>,
    /// By when the server's next ping is expected.
    expected: Option<Offset>,
    every: Duration,
}

impl Pongs {
    /// Those of a connection that opened at `opened`, if pings are expected on it.
    pub fn expected(heartbeat: &Heartbeat, opened: Offset) -> Option<Box<Self>> {
        let every = heartbeat.expect_server_ping?;
        Some(Box::new(Self {
            expected: Some(opened + every),
            every,
            ..Self::default()
        }))
    }

    /// We stood still for `by`: the server gets so much longer to ping.
    pub fn postpone(&mut self, by: Duration) {
        self.expected = self.expected.map(|expected| expected + by);
    }

    /// A delayed answer that is due: when its ping was read, and its payload.
    fn take_due(&mut self, now: Offset) -> Option<(Offset, Payload)> {
        self.delayed.front().filter(|(due, ..)| *due <= now)?;
        let (_, read, payload) = self.delayed.pop_front()?;
        Some((read, payload))
    }

    /// When something has to be done next.
    pub fn next_due(&self) -> Offset {
        let delayed = self.delayed.front().map(|(due, ..)| *due);
        let due = delayed.into_iter().chain(self.expected).min();
        due.unwrap_or(Offset::MAX)
    }
}

impl<D: Dial + 'static> State<D> {
    /// Handles one event; answers go to the outbox.
    pub(super) fn receive(&mut self, shard: &Shard<D>, event: Event<'_>, outbox: &mut Outbox) {
        let first = self.received_at.is_none();
        let now = self.last_seen(shard);
        if first {
            self.heard(shard, now);
        }
        match event {
            Event::Text(text) => self.message(shard, Incoming::Text(text), now, outbox),
            Event::Binary(bytes) => self.message(shard, Incoming::Binary(bytes), now, outbox),
            Event::Ping(payload) => self.pinged(shard, payload, now, outbox),
            Event::Pong(payload) => self.ponged(shard, payload, now, outbox),
            Event::Close(close) => self.peer_closed(shard, now, outbox, close),
        }
    }

    fn message(
        &mut self,
        shard: &Shard<D>,
        message: Incoming<'_>,
        now: Offset,
        outbox: &mut Outbox,
    ) {
        shard.count(shard.plan.origin(now), Counter::MessagesReceived);
        if std::mem::take(&mut self.client.returned) {
            let after = now.since(self.opened);
            self.client
                .happened(now, ConnectionStep::FirstMessage { after });
        }
        if self.closing != Closing::Open {
            return;
        }
        let session = self.client.identity.session;
        let dispatch = {
            let mut readers = shard.readers.borrow_mut();
            self.questions.dispatch(&mut readers[session], message, now)
        };
        match dispatch {
            Dispatch::Reply { entry, delivery } => {
                if entry.sent == Offset::MAX {
                    self.sent_already(shard, &entry, now);
                }
                self.answered(shard, &entry, now);
                if let Some(arrival) = delivery {
                    self.delivered(shard, &arrival, now);
                }
                self.capture(shard, entry.question, message);
                self.resume(&entry, now);
            }
            Dispatch::Expected(entry) => {
                shard.count(super::origin(entry.measured), Counter::ExpectsMatched);
                self.capture(shard, entry.question, message);
                self.resume(&entry, now);
            }
            Dispatch::Heartbeat { id } => {
                self.beat_sent_already(shard, now, id);
                self.beat_answered(shard, now, id);
            }
            Dispatch::Delivery(arrival) => self.delivered(shard, &arrival, now),
            Dispatch::Unexpected => {
                shard.count(shard.plan.origin(now), Counter::MessagesUnexpected);
            }
        }
        self.advance(shard, now, outbox);
    }

    fn answered(&self, shard: &Shard<D>, entry: &Entry, now: Offset) {
        let origin = super::origin(entry.measured);
        let mut recorder = shard.recorder.borrow_mut();
        recorder.count(origin, Counter::RepliesMatched);
        let (due, sent) = ((entry.intended, now), (entry.sent, now));
        shard.span(&mut recorder, origin, Metric::RoundTrip, due);
        shard.span(&mut recorder, origin, Metric::ServiceTime, sent);
        shard.outstanding.set(shard.outstanding.get() - 1);
    }

    fn delivered(&self, shard: &Shard<D>, arrival: &Arrival, now: Offset) {
        let Some(sent) = shard.plan.epoch.from_unix_micros(arrival.sent_us) else {
            // Sent before this run began: not ours.
            return shard.count(shard.plan.origin(now), Counter::DeliveriesUnexpected);
        };
        let origin = shard.plan.origin(sent);
        let mut recorder = shard.recorder.borrow_mut();
        let Some(membership) = &self.membership else {
            return shard.span(&mut recorder, origin, Metric::Delivery, (sent, now));
        };
        if membership.since <= sent {
            shard.span(&mut recorder, origin, Metric::Delivery, (sent, now));
            recorder.count(origin, Counter::DeliveriesReceived);
            shard.plan.groups.receive();
        } else {
            recorder.count(origin, Counter::DeliveriesUnexpected);
        }
    }

    fn capture(&mut self, shard: &Shard<D>, question: QuestionId, message: Incoming<'_>) {
        let identity = &mut self.client.identity;
        let mut captured = false;
        let mut readers = shard.readers.borrow_mut();
        let reader = &mut readers[identity.session];
        reader.captures(question, message, |slot, value| {
            captured = true;
            identity.capture(slot, value);
        });
        if captured {
            let mut rng = identity.rng.clone();
            let context = identity.context(&shard.plan, 0, 0);
            self.questions.refresh(reader, &context, &mut rng);
        }
    }

    /// The step that waited for this goes on.
    pub(super) fn resume(&mut self, entry: &Entry, now: Offset) {
        let waited = match (self.waiting, entry.kind) {
            (Waiting::Expect, QuestionKind::Expect) => true,
            (Waiting::Reply(question, intended), QuestionKind::Reply) => {
                question == entry.question && intended == entry.intended
            }
            _ => false,
        };
        if waited {
            self.go_on(now);
        }
    }

    fn pinged(&mut self, shard: &Shard<D>, payload: &[u8], now: Offset, outbox: &mut Outbox) {
        shard.count(shard.plan.origin(now), Counter::ServerPings);
        if let Some(pongs) = &mut self.pongs
            && pongs.expected.is_some()
        {
            pongs.expected = Some(now + pongs.every);
        }
        match shard.plan.scenario.heartbeat.answer_pings {
            _ if self.client.control.effects.get().no_heartbeats => {}
            AnswerPings::Never => {}
            AnswerPings::AtOnce => self.answer_ping(now, payload, outbox),
            AnswerPings::After(delay) => {
                let pongs = self.pongs.get_or_insert_default();
                if pongs.delayed.len() >= DELAYED {
                    pongs.delayed.pop_front();
                }
                let answer = (now + delay, now, payload.into());
                pongs.delayed.push_back(answer);
            }
        }
    }

    fn answer_ping(&mut self, read: Offset, payload: &[u8], outbox: &mut Outbox) {
        if outbox.is_closing() {
            return;
        }
        if outbox.len() > PONG_BACKLOG || outbox.pong(payload).is_err() {
            self.pongs.get_or_insert_default().owed = Some((read, payload.into()));
            return;
        }
        self.unsent.push(Unsent::Pong { read });
    }

    /// Delayed answers that are due, and a server that does not ping.
    pub(super) fn pong_timers(&mut self, shard: &Shard<D>, now: Offset, outbox: &mut Outbox) {
        while let Some((read, payload)) = self.pongs.as_mut().and_then(|p| p.take_due(now)) {
            self.answer_ping(read, &payload, outbox);
        }
        if let Some(pongs) = &mut self.pongs
            && pongs.expected.is_some_and(|by| by <= now)
        {
            shard.count(shard.plan.origin(now), Counter::ServerPingsOverdue);
            pongs.expected = Some(now + pongs.every);
        }
    }

    /// The outbox was emptied: what is owed can go.
    pub(super) fn pay_pong(&mut self, outbox: &mut Outbox) {
        let owed = self.pongs.as_mut().and_then(|pongs| pongs.owed.take());
        if let Some((read, payload)) = owed {
            self.answer_ping(read, &payload, outbox);
        }
    }

    fn ponged(&mut self, shard: &Shard<D>, payload: &[u8], now: Offset, outbox: &mut Outbox) {
        if let Waiting::Pong { number, .. } = self.waiting
            && self.beat_of(payload) == Some(number)
        {
            self.go_on(now);
            return self.advance(shard, now, outbox);
        }
        let number = self.beat_of(payload);
        self.beat_sent_already(shard, now, number);
        self.beat_answered(shard, now, number);
    }
}
