//! What went wrong, what was asked, and the answer.

use anstyle::Style;

use super::page::{BAD, BOLD, DIM, GOOD, Page, WARN};
use crate::report::idle_timer;
use crate::report::view::{self, because, count, plain};
use crate::result::{EndReason, RunResult, TallyRow, ThresholdState, Verdict};

/// Kinds of failure shown; the rest is in `failures.csv`.
const KINDS: usize = 10;

impl Page {
    pub(super) fn failures(&mut self, title: &str, rows: &[TallyRow]) {
        let rows: Vec<_> = rows.iter().filter(|row| row.failure).collect();
        if rows.is_empty() {
            return;
        }
        self.text.push('\n');
        self.line(BAD, title);
        for row in rows.iter().take(KINDS) {
            let kind = format!("  {} {}", count(row.count), plain(&row.kind));
            self.paragraph(Style::new(), &kind, 4);
            if let Some(example) = &row.example {
                self.paragraph(DIM, &format!("    e.g. {}", plain(example)), 6);
            }
            if let Some(hint) = &row.hint {
                self.paragraph(Style::new(), &format!("    hint: {}", plain(hint)), 6);
            }
        }
        if let Some(more) = rows.len().checked_sub(KINDS).filter(|more| *more > 0) {
            self.paragraph(DIM, &format!("  and {more} more kinds in failures.csv"), 4);
        }
    }

    pub(super) fn thresholds(&mut self, result: &RunResult) {
        if result.thresholds.is_empty() {
            return;
        }
        self.text.push('\n');
        self.line(BOLD, "thresholds");
        for outcome in &result.thresholds {
            let style = match outcome.state {
                ThresholdState::Pass => GOOD,
                ThresholdState::Fail => BAD,
                ThresholdState::NoData => WARN,
            };
            let state = view::threshold_state(outcome.state);
            let (name, limit) = (plain(&outcome.name), plain(&outcome.limit));
            let mut text = format!("  {state:<7} {name} {limit}");
            if outcome.state != ThresholdState::NoData {
                text += &format!(": {}", view::threshold_value(outcome));
            }
            self.paragraph(style, &text, 10);
        }
    }

    pub(super) fn warnings(&mut self, result: &RunResult) {
        let mut warnings: Vec<_> = result
            .validity
            .reasons
            .iter()
            .map(ToString::to_string)
            .collect();
        warnings.extend(view::stalls(result));
        warnings.extend(view::server_warning(result));
        warnings.extend(idle_timer::warning(result));
        match &result.end_reason {
            EndReason::Completed => {}
            EndReason::Interrupted => {
                warnings.push("interrupted: what was measured until then".to_owned())
            }
            EndReason::Terminated => {
                warnings.push("terminated: what was measured until then".to_owned())
            }
            EndReason::AbortedByThreshold(name) => {
                warnings.push(format!("ended early: the threshold {name} was broken"));
            }
            EndReason::NothingConnected => warnings.push(
                "nothing connected: no number here says anything about the target".to_owned(),
            ),
            EndReason::ServerEnded => {
                warnings.push("the built-in server ended before the run did".to_owned())
            }
        }
        if result.environment.build_profile == "debug" {
            warnings.push(
                "a debug build of wsbench: build with --release before believing times".to_owned(),
            );
        }
        if !warnings.is_empty() {
            self.text.push('\n');
        }
        for warning in warnings {
            self.paragraph(WARN, &format!("warning: {}", plain(&warning)), 2);
        }
    }

    pub(super) fn verdict(&mut self, result: &RunResult) {
        let style = match result.verdict {
            Verdict::Pass => GOOD,
            Verdict::Fail => BAD,
            Verdict::Inconclusive | Verdict::Invalid => WARN,
        };
        self.text.push('\n');
        let text = format!("verdict: {} ({})", result.verdict, because(result));
        self.paragraph(style, &text, 2);
    }
}
