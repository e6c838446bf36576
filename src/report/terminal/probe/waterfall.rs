//! The phases as bars, each where the one before it ended, as long as it took.

use anstyle::Style;

use crate::probe::seen::Seen;
use crate::report::probe::phases::{Phase, waterfall};
use crate::report::probe::words;
use crate::report::terminal::page::{DIM, Page};
use crate::report::view::plain;

/// Columns of a name with its indent, and of a time.
const NAME: usize = 13;
const TIME: usize = 11;
/// Columns of the longest bar, where there is room for bars.
const BAR: usize = 20;
/// From this width on.
const ROOMY: usize = 80;

impl Page {
    pub(super) fn waterfall(&mut self, seen: &Seen) {
        let waterfall = waterfall(seen);
        let length = waterfall.length_ms();
        if length > 0.0 {
            self.text.push('\n');
        }
        if let Some(phase) = &waterfall.resolve {
            self.phase(phase, "", length);
        }
        for way in &waterfall.ways {
            self.line(Style::new(), &plain(&way.address));
            for phase in &way.phases {
                self.phase(phase, "  ", length);
            }
        }
    }

    fn phase(&mut self, phase: &Phase, indent: &str, length: f64) {
        let name = format!("{indent}{}", phase.name);
        let mut line = format!("{name:<NAME$} {:>TIME$}", words::time(phase.took_ms));
        let mut column = NAME + TIME + 3;
        if self.look.width >= ROOMY {
            line += &format!("  {}", bar(phase, length));
            column += BAR + 2;
        }
        line += &format!("  {}", plain(&phase.detail));
        self.paragraph(Style::new(), &line, column);
        for more in &phase.more {
            self.paragraph(DIM, &format!("{:column$}{}", "", plain(more)), column);
        }
    }
}

/// A bar of [`BAR`] columns; the shortest phase still shows.
fn bar(phase: &Phase, length: f64) -> String {
    let scale = |ms: f64| (ms / length * BAR as f64).round() as usize;
    let start = scale(phase.start_ms).min(BAR - 1);
    let filled = scale(phase.took_ms).clamp(1, BAR - start);
    let mut text = " ".repeat(start);
    text += &"━".repeat(filled);
    text += &" ".repeat(BAR - start - filled);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stand_where_their_phase_was() {
        let phase = |start_ms, took_ms| Phase {
            name: "tcp",
            start_ms,
            took_ms,
            detail: String::new(),
            more: Vec::new(),
        };
        for (start, took, expected) in [
            (0.0, 100.0, "━━━━━━━━━━━━━━━━━━━━"),
            (0.0, 0.0, "━                   "),
            (50.0, 25.0, "          ━━━━━     "),
            (100.0, 0.0, "                   ━"),
            (90.0, 90.0, "                  ━━"),
        ] {
            assert_eq!(bar(&phase(start, took), 100.0), expected);
        }
    }
}
