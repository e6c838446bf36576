//! A comparison for people: the answer last, where the eye is.

use anstyle::Style;

use super::Look;
use super::page::{BAD, BOLD, DIM, GOOD, Page, WARN};
use crate::compare::gate::{Change, Comparison, Word};
use crate::report::comparison::{
    advice, because, detectable, grounds, interval, signed, value, word,
};
use crate::report::table::Table;
use crate::report::view;
use crate::result::{RunResult, Verdict};

/// The whole page.
pub fn render(comparison: &Comparison, look: Look) -> String {
    let mut page = page(comparison, look);
    let style = style(comparison.verdict);
    let answer = format!("verdict: {} ({})", comparison.verdict, because(comparison));
    page.line(style, &answer);
    page.text
}

/// Below the summary of a run that was compared with its baseline; ends with the verdict of both.
pub fn below(comparison: &Comparison, result: &RunResult, look: Look) -> String {
    let mut page = page(comparison, look);
    let style = style(result.verdict);
    let answer = format!("verdict: {} ({})", result.verdict, view::because(result));
    page.paragraph(style, &answer, 2);
    page.text
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Pass => GOOD,
        Verdict::Fail | Verdict::Invalid => BAD,
        Verdict::Inconclusive => WARN,
    }
}

fn page(comparison: &Comparison, look: Look) -> Page {
    let mut page = Page {
        text: String::new(),
        look,
    };
    for (title, gated) in [("what decides", true), ("shown beside it", false)] {
        let of = comparison.changes.iter().filter(|c| c.gated == gated);
        changes(&mut page, title, of);
    }
    for omitted in &comparison.omitted {
        let line = format!("not compared: {} ({})", omitted.statistic, omitted.reason);
        page.line(DIM, &line);
    }
    for warning in &comparison.warnings {
        page.line(WARN, &format!("warning: {warning}"));
    }
    for line in advice(comparison) {
        page.line(DIM, &format!("hint: {line}"));
    }
    let sees = "sees: the smallest change for the worse that 80 of 100 such comparisons would find";
    page.line(DIM, &format!("{}; {sees}", grounds(comparison)));
    page
}

fn changes<'a>(page: &mut Page, title: &str, changes: impl Iterator<Item = &'a Change>) {
    let mut table = Table::new(
        title,
        &[
            "base",
            "candidate",
            "change",
            "95 % interval",
            "sees",
            "verdict",
        ],
    );
    let mut styles = vec![BOLD];
    for change in changes {
        table.row(
            &change.statistic,
            [
                value(change, change.base),
                value(change, change.candidate),
                signed(change, change.change),
                interval(change),
                detectable(change),
                word(change.word).to_owned(),
            ],
        );
        styles.push(match change.word {
            Word::Regressed => BAD,
            Word::Improved => GOOD,
            Word::Inconclusive => WARN,
            Word::Unchanged => Style::new(),
        });
    }
    if table.is_empty() {
        return;
    }
    let lines = table.lines(page.look.width);
    let whole = lines.len() == styles.len();
    for (index, line) in lines.iter().enumerate() {
        let style = if whole { styles[index] } else { Style::new() };
        page.styled(style, line);
    }
    page.text.push('\n');
}
