//! Finds the load at which a generator begins to lie: up in a geometric series until it does, then by
//! halves (of the ratio) until the two sides are close.

/// How hard to look.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// The first load, in messages a second.
    pub start: u64,
    /// From one load of the series to the next.
    pub factor: f64,
    /// Not below this.
    pub floor: u64,
    /// Not above this.
    pub cap: u64,
    /// Close enough: the lying load is at most so many times the honest one.
    pub precision: f64,
    /// Most loads that are tried, second attempts included.
    pub most_points: usize,
    /// Most loads that get a second attempt. Noise makes an honest generator late, never a late one
    /// honest: of two attempts the better one counts.
    pub retries: usize,
}

/// A search under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Search {
    shape: Shape,
    tried: Vec<(u64, bool)>,
}

/// Where a search has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The highest load under which the generator was honest.
    pub honest: Option<u64>,
    /// The lowest load above it under which it lied.
    pub lying: Option<u64>,
    /// Loads under which it lied once and was honest at the second attempt.
    pub disturbed: usize,
}

impl Search {
    /// Nothing tried yet.
    pub const fn new(shape: Shape) -> Self {
        Self {
            shape,
            tried: Vec::new(),
        }
    }

    /// The load to try next; `None` when there is no more to find out.
    pub fn next(&self) -> Option<u64> {
        let Shape {
            start,
            factor,
            floor,
            cap,
            precision,
            most_points,
            retries,
        } = self.shape;
        if self.tried.len() >= most_points {
            return None;
        }
        if let Some(&(rate, false)) = self.tried.last()
            && self.attempts(rate) == 1
            && self.retries() < retries
        {
            return Some(rate);
        }
        let found = self.found();
        match (found.honest, found.lying) {
            (None, None) => Some(start.clamp(floor, cap)),
            (Some(honest), None) if honest < cap => Some(scaled(honest, factor).min(cap)),
            (None, Some(lying)) if lying > floor => Some(scaled(lying, 1.0 / factor).max(floor)),
            (Some(honest), Some(lying)) => {
                let middle = round((honest as f64 * lying as f64).sqrt());
                let close = lying as f64 <= precision * honest as f64;
                (!close && honest < middle && middle < lying).then_some(middle)
            }
            _ => None,
        }
    }

    /// Takes note of what a load came to.
    pub fn add(&mut self, rate: u64, honest: bool) {
        self.tried.push((rate, honest));
    }

    /// What is known so far.
    pub fn found(&self) -> Found {
        let honest = self.tried.iter().filter(|(_, honest)| *honest);
        let honest = honest.map(|(rate, _)| *rate).max();
        let lying = self.tried.iter().map(|(rate, _)| *rate);
        let lying = lying.filter(|rate| honest.is_none_or(|honest| *rate > honest));
        let second = |&&(rate, honest): &&(u64, bool)| honest && self.attempts(rate) > 1;
        Found {
            honest,
            lying: lying.min(),
            disturbed: self.tried.iter().filter(second).count(),
        }
    }

    fn attempts(&self, rate: u64) -> usize {
        self.tried
            .iter()
            .filter(|(tried, _)| *tried == rate)
            .count()
    }

    fn retries(&self) -> usize {
        let pairs = self.tried.windows(2);
        pairs.filter(|pair| pair[0].0 == pair[1].0).count()
    }
}

fn scaled(rate: u64, factor: f64) -> u64 {
    round(rate as f64 * factor)
}

/// To two digits: a limit of 47,318 messages/s would claim too much.
fn round(rate: f64) -> u64 {
    let digits = rate.max(1.0).log10().floor() as i32 - 1;
    let step = 10f64.powi(digits.max(0));
    ((rate / step).round() * step).max(1.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape {
        start: 5_000,
        factor: 2.0,
        floor: 100,
        cap: 1_000_000,
        precision: 1.1,
        most_points: 20,
        retries: 3,
    };

    /// Searches a simulated generator; `honest(rate, attempt)`, where attempts count from 1.
    fn search(shape: Shape, honest: impl Fn(u64, usize) -> bool) -> (Found, Vec<u64>) {
        let mut search = Search::new(shape);
        while let Some(rate) = search.next() {
            let attempt = search.attempts(rate) + 1;
            search.add(rate, honest(rate, attempt));
        }
        let tried = search.tried.iter().map(|(rate, _)| *rate).collect();
        (search.found(), tried)
    }

    #[test]
    fn a_knee_is_found_from_both_sides() {
        for knee in [100, 130, 990, 4_999, 5_000, 5_001, 33_333, 77_000, 999_999] {
            let (found, tried) = search(SHAPE, |rate, _| rate <= knee);
            let (honest, lying) = (found.honest.expect("some"), found.lying.expect("some"));
            assert!(honest <= knee && knee < lying, "{knee}: {found:?}");
            assert!(lying as f64 <= 1.11 * honest as f64, "{knee}: {found:?}");
            assert!(tried.len() <= 16, "{knee}: {tried:?}");
        }
    }

    #[test]
    fn the_series_goes_up_and_the_ratio_is_halved() {
        let (found, tried) = search(SHAPE, |rate, _| rate < 30_000);
        let expected = [
            5_000, 10_000, 20_000, 40_000, 40_000, 28_000, 33_000, 33_000, 30_000, 30_000,
        ];
        assert_eq!(tried, expected);
        assert_eq!((found.honest, found.lying), (Some(28_000), Some(30_000)));
        assert_eq!(found.disturbed, 0);
    }

    #[test]
    fn without_a_knee_below_the_cap_the_cap_is_honest() {
        let (found, tried) = search(SHAPE, |_, _| true);
        assert_eq!((found.honest, found.lying), (Some(1_000_000), None));
        assert_eq!(tried.last(), Some(&1_000_000));
    }

    #[test]
    fn a_generator_that_always_lies_is_followed_to_the_floor() {
        let (found, tried) = search(SHAPE, |_, _| false);
        assert_eq!((found.honest, found.lying), (None, Some(100)));
        assert!(tried.len() < 20, "{tried:?}");
    }

    #[test]
    fn noise_that_passes_moves_no_limit() {
        // Every first attempt at these is disturbed.
        let noisy = [5_000, 20_000];
        let quiet = search(SHAPE, |rate, _| rate <= 50_000).0;
        let (found, _) = search(SHAPE, |rate, attempt| {
            rate <= 50_000 && (attempt > 1 || !noisy.contains(&rate))
        });
        assert_eq!(found.honest, quiet.honest);
        assert_eq!(found.disturbed, 2);
    }

    #[test]
    fn points_and_second_attempts_are_bounded() {
        let few = Shape {
            most_points: 4,
            retries: 1,
            ..SHAPE
        };
        for knee in [0, 1_000, 12_000, 2_000_000] {
            let (_, tried) = search(few, |rate, _| rate <= knee);
            assert!(tried.len() <= 4, "{tried:?}");
        }
        let none = Shape {
            retries: 0,
            ..SHAPE
        };
        let (_, tried) = search(none, |rate, _| rate <= 12_000);
        let mut once = tried.clone();
        once.dedup();
        assert_eq!(tried, once);
    }
}
