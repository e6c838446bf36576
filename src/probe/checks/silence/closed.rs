//! Every connection is closed without a byte.

use super::picture::{Picture, picture};
use super::with_all;
use super::words::ending;
use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::{self, Product};
use crate::probe::seen::{Exchange, Seen, Variation};

/// The question.
pub const CHECK: Check = Check {
    name: "closed without a byte",
    entries: &[&CLOSED, &NO_BACKEND, &BY_RULE],
    ask,
};

/// A balancer's tries end at its connect timeout; what closes for other reasons closes at once. In
/// milliseconds.
const TRIES_MS: f64 = 900.0;

const NOTHING_BEHIND: (&str, &str) = (
    "a TCP (layer 4) balancer or port forward accepts, and has no working server behind it",
    "the state of its upstream; the time to the closing is constant (0 ms, or exactly its connect \
     timeout times its tries)",
);
const GIVES_UP: (&str, &str) = (
    "the server reads the request, waits for something itself, and gives up after a time of its own",
    "its log; the time to the closing is one of its timeouts",
);
const NO_CERTIFICATE: (&str, &str) = (
    "the server asked for a client certificate and closes where it got none it wants",
    "the same with --cert and --key",
);
const CRASHES: (&str, &str) = (
    "the process accepts and closes: it crashes, or is out of descriptors or worker connections",
    "its log (nginx: `worker_connections are not enough`); it opens again when other clients leave",
);
const NOT_ALLOWED: (&str, &str) = (
    "an address filter or a connection limit closes what it does not let in",
    "the same probe from another address",
);
const PROXY_V2: (&str, &str) = (
    "the listener expects the PROXY protocol in its binary version 2 (version 1 was tried)",
    "its configuration: accept-proxy, listen ... proxy_protocol",
);
const ANOTHER_PROTOCOL: (&str, &str) = (
    "another protocol, which closes on a first message it does not know (PostgreSQL, MQTT, Kafka, \
     MongoDB close without a word)",
    "what listens there: `ss -ltnp` on the server",
);
const APPLICATION: (&str, &str) = (
    "the application reads the request and closes: it crashes on it, or does not want it",
    "its log at that moment",
);
const ON_PURPOSE: (&str, &str) = (
    "a rule closes every request on purpose (nginx `return 444`, HAProxy `http-request reject`)",
    "its configuration",
);

static CLOSED: Entry = Entry {
    id: "closed-no-bytes",
    layer: Layer::Tcp,
    severity: Severity::Fault,
    title: "The peer closes the connection without sending a single byte",
    evidence: "TCP opens; handshake, plain GET, malformed line and PROXY line end without a byte",
    expected: "an HTTP answer to every request",
    causes: &[
        APPLICATION,
        ANOTHER_PROTOCOL,
        ON_PURPOSE,
        NOTHING_BEHIND,
        CRASHES,
        NOT_ALLOWED,
        PROXY_V2,
    ],
    fixes: CLOSED_FIXES,
    limits: "A balancer without a server behind it, an address filter and a process that crashes \
             when it accepts look the same from outside.",
};

static NO_BACKEND: Entry = Entry {
    id: "l4-upstream-down",
    layer: Layer::Tcp,
    severity: Severity::Fault,
    title: "Connections are accepted and closed before anything is sent: like a TCP balancer with \
            no working server behind it",
    evidence: "TCP opens; whatever is sent, and when nothing is sent, the connection ends at once \
               or after a constant time, without a byte",
    expected: "a server behind the balancer that answers",
    causes: &[
        NOTHING_BEHIND,
        GIVES_UP,
        CRASHES,
        NOT_ALLOWED,
        PROXY_V2,
        NO_CERTIFICATE,
    ],
    fixes: CLOSED_FIXES,
    limits: "A balancer without a server behind it, an address filter and a process that crashes \
             when it accepts look the same from outside.",
};

const CLOSED_FIXES: &[Fix] = &[
    Fix {
        product: Product::Nginx,
        snippet: "# stream { }: an address on which a server listens\n\
                  upstream app { server 10.0.0.5:8080; }\n\
                  server { listen 80; proxy_pass app; }",
    },
    Fix {
        product: Product::Haproxy,
        snippet: "server app1 10.0.0.5:8080 check  # health checks; see `show servers state`",
    },
    Fix {
        product: Product::AwsAlb,
        snippet: "aws elbv2 describe-target-health --target-group-arn ARN",
    },
    Fix {
        product: Product::Server,
        snippet: "Find out what listens on the port (`ss -ltnp`), start it, and read its log at \
                  the time of this probe.",
    },
];

static BY_RULE: Entry = Entry {
    id: "closed-by-rule",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "An HTTP server is there, and closes this request without an answer",
    evidence: "handshake and GET end without a byte; a malformed line or another path is answered",
    expected: "an HTTP answer to every request",
    causes: &[
        (
            "a rule closes this request on purpose: nginx `return 444` (common in the default \
             server, for host names it does not know), HAProxy `http-request reject`, a WAF",
            "the host name and path in its configuration; nginx logs 444",
        ),
        (
            "the application behind it crashes on this request, or closes it",
            "its log at that moment",
        ),
        (
            "the headers given are too long or not wanted: the server closes instead of answering \
             431 or 400",
            "the same without them, or with shorter ones",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Nginx,
            snippet: "server {\n    server_name ws.example.com;  # the host of this URL, else the \
                      default server answers\n    # no `return 444;` for this location\n}",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "# exclude the host or path from `http-request reject`",
        },
        Fix {
            product: Product::Server,
            snippet: "Read the log of the server for this path; answer with a status instead of \
                      closing.",
        },
    ],
    limits: "A rule that closes on purpose and a crash look the same from outside.",
};

fn ask(seen: &Seen) -> Vec<Finding> {
    let Some((handshake, picture)) = picture(seen) else {
        return Vec::new();
    };
    let how = ending(handshake);
    let finding = match picture {
        Picture::ClosedAtAccept => before_anything(seen, &how),
        Picture::ClosedAfterReading => Finding::new(&CLOSED)
            .titled(format!(
                "Every request is {how}; a connection on which nothing is sent stays open: \
                 something reads the request and closes"
            ))
            .only(&[0, 1, 2, 6]),
        Picture::Closed if handshake.took_ms.0 >= TRIES_MS => Finding::new(&NO_BACKEND)
            .titled(format!(
                "{}, and the connection is {how}: like a TCP (layer 4) balancer that tries servers \
                 behind it and finds none, or a server that gives up",
                up(seen)
            ))
            .only(&[0, 1, 2, 3]),
        Picture::Closed => Finding::new(&CLOSED).titled(format!(
            "{}, and the connection is {how}, whatever is sent",
            up(seen)
        )),
        Picture::ClosedByRule => by_rule(seen, &how),
        _ => return Vec::new(),
    };
    vec![with_all(finding, seen)]
}

/// What worked.
fn up(seen: &Seen) -> &'static str {
    match seen.asked.secure {
        true => "TLS comes up",
        false => "TCP opens",
    }
}

fn before_anything(seen: &Seen, how: &str) -> Finding {
    if seen.asked.secure {
        let tls = seen.routes.iter().filter_map(|route| route.tls.as_ref());
        let asked = tls.into_iter().any(|tls| tls.client_certificate_asked);
        let keep: &[usize] = if asked { &[5, 0, 2, 3] } else { &[0, 2, 3] };
        return Finding::new(&NO_BACKEND)
            .titled(format!(
                "TLS comes up, and the connection is {how}, even when nothing is sent: like a TLS \
                 terminator with no working server behind it"
            ))
            .only(keep);
    }
    let title = format!(
        "TCP opens, and the connection is {how}, even when nothing is sent: no working server \
         behind a TCP (layer 4) balancer, or a process that closes what it accepts"
    );
    let reset = |e: &Exchange| e.end() == Some("RST");
    let resets = (seen.handshake.iter()).chain(&seen.compared).any(reset);
    let late = (seen.handshake.iter()).any(|e| e.took_ms.0 >= TRIES_MS);
    if resets || late {
        return Finding::new(&NO_BACKEND).titled(title).only(&[0, 2, 3, 4]);
    }
    Finding::new(&CLOSED).titled(title).only(&[3, 4, 5, 6])
}

fn by_rule(seen: &Seen, how: &str) -> Finding {
    let garbage = seen.to(&Variation::Garbage).and_then(Exchange::answer);
    let who = garbage.map(fingerprint::of).unwrap_or_default();
    let who = who.first().map_or("the HTTP server", |p| p.name());
    let root = seen.to(&Variation::GetPath("/".to_owned()));
    let bare = seen.to(&Variation::WithoutHeaders);
    if bare.is_some_and(Exchange::spoke) {
        return Finding::new(&BY_RULE)
            .titled(format!(
                "Requests with your own headers ({} bytes of values) are {how}, without them they \
                 are answered: the server closes because of them",
                seen.asked.header_bytes
            ))
            .only(&[0, 2]);
    }
    let title = match (garbage, root.filter(|e| e.spoke())) {
        (_, Some(_)) => format!(
            "Requests for this path are {how}, while / is answered: something closes this path \
             without an answer"
        ),
        (Some(answer), None) => format!(
            "Requests are {how}, while {who} answers a malformed line with {}: a rule there, or \
             what stands behind it, closes this request without an answer",
            answer.status
        ),
        (None, None) => format!("Requests are {how}, while a malformed line is answered"),
    };
    Finding::new(&BY_RULE).titled(title).only(&[0, 1])
}
