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
    let schema = settings
        .into_generator()
        .into_root_schema_for::<Document<'_>>();
    schema.to_value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::probe::fixture;

    #[test]
    fn documents_fit_their_schema() {
        let schema = schema();
        jsonschema::meta::validate(&schema).expect("the schema itself is right");
        let validator = jsonschema::validator_for(&schema).expect("the schema compiles");
        for (name, seen, diagnosis) in fixture::all() {
            let text = json(&seen, &diagnosis);
            let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            let errors = validator.iter_errors(&value).map(|e| e.to_string());
            assert_eq!(errors.collect::<Vec<_>>(), Vec::<String>::new(), "{name}");
            // A recorded document can be held against the checks again.
            let again: Seen = serde_json::from_value(value["seen"].clone()).expect("seen");
            assert_eq!(again, seen, "{name}");
        }
        for (pointer, wrong) in [
            ("/health", serde_json::json!("well")),
            ("/seen/routes", serde_json::json!(1)),
            ("/findings", serde_json::Value::Null),
            ("/schema_version", serde_json::json!("1")),
        ] {
            let (_, seen, diagnosis) = &fixture::all()[0];
            let mut value: serde_json::Value =
                serde_json::from_str(&json(seen, diagnosis)).expect("JSON");
            *value.pointer_mut(pointer).expect("there") = wrong;
            assert!(!validator.is_valid(&value), "{pointer}");
        }
    }

    #[test]
    fn the_document_of_a_probe() {
        let probes = fixture::all();
        let (_, seen, diagnosis) = probes
            .iter()
            .find(|p| p.0 == "not forwarded")
            .expect("there");
        insta::assert_snapshot!(json(seen, diagnosis));
    }
}
