//! Tables, and the lists of facts beside them.

use super::markup::Element;
use crate::report::view::{self, FIGURES, count};
use crate::result::{RunResult, ThresholdState};

/// A table with a class for each row; `None` without rows.
pub fn table(headings: &[&str], rows: Vec<(&str, Vec<String>)>) -> Option<Element> {
    if rows.is_empty() {
        return None;
    }
    let heads = headings
        .iter()
        .map(|text| Element::new("th").with("scope", "col").text(text));
    let head = Element::new("thead").child(Element::new("tr").children(heads));
    let rows = rows.into_iter().map(|(class, cells)| {
        let row = Element::new("tr").class(class);
        let cells = cells.iter().enumerate().map(|(index, text)| match index {
            0 => Element::new("th").with("scope", "row").text(text),
            _ => Element::new("td").text(text),
        });
        row.children(cells)
    });
    let body = Element::new("tbody").children(rows);
    let table = Element::new("table").child(head).child(body);
    // Wide tables scroll by themselves, never the page.
    Some(Element::new("div").class("wide").child(table))
}

/// Names and what they are; empty ones are left out.
pub fn facts(facts: Vec<(&str, String)>) -> Element {
    let mut list = Element::new("dl");
    for (name, text) in facts {
        if !text.is_empty() {
            list = list.child(Element::new("dt").text(name));
            list = list.child(Element::new("dd").text(text));
        }
    }
    list
}

/// Every threshold, broken ones first.
pub fn thresholds(result: &RunResult) -> Option<Element> {
    let order = |state| match state {
        ThresholdState::Fail => 0,
        ThresholdState::NoData => 1,
        ThresholdState::Pass => 2,
    };
    let mut outcomes: Vec<_> = result.thresholds.iter().collect();
    outcomes.sort_by_key(|outcome| order(outcome.state));
    let rows = outcomes.into_iter().map(|outcome| {
        let class = match outcome.state {
            ThresholdState::Pass => "pass",
            ThresholdState::Fail => "fail",
            ThresholdState::NoData => "inconclusive",
        };
        let cells = vec![
            outcome.name.clone(),
            outcome.limit.clone(),
            view::threshold_value(outcome),
            view::threshold_state(outcome.state).to_owned(),
        ];
        (class, cells)
    });
    table(
        &["threshold", "limit", "measured", "outcome"],
        rows.collect(),
    )
}

/// Every distribution of the measured phase.
pub fn times(result: &RunResult) -> Option<Element> {
    let headings: Vec<&str> = std::iter::once("times in ms").chain(FIGURES).collect();
    let metrics = result.summary.metrics.iter().map(|(metric, summary)| {
        let name = std::iter::once(metric.name().to_owned());
        ("", name.chain(view::figures(summary)).collect())
    });
    table(&headings, metrics.collect())
}

/// Every counter that is not zero, of the measured phase and beside it.
pub fn counters(result: &RunResult) -> Option<Element> {
    let outside = &result.outside_measure.counters;
    let rows = result.summary.counters.iter().filter_map(|(counter, n)| {
        let beside = outside.get(counter).copied().unwrap_or(0);
        let shown = *n > 0 || beside > 0;
        shown.then(|| {
            (
                "",
                vec![counter.name().to_owned(), count(*n), count(beside)],
            )
        })
    });
    table(&["counter", "measured", "outside"], rows.collect())
}

/// Failed dials and lost connections, with what one of them said.
pub fn failures(result: &RunResult) -> Option<Element> {
    let (measured, outside) = (&result.summary, &result.outside_measure);
    let lists = [
        ("failed handshake", "measure", &measured.failures),
        ("lost connection", "measure", &measured.closes),
        ("failed handshake", "outside", &outside.failures),
        ("lost connection", "outside", &outside.closes),
    ];
    let mut rows = Vec::new();
    for (what, phase, list) in lists {
        for row in list.iter().filter(|row| row.failure) {
            let class = if phase == "measure" { "fail" } else { "" };
            let cells = vec![
                row.kind.clone(),
                what.to_owned(),
                phase.to_owned(),
                count(row.count),
                row.example.clone().unwrap_or_default(),
                row.hint.clone().unwrap_or_default(),
            ];
            rows.push((class, cells));
        }
    }
    table(
        &[
            "failure",
            "of",
            "phase",
            "count",
            "example",
            "what can be done",
        ],
        rows,
    )
}
