//! From text to a compiled template, with the place of every error.

use super::Part;
use super::expression::{Expression, MAX_DEPTH, Operator};

/// The names a template may use besides the built-in ones.
#[derive(Clone, Copy, Debug, Default)]
pub struct Names<'a> {
    /// Values captured so far, by slot.
    pub captures: &'a [String],
    /// Columns of the data set, in order.
    pub columns: &'a [String],
    /// Whether there is a message: `seq` and `intended_us` are known.
    pub message: bool,
}

/// What is wrong with a template, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// Byte offset into the template's text.
    pub offset: usize,
    /// Length in bytes of what is wrong; may be 0.
    pub length: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

/// Longest `{{text N}}`.
const MAX_TEXT: u64 = 16 << 20;
const BUILT_IN: [&str; 6] = ["client", "seq", "intended_us", "uuid", "text", "random"];
const KNOWN: &str = "the holes are client, seq, intended_us, uuid, text N, random A B, row.COLUMN, \
                     captured names and arithmetic on numbers";

/// Whether captures and columns may not be called so.
pub(in crate::scenario) fn is_reserved(name: &str) -> bool {
    BUILT_IN.contains(&name) || name == "row"
}

pub(super) fn template(text: &str, names: &Names<'_>) -> Result<Vec<Part>, TemplateError> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut at = 0;
    let mut random = 0;
    while let Some(found) = text[at..].find("{{") {
        let start = at + found;
        literal.push_str(&text[at..start]);
        // A run of n braces: each four are two literal ones, then one literal, a hole, or both.
        let run = text[start..].bytes().take_while(|b| *b == b'{').count();
        literal.push_str(&"{{".repeat(run / 4));
        if run % 2 == 1 {
            literal.push('{');
        }
        at = start + run;
        if run % 4 < 2 {
            continue;
        }
        let hole_length = text[at..].find("}}").ok_or_else(|| TemplateError {
            offset: at - 2,
            length: 2,
            message: "this hole is not closed".to_owned(),
            hint: "close it with `}}`; to send two literal braces write `{{{{`".to_owned(),
        })?;
        if !literal.is_empty() {
            parts.push(Part::Literal(std::mem::take(&mut literal).into()));
        }
        let hole = Hole {
            text: &text[at..at + hole_length],
            offset: at,
            at: 0,
            names,
        };
        let part = hole.part()?;
        if let Part::Text(length) = part {
            random += length as u64;
        }
        if random > MAX_TEXT {
            return Err(TemplateError {
                offset: at - 2,
                length: hole_length + 4,
                message: format!("all `text N` together make more than {MAX_TEXT} bytes"),
                hint: "use shorter ones".to_owned(),
            });
        }
        parts.push(part);
        at += hole_length + 2;
    }
    literal.push_str(&text[at..]);
    if !literal.is_empty() || parts.is_empty() {
        parts.push(Part::Literal(literal.into()));
    }
    Ok(parts)
}

struct Hole<'a> {
    text: &'a str,
    /// Of `text` in the template.
    offset: usize,
    at: usize,
    names: &'a Names<'a>,
}

impl<'a> Hole<'a> {
    fn part(mut self) -> Result<Part, TemplateError> {
        let part = match self.peek_name() {
            "" => self.number(),
            "uuid" => {
                self.name();
                Ok(Part::Uuid)
            }
            "text" => self.random_text(),
            "client" | "seq" | "intended_us" | "random" => self.number(),
            "row" => self.column(),
            _ => self.capture(),
        }?;
        self.skip_spaces();
        if self.at < self.text.len() {
            let left = self.text[self.at..].trim_end();
            let what = match part {
                Part::Number(_) => "not part of an expression",
                _ => "not expected here: arithmetic works on numbers only",
            };
            return Err(self.error(self.at, left.len(), format!("`{left}` is {what}"), KNOWN));
        }
        Ok(part)
    }

    fn random_text(&mut self) -> Result<Part, TemplateError> {
        self.name();
        let start = self.skip_spaces();
        let hint = "write for example {{text 64}}";
        match self.integer()? {
            Some(length) if (1..=MAX_TEXT as i64).contains(&length) => {
                Ok(Part::Text(length as usize))
            }
            Some(_) => {
                let message = "`text N` takes a length from 1 to 16777216";
                Err(self.error(start, self.at - start, message, hint))
            }
            None => Err(self.error(start, 0, "`text` needs its length", hint)),
        }
    }

    fn column(&mut self) -> Result<Part, TemplateError> {
        let start = self.skip_spaces();
        self.name();
        if !self.eat(b'.') {
            return Err(self.error(
                start,
                3,
                "`row` needs a column",
                "write for example {{row.token}}",
            ));
        }
        let name_at = self.at;
        let name = self.name();
        let columns = self.names.columns;
        if let Some(column) = columns.iter().position(|known| known == name) {
            return Ok(Part::Row {
                column,
                name: name.into(),
            });
        }
        let hint = if columns.is_empty() {
            "add a [[data]] table with the CSV file".to_owned()
        } else {
            format!("the columns are {}", columns.join(", "))
        };
        let length = name.len();
        Err(self.error(
            name_at,
            length,
            format!("the data has no column `{name}`"),
            hint,
        ))
    }

    fn capture(&mut self) -> Result<Part, TemplateError> {
        let start = self.skip_spaces();
        let name = self.name();
        if let Some(slot) = self.names.captures.iter().position(|known| known == name) {
            return Ok(Part::Capture {
                slot,
                name: name.into(),
            });
        }
        let near = super::super::nearest(
            name,
            BUILT_IN
                .iter()
                .copied()
                .chain(self.names.captures.iter().map(String::as_str)),
        );
        let hint = match near {
            Some(near) => format!("did you mean `{near}`? {KNOWN}"),
            None => format!("capture it in an earlier step; {KNOWN}"),
        };
        Err(self.error(start, name.len(), format!("unknown name `{name}`"), hint))
    }

    fn number(&mut self) -> Result<Part, TemplateError> {
        let start = self.skip_spaces();
        let expression = self.expression(0, 0)?;
        if expression.depth() > MAX_DEPTH {
            return Err(self.too_deep(start));
        }
        Ok(Part::Number(expression))
    }

    /// Precedence climbing: operators of at least `rank`.
    fn expression(&mut self, rank: u8, depth: usize) -> Result<Expression, TemplateError> {
        let start = self.skip_spaces();
        if depth > MAX_DEPTH {
            return Err(self.too_deep(start));
        }
        let mut left = self.operand(depth)?;
        loop {
            let at = self.skip_spaces();
            let symbol = self.text.as_bytes().get(self.at).copied();
            let Some(operator) = symbol.and_then(Operator::from_symbol) else {
                return Ok(left);
            };
            if operator.rank() < rank {
                return Ok(left);
            }
            self.at += 1;
            let right = self.expression(operator.rank() + 1, depth + 1)?;
            let zero = right == Expression::Literal(0);
            if zero && matches!(operator, Operator::Divide | Operator::Remainder) {
                let message = "division by zero";
                return Err(self.error(at, self.at - at, message, "divide by another number"));
            }
            left = match (&left, &right) {
                (Expression::Literal(l), Expression::Literal(r)) => {
                    let value = operator.apply(*l, *r).ok_or_else(|| {
                        let message = "the result does not fit in 64 bits";
                        self.error(start, self.at - start, message, "use smaller numbers")
                    })?;
                    Expression::Literal(value)
                }
                _ => Expression::Binary(operator, Box::new((left, right))),
            };
            if left.depth() > MAX_DEPTH {
                return Err(self.too_deep(start));
            }
        }
    }

    fn operand(&mut self, depth: usize) -> Result<Expression, TemplateError> {
        let start = self.skip_spaces();
        if self.eat(b'(') {
            let inner = self.expression(0, depth + 1)?;
            self.skip_spaces();
            if !self.eat(b')') {
                return Err(self.error(
                    start,
                    1,
                    "this bracket is not closed",
                    "close it with `)`",
                ));
            }
            return Ok(inner);
        }
        if let Some(value) = self.integer()? {
            return Ok(Expression::Literal(value));
        }
        let name = self.name();
        let length = name.len();
        match name {
            "client" => Ok(Expression::Client),
            "seq" | "intended_us" if !self.names.message => {
                let message = format!("`{name}` is not known here: there is no message yet");
                Err(self.error(
                    start,
                    length,
                    message,
                    "use client, row.COLUMN or random A B",
                ))
            }
            "seq" => Ok(Expression::Seq),
            "intended_us" => Ok(Expression::Intended),
            "random" => self.random(start),
            "" => {
                let message = "a number or a name is missing here";
                Err(self.error(start, 0, message, KNOWN))
            }
            _ => {
                let message = format!("`{name}` is not a number");
                let hint =
                    "arithmetic works on client, seq, intended_us, random A B and whole numbers";
                Err(self.error(start, length, message, hint))
            }
        }
    }

    fn random(&mut self, start: usize) -> Result<Expression, TemplateError> {
        self.skip_spaces();
        let low = self.integer()?;
        self.skip_spaces();
        let high = self.integer()?;
        match (low, high) {
            (Some(low), Some(high)) if low <= high => Ok(Expression::Random { low, high }),
            (Some(_), Some(_)) => {
                let message = "the first number of `random` is larger than the second";
                Err(self.error(start, self.at - start, message, "swap them"))
            }
            _ => {
                let hint = "write for example {{random 1 6}}";
                Err(self.error(start, 6, "`random` needs two whole numbers", hint))
            }
        }
    }

    /// A whole number with an optional minus sign, if one stands here.
    fn integer(&mut self) -> Result<Option<i64>, TemplateError> {
        let rest = &self.text[self.at..];
        let digits = rest.strip_prefix('-').unwrap_or(rest);
        let count = digits.bytes().take_while(u8::is_ascii_digit).count();
        if count == 0 {
            return Ok(None);
        }
        let length = rest.len() - digits.len() + count;
        let value = rest[..length].parse().map_err(|_| {
            self.error(
                self.at,
                length,
                "this number does not fit in 64 bits",
                "use a smaller one",
            )
        })?;
        self.at += length;
        Ok(Some(value))
    }

    fn skip_spaces(&mut self) -> usize {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.at
    }

    fn eat(&mut self, symbol: u8) -> bool {
        let found = self.text.as_bytes().get(self.at) == Some(&symbol);
        self.at += usize::from(found);
        found
    }

    fn peek_name(&self) -> &'a str {
        let rest = self.text[self.at..].trim_start();
        &rest[..name_length(rest)]
    }

    fn name(&mut self) -> &'a str {
        self.skip_spaces();
        let rest = &self.text[self.at..];
        let name = &rest[..name_length(rest)];
        self.at += name.len();
        name
    }

    fn too_deep(&self, start: usize) -> TemplateError {
        let message = format!("this expression is nested deeper than {MAX_DEPTH}");
        self.error(start, self.text.len() - start, message, "write it flatter")
    }

    fn error(
        &self,
        at: usize,
        length: usize,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> TemplateError {
        TemplateError {
            offset: self.offset + at,
            length,
            message: message.into(),
            hint: hint.into(),
        }
    }
}

/// Names start with a letter or `_`; columns may also hold `-`, but that reads as minus, so they do not.
fn name_length(text: &str) -> usize {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    text.find(|c| !is_name(c)).unwrap_or(text.len())
}
