//! The mark of an idle timer in a run: connections that nobody closed, all after the same silence.

use crate::metrics::{Histogram, Metric};
use crate::result::RunResult;

use super::view::{count, percent, seconds};

/// Fewer lost connections show no pattern.
const FEWEST: u64 = 10;
/// The part of them that must have had the same silence.
const PART: f64 = 0.8;
/// A shorter silence, in seconds, is no timer's: it is the time between two messages.
const SHORTEST: f64 = 2.0;
/// How far from the middle one silence may be to be the same, as a part of it.
const SAME: f64 = 0.02;

/// Says so when lost connections show an idle timer. Not when the run itself broke connections.
pub fn warning(result: &RunResult) -> Option<String> {
    if !result.faults.is_empty() {
        return None;
    }
    let quiet = result.summary.metrics.get(&Metric::QuietBeforeLoss)?;
    let pattern = pattern(&Histogram::decode(&quiet.histogram).ok()?)?;
    let ended: u64 = result.summary.closes.iter().map(|row| row.count).sum();
    let part = percent((pattern.count as f64 / ended.max(1) as f64 * 100.0).round() / 100.0);
    let spread = ((pattern.spread * 10.0).ceil() / 10.0).max(0.1);
    let after = format!("{:.1} +- {spread:.1} s", pattern.middle);
    let hold = seconds((pattern.middle * 1.25).ceil()).replace(' ', "");
    let cause = match result.storms.is_empty() {
        true => "an idle timer, in the server or on the way to it",
        false => "an idle timer, or one event that ended them all at once",
    };
    Some(format!(
        "{part} of {} ended connections went without a close frame {after} after the last byte from \
         the server: {cause}; see wsbench probe URL --idle {hold}",
        count(ended)
    ))
}

/// Silences of about the same length, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Pattern {
    count: u64,
    middle: f64,
    spread: f64,
}

/// The silence that most of them had, if most had one.
fn pattern(quiet: &Histogram) -> Option<Pattern> {
    let all = quiet.count();
    let steps: Vec<(f64, u64)> = quiet.counts().map(|(us, n)| (us as f64 / 1e6, n)).collect();
    let mut before = 0;
    let (middle, _) = steps.iter().find(|(_, n)| {
        before += n;
        before * 2 >= all
    })?;
    let near = |value: f64| (value - middle).abs() <= middle * SAME;
    let same: Vec<_> = steps.iter().filter(|(value, _)| near(*value)).collect();
    let (first, last) = (same.first()?.0, same.last()?.0);
    let pattern = Pattern {
        count: same.iter().map(|(_, n)| n).sum(),
        middle: (first + last) / 2.0,
        spread: (last - first) / 2.0,
    };
    let shows = pattern.count >= FEWEST && pattern.count as f64 >= PART * all as f64;
    (shows && *middle >= SHORTEST).then_some(pattern)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn of(seconds: &[(f64, u64)]) -> Histogram {
        let mut histogram = Histogram::new();
        for (value, count) in seconds {
            histogram.record_n(Duration::from_secs_f64(*value), *count);
        }
        histogram
    }

    #[test]
    fn a_timer_is_seen_and_what_only_looks_like_one_is_not() {
        for (name, seconds, expected) in [
            ("a timer", &[(60.0, 80), (60.2, 7), (3.0, 13)][..], Some(87)),
            ("exactly", &[(50.0, 10)], Some(10)),
            ("too few", &[(60.0, 9)], None),
            ("spread", &[(10.0, 20), (30.0, 20), (60.0, 20)], None),
            ("most elsewhere", &[(60.0, 70), (20.0, 30)], None),
            ("between messages", &[(0.5, 100)], None),
            ("none", &[], None),
        ] {
            let found = pattern(&of(seconds)).map(|pattern| pattern.count);
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn it_is_told_with_its_numbers_and_not_after_faults_of_our_own() {
        let mut result = crate::result::fixture::result();
        let quiet = of(&[(60.0, 40), (60.2, 47)]);
        result.summary.closes.truncate(1);
        result.summary.closes[0].count = 100;
        let mut summary = (result.summary.metrics.values().next().cloned()).expect("a metric");
        summary.histogram = quiet.encode();
        result
            .summary
            .metrics
            .insert(Metric::QuietBeforeLoss, summary);
        assert_eq!(
            warning(&result).as_deref(),
            Some(
                "87 % of 100 ended connections went without a close frame 60.1 +- 0.1 s after the last \
                 byte from the server: an idle timer, in the server or on the way to it; see wsbench \
                 probe URL --idle 76s"
            )
        );
        result.storms = vec![crate::result::fixture::storm()];
        assert!(warning(&result).expect("still").contains("all at once"));
        let fault = serde_json::json!({
            "fault": 0, "kind": "restart_server", "by": "server", "planned_s": 1.0, "sent_s": 1.0
        });
        result.faults = vec![serde_json::from_value(fault).expect("a fault")];
        assert_eq!(warning(&result), None);
    }
}
