//! `wsbench schema`: the JSON Schema of scenario files, for editors.

use crate::exit::Exit;
use crate::scenario;

/// Prints the schema on stdout.
pub fn run() -> anyhow::Result<Exit> {
    super::print(&format!("{}\n", text()?))?;
    Ok(Exit::Pass)
}

/// The schema as JSON text.
pub fn text() -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(&scenario::schema())?)
}
