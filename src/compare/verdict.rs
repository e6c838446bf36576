//! From outcomes to one answer and its exit code.

use crate::exit::Exit;
use crate::result::{BaselineOutcome, EndReason, RunResult, ThresholdState, Verdict};
use crate::scenario::Threshold;

use super::{threshold, validity};

/// Judges a result: fills in its thresholds, its validity and its verdict.
pub fn judge(result: &mut RunResult, thresholds: &[Threshold]) {
    result.thresholds = thresholds
        .iter()
        .map(|limit| threshold::judge(limit, &result.summary, &result.storms))
        .collect();
    result.validity.reasons = validity::reasons(result);
    result.validity.valid = result.validity.reasons.is_empty();
    result.verdict = of_run(result);
}

/// The verdict of a judged run by itself, whatever a baseline says.
pub fn of_run(result: &RunResult) -> Verdict {
    let answers = result.thresholds.iter().map(|outcome| match outcome.state {
        ThresholdState::Pass => Verdict::Pass,
        ThresholdState::NoData => Verdict::Inconclusive,
        ThresholdState::Fail => Verdict::Fail,
    });
    let verdict = answers.fold(of_end(&result.end_reason), Verdict::join);
    match result.validity.valid {
        true => verdict,
        false => verdict.join(Verdict::Invalid),
    }
}

/// Adds what a comparison with a baseline said.
pub fn join_baseline(result: &mut RunResult, outcome: BaselineOutcome) {
    result.verdict = of_run(result).join(outcome.verdict);
    result.baseline = Some(outcome);
}

/// What the end of a run says by itself: a run cut short answers less than it was asked.
fn of_end(reason: &EndReason) -> Verdict {
    match reason {
        EndReason::Completed => Verdict::Pass,
        EndReason::AbortedByThreshold(_) => Verdict::Fail,
        EndReason::Interrupted
        | EndReason::Terminated
        | EndReason::NothingConnected
        | EndReason::ServerEnded => Verdict::Inconclusive,
    }
}

/// The exit code of a judged result.
pub fn exit(result: &RunResult) -> Exit {
    match (&result.end_reason, result.verdict) {
        (EndReason::Interrupted, _) => Exit::Interrupted,
        (EndReason::Terminated, _) => Exit::Terminated,
        (EndReason::NothingConnected, _) => Exit::CouldNotRun,
        (_, Verdict::Pass) => Exit::Pass,
        (_, Verdict::Fail) => Exit::Fail,
        (_, Verdict::Inconclusive | Verdict::Invalid) => Exit::Unanswered,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::result::{InvalidReason, fixture};
    use crate::scenario::Comparison;

    fn limit(name: &str, limit: f64) -> Threshold {
        Threshold {
            name: name.to_owned(),
            comparison: Comparison::Less,
            limit,
            limit_text: limit.to_string(),
            abort_run: false,
            grace: Duration::ZERO,
        }
    }

    /// Kept, broken, and without data in the fixture.
    fn limits() -> [Threshold; 3] {
        [
            limit("round_trip.p50", 1.0),
            limit("round_trip.p50", 0.0001),
            limit("delivery.p99", 1.0),
        ]
    }

    fn judged(change: impl FnOnce(&mut RunResult), thresholds: &[Threshold]) -> (Verdict, Exit) {
        let mut result = fixture::result();
        change(&mut result);
        judge(&mut result, thresholds);
        (result.verdict, exit(&result))
    }

    #[test]
    fn joining_keeps_the_gravest_answer() {
        use Verdict::{Fail, Inconclusive, Invalid, Pass};
        let all = [Pass, Inconclusive, Fail, Invalid];
        for (i, a) in all.into_iter().enumerate() {
            for (j, b) in all.into_iter().enumerate() {
                assert_eq!(a.join(b), all[i.max(j)]);
            }
        }
    }

    #[test]
    fn every_end_has_its_exit_code() {
        use EndReason::{
            AbortedByThreshold, Completed, Interrupted, NothingConnected, ServerEnded, Terminated,
        };
        let [kept, broken, no_data] = limits();
        for (end, thresholds, expected) in [
            (Completed, vec![], (Verdict::Pass, Exit::Pass)),
            (Completed, vec![kept.clone()], (Verdict::Pass, Exit::Pass)),
            (
                Completed,
                vec![kept.clone(), broken.clone()],
                (Verdict::Fail, Exit::Fail),
            ),
            (
                Completed,
                vec![no_data.clone()],
                (Verdict::Inconclusive, Exit::Unanswered),
            ),
            (
                Completed,
                vec![no_data, broken.clone()],
                (Verdict::Fail, Exit::Fail),
            ),
            (
                Interrupted,
                vec![],
                (Verdict::Inconclusive, Exit::Interrupted),
            ),
            (Terminated, vec![broken], (Verdict::Fail, Exit::Terminated)),
            (
                NothingConnected,
                vec![kept.clone()],
                (Verdict::Inconclusive, Exit::CouldNotRun),
            ),
            (
                ServerEnded,
                vec![kept],
                (Verdict::Inconclusive, Exit::Unanswered),
            ),
            (
                AbortedByThreshold("x".to_owned()),
                vec![],
                (Verdict::Fail, Exit::Fail),
            ),
        ] {
            let outcome = judged(|result| result.end_reason = end.clone(), &thresholds);
            assert_eq!(outcome, expected, "{end:?}");
        }
    }

    #[test]
    fn an_invalid_run_passes_no_gate_and_fails_none() {
        let invalid = (Verdict::Invalid, Exit::Unanswered);
        let late = |result: &mut RunResult| result.validity.schedule_lag_limit_ms = 0.001;
        assert_eq!(judged(late, &limits()), invalid);
        let busy = |result: &mut RunResult| result.timeline.busy_intervals = 1;
        assert_eq!(judged(busy, &[]), invalid);
        let dropped = |result: &mut RunResult| {
            let counters = &mut result.summary.counters;
            counters.insert(crate::metrics::Counter::ArrivalsDropped, 3);
        };
        assert_eq!(judged(dropped, &[]), invalid);
        let tolerated = |result: &mut RunResult| {
            dropped(result);
            result.validity.dropped_arrivals_tolerated = true;
        };
        assert_eq!(judged(tolerated, &[]), (Verdict::Pass, Exit::Pass));
        let unbalanced = |result: &mut RunResult| {
            result
                .validity
                .broken_laws
                .push("a = b: 1 against 2".to_owned());
        };
        assert_eq!(judged(unbalanced, &[]), invalid);
    }

    #[test]
    fn reasons_hold_the_facts_and_the_advice() {
        let mut result = fixture::result();
        result.timeline.busy_intervals = 2;
        result.timeline.busiest = 0.987;
        judge(&mut result, &[]);
        let [reason] = result.validity.reasons.as_slice() else {
            panic!("{:?}", result.validity.reasons);
        };
        assert!(matches!(reason, InvalidReason::Busy { intervals: 2, .. }));
        assert_eq!(
            reason.to_string(),
            "the generator was busy 99 % of an interval (limit 95 %, 2 intervals over it); \
             use more cores or machines, or lower the rate"
        );
    }
}
