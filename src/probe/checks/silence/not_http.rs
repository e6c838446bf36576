//! Bytes come back, and they are no HTTP.

use super::with_all;
use super::words::brief;
use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Exchange, Outcome, Seen, Variation};

/// The question.
pub const CHECK: Check = Check {
    name: "no HTTP",
    entries: &[&NOT_HTTP, &BAD_HEAD, &HEADLESS],
    ask,
};

static NOT_HTTP: Entry = Entry {
    id: "not-http",
    layer: Layer::Tcp,
    severity: Severity::Fault,
    title: "The port does not speak HTTP: another protocol answers there",
    evidence: "the bytes that come back do not start with HTTP/, or come before the request",
    expected: "an HTTP answer",
    causes: &[
        (
            "another service listens on this port: the port or the address is wrong, or a port \
             forward leads to the wrong one",
            "what listens there: `ss -ltnp` on the server",
        ),
        (
            "the server or proxy speaks only HTTP/2 on this port; a WebSocket upgrade needs HTTP/1.1",
            "its configuration: h2c, `http2`, gRPC, `protocols`",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Client,
            snippet: "Use the port on which the HTTP server or its proxy listens; on the server \
                      `ss -ltnp` shows who listens where.",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "Check the target port of the port forward, container mapping or balancer.",
        },
    ],
    limits: "",
};

static BAD_HEAD: Entry = Entry {
    id: "unreadable-head",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The answer starts like HTTP and cannot be read as HTTP",
    evidence: "the bytes start with HTTP/, then break RFC 9112, or the head has more than 64 KiB or \
               128 headers",
    expected: "a status line, headers, an empty line",
    causes: &[
        (
            "a home-made server or a filter that damages heads",
            "the bytes above",
        ),
        (
            "headers without end: a loop that adds one at each hop",
            "the same header again and again",
        ),
    ],
    fixes: &[Fix {
        product: Product::Server,
        snippet: "Let an HTTP library write the status line and the headers.",
    }],
    limits: "",
};

static HEADLESS: Entry = Entry {
    id: "no-head",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The answer has no HTTP head: its body or WebSocket frames come at once",
    evidence: "the first bytes are a WebSocket frame or HTML",
    expected: "HTTP/1.1 101 and its headers first",
    causes: &[
        (
            "the request arrives as HTTP/0.9 or HTTP/1.0, for which a proxy leaves the head out",
            "the same request to the upstream directly",
        ),
        (
            "a home-made server that writes without a handshake",
            "its code",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Server,
            snippet: "Answer the handshake with a 101 head before the first frame (RFC 6455 4.2.2).",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "Speak HTTP/1.1 on every hop (nginx: proxy_http_version 1.1;).",
        },
    ],
    limits: "",
};

/// A SETTINGS frame: the server speaks first.
const HTTP2: &str = "HTTP/2";

/// The start of what is sent (as escaped), and who sends that.
const SPOKEN: &[(&str, &str)] = &[
    ("SSH-", "SSH"),
    ("-ERR", "Redis"),
    ("-DENIED", "Redis"),
    ("-NOAUTH", "Redis"),
    ("+OK", "POP3"),
    ("+PONG", "Redis"),
    ("* OK", "IMAP"),
    ("AMQP", "AMQP (RabbitMQ)"),
    ("RFB ", "VNC"),
    ("ERROR\\r\\n", "memcached"),
    ("CLIENT_ERROR", "memcached"),
    ("INFO {", "NATS"),
    ("* BYE", "IMAP"),
    ("@RSYNCD", "rsync"),
    (":", "IRC"),
    ("\\xff\\xfd", "Telnet"),
    ("\\xff\\xfb", "Telnet"),
    ("\\u{15}\\u{3}", "TLS"),
    ("\\u{0}\\u{0}", HTTP2),
    ("\\u{3}\\u{0}\\u{0}", "RDP"),
];

/// Mail and file servers greet with the same code.
fn greeting(bytes: &str) -> Option<&'static str> {
    let code = ["220 ", "220-", "421 ", "554 ", "500 ", "502 "];
    if !code.iter().any(|c| bytes.starts_with(c)) {
        return None;
    }
    let text = bytes.to_ascii_uppercase();
    let ftp = text.contains("FTP") && !text.contains("SMTP");
    Some(if ftp { "FTP" } else { "SMTP (mail)" })
}

/// MySQL: a length, packet number 0, protocol 10 (or 0xff and an error).
fn mysql(bytes: &str) -> Option<&'static str> {
    let head: String = bytes.chars().take(60).collect();
    let greets = ["\\u{0}\\u{0}\\u{0}\\n", "\\u{0}\\u{0}\\u{0}\\xff"];
    let known = ["mysql", "mariadb", "MySQL", "MariaDB", "caching_sha2"];
    let named = known.iter().any(|name| bytes.contains(name));
    (greets.iter().any(|g| head.contains(g)) || named).then_some("MySQL")
}

fn protocol(bytes: &str) -> Option<&'static str> {
    let spoken = SPOKEN.iter().find(|(start, _)| bytes.starts_with(start));
    mysql(bytes)
        .or_else(|| greeting(bytes))
        .or_else(|| spoken.map(|(_, name)| *name))
}

/// A frame of a server (no mask): text, binary, close or ping, whole; or a page.
fn headless(bytes: &str) -> Option<&'static str> {
    let frames = ["\\x81", "\\x82", "\\x88", "\\x89"];
    if frames.iter().any(|f| bytes.starts_with(f)) {
        return Some("a WebSocket frame");
    }
    let start: String = bytes
        .chars()
        .take(20)
        .collect::<String>()
        .to_ascii_lowercase();
    let page = ["<!doctype", "<html", "<?xml", "{"];
    page.iter()
        .any(|p| start.starts_with(p))
        .then_some("a page")
}

fn ask(seen: &Seen) -> Vec<Finding> {
    let Some(handshake) = &seen.handshake else {
        return Vec::new();
    };
    let Outcome::NotHttp { bytes, .. } = &handshake.outcome else {
        return Vec::new();
    };
    let name = protocol(bytes);
    if seen.wants_tls() {
        return Vec::new();
    }
    let shown = brief(bytes);
    let listened = seen.to(&Variation::Listen);
    let first = match listened.is_some_and(Exchange::spoke) {
        true => ", before anything is sent",
        false => "",
    };
    let finding = match (bytes.starts_with("HTTP/"), name, headless(bytes)) {
        (true, ..) => Finding::new(&BAD_HEAD).titled(format!(
            "The answer starts like HTTP and cannot be read as HTTP (broken lines, or a head of more \
             than 64 KiB or 128 headers): \"{shown}\""
        )),
        (_, Some(HTTP2), _) => Finding::new(&NOT_HTTP).titled(format!(
            "The port does not speak HTTP/1.1 but HTTP/2 without TLS (h2c, gRPC){first}: \"{shown}\""
        )),
        (_, Some(name), _) => Finding::new(&NOT_HTTP)
            .titled(format!(
                "The port does not speak HTTP but {name}{first}: it says \"{shown}\""
            ))
            .only(&[0]),
        (_, None, Some(what)) => Finding::new(&HEADLESS).titled(format!(
            "The answer has no HTTP head: {what} comes at once, \"{shown}\""
        )),
        _ => Finding::new(&NOT_HTTP)
            .titled(format!(
                "The port does not speak HTTP: another protocol answers{first}, \"{shown}\""
            ))
            .only(&[0]),
    };
    vec![with_all(finding, seen)]
}
