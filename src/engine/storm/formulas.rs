//! The numbers of RELIABILITY 3.3, each a function of its own.

use std::f64::consts::TAU;
use std::time::Duration;

/// The cost of a refusal beside that of a handshake, unless measured: c.
pub const REFUSAL_COST: f64 = 0.1;

/// ceil(percent x clients / 100): how many of them make that share.
pub fn share_of(clients: u64, percent: u64) -> u64 {
    (clients * percent).div_ceil(100)
}

/// Var/Mean (population) over the bins: 1 for independent clients, N for N in one bin of many. `None`
/// without attempts.
pub fn fano(bins: &[u32]) -> Option<f64> {
    let k = bins.len() as f64;
    let sum = sum(bins);
    if sum == 0.0 {
        return None;
    }
    let mean = sum / k;
    let squares: f64 = bins.iter().map(|&n| (f64::from(n) - mean).powi(2)).sum();
    Some(squares / k / mean)
}

/// (sum p^2 - 1/k) / (1 - 1/k) with p the share of each bin: 0 even, 1 lockstep. One bin alone is
/// lockstep. `None` without attempts.
pub fn sync(bins: &[u32]) -> Option<f64> {
    let sum = sum(bins);
    if sum == 0.0 {
        return None;
    }
    if bins.len() == 1 {
        return Some(1.0);
    }
    let even = 1.0 / bins.len() as f64;
    let squares: f64 = bins.iter().map(|&n| (f64::from(n) / sum).powi(2)).sum();
    // Rounding may leave a hair below zero.
    Some(((squares - even) / (1.0 - even)).max(0.0))
}

fn sum(bins: &[u32]) -> f64 {
    bins.iter().map(|&n| f64::from(n)).sum()
}

/// |sum exp(2 pi i s/P)| / A over the attempts' starts s: 1 = all in phase with the period P.
#[derive(Clone, Copy, Debug, Default)]
pub struct InPhase {
    period: Duration,
    cosines: f64,
    sines: f64,
    attempts: u64,
}

impl InPhase {
    /// Of a period longer than zero.
    pub fn new(period: Duration) -> Self {
        Self {
            period,
            ..Self::default()
        }
    }

    /// An attempt that began so long after t = 0.
    pub fn add(&mut self, after: Duration) {
        let turns = after.as_secs_f64() / self.period.as_secs_f64();
        let (sine, cosine) = (TAU * turns.fract()).sin_cos();
        self.sines += sine;
        self.cosines += cosine;
        self.attempts += 1;
    }

    /// 0 to 1; `None` without attempts.
    pub fn length(&self) -> Option<f64> {
        let length = self.cosines.hypot(self.sines) / self.attempts as f64;
        (self.attempts > 0).then(|| length.min(1.0))
    }

    /// The period in seconds.
    pub fn period_s(&self) -> f64 {
        self.period.as_secs_f64()
    }
}

/// D + N_d / R in seconds; `None` when D is unknown or nothing succeeded.
pub fn floor_s(outage_s: Option<f64>, clients: u64, best_1s: u64) -> Option<f64> {
    let outage = outage_s.filter(|_| best_1s > 0)?;
    Some(outage + clients as f64 / best_1s as f64)
}

/// floor / T100.
pub fn efficiency(floor_s: Option<f64>, t100_s: Option<f64>) -> Option<f64> {
    let (floor, t100) = (floor_s?, t100_s.filter(|t100| *t100 > 0.0)?);
    Some(floor / t100)
}

/// (successes + wasted + c x refusals) / N_d.
pub fn amplification(succeeded: u64, wasted: u64, refusals: u64, clients: u64) -> f64 {
    let work = (succeeded + wasted) as f64 + REFUSAL_COST * refusals as f64;
    work / clients.max(1) as f64
}

/// The value that the share `q` of all is at most (nearest rank); 0 without values. Sorts.
pub fn nearest_rank(values: &mut [u64], q: f64) -> u64 {
    values.sort_unstable();
    let rank = (q * values.len() as f64 * (1.0 - 1e-12)).ceil() as usize;
    let index = rank.max(1) - 1;
    values.get(index).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(value: Option<f64>, expected: f64) -> bool {
        value.is_some_and(|value| (value - expected).abs() < 1e-9 * expected.abs().max(1.0))
    }

    #[test]
    fn spread_by_hand() {
        for (bins, expected_fano, expected_sync) in [
            // mean 2, variance (4 + 0 + 4) / 3; p = 0, 1/3, 2/3.
            (
                &[0, 2, 4][..],
                4.0 / 3.0,
                (5.0 / 9.0 - 1.0 / 3.0) / (2.0 / 3.0),
            ),
            (&[5, 5, 5, 5], 0.0, 0.0),
            (&[0, 0, 8, 0], 6.0, 1.0),
            (&[7], 0.0, 1.0),
            // mean 1.5, variance 0.25; p = 1/3, 2/3.
            (&[1, 2], 0.25 / 1.5, 2.0 * (5.0 / 9.0 - 0.5)),
        ] {
            assert!(
                near(fano(bins), expected_fano),
                "{bins:?}: {:?}",
                fano(bins)
            );
            assert!(
                near(sync(bins), expected_sync),
                "{bins:?}: {:?}",
                sync(bins)
            );
        }
        for bins in [&[][..], &[0, 0]] {
            assert_eq!((fano(bins), sync(bins)), (None, None));
        }
    }

    #[test]
    fn shares_are_rounded_up() {
        for (clients, percent, expected) in [
            (2000, 50, 1000),
            (2000, 99, 1980),
            (3, 50, 2),
            (3, 99, 3),
            (1, 50, 1),
            (150, 99, 149),
            (0, 50, 0),
        ] {
            assert_eq!(
                share_of(clients, percent),
                expected,
                "{percent} % of {clients}"
            );
        }
    }

    #[test]
    fn attempts_of_a_fixed_period_are_in_phase() {
        let phase = |starts: &[u64]| {
            let mut phase = InPhase::new(Duration::from_secs(1));
            for ms in starts {
                phase.add(Duration::from_millis(*ms));
            }
            phase.length()
        };
        assert_eq!(phase(&[]), None);
        assert!(near(phase(&[250, 1250, 7250]), 1.0));
        assert!(phase(&[0, 500]).unwrap() < 1e-9);
        // |1 + i| / 2.
        assert!(near(phase(&[0, 250]), 0.5_f64.sqrt()));
    }

    #[test]
    fn floor_efficiency_and_amplification_by_hand() {
        // RELIABILITY 3.4 C: down 3 s, 500/s, 2000 clients: 7 s; fixed 1 s took 19.2 s.
        assert!(near(floor_s(Some(3.0), 2000, 500), 7.0));
        assert!(near(efficiency(Some(7.0), Some(19.2)), 7.0 / 19.2));
        for (outage, best) in [(None, 500), (Some(3.0), 0)] {
            assert_eq!(floor_s(outage, 2000, best), None);
        }
        assert_eq!(efficiency(None, Some(1.0)), None);
        assert_eq!(efficiency(Some(1.0), None), None);
        assert!((amplification(2000, 500, 4000, 2000) - 1.45).abs() < 1e-12);
        assert!(amplification(0, 0, 0, 10).abs() < 1e-12);
    }

    #[test]
    fn ranks_by_hand() {
        let mut values: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(nearest_rank(&mut values, 0.99), 99);
        assert_eq!(nearest_rank(&mut values, 1.0), 100);
        assert_eq!(nearest_rank(&mut [3, 1], 0.5), 1);
        assert_eq!(nearest_rank(&mut [], 0.99), 0);
    }

    proptest! {
        #[test]
        fn a_herd_and_an_even_stream(n in 1u32..100_000, k in 2usize..500, place in 0usize..500) {
            let mut herd = vec![0; k];
            herd[place % k] = n;
            let even = vec![n; k];
            let expected = f64::from(n) * (1.0 - 1.0 / k as f64);
            prop_assert!(near(fano(&herd), expected));
            prop_assert!(near(sync(&herd), 1.0));
            prop_assert!(near(fano(&even), 0.0));
            prop_assert!(near(sync(&even), 0.0));
        }

        #[test]
        fn sync_lies_between(bins in prop::collection::vec(0u32..1000, 2..100)) {
            if let Some(sync) = sync(&bins) {
                prop_assert!((0.0..=1.0 + 1e-9).contains(&sync));
            }
        }
    }
}
