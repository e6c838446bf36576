//! Units, formatted once for every renderer.
//!
//! Times print in ms with us resolution, counts with thousands separators, ratios as percent.

use std::borrow::Cow;

use crate::metrics::Counter;
use crate::result::text::printable;
use crate::result::{MetricSummary, RunResult, Stall, ThresholdOutcome, ThresholdState, Verdict};

/// Stands where a figure would be the accident of a few samples, or where there is none.
pub const NO_FIGURE: &str = "-";

/// `1234567` as `1,234,567`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Milliseconds with us resolution: `1,234.567`.
pub fn millis(value: f64) -> String {
    let micros = (value.max(0.0) * 1e3).round() as u64;
    format!("{}.{:03}", count(micros / 1_000), micros % 1_000)
}

/// A lower bound: `> 5 s`, `> 250 ms`; rounded down, or it would claim too much.
pub fn more_than(millis: f64) -> String {
    if millis >= 1_000.0 {
        format!("> {} s", trimmed(millis.floor() / 1e3))
    } else {
        format!("> {} ms", trimmed(millis))
    }
}

/// `0.0012` as `0.12 %`.
pub fn percent(ratio: f64) -> String {
    format!("{} %", trimmed(ratio * 100.0))
}

/// `1,234.5/s`.
pub fn rate(per_second: f64) -> String {
    let tenths = (per_second.max(0.0) * 10.0).round() as u64;
    format!("{}.{}/s", count(tenths / 10), tenths % 10)
}

/// A number that need not be whole: `1.438`.
pub fn number(value: f64) -> String {
    trimmed(value)
}

/// Seconds for people: `35 s`, `0.5 s`.
pub fn seconds(value: f64) -> String {
    format!("{} s", trimmed(value))
}

/// At most three decimals, no trailing zeros.
fn trimmed(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Faults named one by one; those beyond are counted.
const FAULTS: usize = 6;

/// `restart_server at 15 s for 3 s; ...`, from the start of the run; empty without faults.
pub fn faults(result: &RunResult) -> String {
    let named = result.faults.iter().take(FAULTS).map(|record| {
        let mut text = format!("{} at {}", record.kind, tenths(record.sent_s));
        if let Some(error) = &record.error {
            text += &format!(" failed: {error}");
        } else if let Some(until) = record.until_s {
            text += &format!(" for {}", tenths(until - record.sent_s));
        }
        text
    });
    let mut list: Vec<String> = named.collect();
    let more = result.faults.len().saturating_sub(FAULTS);
    if more > 0 {
        list.push(format!("{} more in result.json", count(more as u64)));
    }
    list.join("; ")
}

/// The built-in server in a line: what it did, and how busy that made it.
pub fn server(result: &RunResult) -> Option<String> {
    let mut text = format!("built-in, {}", result.server.as_ref()?);
    if let Some(load) = &result.server_load {
        if load.processes > 1 {
            text += &format!(", {} processes", load.processes);
        }
        text += &format!(", busy {:.0} % at most", load.busiest() * 100.0);
    }
    Some(text)
}

/// Says so when the built-in server was what the run measured.
pub fn server_warning(result: &RunResult) -> Option<String> {
    result.server_load.as_ref()?.warning()
}

fn tenths(seconds: f64) -> String {
    format!("{seconds:.1} s")
}

/// Text from elsewhere, safe for a terminal.
pub fn plain(text: &str) -> Cow<'_, str> {
    printable(text)
}

/// The headings that go with [`figures`].
pub const FIGURES: [&str; 6] = ["n", "p50", "p90", "p99", "p99.9", "max"];

/// Samples and the quantiles a person reads, in ms; `-` where the samples do not carry a quantile,
/// `> 5 s` where it falls among unanswered messages.
pub fn figures(metric: &MetricSummary) -> [String; 6] {
    let figure = |name: &str| {
        let supported = metric.supports(name);
        match metric.figure(name) {
            Some((value, true)) if supported => more_than(value),
            Some((value, false)) if supported => millis(value),
            _ => NO_FIGURE.to_owned(),
        }
    };
    [
        count(metric.count),
        figure("p50"),
        figure("p90"),
        figure("p99"),
        figure("p999"),
        figure("max"),
    ]
}

/// How hard the run might press its target, and whether that held dials back.
pub fn limits(result: &RunResult) -> Option<String> {
    let limits = result.limits?;
    let mut text = format!("{} dials/s", count(limits.dials_per_s));
    let others = [
        (limits.messages_per_s, "messages/s"),
        (limits.clients, "clients"),
    ];
    for (limit, unit) in others {
        if let Some(limit) = limit {
            text += &format!(", {} {unit}", count(limit));
        }
    }
    let counters = [&result.summary.counters, &result.outside_measure.counters];
    let held = counters.map(|counters| counters.get(&Counter::DialsHeldBack).copied());
    let held: u64 = held.into_iter().flatten().sum();
    if held > 0 {
        text += &format!("; {} dials waited for it (see dial_lag)", count(held));
    }
    Some(text)
}

/// The value a threshold was judged by.
pub fn threshold_value(outcome: &ThresholdOutcome) -> String {
    let value = match (outcome.value, outcome.unit.as_str()) {
        (None, _) => "no data".to_owned(),
        (Some(value), "s") if outcome.censored => more_than(value * 1e3),
        (Some(value), "s") => format!("{} ms", millis(value * 1e3)),
        (Some(value), "ratio") => percent(value),
        (Some(value), "per_s") => rate(value),
        (Some(value), "number") => number(value),
        (Some(value), _) => count(value.max(0.0) as u64),
    };
    match outcome.few_samples {
        Some(samples) => format!("{value} (of only {} samples)", count(samples)),
        None => value,
    }
}

/// How a threshold came out, in a word or two.
pub const fn threshold_state(state: ThresholdState) -> &'static str {
    match state {
        ThresholdState::Pass => "pass",
        ThresholdState::Fail => "fail",
        ThresholdState::NoData => "no data",
    }
}

/// Why the verdict is what it is, in a few words.
pub fn because(result: &RunResult) -> String {
    let Some(baseline) = &result.baseline else {
        return because_alone(result, result.verdict);
    };
    let against = format!("against {}: {}", plain(&baseline.from), baseline.because);
    let alone = crate::compare::verdict::of_run(result);
    if alone == result.verdict {
        format!("{}; {against}", because_alone(result, alone))
    } else {
        against
    }
}

/// Without what a baseline says.
fn because_alone(result: &RunResult, verdict: Verdict) -> String {
    let of = |state| {
        let outcomes = result.thresholds.iter();
        outcomes.filter(|outcome| outcome.state == state).count()
    };
    let all = result.thresholds.len();
    match verdict {
        Verdict::Invalid => "the numbers cannot be believed: see the warnings".to_owned(),
        Verdict::Fail if of(ThresholdState::Fail) == 0 => {
            "ended early by a broken threshold".to_owned()
        }
        Verdict::Fail => format!("{} of {all} thresholds broken", of(ThresholdState::Fail)),
        Verdict::Inconclusive if of(ThresholdState::NoData) > 0 => {
            format!(
                "{} of {all} thresholds had no data",
                of(ThresholdState::NoData)
            )
        }
        Verdict::Inconclusive => "the run did not end as planned".to_owned(),
        Verdict::Pass if all == 0 => "no thresholds were set".to_owned(),
        Verdict::Pass => format!("{all} of {all} thresholds kept"),
    }
}

/// Stalls named one by one; the rest is in `result.json`.
const STALLS: usize = 5;

/// The generator's stalls in words, one a line.
pub fn stalls(result: &RunResult) -> Vec<String> {
    let line = |stall: &Stall| {
        let Stall { start_s, length_s } = stall;
        format!("stall of the generator at {start_s:.3} s for {length_s:.3} s")
    };
    let mut lines: Vec<_> = result.stalls.iter().take(STALLS).map(line).collect();
    let listed = result.stalls.len().saturating_sub(STALLS) as u64;
    let more = listed + result.stalls_beyond;
    if more > 0 {
        lines.push(format!("and {} more stalls in result.json", count(more)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        for (value, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (12_345_678, "12,345,678"),
        ] {
            assert_eq!(count(value), text);
        }
        for (value, text) in [
            (0.0, "0.000"),
            (0.0004, "0.000"),
            (1.2345, "1.235"),
            (12_345.6, "12,345.600"),
        ] {
            assert_eq!(millis(value), text);
        }
        for (value, text) in [
            (5_000.0, "> 5 s"),
            (250.0, "> 250 ms"),
            (1_500.9, "> 1.5 s"),
        ] {
            assert_eq!(more_than(value), text);
        }
        assert_eq!(percent(0.0012), "0.12 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(rate(1_234.56), "1,234.6/s");
        assert_eq!(seconds(35.0), "35 s");
        assert_eq!(millis(f64::NAN), "0.000");
    }

    #[test]
    fn limits_are_shown_with_what_waited_for_them() {
        let mut result = crate::result::fixture::result();
        assert_eq!(limits(&result).as_deref(), Some("50,000 dials/s"));
        let counters = &mut result.outside_measure.counters;
        counters.insert(Counter::DialsHeldBack, 1_200);
        let shown = result.limits.as_mut().expect("known");
        (shown.dials_per_s, shown.messages_per_s) = (1_000, Some(10_000));
        assert_eq!(
            limits(&result).as_deref(),
            Some("1,000 dials/s, 10,000 messages/s; 1,200 dials waited for it (see dial_lag)")
        );
        result.limits = None;
        assert_eq!(limits(&result), None);
    }
}
