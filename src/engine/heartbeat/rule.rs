//! When to beat, what an answer acknowledges, and when a connection is dead.

use std::time::Duration;

use crate::clock::Offset;
use crate::scenario::{self, HeartbeatStyle, Matcher};

/// What an answer acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledges {
    /// The beat it names, no other.
    Exact,
    /// The beat it names, and every earlier one still within its timeout (RFC 6455 5.5.3).
    UpTo,
    /// It names none: the latest beat not acknowledged so far, and every earlier one still within its
    /// timeout.
    Any,
    /// Nobody answers: beats have no outcome, silence alone is judged.
    Nothing,
}

/// The rule of a run, shared by all of its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Between beats; longer than zero.
    pub interval: Duration,
    /// An answer later than this after its beat is late.
    pub timeout: Duration,
    /// What an answer acknowledges.
    pub acknowledges: Acknowledges,
    /// Misses in a row that declare the connection dead; `None` = never by misses.
    pub max_missed: Option<u32>,
    /// Silence that declares the connection dead; `None` = never by silence.
    pub max_quiet: Option<Duration>,
    /// Anything received ends a row of misses, not only an acknowledgement.
    pub any_traffic: bool,
    /// How long the connection is watched after the verdict; zero = not at all.
    pub grace: Duration,
    /// Beat only after `interval` in which nothing was received.
    pub idle_only: bool,
}

impl Rule {
    /// The rule of a scenario; `None` when it neither beats nor judges silence.
    pub fn of(heartbeat: &scenario::Heartbeat) -> Option<Self> {
        let acknowledges = match &heartbeat.style {
            HeartbeatStyle::None if heartbeat.max_quiet.is_none() => return None,
            HeartbeatStyle::None | HeartbeatStyle::OneWay { .. } => Acknowledges::Nothing,
            HeartbeatStyle::Ping { empty: false } => Acknowledges::UpTo,
            HeartbeatStyle::Json { reply, .. } if names_beat(reply) => Acknowledges::Exact,
            HeartbeatStyle::Ping { empty: true }
            | HeartbeatStyle::Text { .. }
            | HeartbeatStyle::Json { .. } => Acknowledges::Any,
        };
        Some(Self {
            interval: heartbeat.interval,
            timeout: heartbeat.timeout,
            acknowledges,
            max_missed: heartbeat.max_missed,
            max_quiet: heartbeat.max_quiet,
            any_traffic: heartbeat.any_traffic,
            grace: heartbeat.grace,
            idle_only: heartbeat.idle_only,
        })
    }

    /// When beat `number` (from 0) is due on a connection opened at `opened`.
    ///
    /// `active` is the later of the last byte received and the last beat sent (`opened` before the first).
    /// Only `idle_only` looks at it: each postpones the next beat to one interval later.
    pub fn due(&self, opened: Offset, phase: Duration, number: u64, active: Offset) -> Offset {
        let planned = due(opened, phase, self.interval, number);
        if self.idle_only && active > opened {
            planned.max(active + self.interval)
        } else {
            planned
        }
    }
}

/// Whether the answer to one beat differs from the answer to the next.
fn names_beat(reply: &Matcher) -> bool {
    match reply {
        Matcher::Json(values) => values.iter().any(|(_, value)| !value.is_constant()),
        Matcher::Text(text) | Matcher::Prefix(text) => !text.is_constant(),
        Matcher::Regex(_) => false,
        Matcher::Echo => true,
    }
}

/// due_i = opened + phase + i x interval: never re-based on when the last beat left.
pub fn due(opened: Offset, phase: Duration, interval: Duration, number: u64) -> Offset {
    let whole = Offset::from(interval).nanos().saturating_mul(number);
    opened + phase + Duration::from_nanos(whole)
}

/// A start phase in `[0, interval)`, so that connections opened together do not beat together.
pub fn start_phase(interval: Duration, rng: &mut fastrand::Rng) -> Duration {
    let nanos = Offset::from(interval).nanos();
    Duration::from_nanos(rng.u64(..nanos.max(1)))
}
