//! What happened on an open WebSocket connection.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Millis, escaped};

/// How TCP stands; only what tells a dead path from a silent peer (`TCP_INFO`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tcp {
    /// Segments that nobody acknowledged.
    pub unacknowledged: u32,
    /// Doublings of the retransmission timer: 0 while all is acknowledged.
    pub backoff: u32,
    /// Retransmissions since the connection opened.
    pub retransmits: u32,
    /// Unanswered probes of a closed window.
    pub window_probes: u32,
}

/// A frame that came, as far as it is worth keeping.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FrameSeen {
    /// From the 101.
    pub at_ms: Millis,
    /// `text`, `binary`, `continuation`, `close`, `ping`, `pong`, or `reserved N`.
    pub opcode: String,
    /// The last of its message.
    pub fin: bool,
    /// Its payload in bytes.
    pub bytes: u64,
    /// The start of the payload, escaped.
    pub start: String,
}

/// A breach of RFC 6455 by the peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Violation {
    /// From the 101.
    pub at_ms: Millis,
    /// What: `masked`, `rsv`, `opcode`, `utf8`, `control too long`, `control fragmented`,
    /// `close code`, `close length`, `continuation`, `length`, `http in the stream`,
    /// `text in the stream`, `line end in the stream`.
    pub what: String,
    /// The first 32 bytes of the frame, or the first 300 of a text, escaped.
    pub bytes: String,
}

/// How a connection ended before we ended it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ended {
    /// From the 101.
    pub at_ms: Millis,
    /// Since the last byte in either direction, not counting the closing itself.
    pub idle_ms: Millis,
    /// A close frame came first: its code, 1005 when it had none.
    pub code: Option<u16>,
    /// Its reason, escaped.
    pub reason: String,
    /// `FIN`, `RST`, `close_notify`, `alert NAME`; `None` while TCP stayed open.
    pub how: Option<String>,
}

/// An end that came as the answer to one message of ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Provoked {
    /// What had been sent.
    pub by: StepKind,
    /// The end of that connection.
    pub ended: Ended,
}

/// One control ping of a series.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PingSeen {
    /// From the 101 of its connection.
    pub sent_ms: Millis,
    /// Until its pong; `None`: none came.
    pub took_ms: Option<Millis>,
}

/// What was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// A control ping with a payload.
    Ping,
    /// The text `ping`.
    Text,
    /// A text that is neither `ping` nor JSON.
    Words,
    /// A small JSON object.
    Json,
    /// Four bytes.
    Binary,
    /// A text message of that many bytes.
    Size(u64),
    /// A message in three fragments with a ping between them.
    Fragmented,
    /// A close frame with code 1000 and a reason.
    Close,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// A pong with the payload intact.
    Pong,
    /// A pong with another payload.
    WrongPong,
    /// The payload came back.
    Echo,
    /// A message that is no echo, its start escaped.
    Message(String),
    /// A close frame: for [`StepKind::Close`] the answer, otherwise see `ended`.
    Close,
    /// The connection ended.
    Ended,
    /// Nothing in time, or silence where none is needed.
    Nothing,
    /// It could not be written in time: the peer does not read.
    NotSent,
}

/// One thing sent on the session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// What.
    pub kind: StepKind,
    /// When, from the 101.
    pub at_ms: Millis,
    /// Until the reply, or until it was given up.
    pub took_ms: Millis,
    /// What came.
    pub reply: Reply,
    /// How TCP stood when it was given up.
    pub tcp: Option<Tcp>,
}

/// One session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Session {
    /// The subprotocol chosen.
    pub subprotocol: Option<String>,
    /// Extensions the server turned on.
    pub extensions: Option<String>,
    /// How long nothing was sent at first, to see what the server does by itself.
    pub quiet_ms: Millis,
    /// Frames that came unasked, the first few.
    pub unasked: Vec<FrameSeen>,
    /// What was sent and what came.
    pub steps: Vec<Step>,
    /// Round trips of repeated control pings, those that were answered.
    pub pings_ms: Vec<Millis>,
    /// The same pings, answered or not, sent at an even pace on a connection of their own.
    pub ping_series: Vec<PingSeen>,
    /// How that connection ended, if it did before we ended it: a second look at an early end.
    pub second_ended: Option<Ended>,
    /// TCP's own round trip on it, to the next hop that ends TCP.
    pub round_trip_ms: Option<Millis>,
    /// TCP's retransmissions on it.
    pub series_retransmits: u32,
    /// The latest this process woke up meanwhile: delays below that are our own.
    pub own_lateness_ms: Millis,
    /// Pings of the server.
    pub server_pings: u32,
    /// Breaches of RFC 6455, the first few.
    pub violations: Vec<Violation>,
    /// The end, if it came by itself: before any message of ours, or instead of a pong.
    pub ended: Option<Ended>,
    /// Ends that came as the answer to a message, in order; each on a connection of its own.
    pub provoked: Vec<Provoked>,
    /// What came of our close frame: the code and reason that came back, and how TCP ended.
    pub closing: Option<Ended>,
    /// The largest size that came back, in bytes.
    pub largest_answered: Option<u64>,
    /// The smallest that did not.
    pub smallest_unanswered: Option<u64>,
    /// A second handshake right after an end that was not ours.
    pub afterwards: Option<Box<super::Exchange>>,
}

impl Session {
    /// The first step of a kind.
    pub fn step(&self, kind: &StepKind) -> Option<&Step> {
        self.steps.iter().find(|s| s.kind == *kind)
    }

    /// Any pong came, to whatever ping.
    pub fn any_pong(&self) -> bool {
        let step = |s: &Step| s.reply == Reply::Pong;
        !self.pings_ms.is_empty() || self.steps.iter().any(step)
    }

    /// The bytes of a message or a reason, made harmless.
    pub fn text(bytes: &[u8]) -> String {
        escaped(bytes, 120)
    }
}
