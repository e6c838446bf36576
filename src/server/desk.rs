//! What a connection does with one event: answers it into the outbox, passes it on, or holds it
//! back for the configured delay.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::rc::Rc;

use tokio::time::Instant;

use super::alarm::Bell;
use super::answer::{self, Answer};
use super::lane::Lane;
use super::member::Member;
use crate::wire::{Data, Event, Full, OpCode, Outbox};

/// Nothing more is read or answered while so many bytes wait to be written: the peer has to read
/// first.
pub(super) const HIGH_WATER: usize = 64 * 1024;

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
    /// Only with a delay configured, so that others do not pay for it.
    held: Option<Box<Held>>,
}

/// Messages whose time has not come.
#[derive(Debug, Default)]
struct Held {
    queue: VecDeque<(Instant, Message<'static>)>,
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
        self.bytes().len() + size_of::<(Instant, Self)>() + 16
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
        let held = (!lane.plan().delay.is_zero()).then(Box::default);
        Self {
            lane,
            member,
            phase: Phase::Open,
            held,
        }
    }

    /// Takes what the decoder found.
    pub fn receive(&mut self, event: Event<'_>, outbox: &mut Outbox) {
        match event {
            Event::Text(text) => self.take(Message::Text(text.into()), outbox),
            Event::Binary(bytes) => self.take(Message::Binary(bytes.into()), outbox),
            // A peer that pings without reading gets fewer pongs, not our memory.
            Event::Ping(payload) => drop(outbox.pong(payload)),
            Event::Pong(_) => self.member.awaiting_pong.set(false),
            Event::Close(close) => {
                // RFC 6455 5.5.1: the answer typically echoes the status code.
                outbox.close(close.map(|(code, _)| code), "");
                self.phase = Phase::Finishing;
            }
        }
    }

    /// Starts the closing handshake.
    pub fn close(&mut self, outbox: &mut Outbox, code: u16, reason: &str) {
        if self.phase == Phase::Open {
            outbox.close(Some(code), reason);
            self.phase = Phase::Closing;
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

    /// Answers the held messages whose time has come, as long as the peer reads.
    pub fn answer_due(&mut self, outbox: &mut Outbox) {
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
            && held.queue.front().is_some_and(|(due, _)| *due <= now)
            && let Some((_, message)) = held.queue.pop_front()
        {
            held.bytes -= message.cost();
            self.answer(&message, outbox);
        }
    }

    fn take(&mut self, message: Message<'_>, outbox: &mut Outbox) {
        if self.phase != Phase::Open {
            return;
        }
        self.lane.meter().messages_received.add(1);
        let Some(held) = &mut self.held else {
            return self.answer(&message, outbox);
        };
        held.bytes += message.cost();
        let due = self
            .lane
            .alarm
            .set(Bell::Delay, Instant::now(), self.member.id);
        held.queue.push_back((due, message.into_owned()));
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
            Answer::Everybody => {
                self.lane.publish(None, message.opcode(), message.bytes());
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
                let text = OpCode::Data(Data::Text);
                self.lane.publish(room.as_ref(), text, said.as_bytes());
            }
            Answer::Close(code, reason) => self.close(outbox, code, reason),
        }
        Ok(())
    }

    fn reply(&self, text: &str, outbox: &mut Outbox) -> Result<(), Full> {
        outbox.text(text.as_bytes())?;
        self.lane.meter().messages_sent.add(1);
        Ok(())
    }

    fn echo(&self, message: &Message<'_>, outbox: &mut Outbox) -> Result<(), Full> {
        let prefix = &self.lane.plan().echo_prefix;
        if prefix.is_empty() {
            outbox.frame(message.opcode(), message.bytes())?;
        } else {
            let payload = [prefix.as_bytes(), message.bytes()].concat();
            outbox.frame(message.opcode(), &payload)?;
        }
        self.lane.meter().messages_sent.add(1);
        Ok(())
    }
}
