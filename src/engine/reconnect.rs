//! How long a client waits before it dials again, and when it gives up (RELIABILITY 3.1).
//!
//! Delays follow the AWS article "Exponential Backoff And Jitter": v = min(cap, base x factor^n), then
//! full U(0, v), equal v/2 + U(0, v/2), decorrelated s = min(cap, U(base, 3 s)). A connection only
//! counts as a success once it has been open for `stable_after`, so a flapping server cannot reset the
//! backoff. It neither dials nor reads a clock, and draws only from the generator it is handed.

use std::time::Duration;

use crate::clock::Offset;
use crate::scenario::{Jitter, Reconnect, ReconnectPolicy};

/// One client's place in its reconnect policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backoff {
    /// Attempts granted since the last stable connection.
    attempts: u32,
    /// The delay before the last attempt; zero before the first.
    previous: Duration,
}

impl Backoff {
    /// An open connection was lost after `open_for`, or a dial failed (`None`).
    pub fn lost(&mut self, plan: &Reconnect, open_for: Option<Duration>) {
        if open_for.is_some_and(|open_for| open_for >= plan.stable_after) {
            *self = Self::default();
        }
    }

    /// Attempts granted since the last stable connection.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The delay before the next attempt; `None` = the client gives up.
    pub fn next(&mut self, plan: &Reconnect, rng: &mut fastrand::Rng) -> Option<Duration> {
        if plan.max_attempts.is_some_and(|most| self.attempts >= most) {
            return None;
        }
        let delay = match plan.policy {
            ReconnectPolicy::None => return None,
            // Always around `delay`: nothing is carried from one delay to the next.
            ReconnectPolicy::Fixed { delay, jitter } => match jitter {
                Jitter::Decorrelated => between(delay, delay.saturating_mul(3), rng),
                _ => spread(delay, jitter, rng),
            },
            ReconnectPolicy::Exponential {
                initial,
                factor,
                max_delay,
                jitter,
            } => match jitter {
                Jitter::Decorrelated => {
                    let longest = self.previous.max(initial).saturating_mul(3);
                    between(initial, longest, rng).min(max_delay)
                }
                _ => {
                    let delay = exponential(initial, factor, self.attempts).min(max_delay);
                    spread(delay, jitter, rng)
                }
            },
        };
        self.attempts = self.attempts.saturating_add(1);
        self.previous = delay;
        Some(delay)
    }
}

/// A delay that respects what a busy server `asked` for (Retry-After), up to the longest delay of the
/// policy: a server cannot send its clients away for good.
pub fn respecting(delay: Duration, asked: Option<Duration>, policy: ReconnectPolicy) -> Duration {
    let longest = match policy {
        ReconnectPolicy::None => Duration::ZERO,
        ReconnectPolicy::Fixed { delay, .. } => delay,
        ReconnectPolicy::Exponential { max_delay, .. } => max_delay,
    };
    delay.max(asked.unwrap_or_default().min(longest))
}

/// initial x factor^n; what does not fit is as long as a duration can be.
fn exponential(initial: Duration, factor: f64, n: u32) -> Duration {
    let power = factor.powi(i32::try_from(n).unwrap_or(i32::MAX));
    Duration::try_from_secs_f64(initial.as_secs_f64() * power).unwrap_or(Duration::MAX)
}

fn spread(delay: Duration, jitter: Jitter, rng: &mut fastrand::Rng) -> Duration {
    match jitter {
        Jitter::None | Jitter::Decorrelated => delay,
        Jitter::Full => between(Duration::ZERO, delay, rng),
        Jitter::Equal => between(delay / 2, delay, rng),
    }
}

/// Uniform between the two, both included, to the nanosecond.
fn between(shortest: Duration, longest: Duration, rng: &mut fastrand::Rng) -> Duration {
    let (low, high) = (Offset::from(shortest), Offset::from(longest));
    Duration::from_nanos(rng.u64(low.nanos()..=high.nanos().max(low.nanos())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const JITTERS: [Jitter; 4] = [
        Jitter::None,
        Jitter::Full,
        Jitter::Equal,
        Jitter::Decorrelated,
    ];

    fn plan(policy: ReconnectPolicy, max_attempts: Option<u32>) -> Reconnect {
        Reconnect {
            policy,
            max_attempts,
            stable_after: 10 * SECOND,
        }
    }

    fn exponential_policy(jitter: Jitter) -> ReconnectPolicy {
        ReconnectPolicy::Exponential {
            initial: SECOND,
            factor: 2.0,
            max_delay: 30 * SECOND,
            jitter,
        }
    }

    fn delays(plan: &Reconnect, count: usize) -> Vec<Option<u64>> {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut backoff = Backoff::default();
        let mut next = || backoff.next(plan, &mut rng).map(|delay| delay.as_secs());
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn delays_double_up_to_the_cap() {
        let plan = plan(exponential_policy(Jitter::None), None);
        let expected = [1, 2, 4, 8, 16, 30, 30].map(Some);
        assert_eq!(delays(&plan, 7), expected);
    }

    #[test]
    fn policies_without_growth() {
        let fixed = ReconnectPolicy::Fixed {
            delay: 3 * SECOND,
            jitter: Jitter::None,
        };
        assert_eq!(
            delays(&plan(fixed, Some(2)), 4),
            [Some(3), Some(3), None, None]
        );
        assert_eq!(delays(&plan(ReconnectPolicy::None, None), 1), [None]);
        assert_eq!(delays(&plan(fixed, Some(0)), 1), [None]);
    }

    #[test]
    fn only_a_stable_connection_resets() {
        let plan = plan(exponential_policy(Jitter::None), Some(3));
        let mut rng = fastrand::Rng::with_seed(1);
        let mut backoff = Backoff::default();
        for (open_for, expected) in [
            (Some(SECOND), Some(1)),
            (None, Some(2)),
            (Some(Duration::from_millis(9999)), Some(4)),
            (None, None),
            (Some(10 * SECOND), Some(1)),
        ] {
            backoff.lost(&plan, open_for);
            let delay = backoff.next(&plan, &mut rng);
            assert_eq!(delay.map(|d| d.as_secs()), expected, "{open_for:?}");
        }
        assert_eq!(backoff.attempts(), 1);
    }

    #[test]
    fn retry_after_is_respected_up_to_the_longest_delay() {
        let fixed = ReconnectPolicy::Fixed {
            delay: 3 * SECOND,
            jitter: Jitter::Full,
        };
        let exponential = exponential_policy(Jitter::None);
        for (policy, delay, asked, expected) in [
            (exponential, 1, None, 1),
            (exponential, 1, Some(0), 1),
            (exponential, 1, Some(7), 7),
            (exponential, 8, Some(7), 8),
            (exponential, 1, Some(3600), 30),
            (exponential, 1, Some(u64::MAX), 30),
            (fixed, 1, Some(2), 2),
            (fixed, 1, Some(3600), 3),
            (ReconnectPolicy::None, 0, Some(3600), 0),
        ] {
            let asked = asked.map(Duration::from_secs);
            let delay = respecting(delay * SECOND, asked, policy);
            assert_eq!(delay, expected * SECOND, "{policy:?} {asked:?}");
        }
    }

    #[test]
    fn huge_exponents_stay_at_the_cap() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut backoff = Backoff {
            attempts: u32::MAX - 1,
            previous: Duration::MAX,
        };
        for jitter in [Jitter::None, Jitter::Decorrelated] {
            let plan = plan(exponential_policy(jitter), None);
            assert!(backoff.next(&plan, &mut rng).unwrap() <= 30 * SECOND);
        }
        assert_eq!(backoff.attempts(), u32::MAX);
    }

    #[test]
    fn full_jitter_waits_half_as_long_on_average() {
        let mut rng = fastrand::Rng::with_seed(42);
        let draws = 10_000;
        let draw = |_| spread(8 * SECOND, Jitter::Full, &mut rng).as_secs_f64();
        let mean = (0..draws).map(draw).sum::<f64>() / f64::from(draws);
        // Four standard errors of U(0, 8): 4 x 8 / sqrt(12 x 10,000) = 0.092.
        assert!((mean - 4.0).abs() < 0.092, "{mean}");
    }

    proptest! {
        #[test]
        fn every_jitter_keeps_its_bounds(
            seed: u64,
            initial in 1..5000_u64,
            factor in 1.0..10.0_f64,
            cap in 5000..60_000_u64,
            which in 0..4_usize,
        ) {
            let (initial, cap) = (Duration::from_millis(initial), Duration::from_millis(cap));
            let jitter = JITTERS[which];
            let policy = ReconnectPolicy::Exponential { initial, factor, max_delay: cap, jitter };
            let plan = plan(policy, None);
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut backoff = Backoff::default();
            let mut previous = initial;
            for n in 0..40 {
                let v = exponential(initial, factor, n).min(cap);
                let delay = backoff.next(&plan, &mut rng).unwrap();
                let (low, high) = match jitter {
                    Jitter::None => (v, v),
                    Jitter::Full => (Duration::ZERO, v),
                    Jitter::Equal => (v / 2, v),
                    Jitter::Decorrelated => (initial, (previous * 3).min(cap)),
                };
                prop_assert!(low <= delay && delay <= high, "{n}: {low:?} {delay:?} {high:?}");
                previous = delay;
            }
        }
    }
}
