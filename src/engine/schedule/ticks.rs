//! When the messages of a scheduled step are due.
//!
//! Fixed: every client ticks on a grid of its own, so the messages of all clients are spread evenly over a
//! period whatever moment each client connected at. Poisson: exponential gaps with the period as their
//! mean. Either way integer nanoseconds from start to end: no drift, and nothing the server does counts.

use std::time::Duration;

use crate::clock::Offset;
use crate::scenario::{Schedule, ScheduleKind};

/// The due times of one step of one client, an iterator in rising order.
///
/// Bounded by the schedule's `count`, which skipped messages use up too.
#[derive(Clone, Debug)]
pub struct Ticks {
    next: u64,
    period: u64,
    left: u64,
    gaps: Option<fastrand::Rng>,
    /// Messages in each period; more than one while a burst lasts.
    burst: u32,
    /// Which of them is next.
    part: u32,
}

impl Ticks {
    /// For a client that reached the step at `start`.
    ///
    /// A fixed schedule's first tick is the first instant from `start` on that is `phase` (see [`phase`])
    /// past a multiple of the period. A Poisson schedule's first tick is one gap after `start`; `seed`
    /// decides its gaps and must differ between clients.
    pub fn new(schedule: &Schedule, start: Offset, phase: Duration, seed: u64) -> Self {
        let period = Offset::from(schedule.period).nanos().max(1);
        let mut ticks = Self {
            next: start.nanos(),
            period,
            left: schedule.count.unwrap_or(u64::MAX),
            gaps: None,
            burst: 1,
            part: 0,
        };
        match schedule.kind {
            ScheduleKind::Fixed => {
                let phase = Offset::from(phase).nanos() % period;
                let behind = start.nanos() % period;
                let wait = if phase >= behind {
                    phase - behind
                } else {
                    period - (behind - phase)
                };
                ticks.next = ticks.next.saturating_add(wait);
            }
            ScheduleKind::Poisson => {
                ticks.gaps = Some(fastrand::Rng::with_seed(seed));
                ticks.step();
            }
        }
        ticks
    }

    /// When the next message is due; `None` after the last.
    pub fn peek(&self) -> Option<Offset> {
        (self.left > 0).then(|| Offset::from_nanos(self.next.saturating_add(self.within())))
    }

    /// Sends `factor` messages in each period from now on, evenly; 1 ends it. The grid stays.
    pub fn set_burst(&mut self, factor: u32) {
        let factor = factor.max(1);
        if factor == self.burst {
            return;
        }
        if self.part > 0 {
            self.part = 0;
            self.step();
        }
        self.burst = factor;
    }

    /// How far into the period the next message is due.
    fn within(&self) -> u64 {
        match self.gaps {
            None => self.period / u64::from(self.burst) * u64::from(self.part),
            Some(_) => 0,
        }
    }

    /// Leaves out every message due before `at`; returns how many.
    pub fn skip_until(&mut self, at: Offset) -> u64 {
        let mut skipped = 0;
        if self.gaps.is_none() && self.burst == 1 {
            let behind = at.nanos().saturating_sub(self.next);
            skipped = behind.div_ceil(self.period).min(self.left);
            self.left -= skipped;
            self.next = self
                .next
                .saturating_add(skipped.saturating_mul(self.period));
        }
        while self.peek().is_some_and(|due| due < at) {
            self.next();
            skipped += 1;
        }
        skipped
    }

    fn step(&mut self) {
        let gap = match &mut self.gaps {
            None => self.period,
            Some(rng) => {
                let mean = self.period as f64 / f64::from(self.burst);
                (exponential(rng) * mean).round() as u64
            }
        };
        self.next = self.next.saturating_add(gap);
    }
}

impl Iterator for Ticks {
    type Item = Offset;

    fn next(&mut self) -> Option<Offset> {
        let due = self.peek()?;
        self.left -= 1;
        self.part += 1;
        if self.gaps.is_some() || self.part >= self.burst {
            self.part = 0;
            self.step();
        }
        Some(due)
    }
}

/// An exponential draw with mean 1, never infinite: the uniform draw is in (0, 1].
pub(super) fn exponential(rng: &mut fastrand::Rng) -> f64 {
    -(1.0 - rng.f64()).ln()
}

/// Where in a period a client's step ticks: in `[0, period)`.
///
/// Golden-ratio steps through the period (and another irrational from step to step), so that the first n
/// clients are spread evenly for every n, and so is every k-th client, which is what a shard holds.
pub fn phase(period: Duration, client: u64, step: u64) -> Duration {
    // 2^64 / golden ratio, and 2^64 / plastic number.
    const CLIENT: u64 = 0x9E37_79B9_7F4A_7C15;
    const STEP: u64 = 0xC13F_A9A9_02A6_328F;
    let turn = client
        .wrapping_mul(CLIENT)
        .wrapping_add(step.wrapping_mul(STEP));
    let nanos = (u128::from(Offset::from(period).nanos()) * u128::from(turn)) >> 64;
    Duration::from_nanos(nanos as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn schedule(kind: ScheduleKind, count: Option<u64>) -> Schedule {
        Schedule {
            period: SECOND,
            kind,
            skip_after: None,
            count,
        }
    }

    fn ms(millis: u64) -> Offset {
        Offset::from(Duration::from_millis(millis))
    }

    #[test]
    fn fixed_ticks_keep_to_the_clients_grid() {
        let fixed = schedule(ScheduleKind::Fixed, None);
        let phase = Duration::from_millis(300);
        for (start, first) in [(0, 300), (300, 300), (301, 1300), (5250, 5300)] {
            let ticks = Ticks::new(&fixed, ms(start), phase, 0);
            let expected = [ms(first), ms(first + 1000), ms(first + 2000)];
            assert_eq!(ticks.take(3).collect::<Vec<_>>(), expected, "from {start}");
        }
    }

    #[test]
    fn a_billion_ticks_do_not_drift() {
        let third = Schedule {
            period: Duration::from_nanos(333_333_333),
            ..schedule(ScheduleKind::Fixed, None)
        };
        let mut ticks = Ticks::new(&third, Offset::ZERO, Duration::ZERO, 0);
        let billionth = Offset::from_nanos(333_333_333 * 1_000_000_000);
        assert_eq!(ticks.skip_until(billionth), 1_000_000_000);
        assert_eq!(ticks.next(), Some(billionth));
    }

    #[test]
    fn the_count_bounds_sent_and_skipped_together() {
        for kind in [ScheduleKind::Fixed, ScheduleKind::Poisson] {
            let mut ticks = Ticks::new(&schedule(kind, Some(5)), Offset::ZERO, Duration::ZERO, 3);
            assert!(ticks.next().is_some());
            assert_eq!(ticks.skip_until(Offset::MAX), 4);
            assert_eq!((ticks.peek(), ticks.next()), (None, None));
        }
    }

    #[test]
    fn skipping_leaves_what_is_due_at_the_instant() {
        let mut ticks = Ticks::new(
            &schedule(ScheduleKind::Fixed, None),
            ms(0),
            Duration::ZERO,
            0,
        );
        assert_eq!(ticks.skip_until(ms(2000)), 2);
        assert_eq!(ticks.skip_until(ms(2001)), 1);
        assert_eq!(ticks.skip_until(ms(100)), 0);
        assert_eq!(ticks.peek(), Some(ms(3000)));
    }

    #[test]
    fn poisson_gaps_are_exponential() {
        let ticks = Ticks::new(&schedule(ScheduleKind::Poisson, None), ms(0), SECOND, 11);
        let due: Vec<f64> = ticks.take(10_001).map(Offset::secs_f64).collect();
        let gaps: Vec<f64> = due.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let mean = gaps.iter().sum::<f64>() / 1e4;
        let long = gaps.iter().filter(|gap| **gap > 1.0).count();
        assert!((mean - 1.0).abs() < 0.04, "{mean}");
        assert!(
            (3480..3880).contains(&long),
            "1/e of the gaps exceed the mean: {long}"
        );
    }

    #[test]
    fn any_number_of_clients_is_spread_evenly() {
        for (stride, clients) in [(1, 10), (1, 1000), (2, 500), (7, 333), (50, 200)] {
            let phases = (0..clients).map(|i| phase(SECOND, i * stride, 0));
            let mut phases: Vec<Duration> = phases.collect();
            phases.sort_unstable();
            let wrap = SECOND - phases[phases.len() - 1] + phases[0];
            let gaps = phases.windows(2).map(|pair| pair[1] - pair[0]);
            let widest = gaps.chain([wrap]).max().unwrap();
            let even = SECOND / u32::try_from(clients).unwrap();
            assert!(
                widest < 6 * even,
                "every {stride}th of {clients}: {widest:?}"
            );
        }
        assert_ne!(phase(SECOND, 1, 0), phase(SECOND, 1, 1));
    }

    proptest! {
        #[test]
        fn skipping_equals_walking(start: u32, jump: u32, poisson: bool, seed: u64, count in 0..300_u64) {
            let kind = if poisson { ScheduleKind::Poisson } else { ScheduleKind::Fixed };
            let plan = Schedule { period: Duration::from_nanos(40_000_000), ..schedule(kind, Some(count)) };
            let start = Offset::from_nanos(start.into());
            let at = start + Duration::from_nanos(jump.into());
            let mut ticks = Ticks::new(&plan, start, phase(plan.period, seed, 0), seed);
            let walked: Vec<Offset> = ticks.clone().collect();
            prop_assert_eq!(walked.len() as u64, count);
            prop_assert!(walked.is_sorted() && walked.iter().all(|due| *due >= start));
            let skipped = ticks.skip_until(at);
            prop_assert_eq!(skipped, walked.iter().filter(|due| **due < at).count() as u64);
            prop_assert_eq!(ticks.next(), walked.get(skipped as usize).copied());
        }
    }
}
