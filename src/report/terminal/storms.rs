//! Each storm, in a few lines.

use super::page::{BAD, DIM, Page, WARN};
use crate::report::storms::{SHOWN, caveats, facts, more, title};
use crate::result::RunResult;

impl Page {
    pub(super) fn storms(&mut self, result: &RunResult) {
        for storm in result.storms.iter().take(SHOWN) {
            self.text.push('\n');
            let style = if storm.recovered { WARN } else { BAD };
            self.line(style, &title(storm));
            for (label, text) in facts(storm) {
                self.field(&format!("  {label}"), &text);
            }
            for caveat in caveats(storm) {
                self.paragraph(WARN, &format!("  {caveat}"), 4);
            }
        }
        if let Some(more) = more(&result.storms, result.storms_omitted) {
            self.line(DIM, &more);
        }
    }
}
