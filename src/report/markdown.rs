//! `summary.md`: the result for a pull request or a step summary of CI (GitHub flavoured).

use std::fmt::Write as _;

use crate::result::RunResult;

use super::idle_timer;
use super::storms;
use super::view::{self, FIGURES, because, count, plain};

/// The page, verdict first: in a list of checks only the top is seen.
pub fn render(result: &RunResult) -> String {
    let mut text = String::new();
    let name = cell(&result.scenario.name);
    let verdict = result.verdict;
    push(&mut text, &format!("## wsbench {name}: {verdict}\n"));
    push(&mut text, &format!("{}.\n", cell(&because(result))));
    let targets = result.target.urls.iter().map(|url| cell(url));
    let targets = targets.collect::<Vec<_>>().join(", ");
    push(
        &mut text,
        &format!(
            "{targets}; {}; {} measured; seed {}\n",
            cell(&result.load),
            view::seconds(result.summary.measured_s),
            result.scenario.seed
        ),
    );
    if let Some(limits) = view::limits(result) {
        push(&mut text, &format!("limits: {}\n", cell(&limits)));
    }
    push_faults(&mut text, result);
    warnings(&mut text, result);
    let thresholds = result.thresholds.iter().map(|outcome| {
        vec![
            view::threshold_state(outcome.state).to_owned(),
            outcome.name.clone(),
            outcome.limit.clone(),
            view::threshold_value(outcome),
        ]
    });
    table(
        &mut text,
        &["threshold", "name", "limit", "value"],
        thresholds,
    );
    let headings: Vec<_> = std::iter::once("times in ms").chain(FIGURES).collect();
    let metrics = result.summary.metrics.iter().map(|(metric, summary)| {
        let label = std::iter::once(metric.name().to_owned());
        label.chain(view::figures(summary)).collect()
    });
    table(&mut text, &headings, metrics);
    storms_of(&mut text, result);
    failures_of(&mut text, result);
    text
}

/// Failed dials and lost connections, in measure and outside it.
fn failures_of(text: &mut String, result: &RunResult) {
    let (measured, outside) = (&result.summary, &result.outside_measure);
    let failures = [
        ("measure", &measured.failures),
        ("measure", &measured.closes),
        ("outside", &outside.failures),
        ("outside", &outside.closes),
    ];
    let failures = failures.into_iter().flat_map(|(phase, rows)| {
        let rows = rows.iter().filter(|row| row.failure);
        rows.map(move |row| (phase, row))
    });
    let failures = failures.map(|(phase, row)| {
        vec![
            row.kind.clone(),
            phase.to_owned(),
            count(row.count),
            row.example.clone().unwrap_or_default(),
            row.hint.clone().unwrap_or_default(),
        ]
    });
    table(
        text,
        &["failure", "phase", "count", "example", "hint"],
        failures,
    );
}

/// A small table for each storm.
fn storms_of(text: &mut String, result: &RunResult) {
    for storm in result.storms.iter().take(storms::SHOWN) {
        push(text, &format!("**{}**\n", cell(&storms::title(storm))));
        let facts = storms::facts(storm).into_iter();
        let caveats = storms::caveats(storm).into_iter();
        let facts = facts.chain(caveats.map(|caveat| ("caveat", caveat)));
        let rows = facts.map(|(label, fact)| vec![label.to_owned(), fact]);
        table(text, &["storm", ""], rows);
    }
    if let Some(more) = storms::more(&result.storms, result.storms_omitted) {
        push(text, &format!("{}.\n", cell(&more)));
    }
}

/// Why the numbers may not be believed.
fn warnings(text: &mut String, result: &RunResult) {
    for reason in &result.validity.reasons {
        let line = format!("> **warning** {}\n", cell(&reason.to_string()));
        push(text, &line);
    }
    if let Some(warning) = view::server_warning(result) {
        push(text, &format!("> **warning** {}\n", cell(&warning)));
    }
    if let Some(warning) = idle_timer::warning(result) {
        push(text, &format!("> **warning** {}\n", cell(&warning)));
    }
    for stall in view::stalls(result) {
        push(text, &format!("> {stall}\n"));
    }
}

/// A paragraph and its empty line.
fn push(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a String takes every write");
}

fn push_faults(text: &mut String, result: &RunResult) {
    if !result.faults.is_empty() {
        let faults = cell(&view::faults(result));
        push(text, &format!("faults: {faults}\n"));
    }
}

/// A table, unless it has no rows.
pub(super) fn table(text: &mut String, headings: &[&str], rows: impl Iterator<Item = Vec<String>>) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    *text += &format!("| {} |\n", headings.join(" | "));
    *text += &format!("|{}\n", " --- |".repeat(headings.len()));
    for row in rows {
        let cells: Vec<_> = row.iter().map(|text| cell(text)).collect();
        *text += &format!("| {} |\n", cells.join(" | "));
    }
    text.push('\n');
}

/// Text that stays in its cell and is neither HTML nor a mention, a link or an image.
pub(super) fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '@' => out.push_str("&#64;"),
            '|' | '`' | '[' | ']' | '*' | '!' | '\\' | '#' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::fixture;

    #[test]
    fn the_page_of_a_run() {
        let mut result = fixture::result();
        result.verdict = crate::result::Verdict::Pass;
        result.storms = vec![fixture::storm()];
        result.storms[0].generator.limited = true;
        insta::assert_snapshot!(render(&result));
    }

    #[test]
    fn a_server_cannot_write_into_the_page() {
        assert_eq!(
            cell("a|b\n<img src=x> [x](y) @team `c`"),
            "a\\|b\\\\n&lt;img src=x> \\[x\\](y) &#64;team \\`c\\`"
        );
    }
}
