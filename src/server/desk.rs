//! What a connection does with one event: answers it into the outbox, passes it on, or holds it
//! back for the configured delay.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;

use super::alarm::Bell;
use super::answer::{self, Answer};
use super::faults;
use super::lane::Lane;
use super::member::Member;
use super::reply::{Kept, To};
use crate::scenario::ServerEnding;
use crate::wire::{Data, Event, Full, OpCode, Outbox};

/// Nothing more is read or answered while so many bytes wait to be written: the peer has to read
/// first.
pub(super) const HIGH_WATER: usize = 64 * 1024;

const TEXT: OpCode = OpCode::Data(Data::Text);

/// How far the end of a connection has come; see [`super::session`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// Our close frame is queued; the peer's has not come.
    Closing,
    /// Nothing more will be said or understood.
    Finishing,
    /// Our FIN is out.
    Lingering,
}

/// The message half of a connection.
#[derive(Debug)]
pub(super) struct Desk {
    pub lane: Rc<Lane>,
    pub member: Rc<Member>,
    pub phase: Phase,
    /// Only with a delay, so that others do not pay for it.
    held: Option<Box<Held>>,
    /// A reply that waits for the next one (fault reorder_replies).
    pub(super) kept: Option<Box<Kept>>,
    /// Messages and pings received: what draws of faults are numbered by.
    messages: u64,
    pings: u64,
    /// The number of the message being answered.
    pub(super) answering: u64,
}

/// Messages whose time has not come.
#[derive(Debug, Default)]
struct Held {
    queue: VecDeque<(Instant, u64, Message<'static>)>,
    bytes: usize,
}

#[derive(Clone, Debug)]
enum Message<'a> {
    Text(Cow<'a, str>),
    Binary(Cow<'a, [u8]>),
}

impl Message<'_> {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Bytes of memory it takes to hold it.
    fn cost(&self) -> usize {
        self.bytes().len() + size_of::<(Instant, u64, Self)>() + 16
    }

    fn into_owned(self) -> Message<'static> {
        match self {
            Self::Text(text) => Message::Text(text.into_owned().into()),
            Self::Binary(bytes) => Message::Binary(bytes.into_owned().into()),
        }
    }

    const fn opcode(&self) -> OpCode {
        OpCode::Data(match self {
            Self::Text(_) => Data::Text,
            Self::Binary(_) => Data::Binary,
        })
    }
}

impl Desk {
    pub fn new(lane: Rc<Lane>, member: Rc<Member>) -> Self {
        Self {
            lane,
            member,
            phase: Phase::Open,
            held: None,
            kept: None,
            messages: 0,
            pings: 0,
            answering: 0,
        }
    }

    /// Takes what the decoder found.
    pub fn receive(&mut self, event: Event<'_>, outbox: &mut Outbox) {
        match event {
            Event::Text(text) => self.take(Message::Text(text.into()), outbox),
            Event::Binary(bytes) => self.take(Message::Binary(bytes.into()), outbox),
            // A peer that pings without reading gets fewer pongs, not our memory.
            Event::Ping(payload) if !self.loses_pong() => drop(outbox.pong(payload)),
            Event::Ping(_) => {}
            Event::Pong(_) => self.member.awaiting_pong.set(false),
            Event::Close(close) => {
                self.release(outbox);
                // RFC 6455 5.5.1: the answer typically echoes the status code.
                outbox.close(close.map(|(code, _)| code), "");
                self.phase = Phase::Finishing;
            }
        }
    }

    /// Starts the closing handshake.
    pub fn close(&mut self, outbox: &mut Outbox, code: u16, reason: &str) {
        if self.phase == Phase::Open {
            self.release(outbox);
            outbox.close(Some(code), reason);
            self.phase = Phase::Closing;
        }
    }

    /// Ends the connection as a fault asks; RST is not the desk's to send.
    pub fn end(&mut self, outbox: &mut Outbox, ending: ServerEnding) {
        match ending {
            ServerEnding::Close(code) => self.close(outbox, code, ""),
            ServerEnding::Fin if matches!(self.phase, Phase::Open | Phase::Closing) => {
                self.release(outbox);
                self.phase = Phase::Finishing;
            }
            ServerEnding::Fin | ServerEnding::Reset => {}
        }
    }

    /// Closes a peer that does not read what it is sent.
    pub fn give_up_on_slow(&mut self, outbox: &mut Outbox) {
        self.close(outbox, 1008, "slow consumer");
    }

    /// Whether so much is held back that nothing more should be read.
    pub fn is_full(&self) -> bool {
        let held = self.held.as_ref();
        held.is_some_and(|held| held.bytes > self.lane.limits.max_outbound)
    }

    /// Whether a fault keeps the pong to this ping back.
    fn loses_pong(&mut self) -> bool {
        self.pings += 1;
        let lane = &self.lane;
        lane.faults.any() && faults::loses_pong(&lane.faults.active(), self.member.id, self.pings)
    }

    /// Ends the connection, if a fault says so by its age or its messages.
    fn obey_close_after(&mut self, outbox: &mut Outbox) {
        if !self.lane.faults.any() || self.phase != Phase::Open {
            return;
        }
        let now = Instant::now();
        let opened = self.member.opened.get().unwrap_or(now);
        let age = now.saturating_duration_since(opened);
        let (id, messages) = (self.member.id, self.messages);
        let ending = faults::ending(&self.lane.faults.active(), id, age, messages);
        match ending {
            None => {}
            Some(ServerEnding::Reset) => {
                self.release(outbox);
                self.phase = Phase::Finishing;
                self.member.end(ServerEnding::Reset);
            }
            Some(ending) => self.end(outbox, ending),
        }
    }

    /// Does what waited for its time: held messages, a kept reply, an end.
    pub fn do_what_is_due(&mut self, outbox: &mut Outbox) {
        if self.held.is_some() {
            self.answer_due(outbox);
        }
        if self.kept.is_some() {
            self.release_due(outbox);
        }
        self.obey_close_after(outbox);
    }

    /// Answers the held messages whose time has come, as long as the peer reads.
    fn answer_due(&mut self, outbox: &mut Outbox) {
        let Some(held) = &self.held else {
            return;
        };
        if held.queue.is_empty() {
            return;
        }
        let now = Instant::now();
        while self.phase == Phase::Open
            && outbox.len() <= HIGH_WATER
            && let Some(held) = &mut self.held
            && held.queue.front().is_some_and(|(due, _, _)| *due <= now)
            && let Some((due, number, message)) = held.queue.pop_front()
        {
            held.bytes -= message.cost();
            // By a clock of this turn: what a thread does for others first is lateness too.
            let late = now.saturating_duration_since(due);
            self.lane.lateness().add(late);
            self.answering = number;
            self.answer(&message, outbox);
        }
    }

    fn take(&mut self, message: Message<'_>, outbox: &mut Outbox) {
        if self.phase != Phase::Open {
            return;
        }
        self.lane.meter().messages_received.add(1);
        self.messages += 1;
        let delay = self.extra_delay();
        let waits = self
            .held
            .as_ref()
            .is_some_and(|held| !held.queue.is_empty());
        if !waits && delay.is_zero() && self.lane.plan().delay.is_zero() {
            self.answering = self.messages;
            self.answer(&message, outbox);
        } else {
            self.hold(message.into_owned(), delay);
        }
        self.obey_close_after(outbox);
    }

    /// By how much faults delay the message that has just come.
    fn extra_delay(&self) -> Duration {
        if !self.lane.faults.any() {
            return Duration::ZERO;
        }
        faults::delay(&self.lane.faults.active(), self.member.id, self.messages)
    }

    /// Keeps a message until its time, and until those before it have been answered.
    fn hold(&mut self, message: Message<'static>, delay: Duration) {
        let held = self.held.get_or_insert_default();
        held.bytes += message.cost();
        let now = Instant::now();
        let last = held.queue.back().map_or(now, |(due, _, _)| *due);
        let usual = now + self.lane.plan().delay;
        let due = last.max(usual + delay);
        if due == usual {
            self.lane.alarm.set(Bell::Turn, now, self.member.id);
        } else {
            self.lane.alarm.set_turn(due, self.member.id);
        }
        held.queue.push_back((due, self.messages, message));
    }

    fn answer(&mut self, message: &Message<'_>, outbox: &mut Outbox) {
        let behaviour = self.lane.plan().behaviour;
        let answer = match message {
            Message::Text(text) => {
                let room = self.member.room.borrow();
                answer::answer_text(behaviour, text, room.as_deref(), self.member.id)
            }
            Message::Binary(_) => answer::answer_binary(behaviour),
        };
        if self.carry_out(answer, message, outbox).is_err() {
            self.give_up_on_slow(outbox);
        }
    }

    fn carry_out(
        &mut self,
        answer: Answer,
        message: &Message<'_>,
        outbox: &mut Outbox,
    ) -> Result<(), Full> {
        match answer {
            Answer::Echo => self.echo(message, outbox)?,
            Answer::Reply(text) => self.reply(&text, outbox)?,
            Answer::Pong(text) => {
                if !self.loses_pong() {
                    self.say(To::Sender, TEXT, text.as_bytes(), outbox)?;
                }
            }
            Answer::Everybody => {
                self.send(To::Everybody, message.opcode(), message.bytes(), outbox)?;
            }
            Answer::Join(room) => {
                self.lane.hub.join_room(&self.member, &room);
                self.reply(&answer::room_notice("joined", &room), outbox)?;
            }
            Answer::Leave => {
                if let Some(room) = self.lane.hub.leave_room(&self.member) {
                    self.reply(&answer::room_notice("left", &room), outbox)?;
                }
            }
            Answer::Say { ack, said } => {
                self.reply(&ack, outbox)?;
                let room = self.member.room.borrow().clone();
                self.lane.publish(room.as_ref(), TEXT, said.as_bytes());
            }
            Answer::Close(code, reason) => self.close(outbox, code, reason),
        }
        Ok(())
    }

    fn reply(&mut self, text: &str, outbox: &mut Outbox) -> Result<(), Full> {
        self.send(To::Sender, TEXT, text.as_bytes(), outbox)
    }

    fn echo(&mut self, message: &Message<'_>, outbox: &mut Outbox) -> Result<(), Full> {
        let lane = Rc::clone(&self.lane);
        let prefix = &lane.plan().echo_prefix;
        if prefix.is_empty() {
            return self.send(To::Sender, message.opcode(), message.bytes(), outbox);
        }
        let payload = [prefix.as_bytes(), message.bytes()].concat();
        self.send(To::Sender, message.opcode(), &payload, outbox)
    }
}
