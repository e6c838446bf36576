//! The run over time and the tail of its times, as far as characters can draw them.

use super::page::{BOLD, DIM, Page};
use crate::metrics::Metric;
use crate::report::view::{self, FIGURES, NO_FIGURE};
use crate::result::{RunResult, TimelineRow};

/// Below this there is no room for a picture.
const NARROWEST: usize = 50;
/// Columns beside a picture: the name before it, the range after it.
const BESIDE: usize = 19 + 22;
/// Wider pictures say no more.
const WIDEST: usize = 72;
/// From the lowest to the highest.
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Stands for exactly zero: a single failure must look different from none.
const ZERO: char = '·';

/// One line of the timeline: name, unit, logarithmic, what it shows of an interval.
type Line = (
    &'static str,
    &'static str,
    bool,
    fn(&TimelineRow) -> Option<f64>,
);

const LINES: &[Line] = &[
    ("connected", "", false, |r| Some(r.connected as f64)),
    ("answered", "/interval", false, |r| {
        Some(r.replies_matched as f64)
    }),
    ("deliveries", "/interval", false, |r| {
        Some(r.deliveries_received as f64)
    }),
    ("round_trip p50", " ms", true, |r| r.round_trip_p50_ms),
    ("round_trip p99", " ms", true, |r| r.round_trip_p99_ms),
    ("failed dials", "/interval", false, |r| {
        Some(r.failed as f64)
    }),
    ("lost connections", "/interval", false, |r| {
        Some(r.lost as f64)
    }),
    ("unanswered", "/interval", false, |r| {
        Some(r.unanswered as f64)
    }),
    ("missed beats", "/interval", false, |r| {
        Some(r.heartbeats_missed as f64)
    }),
    ("schedule_lag p99", " ms", true, |r| r.schedule_lag_p99_ms),
];

impl Page {
    /// The run over time, a character for one or more intervals: the highest of them.
    pub(super) fn timeline(&mut self, result: &RunResult) {
        let rows = &result.timeline.rows;
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
            return;
        };
        if self.look.width < NARROWEST {
            return;
        }
        let room = self.look.width.saturating_sub(BESIDE).clamp(8, WIDEST);
        let each = rows.len().div_ceil(room);
        self.text.push('\n');
        let (from, until) = (view::seconds(first.start_s), view::seconds(last.end_s));
        let intervals = if each == 1 { "interval" } else { "intervals" };
        let title = format!("over time, {from} to {until}, {each} {intervals} a character");
        self.line(BOLD, &title);
        for (name, unit, log, of) in LINES {
            let values: Vec<Option<f64>> = (rows.chunks(each))
                .map(|chunk| chunk.iter().filter_map(of).reduce(f64::max))
                .collect();
            let Some(highest) = values.iter().flatten().copied().reduce(f64::max) else {
                continue;
            };
            // What never happened has no line.
            if highest > 0.0 {
                let drawn = spark(&values, *log);
                let most = view::number(highest);
                // Among unanswered messages a figure is only a lower bound.
                let bound =
                    |row: &TimelineRow| row.censored_from.is_some() && of(row) == Some(highest);
                let bound = name.starts_with("round_trip") && rows.iter().any(bound);
                let max = if bound { "max >" } else { "max" };
                self.styled(DIM, &format!("  {name:<16} {drawn}  {max} {most}{unit}"));
            }
        }
        let active = |chunk: &[TimelineRow]| chunk.iter().any(|row| !row.faults.is_empty());
        let faults: String = rows
            .chunks(each)
            .map(|chunk| if active(chunk) { '▲' } else { ' ' })
            .collect();
        if faults.contains('▲') {
            self.styled(DIM, &format!("  {:<16} {faults}", "faults"));
        }
    }

    /// The tail of the times people ask for first, on a logarithmic scale.
    pub(super) fn percentiles(&mut self, result: &RunResult) {
        if self.look.width < NARROWEST {
            return;
        }
        for metric in [Metric::RoundTrip, Metric::Delivery] {
            let Some(summary) = result.summary.metrics.get(&metric) else {
                continue;
            };
            let room = self.look.width.saturating_sub(BESIDE).clamp(8, WIDEST);
            let names = ["p50", "p90", "p99", "p999", "max"];
            let values = names.map(|name| summary.figure(name).map_or(0.0, |(value, _)| value));
            let texts = view::figures(summary);
            self.text.push('\n');
            self.line(BOLD, &format!("{}, ms, log scale", metric.name()));
            let shown = FIGURES.iter().zip(&texts).skip(1);
            for ((name, text), value) in shown.zip(values) {
                if text != NO_FIGURE {
                    let share = log_share(value, summary.p50 / 2.0, summary.max);
                    let bar = "█".repeat(((share * room as f64).round() as usize).max(1));
                    self.styled(DIM, &format!("  {name:<16} {bar} {text}"));
                }
            }
        }
    }
}

/// A character for each value.
fn spark(values: &[Option<f64>], log: bool) -> String {
    let found = || values.iter().flatten().copied();
    let highest = found().reduce(f64::max).unwrap_or(0.0);
    let lowest = found().filter(|v| *v > 0.0).reduce(f64::min).unwrap_or(0.0);
    let level = |value: &Option<f64>| match value {
        None => ' ',
        Some(value) if *value <= 0.0 => ZERO,
        Some(value) => {
            let share = match log {
                true => log_share(*value, lowest / 2.0, highest),
                false => *value / highest,
            };
            let step = (share * LEVELS.len() as f64).ceil() as usize;
            LEVELS[step.clamp(1, LEVELS.len()) - 1]
        }
    };
    values.iter().map(level).collect()
}

/// Where a value lies between two others, from 0 to 1.
fn log_share(value: f64, low: f64, high: f64) -> f64 {
    let low = low.max(1e-4);
    if value <= low || high <= low {
        return 0.0;
    }
    ((value / low).ln() / (high / low).ln()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::terminal::{Look, report};
    use crate::result::fixture;

    #[test]
    fn a_single_failure_looks_different_from_none() {
        let values = [Some(0.0), Some(1.0), None, Some(500.0), Some(1_000.0)];
        assert_eq!(spark(&values, false), "·▁ ▄█");
        assert_eq!(spark(&[Some(0.1), Some(1.0), Some(10.0)], true), "▂▅█");
        assert_eq!(spark(&[], false), "");
    }

    #[test]
    fn the_report_of_a_run_with_its_pictures() {
        let look = Look {
            width: 80,
            color: false,
        };
        let mut result = fixture::result();
        result.timeline.rows[2].faults = "restart_server".to_owned();
        let page = report(&result, look, None);
        let (_, pictures) = page.split_once("\nover time").expect("drawn");
        insta::assert_snapshot!(pictures);
    }

    #[test]
    fn pictures_fit_every_width() {
        let mut result = fixture::result();
        let row = result.timeline.rows[1].clone();
        result.timeline.rows = vec![row; 3_600];
        for width in 0..200 {
            let page = report(
                &result,
                Look {
                    width,
                    color: false,
                },
                None,
            );
            assert_eq!(page.contains("over time"), width >= NARROWEST);
            let pictures = page.lines().filter(|line| line.contains(['█', '▁']));
            for line in pictures {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }
}
