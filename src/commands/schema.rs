//! `wsbench schema`: the JSON Schema of scenario files, for editors, or of what `probe --json` prints.

use crate::exit::Exit;
use crate::scenario;

/// Prints the schema on stdout.
pub fn run() -> anyhow::Result<Exit> {
    super::print(&format!("{}\n", text()?))?;
    Ok(Exit::Pass)
}

/// Prints the schema of the document of `probe --json` on stdout.
pub fn probe() -> anyhow::Result<Exit> {
    let text = serde_json::to_string_pretty(&crate::report::probe::schema())?;
    super::print(&format!("{text}\n"))?;
    Ok(Exit::Pass)
}

/// The schema as JSON text.
pub fn text() -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(&scenario::schema())?)
}
