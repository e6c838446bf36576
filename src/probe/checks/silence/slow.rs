//! The 101 comes, late.

use super::words::span;
use crate::probe::ask::compare::silence::LATE_MS;
use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::{Finding, Severity};
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Exchange, Seen, Variation};

/// The question.
pub const CHECK: Check = Check {
    name: "a late 101",
    entries: &[&SLOW],
    ask,
};

/// Later than this, once is enough to say it. In milliseconds.
const ONCE_MS: f64 = 2_000.0;

static SLOW: Entry = Entry {
    id: "slow-handshake",
    layer: Layer::Upgrade,
    severity: Severity::Warning,
    title: "The handshake is slow: the 101 comes seconds after the request",
    evidence: "TCP (and TLS) open at once; the first byte of the 101 comes a second or more after \
               the request",
    expected: "101 within some milliseconds and the round trip",
    causes: &[
        (
            "the server works before it answers: login, a database, a call to another service",
            "its log: request to 101; it is slow every time",
        ),
        (
            "a cold start (serverless, a sleeping container, a first connection to a database)",
            "only the first handshake is slow",
        ),
        (
            "the request queues in a proxy or for a worker",
            "it is slow under load, quick when it is calm",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Server,
            snippet: "Answer 101 first, then do the slow work and tell the client by a message; \
                      cache what the login looks up.",
        },
        Fix {
            product: Product::Client,
            snippet: "Give the handshake more time: new WebSocket(url, { handshakeTimeout: 10000 }) \
                      // npm ws",
        },
    ],
    limits: "Work in the server and a queue in front of it look the same from outside.",
};

fn ask(seen: &Seen) -> Vec<Finding> {
    let Some(handshake) = seen.handshake.as_ref().filter(|h| h.is_upgrade()) else {
        return Vec::new();
    };
    let Some(first) = handshake.first_byte_ms.filter(|ms| ms.0 >= LATE_MS) else {
        return Vec::new();
    };
    let waited = |e: &Exchange| e.first_byte_ms.unwrap_or(e.took_ms);
    let repeats: Vec<_> = seen.all_to(&Variation::Again).collect();
    let late = repeats.iter().filter(|e| waited(e).0 >= LATE_MS).count();
    let quick = repeats.len() - late;
    if late == 0 && first.0 < ONCE_MS {
        return Vec::new();
    }
    let again = match (repeats.first(), late) {
        (None, _) => String::new(),
        (Some(one), 0) => format!("; made again it took {}", span(waited(one))),
        (Some(one), _) if one.is_upgrade() => format!("; made again it took {}", span(waited(one))),
        (Some(one), _) => format!("; made again it took more than {}", span(waited(one))),
    };
    let title = format!(
        "The handshake is slow: the 101 took {} from the request{again}",
        span(first)
    );
    let tcp = seen.routes.iter().find_map(|route| route.tcp.as_ref());
    let mut finding = Finding::new(&SLOW).titled(title);
    if let Some(tcp) = tcp {
        finding = finding.saw(format!("TCP opened in {}", span(tcp.took_ms)));
    }
    finding = finding.saw(format!(
        "the first byte of the 101 came after {}",
        span(first)
    ));
    for repeat in &repeats {
        let what = match repeat.is_upgrade() {
            true => "the 101 came after",
            false => "no 101 yet after",
        };
        finding = finding.saw(format!("made again: {what} {}", span(waited(repeat))));
    }
    // A first time that is slow and a next that is not is a cold start, or chance.
    finding = match (quick, late) {
        (0, 0) => finding,
        (0, _) => finding.only(&[0, 2]),
        (_, 0) => finding.only(&[1, 2]),
        _ => finding,
    };
    vec![finding]
}
