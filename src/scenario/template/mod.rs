//! Text with holes, compiled once and rendered without parsing.
//!
//! `{{...}}` holes: `client`, `seq`, `intended_us`, `uuid`, `text N`, `random A B`, `row.COLUMN`,
//! captured names, whole numbers, and `+ - * / %` with brackets on numbers. `{{{{` stands for `{{`.
//! Rendering allocates only when the output has to grow. It cannot fail: what has no value (a name not
//! captured yet) renders as nothing, arithmetic without a result (overflow, division by zero) as `0`.

mod expression;
mod parse;

use std::fmt;

pub(super) use parse::is_reserved;
pub use parse::{Names, TemplateError};

use expression::Expression;

/// A compiled template.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Literal(Box<str>),
    Number(Expression),
    Uuid,
    Text(usize),
    Row { column: usize, name: Box<str> },
    Capture { slot: usize, name: Box<str> },
}

/// What holes are filled from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// Number of the client, from 0.
    pub client: u64,
    /// Number of this message among the client's messages, from 0.
    pub seq: u64,
    /// Unix time in microseconds at which the message was due.
    pub intended_us: u64,
    /// The client's captured values by slot; one not captured yet renders as nothing.
    pub captures: &'a [String],
    /// The client's row of the data set.
    pub row: &'a [String],
}

impl Template {
    /// A template without holes.
    pub fn literal(text: &str) -> Self {
        Self {
            parts: vec![Part::Literal(text.into())],
        }
    }

    /// Compiles `text`; an error names what is wrong and where.
    pub fn parse(text: &str, names: &Names<'_>) -> Result<Self, TemplateError> {
        parse::template(text, names).map(|parts| Self { parts })
    }

    /// Appends the rendered text. Allocates only when `out` has to grow.
    pub fn render(&self, context: &Context<'_>, rng: &mut fastrand::Rng, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Part::Number(expression) => {
                    push_integer(expression.value(context, rng).unwrap_or(0), out);
                }
                Part::Uuid => push_uuid(rng, out),
                Part::Text(length) => push_text(*length, rng, out),
                Part::Row { column, .. } => push_value(context.row.get(*column), out),
                Part::Capture { slot, .. } => push_value(context.captures.get(*slot), out),
            }
        }
    }

    /// Whether every message of one client renders the same (other clients may render something else).
    pub fn is_constant(&self) -> bool {
        self.parts.iter().all(|part| match part {
            Part::Literal(_) | Part::Row { .. } => true,
            Part::Number(expression) => expression.is_constant(),
            Part::Uuid | Part::Text(_) | Part::Capture { .. } => false,
        })
    }

    /// Whether there are no holes at all: every client renders the same.
    pub fn is_literal(&self) -> bool {
        self.parts
            .iter()
            .all(|part| matches!(part, Part::Literal(_)))
    }

    /// Whether `{{seq}}` is in it.
    pub fn uses_seq(&self) -> bool {
        self.uses(Expression::uses_seq)
    }

    /// Whether `{{intended_us}}` is in it.
    pub fn uses_intended(&self) -> bool {
        self.uses(Expression::uses_intended)
    }

    /// Whether a column of the data set is in it.
    pub fn uses_row(&self) -> bool {
        self.parts
            .iter()
            .any(|part| matches!(part, Part::Row { .. }))
    }

    fn uses(&self, test: fn(&Expression) -> bool) -> bool {
        self.parts
            .iter()
            .any(|part| matches!(part, Part::Number(expression) if test(expression)))
    }
}

fn push_value(value: Option<&String>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        out.extend_from_slice(value.as_bytes());
    }
}

fn push_integer(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn push_text(length: usize, rng: &mut fastrand::Rng, out: &mut Vec<u8>) {
    let end = out.len() + length;
    out.reserve(length.next_multiple_of(BLOCK));
    while out.len() < end {
        let mut block = [0; BLOCK];
        for word in block.as_chunks_mut::<8>().0 {
            *word = rng.u64(..).to_le_bytes();
        }
        for byte in &mut block {
            *byte = symbol(*byte & 63);
        }
        out.extend_from_slice(&block);
    }
    out.truncate(end);
}

/// Symbols made and appended at once. Constant, so that the compiler does sixteen at a time and appends
/// without a call.
const BLOCK: usize = 32;

/// One of 64 symbols that need no escape in JSON, CSV or a URL: those of base64url (RFC 4648 5).
/// Without a table and without a branch.
const fn symbol(value: u8) -> u8 {
    let mut symbol = value.wrapping_add(b'A');
    symbol = symbol.wrapping_add((value >= 26) as u8 * (b'a' - b'Z' - 1));
    symbol = symbol.wrapping_sub((value >= 52) as u8 * (b'z' + 1 - b'0'));
    symbol = symbol.wrapping_sub((value >= 62) as u8 * (b'9' + 1 - b'-'));
    symbol.wrapping_add((value >= 63) as u8 * (b'_' - b'-' - 1))
}

/// RFC 9562 5.4: random, version 4, variant 10.
fn push_uuid(rng: &mut fastrand::Rng, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bits = (rng.u128(..) & !(0xf << 76) & !(0b11 << 62)) | (4 << 76) | (0b10 << 62);
    let mut text = [b'-'; 36];
    let mut nibble = 32;
    for (index, byte) in text.iter_mut().enumerate() {
        if !matches!(index, 8 | 13 | 18 | 23) {
            nibble -= 1;
            *byte = HEX[(bits >> (nibble * 4)) as usize & 15];
        }
    }
    out.extend_from_slice(&text);
}

impl fmt::Display for Template {
    /// As it would be written: reads back as the same template.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Literal(text) => f.write_str(&text.replace("{{", "{{{{"))?,
                Part::Number(expression) => write!(f, "{{{{{expression}}}}}")?,
                Part::Uuid => f.write_str("{{uuid}}")?,
                Part::Text(length) => write!(f, "{{{{text {length}}}}}")?,
                Part::Row { name, .. } => write!(f, "{{{{row.{name}}}}}")?,
                Part::Capture { name, .. } => write!(f, "{{{{{name}}}}}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
