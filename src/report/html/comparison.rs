//! The page of a comparison: what changed, the intervals that hold it, and both sides' distributions.

use super::Body;
use super::markup::Element;
use super::plot::{Figure, forest};
use super::spectrum::{self, Curve};
use super::tables;
use super::template::Page;
use crate::compare::gate::{Change, Comparison, Word};
use crate::metrics::{Histogram, Metric};
use crate::report::comparison::{
    advice, because, detectable, grounds, interval, signed, value, word as in_words,
};
use crate::result::RunResult;

/// The whole document; `base` and `candidate` are what was compared.
pub fn render(comparison: &Comparison, base: &[RunResult], candidate: &[RunResult]) -> String {
    let mut body = Body::default();
    body.elements.push(verdict(comparison, base));
    let charts = body.figures(forests(comparison));
    let note = "Points: the change, candidate relative to base. Lines: the interval that holds the \
                true change with 95 % confidence. Band: changes too small to count.";
    let note = Element::new("p").class("note").text(note);
    let note = charts.is_some().then_some(note);
    body.section("What changed", charts.into_iter().chain(note).collect());
    body.section("Changes", changes(comparison));
    let spectra = [
        (
            "spectrum-round-trip",
            "Round trip of both sides",
            Metric::RoundTrip,
        ),
        (
            "spectrum-service-time",
            "Service time of both sides",
            Metric::ServiceTime,
        ),
        (
            "spectrum-delivery",
            "Delivery of both sides",
            Metric::Delivery,
        ),
        (
            "spectrum-handshake",
            "Handshake of both sides",
            Metric::Handshake,
        ),
    ];
    let spectra = spectra.map(|(id, title, metric)| {
        let curves = [
            curve("base", 7, base, metric),
            curve("candidate", 3, candidate, metric),
        ];
        let curves: Vec<_> = curves.into_iter().flatten().collect();
        spectrum::draw(id, title, &curves)
    });
    let charts = body.figures(spectra.into_iter().flatten());
    body.section("Percentile spectra", charts.into_iter().collect());
    let runs = runs(&[("base", base), ("candidate", candidate)]);
    body.section("Runs", runs.into_iter().collect());
    Page {
        title: &format!("compare: {} - wsbench", comparison.verdict),
        body: &body.elements,
        data: &body.data,
    }
    .render()
}

fn verdict(comparison: &Comparison, base: &[RunResult]) -> Element {
    let word = Element::new("strong")
        .class("word")
        .text(comparison.verdict);
    let name = base.first().map_or("", |run| run.scenario.name.as_str());
    let heading = Element::new("h1")
        .child(word)
        .text(format_args!(" compare {name}"));
    let why = Element::new("p").class("why").text(because(comparison));
    let decisive = comparison.changes.iter().filter(|change| change.gated);
    let decisive = decisive.filter(|change| change.word != Word::Unchanged);
    let mut reasons: Vec<Element> = decisive.map(reason).collect();
    let warnings = comparison.warnings.iter();
    reasons.extend(warnings.map(|text| Element::new("li").class("warning").text(text)));
    let hints = advice(comparison).into_iter();
    reasons.extend(hints.map(|text| Element::new("li").text(text)));
    let list = (!reasons.is_empty()).then(|| Element::new("ul").class("reasons").children(reasons));
    Element::new("header")
        .class(comparison.verdict.name())
        .child(heading)
        .child(why)
        .children(list)
        .child(Element::new("p").text(grounds(comparison)))
}

fn reason(change: &Change) -> Element {
    let by = Element::new("b").text(signed(change, change.change));
    Element::new("li")
        .class(class(change.word))
        .text(format_args!(
            "{} {}: ",
            change.statistic,
            in_words(change.word)
        ))
        .child(by)
        .text(format_args!(
            " ({} to {}; 95 % interval {})",
            value(change, change.base),
            value(change, change.candidate),
            interval(change)
        ))
}

/// The class of the style sheet that colours a word.
const fn class(word: Word) -> &'static str {
    match word {
        Word::Improved => "pass",
        Word::Unchanged => "",
        Word::Inconclusive => "inconclusive",
        Word::Regressed => "fail",
    }
}

/// Ratios on one axis, differences of shares on another.
fn forests(comparison: &Comparison) -> Vec<Figure> {
    let rows = |shares: bool| -> Vec<forest::Row> {
        let of = comparison.changes.iter();
        let of = of.filter(|change| (change.unit == "ratio") == shares);
        of.map(row).collect()
    };
    let charts = [
        forest::draw("forest", "Changes", "percent of the base", &rows(false)),
        forest::draw(
            "forest-shares",
            "Changes of shares",
            "percentage points",
            &rows(true),
        ),
    ];
    charts.into_iter().flatten().collect()
}

fn row(change: &Change) -> forest::Row {
    forest::Row {
        name: change.statistic.clone(),
        class: class(change.word),
        told: format!(
            "{} {}: {}, 95 % interval {}",
            change.statistic,
            in_words(change.word),
            signed(change, change.change),
            interval(change)
        ),
        low: change.low,
        change: change.change,
        high: change.high,
        minimum: change.minimum,
    }
}

fn changes(comparison: &Comparison) -> Vec<Element> {
    let rows = comparison.changes.iter().map(|change| {
        let cells = vec![
            change.statistic.clone(),
            value(change, change.base),
            value(change, change.candidate),
            signed(change, change.change),
            interval(change),
            in_words(change.word).to_owned(),
            detectable(change),
            if change.gated { "yes" } else { "no" }.to_owned(),
        ];
        (class(change.word), cells)
    });
    let headings = [
        "statistic",
        "base",
        "candidate",
        "change",
        "95 % interval",
        "outcome",
        "would have seen",
        "decides",
    ];
    let omitted = comparison.omitted.iter().map(|omitted| {
        let cells = vec![omitted.statistic.clone(), omitted.reason.clone()];
        ("", cells)
    });
    let omitted = tables::table(&["not compared", "why"], omitted.collect());
    let table = tables::table(&headings, rows.collect());
    table.into_iter().chain(omitted).collect()
}

/// All samples of a side together.
fn curve(name: &str, color: usize, runs: &[RunResult], metric: Metric) -> Option<Curve> {
    let mut histogram = Histogram::new();
    let mut censored = 0_u64;
    for summary in runs
        .iter()
        .filter_map(|run| run.summary.metrics.get(&metric))
    {
        histogram.merge(&summary.decode().ok()?);
        censored = censored.saturating_add(summary.censored_count);
    }
    (!histogram.is_empty()).then(|| Curve {
        name: name.to_owned(),
        color,
        histogram,
        censored,
    })
}

/// Runs listed on the page; more would bury it.
const RUNS: usize = 100;

fn runs(sides: &[(&str, &[RunResult])]) -> Option<Element> {
    let mut rows = Vec::new();
    for (side, runs) in sides {
        for run in runs.iter().take(RUNS) {
            let machine = &run.environment;
            let cells = vec![
                (*side).to_owned(),
                run.started.clone(),
                run.verdict.to_string(),
                run.target.urls.join(", "),
                format!("{} {}", run.tool.version, machine.build_profile),
                format!("{} x {}, {}", machine.cores, machine.cpu, machine.kernel),
            ];
            let class = if run.validity.valid { "" } else { "invalid" };
            rows.push((class, cells));
        }
    }
    tables::table(
        &["side", "started", "verdict", "target", "wsbench", "machine"],
        rows,
    )
}
