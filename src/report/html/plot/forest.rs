//! A forest plot: every change with the interval that holds it, against the least that counts.

use super::scale::{Scale, tick};
use super::{Figure, LEFT, RIGHT, area, coordinate, drawing, figure, line, words};
use crate::report::html::markup::Element;

/// Height of a row.
const ROW: f64 = 34.0;
/// Room for names.
const NAMES: f64 = LEFT + 166.0;
/// Changes beyond this share are drawn at the end of the axis.
const WIDEST: f64 = 1.0;

/// A change and its interval, in percent.
pub struct Row {
    /// The statistic.
    pub name: String,
    /// The class of its verdict.
    pub class: &'static str,
    /// What hovering tells.
    pub told: String,
    /// Ends of the interval and the change between them: 0.1 is 10 %.
    pub low: f64,
    /// See `low`.
    pub change: f64,
    /// See `low`.
    pub high: f64,
    /// What a change must exceed to count.
    pub minimum: f64,
}

/// The chart; `None` without rows. `note` says what it is in.
pub fn draw(id: &str, title: &str, note: &str, rows: &[Row]) -> Option<Figure> {
    let ends = rows
        .iter()
        .flat_map(|row| [row.low.abs(), row.high.abs(), 2.0 * row.minimum]);
    let widest = ends.reduce(f64::max)?.clamp(1e-6, WIDEST);
    let x = Scale::exact(-1.05 * widest, 1.05 * widest, NAMES, RIGHT);
    let bottom = ROW * rows.len() as f64 + 8.0;
    let mut svg = drawing(id, title, bottom + 30.0);
    for (index, row) in rows.iter().enumerate() {
        let top = ROW * index as f64 + 4.0;
        let (from, until) = (x.at(-row.minimum), x.at(row.minimum));
        svg = svg.child(area("band", (from, top), (until, top + ROW)));
    }
    for value in x.ticks() {
        let at = x.at(value);
        let class = if value.abs() < 1e-9 { "zero" } else { "grid" };
        svg = svg.child(line(class, (at, 4.0), (at, bottom)));
        let sign = if value > 1e-9 { "+" } else { "" };
        let text = format!("{sign}{}", tick(100.0 * value));
        svg = svg.child(words("middle", (at, bottom + 20.0), &text));
    }
    for (index, row) in rows.iter().enumerate() {
        svg = svg.children(drawn(row, ROW * (index as f64 + 0.5) + 4.0, &x));
    }
    Some(Figure {
        element: figure(title, note, svg, None),
        values: None,
    })
}

fn drawn(row: &Row, middle: f64, x: &Scale) -> Vec<Element> {
    let dot = x.holds(row.change).then(|| {
        Element::new("circle")
            .with("cx", coordinate(x.at(row.change)))
            .with("cy", coordinate(middle))
            .with("r", "6")
    });
    // An end beyond the axis has no cap but an arrow.
    let end = |value: f64| match x.holds(value) {
        true => line("", (x.at(value), middle - 7.0), (x.at(value), middle + 7.0)),
        false => words(
            "middle",
            (x.at(value), middle + 5.0),
            if value < 0.0 { "◀" } else { "▶" },
        ),
    };
    let change = Element::new("g")
        .class(format_args!("change {}", row.class))
        .child(Element::new("title").text(&row.told))
        .child(line("", (x.at(row.low), middle), (x.at(row.high), middle)))
        .child(end(row.low))
        .child(end(row.high))
        .children(dot);
    vec![
        words("end", (NAMES - 10.0, middle + 5.0), &row.name).class("name"),
        change,
    ]
}
