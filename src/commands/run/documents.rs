//! What a run leaves for people and for CI, beside its `result.json`.

use std::path::Path;

use crate::compare::gate::Comparison;
use crate::report::{comparison, html, junit, markdown};
use crate::result::store::write_whole;
use crate::result::{RunResult, StoreError};

/// `summary.md`, `report.html`, `junit.xml`, and `comparison.json` of a run with a baseline.
pub(super) fn write(
    dir: &Path,
    result: &RunResult,
    against: Option<&Comparison>,
) -> Result<(), StoreError> {
    let mut summary = markdown::render(result);
    if let Some(against) = against {
        summary.push('\n');
        summary += &comparison::markdown::render(against);
    }
    write_whole(&dir.join("summary.md"), summary.as_bytes())?;
    let page = html::run(result);
    write_whole(&dir.join("report.html"), page.as_bytes())?;
    let tests = junit::render(result, against);
    write_whole(&dir.join("junit.xml"), tests.as_bytes())?;
    if let Some(against) = against {
        let mut text = serde_json::to_string_pretty(against)
            .expect("every key is a string and every float is finite or null");
        text.push('\n');
        write_whole(&dir.join("comparison.json"), text.as_bytes())?;
    }
    Ok(())
}
