//! Requests that tell whether the port speaks TLS, and to whom.

use crate::probe::seen::{Answer, Outcome, Seen, TlsProblem, Variation};

/// What to ask next; empty when nothing would decide.
pub fn next(seen: &Seen) -> Vec<Variation> {
    let wanted = match &seen.handshake {
        None if seen.asked.secure => without_tls(seen),
        Some(exchange) if !seen.asked.secure => match &exchange.outcome {
            Outcome::NoBytes { .. } | Outcome::NotHttp { .. } => vec![Variation::OtherScheme],
            Outcome::Answer(answer) if speaks_of_tls(answer) => vec![Variation::OtherScheme],
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    let fresh = |variation: &Variation| seen.to(variation).is_none();
    wanted.into_iter().filter(fresh).collect()
}

/// A 400 that says something of TLS: nginx, Apache, Go servers (Caddy, Traefik) all do when a plain
/// request comes to a TLS port, each in its own words.
pub fn speaks_of_tls(answer: &Answer) -> bool {
    let text = format!("{} {}", answer.reason, answer.body).to_ascii_lowercase();
    let words = ["https", "ssl", "tls"];
    answer.status == 400 && words.iter().any(|word| text.contains(word))
}

/// TLS came up on no address.
fn without_tls(seen: &Seen) -> Vec<Variation> {
    let mut wanted = Vec::new();
    for problem in problems(seen) {
        match problem {
            TlsProblem::NotTls(_)
            | TlsProblem::Closed
            | TlsProblem::Reset
            | TlsProblem::TimedOut => wanted.push(Variation::OtherScheme),
            // An address is no name, so no name is sent: the default certificate answers, if any.
            TlsProblem::Alert(_) if seen.asked.host.parse::<std::net::IpAddr>().is_err() => {
                wanted.push(Variation::ServerName(NO_NAME.to_owned()));
            }
            _ => {}
        }
    }
    wanted.dedup();
    wanted
}

/// Stands for "no name": an address is never sent as SNI (RFC 6066 3).
pub const NO_NAME: &str = "127.0.0.1";

/// Why TLS did not come up, for each address whose TCP opened.
pub fn problems(seen: &Seen) -> impl Iterator<Item = &TlsProblem> {
    let tls = seen.routes.iter().filter_map(|route| route.tls.as_ref());
    tls.filter_map(|tls| tls.problem.as_ref())
}
