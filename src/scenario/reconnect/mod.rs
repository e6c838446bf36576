//! What a client does after losing its connection, or failing to get one (RELIABILITY 3.1).
//!
//! A wait is made in four steps, each with one field: a base that the policy gives for attempt `n`,
//! times a factor (`jitter`), plus a time (`added`), cut to `max_wait`:
//!
//! ```text
//! wait(n) = min(max_wait, base(n) x U(jitter) + U(added))
//! ```
//!
//! Known clients are such values by name: [`preset`].

mod preset;
mod words;

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use preset::{NAMES, nearest_preset, preset, presets};

/// The policy with its limits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reconnect {
    /// How long to wait, before it is spread.
    pub policy: ReconnectPolicy,
    /// What that is multiplied with.
    pub jitter: Jitter,
    /// What is then added, between these two; both zero = nothing.
    pub added: (Duration, Duration),
    /// The longest wait, after all of this; `None` = as long as it comes.
    pub max_wait: Option<Duration>,
    /// Attempts in a row without a stable connection before giving up; `None` = for ever.
    pub max_attempts: Option<u32>,
    /// A connection open at least this long resets the attempts.
    pub stable_after: Duration,
}

/// Base of the wait before attempt `n` (0 = the first after a loss).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ReconnectPolicy {
    /// Never.
    None,
    /// Always the same.
    Fixed {
        /// Longer than zero.
        delay: Duration,
    },
    /// `step x (n + 1)`.
    Linear {
        /// Longer than zero.
        step: Duration,
    },
    /// `min(max_delay, initial x factor^n)`.
    Exponential {
        /// Longer than zero.
        initial: Duration,
        /// At least 1.
        factor: f64,
        /// At least `initial`; [`Duration::MAX`] = no cap before jitter.
        max_delay: Duration,
    },
    /// `min(max_delay, U(initial, 3 x previous))`; the first is `U(initial, 3 x initial)`.
    Decorrelated {
        /// Longer than zero.
        initial: Duration,
        /// At least `initial`.
        max_delay: Duration,
    },
    /// One after the other; the last repeats.
    List {
        /// At least one; the last is longer than zero.
        delays: Cow<'static, [Duration]>,
    },
}

/// The factor on a base (AWS "Exponential Backoff And Jitter" names the usual ones).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Jitter {
    /// Drawn for every wait.
    Each(Factors),
    /// Other factors for the first wait after a loss than for those that follow.
    FirstThen(Factors, Factors),
    /// Drawn once for each client and kept through all its losses: clients differ, the waits of one do
    /// not.
    Once(Factors),
    /// As the JavaScript library backo2 with its jitter of 0.5: `1 + s u/2`, u = U(0, 1), and s is -1
    /// when the first decimal of u is even, else +1. Within 0.55 to 1.5, 1.025 on average.
    Backo2,
}

/// A uniform factor `U(low, high)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Factors {
    /// At least 0.
    pub low: f64,
    /// At least `low`, and more than 0.
    pub high: f64,
}

/// What stands for the longest delay of a policy that grows without a cap: the cap of those that
/// have one by default.
const UNCAPPED: Duration = Duration::from_secs(30);

impl Reconnect {
    /// The longest delay of the policy before jitter, within its limit: the longest that a server may
    /// ask a client to stay away.
    pub fn longest_delay(&self) -> Duration {
        let longest = match &self.policy {
            ReconnectPolicy::None => Duration::ZERO,
            ReconnectPolicy::Fixed { delay } => *delay,
            ReconnectPolicy::Exponential { max_delay, .. } if *max_delay < Duration::MAX => {
                *max_delay
            }
            ReconnectPolicy::Decorrelated { max_delay, .. } => *max_delay,
            ReconnectPolicy::List { delays } => delays.iter().max().copied().unwrap_or_default(),
            ReconnectPolicy::Exponential { initial: first, .. }
            | ReconnectPolicy::Linear { step: first } => UNCAPPED.max(*first),
        };
        longest.min(self.max_wait.unwrap_or(Duration::MAX))
    }
}

impl Factors {
    /// The base as it is.
    pub const ONE: Self = Self::new(1.0, 1.0);
    /// "Full jitter": `U(0, v)`.
    pub const FULL: Self = Self::new(0.0, 1.0);
    /// "Equal jitter": `v/2 + U(0, v/2)`.
    pub const EQUAL: Self = Self::new(0.5, 1.0);

    /// Between the two; the caller keeps their order.
    pub const fn new(low: f64, high: f64) -> Self {
        Self { low, high }
    }
}

impl Jitter {
    /// None at all.
    pub const NONE: Self = Self::Each(Factors::ONE);

    /// The smallest factor it can draw for the first wait.
    pub const fn smallest(self) -> f64 {
        match self {
            Self::Each(factors) | Self::Once(factors) | Self::FirstThen(factors, _) => factors.low,
            Self::Backo2 => 0.55,
        }
    }
}
