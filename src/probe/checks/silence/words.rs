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

/// How a connection without a byte went: `closed with FIN after 3 ms`, `no byte in 5.0 s`.
pub fn ending(exchange: &Exchange) -> String {
    let took = span(exchange.took_ms);
    match exchange.end() {
        None => format!("no byte in {took}"),
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
        Variation::Version99 => "the handshake with Sec-WebSocket-Version: 99".to_owned(),
        Variation::NoKey => "the handshake without Sec-WebSocket-Key".to_owned(),
        Variation::Origin(origin) => format!("the handshake with Origin: {origin}"),
        Variation::WithoutCredentials => "the handshake without credentials".to_owned(),
        Variation::WrongCredentials => {
            "the handshake with a deliberately wrong credential".to_owned()
        }
        Variation::WithoutSubprotocols => "the handshake without subprotocols".to_owned(),
        Variation::Subprotocol(name) => format!("the handshake with the subprotocol {name}"),
        Variation::Host(host) => format!("the handshake with Host: {host}"),
        Variation::ServerName(name) => format!("the handshake with the server name {name}"),
        Variation::Http10 => "the handshake as HTTP/1.0".to_owned(),
        Variation::Connect => "CONNECT".to_owned(),
    }
}

/// Evidence of one request: `an ordinary GET of the same URL: answered 200 OK in 3 ms`.
pub fn told(exchange: &Exchange) -> String {
    format!("{}: {}", request(&exchange.asked), outcome(exchange))
}

/// Evidence of all that was asked: the handshake, what went another way, and, told together, what
/// went the same way.
pub fn all_told(seen: &Seen) -> Vec<String> {
    let mut lines: Vec<_> = seen.handshake.iter().map(told).collect();
    let repeats: Vec<_> = seen.all_to(&Variation::Again).collect();
    let alike = |e: &Exchange| seen.handshake.as_ref().is_some_and(|h| silent_alike(h, e));
    let others = (seen.compared.iter()).filter(|e| e.asked != Variation::Again);
    let (same, different): (Vec<_>, Vec<_>) = others.partition(|e| alike(e));
    lines.extend(different.into_iter().map(told));
    let mut same: Vec<_> = same.iter().map(|e| request(&e.asked)).collect();
    match repeats.as_slice() {
        [] => {}
        several if several.iter().all(|e| alike(e)) => {
            same.push(format!("the same handshake {} more", times(several.len())));
        }
        [one] => lines.push(told(one)),
        several => lines.push(repeated(several)),
    }
    if !same.is_empty() {
        lines.push(format!("no byte either for {}", same.join("; ")));
    }
    lines
}

/// Both got no byte, and both were ended or both left open.
fn silent_alike(one: &Exchange, other: &Exchange) -> bool {
    one.is_mute() && other.is_mute() && one.hangs() == other.hangs()
}

fn times(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        _ => format!("{count} times"),
    }
}

/// Many handshakes in one line; those that went alike are told once, with the longest time.
fn repeated(several: &[&Exchange]) -> String {
    let mut kinds: Vec<(&Exchange, usize)> = Vec::new();
    for &one in several {
        match kinds.iter_mut().find(|(kind, _)| kind.same_as(one)) {
            Some((longest, count)) => {
                *count += 1;
                if one.took_ms.0 > longest.took_ms.0 {
                    *longest = one;
                }
            }
            None => kinds.push((one, 1)),
        }
    }
    let count = several.len();
    let told = |&(longest, times): &(&Exchange, usize)| match times {
        1 => outcome(longest),
        _ => format!("{times} times {}", outcome(longest)),
    };
    let each: Vec<_> = kinds.iter().map(told).collect();
    format!("the same handshake, {count} more: {}", each.join("; "))
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
