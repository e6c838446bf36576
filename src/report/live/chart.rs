//! One chart: its scale, its lines, its legend.

use std::collections::BTreeSet;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType};

use crate::report::view;

use super::history::Point;
use super::plan::Plan;

/// Named colours of the terminal, which suit its background.
const COLORS: [Color; 4] = [Color::Cyan, Color::Yellow, Color::Red, Color::Magenta];
/// Without colours lines differ by their marks.
const MARKS: [Marker; 4] = [
    Marker::Braille,
    Marker::Dot,
    Marker::Custom('x'),
    Marker::Custom('o'),
];
/// The same in words for the legend; the first is plain.
const MARK_TEXTS: [&str; 4] = ["", "•", "x", "o"];
/// Faults are marked at the foot of every chart.
const FAULT: Marker = Marker::Custom('▲');
/// Their colour, as that of a fourth line.
const FAULT_STYLE: usize = 3;
/// The lowest time on a logarithmic axis: 1 us, the resolution of results.
const LOWEST: f64 = 1e-3;

/// Where a chart stands in the values of a point.
pub(super) struct Place {
    /// The chart.
    pub plan: &'static Plan,
    /// Its first line's.
    pub first: usize,
}

impl Place {
    /// Whether there is anything to draw; what never happened has no chart.
    pub fn has_data(&self, points: &[Point]) -> bool {
        let of = |point: &Point| {
            self.values(point)
                .any(|value| value.is_some_and(|v| v > 0.0))
        };
        points.iter().any(of)
    }

    fn values<'a>(&self, point: &'a Point) -> impl Iterator<Item = Option<f64>> + use<'a> {
        let lines = self.first..self.first + self.plan.lines.len();
        point.values.get(lines).unwrap_or_default().iter().copied()
    }

    /// Draws it into `area`.
    pub fn draw(&self, frame: &mut Frame<'_>, area: Rect, points: &[Point], color: bool) {
        let found = || points.iter().flat_map(|point| self.values(point)).flatten();
        let scale = match self.plan.log {
            true => Scale::log(found()),
            false => Scale::linear(found(), self.plan.at_least),
        };
        let style = |line: usize| match color {
            true => Style::new().fg(COLORS[line % COLORS.len()]),
            false => Style::new(),
        };
        let mark = |line: usize| match color {
            true => Marker::Braille,
            false => MARKS[line % MARKS.len()],
        };
        let lines = self.lines(points, &scale);
        let mut sets: Vec<Dataset<'_>> = Vec::new();
        for drawn in &lines {
            let set = Dataset::default().data(&drawn.points);
            let set = set.marker(mark(drawn.line)).style(style(drawn.line));
            sets.push(set.graph_type(GraphType::Line));
        }
        let foot: Vec<(f64, f64)> = (points.iter().filter(|point| point.faulty))
            .map(|point| (middle(point), scale.low))
            .collect();
        if !foot.is_empty() {
            let faults = Dataset::default().data(&foot).marker(FAULT);
            sets.push(faults.style(style(FAULT_STYLE)));
        }
        let mut legend: Vec<Span<'_>> = Vec::new();
        let drawn: BTreeSet<usize> = lines.iter().map(|drawn| drawn.line).collect();
        for line in drawn {
            let name = self.plan.lines[line].name;
            let text = match (color, MARK_TEXTS[line % MARK_TEXTS.len()]) {
                (true, _) | (false, "") => format!(" {name} "),
                (false, mark) => format!(" {mark} {name} "),
            };
            legend.push(Span::styled(text, style(line)));
        }
        let censored = self.plan.title.starts_with("round_trip");
        if censored && points.iter().any(|point| point.censored) {
            legend.push(Span::raw(" lower bounds "));
        }
        if !foot.is_empty() {
            legend.push(Span::styled(" ▲ fault ", style(FAULT_STYLE)));
        }
        let room = usize::from(area.width).saturating_sub(self.plan.title.len() + 5);
        let dim = Style::new().add_modifier(Modifier::DIM);
        let block = Block::bordered()
            .title(format!(" {} ", self.plan.title))
            .title(fitting(legend, room).right_aligned())
            .border_style(dim);
        let time = times(points);
        let labels = time.map(|at| view::seconds(at.round()));
        let x = Axis::default().bounds(time).labels(labels).style(dim);
        let y = Axis::default()
            .bounds(scale.bounds())
            .labels(scale.labels());
        let chart = Chart::new(sets).block(block).x_axis(x).y_axis(y.style(dim));
        frame.render_widget(chart.legend_position(None), area);
    }

    /// The pieces of all lines: a line has a gap where an interval has no value.
    fn lines(&self, points: &[Point], scale: &Scale) -> Vec<Drawn> {
        let mut drawn = Vec::new();
        for line in 0..self.plan.lines.len() {
            let value = |point: &Point| self.values(point).nth(line).flatten();
            // What never happened is not in the legend.
            if !points.iter().filter_map(value).any(|value| value > 0.0) {
                continue;
            }
            for piece in points.split(|point| value(point).is_none()) {
                let at = |point: &Point| Some((middle(point), scale.place(value(point)?)));
                let points: Vec<_> = piece.iter().filter_map(at).collect();
                if !points.is_empty() {
                    drawn.push(Drawn { line, points });
                }
            }
        }
        drawn
    }
}

/// As much of a legend as there is room for.
fn fitting(legend: Vec<Span<'_>>, room: usize) -> Line<'_> {
    let mut used = 0;
    let fits = |span: &Span<'_>| {
        used += span.width();
        used <= room
    };
    Line::from_iter(legend.into_iter().take_while(fits))
}

/// A piece of a line.
struct Drawn {
    line: usize,
    points: Vec<(f64, f64)>,
}

fn middle(point: &Point) -> f64 {
    f64::midpoint(point.start_s, point.end_s)
}

/// The time from the first to the last point, never empty.
fn times(points: &[Point]) -> [f64; 2] {
    let first = points.first().map_or(0.0, |point| point.start_s);
    let last = points.last().map_or(1.0, |point| point.end_s);
    [first, last.max(first + 1e-3)]
}

/// From values to places on the axis.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Scale {
    log: bool,
    /// As a place.
    low: f64,
    /// Likewise.
    high: f64,
}

impl Scale {
    /// From zero to a round number above all values.
    fn linear(values: impl Iterator<Item = f64>, at_least: f64) -> Self {
        let highest = values.fold(at_least, f64::max);
        Self {
            log: false,
            low: 0.0,
            high: round_up(highest),
        }
    }

    /// Whole decades around all values.
    fn log(values: impl Iterator<Item = f64>) -> Self {
        let values = values.map(|value| value.max(LOWEST));
        let (low, high) = values.fold((f64::INFINITY, LOWEST), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        let low = low.min(high).log10().floor();
        Self {
            log: true,
            low,
            high: high.log10().ceil().max(low + 1.0),
        }
    }

    fn place(&self, value: f64) -> f64 {
        match self.log {
            true => value.max(LOWEST).log10(),
            false => value,
        }
    }

    fn bounds(&self) -> [f64; 2] {
        [self.low, self.high]
    }

    /// At the foot, in the middle, at the top; of an even number of decades the middle is round.
    fn labels(&self) -> Vec<String> {
        let middle = f64::midpoint(self.low, self.high);
        let round = !self.log || middle.fract() == 0.0;
        let places = [Some(self.low), round.then_some(middle), Some(self.high)];
        let label = |place: f64| match self.log {
            true => short(10_f64.powf(place)),
            false => short(place),
        };
        places
            .map(|place| place.map_or(String::new(), label))
            .into()
    }
}

/// The next of 1, 2, 5, 10, 20, ...; 1 for zero.
fn round_up(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let decade = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * decade);
    // A hair of arithmetic must not cost half the chart.
    let fits = steps.into_iter().find(|step| *step >= value * (1.0 - 1e-9));
    fits.unwrap_or(10.0 * decade)
}

/// `1500` as `1.5k`: room beside a chart is scarce.
fn short(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{}M", view::number(v / 1e6)),
        v if v >= 1e3 => format!("{}k", view::number(v / 1e3)),
        v => view::number(v),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_are_round_and_hold_every_value() {
        for (highest, top) in [
            (0.0, 1.0),
            (0.3, 0.5),
            (1.0, 1.0),
            (1.1, 2.0),
            (7.0, 10.0),
            (100.0, 100.0),
            (12_345.0, 20_000.0),
            (1e9, 1e9),
        ] {
            let scale = Scale::linear([highest / 3.0, highest].into_iter(), 0.0);
            assert!(
                (scale.high - top).abs() < top * 1e-9,
                "{highest}: {scale:?}"
            );
        }
        assert_eq!(Scale::linear([3.0].into_iter(), 100.0).high, 100.0);
        for (values, bounds) in [
            (vec![0.2, 30.0], [-1.0, 2.0]),
            (vec![1.0], [0.0, 1.0]),
            (vec![10.0], [1.0, 2.0]),
            (vec![0.0], [-3.0, -2.0]),
            (vec![], [-3.0, -2.0]),
            (vec![5.0, 6.0], [0.0, 1.0]),
        ] {
            let scale = Scale::log(values.iter().copied());
            assert_eq!(scale.bounds(), bounds, "{values:?}");
            for value in values {
                let place = scale.place(value);
                assert!((bounds[0]..=bounds[1]).contains(&place), "{value}");
            }
        }
    }

    #[test]
    fn labels_are_short_and_true() {
        let labels = |values: &[f64]| Scale::log(values.iter().copied()).labels();
        assert_eq!(labels(&[0.02, 50.0]), ["0.01", "1", "100"]);
        assert_eq!(labels(&[0.2, 50.0]), ["0.1", "", "100"]);
        let linear = Scale::linear([15_000.0].into_iter(), 0.0);
        assert_eq!(linear.labels(), ["0", "10k", "20k"]);
        assert_eq!(short(2_500_000.0), "2.5M");
    }
}
