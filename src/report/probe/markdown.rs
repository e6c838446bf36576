//! The page for an issue: conclusion, phases, findings with their snippets, requests made.
//!
//! Whatever came from the target stands in code spans and fences that it cannot leave.

use super::guarded::{code, fenced, inline};
use super::phases::{Phase, waterfall};
use super::{holds, requests, session, words};
use crate::probe::seen::Seen;
use crate::probe::{Diagnosis, Finding};

/// The whole page.
pub fn markdown(seen: &Seen, diagnosis: &Diagnosis) -> String {
    let mut text = String::new();
    let health = words::health(diagnosis);
    push(
        &mut text,
        &format!("## {}: {health}", code(&seen.asked.url)),
    );
    push(&mut text, &inline(&words::conclusion(seen, diagnosis)));
    if let Some(note) = words::withheld(seen) {
        push(&mut text, &format!("Note: {}", inline(note)));
    }
    phases(&mut text, seen);
    for finding in &diagnosis.findings {
        push_finding(&mut text, finding);
    }
    talk(&mut text, seen);
    push_requests(&mut text, seen);
    held(&mut text, seen);
    push(
        &mut text,
        &format!("wsbench {}, `wsbench probe`.", env!("CARGO_PKG_VERSION")),
    );
    text.truncate(text.trim_end().len());
    text + "\n"
}

/// A block and an empty line.
fn push(text: &mut String, block: &str) {
    if !block.is_empty() {
        *text += block.trim_end();
        *text += "\n\n";
    }
}

fn phases(text: &mut String, seen: &Seen) {
    let waterfall = waterfall(seen);
    let row = |address: &str, phase: &Phase| {
        let mut detail = code(&phase.detail);
        for more in &phase.more {
            detail += &format!("<br>{}", code(more));
        }
        let took = words::time(phase.took_ms);
        [code(address), phase.name.to_owned(), took, detail]
    };
    let resolve = waterfall.resolve.iter().map(|phase| row("", phase));
    let ways = waterfall.ways.iter();
    let ways = ways.flat_map(|way| way.phases.iter().map(|phase| row(&way.address, phase)));
    let rows: Vec<_> = resolve.chain(ways).collect();
    push(
        text,
        &table(["address", "phase", "took", "what came"], &rows),
    );
}

fn push_finding(text: &mut String, finding: &Finding) {
    let severity = words::severity(finding.severity);
    push(text, &format!("### {severity}: {}", inline(&finding.title)));
    let layer = words::layer(finding.layer);
    push(text, &format!("{} ({layer})", code(finding.id)));
    if !finding.observed.is_empty() {
        push(text, "Seen:");
        let lines = finding.observed.iter().map(String::as_str);
        push(text, &fenced("text", lines));
    }
    push(text, &format!("Expected: {}", inline(finding.expected)));
    push_remedies(text, finding);
}

/// Causes, fixes and limits, of a finding or of an entry.
pub(super) fn push_remedies(text: &mut String, finding: &Finding) {
    push(text, &causes(finding));
    push(text, &fixes(finding));
    if !finding.limits.is_empty() {
        let limits = inline(finding.limits);
        push(text, &format!("Limits: {limits}"));
    }
}

fn causes(finding: &Finding) -> String {
    let mut text = match finding.causes.len() {
        1 => "Cause:\n\n".to_owned(),
        n => format!("One of {n} causes:\n\n"),
    };
    for cause in &finding.causes {
        text += &format!("- {}", inline(&cause.cause));
        if !cause.tell.is_empty() {
            text += &format!(" *Tells apart:* {}", inline(&cause.tell));
        }
        text.push('\n');
    }
    text
}

fn fixes(finding: &Finding) -> String {
    let mut text = String::new();
    for fix in &finding.fixes {
        let block = fenced("text", fix.snippet.lines());
        text += &format!("Fix, {}:\n\n{block}\n", fix.product.name());
    }
    text
}

fn talk(text: &mut String, seen: &Seen) {
    if let Some(session) = &seen.session {
        let rows = session::rows(session);
        let rows: Vec<_> = rows
            .iter()
            .map(|(sent, came)| [code(sent), code(came)])
            .collect();
        push(text, &table(["sent", "what came"], &rows));
    }
}

fn push_requests(text: &mut String, seen: &Seen) {
    let rows: Vec<_> = requests::requests(seen)
        .iter()
        .map(|r| [code(&r.asked), code(&r.outcome), r.verdict().to_owned()])
        .collect();
    push(text, &table(["request made", "what came", ""], &rows));
}

fn held(text: &mut String, seen: &Seen) {
    if let Some(watch) = &seen.watch {
        let rows: Vec<_> = holds::rows(watch)
            .iter()
            .map(|row| [code(&row.kind), row.held.clone(), code(&row.end)])
            .collect();
        push(text, &table(["held connection", "for", "end"], &rows));
        if let Some(rounds) = holds::rounds(watch) {
            push(text, &format!("Handshakes meanwhile: {}", code(&rounds)));
        }
    }
    if let Some(crowd) = &seen.crowd {
        push(text, &format!("At once: {}", code(&holds::crowd(crowd))));
    }
}

/// A table, empty without rows; its cells are guarded already.
fn table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut text = format!("| {} |\n", headings.join(" | "));
    text += &format!("|{}\n", " --- |".repeat(N));
    for row in rows {
        text += &format!("| {} |\n", row.join(" | "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::probe::fixture;

    #[test]
    fn the_pages_of_some_probes() {
        for (name, seen, diagnosis) in fixture::all() {
            insta::assert_snapshot!(name.replace(' ', "_"), markdown(&seen, &diagnosis));
        }
    }

    #[test]
    fn a_target_cannot_leave_its_code() {
        let probes = fixture::all();
        let (_, seen, diagnosis) = probes.iter().find(|p| p.0 == "hostile").expect("there");
        let page = markdown(seen, diagnosis);
        assert!(page.contains("<script>"), "it is shown, as text");
        let mut fence = None::<usize>;
        for line in page.lines() {
            let ticks = line.len() - line.trim_start_matches('`').len();
            match fence {
                None if ticks >= 3 && !line[ticks..].contains('`') => fence = Some(ticks),
                Some(open) if line.chars().all(|c| c == '`') && ticks >= open => fence = None,
                Some(_) => {}
                None => {
                    let outside = outside_code(line);
                    for bad in ["<script", "](", "@team", "://", "\u{202e}", "\x1b"] {
                        assert!(!outside.contains(bad), "{bad} in {line}");
                    }
                }
            }
        }
        assert_eq!(fence, None, "every fence is closed");
    }

    /// What Markdown reads of a line: without its code spans.
    fn outside_code(line: &str) -> String {
        let mut out = String::new();
        let mut rest = line;
        while let Some(at) = rest.find('`') {
            out += &rest[..at];
            let ticks = rest[at..].len() - rest[at..].trim_start_matches('`').len();
            let fence = &rest[at..at + ticks];
            let body = &rest[at + ticks..];
            let mut from = 0;
            let end = loop {
                let found = body[from..].find(fence).map(|n| from + n);
                let Some(found) = found else { break None };
                let run = body[found..].len() - body[found..].trim_start_matches('`').len();
                if run == ticks {
                    break Some(found + ticks);
                }
                from = found + run;
            };
            rest = &body[end.unwrap_or_else(|| panic!("an open span in {line}"))..];
        }
        out + rest
    }
}
