//! The requests that were made to compare, and what each showed.

use super::words;
use crate::probe::seen::Seen;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What was asked.
    pub asked: String,
    /// What came.
    pub outcome: String,
    /// Whether it was as the handshake's; `None` where there is nothing to compare.
    pub same: Option<bool>,
}

impl Request {
    /// `same answer`, `another answer`, or nothing.
    pub fn verdict(&self) -> &'static str {
        match self.same {
            Some(true) => "same answer",
            Some(false) => "another answer",
            None => "",
        }
    }
}

/// All of them, in the order they were made; the first is the handshake itself. Empty when nothing
/// had to be compared.
pub fn requests(seen: &Seen) -> Vec<Request> {
    if seen.compared.is_empty() {
        return Vec::new();
    }
    let first = seen.handshake.iter().map(|handshake| Request {
        asked: words::variation(&seen.asked, &handshake.asked),
        outcome: words::outcome(handshake),
        same: None,
    });
    let others = seen.compared.iter().map(|exchange| Request {
        asked: words::variation(&seen.asked, &exchange.asked),
        outcome: words::outcome(exchange),
        same: (seen.handshake.as_ref()).map(|handshake| handshake.same_as(exchange)),
    });
    first.chain(others).collect()
}
