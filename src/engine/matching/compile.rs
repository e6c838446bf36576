//! The matchers of one session, compiled once, with the scratch space to judge a message by them.

use std::sync::Arc;
use std::time::Duration;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::{Entry, QuestionKind};
use crate::clock::Offset;
use crate::engine::extract::Extractor;
use crate::scenario::template::Context;
use crate::scenario::{Heartbeat, HeartbeatStyle, Matcher, Pointer, Reply};
use crate::scenario::{SendStep, Session, Step, Template};

/// A data message, as received or as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
}

/// A step of a session that asks: an index into its matchers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QuestionId(u32);

/// A step of a session whose messages reach other clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryId(u32);

impl DeliveryId {
    /// From 0, in the order of the steps.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What answers a question: a 64-bit fingerprint, so that a question costs the same whatever it waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    hash: u64,
    /// Bytes the fingerprint covers, for prefixes.
    length: u32,
}

/// A message that another client (or this one) sent to many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Which step sent it.
    pub delivery: DeliveryId,
    /// The sender's intended time, Unix microseconds.
    pub sent_us: u64,
}

/// A matcher with its pointers replaced by their places in the extractor.
#[derive(Clone, Debug)]
enum Condition {
    Json(Vec<(usize, Template)>),
    Text(Template),
    Prefix(Template),
    Regex(regex::Regex),
    Echo,
}

#[derive(Clone, Debug)]
struct Question {
    origin: Origin,
    condition: usize,
    timeout: Duration,
    /// Slot and place of each capture.
    captures: Vec<(usize, usize)>,
    /// The delivery of the same step, if it comes back to the sender as well.
    own_delivery: Option<usize>,
}

/// The step a question or delivery belongs to; steps are known by identity.
#[derive(Clone, Debug)]
enum Origin {
    Send(Arc<SendStep>),
    Expect(Arc<Reply>),
}

#[derive(Clone, Debug)]
struct DeliveryRule {
    origin: Arc<SendStep>,
    condition: usize,
    /// Place of the sender's intended time.
    sent: usize,
}

/// The matchers of one session: one for all its clients on a shard.
#[derive(Clone, Debug)]
pub struct SessionMatchers {
    conditions: Vec<Condition>,
    questions: Vec<Question>,
    deliveries: Vec<DeliveryRule>,
    /// The answer to a beat, and whether it is the same for all beats.
    heartbeat: Option<(usize, bool)>,
    extractor: Extractor,
    /// Whether the current message is JSON, once that was asked.
    parsed: Option<bool>,
    /// The current message's fingerprint under each condition, once asked; `None` inside = no match.
    hashes: Vec<Option<Option<u64>>>,
    rendered: Vec<u8>,
}

impl SessionMatchers {
    /// Compiles every matcher of a session and the answer to its heartbeat.
    pub fn compile(session: &Session, heartbeat: &Heartbeat) -> Self {
        let mut compiler = Compiler::default();
        compiler.steps(&session.steps);
        let heartbeat = match &heartbeat.style {
            HeartbeatStyle::Text { reply, .. } | HeartbeatStyle::Json { reply, .. } => {
                let condition = compiler.condition(reply);
                Some((condition, compiler.conditions[condition].is_constant()))
            }
            HeartbeatStyle::None | HeartbeatStyle::Ping { .. } | HeartbeatStyle::OneWay { .. } => {
                None
            }
        };
        Self {
            hashes: vec![None; compiler.conditions.len()],
            conditions: compiler.conditions,
            questions: compiler.questions,
            deliveries: compiler.deliveries,
            heartbeat,
            extractor: Extractor::new(&compiler.pointers),
            parsed: None,
            rendered: Vec::new(),
        }
    }

    /// The question a step of this session asks; `None` for steps that wait for no message.
    pub fn question(&self, step: &Step) -> Option<QuestionId> {
        let asks = |question: &Question| match (step, &question.origin) {
            (Step::Send(step), Origin::Send(origin)) => Arc::ptr_eq(step, origin),
            (Step::Expect(step), Origin::Expect(origin)) => Arc::ptr_eq(step, origin),
            _ => false,
        };
        let index = self.questions.iter().position(asks)?;
        Some(QuestionId(index as u32))
    }

    /// The kind of delivery a step of this session causes.
    pub fn delivery_of(&self, step: &Step) -> Option<DeliveryId> {
        let Step::Send(step) = step else { return None };
        let causes = |rule: &DeliveryRule| Arc::ptr_eq(step, &rule.origin);
        let index = self.deliveries.iter().position(causes)?;
        Some(DeliveryId(index as u32))
    }

    /// What will answer a question; `sent` is the message it asks with, if it sends one. To be taken when
    /// the message is rendered.
    pub fn key(
        &mut self,
        question: QuestionId,
        sent: Option<Incoming<'_>>,
        context: &Context<'_>,
        rng: &mut fastrand::Rng,
    ) -> Key {
        let condition = self.questions[question.0 as usize].condition;
        self.render_key(condition, sent, context, rng)
    }

    /// What will answer a beat, when each beat has an answer of its own; `None` when any answer will do.
    pub fn beat_key(
        &mut self,
        sent: Incoming<'_>,
        context: &Context<'_>,
        rng: &mut fastrand::Rng,
    ) -> Option<Key> {
        let (condition, same_for_all) = self.heartbeat?;
        (!same_for_all).then(|| self.render_key(condition, Some(sent), context, rng))
    }

    /// The table entry of a question asked at `sent`: it waits for the step's timeout from then on.
    pub fn entry(
        &self,
        question: QuestionId,
        key: Key,
        intended: Offset,
        sent: Offset,
        measured: bool,
    ) -> Entry {
        let asked = &self.questions[question.0 as usize];
        let kind = match asked.origin {
            Origin::Send(_) => QuestionKind::Reply,
            Origin::Expect(_) => QuestionKind::Expect,
        };
        Entry {
            question,
            kind,
            key,
            intended,
            sent,
            deadline: sent + asked.timeout,
            measured,
        }
    }

    /// What a question wants kept of its answer: (slot, text) for each capture the message holds. To be
    /// called with the message dispatched last.
    pub fn captures(
        &mut self,
        question: QuestionId,
        message: Incoming<'_>,
        mut keep: impl FnMut(usize, &str),
    ) {
        let Incoming::Text(text) = message else {
            return;
        };
        let wanted = &self.questions[question.0 as usize].captures;
        if wanted.is_empty() || !is_json(&mut self.parsed, &mut self.extractor, text) {
            return;
        }
        let values = self.extractor.values(text);
        for (slot, place) in wanted {
            if let Some(value) = values.get(*place) {
                keep(*slot, value);
            }
        }
    }

    /// A new message: what was known about the last one is forgotten.
    pub(super) fn begin(&mut self) {
        self.parsed = None;
        self.hashes.fill(None);
    }

    pub(super) fn answers(
        &mut self,
        question: QuestionId,
        key: Key,
        message: Incoming<'_>,
    ) -> bool {
        let condition = self.questions[question.0 as usize].condition;
        self.holds(condition, key, message)
    }

    pub(super) fn answers_beat(&mut self, key: Key, message: Incoming<'_>) -> bool {
        match self.heartbeat {
            Some((condition, _)) => self.holds(condition, key, message),
            None => false,
        }
    }

    pub(super) fn delivery(&mut self, keys: &[Key], message: Incoming<'_>) -> Option<Arrival> {
        (0..self.deliveries.len()).find_map(|index| self.arrival(index, keys, message))
    }

    pub(super) fn own_delivery(
        &mut self,
        question: QuestionId,
        keys: &[Key],
        message: Incoming<'_>,
    ) -> Option<Arrival> {
        let index = self.questions[question.0 as usize].own_delivery?;
        self.arrival(index, keys, message)
    }

    pub(super) fn any_beat_key(
        &mut self,
        context: &Context<'_>,
        rng: &mut fastrand::Rng,
    ) -> Option<Key> {
        let (condition, same_for_all) = self.heartbeat?;
        same_for_all.then(|| self.render_key(condition, None, context, rng))
    }

    pub(super) fn delivery_keys(
        &mut self,
        context: &Context<'_>,
        rng: &mut fastrand::Rng,
    ) -> Box<[Key]> {
        let conditions: Vec<usize> = self.deliveries.iter().map(|rule| rule.condition).collect();
        let keys = conditions
            .into_iter()
            .map(|condition| self.render_key(condition, None, context, rng));
        keys.collect()
    }

    fn arrival(&mut self, index: usize, keys: &[Key], message: Incoming<'_>) -> Option<Arrival> {
        let key = *keys.get(index)?;
        let condition = self.deliveries[index].condition;
        if !self.holds(condition, key, message) {
            return None;
        }
        let Incoming::Text(text) = message else {
            return None;
        };
        if !is_json(&mut self.parsed, &mut self.extractor, text) {
            return None;
        }
        let sent = self
            .extractor
            .values(text)
            .get(self.deliveries[index].sent)?;
        Some(Arrival {
            delivery: DeliveryId(index as u32),
            sent_us: sent.parse().ok()?,
        })
    }

    /// Whether the message fulfils a condition as it was rendered into `key`.
    fn holds(&mut self, condition: usize, key: Key, message: Incoming<'_>) -> bool {
        if let Condition::Prefix(_) = self.conditions[condition] {
            let Incoming::Text(text) = message else {
                return false;
            };
            let head = text.as_bytes().get(..key.length as usize);
            return head.is_some_and(|head| xxh3_64(head) == key.hash);
        }
        let hash = match self.hashes[condition] {
            Some(known) => known,
            None => {
                let hash = self.hash(condition, message);
                self.hashes[condition] = Some(hash);
                hash
            }
        };
        hash == Some(key.hash)
    }

    /// The message's fingerprint under a condition; `None` when no question of it can be meant.
    fn hash(&mut self, condition: usize, message: Incoming<'_>) -> Option<u64> {
        let text = match (&self.conditions[condition], message) {
            (Condition::Echo, message) => return Some(payload_hash(message)),
            (_, Incoming::Binary(_)) => return None,
            (_, Incoming::Text(text)) => text,
        };
        match &self.conditions[condition] {
            Condition::Json(wanted) => {
                if !is_json(&mut self.parsed, &mut self.extractor, text) {
                    return None;
                }
                let values = self.extractor.values(text);
                wanted.iter().try_fold(0, |hash, (place, _)| {
                    Some(xxh3_64_with_seed(values.get(*place)?.as_bytes(), hash))
                })
            }
            Condition::Text(_) => Some(xxh3_64(text.as_bytes())),
            Condition::Regex(regex) => regex.is_match(text).then_some(0),
            Condition::Prefix(_) | Condition::Echo => None,
        }
    }

    fn render_key(
        &mut self,
        condition: usize,
        sent: Option<Incoming<'_>>,
        context: &Context<'_>,
        rng: &mut fastrand::Rng,
    ) -> Key {
        let rendered = &mut self.rendered;
        let mut render = |template: &Template, seed: u64| {
            rendered.clear();
            template.render(context, rng, rendered);
            let hash = xxh3_64_with_seed(rendered, seed);
            (hash, rendered.len())
        };
        let (hash, length) = match &self.conditions[condition] {
            Condition::Json(wanted) => {
                let chain = |hash, (_, value): &(usize, Template)| render(value, hash).0;
                (wanted.iter().fold(0, chain), 0)
            }
            Condition::Text(text) | Condition::Prefix(text) => render(text, 0),
            Condition::Regex(_) => (0, 0),
            Condition::Echo => (sent.map_or(0, payload_hash), 0),
        };
        Key {
            hash,
            length: u32::try_from(length).unwrap_or(u32::MAX),
        }
    }
}

/// Parses the message unless that was done.
fn is_json(parsed: &mut Option<bool>, extractor: &mut Extractor, text: &str) -> bool {
    *parsed.get_or_insert_with(|| extractor.parse(text))
}

/// Equal bytes of another type are another message.
fn payload_hash(message: Incoming<'_>) -> u64 {
    match message {
        Incoming::Text(text) => xxh3_64_with_seed(text.as_bytes(), 1),
        Incoming::Binary(bytes) => xxh3_64_with_seed(bytes, 2),
    }
}

impl Condition {
    /// Whether it is the same for every message of one client.
    fn is_constant(&self) -> bool {
        match self {
            Self::Json(wanted) => wanted.iter().all(|(_, value)| value.is_constant()),
            Self::Text(text) | Self::Prefix(text) => text.is_constant(),
            Self::Regex(_) => true,
            Self::Echo => false,
        }
    }
}

/// What [`SessionMatchers::compile`] gathers on its walk.
#[derive(Default)]
struct Compiler {
    pointers: Vec<Pointer>,
    conditions: Vec<Condition>,
    questions: Vec<Question>,
    deliveries: Vec<DeliveryRule>,
}

impl Compiler {
    fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Send(step) => self.send(step),
                Step::Expect(reply) => self.question(reply, Origin::Expect(reply.clone()), None),
                Step::Repeat { steps, .. } => self.steps(steps),
                Step::Pause { .. } | Step::Ping { .. } | Step::Close { .. } => {}
            }
        }
    }

    fn send(&mut self, step: &Arc<SendStep>) {
        let mut own_delivery = None;
        if let Some(delivery) = &step.delivery {
            own_delivery = delivery.includes_sender.then_some(self.deliveries.len());
            let condition = self.condition(&delivery.matcher);
            let sent = self.place(&delivery.sent);
            self.deliveries.push(DeliveryRule {
                origin: step.clone(),
                condition,
                sent,
            });
        }
        if let Some(reply) = &step.reply {
            self.question(reply, Origin::Send(step.clone()), own_delivery);
        }
    }

    fn question(&mut self, reply: &Reply, origin: Origin, own_delivery: Option<usize>) {
        let captures = reply.captures.iter();
        let captures = captures.map(|capture| (capture.slot, self.place(&capture.pointer)));
        let captures = captures.collect();
        let condition = self.condition(&reply.matcher);
        self.questions.push(Question {
            origin,
            condition,
            timeout: reply.timeout,
            captures,
            own_delivery,
        });
    }

    fn condition(&mut self, matcher: &Matcher) -> usize {
        let condition = match matcher {
            Matcher::Json(wanted) => {
                let placed = wanted
                    .iter()
                    .map(|(pointer, value)| (self.place(pointer), value.clone()));
                Condition::Json(placed.collect())
            }
            Matcher::Text(text) => Condition::Text(text.clone()),
            Matcher::Prefix(text) => Condition::Prefix(text.clone()),
            Matcher::Regex(regex) => Condition::Regex(regex.clone()),
            Matcher::Echo => Condition::Echo,
        };
        self.conditions.push(condition);
        self.conditions.len() - 1
    }

    fn place(&mut self, pointer: &Pointer) -> usize {
        let known = self.pointers.iter().position(|other| other == pointer);
        known.unwrap_or_else(|| {
            self.pointers.push(pointer.clone());
            self.pointers.len() - 1
        })
    }
}
