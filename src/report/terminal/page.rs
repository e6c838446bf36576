//! Text under construction: styled, wrapped, escaped.

use anstyle::{AnsiColor, Style};

use super::Look;
use crate::report::table::wrap;
use crate::report::view::plain;

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const WARN: Style = AnsiColor::Yellow.on_default().bold();

/// Text under construction.
pub(super) struct Page {
    pub(super) text: String,
    pub(super) look: Look,
}

impl Page {
    /// `label      text`, wrapped under the text.
    pub(super) fn field(&mut self, label: &str, text: &str) {
        let wide = self.look.width >= 40;
        let indent = if wide { 13 } else { 2 };
        let line = if wide {
            format!("{label:<12} {}", plain(text))
        } else {
            format!("{label} {}", plain(text))
        };
        self.paragraph(Style::new(), &line, indent);
    }

    pub(super) fn line(&mut self, style: Style, text: &str) {
        self.paragraph(style, text, 2);
    }

    pub(super) fn paragraph(&mut self, style: Style, text: &str, indent: usize) {
        // Leading spaces are part of the first line, not words.
        let body = text.trim_start_matches(' ');
        let lead = text.len() - body.len();
        let width = self.look.width.saturating_sub(lead);
        let rest = indent.saturating_sub(lead);
        for line in wrap(body, width, rest) {
            self.styled(style, &format!("{:lead$}{line}", ""));
        }
    }

    pub(super) fn styled(&mut self, style: Style, line: &str) {
        let line = line.trim_end();
        if self.look.color && style != Style::new() {
            self.text += &format!("{style}{line}{style:#}");
        } else {
            self.text += line;
        }
        self.text.push('\n');
    }
}
