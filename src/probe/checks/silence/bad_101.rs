//! A 101 that no client may accept (RFC 6455 4.1).

use super::with_all;
use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::{AcceptCheck, Answer, Exchange, Seen, Variation};

/// The question.
pub const CHECK: Check = Check {
    name: "a broken 101",
    entries: &[&BAD, &UNASKED],
    ask,
};

static BAD: Entry = Entry {
    id: "bad-101",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The 101 answer is no valid WebSocket handshake: clients refuse it",
    evidence: "101 with Sec-WebSocket-Accept missing or wrong, without Upgrade: websocket or \
               Connection: Upgrade, or as HTTP/1.0",
    expected: "HTTP/1.1 101 with Upgrade: websocket, Connection: Upgrade and the \
               Sec-WebSocket-Accept that belongs to the key",
    causes: &[
        (
            "the server makes the handshake itself and makes it wrong",
            "the same to the server directly",
        ),
        (
            "a proxy or filter in between removes or changes headers of the handshake (Upgrade, \
             Connection, Sec-WebSocket-Key or -Accept)",
            "the same to the server directly is right",
        ),
        (
            "a cache replays the 101 of another client, or the server sends a fixed value",
            "another key gets the same Sec-WebSocket-Accept",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Server,
            snippet: "// better: a WebSocket library. By hand:\n\
                      accept = base64(sha1(key + \"258EAFA5-E914-47DA-95CA-C5AB0DC85B11\"))\n\
                      HTTP/1.1 101 Switching Protocols\n\
                      Upgrade: websocket\n\
                      Connection: Upgrade\n\
                      Sec-WebSocket-Accept: <accept>",
        },
        Fix {
            product: Product::Nginx,
            snippet: "proxy_http_version 1.1;\n\
                      proxy_set_header Upgrade $http_upgrade;\n\
                      proxy_set_header Connection \"upgrade\";\n\
                      proxy_cache off;\n\
                      # and no proxy_hide_header / more_clear_headers of Upgrade, Connection or \
                      Sec-WebSocket-*",
        },
        Fix {
            product: Product::Varnish,
            snippet: "if (req.http.Upgrade ~ \"(?i)websocket\") { return (pipe); }",
        },
    ],
    limits: "",
};

static UNASKED: Entry = Entry {
    id: "unasked",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The server picks an extension or subprotocol that was not offered: clients fail the \
            connection",
    evidence: "101 with Sec-WebSocket-Extensions or Sec-WebSocket-Protocol that the request did not \
               offer",
    expected: "only what the client offered (RFC 6455 4.1)",
    causes: &[
        (
            "the server sends a fixed extension or subprotocol whatever is offered",
            "the same to the server directly",
        ),
        (
            "a proxy in between offers or adds it on its own (it rewrites Sec-WebSocket-* headers)",
            "the same to the server directly is right",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Server,
            snippet: "// choose from what the request offers, else send no such header\n\
                      const wss = new WebSocketServer({ handleProtocols: (offered) =>\n  \
                        offered.has('graphql-transport-ws') ? 'graphql-transport-ws' : false });",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "Do not set or add Sec-WebSocket-Extensions or Sec-WebSocket-Protocol; pass \
                      the client's on.",
        },
    ],
    limits: "",
};

fn ask(seen: &Seen) -> Vec<Finding> {
    let Some(answer) = seen.answer().filter(|answer| answer.status == 101) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    findings.extend(bad(seen, answer));
    findings.extend(unasked(seen, answer));
    findings
}

fn bad(seen: &Seen, answer: &Answer) -> Option<Finding> {
    let replayed = replayed(seen, answer);
    let wrong = wrong(answer, replayed);
    if wrong.is_empty() {
        return None;
    }
    let mut finding = Finding::new(&BAD).titled(format!(
        "The 101 answer is no valid WebSocket handshake: {}; browsers and libraries fail the \
         connection",
        wrong.join(", and ")
    ));
    finding = match answer.accept {
        AcceptCheck::Wrong if replayed => finding.only(&[2]),
        _ => finding.only(&[0, 1]),
    };
    finding = finding.saw(format!(
        "HTTP/{} 101, with {}",
        answer.version,
        shown(answer)
    ));
    Some(with_all(finding, seen))
}

/// The headers of the handshake, as they came.
fn shown(answer: &Answer) -> String {
    let names = ["upgrade", "connection", "sec-websocket-accept"];
    let each = names.map(|name| match answer.header(name) {
        Some(value) => format!("{name}: {value}"),
        None => format!("no {name}"),
    });
    each.join("; ")
}

fn wrong(answer: &Answer, replayed: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    match answer.accept {
        AcceptCheck::Right => {}
        AcceptCheck::Missing => wrong.push("Sec-WebSocket-Accept is missing".to_owned()),
        AcceptCheck::Wrong if replayed => wrong.push(
            "Sec-WebSocket-Accept does not fit the key, and another key gets the same one: it is \
             cached or fixed"
                .to_owned(),
        ),
        AcceptCheck::Wrong => {
            wrong.push("Sec-WebSocket-Accept does not fit the key that was sent".to_owned());
        }
    }
    for (name, told, word) in [
        ("upgrade", "Upgrade", "websocket"),
        ("connection", "Connection", "Upgrade"),
    ] {
        match answer.header(name) {
            None => wrong.push(format!("the {told} header is missing")),
            Some(_) if answer.has_token(name, word) => {}
            Some(value) => wrong.push(format!("the {told} header is \"{value}\", not {word}")),
        }
    }
    if answer.version == "1.0" {
        wrong.push("it is HTTP/1.0, which has no upgrade".to_owned());
    }
    let accepts = answer
        .headers
        .iter()
        .filter(|(n, _)| n == "sec-websocket-accept");
    if accepts.count() > 1 {
        wrong.push("Sec-WebSocket-Accept comes more than once".to_owned());
    }
    wrong
}

/// Another key got the same Accept.
fn replayed(seen: &Seen, answer: &Answer) -> bool {
    let value = |a: &Answer| a.header("sec-websocket-accept").map(str::to_owned);
    let again = seen.to(&Variation::Again).and_then(Exchange::answer);
    value(answer).is_some() && again.is_some_and(|again| value(again) == value(answer))
}

fn unasked(seen: &Seen, answer: &Answer) -> Option<Finding> {
    let own = |name: &str| {
        seen.asked
            .headers
            .iter()
            .any(|h| h.eq_ignore_ascii_case(name))
    };
    let extensions = answer.header("sec-websocket-extensions");
    let extension = extensions.filter(|value| !value.trim().is_empty());
    let extension = extension.filter(|_| !own("sec-websocket-extensions"));
    let offered = &seen.asked.subprotocols;
    let subprotocol = answer
        .header("sec-websocket-protocol")
        .filter(|picked| !offered.iter().any(|o| o == picked))
        .filter(|_| !own("sec-websocket-protocol"));
    let title = match (extension, subprotocol) {
        (None, None) => return None,
        (Some(extension), _) => format!(
            "The server picks the extension \"{extension}\", which the client did not offer: \
             clients must fail the connection"
        ),
        (None, Some(picked)) => {
            let offers = match offered.is_empty() {
                true => "none was offered".to_owned(),
                false => format!("offered: {}", offered.join(", ")),
            };
            format!(
                "The server picks the subprotocol \"{picked}\", which the client did not offer \
                 ({offers}): clients must fail the connection"
            )
        }
    };
    let mut finding = Finding::new(&UNASKED).titled(title);
    for name in ["sec-websocket-extensions", "sec-websocket-protocol"] {
        if let Some(value) = answer.header(name) {
            finding = finding.saw(format!("101 with {name}: {value}"));
        }
    }
    Some(finding)
}
