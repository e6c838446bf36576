//! What a client does after losing its connection, or failing to get one (RELIABILITY 3.1).

use std::time::Duration;

/// The policy with its limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reconnect {
    /// How long to wait.
    pub policy: ReconnectPolicy,
    /// Attempts in a row without a stable connection before giving up; `None` = for ever.
    pub max_attempts: Option<u32>,
    /// A connection open at least this long resets the attempts.
    pub stable_after: Duration,
}

/// Delay before attempt `n` (0 = the first after a loss).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ReconnectPolicy {
    /// Never.
    None,
    /// Always `delay`, jittered.
    Fixed {
        /// Longer than zero.
        delay: Duration,
        /// Applied to `delay`.
        jitter: Jitter,
    },
    /// `min(max_delay, initial * factor^n)`, jittered.
    Exponential {
        /// Longer than zero.
        initial: Duration,
        /// At least 1.
        factor: f64,
        /// At least `initial`.
        max_delay: Duration,
        /// Applied to the capped value.
        jitter: Jitter,
    },
}

/// How a delay `v` is spread (AWS "Exponential Backoff And Jitter").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// `v`.
    None,
    /// `U(0, v)`.
    Full,
    /// `v/2 + U(0, v/2)`.
    Equal,
    /// `min(cap, U(base, 3 * previous))`.
    Decorrelated,
}
