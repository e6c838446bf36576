//! The file as a tree in which every value knows where it stands.

use toml::de::{DeTable, DeValue};

use super::super::problem::{Kind as ProblemKind, Place};
use super::environment::{self, Environment};
use super::findings::Findings;

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub place: Place,
    pub value: Value,
    /// Text only: where its first byte stands in the source, if it stands there as it is (no escapes,
    /// nothing expanded).
    pub text_at: Option<usize>,
    /// What the environment put into it.
    pub expanded: Vec<String>,
    /// A reference to the environment could not be replaced (reported): the value is not known.
    pub unresolved: bool,
}

/// A TOML value.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    /// Saturated: what does not fit is out of every range.
    Integer(i128),
    Float(f64),
    Bool(bool),
    Date,
    Array(Vec<Node>),
    Table(Table),
}

/// Entries in the order of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub entries: Vec<Entry>,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: String,
    pub place: Place,
    pub node: Node,
}

impl Table {
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }
}

impl Node {
    pub(super) fn as_table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The place of a part of the text; of the whole when it does not stand there as it is.
    pub(super) fn place_within(&self, offset: usize, length: usize) -> Place {
        match self.text_at {
            Some(start) => Place {
                source: self.place.source,
                span: start + offset..start + offset + length,
            },
            None => self.place.clone(),
        }
    }

    /// In words, with its article; never the value itself.
    pub(super) fn describe(&self) -> &'static str {
        match &self.value {
            Value::Text(_) if !self.expanded.is_empty() => "text from the environment",
            Value::Text(_) => "text",
            Value::Integer(_) => "a whole number",
            Value::Float(_) => "a number with a fraction",
            Value::Bool(_) => "a boolean",
            Value::Date => "a date",
            Value::Array(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

/// Turns what the TOML parser made into a tree of our own.
pub(super) struct Planter<'a> {
    /// Index of the text.
    pub source: usize,
    /// The text itself.
    pub text: &'a str,
    /// Where the parsed part begins in the text.
    pub offset: usize,
    /// Looks up `${NAME}`; `None` = leave texts alone.
    pub env: Option<&'a Environment<'a>>,
}

impl Planter<'_> {
    pub(super) fn table(&self, table: &DeTable<'_>, findings: &mut Findings) -> Table {
        let mut entries: Vec<Entry> = table
            .iter()
            .map(|(key, value)| Entry {
                key: key.get_ref().to_string(),
                place: self.place(key.span()),
                node: self.node(value.get_ref(), value.span(), findings),
            })
            .collect();
        entries.sort_by_key(|entry| entry.place.span.start);
        Table { entries }
    }

    pub(super) fn node(
        &self,
        value: &DeValue<'_>,
        span: std::ops::Range<usize>,
        findings: &mut Findings,
    ) -> Node {
        let mut node = Node {
            place: self.place(span),
            value: Value::Date,
            text_at: None,
            expanded: Vec::new(),
            unresolved: false,
        };
        node.value = match value {
            DeValue::String(text) => return self.text(text, node, findings),
            DeValue::Integer(number) => {
                let digits = number.as_str();
                let saturated = if digits.starts_with('-') {
                    i128::MIN
                } else {
                    i128::MAX
                };
                Value::Integer(i128::from_str_radix(digits, number.radix()).unwrap_or(saturated))
            }
            DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::Datetime(_) => Value::Date,
            DeValue::Array(values) => Value::Array(
                values
                    .iter()
                    .map(|value| self.node(value.get_ref(), value.span(), findings))
                    .collect(),
            ),
            DeValue::Table(table) => Value::Table(self.table(table, findings)),
        };
        node
    }

    fn text(&self, text: &str, mut node: Node, findings: &mut Findings) -> Node {
        let span = node.place.span.clone();
        let raw = self.text.get(span.clone()).unwrap_or_default();
        node.text_at = raw.find(text).map(|at| span.start + at);
        let text = match self.env {
            None => text.to_owned(),
            Some(env) => match environment::expand(text, env) {
                Ok(expansion) => {
                    if expansion.text != text {
                        node.text_at = None;
                    }
                    node.expanded = expansion.from_environment;
                    expansion.text
                }
                Err(error) => {
                    let place = node.place_within(error.offset, error.length);
                    findings.add(ProblemKind::Value, &place, error.message, error.hint);
                    node.unresolved = true;
                    text.to_owned()
                }
            },
        };
        node.value = Value::Text(text);
        node
    }

    fn place(&self, span: std::ops::Range<usize>) -> Place {
        Place {
            source: self.source,
            span: span.start + self.offset..span.end + self.offset,
        }
    }
}
