//! A probe for people, read in ten seconds: the conclusion and its cause first, then what it rests on.

mod explain;
mod finding;
#[cfg(test)]
mod tests;
mod waterfall;

use anstyle::Style;

use super::Look;
use super::page::{BAD, BOLD, DIM, GOOD, Page, WARN};
use crate::probe::seen::Seen;
use crate::probe::{Diagnosis, Health, Severity};
use crate::report::probe::{holds, requests, session, words};
use crate::report::table::Table;
use crate::report::view::plain;

pub use explain::explain;

/// The whole page.
pub fn render(seen: &Seen, diagnosis: &Diagnosis, look: Look) -> String {
    let mut page = Page {
        text: String::new(),
        look,
    };
    page.conclusion(seen, diagnosis);
    page.waterfall(seen);
    for finding in &diagnosis.findings {
        page.finding(finding, &diagnosis.products);
    }
    page.talk(seen);
    page.requests(seen);
    page.held(seen);
    let healthy = diagnosis.health == Health::Healthy;
    if let Some(text) = words::not_looked_for(seen).filter(|_| healthy) {
        page.text.push('\n');
        page.line(DIM, &format!("not looked for: {text}"));
    }
    page.text
}

/// Of a severity.
fn style(severity: Severity) -> Style {
    match severity {
        Severity::Fault => BAD,
        Severity::Undecided | Severity::Warning => WARN,
        Severity::Note => BOLD,
    }
}

impl Page {
    fn conclusion(&mut self, seen: &Seen, diagnosis: &Diagnosis) {
        let style = match diagnosis.health {
            Health::Healthy => GOOD,
            Health::Faulty => BAD,
            Health::Undecided | Health::CouldNotProbe => WARN,
        };
        let (url, health) = (plain(&seen.asked.url), words::health(diagnosis));
        if self.look.color {
            let line = format!("{BOLD}{url}{BOLD:#}  {style}{health}{style:#}");
            self.styled(Style::new(), &line);
        } else {
            self.styled(Style::new(), &format!("{url}  {health}"));
        }
        self.line(style, &plain(&words::conclusion(seen, diagnosis)));
        if let Some(note) = words::withheld(seen) {
            self.line(WARN, &format!("note: {note}"));
        }
        if diagnosis.health == Health::CouldNotProbe {
            self.line(
                DIM,
                "hint: look at this machine first: its routes, its open files (ulimit -n), its ports",
            );
        }
    }

    fn section(&mut self, title: &str) {
        self.text.push('\n');
        self.line(BOLD, title);
    }

    /// `  label  text`, wrapped under the text.
    fn entry(&mut self, label: &str, width: usize, text: &str) {
        let roomy = self.look.width >= width + 30;
        let indent = if roomy { width + 4 } else { 4 };
        if label.chars().count() > width {
            self.paragraph(Style::new(), &format!("  {label}"), 4);
            self.paragraph(
                Style::new(),
                &format!("{:indent$}{}", "", plain(text)),
                indent,
            );
            return;
        }
        let line = format!("  {label:<width$}  {}", plain(text));
        self.paragraph(Style::new(), &line, indent);
    }

    /// Rows of a label and a text, under a title.
    fn entries(&mut self, title: &str, rows: &[(String, String)]) {
        if rows.is_empty() {
            return;
        }
        self.section(title);
        let widths = rows.iter().map(|(label, _)| plain(label).chars().count());
        let width = widths.max().unwrap_or(0).min(self.look.width / 2);
        for (label, text) in rows {
            self.entry(&plain(label), width, text);
        }
    }

    fn talk(&mut self, seen: &Seen) {
        if let Some(session) = &seen.session {
            self.entries("session", &session::rows(session));
        }
    }

    fn requests(&mut self, seen: &Seen) {
        let row = |request: requests::Request| {
            let came = match request.verdict() {
                "" => request.outcome,
                verdict => format!("{verdict}: {}", request.outcome),
            };
            (request.asked, came)
        };
        let rows: Vec<_> = requests::requests(seen).into_iter().map(row).collect();
        self.entries("requests made", &rows);
    }

    fn held(&mut self, seen: &Seen) {
        if let Some(watch) = &seen.watch {
            let mut table = Table::new("held connections", &["for", "end"]);
            for row in holds::rows(watch) {
                table.row(&plain(&row.kind), [row.held, plain(&row.end).into_owned()]);
            }
            if !table.is_empty() {
                self.text.push('\n');
                for (index, line) in table.lines(self.look.width).iter().enumerate() {
                    self.styled(if index == 0 { BOLD } else { Style::new() }, line);
                }
            }
            if let Some(rounds) = holds::rounds(watch) {
                self.section("handshakes meanwhile");
                self.line(Style::new(), &format!("  {}", plain(&rounds)));
            }
        }
        if let Some(crowd) = &seen.crowd {
            self.section("at once");
            self.line(Style::new(), &format!("  {}", plain(&holds::crowd(crowd))));
        }
    }
}
