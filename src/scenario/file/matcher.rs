//! Matchers, replies and captures.

use super::super::template::is_reserved;
use super::super::{Capture, Matcher, Pointer, Reply, Template};
use super::builder::{Builder, Scope};
use super::section::Section;
use super::tree::{Node, Value};

const KINDS: [&str; 5] = ["json", "text", "prefix", "regex", "echo"];

/// Regular expressions of a scenario: each takes up to a megabyte and some milliseconds to compile.
const MAX_REGEXES: usize = 100;
/// Bytes of the longest one.
const LONGEST_REGEX: usize = 10_000;

impl Builder<'_> {
    /// The one matcher of a table; `None` when there is none (reported). `echo`: whether there is a
    /// message that can come back.
    pub(super) fn matcher(
        &mut self,
        section: &Section<'_>,
        scope: &Scope<'_>,
        echo: bool,
    ) -> Option<Matcher> {
        let there: Vec<&str> = KINDS
            .into_iter()
            .filter(|kind| {
                (*kind != "echo" || echo_is_known(section)) && section.get(kind).is_some()
            })
            .collect();
        if let [first, second, ..] = there[..] {
            let message = format!("`{first}` and `{second}` in one matcher");
            let hint = "keep one of them; several JSON pointers go into one `json` table";
            self.findings
                .contradiction(section.key_place(second), message, hint);
        }
        let kind = *there.first()?;
        let node = section.get(kind)?;
        Some(match kind {
            "json" => Matcher::Json(self.json(section, scope)),
            "text" => Matcher::Text(self.template(node, scope)),
            "prefix" => Matcher::Prefix(self.template(node, scope)),
            "regex" => self.regex(node)?,
            _ => {
                if matches!(node.value, Value::Bool(false)) {
                    let hint = "write echo = true, or another matcher";
                    self.findings
                        .value(&node.place, "`echo = false` matches nothing", hint);
                } else if !echo {
                    let message = "`echo` needs a message that comes back";
                    let hint = "put `expect` beside the `send`, or use another matcher";
                    self.findings
                        .contradiction(section.key_place("echo"), message, hint);
                }
                Matcher::Echo
            }
        })
    }

    fn json(&mut self, section: &Section<'_>, scope: &Scope<'_>) -> Vec<(Pointer, Template)> {
        let entries = section.entries("json");
        if entries.is_empty()
            && section
                .get("json")
                .is_some_and(|node| node.as_table().is_some())
        {
            let hint = "write for example json = { \"/id\" = \"{{seq}}\" }";
            self.findings.value(
                section.place("json"),
                "the JSON matcher compares nothing",
                hint,
            );
        }
        let mut pairs = Vec::new();
        for entry in entries {
            let key = Node {
                place: entry.place.clone(),
                value: Value::Text(entry.key.clone()),
                text_at: None,
                expanded: Vec::new(),
                unresolved: false,
            };
            let Some(pointer) = self.pointer(&key) else {
                continue;
            };
            let text = match &entry.node.value {
                Value::Text(_) => self.template(&entry.node, scope),
                Value::Integer(number) => Template::literal(&number.to_string()),
                Value::Float(number) => Template::literal(&number.to_string()),
                Value::Bool(value) => Template::literal(&value.to_string()),
                _ => continue,
            };
            pairs.push((pointer, text));
        }
        pairs
    }

    fn regex(&mut self, node: &Node) -> Option<Matcher> {
        let text = node.as_text()?;
        self.regexes += 1;
        if self.regexes > MAX_REGEXES || text.len() > LONGEST_REGEX {
            let message = format!(
                "more than {MAX_REGEXES} regular expressions, or one longer than {LONGEST_REGEX} bytes"
            );
            let hint = "use `json`, `text` or `prefix` where they do";
            self.findings.value(&node.place, message, hint);
            return None;
        }
        let built = regex::RegexBuilder::new(text)
            .size_limit(1 << 20)
            .nest_limit(100)
            .build();
        match built {
            Ok(regex) => Some(Matcher::Regex(regex)),
            Err(error) => {
                let what = match &error {
                    regex::Error::CompiledTooBig(limit) => {
                        format!("the compiled form is larger than {limit} bytes")
                    }
                    other => {
                        let text = other.to_string();
                        let last = text.lines().last().unwrap_or_default();
                        last.trim_start_matches("error: ").to_owned()
                    }
                };
                let message = format!("not a regular expression: {what}");
                let hint = "the syntax is that of RE2 and the Rust regex crate: no look-around, no back-references";
                self.findings.value(&node.place, message, hint);
                None
            }
        }
    }

    /// A JSON pointer; `None` when it is wrong (reported).
    pub(super) fn pointer(&mut self, node: &Node) -> Option<Pointer> {
        let text = node.as_text().filter(|_| !node.unresolved)?;
        match Pointer::parse(text) {
            Ok(pointer) => Some(pointer),
            Err(error) => {
                let place = node.place_within(error.offset, error.length);
                self.findings.value(&place, error.to_string(), error.hint);
                None
            }
        }
    }

    /// A reply with its timeout; its captures become known to later steps.
    pub(super) fn reply(
        &mut self,
        section: &Section<'_>,
        scope: &Scope<'_>,
        echo: bool,
        captures: &mut Vec<String>,
    ) -> Option<Reply> {
        let matcher = self.matcher(section, scope, echo);
        let mut kept = Vec::new();
        for entry in section.entries("capture") {
            let Some(pointer) = self.pointer(&entry.node) else {
                continue;
            };
            let name = entry.key.as_str();
            let is_name = |c: char| c.is_alphanumeric() || c == '_';
            if name.starts_with(|c: char| c.is_ascii_digit())
                || !name.chars().all(is_name)
                || name.is_empty()
            {
                let hint =
                    "a captured name has letters, digits and `_`, and does not start with a digit";
                self.findings
                    .value(&entry.place, format!("`{name}` is not a usable name"), hint);
                continue;
            }
            if is_reserved(name) {
                let hint = "choose another name";
                self.findings.value(
                    &entry.place,
                    format!("`{name}` already means something in templates"),
                    hint,
                );
                continue;
            }
            let slot = captures
                .iter()
                .position(|known| known == name)
                .unwrap_or_else(|| {
                    captures.push(name.to_owned());
                    captures.len() - 1
                });
            kept.push(Capture { slot, pointer });
        }
        Some(Reply {
            matcher: matcher?,
            timeout: section.time("timeout"),
            captures: kept,
        })
    }
}

/// `delivery` has no `echo` key.
fn echo_is_known(section: &Section<'_>) -> bool {
    section.knows("echo")
}
