//! The tables of the README that the program itself can write.

use std::fmt::Write;

use serde_json::Value;
use wsbench::metrics::{Counter, Metric};
use wsbench::result::csv::{DISTRIBUTION_COLUMNS, FAILURE_COLUMNS, SUMMARY_COLUMNS};
use wsbench::result::statistics;
use wsbench::result::storm::csv::{SERIES_COLUMNS, STORM_COLUMNS};
use wsbench::result::timeline::{COLUMNS, Column};

/// Tables of the schema with their place in a file, in the order of the README.
const TABLES: [(&str, &str); 26] = [
    ("", "The file itself"),
    ("target", "`[target]`"),
    ("tls", "`[target.tls]`"),
    ("server", "`[server]`"),
    ("server_fault", "`server.faults`"),
    ("load", "`[load]`"),
    ("stage", "`load.stages`"),
    ("heartbeat", "`[heartbeat]`"),
    ("reconnect", "`[reconnect]`"),
    ("session", "`[[session]]`"),
    ("step", "`[[session.step]]`"),
    ("reply", "`expect`, `reply`"),
    ("matcher", "A matcher alone (`heartbeat.reply`)"),
    ("delivery", "`delivery`"),
    ("send_binary", "`send_binary`"),
    ("repeat", "`repeat`"),
    ("ping", "`ping`"),
    ("close", "`close`"),
    ("data", "`[[data]]`"),
    ("fault", "`[[fault]]`"),
    ("relay", "`[relay]`"),
    ("toxic", "`relay.toxics`"),
    ("limits", "`[limits]`"),
    ("threshold", "`[thresholds]`, the long form"),
    ("gate", "`[gate]`"),
    ("validity", "`[validity]`"),
];

/// Every key of a scenario with its default.
pub fn scenario() -> String {
    let schema = wsbench::scenario::schema();
    let definitions = schema["$defs"].as_object().expect("definitions");
    assert_eq!(definitions.len() + 1, TABLES.len(), "a table has no place");
    let mut text = String::new();
    for (name, place) in TABLES {
        let table = if name.is_empty() {
            &schema
        } else {
            &definitions[name]
        };
        let doc = table["description"]
            .as_str()
            .expect("every table says what it is");
        write!(text, "**{place}**: {doc}\n\n").expect("text grows");
        text += "| key | value | default | meaning |\n|---|---|---|---|\n";
        let required = table["required"].as_array().cloned().unwrap_or_default();
        for (key, value) in table["properties"].as_object().expect("keys") {
            let default = match &value["default"] {
                Value::Null if required.iter().any(|name| name == key) => "required".to_owned(),
                Value::Null => String::new(),
                Value::String(text) if text.is_empty() => "empty".to_owned(),
                Value::String(text) => format!("`\"{text}\"`"),
                other => format!("`{other}`"),
            };
            let meaning = value["description"]
                .as_str()
                .expect("every key says what it is");
            let words = words(value);
            writeln!(
                text,
                "| `{key}` | {words} | {default} | {} |",
                cell(meaning)
            )
            .expect("text grows");
        }
        text.push('\n');
    }
    text
}

/// What a value of the schema is.
fn words(value: &Value) -> String {
    if let Some(kinds) = value["anyOf"].as_array() {
        // A number can be written as text with a unit, and any text can come from the environment.
        let refers = |kind: &&Value| kind["pattern"] != r"\$\{";
        let mut all: Vec<_> = kinds.iter().filter(refers).map(words).collect();
        all.dedup();
        return all.join(", or ");
    }
    if let Some(choices) = value["enum"].as_array() {
        let choices: Vec<_> = choices.iter().map(|word| format!("`{word}`")).collect();
        return choices.join(" ");
    }
    if let Some(name) = value["$ref"].as_str() {
        return format!("table `{}`", name.rsplit('/').next().unwrap_or(name));
    }
    match value["type"].as_str() {
        Some("array") => format!("list of: {}", words(&value["items"])),
        Some("object") => format!("table of: {}", words(&value["additionalProperties"])),
        Some("boolean") => "true, false".to_owned(),
        Some("integer") => "whole number".to_owned(),
        Some("number") => "number".to_owned(),
        Some("string") => text_kind(value["pattern"].as_str().unwrap_or_default()).to_owned(),
        _ => "text, number, true, false".to_owned(),
    }
}

fn text_kind(pattern: &str) -> &'static str {
    match pattern {
        "" => "text",
        p if p.contains("/[smh]") => "time or rate",
        p if p.contains("|ms|us|") => "time",
        p if p.contains("iB") => "size",
        p if p.contains("[kMG]") => "whole number",
        p if p.contains("%?") => "share",
        p if p.contains("<=|>=") => "limit",
        p if p.contains("~[01]") => "JSON pointer",
        _ => "name",
    }
}

/// The columns of every CSV file.
pub fn columns() -> String {
    let files: [(&str, &[Column]); 6] = [
        ("intervals.csv", COLUMNS),
        ("summary.csv", SUMMARY_COLUMNS),
        ("histograms.csv", DISTRIBUTION_COLUMNS),
        ("failures.csv", FAILURE_COLUMNS),
        ("storms.csv", STORM_COLUMNS),
        ("storm_series.csv", SERIES_COLUMNS),
    ];
    let mut text = String::new();
    for (file, columns) in files {
        write!(
            text,
            "**`{file}`**\n\n| column | unit | meaning |\n|---|---|---|\n"
        )
        .expect("text grows");
        for column in columns {
            let (name, unit, meaning) = (column.name, column.unit, cell(column.definition));
            writeln!(text, "| `{name}` | {unit} | {meaning} |").expect("text grows");
        }
        text.push('\n');
    }
    text
}

/// Every distribution and every counter.
pub fn catalogue() -> String {
    let mut text = "| distribution | meaning |\n|---|---|\n".to_owned();
    for metric in Metric::ALL {
        let meaning = cell(metric.definition());
        writeln!(text, "| `{}` | {meaning} |", metric.name()).expect("text grows");
    }
    text += "\n| counter | meaning |\n|---|---|\n";
    for counter in Counter::ALL {
        let meaning = cell(counter.definition());
        writeln!(text, "| `{}` | {meaning} |", counter.name()).expect("text grows");
    }
    text.push('\n');
    text
}

/// Every name that a threshold may have.
pub fn thresholds() -> String {
    let metric = Metric::ALL[0].name();
    let all: Vec<_> = statistics::known().map(|(name, _)| name).collect();
    let of_metric = all
        .iter()
        .filter_map(|name| name.strip_prefix(metric)?.strip_prefix('.'));
    let of_metric: Vec<_> = of_metric.map(|name| format!("`{name}`")).collect();
    let is_metric = |name: &&String| {
        let first = name.split('.').next().unwrap_or_default();
        Metric::from_name(first).is_none()
    };
    let counted: Vec<_> = all
        .iter()
        .filter(is_metric)
        .map(|name| format!("`{name}`"))
        .collect();
    format!(
        "- `METRIC.STATISTIC`, e.g. `round_trip.p99`: any distribution of the list above, with {}\n- {}\n\n",
        of_metric.join(" "),
        counted.join(" ")
    )
}

fn cell(text: &str) -> String {
    let text = text
        .replace('|', "\\|")
        .replace("{{", "`{{")
        .replace("}}", "}}`");
    text.replace('<', "&lt;")
}
