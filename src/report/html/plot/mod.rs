//! Charts as SVG, drawn here so that they are there without scripts; the script adds values on hover.

pub mod buckets;
pub mod forest;
pub mod lines;
pub mod ranges;
pub mod scale;

use serde::Serialize;

use super::markup::Element;

/// Size of a chart in its own units; it is stretched to the page.
pub const WIDTH: f64 = 720.0;
/// See [`WIDTH`].
pub const HEIGHT: f64 = 276.0;
/// Where the plot lies in it.
pub const LEFT: f64 = 74.0;
/// See [`LEFT`].
pub const RIGHT: f64 = WIDTH - 14.0;
/// See [`LEFT`]; above it stand the names of faults, and of storms below them.
pub const TOP: f64 = 44.0;
/// See [`LEFT`]; below it stand the ticks.
pub const BOTTOM: f64 = HEIGHT - 34.0;

/// A chart with its legend, and what the script needs of it.
pub struct Figure {
    /// To be put on the page.
    pub element: Element,
    /// Values for the hover; `None` when there is nothing beyond what is drawn.
    pub values: Option<Values>,
}

/// The values of a chart.
#[derive(Debug, Serialize)]
pub struct Values {
    /// The `id` of its SVG.
    pub id: String,
    /// The upper edge of the plot.
    pub top: f64,
    /// Its lower edge.
    pub bottom: f64,
    /// Where the points lie, in the chart's units.
    pub at: Vec<f64>,
    /// What each point is of: `12.5 s`, `99.9 %`.
    pub labels: Vec<String>,
    /// The lines.
    pub series: Vec<SeriesValues>,
}

/// The values of a line.
#[derive(Debug, Serialize)]
pub struct SeriesValues {
    /// As in the legend.
    pub name: String,
    /// Behind every value.
    pub unit: &'static str,
    /// The lowest at a point.
    pub low: Vec<Option<f64>>,
    /// The highest, where any differs from the lowest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<Vec<Option<f64>>>,
}

/// The frame of a chart: `figure` with its heading, drawing and whatever belongs below.
fn figure(title: &str, note: &str, svg: Element, below: Option<Element>) -> Element {
    let caption = Element::new("figcaption")
        .child(Element::new("b").text(title))
        .child(Element::new("span").text(note));
    Element::new("figure")
        .child(caption)
        .child(svg)
        .children(below)
}

/// An empty drawing with a name for those who cannot see it.
fn drawing(id: &str, title: &str, height: f64) -> Element {
    Element::new("svg")
        .with("id", id)
        .with("viewBox", format!("0 0 {WIDTH} {height}"))
        .with("role", "img")
        .with("aria-label", title)
}

/// A coordinate: a tenth is finer than a pixel.
pub fn coordinate(value: f64) -> String {
    let tenths = (value * 10.0).round() / 10.0;
    format!("{tenths}")
}

/// A straight line.
fn line(class: &str, from: (f64, f64), to: (f64, f64)) -> Element {
    Element::new("line")
        .class(class)
        .with("x1", coordinate(from.0))
        .with("y1", coordinate(from.1))
        .with("x2", coordinate(to.0))
        .with("y2", coordinate(to.1))
}

/// A box between two corners.
fn area(class: &str, from: (f64, f64), to: (f64, f64)) -> Element {
    Element::new("rect")
        .class(class)
        .with("x", coordinate(from.0))
        .with("y", coordinate(from.1))
        .with("width", coordinate((to.0 - from.0).max(0.0)))
        .with("height", coordinate((to.1 - from.1).max(0.0)))
}

/// Words in a drawing; `anchor` is start, middle or end.
fn words(anchor: &str, at: (f64, f64), text: &str) -> Element {
    Element::new("text")
        .with("x", coordinate(at.0))
        .with("y", coordinate(at.1))
        .with("text-anchor", anchor)
        .text(text)
}

/// Four significant digits: more say nothing and cost room.
pub fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let digits = 3 - value.abs().log10().floor() as i32;
    if digits >= 0 {
        let power = 10_f64.powi(digits);
        (value * power).round() / power
    } else {
        value.round()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, expected) in [
            (0.0, 0.0),
            (1.234_56, 1.235),
            (123_456.7, 123_457.0),
            (0.000_123_456, 0.000_123_5),
            (f64::NAN, 0.0),
        ] {
            assert_eq!(rounded(value), expected);
        }
        assert_eq!(coordinate(1.26), "1.3");
        assert_eq!(coordinate(7.0), "7");
    }
}
