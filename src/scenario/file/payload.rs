//! What a step sends.

use base64::Engine;
use bytes::Bytes;

use super::super::Payload;
use super::builder::{Builder, Scope, read_at_most, reason};
use super::section::Section;
use super::tables;

/// Largest file to send.
const MAX_FILE: u64 = 64 << 20;
const KINDS: [&str; 4] = ["hex", "base64", "file", "size"];

impl Builder<'_> {
    /// The payload of a send step; `None` when it is wrong (reported).
    pub(super) fn payload(
        &mut self,
        table: &Section<'_>,
        action: &str,
        scope: &Scope<'_>,
    ) -> Option<Payload> {
        if action == "send" {
            return Some(Payload::Text(self.template(table.get("send")?, scope)));
        }
        let section = table.child("send_binary", &tables::BINARY);
        let there: Vec<&str> = KINDS
            .into_iter()
            .filter(|kind| section.get(kind).is_some())
            .collect();
        if let [first, second, ..] = there[..] {
            let message = format!("`{first}` and `{second}` in one payload");
            self.findings
                .contradiction(section.key_place(second), message, "keep one of them");
        }
        let kind = *there.first()?;
        let node = section.get(kind)?;
        match kind {
            "size" => section.optional_bytes("size").map(Payload::RandomBinary),
            "file" => self.payload_file(&section),
            _ => {
                let text = node.as_text().filter(|_| !node.unresolved)?;
                let bytes = if kind == "hex" {
                    hex(text)
                } else {
                    base64::engine::general_purpose::STANDARD.decode(text).ok()
                };
                if bytes.is_none() {
                    let hint = match kind {
                        "hex" => "write two digits for each byte, for example \"c000\"",
                        _ => "use the standard alphabet with padding, for example \"wAA=\"",
                    };
                    self.findings
                        .value(&node.place, format!("not {kind}"), hint);
                }
                bytes.map(|bytes| Payload::Binary(Bytes::from(bytes)))
            }
        }
    }

    fn payload_file(&mut self, section: &Section<'_>) -> Option<Payload> {
        let path = section.path("file", self.folder)?;
        let size = std::fs::metadata(&path).map(|data| data.len());
        let message = match size {
            Ok(size) if size > MAX_FILE => {
                format!("the file has {size} bytes; at most {MAX_FILE} can be sent")
            }
            _ => match read_at_most(&path, MAX_FILE) {
                Ok(bytes) => return Some(Payload::Binary(Bytes::from(bytes))),
                Err(error) => format!("cannot read the file: {}", reason(&error)),
            },
        };
        let hint = "paths in a scenario are relative to the scenario's folder";
        self.findings.value(section.place("file"), message, hint);
        None
    }
}

/// Spaces between bytes are allowed.
fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| *c != ' ')
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    if digits.len() % 2 == 1 {
        return None;
    }
    Some(
        digits
            .chunks_exact(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect(),
    )
}
