//! The liveness probe of every client (RELIABILITY section 2).

use std::time::Duration;

use super::{Matcher, Template};

/// When to beat, what counts as an answer, when to give up.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    /// What is sent.
    pub style: HeartbeatStyle,
    /// Between beats; the first comes at a random phase within one interval.
    pub interval: Duration,
    /// An answer later than this is late; none is a miss.
    pub timeout: Duration,
    /// Misses in a row that declare the connection dead; `None` = never by misses.
    pub max_missed: Option<u32>,
    /// Silence (nothing received at all) that declares the connection dead.
    pub max_quiet: Option<Duration>,
    /// Any received byte counts as life: resets the misses in a row.
    pub any_traffic: bool,
    /// Beat only after `interval` without traffic received.
    pub idle_only: bool,
    /// After a verdict, how long to keep watching the socket to learn whether the peer lived after all.
    pub grace: Duration,
    /// What to do with pings from the server.
    pub answer_pings: AnswerPings,
    /// The server is to ping at least this often; silence beyond it counts as an overdue server ping.
    pub expect_server_ping: Option<Duration>,
}

/// What a beat is.
#[derive(Clone, Debug)]
pub enum HeartbeatStyle {
    /// No beats of our own.
    None,
    /// Control ping; payload = client, beat number and time (24 bytes), or empty.
    Ping {
        /// An empty payload, as the `ws` README's isAlive does: any pong acknowledges.
        empty: bool,
    },
    /// A text message and its answer, matched in order ("any").
    Text {
        /// `{{seq}}` is the beat number.
        send: Template,
        /// Usually [`Matcher::Text`]; an answer acknowledges the latest beat.
        reply: Matcher,
    },
    /// A JSON message with `{{seq}}` as id, and an answer that carries it.
    Json {
        /// `{{seq}}` is the beat number.
        send: Template,
        /// With `{{seq}}` in it the answer is matched exactly, without it "any".
        reply: Matcher,
    },
    /// A text message that nobody answers (STOMP, SignalR): judged by silence only.
    OneWay {
        /// `{{seq}}` is the beat number.
        send: Template,
    },
}

/// What a client does with a server's ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerPings {
    /// At once, as RFC 6455 5.5.2 asks.
    AtOnce,
    /// Never: finds out when the server gives up.
    Never,
    /// After a delay.
    After(Duration),
}
