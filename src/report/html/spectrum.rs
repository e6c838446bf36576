//! The percentile spectrum: how long the slowest one in a thousand took, and the slowest of all.
//!
//! The horizontal axis is 1/(1-q), logarithmic, as HdrHistogram draws it: each step to the right is
//! ten times rarer. A line ends where unanswered messages begin: beyond it nothing is known.

use super::plot::lines::{Lines, Series};
use super::plot::scale::Scale;
use super::plot::{Figure, LEFT, RIGHT};
use crate::metrics::Histogram;

/// A distribution to draw.
pub struct Curve {
    /// In the legend.
    pub name: String,
    /// Its colour.
    pub color: usize,
    /// Its samples.
    pub histogram: Histogram,
    /// Messages that were never answered.
    pub censored: u64,
}

/// Points of the axis.
const POINTS: usize = 240;
/// Never further than one in ten million.
const RAREST: f64 = 7.0;

/// The chart; `None` without samples.
pub fn draw(id: &str, title: &str, curves: &[Curve]) -> Option<Figure> {
    let all = |curve: &Curve| curve.histogram.count().saturating_add(curve.censored);
    let most = curves.iter().map(all).max().filter(|most| *most > 0)?;
    let rarest = (most as f64).log10().clamp(1.0, RAREST);
    let points: Vec<f64> = (0..=POINTS)
        .map(|n| rarest * n as f64 / POINTS as f64)
        .collect();
    let labels: Vec<String> = points.iter().map(|point| label(*point)).collect();
    let series = curves.iter().map(|curve| Series {
        name: curve.name.clone(),
        color: curve.color,
        values: values(curve, &points),
    });
    let decades = (0..=rarest.floor() as u32).map(f64::from);
    let x_ticks = decades.map(|point| (point, label(point))).collect();
    Lines {
        id,
        title,
        unit: "ms",
        log: true,
        x: Scale::exact(0.0, rarest, LEFT, RIGHT),
        x_ticks,
        points: &points,
        labels: &labels,
        series: series.collect(),
        marks: &[],
        limit: None,
    }
    .draw()
}

fn values(curve: &Curve, points: &[f64]) -> Vec<Option<f64>> {
    let steps = curve.histogram.distribution();
    let all = curve.histogram.count().saturating_add(curve.censored) as f64;
    let value = |point: &f64| {
        let rank = (1.0 - 10_f64.powf(-point)) * all;
        let step = steps.iter().find(|step| step.cumulative as f64 >= rank)?;
        Some(step.value.as_secs_f64() * 1e3)
    };
    points.iter().map(value).collect()
}

/// `99.9 %` for 3.
fn label(point: f64) -> String {
    let percent = 100.0 * (1.0 - 10_f64.powf(-point));
    let decimals = (point.ceil() as usize).saturating_sub(2) + usize::from(point.fract() > 0.0);
    format!("{percent:.decimals$} %")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_line_ends_where_nothing_is_known() {
        let mut histogram = Histogram::new();
        for n in 1..=990_u64 {
            histogram.record(Duration::from_micros(10 * n));
        }
        let curve = Curve {
            name: String::new(),
            color: 0,
            histogram,
            censored: 10,
        };
        let found = values(&curve, &[0.0, 1.0, 1.9, 2.1, 3.0]);
        let known: Vec<bool> = found.iter().map(Option::is_some).collect();
        assert_eq!(known, [true, true, true, false, false]);
        assert!((found[1].unwrap() / 9.0 - 1.0).abs() < 0.02, "{found:?}");
    }

    #[test]
    fn percentiles_are_written_with_their_nines() {
        for (point, text) in [(0.0, "0 %"), (1.0, "90 %"), (2.0, "99 %"), (3.0, "99.9 %")] {
            assert_eq!(label(point), text);
        }
    }
}
