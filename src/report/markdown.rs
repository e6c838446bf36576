//! `summary.md`: the result for a pull request or a step summary of CI (GitHub flavoured).

use std::fmt::Write as _;

use crate::result::RunResult;

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
    push_faults(&mut text, result);
    for reason in &result.validity.reasons {
        push(
            &mut text,
            &format!("> **warning** {}\n", cell(&reason.to_string())),
        );
    }
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
        &mut text,
        &["failure", "phase", "count", "example", "hint"],
        failures,
    );
    text
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
fn table(text: &mut String, headings: &[&str], rows: impl Iterator<Item = Vec<String>>) {
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
fn cell(text: &str) -> String {
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
