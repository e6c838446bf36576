//! Several servers behind one address.

use std::collections::BTreeMap;

use super::reading::{self, Reading};
use super::tries::Try;
use crate::probe::Severity;
use crate::probe::checks::Check;
use crate::probe::checks::idle::picture::{self, Picture};
use crate::probe::checks::idle::words::{common_ending, lines};
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::Finding;
use crate::probe::fingerprint::Product;
use crate::probe::seen::Seen;

/// Some of them refuse.
pub static LB_ONE_BAD: Entry = Entry {
    id: "lb-one-bad",
    layer: Layer::Load,
    severity: Severity::Fault,
    title: "Some handshakes fail and others succeed: one of the servers behind the balancer is broken",
    evidence: "Handshakes of one kind, one after the other, succeed and fail by turns; asking again at once succeeds",
    expected: "Every handshake gets a 101.",
    causes: &[
        (
            "one of the servers behind the balancer is down, not a WebSocket server, or runs another version or configuration",
            "ask each server directly; the name in the first message or in a header shows which ones are good",
        ),
        (
            "random failures under overload",
            "they have no rhythm, and become more with more clients",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::AnyProxy,
            snippet: "take the broken server out of the balancer or repair it, and let the health check make a WebSocket handshake, not only a GET or a TCP connect",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "backend app\n    option httpchk\n    http-check connect\n    http-check send meth GET uri /ws ver HTTP/1.1 hdr Host app hdr Upgrade websocket hdr Connection Upgrade hdr Sec-WebSocket-Version 13 hdr Sec-WebSocket-Key d3NiZW5jaC1jaGVjay1rZQ==\n    http-check expect status 101\n    server s1 10.0.0.1:8080 check",
        },
        Fix {
            product: Product::Nginx,
            snippet: "upstream app {\n    server 10.0.0.1:8080 max_fails=2 fail_timeout=10s;\n    server 10.0.0.2:8080 max_fails=2 fail_timeout=10s;\n}\n# in the location, for servers that refuse:\nproxy_next_upstream error timeout http_502 http_503 http_404;",
        },
    ],
    limits: "How many servers there are, and which one is broken, cannot be seen from outside.",
};

/// Connections of one client reach several.
pub static LB_SESSION: Entry = Entry {
    id: "lb-session",
    layer: Layer::Load,
    severity: Severity::Note,
    title: "Connections of one client reach different servers (no sticky sessions)",
    evidence: "The first message or a header names different servers on different connections",
    expected: "Either any server can serve any client (shared session store), or a client comes back to the same server.",
    causes: &[(
        "the balancer distributes connections without stickiness (affinity): right when servers share their state; when sessions live in the memory of one server, a client that reconnects loses its session (e.g. close 4001, \"Session ID unknown\")",
        "log in, reconnect, resume: does the other server know the session?",
    )],
    fixes: &[
        Fix {
            product: Product::Server,
            snippet: "keep sessions in a shared store (Redis, a database), so that any server can resume them",
        },
        Fix {
            product: Product::Nginx,
            snippet: "upstream app {\n    ip_hash;   # or: hash $remote_addr consistent;\n    server 10.0.0.1:8080;\n    server 10.0.0.2:8080;\n}",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "backend app\n    balance source   # or: cookie SRV insert indirect nocache",
        },
        Fix {
            product: Product::AwsAlb,
            snippet: "aws elbv2 modify-target-group-attributes --target-group-arn ARN --attributes Key=stickiness.enabled,Value=true Key=stickiness.type,Value=lb_cookie",
        },
        Fix {
            product: Product::IngressNginx,
            snippet: "nginx.ingress.kubernetes.io/affinity: \"cookie\"",
        },
    ],
    limits: "The probe sends no cookie back: stickiness by cookie is not seen. Whether sessions depend on one server only the application knows.",
};

/// One connection for one client.
pub static REPLACED: Entry = Entry {
    id: "single-session",
    layer: Layer::Load,
    severity: Severity::Fault,
    title: "Each new connection ends the one before: one connection for each client",
    evidence: "Held connections end one after the other, each right when the next one of the same client opens",
    expected: "A client may open a second connection (another tab, a reconnect while the old one still lingers).",
    causes: &[
        (
            "the application keeps one connection for each user, token or session, and closes the older one",
            "the close code and reason are the application's own; another user's connection is left alone",
        ),
        (
            "a proxy or server with room for one connection ends the older one",
            "no close frame comes; another user's connection ends too",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Client,
            snippet: "open one connection for each user, or share it between tabs (BroadcastChannel, SharedWorker); do not reconnect at once after being replaced, or two clients end each other without end",
        },
        Fix {
            product: Product::Server,
            snippet: "allow several connections for each user, or tell them apart by a client id",
        },
    ],
    limits: "The probe's connections all come with the same credentials and from the same address: by which of them the application counts is not known.",
};

/// Whether a new connection ends the one before.
pub static SINGLE: Check = Check {
    name: "single-session",
    entries: &[&REPLACED],
    ask: single,
};

fn single(seen: &Seen) -> Vec<Finding> {
    let Picture::Replaced(ends) = picture::of(seen) else {
        return Vec::new();
    };
    let how = common_ending(&ends);
    let title = format!(
        "Each new connection ends the one before ({how}): {} of {} held connections ended right when the next one opened",
        ends.len(),
        ends.len() + 1
    );
    let coded = ends.iter().all(|end| end.ended.code.is_some());
    let causes: &[usize] = if coded { &[0] } else { &[0, 1] };
    let holds: Vec<_> = ends.iter().map(|end| end.hold).collect();
    let finding = Finding::new(&REPLACED).titled(title).only(causes);
    vec![lines(&holds).into_iter().fold(finding, Finding::saw)]
}

/// Whether some of several servers are broken.
pub static ONE_BAD: Check = Check {
    name: "lb-one-bad",
    entries: &[&LB_ONE_BAD],
    ask: one_bad,
};

/// Whether several servers answer.
pub static NODES: Check = Check {
    name: "lb-session",
    entries: &[&LB_SESSION],
    ask: nodes,
};

fn one_bad(seen: &Seen) -> Vec<Finding> {
    let (reading, tries) = reading::of(seen);
    let total = tries.len();
    let bad = tries.iter().filter(|t| !t.good).count();
    let kinds = kinds(&tries);
    let (title, severity) = match reading {
        Reading::OneBad(Some(2)) => (
            format!(
                "Every second handshake fails ({bad} of {total}: {kinds}): one of the servers behind the balancer is broken or different"
            ),
            Severity::Fault,
        ),
        Reading::OneBad(Some(period)) => (
            format!(
                "One of {period} handshakes fails ({bad} of {total}: {kinds}): one of the servers behind the balancer is broken or different"
            ),
            Severity::Fault,
        ),
        Reading::OneBad(None) => (
            format!(
                "Some handshakes fail, others succeed ({bad} of {total}: {kinds}), and asking again at once helps: one of the servers behind the balancer is broken or different"
            ),
            Severity::Fault,
        ),
        Reading::OneGood(period) => (
            format!(
                "Only one of {period} handshakes succeeds ({bad} of {total} fail: {kinds}): most servers behind the balancer are broken or different"
            ),
            Severity::Fault,
        ),
        Reading::Single => (
            format!(
                "1 of {total} handshakes was refused ({kinds}), the others worked: an intermittent fault"
            ),
            Severity::Warning,
        ),
        _ => return Vec::new(),
    };
    let mut finding = Finding::new(&LB_ONE_BAD)
        .titled(title)
        .severity(severity)
        .saw(format!("in order: {}", order(&tries)));
    if let Some(line) = named(&nodes_of(seen)) {
        finding = finding.saw(format!("good ones came from: {line}"));
    }
    if matches!(reading, Reading::OneBad(Some(_)) | Reading::OneGood(_)) {
        finding = finding.only(&[0]);
    }
    vec![finding]
}

/// `404 Not Found, no byte, FIN`: the kinds of refusal, each once.
pub fn kinds(tries: &[Try<'_>]) -> String {
    let mut kinds: Vec<_> = tries
        .iter()
        .filter(|t| !t.good)
        .map(|t| t.words.clone())
        .collect();
    kinds.dedup();
    kinds.sort();
    kinds.dedup();
    kinds.join("; ")
}

/// The row in short: runs of equal outcomes.
pub fn order(tries: &[Try<'_>]) -> String {
    let mut runs: Vec<(String, usize)> = Vec::new();
    for one in tries {
        let words = if one.good { "101" } else { one.words.as_str() };
        match runs.last_mut() {
            Some((last, count)) if last == words => *count += 1,
            _ => runs.push((words.to_owned(), 1)),
        }
    }
    let most = 24;
    let more = runs.len() > most;
    let shown = runs
        .into_iter()
        .take(most)
        .map(|(words, count)| match count {
            1 => words,
            _ => format!("{count}x {words}"),
        });
    let end = if more { ", ..." } else { "" };
    format!("{}{end}", shown.collect::<Vec<_>>().join(", "))
}

/// How often each server was met.
fn nodes_of(seen: &Seen) -> BTreeMap<String, usize> {
    let mut met = BTreeMap::new();
    let rounds = seen.watch.iter().flat_map(|watch| &watch.rounds);
    for node in rounds.filter_map(|round| round.node.clone()) {
        *met.entry(node).or_insert(0) += 1;
    }
    met
}

fn named(met: &BTreeMap<String, usize>) -> Option<String> {
    let each = met.iter().map(|(node, count)| format!("{node} ({count})"));
    (!met.is_empty()).then(|| each.collect::<Vec<_>>().join(", "))
}

fn nodes(seen: &Seen) -> Vec<Finding> {
    let met = nodes_of(seen);
    let total: usize = met.values().sum();
    // A name that is new on nearly every connection names the connection, not the server.
    let servers = met.values().filter(|count| **count > 1).count();
    if met.len() < 2 || servers < met.len() || met.len() * 2 > total {
        return Vec::new();
    }
    let Some(line) = named(&met) else {
        return Vec::new();
    };
    let cookie = seen.answer().and_then(|answer| answer.header("set-cookie"));
    let mut finding = Finding::new(&LB_SESSION)
        .titled(format!(
            "{} different servers answer connections of one client (no sticky sessions): sessions kept in the memory of one server would be lost on reconnect",
            met.len()
        ))
        .saw(format!("{total} connections: {line}"));
    if let Some(cookie) = cookie {
        finding = finding.saw(format!(
            "the 101 sets the cookie {cookie}: a client that sends it back may stay on one server"
        ));
    }
    vec![finding]
}
