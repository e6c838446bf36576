//! Distributions side by side, from the median to the tail: where the time goes.

use super::scale::{Scale, tick};
use super::{Figure, LEFT, RIGHT, area, drawing, figure, line, words};
use crate::report::html::markup::Element;

/// Height of a row.
const ROW: f64 = 34.0;
/// Room for names.
const NAMES: f64 = LEFT + 70.0;

/// One distribution, in ms.
pub struct Range {
    /// Its name.
    pub name: String,
    /// p50, p90, p99, max.
    pub quantiles: [f64; 4],
}

/// A chart of them on one logarithmic axis; `None` without any.
pub fn draw(id: &str, title: &str, ranges: &[Range]) -> Option<Figure> {
    let all = || ranges.iter().flat_map(|range| range.quantiles);
    let lowest = all().filter(|v| *v > 0.0).reduce(f64::min)?;
    let highest = all().reduce(f64::max)?;
    let x = Scale::log(lowest, highest, NAMES, RIGHT);
    let bottom = ROW * ranges.len() as f64 + 8.0;
    let mut svg = drawing(id, title, bottom + 30.0);
    for value in x.ticks() {
        let at = x.at(value);
        svg = svg.child(line("grid", (at, 4.0), (at, bottom)));
        svg = svg.child(words("middle", (at, bottom + 20.0), &tick(value)));
    }
    for (index, range) in ranges.iter().enumerate() {
        let middle = ROW * (index as f64 + 0.5) + 4.0;
        svg = svg.children(row(range, middle, &x));
    }
    let note = "ms, log scale; bars from p50 over p90 to p99, line to the longest";
    Some(Figure {
        element: figure(title, note, svg, None),
        values: None,
    })
}

fn row(range: &Range, middle: f64, x: &Scale) -> Vec<Element> {
    let [p50, p90, p99, longest] = range.quantiles;
    let at = |value: f64| x.at(value);
    let bar = |class: &str, from: f64, until: f64, half: f64| {
        let (from, until) = (at(from), at(until).max(at(from) + 2.0));
        area(class, (from, middle - half), (until, middle + half))
    };
    let told = format!(
        "{}: p50 {p50:.3} ms, p90 {p90:.3} ms, p99 {p99:.3} ms, longest {longest:.3} ms",
        range.name
    );
    let bars = Element::new("g")
        .child(Element::new("title").text(told))
        .child(line("whisker", (at(p99), middle), (at(longest), middle)))
        .child(bar("tail", p90, p99, 6.0))
        .child(bar("body", p50, p90, 10.0))
        .child(line(
            "median",
            (at(p50), middle - 12.0),
            (at(p50), middle + 12.0),
        ));
    vec![
        words("end", (NAMES - 10.0, middle + 5.0), &range.name).class("name"),
        bars,
    ]
}
