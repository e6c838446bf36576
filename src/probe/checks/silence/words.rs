//! Observations in words.

use crate::probe::ask::compare::silence::ENGINE_IO;
use crate::probe::seen::{Exchange, Millis, Outcome, Seen, TlsProblem, Variation};

/// `4 ms`, `3.0 s`.
pub fn span(Millis(ms): Millis) -> String {
    match ms {
        ms if ms < 1.0 => "less than 1 ms".to_owned(),
        ms if ms < 1_000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1e3),
    }
}

/// How a connection without a byte went: `closed with FIN after 3 ms`, `silent for 5.0 s`.
pub fn ending(exchange: &Exchange) -> String {
    let took = span(exchange.took_ms);
    match exchange.end() {
        None => format!("no byte in {took}, then we stopped waiting"),
        Some("FIN") => format!("closed with FIN after {took}, without a byte"),
        Some("RST") => format!("reset with RST after {took}, without a byte"),
        Some(end) => format!("ended with {end} after {took}, without a byte"),
    }
}

/// What came of a request, in one line.
pub fn outcome(exchange: &Exchange) -> String {
    match &exchange.outcome {
        Outcome::Answer(answer) => {
            let reason = match answer.reason.is_empty() {
                true => String::new(),
                false => format!(" {}", answer.reason),
            };
            let server = match answer.header("server") {
                Some(server) => format!(" (Server: {server})"),
                None => String::new(),
            };
            // Not how long a body and an ending were waited for.
            let took = span(exchange.first_byte_ms.unwrap_or(exchange.took_ms));
            format!("answered {}{reason}{server} in {took}", answer.status)
        }
        Outcome::NoBytes { .. } => ending(exchange),
        Outcome::NotHttp { bytes, .. } => format!("bytes that are no HTTP: \"{}\"", brief(bytes)),
        Outcome::PartialHead { bytes, .. } => {
            format!(
                "the start of an HTTP head, never finished: \"{}\"",
                brief(bytes)
            )
        }
        Outcome::NotOpened(why) if why == "refused" => "the connection was not accepted".to_owned(),
        Outcome::NotOpened(why) => format!("the connection did not open: {why}"),
        Outcome::NoTls(problem) => format!("no TLS: {}", tls(problem)),
    }
}

fn tls(problem: &TlsProblem) -> String {
    match problem {
        TlsProblem::Alert(alert) => format!("alert {alert}"),
        TlsProblem::NotTls(_) => "plain text came back".to_owned(),
        TlsProblem::Closed => "closed with FIN".to_owned(),
        TlsProblem::Reset => "reset with RST".to_owned(),
        TlsProblem::TimedOut => "no answer to the ClientHello".to_owned(),
        TlsProblem::Other(text) => text.clone(),
    }
}

/// The request of a variation, as a reader knows it.
fn request(variation: &Variation) -> String {
    match variation {
        Variation::Handshake => "the handshake".to_owned(),
        Variation::Again => "the same handshake again".to_owned(),
        Variation::PlainGet => "an ordinary GET of the same URL".to_owned(),
        Variation::GetPath(path) if path == ENGINE_IO => {
            "an ordinary GET of Socket.IO's own path".to_owned()
        }
        Variation::GetPath(path) => format!("an ordinary GET of {path}"),
        Variation::Path(path) => format!("the handshake for the path {path}"),
        Variation::OtherScheme => "a TLS ClientHello on the same port".to_owned(),
        Variation::ProxyProtocol => "the handshake behind a PROXY protocol v1 line".to_owned(),
        Variation::Garbage => "a malformed request line".to_owned(),
        Variation::Listen => "a connection on which nothing is sent".to_owned(),
        Variation::WithoutOrigin => "the handshake without Origin".to_owned(),
        Variation::WithoutHeaders => "the handshake without your own headers".to_owned(),
        other => format!("the handshake changed ({other:?})"),
    }
}

/// Evidence of one request: `an ordinary GET of the same URL: answered 200 OK in 3 ms`.
pub fn told(exchange: &Exchange) -> String {
    format!("{}: {}", request(&exchange.asked), outcome(exchange))
}

/// Evidence of all that was asked: the handshake, then the others, repeats counted together.
pub fn all_told(seen: &Seen) -> Vec<String> {
    let repeats: Vec<_> = seen.all_to(&Variation::Again).collect();
    let mut lines: Vec<_> = seen.handshake.iter().map(told).collect();
    let others = seen.compared.iter();
    lines.extend(others.filter(|e| e.asked != Variation::Again).map(told));
    match repeats.as_slice() {
        [] => {}
        [one] => lines.push(told(one)),
        several => {
            let each: Vec<_> = several.iter().map(|e| outcome(e)).collect();
            let count = several.len();
            lines.push(format!(
                "the same handshake {count} times more: {}",
                each.join("; ")
            ));
        }
    }
    lines
}

/// The first of bytes that are escaped already; an escape is not cut in two.
pub fn brief(escaped: &str) -> String {
    const MOST: usize = 80;
    match escaped.char_indices().nth(MOST) {
        None => escaped.to_owned(),
        Some((at, _)) => {
            let cut = escaped[..at]
                .rfind('\\')
                .filter(|b| at - b < 10)
                .unwrap_or(at);
            format!("{}...", &escaped[..cut])
        }
    }
}
