//! The handshake opened, and yet something given with it was lost.

use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Seen, Variation};

/// The question.
pub const CHECK: Check = Check {
    name: "what was given with the handshake arrives",
    entries: &[&SUBPROTOCOL, &CREDENTIALS],
    ask,
};

static SUBPROTOCOL: Entry = Entry {
    id: "subprotocol-lost",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The server chose none of the offered subprotocols: browsers close such a connection",
    evidence: "101 without Sec-WebSocket-Protocol though subprotocols were offered; without an offer it \
               answers the same",
    expected: "101 with Sec-WebSocket-Protocol: one of those offered",
    causes: &[
        (
            "a proxy drops Sec-WebSocket-Protocol on the way",
            "the same to the server directly chooses one",
        ),
        (
            "the server does not know this subprotocol, or handles none",
            "the server directly chooses none either",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Nginx,
            snippet: "# remove: proxy_set_header Sec-WebSocket-Protocol \"\";",
        },
        Fix {
            product: Product::Server,
            snippet: "// ws: new WebSocketServer({ handleProtocols: (offered) => 'graphql-transport-ws' })",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "pass every Sec-WebSocket-* header on unchanged",
        },
    ],
    limits: "a server that never saw the offer and one that ignores it answer alike",
};

static CREDENTIALS: Entry = Entry {
    id: "cred-lost-session",
    layer: Layer::WebSocket,
    severity: Severity::Fault,
    title: "The connection is closed for want of a login although a credential was sent",
    evidence: "a close code or reason about authentication right after the 101, and a credential in the \
               handshake",
    expected: "the session goes on",
    causes: &[
        (
            "a proxy drops the header on the way (Cookie, Authorization): the server saw no credential",
            "the same to the server directly goes on",
        ),
        (
            "the credential is wrong, expired, or for another service",
            "the same to the server directly is closed too",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Nginx,
            snippet: "# remove proxy_set_header Cookie \"\"; and proxy_set_header Authorization \"\";",
        },
        Fix {
            product: Product::Client,
            snippet: "# a fresh token or cookie",
        },
    ],
    limits: "wrong and lost look the same from outside",
};

/// How long after the 101 a close is about the handshake.
const SOON_MS: f64 = 3_000.0;

fn ask(seen: &Seen) -> Vec<Finding> {
    subprotocol(seen)
        .into_iter()
        .chain(credentials(seen))
        .collect()
}

fn subprotocol(seen: &Seen) -> Option<Finding> {
    let answer = seen.answer().filter(|answer| answer.is_upgrade())?;
    let offered = &seen.asked.subprotocols;
    if offered.is_empty() || answer.header("sec-websocket-protocol").is_some() {
        return None;
    }
    let names = offered.join(", ");
    let mut finding = Finding::new(&SUBPROTOCOL).titled(format!(
        "The server chose no subprotocol though {names} was offered: Sec-WebSocket-Protocol is lost on the \
         way, or the server does not know it"
    ));
    finding = finding.saw(format!(
        "offered: {names}; 101 without Sec-WebSocket-Protocol"
    ));
    let without = seen.to(&Variation::WithoutSubprotocols);
    if without.is_some_and(crate::probe::seen::Exchange::is_upgrade) {
        finding = finding.saw("the handshake without subprotocols opens alike");
    }
    Some(finding)
}

fn credentials(seen: &Seen) -> Option<Finding> {
    let ended = seen.session.as_ref()?.ended.as_ref()?;
    let names = &seen.asked.credentials;
    let code = ended.code?;
    let reason = ended.reason.to_ascii_lowercase();
    let words = [
        "token",
        "auth",
        "login",
        "credential",
        "cookie",
        "session",
        "forbidden",
        "denied",
    ];
    let about = words.iter().any(|word| reason.contains(word));
    // 3000 and 3003 are registered for it (IANA); 44xx mirrors HTTP.
    let code_says = matches!(code, 1008 | 3000 | 3003 | 4001 | 4003 | 4401 | 4403);
    if names.is_empty() || ended.at_ms.0 > SOON_MS || !(about || code_says) {
        return None;
    }
    let sent = names.join(", ");
    let finding = Finding::new(&CREDENTIALS).titled(format!(
        "The server closes with {code} '{}' as if no valid credential had come, though {sent} was sent: a \
         proxy drops it on the way, or it is wrong",
        ended.reason
    ));
    let seconds = ended.at_ms.seconds();
    Some(finding.saw(format!(
        "close {code} '{}' {seconds:.2} s after the 101",
        ended.reason
    )))
}
