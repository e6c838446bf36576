//! Bytes that RFC 6455 does not allow.

use super::codes;
use super::words::{ending, time};
use crate::probe::Severity;
use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::Finding;
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Seen, Violation};

/// Breaches of the protocol.
pub static PROTOCOL_VIOLATION: Entry = Entry {
    id: "protocol-violation",
    layer: Layer::WebSocket,
    severity: Severity::Fault,
    title: "What comes after the 101 breaks RFC 6455: strict clients close with 1002 or 1007",
    evidence: "Masked frames, reserved bits or opcodes, invalid UTF-8 in text, control frames that are long or fragmented, forbidden close codes, or text in place of frames",
    expected: "Unmasked, well-formed frames (RFC 6455 section 5), and nothing else after the 101.",
    causes: &[
        (
            "the server's frames are wrong: a hand-written or outdated implementation",
            "directly to the server the same bytes come",
        ),
        (
            "a proxy on the path wrote its own HTTP answer into the open stream, e.g. when the server behind it went away",
            "its name stands in that answer; directly to the server it does not happen",
        ),
        (
            "the application writes output (warnings, HTML, an error page) on the connection after the upgrade",
            "the text is the application's own",
        ),
        (
            "a device on the path changes bytes of connections it takes for something else",
            "over wss:// the same server is clean",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Server,
            snippet: "use a maintained WebSocket library and write to the connection through it only; run the Autobahn test suite against the server",
        },
        Fix {
            product: Product::Squid,
            snippet: "# Squid writes its error page into upgraded connections: keep WebSocket traffic off it, or let it tunnel\nhttp_upgrade_request_protocols websocket allow all",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "let the proxy switch to a plain tunnel after the 101, and look at its error log for the server behind it",
        },
    ],
    limits: "",
};

/// Of all frames that came.
pub static VIOLATIONS: Check = Check {
    name: "protocol violations",
    entries: &[&PROTOCOL_VIOLATION],
    ask: violations,
};

/// (what was recorded, in a sentence, the causes that fit)
const MEANINGS: &[(&str, &str, &[usize])] = &[
    (
        "masked",
        "the server masks its frames, which only a client may do (RFC 6455 5.1)",
        &[0],
    ),
    (
        "rsv",
        "a frame has reserved bits (RSV) set although no extension was agreed on (RFC 6455 5.2)",
        &[0, 3],
    ),
    (
        "opcode",
        "a frame has a reserved opcode (RFC 6455 5.2)",
        &[0, 3],
    ),
    ("utf8", "a text is invalid UTF-8 (RFC 6455 8.1)", &[0]),
    (
        "control too long",
        "a control frame is longer than 125 bytes (RFC 6455 5.5)",
        &[0],
    ),
    (
        "control fragmented",
        "a control frame is fragmented (RFC 6455 5.5)",
        &[0],
    ),
    (
        "close code",
        "a close frame carries a code that must not be sent (RFC 6455 7.4)",
        &[0],
    ),
    (
        "close length",
        "a close frame has a payload of one byte (RFC 6455 5.5.1)",
        &[0],
    ),
    (
        "continuation",
        "fragments are out of order (RFC 6455 5.4)",
        &[0, 3],
    ),
    (
        "length",
        "a payload length is not written in its shortest form (RFC 6455 5.2)",
        &[0],
    ),
    (
        "http in the stream",
        "HTTP or HTML text came in place of a frame",
        &[1, 2],
    ),
    (
        "text in the stream",
        "text came in place of a frame",
        &[2, 1, 3],
    ),
    (
        "line end in the stream",
        "a line end too many came between the head of the 101 and the first frame",
        &[0, 2],
    ),
];

/// The one that explains the others: bytes that are no frames look like every breach.
fn weight(violation: &Violation) -> u32 {
    u32::from(!violation.what.ends_with("in the stream"))
}

fn violations(seen: &Seen) -> Vec<Finding> {
    let Some(session) = &seen.session else {
        return Vec::new();
    };
    // A server that turned on an extension nobody offered is told of elsewhere.
    let extended = session.extensions.is_some();
    let mut found: Vec<&Violation> = (session.violations.iter())
        .filter(|v| !(extended && matches!(v.what.as_str(), "rsv" | "utf8")))
        .collect();
    found.sort_by_key(|v| weight(v));
    let Some(first) = found.first() else {
        return Vec::new();
    };
    let known = MEANINGS.iter().find(|(what, ..)| *what == first.what);
    let (meaning, causes) = known.map_or((first.what.as_str(), [0, 3].as_slice()), |k| (k.1, k.2));
    let author = author(&first.bytes);
    let by = author.map_or(String::new(), |(name, _)| format!(", and it names {name}"));
    let title = format!("The protocol is violated after the 101: {meaning}{by}");
    let mut finding = Finding::new(&PROTOCOL_VIOLATION).titled(title);
    finding = match author {
        Some((_, product)) => finding.only(&[1]).fixes_first_for(&[product]),
        None => finding.only(causes),
    };
    let ends = session
        .ended
        .iter()
        .chain(session.provoked.iter().map(|p| &p.ended));
    for ended in ends.filter(|e| e.code.is_some_and(|code| !codes::may_be_sent(code))) {
        finding = finding.saw(ending(ended));
    }
    for one in found {
        let at = time(one.at_ms);
        finding = finding.saw(format!("{} {at} after the 101: {}", one.what, one.bytes));
    }
    vec![finding]
}

/// A proxy that names itself in an HTTP answer.
fn author(bytes: &str) -> Option<(&'static str, Product)> {
    let text = bytes.to_ascii_lowercase();
    let products = [
        Product::Squid,
        Product::Nginx,
        Product::Haproxy,
        Product::Apache,
        Product::Caddy,
        Product::Envoy,
        Product::Traefik,
        Product::Varnish,
        Product::Lighttpd,
        Product::Nghttpx,
        Product::Cloudflare,
    ];
    let named = |product: &Product| {
        let name = product.name().to_ascii_lowercase();
        text.contains(&format!("server: {name}")) || text.contains(&format!("({name}/"))
    };
    let found = products.into_iter().find(named);
    found.map(|product| (product.name(), product))
}
