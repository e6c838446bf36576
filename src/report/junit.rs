//! `junit.xml`: a run for the test report of a CI, a case for each threshold and each gated change.
//!
//! There is no one schema; this keeps to what its readers have in common: Jenkins' `junit-10.xsd`
//! (jenkinsci/xunit-plugin, `src/main/resources/org/jenkinsci/plugins/xunit/types/model/xsd`) and
//! GitLab's "Unit test reports" (docs.gitlab.com, `ci/testing/unit_test_reports`): `testsuites` of
//! `testsuite` of `testcase` with `name` and `classname`, in it at most one of `failure`, `error`,
//! `skipped` with a `message`.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::comparison;
use super::view;
use crate::compare::gate::Comparison;
use crate::result::{RunResult, ThresholdOutcome, ThresholdState, Verdict};

/// The document. A broken limit is a failure; numbers that cannot be believed are an error; a question
/// without an answer is skipped: none of them passes silently.
pub fn render(result: &RunResult, against: Option<&Comparison>) -> String {
    let mut suite = TestSuite::new(format!("wsbench run {}", result.scenario.name));
    let mut add = |name: &str, status: TestCaseStatus, out: String| {
        let mut case = TestCase::new(name, status);
        case.set_classname(format!("wsbench.{}", result.scenario.name));
        case.set_system_out(out);
        suite.add_test_case(case);
    };
    let (status, out) = run_itself(result);
    add("valid run", status, out);
    for outcome in &result.thresholds {
        let sentence = sentence(outcome);
        let name = format!("{} {}", outcome.name, outcome.limit);
        add(&name, of_threshold(outcome.state, &sentence), sentence);
    }
    if let (Some(outcome), None) = (&result.baseline, against) {
        let status = match outcome.verdict {
            Verdict::Pass => TestCaseStatus::success(),
            Verdict::Fail => non_success(NonSuccessKind::Failure, "regression", &outcome.because),
            Verdict::Inconclusive | Verdict::Invalid => skipped(&outcome.because),
        };
        let name = format!("against {}", outcome.from);
        add(&name, status, outcome.because.clone());
    }
    suite.set_system_out(format!("{}: {}", result.verdict, view::because(result)));
    let mut report = Report::new("wsbench");
    report.add_test_suite(suite);
    if let Some(against) = against {
        report.add_test_suite(comparison::junit::suite(against));
    }
    write(&report)
}

/// As text. The count of skipped cases of the whole document is left out: `junit-10.xsd` has it at each
/// suite only.
pub(super) fn write(report: &Report) -> String {
    // Writing into memory does not fail, and quick-junit replaces what XML cannot hold.
    let text = report.to_string().unwrap_or_default();
    let whole = |start: usize| Some((start, start + text[start..].find('>')?));
    let Some((start, end)) = text.find("<testsuites").and_then(whole) else {
        return text;
    };
    let (before, rest) = text.split_at(start);
    let (tag, after) = rest.split_at(end - start);
    let kept = tag.split_inclusive(' ');
    let kept: String = kept.filter(|part| !part.starts_with("skipped=")).collect();
    format!("{before}{}{after}", kept.trim_end())
}

/// Whether there are numbers to judge at all.
fn run_itself(result: &RunResult) -> (TestCaseStatus, String) {
    let reasons = result.validity.reasons.iter().map(ToString::to_string);
    let reasons: Vec<String> = reasons.collect();
    let ended = result.end_reason == crate::result::EndReason::Completed;
    if !reasons.is_empty() {
        let text = reasons.join("\n");
        (non_success(NonSuccessKind::Error, "invalid", &text), text)
    } else if !ended {
        let text = "the run did not end as planned".to_owned();
        (skipped(&text), text)
    } else {
        (TestCaseStatus::success(), "the run is valid".to_owned())
    }
}

fn of_threshold(state: ThresholdState, sentence: &str) -> TestCaseStatus {
    match state {
        ThresholdState::Pass => TestCaseStatus::success(),
        ThresholdState::Fail => non_success(NonSuccessKind::Failure, "threshold", sentence),
        ThresholdState::NoData => skipped(sentence),
    }
}

/// The threshold and what became of it.
pub fn sentence(outcome: &ThresholdOutcome) -> String {
    let (name, limit) = (&outcome.name, &outcome.limit);
    match outcome.state {
        ThresholdState::NoData => format!("{name} {limit}: there was nothing to judge"),
        _ => format!("{name} {limit}: it was {}", view::threshold_value(outcome)),
    }
}

fn non_success(kind: NonSuccessKind, name: &str, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(name).set_message(message);
    status
}

fn skipped(message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_message(message);
    status
}

#[cfg(test)]
mod tests;
