//! TLS where none is expected, and the reverse.

use super::super::Check;
use crate::probe::ask::compare::scheme::{problems, speaks_of_tls};
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Exchange, Outcome, Route, Seen, TlsProblem, Variation};

pub const CHECK: Check = Check {
    name: "scheme and port",
    entries: &[&WS_ON_TLS, &WSS_ON_PLAIN, &NOT_TLS],
    ask,
};

static WS_ON_TLS: Entry = Entry {
    id: "ws-on-tls-port",
    layer: Layer::Tls,
    severity: Severity::Fault,
    title: "This port speaks TLS: use wss:// instead of ws://",
    evidence: "The plain request is closed, left silent or answered with a 400 about HTTPS; a TLS handshake on the same port succeeds.",
    expected: "ws:// goes to a plain port, wss:// to a TLS port.",
    causes: &[("The URL says ws:// for a port that expects TLS.", "")],
    fixes: &[
        Fix {
            product: Product::Client,
            snippet: "new WebSocket(\"wss://HOST:PORT/PATH\")   // wss, not ws",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "if this hop is meant to be plain (behind a TLS terminator): take TLS off this listener, or let the hop before it speak TLS to it",
        },
    ],
    limits: "",
};

static WSS_ON_PLAIN: Entry = Entry {
    id: "wss-on-plain-port",
    layer: Layer::Tls,
    severity: Severity::Fault,
    title: "This port does not speak TLS: use ws:// here, or wss:// on the TLS port",
    evidence: "The ClientHello is answered with plain bytes or not at all; a plain HTTP request on the same port is answered.",
    expected: "wss:// goes to a port that speaks TLS.",
    causes: &[("The URL says wss:// for a port that speaks plain HTTP.", "")],
    fixes: &[
        Fix {
            product: Product::Client,
            snippet: "use the TLS port (often 443), or ws:// where a plain connection is meant (localhost, a trusted network)",
        },
        Fix {
            product: Product::Nginx,
            snippet: "listen 443 ssl;   # `ssl` is what makes it a TLS port\nssl_certificate     /etc/ssl/fullchain.pem;\nssl_certificate_key /etc/ssl/privkey.pem;",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "bind :443 ssl crt /etc/haproxy/certs/",
        },
        Fix {
            product: Product::Apache,
            snippet: "Listen 443\n<VirtualHost *:443>\n    SSLEngine on\n    SSLCertificateFile    /etc/ssl/fullchain.pem\n    SSLCertificateKeyFile /etc/ssl/privkey.pem\n</VirtualHost>",
        },
        Fix {
            product: Product::Caddy,
            snippet: "ws.example.com {          # a site with a name and without http:// gets TLS\n    reverse_proxy 127.0.0.1:8080\n}",
        },
        Fix {
            product: Product::Envoy,
            snippet: "transport_socket:         # in the listener's filter chain\n  name: envoy.transport_sockets.tls",
        },
        Fix {
            product: Product::Server,
            snippet: "terminate TLS in front of it (nginx, HAProxy, Caddy), or give the server a certificate itself",
        },
    ],
    limits: "",
};

static NOT_TLS: Entry = Entry {
    id: "tls-not-spoken",
    layer: Layer::Tls,
    severity: Severity::Fault,
    title: "This port speaks neither TLS nor HTTP",
    evidence: "The first bytes in answer to the ClientHello are no TLS record, and a plain HTTP request gets no HTTP answer.",
    expected: "A TLS server answers the ClientHello with a ServerHello.",
    causes: &[("The URL leads to the port of another service.", "")],
    fixes: &[
        Fix {
            product: Product::Client,
            snippet: "correct the port in the URL",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "correct the port that the listener or port mapping leads to",
        },
    ],
    limits: "",
};

fn ask(seen: &Seen) -> Vec<Finding> {
    let other = seen.to(&Variation::OtherScheme);
    if !seen.asked.secure {
        return Vec::from_iter(plain_asked(seen, other));
    }
    if seen
        .routes
        .iter()
        .any(|route| route.tcp.is_some() && route.is_open())
    {
        return Vec::new();
    }
    Vec::from_iter(tls_asked(seen, other))
}

fn plain_asked(seen: &Seen, other: Option<&Exchange>) -> Option<Finding> {
    let handshake = seen.handshake.as_ref()?;
    let what = match &handshake.outcome {
        Outcome::NoBytes { end: Some(end) } => format!("closed with {end}, without a byte"),
        Outcome::NoBytes { end: None } => "left without an answer".to_owned(),
        Outcome::NotHttp { bytes, .. } => format!("answered with bytes that are no HTTP: {bytes}"),
        Outcome::Answer(answer) if speaks_of_tls(answer) => {
            format!(
                "answered with {} {}: {}",
                answer.status, answer.reason, answer.body
            )
        }
        _ => return None,
    };
    let other = other?;
    let proof = match &other.outcome {
        Outcome::Answer(answer) => {
            format!("it is answered with {} {}", answer.status, answer.reason)
        }
        Outcome::NoTls(TlsProblem::Alert(alert)) => {
            format!("it is answered with the TLS alert {alert}")
        }
        Outcome::NoTls(_) | Outcome::NotOpened(_) => return None,
        _ => "TLS comes up".to_owned(),
    };
    let port = seen.asked.port;
    let title = format!("Port {port} speaks TLS: use wss:// instead of ws://");
    let finding = Finding::new(&WS_ON_TLS)
        .titled(title)
        .saw(format!("the plain handshake is {what}"))
        .saw(format!(
            "the same handshake over TLS on the same port: {proof}"
        ));
    Some(finding)
}

fn tls_asked(seen: &Seen, other: Option<&Exchange>) -> Option<Finding> {
    let problem = problems(seen).next()?;
    let hello = match problem {
        TlsProblem::NotTls(bytes) => format!("answered with bytes that are no TLS: {bytes}"),
        TlsProblem::Closed => "closed with FIN".to_owned(),
        TlsProblem::Reset => "closed with RST".to_owned(),
        TlsProblem::TimedOut => "not answered".to_owned(),
        TlsProblem::Alert(_) | TlsProblem::Other(_) => return None,
    };
    let hello = format!("the ClientHello is {hello}");
    let port = seen.asked.port;
    let answer = other.and_then(Exchange::answer);
    let says_http = matches!(problem, TlsProblem::NotTls(bytes) if bytes.starts_with("HTTP/"));
    if answer.is_some() || says_http {
        let title = format!(
            "Port {port} does not speak TLS: it answers plain HTTP; use ws:// here, or wss:// on the TLS port"
        );
        let mut finding = Finding::new(&WSS_ON_PLAIN).titled(title).saw(hello);
        if let Some(answer) = answer {
            finding = finding.saw(format!(
                "the same handshake without TLS on the same port: {} {}",
                answer.status, answer.reason
            ));
        }
        return Some(finding);
    }
    let TlsProblem::NotTls(bytes) = problem else {
        return None;
    };
    let looks = service(bytes).map_or(String::new(), |name| format!(" (it looks like {name})"));
    let title = format!(
        "Port {port} speaks neither TLS nor HTTP{looks}: it is the port of another service"
    );
    Some(Finding::new(&NOT_TLS).titled(title).saw(hello))
}

/// Services by what they say first, or say to a line they do not understand.
fn service(bytes: &str) -> Option<&'static str> {
    let table = [
        ("SSH-", "SSH"),
        ("-ERR", "Redis, or a mail server (POP3)"),
        ("220 ", "a mail or FTP server"),
        ("220-", "a mail or FTP server"),
        ("* OK", "a mail server (IMAP)"),
        ("+OK", "a mail server (POP3)"),
        ("RFB ", "VNC"),
        ("AMQP", "AMQP"),
        ("ERROR", "memcached or a line protocol"),
    ];
    if bytes.contains("mysql") || bytes.contains("MariaDB") {
        return Some("MySQL");
    }
    let found = table.iter().find(|(start, _)| bytes.starts_with(start));
    found.map(|(_, name)| *name)
}

/// The first address whose TLS did not come up, when none is open.
pub fn failed(seen: &Seen) -> Option<(&Route, &TlsProblem)> {
    let with_problem = |route: &'_ Route| route.tls.as_ref().is_some_and(|t| t.problem.is_some());
    let route = seen.routes.iter().find(|route| with_problem(route))?;
    Some((route, route.tls.as_ref()?.problem.as_ref()?))
}
