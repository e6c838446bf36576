//! Storms: who was lost, how they came back, and what it cost.

use super::Body;
use super::markup::Element;
use super::plot::lines::{Lines, Series};
use super::plot::scale::{Scale, tick};
use super::plot::{Figure, LEFT, RIGHT};
use super::tables;
use crate::report::storms::{SHOWN, caveats, facts, more, title};
use crate::result::{RunResult, StormReport};

/// A chapter of each storm that is shown.
pub fn add(body: &mut Body, result: &RunResult) {
    let mut content = Vec::new();
    for storm in result.storms.iter().take(SHOWN) {
        content.push(Element::new("h3").text(title(storm)));
        let caveats = caveats(storm).into_iter();
        content.extend(caveats.map(|text| Element::new("p").class("warning").text(text)));
        content.push(tables::facts(facts(storm)));
        content.extend(body.figures(charts(storm)));
    }
    if let Some(more) = more(&result.storms, result.storms_omitted) {
        content.push(Element::new("p").text(more));
    }
    body.section("Storms", content);
}

fn charts(storm: &StormReport) -> Vec<Figure> {
    let series = &storm.series;
    let bins = series.attempts.len();
    let width = series.bin_ms / 1e3;
    let points: Vec<f64> = (0..bins).map(|n| (n as f64 + 0.5) * width).collect();
    let labels: Vec<String> = (0..bins)
        .map(|n| format!("{:.1} s", n as f64 * width))
        .collect();
    let x = Scale::exact(0.0, bins as f64 * width, LEFT, RIGHT);
    let ticks = x.ticks().into_iter();
    let x_ticks: Vec<_> = ticks.map(|s| (s, format!("{} s", tick(s)))).collect();
    let line = |name: &str, color, counts: &[u32]| Series {
        name: name.to_owned(),
        color,
        values: counts.iter().map(|n| Some(f64::from(*n))).collect(),
    };
    let draw = |id: String, title: &str, unit, series| {
        Lines {
            id: &id,
            title,
            unit,
            log: false,
            x,
            x_ticks: x_ticks.clone(),
            points: &points,
            labels: &labels,
            series,
            marks: &[],
            limit: None,
        }
        .draw()
    };
    let attempts = vec![
        line("attempts", 7, &series.attempts),
        line("failed", 3, &series.failed),
        line("succeeded", 1, &series.succeeded),
    ];
    let connected = vec![line("connected", 0, &series.connected)];
    let number = storm.number;
    let charts = [
        draw(
            format!("storm-{number}-attempts"),
            "Attempts from the first loss",
            " in 100 ms",
            attempts,
        ),
        draw(
            format!("storm-{number}-connected"),
            "Connections from the first loss",
            "",
            connected,
        ),
    ];
    charts.into_iter().flatten().collect()
}
