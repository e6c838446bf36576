//! Absolute limits against measured numbers.
//!
//! A limit is kept only by a number: without samples it is `no_data`, never silently kept. A quantile
//! that falls among unanswered messages is known only to be longer than its bound, so it breaks every
//! upper limit, and keeps a lower limit only when the bound does.

use std::time::Duration;

use crate::result::statistics::{Kind, Statistic, lookup};
use crate::result::{StormReport, Summary, ThresholdOutcome, ThresholdState};
use crate::scenario::{Comparison, Threshold};

/// How one threshold comes out for the measured numbers.
pub fn judge(threshold: &Threshold, summary: &Summary, storms: &[StormReport]) -> ThresholdOutcome {
    let statistic = lookup(summary, storms, &threshold.name);
    let operator = threshold.comparison.symbol();
    ThresholdOutcome {
        name: threshold.name.clone(),
        limit: format!("{operator} {}", threshold.limit_text),
        value: statistic.and_then(|statistic| statistic.value),
        unit: statistic.map_or(Kind::Count, |s| s.kind).unit().to_owned(),
        censored: statistic.is_some_and(|statistic| statistic.censored),
        few_samples: summary.few_samples(&threshold.name),
        state: statistic.map_or(ThresholdState::NoData, |s| state(threshold, s)),
    }
}

/// The first threshold with `abort_run` that is broken after `measured` of the measured phase; of
/// storms, those that are over.
pub fn broken_early<'a>(
    thresholds: &'a [Threshold],
    summary: &Summary,
    storms: &[StormReport],
    measured: Duration,
) -> Option<&'a Threshold> {
    let due = |threshold: &&Threshold| threshold.abort_run && measured >= threshold.grace;
    thresholds
        .iter()
        .filter(due)
        .find(|threshold| judge(threshold, summary, storms).state == ThresholdState::Fail)
}

fn state(threshold: &Threshold, statistic: Statistic) -> ThresholdState {
    let Some(value) = statistic.value else {
        return ThresholdState::NoData;
    };
    let bounded_below = matches!(
        threshold.comparison,
        Comparison::Greater | Comparison::AtLeast
    );
    let kept = threshold.comparison.holds(value, threshold.limit)
        && (!statistic.censored || bounded_below);
    if kept {
        ThresholdState::Pass
    } else {
        ThresholdState::Fail
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Counter, Metric, Sheet};
    use crate::result::fixture;

    fn threshold(name: &str, comparison: Comparison, limit: f64) -> Threshold {
        Threshold {
            name: name.to_owned(),
            comparison,
            limit,
            limit_text: limit.to_string(),
            abort_run: true,
            grace: Duration::from_secs(10),
        }
    }

    fn summary() -> Summary {
        let mut sheet = Sheet::default();
        sheet.add(Counter::MessagesSent, 4);
        for _ in 0..2 {
            sheet.record(Metric::RoundTrip, Duration::from_millis(20));
            sheet.censor(Metric::RoundTrip, 1);
        }
        let after = [(Metric::RoundTrip, Duration::from_secs(5))].into();
        Summary::new(&sheet, Duration::from_secs(1), &after, &str::to_owned)
    }

    #[test]
    fn a_quantile_of_few_samples_is_judged_and_says_so() {
        let summary = summary();
        let of = |name: &str| judge(&threshold(name, Comparison::Less, 1.0), &summary, &[]);
        assert_eq!(of("round_trip.p99").few_samples, Some(4));
        assert_eq!(of("round_trip.p99").state, ThresholdState::Fail);
        for enough in [
            "round_trip.p50",
            "round_trip.max",
            "messages.sent",
            "no.such",
        ] {
            assert_eq!(of(enough).few_samples, None, "{enough}");
        }
    }

    #[test]
    fn limits_are_judged_by_numbers_only() {
        use Comparison::{AtLeast, AtMost, Equal, Greater, Less};
        use ThresholdState::{Fail, NoData, Pass};
        for (name, comparison, limit, expected) in [
            ("round_trip.p50", Less, 0.050, Pass),
            ("round_trip.p50", Less, 0.010, Fail),
            ("round_trip.p99", Less, 0.050, Fail),
            // It may well be more than 60 s.
            ("round_trip.p99", Less, 60.0, Fail),
            ("round_trip.p99", AtMost, 60.0, Fail),
            ("round_trip.p99", Equal, 5.0, Fail),
            ("round_trip.p99", Greater, 1.0, Pass),
            ("round_trip.p99", AtLeast, 6.0, Fail),
            ("delivery.p99", Less, 1.0, NoData),
            ("heartbeats.missed_ratio", AtMost, 0.001, NoData),
            ("messages.sent", Equal, 4.0, Pass),
            ("no.such", Less, 1.0, NoData),
        ] {
            let outcome = judge(&threshold(name, comparison, limit), &summary(), &[]);
            assert_eq!(
                outcome.state,
                expected,
                "{name} {} {limit}",
                comparison.symbol()
            );
        }
    }

    #[test]
    fn a_run_is_aborted_only_after_the_grace_time() {
        let limits = [
            threshold("delivery.p99", Comparison::Less, 1.0),
            threshold("round_trip.p50", Comparison::Less, 0.001),
        ];
        let at = |secs| broken_early(&limits, &summary(), &[], Duration::from_secs(secs));
        assert_eq!(at(9), None);
        assert_eq!(at(10), Some(&limits[1]));
    }

    #[test]
    fn a_storm_that_never_recovered_breaks_a_limit_and_none_is_no_data() {
        use Comparison::{AtLeast, AtMost, Equal, Less};
        use ThresholdState::{Fail, NoData, Pass};
        let never = [fixture::storm()];
        let mut elsewhere = fixture::storm();
        elsewhere.measured = false;
        for (storms, name, comparison, limit, expected) in [
            (&never[..], "storm.recovered_50", Less, 15.0, Pass),
            (&never, "storm.recovered_99", Less, 15.0, Fail),
            (&never, "storm.recovered_99", AtMost, 1e9, Fail),
            (&never, "storm.gave_up", Equal, 0.0, Fail),
            (&never, "storm.efficiency", AtLeast, 0.5, Fail),
            (&[], "storm.recovered_99", Less, 15.0, NoData),
            (&[], "storm.gave_up", Equal, 0.0, NoData),
            (&[], "storm.count", Equal, 0.0, Pass),
            (&[elsewhere], "storm.recovered_99", Less, 15.0, NoData),
        ] {
            let outcome = judge(&threshold(name, comparison, limit), &summary(), storms);
            assert_eq!(
                outcome.state,
                expected,
                "{name} {} {limit}",
                comparison.symbol()
            );
        }
    }
}
