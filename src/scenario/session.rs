//! What a client does once connected.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::{Matcher, Pointer, Reply, Template};

/// One kind of client.
#[derive(Clone, Debug)]
pub struct Session {
    /// For reports.
    pub name: String,
    /// At least 1; clients are dealt in proportion.
    pub weight: u32,
    /// In order. A step with a schedule starts it and the next step follows at once; after the last
    /// step the client stays connected until the end of the run, or leaves if the load is open and
    /// no schedule is running.
    pub steps: Vec<Step>,
}

/// One thing a client does.
#[derive(Clone, Debug)]
pub enum Step {
    /// A message, once or on a schedule.
    Send(Arc<SendStep>),
    /// Wait for a message the server sends by itself.
    Expect(Arc<Reply>),
    /// Wait; uniform between the two (equal = fixed).
    Pause {
        /// Shortest.
        min: Duration,
        /// Longest.
        max: Duration,
    },
    /// The steps again; `None` = until the end of the run. Never empty, never contains schedules.
    Repeat {
        /// Rounds.
        times: Option<u64>,
        /// What is repeated.
        steps: Vec<Step>,
    },
    /// A control ping; the next step follows on its pong (or after the timeout).
    Ping {
        /// How long to wait for the pong.
        timeout: Duration,
    },
    /// Close handshake; ends the session. A closed load then starts a new session with the same client.
    Close {
        /// RFC 6455 7.4: 1000, or 3000 to 4999.
        code: u16,
        /// At most 123 bytes.
        reason: String,
    },
}

/// A message to send.
#[derive(Clone, Debug)]
pub struct SendStep {
    /// What.
    pub payload: Payload,
    /// When; `None` = when its turn comes (closed loop).
    pub schedule: Option<Schedule>,
    /// The answer it waits for. With a schedule many can be outstanding; without one the session
    /// goes on at once when `blocking` is false (`reply`), after the answer when true (`expect`).
    pub reply: Option<Reply>,
    /// See `reply`.
    pub blocking: bool,
    /// The server passes this message on to other clients, and how they know it.
    pub delivery: Option<Delivery>,
}

/// What is sent.
#[derive(Clone, Debug)]
pub enum Payload {
    /// One text message.
    Text(Template),
    /// One binary message, always the same bytes.
    Binary(Bytes),
    /// One binary message of so many random bytes, new each time.
    RandomBinary(usize),
}

/// Intended times t0 + k x period (DESIGN section 3).
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Mean gap, longer than zero.
    pub period: Duration,
    /// How the gaps vary.
    pub kind: ScheduleKind,
    /// A message later than this is skipped and counted instead of sent late.
    pub skip_after: Option<Duration>,
    /// Stop after so many messages.
    pub count: Option<u64>,
}

/// How the gaps of a schedule vary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScheduleKind {
    /// Equal gaps; phases spread evenly over clients.
    Fixed,
    /// Exponential gaps.
    Poisson,
}

/// How receivers know a message that another client sent.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Which received messages are deliveries.
    pub matcher: Matcher,
    /// Where the sender's `{{intended_us}}` is.
    pub sent: Pointer,
    /// Clients that render the same group receive each other's messages; `None` = not known, so
    /// expected deliveries are not counted.
    pub group: Option<Template>,
    /// Whether the sender gets its own message back.
    pub includes_sender: bool,
}
