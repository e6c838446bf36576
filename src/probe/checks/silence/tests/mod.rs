//! Recorded silences, and their look-alikes.

mod answers;
mod plan;
mod silences;

use crate::probe::ask::compare::silence::{self as planner, ENGINE_IO};
use crate::probe::seen::{
    AcceptCheck, Answer, Exchange, Millis, Outcome, Route, Seen, TcpOpened, TlsProblem, TlsSeen,
    Variation,
};
use crate::probe::{Certainty, Finding, Severity};

use Variation::{Again, Garbage, GetPath, Handshake, Listen, OtherScheme, PlainGet, ProxyProtocol};

/// A request and what came of it, after so many milliseconds.
type Asked = (Variation, Outcome, f64);

fn exchange((asked, outcome, took): Asked) -> Exchange {
    Exchange {
        asked,
        at_ms: Millis::default(),
        address: "127.0.0.1:80".into(),
        first_byte_ms: matches!(outcome, Outcome::Answer(_)).then_some(Millis(took)),
        took_ms: Millis(took),
        outcome,
    }
}

fn seen(handshake: Outcome, took: f64, others: Vec<Asked>) -> Seen {
    let mut seen = Seen::default();
    seen.asked.path = "/ws".into();
    seen.routes = vec![Route {
        tcp: Some(TcpOpened::default()),
        ..Route::default()
    }];
    seen.handshake = Some(exchange((Handshake, handshake, took)));
    seen.compared = others.into_iter().map(exchange).collect();
    seen
}

fn ends(end: &str) -> Outcome {
    Outcome::NoBytes {
        end: Some(end.into()),
    }
}

const HANGS: Outcome = Outcome::NoBytes { end: None };

fn status(status: u16) -> Outcome {
    says(status, "")
}

fn says(status: u16, body: &str) -> Outcome {
    Outcome::Answer(Answer {
        version: "1.1".into(),
        status,
        body: body.into(),
        ..Answer::default()
    })
}

fn opens() -> Outcome {
    Outcome::Answer(good())
}

fn good() -> Answer {
    Answer {
        version: "1.1".into(),
        status: 101,
        accept: AcceptCheck::Right,
        headers: vec![
            ("upgrade".into(), "websocket".into()),
            ("connection".into(), "Upgrade".into()),
            ("sec-websocket-accept".into(), "abc=".into()),
        ],
        ..Answer::default()
    }
}

fn bytes(text: &str) -> Outcome {
    Outcome::NotHttp {
        bytes: text.into(),
        end: None,
    }
}

fn no_tls() -> Outcome {
    Outcome::NoTls(TlsProblem::NotTls("HTTP/1.1 400".into()))
}

/// What the checks of this group find, and only they.
fn ours(seen: &Seen) -> Vec<Finding> {
    super::ALL
        .iter()
        .flat_map(|check| (check.ask)(seen))
        .collect()
}

/// The name of the only finding, its title, and how many causes it leaves.
fn found(seen: &Seen) -> Option<(&'static str, String, usize)> {
    let mut findings = ours(seen);
    assert!(findings.len() < 2, "{findings:#?}");
    let finding = findings.pop()?;
    for line in finding.observed.iter().chain([&finding.title]) {
        // A word for a port that nobody listens on.
        assert!(!line.contains("refused"), "{line}");
    }
    Some((finding.id, finding.title, finding.causes.len()))
}

/// Everything but the handshake ends in the same way.
fn all(outcome: &Outcome, took: f64) -> Vec<Asked> {
    [
        PlainGet,
        ProxyProtocol,
        Listen,
        Again,
        Again,
        Again,
        Garbage,
    ]
    .map(|v| (v, outcome.clone(), took))
    .into_iter()
    .chain([(OtherScheme, Outcome::NoTls(TlsProblem::Closed), took)])
    .collect()
}

/// The same with some of them changed.
fn but(mut asked: Vec<Asked>, changed: Vec<Asked>) -> Vec<Asked> {
    asked.retain(|(v, ..)| !changed.iter().any(|(c, ..)| c == v));
    asked.extend(changed);
    asked
}
