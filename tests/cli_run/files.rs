//! The results folder: its files agree with each other, and a saved result is rendered again.

use std::collections::BTreeMap;

use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use super::bench::{Bench, assert_exit, finish, text};

/// The sum of each numeric column.
fn sums(csv: &str) -> BTreeMap<String, f64> {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let heading = reader.headers().expect("a heading").clone();
    let mut sums = BTreeMap::new();
    for row in reader.records() {
        let row = row.expect("a whole row");
        for (name, cell) in heading.iter().zip(&row) {
            *sums.entry(name.to_owned()).or_default() += cell.parse().unwrap_or(0.0);
        }
    }
    sums
}

#[test]
fn rows_sum_up_to_the_result() {
    let bench = Bench::new();
    assert_exit(&bench.run(&bench.scenario("2500ms", ""), &[]), 0);
    let result = bench.result();
    let both = |name: &str| {
        let outside = result["outside_measure"]["counters"][name].as_u64();
        let measured = result["counters"][name].as_u64();
        (outside.expect("a counter") + measured.expect("a counter")) as f64
    };
    let intervals = std::fs::read_to_string(bench.path("out/intervals.csv")).expect("saved");
    let sums = sums(&intervals);
    for (column, counters) in [
        ("attempted", &["connections_attempted"][..]),
        ("opened", &["connections_opened"]),
        ("closed", &["connections_closed"]),
        (
            "messages_sent",
            &["messages_sent", "messages_sent_unmatched"],
        ),
        ("messages_received", &["messages_received"]),
        ("replies_matched", &["replies_matched"]),
        ("sends_skipped", &["sends_skipped"]),
        ("bytes_sent", &["bytes_sent"]),
        ("bytes_received", &["bytes_received"]),
    ] {
        let expected: f64 = counters.iter().map(|name| both(name)).sum();
        assert_eq!(sums[column], expected, "{column}");
    }
    assert!(sums["messages_sent"] >= 440.0, "10 clients x 20/s x 2.5 s");
    let rows = result["timeline"]["rows"].as_array().map(Vec::len);
    let lines = intervals.lines().count() - 1;
    assert_eq!(rows.unwrap_or(lines), lines);
}

#[test]
fn the_log_of_histograms_sums_up_to_the_result() {
    let bench = Bench::new();
    assert_exit(&bench.run(&bench.scenario("1500ms", ""), &[]), 0);
    let log = std::fs::read(bench.path("out/histograms.hlog")).expect("saved");
    let mut counts = BTreeMap::<String, u64>::new();
    for entry in IntervalLogIterator::new(&log) {
        let LogEntry::Interval(interval) = entry.expect("the standard reader takes it") else {
            continue;
        };
        let tag = interval.tag().expect("tagged").as_str().to_owned();
        use base64::Engine as _;
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(interval.encoded_histogram())
            .expect("base64");
        let histogram = Deserializer::new().deserialize::<u64, _>(&mut &bytes[..]);
        *counts.entry(tag).or_default() += histogram.expect("V2").len();
    }
    let result = bench.result();
    let metrics = result["metrics"].as_object().expect("metrics");
    assert!(metrics.len() >= 3 && counts["round_trip"] > 0);
    for (name, metric) in metrics {
        let logged = counts.get(name).copied().unwrap_or(0);
        assert_eq!(Some(logged), metric["count"].as_u64(), "{name}");
    }
}

#[test]
fn a_saved_result_is_rendered_again() {
    let bench = Bench::new();
    let output = bench.run(&bench.scenario("900ms", ""), &[]);
    assert_exit(&output, 0);
    let report = |arguments: &[&str]| {
        let output = finish(bench.command().arg("report").args(arguments));
        assert_exit(&output, 0);
        assert_eq!(text(&output.stderr), "");
        text(&output.stdout)
    };
    let again = report(&["out"]);
    let (before, rest) = again.split_once("over time, ").expect("pictures");
    let (_, after) = rest.split_once("\nmessages ").expect("what follows them");
    let without = format!("{before}messages {after}");
    assert_eq!(without, text(&output.stdout), "the same page, but pictures");
    let saved = |name: &str| std::fs::read_to_string(bench.path("out").join(name)).expect("saved");
    assert_eq!(report(&["out", "--format", "json"]), saved("result.json"));
    assert_eq!(
        report(&["out/result.json", "-f", "csv"]),
        saved("summary.csv")
    );
    assert!(report(&["out", "-f", "markdown"]).starts_with("## "));
    assert_eq!(report(&["out", "-f", "html"]), saved("report.html"));
    for path in ["nowhere", "trial.toml"] {
        let output = finish(bench.command().args(["report", path]));
        assert_exit(&output, 3);
        assert!(text(&output.stderr).contains(path));
    }
}
