//! Reads the values of one table for a builder: what the file says, else the table's default.
//!
//! Values that are wrong by themselves were reported by the checker; here they read as absent.

use std::path::PathBuf;
use std::time::Duration;

use super::super::problem::Place;
use super::spec::{Kind, TableSpec};
use super::tree::{Node, Value};
use super::value;

/// A table of the file, or its absence.
#[derive(Clone, Copy)]
pub(super) struct Section<'a> {
    spec: &'static TableSpec,
    node: Option<&'a Node>,
    /// Where a problem with the whole table is shown.
    owner: &'a Place,
}

impl<'a> Section<'a> {
    pub(super) fn new(spec: &'static TableSpec, node: &'a Node) -> Self {
        Self {
            spec,
            node: Some(node),
            owner: &node.place,
        }
    }

    /// Whether the table stands in the file.
    pub(super) fn is_there(&self) -> bool {
        self.node.is_some()
    }

    /// The value of a key, if it is there. The key is one of the table's.
    pub(super) fn get(&self, key: &str) -> Option<&'a Node> {
        debug_assert!(
            self.spec.key(key).is_some(),
            "{}.{key} is described",
            self.spec.name
        );
        self.node
            .and_then(Node::as_table)
            .and_then(|table| table.get(key))
    }

    /// Whether the table can have this key at all.
    pub(super) fn knows(&self, key: &str) -> bool {
        self.spec.key(key).is_some()
    }

    /// Where the value of a key stands; the table's place when it is absent.
    pub(super) fn place(&self, key: &str) -> &'a Place {
        self.get(key).map_or(self.owner, |node| &node.place)
    }

    /// Where the key itself stands.
    pub(super) fn key_place(&self, key: &str) -> &'a Place {
        let entry = self
            .node
            .and_then(Node::as_table)
            .and_then(|table| table.entry(key));
        entry.map_or(self.owner, |entry| &entry.place)
    }

    /// The keys that stand in the table.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let table = self.node.and_then(Node::as_table);
        let entries = table.map_or(&[][..], |table| &table.entries);
        entries.iter().map(|entry| entry.key.as_str())
    }

    /// The description of a key.
    pub(super) fn doc(&self, key: &str) -> &'static str {
        self.spec.key(key).map_or("", |spec| spec.doc)
    }

    /// Where the table stands.
    pub(super) const fn owner(&self) -> &'a Place {
        self.owner
    }

    pub(super) fn optional_time(&self, key: &str) -> Option<Duration> {
        self.read(key, |value| value::time(value, true).ok())
    }

    pub(super) fn time(&self, key: &str) -> Duration {
        self.optional_time(key).unwrap_or_default()
    }

    pub(super) fn optional_integer(&self, key: &str) -> Option<u64> {
        self.read(key, |value| value::integer(value, 0, u64::MAX).ok())
    }

    pub(super) fn integer(&self, key: &str) -> u64 {
        self.optional_integer(key).unwrap_or_default()
    }

    /// For keys whose range fits in 32 bits.
    pub(super) fn optional_u32(&self, key: &str) -> Option<u32> {
        self.optional_integer(key)
            .and_then(|number| u32::try_from(number).ok())
    }

    /// For keys whose range fits in 16 bits.
    pub(super) fn optional_u16(&self, key: &str) -> Option<u16> {
        self.optional_integer(key)
            .and_then(|number| u16::try_from(number).ok())
    }

    pub(super) fn optional_bytes(&self, key: &str) -> Option<usize> {
        self.read(key, |value| value::bytes(value, 0, u64::MAX).ok())
            .and_then(|size| usize::try_from(size).ok())
    }

    /// The numbers of a list, if all are numbers.
    pub(super) fn numbers(&self, key: &str) -> Option<Vec<f64>> {
        let numbers = self.list(key).iter();
        let numbers = numbers.map(|node| value::number(&node.value, f64::MIN, f64::MAX).ok());
        numbers.collect()
    }

    /// The durations of a list, if all are durations.
    pub(super) fn times(&self, key: &str) -> Option<Vec<Duration>> {
        let times = self.list(key).iter();
        times
            .map(|node| value::time(&node.value, true).ok())
            .collect()
    }

    pub(super) fn number(&self, key: &str) -> f64 {
        self.read(key, |value| value::number(value, f64::MIN, f64::MAX).ok())
            .unwrap_or_default()
    }

    pub(super) fn ratio(&self, key: &str) -> f64 {
        self.read(key, |value| value::ratio(value).ok())
            .unwrap_or_default()
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        match self.get(key).map(|node| &node.value) {
            Some(Value::Bool(value)) => *value,
            _ => self.default(key) == Some("true"),
        }
    }

    /// The text of a key or its default; empty without either.
    pub(super) fn text(&self, key: &str) -> &'a str {
        self.optional_text(key)
            .or_else(|| self.default(key))
            .unwrap_or_default()
    }

    pub(super) fn optional_text(&self, key: &str) -> Option<&'a str> {
        self.get(key).and_then(Node::as_text)
    }

    /// A path: relative to the scenario's folder if the file says it, as it is if a flag does.
    pub(super) fn path(&self, key: &str, folder: &std::path::Path) -> Option<PathBuf> {
        let node = self.get(key)?;
        let text = node.as_text()?;
        Some(if node.place.source == 0 {
            folder.join(text)
        } else {
            PathBuf::from(text)
        })
    }

    /// The values of a list.
    pub(super) fn list(&self, key: &str) -> &'a [Node] {
        match self.get(key).map(|node| &node.value) {
            Some(Value::Array(values)) => values,
            _ => &[],
        }
    }

    /// The entries of a table whose keys the author chose.
    pub(super) fn entries(&self, key: &str) -> &'a [super::tree::Entry] {
        match self.get(key).map(|node| &node.value) {
            Some(Value::Table(table)) => &table.entries,
            _ => &[],
        }
    }

    /// A table within this one, there or not.
    pub(super) fn child(&self, key: &str, spec: &'static TableSpec) -> Section<'a> {
        let node = self.get(key).filter(|node| node.as_table().is_some());
        Section {
            spec,
            node,
            owner: node.map_or(self.owner, |node| &node.place),
        }
    }

    /// The tables of a list of tables.
    pub(super) fn children(&self, key: &str, spec: &'static TableSpec) -> Vec<Section<'a>> {
        let tables = self
            .list(key)
            .iter()
            .filter(|node| node.as_table().is_some());
        tables.map(|node| Section::new(spec, node)).collect()
    }

    fn default(&self, key: &str) -> Option<&'static str> {
        self.spec.key(key).and_then(|spec| spec.default)
    }

    /// Reads the file's value, or the default as if it stood in the file.
    fn read<T>(&self, key: &str, read: impl Fn(&Value) -> Option<T>) -> Option<T> {
        if let Some(node) = self.get(key) {
            return read(&node.value);
        }
        read(&default_value(self.spec, key)?)
    }
}

/// The default of a key as the value it would be in the file.
pub(super) fn default_value(spec: &'static TableSpec, key: &str) -> Option<Value> {
    let spec = spec.key(key)?;
    let text = spec.default?;
    Some(match spec.kind {
        Kind::Integer(..) => Value::Integer(text.parse().ok()?),
        Kind::Number(..) => Value::Float(text.parse().ok()?),
        Kind::Bool => Value::Bool(text == "true"),
        Kind::Either([Kind::Bool, ..]) => Value::Bool(text == "true"),
        _ => Value::Text(text.to_owned()),
    })
}
