//! What GitHub Actions is told when a command runs in it: annotations on stderr, and the step's summary.
//!
//! The runner reads commands from both streams of a step; stdout may be a document that goes into a file.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use crate::compare::gate::Comparison;
use crate::report::{comparison, github, markdown};
use crate::result::RunResult;

/// More than this is not taken: 1 MiB a step.
const LARGEST_SUMMARY: usize = 1 << 20;

/// Tells of a run, and of its baseline if it was compared.
pub(super) fn tell_of_run(result: &RunResult, against: Option<&Comparison>) {
    tell(|| {
        let mut summary = markdown::render(result);
        if let Some(against) = against {
            summary.push('\n');
            summary += &comparison::markdown::render(against);
        }
        (github::of_run(result, against), summary)
    });
}

/// Tells of a comparison.
pub(super) fn tell_of_comparison(comparison: &Comparison) {
    tell(|| {
        let summary = comparison::markdown::render(comparison);
        (github::of_comparison(comparison), summary)
    });
}

fn tell(what: impl FnOnce() -> (Vec<String>, String)) {
    if std::env::var("GITHUB_ACTIONS").as_deref() != Ok("true") {
        return;
    }
    let (lines, summary) = what();
    let mut talk = std::io::stderr().lock();
    for line in lines {
        let _ = writeln!(talk, "{line}");
    }
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
        return;
    };
    if let Err(error) = append(Path::new(&path), &summary) {
        let _ = writeln!(talk, "warning: write the step summary: {error}");
    }
}

/// Appends, as long as the file stays within what is taken.
fn append(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let there = file.metadata()?.len();
    if there + text.len() as u64 > LARGEST_SUMMARY as u64 {
        return Err(std::io::Error::other("it would be larger than 1 MiB"));
    }
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")
}
