//! What the readers of these formats ask of them.

use super::*;
use crate::result::fixture;

#[test]
fn openmetrics_text_is_as_its_grammar_wants_it() {
    let text = openmetrics(&fixture::result());
    assert!(text.ends_with("\n# EOF\n"), "{text}");
    let mut family = "";
    let mut seen = std::collections::BTreeSet::new();
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(head) = line.strip_prefix("# TYPE ") {
            let (name, kind) = head.split_once(' ').unwrap();
            assert!(["summary", "gauge"].contains(&kind), "{line}");
            assert!(seen.insert(name), "a family stands once: {line}");
            family = name;
        } else if let Some(head) = line.strip_prefix("# UNIT ") {
            let (name, unit) = head.split_once(' ').unwrap();
            assert!(
                name == family && name.ends_with(&format!("_{unit}")),
                "{line}"
            );
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().unwrap().is_finite(), "{line}");
            let name = sample.split('{').next().unwrap();
            assert_eq!(name, family, "samples stand under their family");
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            assert!(name.chars().all(word), "{line}");
        }
    }
    assert!(
        text.contains("wsbench_round_trip_seconds{quantile=\"0.5\"} "),
        "{text}"
    );
    let quantiles = ["p50", "p90", "p99", "p999"].map(quantile);
    assert_eq!(quantiles, ["0.5", "0.9", "0.99", "0.999"]);
}

#[test]
fn github_action_benchmark_gets_a_list_of_what_is_better_smaller() {
    let text = github_action_benchmark(&fixture::result());
    let list: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(!list.is_empty());
    for entry in &list {
        let name = entry["name"].as_str().unwrap();
        assert!(
            name.starts_with("chat/") && !name.ends_with(".rate"),
            "{name}"
        );
        assert!(["ms", "%"].contains(&entry["unit"].as_str().unwrap()));
        assert!(entry["value"].is_number());
        let known = ["name", "unit", "value", "range", "extra"];
        let keys = entry.as_object().unwrap().keys();
        assert!(keys.into_iter().all(|key| known.contains(&key.as_str())));
    }
}

#[test]
fn bencher_gets_benchmarks_of_measures_of_a_value() {
    let result = fixture::result();
    let found: Value = serde_json::from_str(&bencher(&result)).unwrap();
    // The rules of bencher.dev/bmf.json: objects of objects, each with a number `value`.
    let benchmarks = found.as_object().unwrap();
    assert!(!benchmarks.is_empty());
    for (name, measures) in benchmarks {
        assert!(!name.is_empty() && name.len() <= 1024);
        for (measure, metric) in measures.as_object().unwrap() {
            assert!(["latency", "throughput", "ratio"].contains(&measure.as_str()));
            for (key, value) in metric.as_object().unwrap() {
                assert!(["value", "lower_value", "upper_value"].contains(&key.as_str()));
                assert!(value.is_number());
            }
            assert!(metric["value"].is_number());
        }
    }
    let p50 = result.summary.metrics[&Metric::RoundTrip].p50;
    let told = found["chat/round_trip.p50"]["latency"]["value"]
        .as_f64()
        .unwrap();
    assert!((told / 1e6 - p50).abs() < 1e-6 * p50, "nanoseconds: {told}");
}
