//! Which requests decide when an HTTP answer came that is no 101.
//!
//! First those that tell whether the handshake's headers arrived at all (an ordinary GET, version 99,
//! no key) and whether the path, the Host or the Origin matter; then those for a suspicion that the
//! first ones left. A redirect or a 429 says enough by itself.

use super::scheme;
use super::silence::ENGINE_IO;
use crate::probe::fingerprint;
use crate::probe::seen::{Answer, Exchange, Seen, Variation};

/// A path that nobody serves.
pub const NO_PATH: &str = "/wsbench-probe-no-such-path";
/// A host that nobody is (RFC 6761 6.4).
pub const NO_HOST: &str = "wsbench-probe.invalid";
/// Headers of the user smaller than this are not why a request is too large, in bytes.
pub const LARGE_HEADERS: usize = 900;

/// What to ask next; empty when nothing would decide.
pub fn next(seen: &Seen) -> Vec<Variation> {
    let Some(answer) = seen.answer() else {
        return Vec::new();
    };
    let wanted = match answer.status {
        101 => with_an_open_path(seen),
        300..400 | 407 | 429 => Vec::new(),
        // TLS, or the lack of it, is another's question.
        400 if !seen.asked.secure && scheme::speaks_of_tls(answer) => Vec::new(),
        _ => {
            let first = first(seen, answer);
            if first.iter().any(|v| is_new(seen, v)) {
                first
            } else {
                second(seen, answer)
            }
        }
    };
    wanted.into_iter().filter(|v| is_new(seen, v)).collect()
}

fn is_new(seen: &Seen, variation: &Variation) -> bool {
    *variation == Variation::Again || seen.to(variation).is_none()
}

/// A subprotocol that was offered and not taken: is it the server that ignores it?
fn with_an_open_path(seen: &Seen) -> Vec<Variation> {
    let Some(answer) = seen.answer().filter(|answer| answer.is_upgrade()) else {
        return Vec::new();
    };
    let offered = !seen.asked.subprotocols.is_empty();
    if offered && answer.header("sec-websocket-protocol").is_none() {
        return vec![Variation::WithoutSubprotocols];
    }
    Vec::new()
}

fn first(seen: &Seen, answer: &Answer) -> Vec<Variation> {
    let mut wanted = vec![Variation::PlainGet, Variation::Version99];
    if answer.status >= 500 {
        return wanted;
    }
    wanted.extend([Variation::NoKey, Variation::Path(NO_PATH.to_owned())]);
    if seen.asked.path != "/" {
        wanted.push(Variation::Path("/".to_owned()));
    }
    wanted.extend(other_slash(&seen.asked.path).map(Variation::Path));
    if matches!(answer.status, 400 | 401 | 403) {
        wanted.push(match &seen.asked.origin {
            Some(_) => Variation::WithoutOrigin,
            None => Variation::Origin(own_origin(seen)),
        });
        if !seen.asked.credentials.is_empty() {
            wanted.extend([Variation::WithoutCredentials, Variation::WrongCredentials]);
        }
    }
    if matches!(answer.status, 200 | 404 | 421) {
        wanted.push(Variation::Host(NO_HOST.to_owned()));
    }
    wanted
}

/// The path with a slash at its end, or without the one it has. `None` for the root.
pub fn other_slash(path: &str) -> Option<String> {
    match path.strip_suffix('/') {
        Some("") => None,
        Some(bare) => Some(bare.to_owned()),
        None => Some(format!("{path}/")),
    }
}

/// The origin of a page on the target itself.
pub fn own_origin(seen: &Seen) -> String {
    let (scheme, usual) = if seen.asked.secure {
        ("https", 443)
    } else {
        ("http", 80)
    };
    let host = match seen.asked.host.contains(':') {
        true => format!("[{}]", seen.asked.host),
        false => seen.asked.host.clone(),
    };
    match seen.asked.port {
        port if port == usual => format!("{scheme}://{host}"),
        port => format!("{scheme}://{host}:{port}"),
    }
}

fn second(seen: &Seen, answer: &Answer) -> Vec<Variation> {
    let mut wanted = Vec::new();
    let large = matches!(answer.status, 400 | 413 | 414 | 431 | 494 | 500..=520);
    if large && seen.asked.header_bytes >= LARGE_HEADERS {
        wanted.push(Variation::WithoutHeaders);
    }
    if matches!(answer.status, 400 | 403 | 404) {
        wanted.push(Variation::GetPath(ENGINE_IO.to_owned()));
    }
    // May pass in a moment: a limit by time, one bad server of several.
    let again = seen.all_to(&Variation::Again).count();
    if matches!(answer.status, 500 | 502 | 503) && again < 3 {
        wanted.extend(vec![Variation::Again; 3 - again]);
    }
    // Names who reads first, where nobody did so far; it lands in an error log, so it is asked last.
    let identical = seen
        .to(&Variation::PlainGet)
        .is_some_and(|get| same(get, answer));
    let named = !fingerprint::products(seen).is_empty();
    let rest = wanted.iter().all(|v| !is_new(seen, v));
    if rest && identical && !named && matches!(answer.status, 200 | 400..=404 | 426 | 500..=504) {
        wanted.push(Variation::Garbage);
    }
    wanted
}

fn same(exchange: &Exchange, answer: &Answer) -> bool {
    exchange.answer().is_some_and(|other| other.same_as(answer))
}
