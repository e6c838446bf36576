//! Pings without the right pong, and a close frame without an answer.

use super::words::{sent, time};
use crate::probe::Severity;
use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::Finding;
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Reply, Seen, Session, Step, StepKind, Tcp};

/// Nothing is ever answered.
pub static FAKE_ALIVE: Entry = Entry {
    id: "fake-alive",
    layer: Layer::WebSocket,
    severity: Severity::Fault,
    title: "The connection is open, but nothing is ever answered (fake-alive): no pong, no message, no close frame",
    evidence: "A good 101, then no pong, no answer to any message and none to a close frame; TCP_INFO says whether the bytes arrive",
    expected: "A ping is answered with a pong with the same payload (RFC 6455 5.5.3).",
    causes: &[
        (
            "the server process is frozen or blocked right after the upgrade (event loop, deadlock, stopped): its kernel still acknowledges",
            "its stack and processor load; other connections are silent too",
        ),
        (
            "a proxy completed the upgrade, but passes no frames on to a server behind it",
            "directly to the server pings are answered",
        ),
        (
            "the server's code accepts connections and never reads frames, or answers nothing",
            "it never was different; its code",
        ),
        (
            "packets are lost on the path since the 101: the connection is dead",
            "TCP segments stay unacknowledged and are retransmitted",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Server,
            snippet: "look at the process (stack dump, event loop lag), restart it, and let a health check open a WebSocket and wait for a pong",
        },
        Fix {
            product: Product::Client,
            snippet: "ping every 20 to 30 s and reconnect when no pong comes within a few seconds: an open connection proves nothing",
        },
    ],
    limits: "A frozen server, a frozen server behind a proxy and a middle box that acknowledges by itself look the same from outside. A peer that reads and one that only lets its kernel take the bytes look the same until its buffers are full.",
};

/// Only pings are not answered.
pub static NO_PONG: Entry = Entry {
    id: "no-pong",
    layer: Layer::WebSocket,
    severity: Severity::Fault,
    title: "Control pings get no pong, though the server answers otherwise",
    evidence: "No pong within 3 s, while messages or the close frame are answered",
    expected: "A ping is answered with a pong with the same payload (RFC 6455 5.5.3).",
    causes: &[
        (
            "the server does not answer control pings: a switched-off autoPong or a hand-written implementation",
            "directly to the server it is the same",
        ),
        (
            "a proxy or gateway on the path drops control frames",
            "directly to the server pongs come",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Server,
            snippet: "answer pings: in npm ws leave autoPong on; hand-written servers send opcode 10 with the ping's payload",
        },
        Fix {
            product: Product::Client,
            snippet: "until then use a heartbeat of the application (a text message that is answered) instead of control pings",
        },
    ],
    limits: "Whether the server or something before it is silent cannot be seen from outside.",
};

/// A pong with other bytes.
pub static WRONG_PONG: Entry = Entry {
    id: "wrong-pong",
    layer: Layer::WebSocket,
    severity: Severity::Fault,
    title: "A control ping is answered wrongly: clients that check the pong's payload take the connection for dead",
    evidence: "A pong with another payload than the ping's, or a text message instead of a pong",
    expected: "A ping is answered with a pong with the same payload (RFC 6455 5.5.3).",
    causes: &[
        (
            "the server answers pings by its own code instead of its library's, without the payload or as a text message",
            "directly to the server it is the same",
        ),
        (
            "a gateway answers pings itself",
            "directly to the server pongs are right",
        ),
    ],
    fixes: &[Fix {
        product: Product::Server,
        snippet: "send the ping's payload back unchanged in a frame with opcode 10; most libraries do it when left alone",
    }],
    limits: "Who answers cannot be seen from outside.",
};

/// Our close frame.
pub static NO_CLOSE_REPLY: Entry = Entry {
    id: "no-close-reply",
    layer: Layer::WebSocket,
    severity: Severity::Fault,
    title: "The server does not answer the close frame: clients wait for it until their own timeout",
    evidence: "A close frame with 1000 gets no close frame back within 2 s, while pings were answered",
    expected: "A close frame is answered with a close frame, then the server ends TCP (RFC 6455 5.5.1, 7.1.1).",
    causes: &[
        (
            "the server ignores close frames: a hand-written implementation, or a library used halfway",
            "directly to the server it is the same",
        ),
        (
            "a gateway keeps the close frame to itself",
            "directly to the server it is answered",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Server,
            snippet: "answer a close frame with one of the same code and end the TCP connection; harmless otherwise",
        },
        Fix {
            product: Product::Client,
            snippet: "end the TCP connection some seconds after sending the close frame, whatever comes",
        },
    ],
    limits: "Who keeps the answer back cannot be seen from outside.",
};

/// Our close frame, TCP ended.
pub static CLOSE_CUT: Entry = Entry {
    id: "close-cut",
    layer: Layer::WebSocket,
    severity: Severity::Warning,
    title: "The server ends TCP instead of answering the close frame: clients see 1006 instead of 1000",
    evidence: "A close frame with 1000 is answered with FIN or RST and no close frame",
    expected: "A close frame is answered with a close frame, then the server ends TCP (RFC 6455 5.5.1, 7.1.1).",
    causes: &[(
        "the server, or a gateway before it, ends the connection when it sees a close frame, without the answer",
        "directly to the server: the same, or not",
    )],
    fixes: &[Fix {
        product: Product::Server,
        snippet: "answer with a close frame before ending TCP; harmless otherwise",
    }],
    limits: "",
};

/// Of pings and the close frame.
pub static ANSWERS: Check = Check {
    name: "pongs and the close handshake",
    entries: &[
        &FAKE_ALIVE,
        &NO_PONG,
        &WRONG_PONG,
        &NO_CLOSE_REPLY,
        &CLOSE_CUT,
    ],
    ask: answers,
};

fn answers(seen: &Seen) -> Vec<Finding> {
    let Some(session) = &seen.session else {
        return Vec::new();
    };
    let stray = session
        .violations
        .iter()
        .any(|v| v.what.ends_with("in the stream"));
    if session.ended.is_some() || stray {
        return Vec::new();
    }
    let Some(ping) = session.step(&StepKind::Ping) else {
        return Vec::new();
    };
    let silent = match &ping.reply {
        Reply::Pong => return closing(session).into_iter().collect(),
        Reply::WrongPong => Some(wrong_pong("a pong with another payload")),
        Reply::Message(text) if is_pong_text(text) && !session.any_pong() => Some(wrong_pong(
            &format!("the message \"{text}\" instead of a pong"),
        )),
        _ => no_pong(seen, session, ping),
    };
    // A peer that answers nothing any more owes no close frame.
    silent.into_iter().collect()
}

fn is_pong_text(text: &str) -> bool {
    text.len() < 40 && text.to_ascii_lowercase().contains("pong")
}

fn wrong_pong(what: &str) -> Finding {
    let title = format!(
        "A control ping is answered with {what}: clients that check it take the connection for dead"
    );
    Finding::new(&WRONG_PONG).titled(title).saw(what)
}

fn no_pong(seen: &Seen, session: &Session, ping: &Step) -> Option<Finding> {
    // Pongs came and stopped: with held connections at hand, they tell the story.
    if session.any_pong() && seen.watch.is_some() {
        return None;
    }
    let answered = session.steps.iter().filter(|step| {
        matches!(
            step.reply,
            Reply::Echo | Reply::Message(_) | Reply::Close | Reply::Pong
        )
    });
    let answered: Vec<String> = answered
        .filter(|s| s.kind != StepKind::Ping)
        .map(|s| sent(&s.kind))
        .collect();
    let tcp = ping.tcp.unwrap_or_default();
    let evidence = format!(
        "no pong within {} of a control ping; {}",
        time(ping.took_ms),
        tcp_words(tcp)
    );
    if !answered.is_empty() {
        let list = answered.join(", ");
        let title = format!("Control pings get no pong, though the server answers {list}");
        return Some(Finding::new(&NO_PONG).titled(title).saw(evidence));
    }
    let lost = tcp.unacknowledged > 0 && tcp.backoff > 0;
    let since = session.ping_series.iter().rfind(|p| p.took_ms.is_some());
    let title = match since {
        Some(last) => format!(
            "The connection went silent {} after it opened: pongs came until then, now nothing is answered (half-open)",
            time(last.sent_ms)
        ),
        None if lost => "The connection is open, but no answer ever comes and TCP gets no acknowledgement: the path is dead since the 101".to_owned(),
        None => "The connection is open, but nothing is ever answered (fake-alive): no pong, no message, no close frame, while TCP acknowledges all".to_owned(),
    };
    let finding = Finding::new(&FAKE_ALIVE).titled(title).saw(evidence);
    let mut finding = if lost {
        finding.only(&[3])
    } else {
        finding.only(&[0, 1, 2])
    };
    for step in &session.steps {
        if step.kind != StepKind::Ping {
            finding = finding.saw(format!(
                "{}: no answer within {}",
                sent(&step.kind),
                time(step.took_ms)
            ));
        }
    }
    Some(finding)
}

fn tcp_words(tcp: Tcp) -> String {
    let Tcp {
        unacknowledged,
        backoff,
        retransmits,
        ..
    } = tcp;
    if unacknowledged == 0 {
        "TCP has acknowledged everything (unacked 0)".to_owned()
    } else {
        format!(
            "TCP: {unacknowledged} segments unacknowledged, {retransmits} retransmissions, backoff {backoff}"
        )
    }
}

fn closing(session: &Session) -> Option<Finding> {
    let step = session.step(&StepKind::Close)?;
    match step.reply {
        Reply::Nothing => {
            let title = format!(
                "The server does not answer the close frame: nothing came back within {}",
                time(step.took_ms)
            );
            let tcp = step.tcp.map(tcp_words);
            let mut finding = Finding::new(&NO_CLOSE_REPLY).titled(title);
            finding.observed.extend(tcp);
            Some(finding)
        }
        Reply::Ended => {
            let how = session.closing.as_ref().and_then(|c| c.how.clone());
            let how = how.unwrap_or_else(|| "an end".to_owned());
            Some(Finding::new(&CLOSE_CUT).saw(format!("close 1000 was answered with {how}")))
        }
        _ => None,
    }
}
