//! What reading a scenario brings to light besides its values.

use super::super::problem::{Kind, MAX_KEPT, Place, Problem};
use super::super::warning::Warning;

/// Bytes of a message or hint: they repeat names from the file, which may be as long as the file.
const LONGEST: usize = 2_000;

/// Text of at most [`LONGEST`] bytes and an ellipsis.
fn cut(mut text: String) -> String {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push_str("...");
    }
    text
}

/// Collected while reading; problems end it at the end, not at the first one.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub problems: Vec<Problem>,
    pub warnings: Vec<Warning>,
    pub secrets: Vec<String>,
    /// A limit was passed: what is there is not worth building.
    pub too_large: bool,
}

impl Findings {
    /// Whether so many problems are known that more would not help anybody.
    pub(super) fn is_full(&self) -> bool {
        self.problems.len() >= MAX_KEPT
    }

    /// Notes a problem at a place.
    pub(super) fn add(
        &mut self,
        kind: Kind,
        place: &Place,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        if self.is_full() {
            return;
        }
        self.problems.push(Problem {
            kind,
            place: Some(place.clone()),
            message: cut(message.into()),
            hint: cut(hint.into()),
        });
    }

    /// One value is wrong by itself.
    pub(super) fn value(
        &mut self,
        place: &Place,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(Kind::Value, place, message, hint);
    }

    /// Two values do not fit together.
    pub(super) fn contradiction(
        &mut self,
        place: &Place,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(Kind::Contradiction, place, message, hint);
    }
}
