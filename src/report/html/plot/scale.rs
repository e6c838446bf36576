//! From values to places on a chart, and the values worth a tick.

/// Most ticks of an axis.
const TICKS: f64 = 6.0;

/// An axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    low: f64,
    high: f64,
    log: bool,
    from: f64,
    to: f64,
}

impl Scale {
    /// From zero (or below) to a round number above the highest.
    pub fn from_zero(highest: f64, from: f64, to: f64) -> Self {
        let highest = if highest > 0.0 { highest } else { 1.0 };
        let step = step(highest);
        let high = (highest / step).ceil() * step;
        Self::exact(0.0, high, from, to)
    }

    /// Between two values, as they are.
    pub fn exact(low: f64, high: f64, from: f64, to: f64) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Self {
            low,
            high,
            log: false,
            from,
            to,
        }
    }

    /// Logarithmic, wide enough for both values.
    pub fn log(lowest: f64, highest: f64, from: f64, to: f64) -> Self {
        let low = round_down(lowest.max(1e-6));
        let high = round_up(highest.max(low * 2.0));
        Self {
            low,
            high,
            log: true,
            from,
            to,
        }
    }

    /// The place of a value; those beyond the ends lie at the end.
    pub fn at(&self, value: f64) -> f64 {
        let share = if self.log {
            (value.max(self.low) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        self.from + share.clamp(0.0, 1.0) * (self.to - self.from)
    }

    /// Whether a value lies between the ends.
    pub fn holds(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Values to write at the axis.
    pub fn ticks(&self) -> Vec<f64> {
        if self.log {
            self.decades()
        } else {
            self.even()
        }
    }

    fn even(&self) -> Vec<f64> {
        let step = step(self.high - self.low);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        (first..=last).map(|n| n as f64 * step).collect()
    }

    fn decades(&self) -> Vec<f64> {
        let decades = (self.high / self.low).log10();
        let steps: &[f64] = if decades <= 2.0 {
            &[1.0, 2.0, 5.0]
        } else {
            &[1.0]
        };
        let first = self.low.log10().floor() as i32;
        let last = self.high.log10().ceil() as i32;
        let all =
            (first..=last).flat_map(|power| steps.iter().map(move |s| s * 10_f64.powi(power)));
        let inside = |value: &f64| *value >= self.low * 0.999 && *value <= self.high * 1.001;
        all.filter(inside).collect()
    }
}

/// 1, 2 or 5 times a power of ten: at most [`TICKS`] of them.
fn step(range: f64) -> f64 {
    let rough = range / TICKS;
    let power = 10_f64.powf(rough.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let fits = |step: &f64| *step >= rough * 0.999;
    steps.into_iter().find(fits).unwrap_or(10.0 * power)
}

fn round_down(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let steps = [5.0, 2.0, 1.0].map(|step| step * power);
    let fits = |step: &f64| *step <= value * 1.001;
    steps.into_iter().find(fits).unwrap_or(power)
}

fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let fits = |step: &f64| *step >= value * 0.999;
    steps.into_iter().find(fits).unwrap_or(10.0 * power)
}

/// A tick in few characters: `0.05`, `250`, `12k`, `3M`.
pub fn tick(value: f64) -> String {
    let (value, unit) = match value.abs() {
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        for (highest, ticks) in [
            (10.0, vec![0.0, 2.0, 4.0, 6.0, 8.0, 10.0]),
            (0.0, vec![0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
            (
                4_321.0,
                vec![0.0, 1_000.0, 2_000.0, 3_000.0, 4_000.0, 5_000.0],
            ),
        ] {
            let found = Scale::from_zero(highest, 0.0, 1.0).ticks();
            assert_eq!(found.len(), ticks.len(), "{found:?}");
            let close = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-9 * highest.max(1.0);
            assert!(found.iter().zip(&ticks).all(close), "{found:?}");
        }
        let log = Scale::log(0.07, 4_000.0, 0.0, 1.0).ticks();
        assert_eq!(log.len(), 5, "{log:?}");
        assert_eq!(
            Scale::log(1.0, 8.0, 0.0, 1.0).ticks(),
            [1.0, 2.0, 5.0, 10.0]
        );
    }

    #[test]
    fn values_lie_between_the_ends() {
        let scale = Scale::log(1.0, 100.0, 10.0, 30.0);
        for (value, at) in [
            (1.0, 10.0),
            (10.0, 20.0),
            (100.0, 30.0),
            (0.0, 10.0),
            (1e9, 30.0),
        ] {
            assert!((scale.at(value) - at).abs() < 1e-9, "{value}");
        }
    }

    #[test]
    fn ticks_are_short() {
        for (value, text) in [
            (0.05, "0.05"),
            (250.0, "250"),
            (12_000.0, "12k"),
            (3e6, "3M"),
        ] {
            assert_eq!(tick(value), text);
        }
    }
}
