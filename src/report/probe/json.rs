//! The document of `probe --json`, and its schema.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;

use crate::probe::Diagnosis;
use crate::probe::seen::Seen;

/// Grows when a field changes its meaning or goes away; a field more does not count.
pub const SCHEMA_VERSION: u32 = 1;

/// What `wsbench probe --json` prints.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "wsbench probe")]
struct Document<'a> {
    /// Grows when a field changes its meaning or goes away.
    schema_version: u32,
    /// `probe`.
    document: &'static str,
    /// The version of wsbench that wrote it.
    wsbench_version: &'static str,
    #[serde(flatten)]
    diagnosis: &'a Diagnosis,
    /// Everything the conclusion rests on.
    seen: &'a Seen,
}

/// The document.
pub fn json(seen: &Seen, diagnosis: &Diagnosis) -> String {
    let document = Document {
        schema_version: SCHEMA_VERSION,
        document: "probe",
        wsbench_version: env!("CARGO_PKG_VERSION"),
        diagnosis,
        seen,
    };
    let text = serde_json::to_string_pretty(&document);
    text.expect("plain data with text keys") + "\n"
}

/// The JSON Schema of the document, made of the types it is made of.
pub fn schema() -> serde_json::Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let schema = settings.into_generator().into_root_schema_for::<Document<'_>>();
    schema.to_value()
}
