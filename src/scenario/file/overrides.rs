//! Flags laid over the file's tree before it is read: flag > scenario > default.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use toml::de::DeValue;

use super::super::problem::{Place, SourceText};
use super::super::redact::redact_url;
use super::findings::Findings;
use super::tree::{Entry, Node, Planter, Table, Value};

/// What the command line changes about a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overrides {
    /// `--set KEY=VALUE`: any key by its path (`load.stages.0.clients`), the value as TOML or bare text.
    pub set: Vec<(String, String)>,
    /// `--target URL`: instead of the scenario's URLs; its `[server]` is not started.
    pub target: Option<String>,
    /// `-H NAME: VALUE`: added, or instead of the scenario's header of that name.
    pub headers: Vec<(String, String)>,
    /// `--subprotocol`: instead of the scenario's.
    pub subprotocols: Vec<String>,
    /// `--insecure`: no TLS verification.
    pub insecure: bool,
    /// `--ca`, relative to the working directory, as the next two.
    pub ca: Option<PathBuf>,
    /// `--cert`
    pub cert: Option<PathBuf>,
    /// `--key`
    pub key: Option<PathBuf>,
    /// `--server-name`
    pub server_name: Option<String>,
    /// `--source-address`: instead of the scenario's.
    pub source_addresses: Vec<String>,
    /// `--seed`
    pub seed: Option<u64>,
    /// `--max-dials-per-s`
    pub max_dials_per_s: Option<u64>,
    /// `--max-messages-per-s`
    pub max_messages_per_s: Option<u64>,
    /// `--max-clients`
    pub max_clients: Option<u64>,
}

/// Lays the flags over `root`; their texts are added to `sources` for problems to point into.
pub(super) fn apply(
    overrides: &Overrides,
    root: &mut Node,
    sources: &mut Vec<SourceText>,
    findings: &mut Findings,
) {
    let mut layer = Layer {
        root,
        sources,
        findings,
    };
    for (path, value) in &overrides.set {
        layer.set(path, value);
    }
    if let Some(url) = &overrides.target {
        // Without its query: it often carries a token.
        let node = layer.flag("--target", &redact_url(url), Value::Text(url.clone()));
        layer.put(&["target", "url"], node);
        layer.remove("target", "urls");
        layer.remove_top("server");
    }
    for (name, value) in &overrides.headers {
        layer.header(name, value);
    }
    layer.texts(
        "--subprotocol",
        &["target", "subprotocols"],
        &overrides.subprotocols,
    );
    layer.texts(
        "--source-address",
        &["target", "source_addresses"],
        &overrides.source_addresses,
    );
    if overrides.insecure {
        let node = layer.flag("--insecure", "", Value::Bool(true));
        layer.put(&["target", "tls", "insecure"], node);
    }
    for (flag, key, path) in [
        ("--ca", "ca", &overrides.ca),
        ("--cert", "cert", &overrides.cert),
        ("--key", "key", &overrides.key),
    ] {
        if let Some(path) = path {
            let text = path.to_string_lossy().into_owned();
            let node = layer.flag(flag, &text, Value::Text(text.clone()));
            layer.put(&["target", "tls", key], node);
        }
    }
    if let Some(name) = &overrides.server_name {
        let node = layer.flag("--server-name", name, Value::Text(name.clone()));
        layer.put(&["target", "tls", "server_name"], node);
    }
    numbers(overrides, &mut layer);
}

fn numbers(overrides: &Overrides, layer: &mut Layer<'_>) {
    let (dials, messages) = (overrides.max_dials_per_s, overrides.max_messages_per_s);
    let clients = overrides.max_clients;
    for (flag, path, number) in [
        ("--seed", &["seed"][..], overrides.seed),
        ("--max-dials-per-s", &["limits", "dials_per_s"], dials),
        (
            "--max-messages-per-s",
            &["limits", "messages_per_s"],
            messages,
        ),
        ("--max-clients", &["limits", "clients"], clients),
    ] {
        if let Some(number) = number {
            let value = Value::Integer(i128::from(number));
            let node = layer.flag(flag, &number.to_string(), value);
            layer.put(path, node);
        }
    }
}

struct Layer<'a> {
    root: &'a mut Node,
    sources: &'a mut Vec<SourceText>,
    findings: &'a mut Findings,
}

impl Layer<'_> {
    /// A value whose whole text is the flag's.
    fn flag(&mut self, name: &str, shown: &str, value: Value) -> Node {
        let place = self.source(name, shown);
        let text_at = matches!(&value, Value::Text(text) if text == shown).then_some(0);
        Node {
            place,
            value,
            text_at,
            expanded: Vec::new(),
            unresolved: false,
        }
    }

    fn source(&mut self, name: &str, shown: &str) -> Place {
        self.sources.push(SourceText {
            name: name.to_owned(),
            text: shown.to_owned(),
        });
        Place {
            source: self.sources.len() - 1,
            span: 0..shown.len(),
        }
    }

    fn set(&mut self, path: &str, value: &str) {
        let shown = format!("{path}={value}");
        let place = self.source("--set", &shown);
        let offset = path.len() + 1;
        let planter = Planter {
            source: place.source,
            text: &shown,
            offset,
            env: None,
        };
        let (parsed, errors) = DeValue::parse_recoverable(value);
        let node = if errors.is_empty() {
            let span = 0..value.len();
            planter.node(parsed.get_ref(), span, self.findings)
        } else {
            // Not TOML: a bare word or a duration without quotes.
            Node {
                place: Place {
                    source: place.source,
                    span: offset..shown.len(),
                },
                value: Value::Text(value.to_owned()),
                text_at: Some(offset),
                expanded: Vec::new(),
                unresolved: false,
            }
        };
        let keys = match split_path(path) {
            Some(keys) => keys,
            None => {
                let hint = "write for example --set load.stages.0.clients=5000";
                let message = "--set needs the path of a key";
                return self.findings.value(&place, message, hint);
            }
        };
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        self.put(&keys, node);
    }

    fn header(&mut self, name: &str, value: &str) {
        // The value is not shown: it is often a credential.
        let place = self.source("-H", name);
        let node = Node {
            place: place.clone(),
            value: Value::Text(value.to_owned()),
            text_at: None,
            expanded: Vec::new(),
            unresolved: false,
        };
        let entry = Entry {
            key: name.to_owned(),
            place,
            node,
        };
        let Some(Value::Table(headers)) = self.table_at(&["target", "headers"]) else {
            return;
        };
        headers
            .entries
            .retain(|known| known.place.source != 0 || !known.key.eq_ignore_ascii_case(name));
        headers.entries.push(entry);
    }

    fn texts(&mut self, flag: &str, keys: &[&str], values: &[String]) {
        if values.is_empty() {
            return;
        }
        let nodes = values
            .iter()
            .map(|value| self.flag(flag, value, Value::Text(value.clone())))
            .collect();
        let node = self.flag(flag, "", Value::Array(nodes));
        self.put(keys, node);
    }

    /// The value of a table at a path, made if absent; `None` if something else stands there.
    fn table_at(&mut self, keys: &[&str]) -> Option<&mut Value> {
        let place = Place {
            source: self.sources.len() - 1,
            span: 0..0,
        };
        let mut node = &mut *self.root;
        for key in keys {
            let Value::Table(table) = &mut node.value else {
                return None;
            };
            node = entry(table, key, &place);
        }
        Some(&mut node.value)
    }

    fn remove(&mut self, table: &str, key: &str) {
        if let Some(Value::Table(table)) = self.table_at(&[table]) {
            table.entries.retain(|entry| entry.key != key);
        }
    }

    fn remove_top(&mut self, key: &str) {
        if let Value::Table(root) = &mut self.root.value {
            root.entries.retain(|entry| entry.key != key);
        }
    }

    fn put(&mut self, keys: &[&str], new: Node) {
        let place = Place {
            source: new.place.source,
            span: 0..keys.join(".").len(),
        };
        match put(self.root, keys, new, &place) {
            Ok(()) => {}
            Err(message) => {
                let hint = "numbers index lists, from 0; names index tables";
                self.findings.value(&place, message, hint);
            }
        }
    }
}

fn put(root: &mut Node, keys: &[&str], new: Node, place: &Place) -> Result<(), String> {
    let mut node = root;
    let mut walked = String::new();
    for key in keys {
        let Node { value, .. } = node;
        node = match value {
            Value::Table(table) => entry(table, key, place),
            Value::Array(items) => {
                let length = items.len();
                let index = key
                    .parse::<usize>()
                    .map_err(|_| format!("`{walked}` is a list: it takes a number, not `{key}`"))?;
                match items.get_mut(index) {
                    Some(item) => item,
                    None => {
                        return Err(format!(
                            "`{walked}` has {length} items: there is no item {index}"
                        ));
                    }
                }
            }
            _ => return Err(format!("`{walked}` is a value: nothing lies below it")),
        };
        if !walked.is_empty() {
            walked.push('.');
        }
        walked.push_str(key);
    }
    *node = new;
    Ok(())
}

/// The value of a key, an empty table if it is new.
fn entry<'t>(table: &'t mut Table, key: &str, place: &Place) -> &'t mut Node {
    let index = table
        .entries
        .iter()
        .position(|entry| entry.key == key)
        .unwrap_or_else(|| {
            table.entries.push(Entry {
                key: key.to_owned(),
                place: place.clone(),
                node: Node {
                    place: place.clone(),
                    value: Value::Table(Table::default()),
                    text_at: None,
                    expanded: Vec::new(),
                    unresolved: false,
                },
            });
            table.entries.len() - 1
        });
    &mut table.entries[index].node
}

/// Longest path; the longest that leads anywhere is far shorter.
const DEEPEST: usize = 100;

/// `a.0."b.c"` to its keys; `None` when it is not a path.
fn split_path(path: &str) -> Option<Vec<String>> {
    let mut keys = Vec::new();
    let mut rest = path;
    loop {
        let (key, tail) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let (key, tail) = quoted.split_once('"')?;
                (key, tail)
            }
            None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
        };
        if key.is_empty() {
            return None;
        }
        keys.push(key.to_owned());
        if tail.is_empty() || keys.len() > DEEPEST {
            return Some(keys).filter(|keys| keys.len() <= DEEPEST);
        }
        rest = tail.strip_prefix('.')?;
    }
}
