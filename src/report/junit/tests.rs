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
        few_samples: None,
        state,
    }
}

/// What `junit-10.xsd` allows: element, where it stands, attributes (the first ones are needed).
const ALLOWED: [(&str, &str, &[&str], usize); 7] = [
    (
        "testsuites",
        "",
        &["name", "time", "tests", "failures", "errors"],
        0,
    ),
    (
        "testsuite",
        "testsuites",
        &[
            "name",
            "tests",
            "failures",
            "errors",
            "skipped",
            "timestamp",
            "hostname",
            "id",
        ],
        4,
    ),
    ("testcase", "testsuite", &["name", "classname"], 1),
    ("failure", "testcase", &["message", "type"], 0),
    ("error", "testcase", &["message", "type"], 0),
    ("skipped", "testcase", &["message", "type"], 0),
    ("system-out", "testcase testsuite", &[], 0),
];

/// Holds the tags against the table. quick-junit escapes `<`, `>` and quotes wherever they are text.
fn assert_schema(text: &str) {
    let mut open: Vec<&str> = Vec::new();
    for tag in text
        .split('<')
        .skip(1)
        .map(|part| part.split('>').next().unwrap())
    {
        if tag.starts_with('?') {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{text}");
            continue;
        }
        let alone = tag.ends_with('/');
        let tag = tag.trim_end_matches('/');
        let (name, rest) = tag.split_once(' ').unwrap_or((tag, ""));
        let found = ALLOWED.iter().find(|(known, ..)| *known == name);
        let (_, parents, attributes, needed) = found.unwrap_or_else(|| panic!("<{name}>: {text}"));
        let parent = open.last().copied().unwrap_or_default();
        assert!(
            parents.split(' ').any(|known| known == parent),
            "{name} in {parent}"
        );
        // NAME="VALUE" NAME="VALUE"
        let names = rest
            .split('"')
            .step_by(2)
            .map(|part| part.trim().trim_end_matches('='));
        let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
        assert!(
            names.iter().all(|n| attributes.contains(n)),
            "{name}: {names:?}"
        );
        assert!(
            attributes[..*needed].iter().all(|n| names.contains(n)),
            "{name}: {names:?}"
        );
        if !alone {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{text}");
}

/// Reads it again and counts (tests, failures, errors, skipped) of each suite.
fn counts(text: &str) -> Vec<(String, usize, usize, usize, usize)> {
    assert_schema(text);
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
    assert_schema(&comparison::junit::render(&comparison));
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
