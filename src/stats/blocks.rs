//! The spread of the mean of a series whose neighbours depend on each other.
//!
//! The method of batch means with the batch length chosen from the data: the series is cut into
//! blocks of twice the integrated autocorrelation time, whose means are nearly independent (Geyer,
//! *Practical Markov Chain Monte Carlo*, Statistical Science 1992; Flegal and Jones, *Batch means and
//! spectral variance estimators*, Annals of Statistics 2010).

/// Fewer blocks than this say nothing about a spread.
const FEWEST: usize = 4;

/// A mean and how far it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// Of all values.
    pub mean: f64,
    /// Variance of the mean itself (not of the values).
    pub variance: f64,
    /// Blocks behind it; degrees of freedom are one less.
    pub blocks: usize,
    /// Values in a block.
    pub length: usize,
}

/// The mean of a series in time order; `None` for fewer than four blocks' worth of values.
pub fn mean(series: &[f64]) -> Option<Mean> {
    let longest = series.len() / FEWEST;
    if longest == 0 {
        return None;
    }
    let wanted = (2.0 * autocorrelation_time(series)).ceil() as usize;
    let length = wanted.clamp(1, longest);
    let means: Vec<f64> = series.chunks_exact(length).map(average).collect();
    let variance = variance(&means)? / means.len() as f64;
    Some(Mean {
        mean: average(series),
        variance,
        blocks: means.len(),
        length,
    })
}

/// The integrated autocorrelation time in values: 1 for independent ones, about how many neighbours
/// say the same thing otherwise. Geyer's initial positive sequence.
pub fn autocorrelation_time(series: &[f64]) -> f64 {
    let count = series.len();
    let mean = average(series);
    let covariance = |lag: usize| -> f64 {
        let pairs = series.iter().zip(&series[lag..]);
        pairs.map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>() / count as f64
    };
    let zero = covariance(0);
    if count < 4 || zero <= f64::EPSILON * mean * mean {
        return 1.0;
    }
    let mut time = -1.0;
    // Sums of neighbouring pairs are positive for a reversible chain: the first that is not is noise.
    for lag in (0..count / 2).step_by(2) {
        let pair = (covariance(lag) + covariance(lag + 1)) / zero;
        if pair <= 0.0 {
            break;
        }
        time += 2.0 * pair;
    }
    time.max(1.0)
}

/// The arithmetic mean; zero of nothing.
pub fn average(values: &[f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.iter().sum::<f64>() / values.len() as f64
}

/// The sample variance; `None` for fewer than two values.
pub fn variance(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let mean = average(values);
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    Some(squares / (values.len() - 1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An autoregressive series: each value keeps `memory` of the one before it.
    fn series(memory: f64, count: usize, seed: u64) -> Vec<f64> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut last = 0.0;
        (0..count)
            .map(|_| {
                // Sum of twelve uniform draws less six: normal enough.
                let noise = (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
                last = memory * last + noise;
                last
            })
            .collect()
    }

    #[test]
    fn dependence_is_measured() {
        // The true time of such a series is (1 + memory) / (1 - memory).
        for (memory, low, high) in [(0.0, 1.0, 1.4), (0.5, 2.3, 3.8), (0.9, 13.0, 26.0)] {
            let times: Vec<f64> = (0..20)
                .map(|seed| autocorrelation_time(&series(memory, 4_000, seed)))
                .collect();
            let time = average(&times);
            assert!((low..high).contains(&time), "{memory}: {time}");
        }
        assert_eq!(autocorrelation_time(&[3.0; 50]), 1.0);
    }

    #[test]
    fn a_dependent_series_has_a_less_certain_mean() {
        // How often the true mean, 0, lies within 2.1 standard errors.
        let covered = |memory: f64| {
            let hits = (0..400).filter(|&seed| {
                let mean = mean(&series(memory, 600, seed)).expect("long enough");
                mean.mean.abs() < 2.1 * mean.variance.sqrt()
            });
            hits.count() as f64 / 400.0
        };
        for memory in [0.0, 0.6, 0.85] {
            let share = covered(memory);
            assert!((0.88..=0.99).contains(&share), "{memory}: {share}");
        }
    }

    #[test]
    fn a_short_series_says_nothing() {
        assert_eq!(mean(&[1.0, 2.0, 3.0]), None);
        assert_eq!(variance(&[1.0]), None);
        assert!(mean(&[1.0, 2.0, 1.0, 2.0]).is_some());
    }
}
