//! Limits: on the number of connections, on their rate, and queues before either.

use super::balance::{kinds, order};
use super::reading::{self, Reading};
use super::tries::Try;
use crate::probe::Severity;
use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::Finding;
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Outcome, Seen, Why};

/// So many at once.
pub static CONN_LIMIT: Entry = Entry {
    id: "conn-limit",
    layer: Layer::Load,
    severity: Severity::Fault,
    title: "Only a limited number of connections at once is possible",
    evidence: "The first N connections work while they are held, further ones are refused, and closing one makes room",
    expected: "As many connections at once as clients are expected.",
    causes: &[
        (
            "a limit of connections per client address or in all: nginx limit_conn, Envoy circuit breaker (max_connections), or the application's own",
            "503 is what nginx and Envoy answer; the error page or body names who answers",
        ),
        (
            "nginx's limit of connections to the upstream (server ... max_conns=N), or a full server behind the proxy",
            "502 is what nginx answers then; its error log says `no live upstreams`",
        ),
        (
            "the application counts its clients and closes those above its limit",
            "a close frame comes from what speaks WebSocket; its code and reason are its own",
        ),
        (
            "the proxy or server has no room for one more connection: nginx worker_connections (every proxied WebSocket takes two), open files (ulimit -n)",
            "its error log: `worker_connections are not enough`, `Too many open files`",
        ),
        (
            "a firewall limits connections per address (nftables ct count, iptables connlimit), or the accept queue is full",
            "the firewall's counters; connect from a second address",
        ),
        (
            "the gateway or application allows so many connections per client",
            "the body, `Retry-After` and other headers of the 429",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Nginx,
            snippet: "limit_conn perip 100;                 # raise, or remove it for the WebSocket path\nserver app:8080 max_conns=10000;      # in the upstream\nevents { worker_connections 20000; }  # two for each WebSocket\nworker_rlimit_nofile 40000;",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "global\n    maxconn 20000\nfrontend fe\n    maxconn 20000",
        },
        Fix {
            product: Product::Envoy,
            snippet: "circuit_breakers:\n  thresholds:\n  - max_connections: 20000\n    max_requests: 20000   # each WebSocket counts as one request",
        },
        Fix {
            product: Product::Server,
            snippet: "raise the application's limit of clients, and the limit of open files: ulimit -n, systemd LimitNOFILE=",
        },
    ],
    limits: "Whether it counts per address or all clients together cannot be seen from one address; connections of other clients may count too.",
};

/// Waiting for room.
pub static CONN_QUEUE: Entry = Entry {
    id: "conn-queue",
    layer: Layer::Load,
    severity: Severity::Fault,
    title: "Above a number of connections new ones wait in a queue without an answer",
    evidence: "The first N connections work while they are held, the next one is accepted by TCP but gets no answer until one is closed",
    expected: "As many connections at once as clients are expected, or a clear refusal.",
    causes: &[
        (
            "HAProxy maxconn (frontend, global or server) is reached: connections wait in the kernel's or HAProxy's queue",
            "HAProxy's statistics: scur = slim, qcur > 0",
        ),
        (
            "all workers of Apache are taken: each WebSocket holds one (MaxRequestWorkers)",
            "`server reached MaxRequestWorkers setting` in Apache's error log",
        ),
        (
            "a server with a fixed number of threads or processes, one for each connection (gunicorn sync workers, PHP, Puma)",
            "connect to the server directly",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Haproxy,
            snippet: "global\n    maxconn 20000\nfrontend fe\n    maxconn 20000\nbackend be\n    server s1 app:8080 maxconn 20000",
        },
        Fix {
            product: Product::Apache,
            snippet: "<IfModule mpm_event_module>\n    ServerLimit 40\n    ThreadsPerChild 64\n    MaxRequestWorkers 2560\n</IfModule>",
        },
        Fix {
            product: Product::Server,
            snippet: "serve WebSockets with an event loop or asynchronous workers, not with one thread or process for each connection",
        },
    ],
    limits: "Which of several limits on the path is reached cannot be seen from outside; a frozen server looks the same until a closing helps.",
};

/// So many per time.
pub static RATE_LIMITED: Entry = Entry {
    id: "rate-limited",
    layer: Layer::Load,
    severity: Severity::Fault,
    title: "A rate limit refuses handshakes that follow each other too fast",
    evidence: "The first handshakes work, further ones get 429 or 503; it is time that helps, not closing connections",
    expected: "Clients that reconnect, and many clients behind one address, get through.",
    causes: &[
        (
            "a limit of requests per time for this client: nginx limit_req (503 by default), HAProxy stick-table with http-request deny (429), a CDN or WAF, an API gateway, the application",
            "429 and `Retry-After` say so; nginx's error log says `limiting requests`",
        ),
        (
            "a limit on the number of connections that counts closed ones for a while",
            "wait longer, then open two and hold them",
        ),
        (
            "the server behind the proxy became full or went away at that moment",
            "the same from another address; connect to the server directly",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Nginx,
            snippet: "limit_req_zone $binary_remote_addr zone=ws:10m rate=20r/s;\nlimit_req zone=ws burst=100 nodelay;\nlimit_req_status 429;",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "# raise the number that is allowed per period\nhttp-request deny deny_status 429 if { sc_http_req_rate(0) gt 100 }",
        },
        Fix {
            product: Product::Client,
            snippet: "reconnect after a random delay that grows (1 s, 2 s, 4 s ... with jitter); obey Retry-After",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "exempt the WebSocket path, or count users instead of addresses (many share one behind NAT)",
        },
    ],
    limits: "Whether the limit counts by address, by user or all clients together cannot be seen from one address. The limit may be intended: the probe makes about 15 handshakes in 4 s.",
};

/// Whether connections are limited, and by what rule.
pub static LIMITS: Check = Check {
    name: "limits",
    entries: &[&CONN_LIMIT, &CONN_QUEUE, &RATE_LIMITED],
    ask: limits,
};

/// After so many good handshakes in a few seconds a rate limit is what one would want.
const MANY: usize = 12;

fn limits(seen: &Seen) -> Vec<Finding> {
    let (reading, tries) = reading::of(seen);
    let finding = match reading {
        Reading::Queue(room) => queue(room, &tries),
        Reading::Number(room) => number(room, &tries),
        Reading::Rate | Reading::Unclear => rate(&reading, &tries),
        _ => return Vec::new(),
    };
    vec![finding.saw(format!("handshakes in order: {}", order(&tries)))]
}

fn queue(room: u32, tries: &[Try<'_>]) -> Finding {
    let waited = tries.iter().find(|t| t.waited);
    let took = waited.map_or(0.0, |t| t.exchange.took_ms.seconds());
    Finding::new(&CONN_QUEUE)
        .titled(format!(
            "Only {room} connections at once: the next handshake waits in a queue without an answer until one is closed"
        ))
        .saw(format!(
            "with {room} connections held, TCP connected, but the answer came only after one of ours was closed ({took:.1} s)"
        ))
}

fn number(room: u32, tries: &[Try<'_>]) -> Finding {
    let kinds = kinds(tries);
    let next = room + 1;
    let mut finding = Finding::new(&CONN_LIMIT).titled(format!(
        "Connection limit: only {room} connections at once are possible, number {next} gets {kinds}"
    ));
    let refused = tries.iter().filter(|t| !t.good && t.open >= room).count();
    finding = finding.saw(format!(
        "{refused} handshakes were refused while {room} connections were held"
    ));
    let made = tries.iter().find(|t| t.why == Why::AfterClosing && t.good);
    if made.is_some() {
        finding = finding.saw("after closing one of ours a new handshake got a 101: it is their number that counts, not time");
    }
    finding.only(&causes(tries))
}

/// Causes that refuse in the way that was seen.
fn causes(tries: &[Try<'_>]) -> Vec<usize> {
    let Some(bad) = tries.iter().rfind(|t| !t.good) else {
        return vec![0];
    };
    if bad.closed.is_some() {
        return vec![2];
    }
    match &bad.exchange.outcome {
        Outcome::Answer(answer) => match answer.status {
            502 | 504 => vec![1],
            429 => vec![5, 0],
            _ => vec![0, 1],
        },
        Outcome::NotOpened(_) => vec![4, 3],
        _ => vec![3, 4],
    }
}

fn rate(reading: &Reading, tries: &[Try<'_>]) -> Finding {
    let kinds = kinds(tries);
    let before = tries.iter().take_while(|t| t.good).count();
    let bad = tries.iter().filter(|t| !t.good).count();
    let after = |why: Why| tries.iter().find(|t| t.why == why);
    let refused = tries.iter().find(|t| !t.good);
    let span = refused.map_or(0.0, |t| t.at);
    // The session opens connections of its own, which stand in no row.
    let first = refused.map_or(before, |t| before.max(t.open as usize));
    let mut finding = Finding::new(&RATE_LIMITED).titled(match reading {
        Reading::Rate => format!(
            "Rate limit: after {first} handshakes in {span:.1} s further ones are refused ({kinds}); it is time that helps, not closing connections"
        ),
        _ => format!(
            "After {first} handshakes in {span:.1} s all further ones are refused ({kinds}), and neither a pause of 1.1 s nor closing a connection helped: most likely a rate limit"
        ),
    });
    finding = finding.saw(format!("{bad} of {} handshakes were refused", tries.len()));
    for (why, words) in [
        (
            Why::AfterPause,
            "after a pause of 1.1 s, all connections still held",
        ),
        (Why::AfterClosing, "after closing one of ours"),
    ] {
        if let Some(one) = after(why) {
            let what = if one.good { "101" } else { one.words.as_str() };
            finding = finding.saw(format!("{words}: {what}"));
        }
    }
    let mut wait = tries
        .iter()
        .filter_map(|t| t.exchange.answer()?.header("retry-after"));
    if let Some(value) = wait.next_back() {
        finding = finding.saw(format!("Retry-After: {value}"));
    }
    if before > MANY {
        finding = finding.severity(Severity::Warning);
    }
    let status = tries.iter().any(|t| t.exchange.status() == Some(429));
    match reading {
        Reading::Rate if status => finding.only(&[0]),
        Reading::Rate => finding.only(&[0, 1]),
        _ => finding,
    }
}
