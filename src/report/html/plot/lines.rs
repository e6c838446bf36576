//! Lines over time, or over the percentiles.

use super::buckets::{Buckets, Envelope};
use super::scale::{Scale, tick};
use super::{
    BOTTOM, Figure, HEIGHT, LEFT, RIGHT, SeriesValues, TOP, Values, area, coordinate, drawing,
    figure, line, rounded, words,
};
use crate::report::html::markup::Element;

/// Names of marks closer than this would lie on each other.
const MARK_ROOM: f64 = 120.0;
/// Where a plot begins that has no names above it.
const BARE_TOP: f64 = 16.0;
/// Columns from which lines are thin.
const DENSE: usize = 300;
/// Marks drawn; more would hide what they mark.
const MARKS: usize = 200;
/// The lowest value a logarithmic axis starts from, in ms: what a time is rounded to.
const SMALLEST: f64 = 0.001;

/// A line.
pub struct Series {
    /// In the legend.
    pub name: String,
    /// Its colour: a class of the style sheet, `s0` to `s7`.
    pub color: usize,
    /// One value a point.
    pub values: Vec<Option<f64>>,
}

/// A span or an instant worth a mark.
pub struct Mark {
    /// `fault`, `storm` or `outside`.
    pub class: &'static str,
    /// What it was; empty marks have no name.
    pub name: String,
    /// In the terms of the horizontal axis.
    pub from: f64,
    /// The same; equal to `from` for an instant.
    pub until: f64,
}

/// A horizontal limit.
pub struct Limit {
    /// What it limits.
    pub name: String,
    /// In the unit of the chart.
    pub value: f64,
}

/// A chart of lines.
pub struct Lines<'a> {
    /// Unique on the page.
    pub id: &'a str,
    /// Its heading.
    pub title: &'a str,
    /// Behind every value.
    pub unit: &'static str,
    /// Whether the vertical axis is logarithmic.
    pub log: bool,
    /// The horizontal axis.
    pub x: Scale,
    /// Ticks of the horizontal axis, with what is written there.
    pub x_ticks: Vec<(f64, String)>,
    /// Places of the points on it.
    pub points: &'a [f64],
    /// What each point is called.
    pub labels: &'a [String],
    /// The lines.
    pub series: Vec<Series>,
    /// Marked spans.
    pub marks: &'a [Mark],
    /// A limit.
    pub limit: Option<Limit>,
}

impl Lines<'_> {
    /// The chart; `None` when no line has a value.
    pub fn draw(mut self) -> Option<Figure> {
        let has_value = |series: &Series| series.values.iter().any(Option::is_some);
        self.series.retain(has_value);
        let named = self.marks.iter().any(|mark| !mark.name.is_empty());
        let top = if named { TOP } else { BARE_TOP };
        let y = self.vertical(top)?;
        let buckets = Buckets::of(self.points.len());
        let mut svg = drawing(self.id, self.title, HEIGHT);
        svg = svg.children(self.drawn_marks(top)).children(self.axes(&y));
        let at: Vec<f64> = buckets
            .ranges()
            .iter()
            .map(|range| {
                let inside = &self.points[range.clone()];
                self.x.at(inside[inside.len() / 2])
            })
            .collect();
        // Where every column is a stroke up and down, thick ones would hide each other.
        let dense = if at.len() > DENSE { " dense" } else { "" };
        let mut series = Vec::new();
        for of in &self.series {
            let envelope = buckets.envelope(&of.values);
            let path = Element::new("path")
                .class(format_args!("series s{}{dense}", of.color))
                .with("d", path(&at, &envelope, &y));
            svg = svg.child(path);
            series.push(values(of, &envelope, self.unit));
        }
        let labels = buckets.ranges().iter().map(|range| {
            let (first, last) = (&self.labels[range.start], &self.labels[range.end - 1]);
            match first == last {
                true => first.clone(),
                false => format!("{first} to {last}"),
            }
        });
        let values = Values {
            id: self.id.to_owned(),
            top,
            bottom: BOTTOM,
            labels: labels.collect(),
            at: at.iter().map(|x| (x * 10.0).round() / 10.0).collect(),
            series,
        };
        let scale = if self.log { ", log scale" } else { "" };
        let note = format!("{}{scale}", self.unit);
        Some(Figure {
            element: figure(self.title, &note, svg, Some(self.legend())),
            values: Some(values),
        })
    }

    fn vertical(&self, top: f64) -> Option<Scale> {
        let all = || self.series.iter().flat_map(|s| s.values.iter().flatten());
        let highest = all().copied().reduce(f64::max)?;
        // A limit far above all values would press them to the ground.
        let limit = self.limit.as_ref().map(|limit| limit.value);
        let near = |limit: &f64| self.log || *limit <= 4.0 * highest;
        let highest = limit
            .filter(near)
            .map_or(highest, |limit| limit.max(highest));
        Some(if self.log {
            let lowest = all().copied().filter(|v| *v >= SMALLEST).reduce(f64::min);
            Scale::log(lowest.unwrap_or(SMALLEST), highest, BOTTOM, top)
        } else {
            Scale::from_zero(highest, BOTTOM, top)
        })
    }

    fn axes(&self, y: &Scale) -> Vec<Element> {
        let mut parts = Vec::new();
        for value in y.ticks() {
            let at = y.at(value);
            parts.push(line("grid", (LEFT, at), (RIGHT, at)));
            parts.push(words("end", (LEFT - 6.0, at + 5.0), &tick(value)));
        }
        for (value, text) in &self.x_ticks {
            let at = self.x.at(*value);
            parts.push(line("grid", (at, BOTTOM), (at, BOTTOM + 5.0)));
            parts.push(words("middle", (at, BOTTOM + 26.0), text));
        }
        if let Some(limit) = self.limit.as_ref().filter(|limit| y.holds(limit.value)) {
            let at = y.at(limit.value);
            let title = Element::new("title").text(&limit.name);
            parts.push(line("limit", (LEFT, at), (RIGHT, at)).child(title));
        }
        parts
    }

    fn drawn_marks(&self, top: f64) -> Vec<Element> {
        let mut parts = Vec::new();
        let (mut free_above, mut free) = (LEFT, LEFT);
        for mark in self.marks.iter().take(MARKS) {
            let from = self.x.at(mark.from);
            let until = self.x.at(mark.until).max(from + 1.5);
            let mut span = area(mark.class, (from, top), (until, BOTTOM));
            if !mark.name.is_empty() {
                span = span.child(Element::new("title").text(&mark.name));
            }
            parts.push(span);
            let (free, up) = match mark.class {
                "fault" => (&mut free_above, 25.0),
                _ => (&mut free, 7.0),
            };
            if mark.name.is_empty() || from < *free {
                continue;
            }
            let short: String = mark.name.chars().take(24).collect();
            let (anchor, at) = match from > RIGHT - MARK_ROOM {
                true => ("end", RIGHT),
                false => ("start", from),
            };
            parts.push(words(anchor, (at, top - up), &short).class("mark"));
            *free = from + MARK_ROOM.max(9.0 * short.chars().count() as f64);
        }
        parts
    }

    fn legend(&self) -> Element {
        let entries = self.series.iter().map(|series| {
            Element::new("li")
                .child(Element::new("i").class(format_args!("key s{}", series.color)))
                .text(&series.name)
                .child(Element::new("output"))
        });
        let mut legend = Element::new("ul").class("legend").children(entries);
        if let Some(limit) = &self.limit {
            let key = Element::new("i").class("key limit");
            let entry = Element::new("li").class("fixed").child(key);
            legend = legend.child(entry.text(&limit.name));
        }
        legend
    }
}

/// Down and up in each column, broken where nothing was measured.
fn path(at: &[f64], envelope: &Envelope, y: &Scale) -> String {
    let mut path = String::new();
    let mut pen_down = false;
    let columns = envelope.low.iter().zip(&envelope.high).enumerate();
    for (index, (low, high)) in columns {
        let (Some(low), Some(high)) = (low, high) else {
            pen_down = false;
            continue;
        };
        let x = coordinate(at[index]);
        let (low, high) = (coordinate(y.at(*low)), coordinate(y.at(*high)));
        let next = envelope.low.get(index + 1).copied().flatten();
        path.push(if pen_down { 'L' } else { 'M' });
        path.push_str(&format!("{x} {low}"));
        if low != high {
            path.push_str(&format!("V{high}"));
        } else if !pen_down && next.is_none() {
            // A lone point shows as a dot (the caps are round).
            path.push_str("h0");
        }
        pen_down = true;
    }
    path
}

fn values(series: &Series, envelope: &Envelope, unit: &'static str) -> SeriesValues {
    let short = |values: &[Option<f64>]| -> Vec<Option<f64>> {
        values.iter().map(|value| value.map(rounded)).collect()
    };
    let (low, high) = (short(&envelope.low), short(&envelope.high));
    SeriesValues {
        name: series.name.clone(),
        unit,
        high: (low != high).then_some(high),
        low,
    }
}
