//! The page of one run: the verdict and why, then what was seen, then where and how.

use super::markup::Element;
use super::plot::{Figure, ranges};
use super::spectrum::{self, Curve};
use super::template::Page;
use super::{Body, storms, tables, timeline};
use crate::metrics::{Counter, Metric};
use crate::report::view::{self, because, count};
use crate::result::{RunResult, ThresholdState, statistics};

/// The whole document.
pub fn render(result: &RunResult) -> String {
    let mut body = Body::default();
    body.elements.push(verdict(result));
    body.elements.push(tiles(result));
    if let Some(charts) = body.figures(timeline::draw(result)) {
        let hint = "Grey: outside measure. Orange: faults. Violet: storms.";
        let key = Element::new("p").class("note").text(hint);
        body.section("The run over time", vec![charts, key]);
    }
    body.section(
        "Thresholds",
        tables::thresholds(result).into_iter().collect(),
    );
    let charts = [spectrum(result), phases(result)];
    let charts = body.figures(charts.into_iter().flatten());
    let note = "A line ends where unanswered messages begin: beyond it no answer came.";
    let note = Element::new("p").class("note").text(note);
    let note = charts.is_some().then_some(note);
    let times = charts.into_iter().chain(note).chain(tables::times(result));
    body.section("Times", times.collect());
    storms::add(&mut body, result);
    body.section("Failures", tables::failures(result).into_iter().collect());
    body.section("Counters", folded("all counters", tables::counters(result)));
    body.section("Environment", vec![environment(result)]);
    let text = Element::new("pre").text(&result.scenario.text);
    let title = match changes(result).is_empty() {
        true => "the scenario as it was run",
        false => "the scenario; flags changed some of it, see Environment",
    };
    body.section("Scenario", folded(title, Some(text)));
    Page {
        title: &format!("{}: {} - wsbench", result.scenario.name, result.verdict),
        body: &body.elements,
        data: &body.data,
    }
    .render()
}

/// Content that opens on a click, and on paper.
fn folded(title: &str, content: Option<Element>) -> Vec<Element> {
    let fold = |content| {
        let summary = Element::new("summary").text(title);
        Element::new("details").child(summary).child(content)
    };
    content.map(fold).into_iter().collect()
}

/// What a person sees first, and needs no other.
fn verdict(result: &RunResult) -> Element {
    let word = Element::new("strong").class("word").text(result.verdict);
    let why = Element::new("p").class("why").text(because(result));
    let mut reasons = Vec::new();
    for outcome in &result.thresholds {
        let class = match outcome.state {
            ThresholdState::Pass => continue,
            ThresholdState::Fail => "fail",
            ThresholdState::NoData => "inconclusive",
        };
        let measured = Element::new("b").text(view::threshold_value(outcome));
        let line = Element::new("li").class(class);
        let line = line.text(format_args!("{} ", outcome.name)).child(measured);
        reasons.push(line.text(format_args!(", asked {}", outcome.limit)));
    }
    let warnings = result.validity.reasons.iter().map(ToString::to_string);
    let warnings = warnings.chain(view::server_warning(result));
    reasons.extend(warnings.map(|text| Element::new("li").class("warning").text(text)));
    let name = &result.scenario.name;
    let heading = Element::new("h1").child(word).text(" ").text(name);
    let header = Element::new("header").class(result.verdict.name());
    let list = (!reasons.is_empty()).then(|| Element::new("ul").class("reasons").children(reasons));
    let load = Element::new("p").text(format_args!(
        "{}: {}, {} measured, started {}",
        result.target.urls.join(", "),
        result.load,
        view::seconds(result.summary.measured_s),
        result.started
    ));
    let description = Element::new("p").text(&result.scenario.description);
    header
        .child(heading)
        .child(why)
        .children(list)
        .child(description)
        .child(load)
}

/// The few numbers most people came for.
fn tiles(result: &RunResult) -> Element {
    let mut tiles: Vec<(&str, String)> = Vec::new();
    if let Some(round_trip) = result.summary.metrics.get(&Metric::RoundTrip) {
        let [_, p50, _, p99, ..] = view::figures(round_trip);
        tiles.push(("round trip p50, ms", p50));
        tiles.push(("round trip p99, ms", p99));
    }
    let value = |name: &str| {
        let found = statistics::lookup(&result.summary, &result.storms, name);
        found.and_then(|statistic| statistic.value)
    };
    let answered = value("replies.rate").filter(|rate| *rate > 0.0);
    tiles.extend(answered.map(|rate| ("answers", view::rate(rate))));
    let connected = result.timeline.rows.iter().map(|row| row.connected).max();
    tiles.extend(connected.map(|most| ("most connected", count(most))));
    let summary = &result.summary;
    let unanswered = value("messages.unanswered").unwrap_or(0.0) as u64;
    if summary.counter(Counter::MessagesSent) > 0 {
        tiles.push(("unanswered", count(unanswered)));
    }
    tiles.push((
        "failed dials",
        count(summary.counter(Counter::ConnectionsFailed)),
    ));
    tiles.push(("lost connections", count(summary.connections_lost())));
    if summary.counter(Counter::HeartbeatsSent) > 0 {
        let missed = summary.counter(Counter::HeartbeatsMissed);
        tiles.push(("missed heartbeats", count(missed)));
    }
    let tiles = tiles.into_iter().map(|(name, figure)| {
        Element::new("div")
            .child(Element::new("b").text(figure))
            .child(Element::new("span").text(name))
    });
    Element::new("div").class("tiles").children(tiles)
}

fn spectrum(result: &RunResult) -> Option<Figure> {
    let wanted = [
        (Metric::RoundTrip, "round trip", 3),
        (Metric::ServiceTime, "service time", 0),
        (Metric::Delivery, "delivery", 2),
        (Metric::HeartbeatRtt, "heartbeat", 5),
    ];
    let curves = wanted.iter().filter_map(|(metric, name, color)| {
        let summary = result.summary.metrics.get(metric)?;
        Some(Curve {
            name: (*name).to_owned(),
            color: *color,
            histogram: summary.decode().ok()?,
            censored: summary.censored_count,
        })
    });
    let curves: Vec<Curve> = curves.collect();
    spectrum::draw("spectrum", "Percentile spectrum", &curves)
}

/// Where the time of a handshake went.
fn phases(result: &RunResult) -> Option<Figure> {
    let phases = [
        Metric::Handshake,
        Metric::Resolve,
        Metric::TcpConnect,
        Metric::TlsHandshake,
        Metric::Upgrade,
    ];
    let ranges = phases.iter().filter_map(|metric| {
        let m = result.summary.metrics.get(metric)?;
        (m.count > 0).then(|| ranges::Range {
            name: metric.name().to_owned(),
            quantiles: [m.p50, m.p90, m.p99, m.max],
        })
    });
    let ranges: Vec<_> = ranges.collect();
    ranges::draw("handshake", "Where handshakes spend their time", &ranges)
}

fn environment(result: &RunResult) -> Element {
    let (machine, validity) = (&result.environment, &result.validity);
    let gib = machine.memory_bytes as f64 / f64::from(1 << 30);
    let phases = result.phases;
    tables::facts(vec![
        ("target", result.target.urls.join(", ")),
        ("server", view::server(result).unwrap_or_default()),
        ("load", result.load.clone()),
        ("limits", view::limits(result).unwrap_or_default()),
        ("faults", view::faults(result)),
        (
            "phases",
            format!(
                "warm-up until {}, measure until {}, end at {}",
                view::seconds(phases.warm_up_end_s),
                view::seconds(phases.measure_end_s),
                view::seconds(phases.drain_end_s)
            ),
        ),
        ("stalls", view::stalls(result).join("; ")),
        (
            "generator",
            format!(
                "{} shards in {} processes, paced by {}, {} CPU",
                validity.shards,
                validity.processes,
                validity.pacing,
                view::seconds(validity.cpu_s)
            ),
        ),
        (
            "machine",
            format!(
                "{} x {} ({}), {gib:.1} GiB",
                machine.cores, machine.cpu, machine.arch
            ),
        ),
        (
            "system",
            format!("{}, kernel {}", machine.os, machine.kernel),
        ),
        (
            "tool",
            format!(
                "{} {} ({} build)",
                result.tool.name, result.tool.version, machine.build_profile
            ),
        ),
        ("changed by flags", changes(result)),
        ("seed", result.scenario.seed.to_string()),
        ("scenario SHA-256", result.scenario.sha256.clone()),
    ])
}

/// The keys of the scenario that have another value than its text says.
fn changes(result: &RunResult) -> String {
    let changes = result.scenario.changes.iter().flatten();
    let changes: Vec<_> = changes
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    changes.join(", ")
}
