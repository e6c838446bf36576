//! The JSON Schema (draft 2020-12) of scenario files, generated from the tables of keys.
//!
//! It knows keys, types, units and choices; what needs several keys is found by `wsbench check` only.

use serde_json::{Map, Value as Json, json};

use super::section::default_value;
use super::spec::{Kind, TableSpec};
use super::tables;
use super::tree::Value;

/// Any text may refer to the environment, whatever its pattern is otherwise.
const REFERENCE: &str = r"\$\{";

/// The schema of a whole scenario file, for editors and for `#:schema` lines.
pub fn schema() -> Json {
    let mut definitions = Map::new();
    define(&tables::ROOT, &mut definitions);
    let root = definitions.remove(tables::ROOT.name).unwrap_or_default();
    let mut schema = Map::new();
    schema.insert(
        "$schema".to_owned(),
        json!("https://json-schema.org/draft/2020-12/schema"),
    );
    schema.insert("title".to_owned(), json!("wsbench scenario"));
    if let Json::Object(root) = root {
        schema.extend(root);
    }
    schema.insert("$defs".to_owned(), Json::Object(definitions));
    Json::Object(schema)
}

/// Adds a table and all that it refers to; tables may contain themselves.
fn define(table: &'static TableSpec, definitions: &mut Map<String, Json>) {
    if definitions.contains_key(table.name) {
        return;
    }
    definitions.insert(table.name.to_owned(), Json::Null);
    let mut properties = Map::new();
    for key in table.keys {
        let mut schema = of(&key.kind, definitions);
        if let Json::Object(map) = &mut schema {
            map.insert("description".to_owned(), json!(key.doc));
            if let Some(default) = default_value(table, key.key).and_then(|value| plain(&value)) {
                map.insert("default".to_owned(), default);
            }
        }
        properties.insert(key.key.to_owned(), schema);
    }
    let required: Vec<_> = table
        .keys
        .iter()
        .filter(|key| key.required)
        .map(|key| key.key)
        .collect();
    let mut schema = json!({
        "type": "object",
        "description": table.doc,
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if !table.any_of.is_empty() {
        let one: Vec<_> = table
            .any_of
            .iter()
            .map(|key| json!({ "required": [key] }))
            .collect();
        schema["anyOf"] = json!(one);
    }
    definitions.insert(table.name.to_owned(), schema);
}

fn plain(value: &Value) -> Option<Json> {
    match value {
        Value::Text(text) => Some(json!(text)),
        Value::Integer(number) => u64::try_from(*number).ok().map(|number| json!(number)),
        Value::Float(number) => Some(json!(number)),
        Value::Bool(value) => Some(json!(value)),
        _ => None,
    }
}

fn of(kind: &'static Kind, definitions: &mut Map<String, Json>) -> Json {
    match kind {
        Kind::Text(longest) => json!({ "type": "string", "maxLength": longest }),
        Kind::Name => text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"),
        Kind::Template | Kind::Path | Kind::Regex | Kind::Socket | Kind::Ip | Kind::Resolve => {
            json!({ "type": "string" })
        }
        Kind::Pointer => text(r"(/([^~]|~[01])*)?"),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Integer(low, high) => either([
            json!({ "type": "integer", "minimum": low, "maximum": high }),
            text(r"[0-9][0-9_]*(\.[0-9]+)?[kMG]"),
        ]),
        Kind::Number(low, high) => json!({ "type": "number", "minimum": low, "maximum": high }),
        Kind::Duration { .. } => text(DURATION),
        Kind::Every => text(&format!(r"({DURATION}|[0-9.]+[kM]?/[smh])")),
        Kind::Ratio => either([
            json!({ "type": "number", "minimum": 0, "maximum": 1 }),
            text(r"[0-9.]+ *%?"),
        ]),
        Kind::Bytes(low, high) => either([
            json!({ "type": "integer", "minimum": low, "maximum": high }),
            text(r"[0-9][0-9_]*(\.[0-9]+)?([kKMG]?B|[KMG]iB)"),
        ]),
        Kind::Choice(words) => either([
            json!({ "enum": words }),
            json!({ "type": "string", "pattern": REFERENCE }),
        ]),
        Kind::Limit => text(r" *(<=|>=|==|<|>) *[0-9].*"),
        Kind::Scalar => json!({ "type": ["string", "number", "boolean"] }),
        Kind::Table(table) => reference(table, definitions),
        Kind::Tables(table) => {
            let items = reference(table, definitions);
            json!({ "type": "array", "items": items })
        }
        Kind::List(of_kind) => {
            let items = of(of_kind, definitions);
            json!({ "type": "array", "items": items })
        }
        Kind::Map(of_kind) => {
            let values = of(of_kind, definitions);
            json!({ "type": "object", "additionalProperties": values })
        }
        Kind::Either(kinds) => {
            let all: Vec<_> = kinds.iter().map(|kind| of(kind, definitions)).collect();
            json!({ "anyOf": all })
        }
    }
}

const DURATION: &str = r"([0-9][0-9_]*(\.[0-9]+)?(d|h|m|s|ms|us|µs|ns))+";

fn text(pattern: &str) -> Json {
    json!({ "type": "string", "pattern": format!("^({pattern})$|{REFERENCE}") })
}

fn either(kinds: [Json; 2]) -> Json {
    json!({ "anyOf": kinds })
}

fn reference(table: &'static TableSpec, definitions: &mut Map<String, Json>) -> Json {
    define(table, definitions);
    json!({ "$ref": format!("#/$defs/{}", table.name) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_right_by_its_own_kind() {
        let place = super::super::Place {
            source: 0,
            span: 0..0,
        };
        for table in tables::ALL {
            for key in table.keys.iter().filter(|key| key.default.is_some()) {
                let node = super::super::Node {
                    place: place.clone(),
                    value: default_value(table, key.key).expect("the default reads"),
                    text_at: None,
                    expanded: Vec::new(),
                    unresolved: false,
                };
                let kind = match &key.kind {
                    Kind::Either(kinds) => &kinds[0],
                    kind => kind,
                };
                let checked = super::super::value::scalar(kind, &node);
                assert!(checked.is_ok(), "{}.{}: {checked:?}", table.name, key.key);
            }
        }
    }

    #[test]
    fn every_table_is_defined_once_and_listed() {
        let schema = schema();
        let defined = schema["$defs"].as_object().expect("definitions");
        let mut names: Vec<_> = tables::ALL.iter().map(|table| table.name).collect();
        names.push("data");
        names.retain(|name| *name != "scenario");
        names.sort_unstable();
        let mut found: Vec<_> = defined.keys().map(String::as_str).collect();
        found.sort_unstable();
        assert_eq!(found, names);
    }
}
