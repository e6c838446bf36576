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
    /// `close code`, `close length`, `continuation`, `http in the stream`, `length`.
    pub what: String,
    /// The first 32 bytes of the frame, escaped.
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

/// What was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// A control ping with a payload.
    Ping,
    /// The text `ping`.
    Text,
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
    /// Round trips of repeated control pings.
    pub pings_ms: Vec<Millis>,
    /// Pings of the server.
    pub server_pings: u32,
    /// Breaches of RFC 6455, the first few.
    pub violations: Vec<Violation>,
    /// The end, if it came before or instead of our close.
    pub ended: Option<Ended>,
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

    /// The bytes of a message or a reason, made harmless.
    pub fn text(bytes: &[u8]) -> String {
        escaped(bytes, 120)
    }
}
