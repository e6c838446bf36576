//! What was asked and what came of it, in words. No word here sounds like an alarm: the same lines
//! stand in the report of a healthy path.

use crate::probe::entry::Layer;
use crate::probe::seen::{
    Answer, Asked, Ended, Exchange, HoldKind, Outcome, Reply, Seen, Session, StepKind, TlsProblem,
    Variation,
};
use crate::probe::{Diagnosis, Health, Severity};
use crate::report::view::{count, millis};

/// Most characters of a body, a reason or a header's value in one line.
const SHORT: usize = 80;

/// `healthy`, `fault`, ...
pub fn health(diagnosis: &Diagnosis) -> &'static str {
    match diagnosis.health {
        Health::Healthy => "healthy",
        Health::Faulty => "fault",
        Health::Undecided if diagnosis.interrupted => "undecided (interrupted)",
        Health::Undecided => "undecided",
        Health::CouldNotProbe => "could not probe",
    }
}

/// In one word.
pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "note",
        Severity::Warning => "warning",
        Severity::Undecided => "undecided",
        Severity::Fault => "fault",
    }
}

/// As a heading.
pub fn layer(layer: Layer) -> &'static str {
    match layer {
        Layer::Dns => "DNS",
        Layer::Tcp => "TCP",
        Layer::Tls => "TLS",
        Layer::Upgrade => "HTTP upgrade",
        Layer::WebSocket => "WebSocket",
        Layer::Idle => "Idle",
        Layer::Reload => "Reload",
        Layer::Load => "Load",
    }
}

/// The answer to the whole question in a sentence or two.
pub fn conclusion(seen: &Seen, diagnosis: &Diagnosis) -> String {
    if let Some(why) = &diagnosis.could_not {
        return format!("This machine could not connect, which says nothing of the target: {why}");
    }
    let worst = (diagnosis.findings.iter()).filter(|f| f.severity >= Severity::Undecided);
    let mut titles = worst.map(|f| f.title.as_str());
    match (titles.next(), diagnosis.interrupted) {
        (Some(title), false) => match titles.count() {
            0 => title.to_owned(),
            more => format!("{title} (and {more} more below)"),
        },
        (Some(title), true) => format!("Ended by a signal; so far: {title}"),
        (None, true) => "Ended by a signal before everything was looked at.".to_owned(),
        (None, false) if diagnosis.health == Health::Healthy => {
            let mut findings = diagnosis.findings.iter();
            let warning = findings.find(|f| f.severity == Severity::Warning);
            let warning = warning.map(|f| format!(" Warning: {}", f.title));
            healthy(seen) + &warning.unwrap_or_default()
        }
        (None, false) => unknown(seen),
    }
}

/// No check knows it: the reader gets the plain facts.
fn unknown(seen: &Seen) -> String {
    let came = match &seen.handshake {
        Some(handshake) => outcome(handshake),
        None => "no connection was opened".to_owned(),
    };
    format!("Something is wrong and no check knows what; the handshake: {came}")
}

/// What was well, with its numbers.
fn healthy(seen: &Seen) -> String {
    let mut parts = Vec::new();
    if let Some(handshake) = seen.handshake.as_ref().filter(|h| h.is_upgrade()) {
        let took = handshake.first_byte_ms.unwrap_or(handshake.took_ms);
        parts.push(format!("101 after {}", time(took.0)));
    }
    let ping = seen.session.as_ref().and_then(|s| s.step(&StepKind::Ping));
    if let Some(ping) = ping.filter(|ping| ping.reply == Reply::Pong) {
        parts.push(format!("pong after {}", time(ping.took_ms.0)));
    }
    let holds = seen.watch.iter().flat_map(|watch| &watch.holds);
    let mut silent = holds.filter(|h| h.kind == HoldKind::Silent && h.ended.is_none());
    if let Some(hold) = silent.find(|h| h.refused.is_none()) {
        parts.push(format!("open after {} of silence", time(hold.held_ms.0)));
    }
    match parts.is_empty() {
        true => "No fault found.".to_owned(),
        false => format!("No fault found: {}.", parts.join(", ")),
    }
}

/// What a healthy report does not answer, and the flags that would.
pub fn not_looked_for(seen: &Seen) -> Option<String> {
    let mut parts = Vec::new();
    match &seen.watch {
        None => parts.push("idle limits (--idle 75s)".to_owned()),
        Some(watch) if !watch.reload && watch.planned_ms.0 < 60_000.0 => {
            let held = time(watch.planned_ms.0);
            parts.push(format!("idle limits above {held} (--idle 75s)"));
        }
        Some(_) => {}
    }
    if !seen.watch.as_ref().is_some_and(|watch| watch.reload) {
        parts.push("reloads (--reload)".to_owned());
    }
    if seen.crowd.is_none() {
        parts.push("limits on connections (--clients 50)".to_owned());
    }
    let large = |session: &Session| session.largest_answered.is_some_and(|size| size > 65_536);
    if !seen.session.as_ref().is_some_and(large) {
        parts.push("large messages (--deep)".to_owned());
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Secrets that were kept back, which changes what a server answers.
pub fn withheld(seen: &Seen) -> Option<&'static str> {
    let text = "your credentials and the query were not sent: no server with a trusted certificate \
                answered (--insecure sends them all the same)";
    seen.asked.withheld.then_some(text)
}

/// A request that was made, as a thing.
pub fn variation(asked: &Asked, variation: &Variation) -> String {
    use Variation as V;
    match variation {
        V::Handshake => "the handshake".to_owned(),
        V::Again => "the handshake again".to_owned(),
        V::PlainGet => "an ordinary GET".to_owned(),
        V::Version99 => "a handshake of version 99".to_owned(),
        V::NoKey => "a handshake without Sec-WebSocket-Key".to_owned(),
        V::Path(path) => format!("a handshake for {path}"),
        V::GetPath(path) => format!("GET {path}"),
        V::WithoutOrigin => "without Origin".to_owned(),
        V::Origin(origin) => format!("with Origin {origin}"),
        V::WithoutCredentials => "without credentials".to_owned(),
        V::WrongCredentials => "with wrong credentials".to_owned(),
        V::WithoutHeaders => "without your headers".to_owned(),
        V::WithoutSubprotocols => "without subprotocols".to_owned(),
        V::Subprotocol(name) => format!("with the subprotocol {name}"),
        V::OtherScheme if asked.secure => "as ws:// on the same port".to_owned(),
        V::OtherScheme => "as wss:// on the same port".to_owned(),
        V::Host(host) => format!("with Host {host}"),
        V::ProxyProtocol => "after a PROXY protocol line".to_owned(),
        V::Garbage => "a line that is no HTTP (lands in logs)".to_owned(),
        V::Listen => "nothing, to see who speaks first".to_owned(),
        V::ServerName(name) => format!("with SNI and Host {name}"),
        V::Http10 => "the handshake as HTTP/1.0".to_owned(),
        V::Connect => format!("CONNECT {}:{}", asked.host, asked.port),
    }
}

/// What came of a request.
pub fn outcome(exchange: &Exchange) -> String {
    let ended = |end: &Option<String>| match end {
        Some(end) => format!("then {end}"),
        None => "then silence".to_owned(),
    };
    match &exchange.outcome {
        Outcome::NotOpened(why) => format!("TCP: {why}"),
        Outcome::NoTls(problem) => format!("TLS: {}", tls_problem(problem)),
        Outcome::NoBytes { end: None } => format!("no byte in {}", time(exchange.took_ms.0)),
        Outcome::NoBytes { end: Some(end) } => {
            format!("no byte, {end} after {}", time(exchange.took_ms.0))
        }
        Outcome::NotHttp { bytes, end } => format!("{}, {}", quoted(bytes), ended(end)),
        Outcome::PartialHead { bytes, end } => {
            format!("half a head: {}, {}", quoted(bytes), ended(end))
        }
        Outcome::Answer(answer) => {
            let mut text = status(answer);
            if !answer.body.is_empty() {
                text += &format!(", body {}", quoted(answer.body.trim()));
            } else if answer.status != 101 {
                text += ", no body";
            }
            if let Some(end) = &answer.end {
                text += &format!(", {end}");
            }
            text
        }
    }
}

/// The status line of an answer: `HTTP/1.0` is told, being rare.
fn status(answer: &Answer) -> String {
    let text = format!("{} {}", answer.status, answer.reason.trim());
    let text = short(text.trim_end());
    match answer.version.as_str() {
        "1.0" => format!("HTTP/1.0 {text}"),
        _ => text,
    }
}

/// What came of a request, without a body that was shown before.
pub fn same_outcome(exchange: &Exchange) -> String {
    match exchange.answer() {
        Some(answer) => status(answer),
        None => outcome(exchange),
    }
}

/// Why TLS did not come up.
pub fn tls_problem(problem: &TlsProblem) -> String {
    match problem {
        TlsProblem::Alert(alert) => format!("alert {alert}"),
        TlsProblem::NotTls(bytes) => format!("the answer is no TLS: {}", quoted(bytes)),
        TlsProblem::Closed => "FIN".to_owned(),
        TlsProblem::Reset => "RST".to_owned(),
        TlsProblem::TimedOut => "no answer to the ClientHello in time".to_owned(),
        TlsProblem::Other(text) => short(text),
    }
}

/// What was sent on a session, as a thing.
pub fn step(kind: &StepKind) -> String {
    match kind {
        StepKind::Ping => "ping".to_owned(),
        StepKind::Text => "text".to_owned(),
        StepKind::Words => "other text".to_owned(),
        StepKind::Json => "JSON".to_owned(),
        StepKind::Binary => "binary".to_owned(),
        StepKind::Size(bytes) => format!("{} bytes", count(*bytes)),
        StepKind::Fragmented => "fragments".to_owned(),
        StepKind::Close => "close".to_owned(),
    }
}

/// What came of a step.
pub fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Pong => "pong".to_owned(),
        Reply::WrongPong => "a pong with another payload".to_owned(),
        Reply::Echo => "echo".to_owned(),
        Reply::Message(start) => quoted(start),
        Reply::Close => "close frame".to_owned(),
        Reply::Ended => "the connection ended".to_owned(),
        Reply::Nothing => "no answer".to_owned(),
        Reply::NotSent => "not taken".to_owned(),
    }
}

/// How a connection ended: `close 4001 "Invalid token", FIN`.
pub fn ended(ended: &Ended) -> String {
    let mut text = match ended.code {
        Some(1005) => "close frame without a code".to_owned(),
        Some(code) => format!("close {code}"),
        None => String::new(),
    };
    if !ended.reason.is_empty() {
        text += &format!(" {}", quoted(&ended.reason));
    }
    let how = ended.how.as_deref();
    match (text.is_empty(), how) {
        (true, Some(how)) => format!("{how}, no close frame"),
        (true, None) => "ended".to_owned(),
        (false, Some(how)) => format!("{text}, {how}"),
        (false, None) => text,
    }
}

/// Text of the target in quotes, shortened.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", short(text))
}

/// At most 80 characters.
pub fn short(text: &str) -> String {
    match text.char_indices().nth(SHORT) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

/// `0.312 ms`, `3.0 s`.
pub fn time(ms: f64) -> String {
    if ms >= 1_000.0 {
        format!("{:.1} s", ms / 1e3)
    } else {
        format!("{} ms", millis(ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::seen::Millis;

    fn exchange(outcome: Outcome) -> Exchange {
        Exchange {
            asked: Variation::PlainGet,
            at_ms: Millis(0.0),
            address: "127.0.0.1:80".to_owned(),
            first_byte_ms: None,
            took_ms: Millis(3_012.0),
            outcome,
        }
    }

    #[test]
    fn outcomes_read_as_sentences() {
        let fin = Some("FIN".to_owned());
        let bytes = "SSH-2.0-x\\r\\n".to_owned();
        let answer = |status, reason: &str, body: &str| Answer {
            version: "1.1".to_owned(),
            status,
            reason: reason.to_owned(),
            body: body.to_owned(),
            ..Answer::default()
        };
        for (outcome, expected) in [
            (Outcome::NotOpened("refused".to_owned()), "TCP: refused"),
            (Outcome::NoTls(TlsProblem::Reset), "TLS: RST"),
            (Outcome::NoBytes { end: None }, "no byte in 3.0 s"),
            (
                Outcome::NoBytes { end: fin.clone() },
                "no byte, FIN after 3.0 s",
            ),
            (
                Outcome::NotHttp {
                    bytes: bytes.clone(),
                    end: fin,
                },
                "\"SSH-2.0-x\\r\\n\", then FIN",
            ),
            (
                Outcome::PartialHead { bytes, end: None },
                "half a head: \"SSH-2.0-x\\r\\n\", then silence",
            ),
            (
                Outcome::Answer(answer(101, "Switching Protocols", "")),
                "101 Switching Protocols",
            ),
            (Outcome::Answer(answer(403, "", "")), "403, no body"),
            (
                Outcome::Answer(answer(404, "Not Found", "nope")),
                "404 Not Found, body \"nope\"",
            ),
        ] {
            assert_eq!(super::outcome(&exchange(outcome)), expected);
        }
    }

    #[test]
    fn long_text_of_a_target_is_shortened_between_characters() {
        let long = "é".repeat(500);
        assert_eq!(short(&long).chars().count(), SHORT + 3);
        assert_eq!(short("short"), "short");
    }
}
