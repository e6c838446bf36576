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
    /// How often in a row.
    pub times: usize,
}

impl Request {
    /// The same question with the same answer as the handshake's: the second needs no line.
    fn is_like(&self, other: &Self) -> bool {
        self.asked == other.asked && self.same == Some(true) && other.same == self.same
    }

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
        times: 1,
    });
    let others = seen.compared.iter().map(|exchange| {
        let handshake = seen.handshake.as_ref();
        let same = handshake.map(|handshake| handshake.same_as(exchange));
        Request {
            asked: words::variation(&seen.asked, &exchange.asked),
            outcome: match same {
                Some(true) => words::same_outcome(exchange),
                _ => words::outcome(exchange),
            },
            same,
            times: 1,
        }
    });
    let mut all: Vec<Request> = Vec::new();
    for request in first.chain(others) {
        match all.last_mut() {
            Some(last) if last.is_like(&request) => {
                last.times += 1;
                last.outcome = request.outcome;
            }
            _ => all.push(request),
        }
    }
    for request in all.iter_mut().filter(|request| request.times > 1) {
        request.asked += &format!(" ({} times)", request.times);
    }
    all
}
