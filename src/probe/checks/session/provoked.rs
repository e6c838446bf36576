//! Ends that came as the answer to a message: refused by a code, or without a word.

use super::closed::{CLOSE_APP, by_code};
use super::codes;
use super::words::{self, ending, sent};
use crate::probe::Severity;
use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::Finding;
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Provoked, Reply, Seen, Session, StepKind};

/// Ended by a message.
pub static CRASH: Entry = Entry {
    id: "crash",
    layer: Layer::WebSocket,
    severity: Severity::Fault,
    title: "A message ends the connection without a close frame (1006)",
    evidence: "FIN or RST without a close frame right after a message of ours; a fresh handshake afterwards is refused, or not",
    expected: "A message that is not understood is answered with an error, ignored, or closed with a code.",
    causes: &[
        (
            "the server process died of the message: an uncaught exception",
            "its exit and stack trace in the log; connecting is refused, or gets 502, until it is started again",
        ),
        (
            "only the handler of that connection failed, or it ends connections that way on purpose",
            "other connections live on, and a fresh handshake works at once",
        ),
        (
            "a gateway or filter on the path ended it because of its content",
            "directly to the server it works",
        ),
        (
            "the server was stopped or restarted at that very moment by chance",
            "the probe, run once more, shows it or does not",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Server,
            snippet: "catch errors around the message handler (try/catch around JSON.parse, an 'error' listener on every socket) and close with 1007 or 1008",
        },
        Fix {
            product: Product::Server,
            snippet: "# let a supervisor start it again, e.g. systemd\n[Service]\nRestart=always\nRestartSec=1",
        },
    ],
    limits: "What happened inside the server is in its log only.",
};

/// Fragments.
pub static FRAGMENTS: Entry = Entry {
    id: "fragments",
    layer: Layer::WebSocket,
    severity: Severity::Fault,
    title: "A fragmented message ends the connection, whole messages do not",
    evidence: "A message in three fragments with a ping between them is answered with an end; messages in one frame are not",
    expected: "Fragments are joined, and control frames between them are answered (RFC 6455 5.4).",
    causes: &[
        (
            "the server's WebSocket library does not take fragments, or no control frames between them",
            "directly to the server it is the same",
        ),
        (
            "a gateway on the path looks into frames and does not take fragments",
            "directly to the server it works",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Server,
            snippet: "use a library that passes the Autobahn tests of section 5 (fragmentation)",
        },
        Fix {
            product: Product::Client,
            snippet: "send messages in one frame",
        },
    ],
    limits: "",
};

/// Ends that came as the answer to a message.
pub static PROVOKED: Check = Check {
    name: "an end that a message provoked",
    entries: &[&CRASH, &FRAGMENTS],
    ask: provoked,
};

fn provoked(seen: &Seen) -> Vec<Finding> {
    let Some(session) = &seen.session else {
        return Vec::new();
    };
    let mut rest: Vec<&Provoked> = (session.provoked.iter())
        .filter(|p| !matches!(p.by, StepKind::Size(_)))
        .collect();
    let mut findings = Vec::new();
    while let Some(first) = rest.first().copied() {
        let same = |p: &&Provoked| {
            p.ended.code == first.ended.code && p.ended.reason == first.ended.reason
        };
        let (group, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(same);
        findings.extend(by_message(seen, session, &group));
        rest = others;
    }
    findings
}

fn by_message(seen: &Seen, session: &Session, group: &[&Provoked]) -> Option<Finding> {
    let first = group.first()?;
    // A shutdown that came by chance. A crash ends all connections at one moment too.
    let orderly = matches!(first.ended.code, Some(1001 | 1012));
    if orderly && words::is_common_moment(seen, &first.ended) {
        return None;
    }
    let kinds: Vec<String> = group.iter().map(|p| sent(&p.by)).collect();
    let kinds = kinds.join(", or ");
    let mut finding = match first.ended.code {
        Some(code) => {
            let mut finding = by_code(
                seen,
                code,
                &first.ended.reason,
                &format!("when it got {kinds}"),
            );
            if code >= 3000 && codes::theme(&first.ended.reason).is_none() {
                finding = Finding::new(&CLOSE_APP)
                    .titled(finding.title)
                    .only(&[0, 1, 2]);
            }
            // A server may say that it takes text only (RFC 6455 7.4.1): the path is in order.
            let only_binary = group.iter().all(|p| p.by == StepKind::Binary);
            if code == 1003 && only_binary {
                finding = finding.severity(Severity::Warning);
            }
            finding
        }
        None if group.iter().all(|p| p.by == StepKind::Fragmented) => Finding::new(&FRAGMENTS),
        None => crashed(session, &kinds),
    };
    for one in group {
        finding = finding.saw(format!("sent {}: {}", sent(&one.by), ending(&one.ended)));
    }
    finding.observed.extend(words::afterwards(session));
    let fine = session
        .steps
        .iter()
        .filter(|s| matches!(s.reply, Reply::Echo | Reply::Message(_) | Reply::Pong));
    let fine: Vec<String> = fine.map(|s| sent(&s.kind)).collect();
    if !fine.is_empty() {
        finding = finding.saw(format!("answered: {}", fine.join(", ")));
    }
    Some(finding)
}

fn crashed(session: &Session, kinds: &str) -> Finding {
    if words::is_gone(session) {
        let title = format!(
            "The server ended without a close frame (1006) when it got {kinds}, and connecting again did not work: the process died, most likely of that message"
        );
        return Finding::new(&CRASH).titled(title).only(&[0, 3]);
    }
    let title =
        format!("The connection ended without a close frame (1006) when the server got {kinds}");
    Finding::new(&CRASH).titled(title).only(&[0, 1, 2])
}
