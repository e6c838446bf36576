//! The document as its readers see it.

use quick_junit::Report;

use super::*;
use crate::compare::gate::{self, Gate};
use crate::result::{BaselineOutcome, InvalidReason, fixture};

fn outcome(name: &str, state: ThresholdState) -> ThresholdOutcome {
    ThresholdOutcome {
        name: name.to_owned(),
        limit: "< 50ms".to_owned(),
        value: Some(0.0612),
        unit: "s".to_owned(),
        censored: false,
        state,
    }
}

/// Reads it again and counts (tests, failures, errors, skipped) of each suite.
fn counts(text: &str) -> Vec<(String, usize, usize, usize, usize)> {
    let report = Report::deserialize_from_str(text).expect("it reads");
    let suites = report.test_suites.iter();
    suites
        .map(|suite| {
            let of = |wanted: fn(&TestCaseStatus) -> bool| {
                let cases = suite.test_cases.iter();
                cases.filter(|case| wanted(&case.status)).count()
            };
            (
                suite.name.as_str().to_owned(),
                suite.test_cases.len(),
                of(|s| {
                    matches!(
                        s,
                        TestCaseStatus::NonSuccess {
                            kind: NonSuccessKind::Failure,
                            ..
                        }
                    )
                }),
                of(|s| {
                    matches!(
                        s,
                        TestCaseStatus::NonSuccess {
                            kind: NonSuccessKind::Error,
                            ..
                        }
                    )
                }),
                of(|s| matches!(s, TestCaseStatus::Skipped { .. })),
            )
        })
        .collect()
}

#[test]
fn every_threshold_and_every_gated_change_is_a_case() {
    let mut result = fixture::result();
    result.validity.reasons.clear();
    result.thresholds = vec![
        outcome("round_trip.p50", ThresholdState::Pass),
        outcome("round_trip.p99", ThresholdState::Fail),
        outcome("delivery.p99", ThresholdState::NoData),
    ];
    let suite = "wsbench run chat".to_owned();
    let text = render(&result, None);
    assert_eq!(counts(&text), [(suite.clone(), 4, 1, 0, 1)], "{text}");
    let law = "a = b \u{0} <&\"]]>".to_owned();
    result.validity.reasons = vec![InvalidReason::Unbalanced { law }];
    let text = render(&result, None);
    assert_eq!(counts(&text), [(suite.clone(), 4, 1, 1, 1)], "{text}");
    let comparison = gate::compare(&[result.clone()], &[result.clone()], &Gate::default());
    let gated = comparison.changes.iter().filter(|c| c.gated).count();
    let text = render(&result, Some(&comparison));
    let found = counts(&text);
    assert_eq!(found.len(), 2, "{text}");
    assert_eq!(found[1].1, gated + comparison.omitted.len());
    result.baseline = Some(BaselineOutcome {
        from: "main".to_owned(),
        runs: 3,
        verdict: Verdict::Fail,
        because: "regressed: round_trip.p99".to_owned(),
    });
    // Rendered again later, without the comparison itself.
    assert_eq!(counts(&render(&result, None)), [(suite, 5, 2, 1, 1)]);
}
