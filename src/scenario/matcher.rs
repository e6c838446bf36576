//! Which received message answers which question.

use std::sync::Arc;
use std::time::Duration;

use super::Template;

/// A condition on a received message. Templates are rendered when the question is asked.
#[derive(Clone, Debug)]
pub enum Matcher {
    /// Every pointer's value equals the rendered text. A JSON string is compared by its content, any
    /// other value by its JSON text, so `{{seq}}` matches both `7` and `"7"`. Never empty.
    Json(Vec<(Pointer, Template)>),
    /// The whole text.
    Text(Template),
    /// How the text begins.
    Prefix(Template),
    /// A search in the text.
    Regex(regex::Regex),
    /// The payload comes back, byte for byte and with the same type.
    Echo,
}

/// Most segments of a pointer: JSON nested deeper than 127 is not read, and a walk along a pointer
/// takes stack.
const MAX_SEGMENTS: usize = 100;

/// A JSON pointer (RFC 6901), compiled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pointer {
    /// As written, for messages.
    pub text: Arc<str>,
    /// Unescaped reference tokens; empty = the whole document.
    pub tokens: Arc<[String]>,
}

/// Why a text is not a JSON pointer, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PointerError {
    /// Byte offset into the text.
    pub offset: usize,
    /// Length in bytes of what is wrong; may be 0.
    pub length: usize,
    /// What is wrong.
    pub message: &'static str,
    /// What to write instead.
    pub hint: &'static str,
}

impl Pointer {
    /// Compiles a pointer; the empty text means the whole document.
    pub fn parse(text: &str) -> Result<Self, PointerError> {
        if !text.is_empty() && !text.starts_with('/') {
            return Err(PointerError {
                offset: 0,
                length: text.len(),
                message: "a JSON pointer starts with `/`",
                hint: "write for example \"/id\" or \"/user/name\" (RFC 6901)",
            });
        }
        if text.matches('/').count() > MAX_SEGMENTS {
            return Err(PointerError {
                offset: 0,
                length: text.len(),
                message: "a JSON pointer has at most 100 segments",
                hint: "messages nested deeper than 127 levels are not read at all",
            });
        }
        for (at, _) in text.match_indices('~') {
            if !matches!(text.as_bytes().get(at + 1), Some(b'0' | b'1')) {
                return Err(PointerError {
                    offset: at,
                    length: 1,
                    message: "`~` in a JSON pointer must be followed by 0 or 1",
                    hint: "write ~0 for `~` and ~1 for `/` (RFC 6901 3)",
                });
            }
        }
        Ok(Self::known(text))
    }

    /// A pointer known to be right.
    pub(super) fn known(text: &str) -> Self {
        let tokens = text
            .split('/')
            .skip(1)
            .map(|token| token.replace("~1", "/").replace("~0", "~"));
        Self {
            text: text.into(),
            tokens: tokens.collect(),
        }
    }
}

/// An answer to wait for.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Which message it is.
    pub matcher: Matcher,
    /// How long to wait.
    pub timeout: Duration,
    /// What to keep of it.
    pub captures: Vec<Capture>,
}

/// Keeps a part of an answer for later templates of the same client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Index into the client's captured values; the name is in the template's error messages only.
    pub slot: usize,
    /// Where it is.
    pub pointer: Pointer,
}

#[cfg(test)]
mod tests {
    use super::Pointer;

    #[test]
    fn pointers_of_rfc_6901_are_read() {
        let tokens = |text: &str| Pointer::parse(text).expect(text).tokens.to_vec();
        assert!(tokens("").is_empty());
        assert_eq!(tokens("/"), [""]);
        assert_eq!(tokens("/foo/0"), ["foo", "0"]);
        assert_eq!(tokens("/a~1b/m~0n/~01"), ["a/b", "m~n", "~1"]);
        assert!(Pointer::parse(&"/a".repeat(100)).is_ok());
        assert!(Pointer::parse(&"/a".repeat(101)).is_err());
        assert_eq!(Pointer::parse("id").expect_err("no slash").offset, 0);
        assert_eq!(Pointer::parse("/a~2").expect_err("bad escape").offset, 2);
        assert_eq!(Pointer::parse("/a~").expect_err("bad escape").offset, 2);
    }
}
