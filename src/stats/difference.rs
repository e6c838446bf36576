//! The difference of two sets of independent values, and how sure it is.
//!
//! Welch's unequal-variances t (Biometrika 1947) for two sets, Student's paired t for rounds in which
//! both sides ran next to each other. Both are exact for normal values and hold up well for others
//! once there are a few of them; logarithms of quantiles of separate runs are close to normal.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::blocks::{average, variance};

/// A difference (of logarithms: a ratio) with its uncertainty.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Candidate less base.
    pub value: f64,
    /// Standard error of `value`.
    pub error: f64,
    /// Degrees of freedom behind `error`.
    pub freedom: f64,
}

impl Difference {
    /// Of two independent sets. `None` unless both have two values or more.
    pub fn of_sets(base: &[f64], candidate: &[f64]) -> Option<Self> {
        let (a, b) = (variance(base)?, variance(candidate)?);
        let (n, m) = (base.len() as f64, candidate.len() as f64);
        let value = average(candidate) - average(base);
        Some(Self::of_means(value, (a / n, n - 1.0), (b / m, m - 1.0)))
    }

    /// Of pairs taken next to each other. `None` for fewer than two pairs.
    pub fn of_pairs(pairs: &[(f64, f64)]) -> Option<Self> {
        let differences: Vec<f64> = pairs.iter().map(|(a, b)| b - a).collect();
        let count = differences.len() as f64;
        Some(Self {
            value: average(&differences),
            error: (variance(&differences)? / count).sqrt(),
            freedom: count - 1.0,
        })
    }

    /// A single new value against a set of earlier ones: what the next run of the same thing may show
    /// (a prediction interval). `None` unless the set has two values or more.
    pub fn of_one(base: &[f64], candidate: f64) -> Option<Self> {
        let count = base.len() as f64;
        Some(Self {
            value: candidate - average(base),
            error: (variance(base)? * (1.0 + 1.0 / count)).sqrt(),
            freedom: count - 1.0,
        })
    }

    /// Of two means, each with (variance of the mean, degrees of freedom): Welch and Satterthwaite.
    pub fn of_means(value: f64, base: (f64, f64), candidate: (f64, f64)) -> Self {
        let ((a, n), (b, m)) = (base, candidate);
        let sum = a + b;
        let parts = a * a / n + b * b / m;
        Self {
            value,
            error: sum.sqrt(),
            freedom: if parts > 0.0 {
                sum * sum / parts
            } else {
                n + m
            },
        }
    }

    /// The interval that holds the true difference with `confidence` (0.95: of a hundred such
    /// intervals, about five do not).
    pub fn interval(&self, confidence: f64) -> (f64, f64) {
        let half = quantile(0.5 + confidence / 2.0, self.freedom) * self.error;
        (self.value - half, self.value + half)
    }

    /// How likely a difference at least this large is when the true one is at most `limit`
    /// (one-sided p of "it is larger than `limit`").
    pub fn p_above(&self, limit: f64) -> f64 {
        tail((self.value - limit) / self.error, self.freedom)
    }

    /// The same for "it is smaller than `limit`".
    pub fn p_below(&self, limit: f64) -> f64 {
        tail((limit - self.value) / self.error, self.freedom)
    }

    /// The smallest true difference beyond `limit` that such data show with probability `power`, when
    /// `level` (one-sided) is asked for.
    pub fn detectable(&self, limit: f64, level: f64, power: f64) -> f64 {
        let (asked, found) = (
            quantile(1.0 - level, self.freedom),
            quantile(power, self.freedom),
        );
        limit + (asked + found) * self.error
    }
}

/// P(T > t).
fn tail(t: f64, freedom: f64) -> f64 {
    // Without any noise a difference is there or it is not.
    if t.is_nan() {
        return 1.0;
    }
    distribution(freedom).map_or(1.0, |d| 1.0 - d.cdf(t))
}

fn quantile(share: f64, freedom: f64) -> f64 {
    distribution(freedom).map_or(f64::INFINITY, |d| d.inverse_cdf(share))
}

/// Student's t; `None` without any degree of freedom.
fn distribution(freedom: f64) -> Option<StudentsT> {
    StudentsT::new(0.0, 1.0, freedom).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_agree_with_published_tables() {
        // t(0.975) of 9 and of 4 degrees of freedom.
        for (freedom, t) in [(9.0, 2.262), (4.0, 2.776), (1e6, 1.960)] {
            let difference = Difference {
                value: 1.0,
                error: 1.0,
                freedom,
            };
            let (low, high) = difference.interval(0.95);
            assert!((high - 1.0 - t).abs() < 0.001, "{freedom}: {high}");
            assert!((1.0 - low - t).abs() < 0.001);
        }
    }

    #[test]
    fn welch_agrees_with_a_worked_example() {
        // scipy.stats.ttest_ind(b, a, equal_var=False).confidence_interval(0.95) gives t = 1.92639,
        // p = 0.064677, 26.917 degrees of freedom, -0.144033 to 4.557366.
        let a = [
            27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7,
            21.4,
        ];
        let b = [
            27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 30.5,
            15.0,
        ];
        let difference = Difference::of_sets(&a, &b).expect("enough values");
        let p = 2.0 * difference.p_above(0.0);
        let t = difference.value / difference.error;
        assert!((t - 1.926_387).abs() < 1e-6, "{t}");
        assert!((p - 0.064_677).abs() < 1e-5, "{p}");
        let (low, high) = difference.interval(0.95);
        assert!((low + 0.144_033).abs() < 1e-4, "{low}");
        assert!((high - 4.557_366).abs() < 1e-4, "{high}");
    }

    #[test]
    fn the_true_difference_is_missed_as_often_as_promised() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut normal = move || (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
        let mut missed = 0;
        for _ in 0..2_000 {
            let base: Vec<f64> = (0..5).map(|_| normal()).collect();
            let candidate: Vec<f64> = (0..8).map(|_| 3.0 * normal() + 1.0).collect();
            let difference = Difference::of_sets(&base, &candidate).expect("enough");
            let (low, high) = difference.interval(0.95);
            missed += u32::from(!(low..=high).contains(&1.0));
        }
        assert!((60..150).contains(&missed), "{missed} of 2,000");
    }

    #[test]
    fn without_noise_a_difference_is_certain_and_none_is_none() {
        let same = Difference::of_sets(&[1.0, 1.0], &[1.0, 1.0]).expect("enough");
        assert_eq!(same.p_above(0.0), 1.0);
        let more = Difference::of_sets(&[1.0, 1.0], &[2.0, 2.0]).expect("enough");
        assert_eq!((more.p_above(0.5), more.p_above(1.5)), (0.0, 1.0));
    }

    #[test]
    fn one_new_value_may_lie_as_far_off_as_the_earlier_ones_do() {
        // Variance 1, four values: the next one has sqrt(1 + 1/4) around their mean.
        let spread = (0.75_f64).sqrt();
        let base = [10.0 - spread, 10.0 + spread, 10.0 - spread, 10.0 + spread];
        let difference = Difference::of_one(&base, 13.0).expect("enough values");
        assert!((difference.value - 3.0).abs() < 1e-9, "{difference:?}");
        assert!(
            (difference.error - 1.25_f64.sqrt()).abs() < 1e-9,
            "{difference:?}"
        );
        assert!((difference.freedom - 3.0).abs() < 1e-9, "{difference:?}");
    }

    #[test]
    fn pairs_see_through_a_drift_that_both_share() {
        let drift = [0.0, 5.0, 1.0, 9.0, 3.0];
        let pairs: Vec<_> = drift
            .iter()
            .zip([0.10, 0.12, 0.09, 0.11, 0.10])
            .map(|(d, more)| (*d, d + more))
            .collect();
        let paired = Difference::of_pairs(&pairs).expect("enough");
        assert!(paired.p_above(0.05) < 0.001);
        let (base, candidate): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let unpaired = Difference::of_sets(&base, &candidate).expect("enough");
        assert!(unpaired.p_above(0.05) > 0.4);
    }
}
