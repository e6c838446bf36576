//! How long a client waits before it dials again, and when it gives up (RELIABILITY 3.1).
//!
//! A wait is a base that the policy gives, times a factor, plus a time, cut to a longest wait
//! (`scenario::reconnect` has the formula). Names follow the AWS article "Exponential Backoff And
//! Jitter". A connection only counts as a success once it has been open for `stable_after`, so a
//! flapping server cannot reset the backoff of a client that asks for stability. It neither dials nor
//! reads a clock, and draws only from the generator it is handed.

use std::time::Duration;

use crate::clock::Offset;
use crate::scenario::{Factors, Jitter, Reconnect, ReconnectPolicy};

/// One client's place in its reconnect policy.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Backoff {
    /// Attempts granted since the last stable connection.
    attempts: u32,
    /// The base of the last wait; zero before the first.
    previous: Duration,
    /// The factor that is drawn once for each client, when it was drawn.
    once: Option<f64>,
}

impl Backoff {
    /// An open connection was lost after `open_for`, or a dial failed (`None`).
    pub fn lost(&mut self, plan: &Reconnect, open_for: Option<Duration>) {
        if open_for.is_some_and(|open_for| open_for >= plan.stable_after) {
            *self = Self {
                once: self.once,
                ..Self::default()
            };
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
        let base = self.base(&plan.policy, rng)?;
        let (low, high) = plan.added;
        let wait = self
            .spread(base, plan.jitter, rng)
            .saturating_add(between(low, high, rng))
            .min(plan.max_wait.unwrap_or(Duration::MAX));
        self.attempts = self.attempts.saturating_add(1);
        self.previous = base;
        Some(wait)
    }

    /// What the policy gives for this attempt; `None` = it never reconnects.
    fn base(&self, policy: &ReconnectPolicy, rng: &mut fastrand::Rng) -> Option<Duration> {
        Some(match policy {
            ReconnectPolicy::None => return None,
            ReconnectPolicy::Fixed { delay } => *delay,
            ReconnectPolicy::Linear { step } => {
                step.saturating_mul(self.attempts.saturating_add(1))
            }
            ReconnectPolicy::Exponential {
                initial,
                factor,
                max_delay,
            } => exponential(*initial, *factor, self.attempts).min(*max_delay),
            ReconnectPolicy::Decorrelated { initial, max_delay } => {
                let longest = self.previous.max(*initial).saturating_mul(3);
                between(*initial, longest, rng).min(*max_delay)
            }
            ReconnectPolicy::List { delays } => {
                let index = usize::try_from(self.attempts).unwrap_or(usize::MAX);
                *delays.get(index).or(delays.last())?
            }
        })
    }

    fn spread(&mut self, base: Duration, jitter: Jitter, rng: &mut fastrand::Rng) -> Duration {
        let factors = match jitter {
            Jitter::Each(factors) => factors,
            Jitter::FirstThen(first, _) if self.attempts == 0 => first,
            Jitter::FirstThen(_, then) => then,
            Jitter::Once(Factors { low, high }) => {
                let mut draw = || low + (high - low) * rng.f64();
                return scale(base, *self.once.get_or_insert_with(&mut draw));
            }
            Jitter::Backo2 => return scale(base, backo2(rng.f64())),
        };
        between(scale(base, factors.low), scale(base, factors.high), rng)
    }
}

/// A delay that respects what a busy server `asked` for (Retry-After), up to the longest delay of the
/// policy: a server cannot send its clients away for good.
pub fn respecting(delay: Duration, asked: Option<Duration>, plan: &Reconnect) -> Duration {
    delay.max(asked.unwrap_or_default().min(plan.longest_delay()))
}

/// initial x factor^n; what does not fit is as long as a duration can be.
fn exponential(initial: Duration, factor: f64, n: u32) -> Duration {
    let power = factor.powi(i32::try_from(n).unwrap_or(i32::MAX));
    Duration::try_from_secs_f64(initial.as_secs_f64() * power).unwrap_or(Duration::MAX)
}

/// base x factor, exact for a factor of 1; what does not fit is as long as a duration can be.
fn scale(base: Duration, factor: f64) -> Duration {
    if factor == 1.0 {
        return base;
    }
    Duration::try_from_secs_f64(base.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

/// The factor that backo2 with jitter 0.5 makes of a draw from U(0, 1): the draw is the size of the
/// deviation, and its first decimal the sign.
fn backo2(draw: f64) -> f64 {
    let even = (draw * 10.0).floor() % 2.0 == 0.0;
    let deviation = 0.5 * draw;
    if even {
        1.0 - deviation
    } else {
        1.0 + deviation
    }
}

/// Uniform between the two, both included, to the nanosecond.
fn between(shortest: Duration, longest: Duration, rng: &mut fastrand::Rng) -> Duration {
    if shortest >= longest {
        return shortest;
    }
    let (low, high) = (Offset::from(shortest), Offset::from(longest));
    Duration::from_nanos(rng.u64(low.nanos()..=high.nanos().max(low.nanos())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scenario::reconnect::{NAMES, preset};

    const SECOND: Duration = Duration::from_secs(1);
    const FULL: Jitter = Jitter::Each(Factors::FULL);

    fn plan(policy: ReconnectPolicy, max_attempts: Option<u32>) -> Reconnect {
        Reconnect {
            policy,
            jitter: Jitter::NONE,
            added: (Duration::ZERO, Duration::ZERO),
            max_wait: None,
            max_attempts,
            stable_after: 10 * SECOND,
        }
    }

    fn doubling() -> ReconnectPolicy {
        ReconnectPolicy::Exponential {
            initial: SECOND,
            factor: 2.0,
            max_delay: 30 * SECOND,
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
        let plan = plan(doubling(), None);
        let expected = [1, 2, 4, 8, 16, 30, 30].map(Some);
        assert_eq!(delays(&plan, 7), expected);
    }

    #[test]
    fn policies_without_growth() {
        let fixed = ReconnectPolicy::Fixed { delay: 3 * SECOND };
        let twice = plan(fixed.clone(), Some(2));
        assert_eq!(delays(&twice, 4), [Some(3), Some(3), None, None]);
        assert_eq!(delays(&plan(ReconnectPolicy::None, None), 1), [None]);
        assert_eq!(delays(&plan(fixed, Some(0)), 1), [None]);
    }

    #[test]
    fn only_a_stable_connection_resets() {
        let plan = plan(doubling(), Some(3));
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
        for (name, delay, asked, expected) in [
            ("exponential", 1, None, 1),
            ("exponential", 1, Some(0), 1),
            ("exponential", 1, Some(7), 7),
            ("exponential", 8, Some(7), 8),
            ("exponential", 1, Some(3600), 30),
            ("exponential", 1, Some(u64::MAX), 30),
            ("stompjs", 1, Some(2), 2),
            ("stompjs", 1, Some(3600), 5),
            ("none", 0, Some(3600), 0),
        ] {
            let asked = asked.map(Duration::from_secs);
            let plan = preset(name).unwrap();
            let delay = respecting(delay * SECOND, asked, &plan);
            assert_eq!(delay, expected * SECOND, "{name} {asked:?}");
        }
    }

    #[test]
    fn huge_numbers_of_attempts_stay_at_the_cap() {
        let mut rng = fastrand::Rng::with_seed(1);
        for name in NAMES {
            let plan = Reconnect {
                max_attempts: None,
                ..preset(name).unwrap()
            };
            let capped = match plan.policy {
                ReconnectPolicy::None => continue,
                // These two have no cap: graphql-ws gives up before it matters.
                _ if ["slack", "graphql-ws"].contains(&name) => false,
                _ => true,
            };
            let mut backoff = Backoff {
                attempts: u32::MAX - 1,
                previous: Duration::MAX,
                once: None,
            };
            for _ in 0..3 {
                let wait = backoff.next(&plan, &mut rng).unwrap();
                assert!(!capped || wait <= 144 * SECOND, "{name}: {wait:?}");
            }
            assert_eq!(backoff.attempts(), u32::MAX, "{name}");
        }
    }

    #[test]
    fn full_jitter_waits_half_as_long_on_average() {
        let draws = 10_000;
        let plan = Reconnect {
            jitter: FULL,
            ..plan(ReconnectPolicy::Fixed { delay: 8 * SECOND }, None)
        };
        let mut rng = fastrand::Rng::with_seed(42);
        let mut backoff = Backoff::default();
        let mut draw = |_| backoff.next(&plan, &mut rng).unwrap().as_secs_f64();
        let mean = (0..draws).map(&mut draw).sum::<f64>() / f64::from(draws);
        // Four standard errors of U(0, 8): 4 x 8 / sqrt(12 x 10,000) = 0.092.
        assert!((mean - 4.0).abs() < 0.092, "{mean}");
    }

    /// backo2 with jitter 0.5, worked by hand: sign by the first decimal, size by the draw.
    #[test]
    fn backo2_takes_sign_and_size_from_one_draw() {
        for (draw, factor) in [
            (0.0, 1.0),
            (0.05, 0.975),
            (0.15, 1.075),
            (0.85, 0.575),
            (0.95, 1.475),
        ] {
            assert!((backo2(draw) - factor).abs() < 1e-12, "{draw}");
        }
    }

    proptest! {
        /// wait = min(max_wait, base x U(low, high) + U(added)), whatever the numbers are.
        #[test]
        fn every_wait_keeps_its_bounds(
            seed: u64,
            base in 1..5000_u64,
            growth in 1.0..10.0_f64,
            cap in 5000..60_000_u64,
            low in 0.0..2.0_f64,
            width in 0.001..2.0_f64,
            added in (0..2000_u64, 0..2000_u64),
            max_wait in proptest::option::of(1..90_000_u64),
            which in 0..4_usize,
            spread in 0..4_usize,
        ) {
            let millis = Duration::from_millis;
            let policy = match which {
                0 => ReconnectPolicy::Fixed { delay: millis(base) },
                1 => ReconnectPolicy::Linear { step: millis(base) },
                2 => ReconnectPolicy::List { delays: vec![millis(0), millis(base), millis(cap)].into() },
                _ => ReconnectPolicy::Exponential { initial: millis(base), factor: growth, max_delay: millis(cap) },
            };
            let factors = Factors::new(low, low + width);
            let (jitter, factors) = match spread {
                0 => (Jitter::NONE, Factors::ONE),
                1 => (Jitter::Each(factors), factors),
                2 => (Jitter::Once(factors), factors),
                _ => (Jitter::FirstThen(Factors::ONE, factors), factors),
            };
            let plan = Reconnect {
                jitter,
                added: (millis(added.0), millis(added.0 + added.1)),
                max_wait: max_wait.map(millis),
                ..plan(policy, None)
            };
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut backoff = Backoff::default();
            for n in 0..40_u32 {
                let v = match which {
                    0 => base as f64,
                    1 => base as f64 * f64::from(n + 1),
                    2 => [0.0, base as f64, cap as f64][n.min(2) as usize],
                    _ => (base as f64 * growth.powi(n as i32)).min(cap as f64),
                };
                let factors = if spread == 3 && n == 0 { Factors::ONE } else { factors };
                let most = max_wait.map_or(f64::MAX, |most| most as f64);
                let shortest = (v * factors.low + added.0 as f64).min(most);
                let longest = (v * factors.high + (added.0 + added.1) as f64).min(most);
                let wait = backoff.next(&plan, &mut rng).unwrap().as_secs_f64() * 1e3;
                prop_assert!(
                    (shortest - 1e-4..=longest + 1e-4).contains(&wait),
                    "{n}: {shortest} {wait} {longest} {plan:?}"
                );
            }
        }

        #[test]
        fn decorrelated_jitter_keeps_its_bounds(seed: u64, initial in 1..5000_u64, cap in 5000..60_000_u64) {
            let (initial, cap) = (Duration::from_millis(initial), Duration::from_millis(cap));
            let plan = plan(ReconnectPolicy::Decorrelated { initial, max_delay: cap }, None);
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut backoff = Backoff::default();
            let mut previous = initial;
            for n in 0..40 {
                let delay = backoff.next(&plan, &mut rng).unwrap();
                let longest = (previous * 3).min(cap);
                prop_assert!(initial <= delay && delay <= longest, "{n}: {delay:?} {longest:?}");
                previous = delay;
            }
        }
    }
}
