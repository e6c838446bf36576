//! The head of the answer begins and never ends.

use super::with_all;
use super::words::{brief, span};
use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Exchange, Outcome, Seen, Variation};

/// The question.
pub const CHECK: Check = Check {
    name: "head never finished",
    entries: &[&PARTIAL],
    ask,
};

static PARTIAL: Entry = Entry {
    id: "partial-head",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The answer to the upgrade begins and is never finished",
    evidence: "the start of an HTTP head comes, the empty line that ends it does not",
    expected: "a whole head: status line, headers, an empty line",
    causes: &[
        (
            "the server leaves out the empty line (\\r\\n\\r\\n) that ends the head",
            "its code; the same to the server directly",
        ),
        (
            "the server crashes or blocks while it writes the head",
            "its log at that moment",
        ),
        (
            "a middle box holds back or cuts the rest",
            "the same to the server directly is whole",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Server,
            snippet: "HTTP/1.1 101 Switching Protocols\\r\\n\
                      Upgrade: websocket\\r\\n\
                      Connection: Upgrade\\r\\n\
                      Sec-WebSocket-Accept: ...\\r\\n\
                      \\r\\n   <- the empty line ends the head",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "Send the same request to the server directly: if it is whole there, the \
                      proxy's buffering is at fault.",
        },
    ],
    limits: "",
};

fn ask(seen: &Seen) -> Vec<Finding> {
    let Some(handshake) = &seen.handshake else {
        return Vec::new();
    };
    let Outcome::PartialHead { bytes, end } = &handshake.outcome else {
        return Vec::new();
    };
    let took = span(handshake.took_ms);
    let how = match end {
        None => format!("incomplete after {took}, with nothing more coming"),
        Some(end) => format!("cut off by {end} after {took}"),
    };
    let whole = |e: &Exchange| e.answer().is_some();
    let again = match seen.to(&Variation::Again) {
        Some(again) if whole(again) => "; made again it was whole",
        Some(_) => "; made again it was the same",
        None => "",
    };
    let finding = Finding::new(&PARTIAL).titled(format!(
        "The answer to the upgrade begins (\"{}\") and never ends: its head is {how}{again}",
        brief(bytes)
    ));
    vec![with_all(finding, seen)]
}
