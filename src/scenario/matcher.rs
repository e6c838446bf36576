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

/// A JSON pointer (RFC 6901), compiled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pointer {
    /// As written, for messages.
    pub text: Arc<str>,
    /// Unescaped reference tokens; empty = the whole document.
    pub tokens: Arc<[String]>,
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
