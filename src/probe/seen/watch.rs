//! Connections held, handshakes made meanwhile, and many connections at once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Ended, Exchange, Millis, Tcp};

/// How a connection is held.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldKind {
    /// Nothing is sent, pings of the server are answered.
    Silent,
    /// A control ping in that interval.
    Ping(Millis),
    /// An unasked pong in that interval: bytes in one direction only.
    OneWay(Millis),
    /// Nothing is sent, the kernel's keepalive probes in that interval.
    KeepAlive(Millis),
    /// A text message in that interval.
    Text(Millis),
    /// Nothing is sent, not even pongs.
    Deaf,
}

/// One held connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    /// How.
    pub kind: HoldKind,
    /// When it opened, from the start of the watch.
    pub opened_ms: Millis,
    /// The handshake, when it was not a good 101, or when a close came right after it.
    pub refused: Option<Exchange>,
    /// How long it was held: until it ended or the watch was over.
    pub held_ms: Millis,
    /// Frames that came from the server.
    pub frames: u64,
    /// Pings among them.
    pub server_pings: u64,
    /// Pongs that came in time, of pings sent.
    pub pongs: u64,
    /// Pings sent.
    pub pings: u64,
    /// From the 101 to the last pong; with pings unanswered after it, the moment it went silent.
    pub last_pong_ms: Option<Millis>,
    /// The end, if it came before ours.
    pub ended: Option<Ended>,
    /// A ping at the end of a hold: answered?
    pub final_pong: Option<bool>,
    /// How TCP stood when a ping went unanswered.
    pub tcp: Option<Tcp>,
    /// We ended it early, to see whether that makes room for another.
    #[serde(default)]
    pub freed: bool,
    /// The longest time between two pings (or unasked pongs, or texts) of ours that it lived through.
    #[serde(default)]
    pub longest_gap_ms: Millis,
}

/// What a handshake of the watch was made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// To see whether handshakes still work; closed at once.
    #[default]
    Look,
    /// To hold the connection.
    Hold,
    /// At once after a refusal.
    Retry,
    /// After a pause without any handshake, nothing closed meanwhile.
    AfterPause,
    /// Right after one of our own connections was closed.
    AfterClosing,
}

/// A new handshake made during the watch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Round {
    /// From the start of the watch.
    pub at_ms: Millis,
    /// What came of it.
    pub exchange: Exchange,
    /// A close that came right after a good 101: its code.
    pub closed: Option<u16>,
    /// Its reason, escaped.
    pub reason: String,
    /// What names the server behind a balancer: a cookie's name, a header, the first message. Escaped.
    pub node: Option<String>,
    /// Connections of this probe that were open at that moment, this one not counted.
    pub open: u32,
    /// What it was made for.
    #[serde(default)]
    pub why: Why,
    /// It had no answer until one of our connections was closed: how long after that the answer came.
    #[serde(default)]
    pub answered_after_closing_ms: Option<Millis>,
}

/// Holds and handshakes over the same time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Watch {
    /// How long it was meant to last.
    pub planned_ms: Millis,
    /// How long it lasted.
    pub lasted_ms: Millis,
    /// Held connections.
    pub holds: Vec<Hold>,
    /// Handshakes, in order.
    pub rounds: Vec<Round>,
    /// Asked for with `--reload`.
    pub reload: bool,
}

/// One of many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CrowdMember {
    /// Its handshake.
    pub exchange: Exchange,
    /// A close that came while it was held.
    pub ended: Option<Ended>,
    /// A handshake without an answer got one when others were closed: how long after.
    #[serde(default)]
    pub answered_after_closing_ms: Option<Millis>,
}

/// Connections opened one after the other and held.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Crowd {
    /// How many were to be opened.
    pub planned: u32,
    /// In order.
    pub members: Vec<CrowdMember>,
    /// One more, after a pause with all of them still open.
    pub after_waiting: Option<Exchange>,
    /// One more, once half of them were closed.
    pub after_closing: Option<Exchange>,
    /// One more, after a pause with none open.
    pub after_pause: Option<Exchange>,
}
