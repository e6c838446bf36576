//! The matchers of one session, compiled once and shared by all of its clients.

use std::sync::Arc;
use std::time::Duration;

use super::{Entry, Key, QuestionKind};
use crate::clock::Offset;
use crate::engine::extract::Extractor;
use crate::scenario::{Heartbeat, HeartbeatStyle, Matcher, Pointer, Reply};
use crate::scenario::{SendStep, Session, Step, Template};

/// A step of a session that asks: an index into its matchers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QuestionId(u32);

impl QuestionId {
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A step of a session whose messages reach other clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryId(u32);

impl DeliveryId {
    pub(super) const fn new(index: usize) -> Self {
        Self(index as u32)
    }

    /// From 0, in the order of the steps.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A matcher with its pointers replaced by their places in the extractor.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    Json(Vec<(usize, Template)>),
    Text(Template),
    Prefix(Template),
    Regex(regex::Regex),
    Echo,
}

#[derive(Clone, Debug)]
pub(super) struct Question {
    origin: Origin,
    pub(super) condition: usize,
    timeout: Duration,
    /// Slot and place of each capture.
    pub(super) captures: Vec<(usize, usize)>,
    /// The delivery of the same step, if it comes back to the sender as well.
    pub(super) own_delivery: Option<usize>,
}

/// The step a question or delivery belongs to; steps are known by identity.
#[derive(Clone, Debug)]
enum Origin {
    Send(Arc<SendStep>),
    Expect(Arc<Reply>),
}

#[derive(Clone, Debug)]
pub(super) struct DeliveryRule {
    origin: Arc<SendStep>,
    pub(super) condition: usize,
    /// Place of the sender's intended time.
    pub(super) sent: usize,
}

/// The matchers of one session.
#[derive(Clone, Debug)]
pub struct Matchers {
    pub(super) conditions: Vec<Condition>,
    pub(super) questions: Vec<Question>,
    pub(super) deliveries: Vec<DeliveryRule>,
    /// The answer to a beat, and whether it is the same for all beats.
    pub(super) heartbeat: Option<(usize, bool)>,
    /// Every pointer that any of them needs; each reader works on a copy.
    pub(super) extractor: Extractor,
}

impl Matchers {
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
            conditions: compiler.conditions,
            questions: compiler.questions,
            deliveries: compiler.deliveries,
            heartbeat,
            extractor: Extractor::new(&compiler.pointers),
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
        Some(DeliveryId::new(index))
    }

    /// How long an answer to this question may take.
    pub fn timeout(&self, question: QuestionId) -> Duration {
        self.questions[question.0 as usize].timeout
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
        let asked = &self.questions[question.index()];
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

/// What [`Matchers::compile`] gathers on its walk.
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
