//! What no rule knows: all the evidence, no blame.

use super::tree::Cause;
use super::{decided, finding, status};
use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::Seen;

/// The question.
pub const CHECK: Check = Check {
    name: "a refusal that is understood",
    entries: &[&REFUSED],
    ask,
};

static REFUSED: Entry = Entry {
    id: "refused-unknown",
    layer: Layer::Upgrade,
    severity: Severity::Undecided,
    title: "The handshake is refused, and nothing that was asked tells why",
    evidence: "an answer that is no 101 and fits no other finding",
    expected: "a 101 with the headers of an upgrade",
    causes: &[
        (
            "the server or the application refuses for a reason of its own",
            "its log; the same to the server directly",
        ),
        (
            "a proxy on the way answers instead of the server",
            "the same to the server directly opens",
        ),
    ],
    fixes: &[Fix {
        product: Product::AnyProxy,
        snippet: "look into the logs of each hop for this moment; probe each hop directly",
    }],
    limits: "what the answer means is known to whoever sent it",
};

fn ask(seen: &Seen) -> Vec<Finding> {
    match decided(seen) {
        Some((Cause::Unknown, picture)) if !(300..400).contains(&picture.answer.status) => {
            let found = finding(&REFUSED, &picture);
            let title = format!(
                "The handshake is refused with {}, and nothing that was asked tells why",
                status(&picture)
            );
            vec![found.titled(title)]
        }
        _ => Vec::new(),
    }
}
