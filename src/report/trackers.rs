//! A run for the services that keep numbers over time.
//!
//! | format | read by | as described in |
//! |---|---|---|
//! | OpenMetrics text | GitLab's metrics report in merge requests | docs.gitlab.com, `ci/testing/metrics_reports`; OpenMetrics 1.0, text format |
//! | JSON, a list | github-action-benchmark, tool `customSmallerIsBetter` | its README: `name`, `unit`, `value`, optional `range` and `extra` |
//! | Bencher Metric Format | `bencher run --adapter json` | bencher.dev, `docs/reference/bencher-metric-format` |
//!
//! All of them hold the same few statistics, those that a gate looks at, as far as the run has them. A
//! value that is only a lower bound (its quantile falls among unanswered messages) is given as that
//! bound; where the format has a place for words they say so.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::compare::gate::{Better, Gate, Question};
use crate::metrics::Metric;
use crate::result::{RunResult, Statistic, statistics};

/// Each of them with its value.
fn values(result: &RunResult) -> Vec<(Question, Statistic, f64)> {
    let asked = Gate::default().questions.into_iter();
    let found = asked.filter_map(|question| {
        let name = &question.statistic;
        let statistic = statistics::lookup(&result.summary, &result.storms, name)?;
        let value = statistic.value.filter(|value| value.is_finite())?;
        Some((question, statistic, value))
    });
    found.collect()
}

/// OpenMetrics text: summaries with the quantiles of times, gauges for shares and rates.
pub fn openmetrics(result: &RunResult) -> String {
    let mut families: BTreeMap<String, (&'static str, Vec<String>)> = BTreeMap::new();
    for (question, _, value) in values(result) {
        let (metric, statistic) = split(&question.statistic);
        let (family, kind, labels) = match question.unit {
            "s" => (
                format!("wsbench_{metric}_seconds"),
                "summary",
                format!("{{quantile=\"{}\"}}", quantile(statistic)),
            ),
            "per_s" => (
                format!("wsbench_{metric}_per_second"),
                "gauge",
                String::new(),
            ),
            _ => (
                format!("wsbench_{metric}_{statistic}"),
                "gauge",
                String::new(),
            ),
        };
        let line = format!("{family}{labels} {value}");
        let (_, lines) = families.entry(family).or_insert((kind, Vec::new()));
        lines.push(line);
    }
    let mut text = String::new();
    for (family, (kind, lines)) in &families {
        text += &format!("# TYPE {family} {kind}\n");
        if *kind == "summary" {
            text += &format!("# UNIT {family} seconds\n");
        }
        for line in lines {
            text += &format!("{line}\n");
        }
    }
    text + "# EOF\n"
}

/// `p999` as `0.999`.
fn quantile(statistic: &str) -> String {
    format!(
        "0.{}",
        statistic.trim_start_matches('p').trim_end_matches('0')
    )
}

/// What is smaller when it is better; rates are not.
pub fn github_action_benchmark(result: &RunResult) -> String {
    let scenario = &result.scenario.name;
    let found = values(result).into_iter();
    let smaller = found.filter(|(question, ..)| question.better == Better::Lower);
    let list: Vec<Value> = smaller
        .map(|(question, statistic, value)| {
            let (unit, value) = match question.unit {
                "s" => ("ms", value * 1e3),
                _ => ("%", value * 1e2),
            };
            let mut entry = json!({
                "name": format!("{scenario}/{}", question.statistic),
                "unit": unit,
                "value": value,
            });
            let mut extra = samples(result, &question.statistic);
            if statistic.censored {
                extra += "lower bound: this quantile falls among unanswered messages";
            }
            if !extra.is_empty() {
                entry["extra"] = json!(extra.trim_end());
            }
            entry
        })
        .collect();
    pretty(&Value::Array(list))
}

/// `1,000 samples` of a metric; empty for a share.
fn samples(result: &RunResult, statistic: &str) -> String {
    let metric = Metric::from_name(split(statistic).0);
    let summary = metric.and_then(|metric| result.summary.metrics.get(&metric));
    summary.map_or(String::new(), |summary| {
        format!("{} samples\n", super::view::count(summary.count))
    })
}

/// A benchmark for each statistic: `latency` in ns and `throughput` in operations a second are measures
/// that every project has; shares get one of their own, `ratio`.
pub fn bencher(result: &RunResult) -> String {
    let scenario = &result.scenario.name;
    let mut benchmarks = Map::new();
    for (question, statistic, value) in values(result) {
        let (measure, value) = match question.unit {
            "s" => ("latency", value * 1e9),
            "per_s" => ("throughput", value),
            _ => ("ratio", value),
        };
        let mut metric = json!({ "value": value });
        if statistic.censored {
            metric["lower_value"] = json!(value);
        }
        let name = format!("{scenario}/{}", question.statistic);
        benchmarks.insert(name, json!({ measure: metric }));
    }
    pretty(&Value::Object(benchmarks))
}

fn split(statistic: &str) -> (&str, &str) {
    statistic.split_once('.').unwrap_or((statistic, ""))
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests;
