//! Annotations of GitHub Actions: lines that the runner turns into marks on the run and the pull
//! request ("Workflow commands for GitHub Actions", docs.github.com, `actions/reference`).
//!
//! The data of a command is escaped as the toolkit does it (actions/toolkit,
//! `packages/core/src/command.ts`): `%`, CR and LF in messages, `:` and `,` too in properties. Nothing a
//! server says can so become a command of its own.

use super::comparison;
use super::junit;
use super::view::{self, plain};
use crate::compare::gate::{Comparison, Word};
use crate::result::{RunResult, ThresholdState, Verdict};

/// A step shows ten of each kind; what is beyond them is in the summary.
const SHOWN: usize = 10;

/// The lines of a run, without line ends; none for one that passed.
pub fn of_run(result: &RunResult, against: Option<&Comparison>) -> Vec<String> {
    let title = format!("wsbench {}", result.scenario.name);
    let mut lines = Lines::new(&title);
    for reason in &result.validity.reasons {
        lines.warning(&reason.to_string());
    }
    for outcome in &result.thresholds {
        match outcome.state {
            ThresholdState::Pass => {}
            ThresholdState::Fail => lines.error(&junit::sentence(outcome)),
            ThresholdState::NoData => lines.warning(&junit::sentence(outcome)),
        }
    }
    if let Some(against) = against {
        changes(&mut lines, against);
    }
    if lines.text.is_empty() && result.verdict != Verdict::Pass {
        let answer = format!("{}: {}", result.verdict, view::because(result));
        match result.verdict {
            Verdict::Fail => lines.error(&answer),
            _ => lines.warning(&answer),
        }
    }
    lines.text
}

/// The lines of a comparison; none when nothing regressed and nothing is open.
pub fn of_comparison(against: &Comparison) -> Vec<String> {
    let mut lines = Lines::new("wsbench compare");
    changes(&mut lines, against);
    lines.text
}

/// The verdict decides how loud a change is: a regression that fresh rounds did not show again is none.
fn changes(lines: &mut Lines, against: &Comparison) {
    for change in against.changes.iter().filter(|c| c.gated) {
        let sentence = comparison::junit::sentence(change);
        match change.word {
            Word::Improved | Word::Unchanged => {}
            Word::Inconclusive if change.not_worse => {}
            Word::Regressed if against.verdict == Verdict::Fail => lines.error(&sentence),
            Word::Regressed | Word::Inconclusive => lines.warning(&sentence),
        }
    }
    if against.verdict == Verdict::Invalid {
        lines.warning(&comparison::because(against));
    }
}

struct Lines {
    title: String,
    text: Vec<String>,
    errors: usize,
    warnings: usize,
}

impl Lines {
    fn new(title: &str) -> Self {
        Self {
            title: property(&plain(title)),
            text: Vec::new(),
            errors: 0,
            warnings: 0,
        }
    }

    fn error(&mut self, message: &str) {
        self.errors += 1;
        if self.errors <= SHOWN {
            self.push("error", message);
        }
    }

    fn warning(&mut self, message: &str) {
        self.warnings += 1;
        if self.warnings <= SHOWN {
            self.push("warning", message);
        }
    }

    fn push(&mut self, kind: &str, message: &str) {
        let line = format!("::{kind} title={}::{}", self.title, data(&plain(message)));
        self.text.push(line);
    }
}

fn data(text: &str) -> String {
    let escape = |c: char| match c {
        '%' => "%25".to_owned(),
        '\r' => "%0D".to_owned(),
        '\n' => "%0A".to_owned(),
        c => c.to_string(),
    };
    text.chars().map(escape).collect()
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::fixture;
    use crate::result::{InvalidReason, ThresholdOutcome};

    #[test]
    fn what_the_runner_would_read_as_its_own_is_escaped() {
        assert_eq!(data("50 %\r\n::error::x"), "50 %25%0D%0A::error::x");
        assert_eq!(property("a:b,c%"), "a%3Ab%2Cc%25");
    }

    #[test]
    fn each_broken_limit_is_an_error_and_each_doubt_a_warning() {
        let mut result = fixture::result();
        result.verdict = Verdict::Pass;
        assert_eq!(of_run(&result, None), [""; 0]);
        let outcome = |name: &str, state| ThresholdOutcome {
            name: name.to_owned(),
            limit: "< 50ms".to_owned(),
            value: Some(0.0612),
            unit: "s".to_owned(),
            censored: false,
            few_samples: None,
            state,
        };
        result.thresholds = vec![
            outcome("round_trip.p50", ThresholdState::Pass),
            outcome("round_trip.p99", ThresholdState::Fail),
            outcome("delivery.p99", ThresholdState::NoData),
        ];
        result.verdict = Verdict::Fail;
        assert_eq!(
            of_run(&result, None),
            [
                "::error title=wsbench chat::round_trip.p99 < 50ms: it was 61.200 ms",
                "::warning title=wsbench chat::delivery.p99 < 50ms: there was nothing to judge",
            ]
        );
        let law = "x%\n::error::forged".to_owned();
        result.validity.reasons = vec![InvalidReason::Unbalanced { law }];
        let lines = of_run(&result, None);
        assert!(lines.iter().all(|line| !line.contains('\n')), "{lines:?}");
        result.thresholds = vec![outcome("round_trip.p99", ThresholdState::Fail); 30];
        assert_eq!(of_run(&result, None).len(), 1 + SHOWN);
    }

    #[test]
    fn only_what_may_be_worse_is_a_warning() {
        use crate::report::comparison::fixture::open;
        let comparison = |not_worse| Comparison {
            base_runs: 5,
            candidate_runs: 5,
            changes: vec![crate::compare::gate::Change {
                not_worse,
                ..open(-0.2, -0.1, 0.01)
            }],
            omitted: Vec::new(),
            warnings: Vec::new(),
            verdict: Verdict::Pass,
        };
        assert_eq!(of_comparison(&comparison(true)), [""; 0]);
        assert_eq!(of_comparison(&comparison(false)).len(), 1);
    }

    #[test]
    fn an_answer_without_a_limit_is_told_too() {
        let mut result = fixture::result();
        result.verdict = Verdict::Inconclusive;
        let lines = of_run(&result, None);
        assert!(lines[0].starts_with("::warning title=wsbench chat::inconclusive: "));
    }
}
