//! Which requests decide when no HTTP answer came, when a 101 is broken, when it came late.
//!
//! The first batch asks what costs nothing: an ordinary GET, the other scheme, a PROXY protocol
//! line, the same once more, nothing at all. The second depends on who answered. Whatever lands in
//! error logs as garbage is asked last.

use crate::probe::seen::{Answer, Exchange, Outcome, Route, Seen, TlsProblem, Variation};

/// Where Engine.IO, on which Socket.IO stands, answers a plain GET of anybody.
pub const ENGINE_IO: &str = "/socket.io/?EIO=4&transport=polling";
/// Handshakes made anew where one got no answer and another opened: enough to see a period of two
/// or three.
pub const REPEATS: usize = 5;
/// The same where nothing opened yet.
pub const PATIENT_REPEATS: usize = 3;
/// A handshake that takes longer is made again: a cold start is slow once. In milliseconds.
pub const LATE_MS: f64 = 1_000.0;

/// What to ask next; empty when nothing would decide.
pub fn next(seen: &Seen) -> Vec<Variation> {
    let Some(handshake) = &seen.handshake else {
        return without_route(seen);
    };
    match &handshake.outcome {
        Outcome::NoBytes { end } if !seen.wants_tls() => no_byte(seen, end.is_some()),
        Outcome::NotHttp { .. } if seen.asked.secure => new(seen, [Variation::PlainGet]),
        Outcome::NotHttp { .. } => {
            use Variation::{Listen, OtherScheme, PlainGet};
            new(seen, [Listen, PlainGet, OtherScheme])
        }
        Outcome::PartialHead { .. } => new(seen, [Variation::Again, Variation::PlainGet]),
        Outcome::Answer(answer) if answer.status == 101 && suspicious(handshake, answer) => {
            new(seen, [Variation::Again])
        }
        _ => Vec::new(),
    }
}

/// TLS was closed or left silent at the first byte: something may have to come before it.
fn without_route(seen: &Seen) -> Vec<Variation> {
    let ended = |route: &Route| {
        let problem = route.tls.as_ref().and_then(|tls| tls.problem.as_ref());
        use TlsProblem::{Closed, Reset};
        matches!(problem, Some(Closed | Reset))
    };
    if seen.routes.iter().any(ended) {
        return new(seen, [Variation::ProxyProtocol]);
    }
    Vec::new()
}

fn suspicious(handshake: &Exchange, answer: &Answer) -> bool {
    let late = handshake.first_byte_ms.is_some_and(|ms| ms.0 >= LATE_MS);
    late || !answer.is_upgrade()
}

fn no_byte(seen: &Seen, ended: bool) -> Vec<Variation> {
    let mut first = vec![Variation::PlainGet, Variation::ProxyProtocol];
    if !seen.asked.secure {
        first.push(Variation::OtherScheme);
    }
    if ended {
        first.push(Variation::Listen);
        // One after the other: where one of two or three servers is dead, one of them opens.
        first.extend(repeated(seen, PATIENT_REPEATS));
    }
    let asked = |v: &Variation| *v != Variation::Again && seen.to(v).is_some();
    first.retain(|v| !asked(v));
    if !first.is_empty() {
        return first;
    }
    if seen
        .to(&Variation::ProxyProtocol)
        .is_some_and(Exchange::is_upgrade)
    {
        return Vec::new();
    }
    let get_spoke = seen.to(&Variation::PlainGet).is_some_and(Exchange::spoke);
    let again_spoke = seen.all_to(&Variation::Again).any(Exchange::spoke);
    match (get_spoke, ended) {
        (_, true) if again_spoke => repeated(seen, REPEATS),
        (true, true) => new(seen, other_doors(seen)),
        (true, false) => repeated(seen, PATIENT_REPEATS),
        (false, true) => new(seen, other_requests(seen)),
        (false, false) => new(seen, [Variation::Garbage, Variation::Again]),
    }
}

/// The upgrade is closed where a GET is answered: by the path, by what is sent along, or by all.
fn other_doors(seen: &Seen) -> Vec<Variation> {
    let mut doors = vec![Variation::GetPath(ENGINE_IO.to_owned())];
    if seen.asked.path != "/" {
        doors.push(Variation::Path("/".to_owned()));
    }
    if seen.asked.origin.is_some() {
        doors.push(Variation::WithoutOrigin);
    }
    if !seen.asked.headers.is_empty() {
        doors.push(Variation::WithoutHeaders);
    }
    doors
}

/// Every request is closed: is it this one, or all? The last lands in error logs.
fn other_requests(seen: &Seen) -> Vec<Variation> {
    let mut others = Vec::new();
    if seen.asked.path != "/" {
        others.push(Variation::GetPath("/".to_owned()));
    }
    if !seen.asked.headers.is_empty() {
        others.push(Variation::WithoutHeaders);
    }
    others.push(Variation::Garbage);
    others
}

/// Those that were not asked yet.
fn new(seen: &Seen, wanted: impl IntoIterator<Item = Variation>) -> Vec<Variation> {
    let asked = |v: &Variation| seen.to(v).is_some();
    wanted.into_iter().filter(|v| !asked(v)).collect()
}

/// The same handshake until it was made `wanted` times more.
fn repeated(seen: &Seen, wanted: usize) -> Vec<Variation> {
    let made = seen.all_to(&Variation::Again).count();
    vec![Variation::Again; wanted.saturating_sub(made)]
}
