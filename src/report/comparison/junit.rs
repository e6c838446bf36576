//! A comparison for the test report of a CI: one case a gated statistic.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{because, detectable, interval, signed, value, word};
use crate::compare::gate::{Change, Comparison, Word};
use crate::report::junit;

/// The document.
pub fn render(comparison: &Comparison) -> String {
    let mut report = Report::new("wsbench");
    report.add_test_suite(suite(comparison));
    junit::write(&report)
}

/// A suite of its own. Regressed is a failure, what may be worse is skipped: neither passes silently.
pub fn suite(comparison: &Comparison) -> TestSuite {
    let mut suite = TestSuite::new("wsbench compare");
    for change in comparison.changes.iter().filter(|c| c.gated) {
        let mut case = TestCase::new(&change.statistic, status(change));
        case.set_classname("wsbench.compare");
        case.set_system_out(sentence(change));
        suite.add_test_case(case);
    }
    for omitted in &comparison.omitted {
        let mut status = TestCaseStatus::skipped();
        status.set_message(&omitted.reason);
        let mut case = TestCase::new(&omitted.statistic, status);
        case.set_classname("wsbench.compare");
        suite.add_test_case(case);
    }
    suite.set_system_out(because(comparison));
    suite
}

fn status(change: &Change) -> TestCaseStatus {
    match change.word {
        Word::Improved | Word::Unchanged => TestCaseStatus::success(),
        Word::Inconclusive if change.not_worse => TestCaseStatus::success(),
        Word::Inconclusive => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(sentence(change));
            status
        }
        Word::Regressed => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type("regression").set_message(sentence(change));
            status
        }
    }
}

/// The change in one sentence.
pub fn sentence(change: &Change) -> String {
    format!(
        "{} {}: {} -> {}, {} (95 % interval {}); {} would have been seen",
        change.statistic,
        word(change.word),
        value(change, change.base),
        value(change, change.candidate),
        signed(change, change.change),
        interval(change),
        detectable(change),
    )
}

#[cfg(test)]
mod tests {
    use super::super::fixture::open;
    use super::*;

    #[test]
    fn only_what_may_be_worse_is_skipped() {
        let fine = Change {
            not_worse: true,
            ..open(-0.2, -0.1, 0.01)
        };
        assert_eq!(status(&fine), TestCaseStatus::success());
        let skipped = status(&open(-0.2, 0.0, 0.2));
        assert!(
            matches!(skipped, TestCaseStatus::Skipped { .. }),
            "{skipped:?}"
        );
    }
}
