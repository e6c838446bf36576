//! Judges a message by the matchers of a session, parsing and hashing it at most once.

use std::sync::Arc;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::compile::{Condition, DeliveryId, Matchers, QuestionId};
use crate::engine::extract::Extractor;
use crate::scenario::Template;
use crate::scenario::template::Context;

/// A data message as it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incoming<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
}

/// A data message as it was sent. Whether its text is text was seen to when it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent<'a> {
    /// A text message.
    Text(&'a [u8]),
    /// A binary message.
    Binary(&'a [u8]),
}

impl<'a> From<Incoming<'a>> for Sent<'a> {
    fn from(message: Incoming<'a>) -> Self {
        match message {
            Incoming::Text(text) => Self::Text(text.as_bytes()),
            Incoming::Binary(bytes) => Self::Binary(bytes),
        }
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

/// The matchers of a session with the scratch space of one message: one for all its clients on a shard.
#[derive(Clone, Debug)]
pub struct Reader {
    matchers: Arc<Matchers>,
    extractor: Extractor,
    /// Whether the current message is JSON, once that was asked.
    parsed: Option<bool>,
    /// The current message's fingerprint under each condition, once asked; `None` inside = no match.
    hashes: Vec<Option<Option<u64>>>,
    rendered: Vec<u8>,
}

impl Reader {
    /// With empty scratch space, which grows to the largest message.
    pub fn new(matchers: Arc<Matchers>) -> Self {
        Self {
            extractor: matchers.extractor.clone(),
            parsed: None,
            hashes: vec![None; matchers.conditions.len()],
            rendered: Vec::new(),
            matchers,
        }
    }

    /// What it judges by.
    pub fn matchers(&self) -> &Matchers {
        &self.matchers
    }

    /// What will answer a question; `sent` is the message it asks with, if it sends one. To be taken when
    /// the message is rendered.
    pub fn key(
        &mut self,
        question: QuestionId,
        sent: Option<Sent<'_>>,
        context: &Context<'_>,
        rng: &mut fastrand::Rng,
    ) -> Key {
        let condition = self.matchers.questions[question.index()].condition;
        self.render_key(condition, sent, context, rng)
    }

    /// What will answer a beat, when each beat has an answer of its own; `None` when any answer will do.
    pub fn beat_key(
        &mut self,
        sent: Sent<'_>,
        context: &Context<'_>,
        rng: &mut fastrand::Rng,
    ) -> Option<Key> {
        let (condition, same_for_all) = self.matchers.heartbeat?;
        (!same_for_all).then(|| self.render_key(condition, Some(sent), context, rng))
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
        let wanted = &self.matchers.questions[question.index()].captures;
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
        let condition = self.matchers.questions[question.index()].condition;
        self.holds(condition, key, message)
    }

    pub(super) fn answers_beat(&mut self, key: Key, message: Incoming<'_>) -> bool {
        match self.matchers.heartbeat {
            Some((condition, _)) => self.holds(condition, key, message),
            None => false,
        }
    }

    pub(super) fn delivery(&mut self, keys: &[Key], message: Incoming<'_>) -> Option<Arrival> {
        (0..self.matchers.deliveries.len()).find_map(|index| self.arrival(index, keys, message))
    }

    pub(super) fn own_delivery(
        &mut self,
        question: QuestionId,
        keys: &[Key],
        message: Incoming<'_>,
    ) -> Option<Arrival> {
        let index = self.matchers.questions[question.index()].own_delivery?;
        self.arrival(index, keys, message)
    }

    pub(super) fn any_beat_key(
        &mut self,
        context: &Context<'_>,
        rng: &mut fastrand::Rng,
    ) -> Option<Key> {
        let (condition, same_for_all) = self.matchers.heartbeat?;
        same_for_all.then(|| self.render_key(condition, None, context, rng))
    }

    pub(super) fn delivery_keys(
        &mut self,
        context: &Context<'_>,
        rng: &mut fastrand::Rng,
    ) -> Box<[Key]> {
        let conditions: Vec<usize> = self
            .matchers
            .deliveries
            .iter()
            .map(|rule| rule.condition)
            .collect();
        let keys = conditions
            .into_iter()
            .map(|condition| self.render_key(condition, None, context, rng));
        keys.collect()
    }

    fn arrival(&mut self, index: usize, keys: &[Key], message: Incoming<'_>) -> Option<Arrival> {
        let key = *keys.get(index)?;
        let condition = self.matchers.deliveries[index].condition;
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
            .get(self.matchers.deliveries[index].sent)?;
        Some(Arrival {
            delivery: DeliveryId::new(index),
            sent_us: sent.parse().ok()?,
        })
    }

    /// Whether the message fulfils a condition as it was rendered into `key`.
    fn holds(&mut self, condition: usize, key: Key, message: Incoming<'_>) -> bool {
        if let Condition::Prefix(_) = self.matchers.conditions[condition] {
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
        let text = match (&self.matchers.conditions[condition], message) {
            (Condition::Echo, message) => return Some(payload_hash(message.into())),
            (_, Incoming::Binary(_)) => return None,
            (_, Incoming::Text(text)) => text,
        };
        match &self.matchers.conditions[condition] {
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
        sent: Option<Sent<'_>>,
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
        let (hash, length) = match &self.matchers.conditions[condition] {
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

/// Equal bytes of another type are another message. Not by two seeds: of payloads up to eight bytes
/// XXH3 mixes in the seed so simply that binary "1-1" would be text "1-2".
fn payload_hash(message: Sent<'_>) -> u64 {
    match message {
        Sent::Text(text) => xxh3_64(text),
        Sent::Binary(bytes) => !xxh3_64(bytes),
    }
}
