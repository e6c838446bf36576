//! Holds the tree against the tables: unknown keys, missing keys, wrong types, bad units.
//!
//! Finds everything that one key or value shows by itself; what needs several of them is the builders'.

use super::super::problem::Kind as ProblemKind;
use super::findings::Findings;
use super::spec::{Kind, TableSpec};
use super::tables;
use super::tree::{Node, Table, Value};
use super::value::{self, Mismatch};

/// Most entries of a list or table.
const MAX_ITEMS: usize = 10_000;

/// Checks a table with all that is in it. `path` is empty for the whole file.
pub(super) fn table(spec: &TableSpec, node: &Node, path: &str, findings: &mut Findings) {
    let Some(table) = node.as_table() else {
        return;
    };
    if too_many(table.entries.len(), node, path, findings) {
        return;
    }
    for entry in &table.entries {
        if findings.is_full() {
            return;
        }
        let at = join(path, &entry.key);
        match spec.key(&entry.key) {
            Some(key) => value(&key.kind, &entry.node, &at, findings),
            None => {
                let (what, hint) = unknown(spec, &entry.key, path);
                findings.value(&entry.place, what, hint);
            }
        }
    }
    for key in spec.keys.iter().filter(|key| key.required) {
        if table.get(key.key).is_none() {
            let message = format!("the key `{}` is missing", join(path, key.key));
            let hint = format!("{} It is {}", key.doc, key.kind.describe());
            missing(node, path, message, hint, findings);
        }
    }
    if !spec.any_of.is_empty() && !spec.any_of.iter().any(|key| table.get(key).is_some()) {
        let message = format!("`{path}` needs one of {}", spec.any_of.join(", "));
        missing(node, path, message, spec.doc.to_owned(), findings);
    }
}

/// Refuses a list or table beyond the limit; what is in it is not looked at.
fn too_many(items: usize, node: &Node, path: &str, findings: &mut Findings) -> bool {
    if items > MAX_ITEMS {
        let name = if path.is_empty() {
            "the scenario"
        } else {
            path
        };
        let hint = format!("at most {MAX_ITEMS} are allowed");
        findings.value(&node.place, format!("`{name}` has {items} entries"), hint);
        findings.too_large = true;
    }
    items > MAX_ITEMS
}

fn missing(node: &Node, path: &str, message: String, hint: String, findings: &mut Findings) {
    findings.add(ProblemKind::Missing, &node.place, message, hint);
    if path.is_empty() {
        // The file as a whole: there is no line to show.
        if let Some(problem) = findings.problems.last_mut() {
            problem.place = None;
        }
    }
}

fn unknown(spec: &TableSpec, key: &str, path: &str) -> (String, String) {
    let place = if path.is_empty() {
        "at the top of the scenario".to_owned()
    } else {
        format!("in `{path}`")
    };
    let message = format!("unknown key `{key}` {place}");
    let known = spec.keys.iter().map(|known| known.key);
    if let Some(near) = super::super::nearest(key, known.clone()) {
        return (message, format!("did you mean `{near}`?"));
    }
    let elsewhere = tables::ALL.iter().find_map(|other| {
        let near = super::super::nearest(key, other.keys.iter().map(|known| known.key))?;
        Some((near, other.name))
    });
    let owners: Vec<_> = tables::ALL
        .iter()
        .filter(|other| other.key(key).is_some())
        .map(|other| other.name)
        .collect();
    let known: Vec<_> = known.collect();
    let mut hint = format!("known keys are {}", known.join(", "));
    if !owners.is_empty() {
        hint = format!("`{key}` belongs to {}; {hint}", owners.join(", "));
    } else if let Some((near, owner)) = elsewhere {
        hint = format!("did you mean `{near}` of {owner}? {hint}");
    }
    (message, hint)
}

/// Checks one value.
fn value(kind: &Kind, node: &Node, path: &str, findings: &mut Findings) {
    if node.unresolved {
        return;
    }
    if kind.may_be_secret() {
        let found = node.expanded.iter().filter(|secret| !secret.is_empty());
        findings.secrets.extend(found.cloned());
    }
    let items = match &node.value {
        Value::Array(items) => items.len(),
        Value::Table(table) => table.entries.len(),
        _ => 0,
    };
    if too_many(items, node, path, findings) {
        return;
    }
    match (kind, &node.value) {
        (Kind::Table(spec), Value::Table(_)) => table(spec, node, path, findings),
        (Kind::Tables(spec), Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                let at = join(path, &index.to_string());
                match item.value {
                    Value::Table(_) => table(spec, item, &at, findings),
                    _ => mismatch(kind, item, &at, String::new(), findings),
                }
            }
        }
        (Kind::List(of), Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                value(of, item, &join(path, &index.to_string()), findings);
            }
        }
        (Kind::Map(of), Value::Table(map)) => entries(of, map, path, findings),
        (Kind::Either(kinds), _) => match kinds.iter().find(|kind| fits(kind, &node.value)) {
            Some(kind) => value(kind, node, path, findings),
            None => {
                let hint = match value::scalar(&kinds[0], node) {
                    Err(Mismatch::Type { hint }) => hint,
                    _ => String::new(),
                };
                mismatch(kind, node, path, hint, findings);
            }
        },
        (Kind::Tables(_), Value::Table(_)) => {
            let hint = match path.rsplit_once('.') {
                Some(_) => "put it in brackets: [ { ... } ]".to_owned(),
                None => format!("write [[{path}]], with two brackets"),
            };
            mismatch(kind, node, path, hint, findings);
        }
        (Kind::List(_), Value::Text(_)) => {
            let hint = "put it in brackets: [\"...\"]".to_owned();
            mismatch(kind, node, path, hint, findings);
        }
        (Kind::Table(_) | Kind::Tables(_) | Kind::List(_) | Kind::Map(_), _) => {
            mismatch(kind, node, path, String::new(), findings);
        }
        _ => match value::scalar(kind, node) {
            Ok(()) => {}
            Err(Mismatch::Type { hint }) => mismatch(kind, node, path, hint, findings),
            Err(Mismatch::Value(error)) => {
                findings.value(
                    &node.place,
                    format!("`{path}`: {}", error.message),
                    error.hint,
                );
            }
        },
    }
}

fn entries(of: &Kind, map: &Table, path: &str, findings: &mut Findings) {
    for entry in &map.entries {
        let at = join(path, &entry.key);
        let dotted = matches!(of, Kind::Either(_))
            && entry
                .node
                .as_table()
                .is_some_and(|table| table.get("limit").is_none());
        if dotted {
            // `round_trip.p99 = ...` without quotes is a table in a table.
            let inner = entry
                .node
                .as_table()
                .and_then(|table| table.entries.first());
            let name = inner.map_or("p99", |inner| inner.key.as_str());
            let hint = format!(
                "quote the whole name: \"{}.{name}\" = \"< 50ms\"",
                entry.key
            );
            findings.value(
                &entry.place,
                format!("`{at}` is a table without a `limit`"),
                hint,
            );
        } else {
            value(of, &entry.node, &at, findings);
        }
    }
}

fn mismatch(kind: &Kind, node: &Node, path: &str, hint: String, findings: &mut Findings) {
    let message = format!(
        "`{path}` must be {}, not {}",
        kind.describe(),
        node.describe()
    );
    findings.value(&node.place, message, hint);
}

/// Whether the type of a value is one this kind can have.
fn fits(kind: &Kind, value: &Value) -> bool {
    match kind {
        Kind::Table(_) | Kind::Map(_) => matches!(value, Value::Table(_)),
        Kind::Tables(_) | Kind::List(_) => matches!(value, Value::Array(_)),
        Kind::Bool => matches!(value, Value::Bool(_)),
        Kind::Ratio => matches!(value, Value::Text(_) | Value::Integer(_) | Value::Float(_)),
        _ => matches!(value, Value::Text(_)),
    }
}

fn join(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-".contains(c));
    let key = if plain {
        key.to_owned()
    } else {
        format!("{key:?}")
    };
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}
