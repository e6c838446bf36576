//! What the request itself has too much or too little of.

use super::tree::Cause;
use super::{decided, finding, status};
use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Seen, Variation};

/// The question.
pub const CHECK: Check = Check {
    name: "the request fits",
    entries: &[&TOO_LARGE, &SUBPROTOCOL, &VERSION],
    ask,
};

static TOO_LARGE: Entry = Entry {
    id: "header-too-large",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The request's headers are too large: often cookies",
    evidence: "400, 414, 431 or 494 that says so, or the handshake without the user's headers opens",
    expected: "a 101 with the headers of an upgrade",
    causes: &[(
        "the headers (cookies, tokens) exceed the limit of the proxy or the server",
        "",
    )],
    fixes: &[
        Fix {
            product: Product::Nginx,
            snippet: "large_client_header_buffers 4 16k;",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "tune.bufsize 32768\ntune.http.maxhdr 128",
        },
        Fix {
            product: Product::Apache,
            snippet: "LimitRequestFieldSize 16380",
        },
        Fix {
            product: Product::Server,
            snippet: "node --max-http-header-size=32768 server.js",
        },
        Fix {
            product: Product::Client,
            snippet: "delete old cookies; send a session id instead of its content",
        },
    ],
    limits: "the exact limit; try with smaller headers",
};

static SUBPROTOCOL: Entry = Entry {
    id: "subprotocol-refused",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The server refuses the handshake for its subprotocol",
    evidence: "a refusal that names the subprotocol or Sec-WebSocket-Protocol",
    expected: "101 with one of the offered subprotocols",
    causes: &[
        (
            "the server wants a subprotocol that was not offered",
            "with --subprotocol NAME it opens",
        ),
        (
            "a proxy removes Sec-WebSocket-Protocol",
            "it is refused with --subprotocol NAME too",
        ),
    ],
    fixes: &[Fix {
        product: Product::Client,
        snippet: "wsbench probe URL --subprotocol graphql-transport-ws   # the one the server documents",
    }],
    limits: "",
};

static VERSION: Entry = Entry {
    id: "version-refused",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The server does not support WebSocket version 13",
    evidence: "426 with Sec-WebSocket-Version in answer to a handshake of version 13 (RFC 6455 4.4)",
    expected: "101: version 13 is the only one in use",
    causes: &[
        (
            "the server speaks only another version of the protocol",
            "the versions in its Sec-WebSocket-Version header",
        ),
        (
            "a proxy changes Sec-WebSocket-Version on the way",
            "the same to the server directly opens",
        ),
    ],
    fixes: &[Fix {
        product: Product::Server,
        snippet: "use a server library that implements RFC 6455",
    }],
    limits: "",
};

fn ask(seen: &Seen) -> Vec<Finding> {
    let Some((cause, picture)) = decided(seen) else {
        return Vec::new();
    };
    let answered = status(&picture);
    let found = match cause {
        Cause::TooLarge => {
            let bytes = seen.asked.header_bytes;
            let proof = if picture.opens(&Variation::WithoutHeaders) {
                "; without them it opens"
            } else {
                ""
            };
            finding(&TOO_LARGE, &picture).titled(format!(
                "The request's headers are too large ({answered}): {bytes} bytes of your own, often \
                 cookies, exceed a limit{proof}"
            ))
        }
        Cause::Subprotocol => {
            let offered = match seen.asked.subprotocols.as_slice() {
                [] => "none was offered".to_owned(),
                names => format!("{} was offered", names.join(", ")),
            };
            finding(&SUBPROTOCOL, &picture).titled(format!(
                "The server refuses the handshake for its subprotocol ({answered}): {offered}"
            ))
        }
        Cause::Version => finding(&VERSION, &picture),
        _ => return Vec::new(),
    };
    vec![found]
}
