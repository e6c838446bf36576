//! A probe for programs and for issues: JSON with a version, Markdown.

use serde::Serialize;

use crate::probe::seen::Seen;
use crate::probe::{Diagnosis, Finding};

/// Grows when a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema_version: u32,
    #[serde(flatten)]
    diagnosis: &'a Diagnosis,
    seen: &'a Seen,
}

/// The document of `probe --json`.
pub fn json(seen: &Seen, diagnosis: &Diagnosis) -> String {
    let document = Document {
        schema_version: SCHEMA_VERSION,
        diagnosis,
        seen,
    };
    let text = serde_json::to_string_pretty(&document);
    text.expect("plain data with text keys") + "\n"
}

/// For an issue.
pub fn markdown(seen: &Seen, diagnosis: &Diagnosis) -> String {
    let mut text = format!("## wsbench probe {}\n", seen.asked.url);
    for Finding { title, .. } in &diagnosis.findings {
        text += &format!("- {title}\n");
    }
    text
}
