//! A probe for people: the top cause first, read in ten seconds.

use super::Look;
use super::page::{BAD, BOLD, DIM, GOOD, Page};
use crate::probe::seen::Seen;
use crate::probe::{Diagnosis, Health};

/// The whole page.
pub fn render(seen: &Seen, diagnosis: &Diagnosis, look: Look) -> String {
    let mut page = Page {
        text: String::new(),
        look,
    };
    let style = match diagnosis.health {
        Health::Healthy => GOOD,
        _ => BAD,
    };
    page.line(BOLD, &seen.asked.url);
    for finding in &diagnosis.findings {
        page.line(style, &finding.title);
        for line in &finding.observed {
            page.line(DIM, &format!("  saw: {line}"));
        }
        for cause in &finding.causes {
            page.line(DIM, &format!("  cause: {} ({})", cause.cause, cause.tell));
        }
        for fix in &finding.fixes {
            page.line(
                DIM,
                &format!("  fix: {}: {}", fix.product.name(), fix.snippet),
            );
        }
    }
    page.line(style, &format!("{:?}", diagnosis.health));
    page.text
}
