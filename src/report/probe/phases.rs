//! From the name to the first frame, one phase after the other, for every address.
//!
//! A phase that was not reached has no row.

use super::words::{self, time};
use crate::probe::seen::{
    Answer, Certificate, Exchange, Outcome, Reply, Route, Seen, Session, TlsSeen,
};

/// Headers of an answer that a reader wants to see.
const TELLING: [&str; 9] = [
    "server",
    "via",
    "location",
    "retry-after",
    "www-authenticate",
    "proxy-authenticate",
    "sec-websocket-version",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
];

/// One phase.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// `resolve`, `tcp`, `tls`, `upgrade`, `first frame`.
    pub name: &'static str,
    /// From the start, in ms.
    pub start_ms: f64,
    /// In ms.
    pub took_ms: f64,
    /// What came of it.
    pub detail: String,
    /// More of it, a line each.
    pub more: Vec<String>,
}

/// The way to one address.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    /// `address:port`.
    pub address: String,
    /// In order.
    pub phases: Vec<Phase>,
}

/// All phases.
#[derive(Clone, Debug, PartialEq)]
pub struct Waterfall {
    /// When a resolver was asked.
    pub resolve: Option<Phase>,
    /// One an address.
    pub ways: Vec<Way>,
}

impl Waterfall {
    /// When the last phase ended, in ms.
    pub fn length_ms(&self) -> f64 {
        let all = self.ways.iter().flat_map(|way| &way.phases);
        let ends = all.chain(&self.resolve).map(|p| p.start_ms + p.took_ms);
        ends.fold(0.0, f64::max)
    }
}

/// The phases of what was seen.
pub fn waterfall(seen: &Seen) -> Waterfall {
    let resolve = resolve(seen);
    let start = resolve.as_ref().map_or(0.0, |phase| phase.took_ms);
    let ways = seen.routes.iter().map(|route| way(seen, route, start));
    Waterfall {
        ways: ways.collect(),
        resolve,
    }
}

fn resolve(seen: &Seen) -> Option<Phase> {
    let resolved = &seen.resolved;
    let took = resolved.took_ms?;
    let detail = match &resolved.error {
        Some(error) => words::short(error),
        None => {
            let hosts: Vec<_> = resolved.addresses.iter().map(|a| host(a)).collect();
            hosts.join(", ")
        }
    };
    Some(Phase {
        name: "resolve",
        start_ms: 0.0,
        took_ms: took.0,
        detail,
        more: Vec::new(),
    })
}

/// `address:port` without the port.
fn host(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

fn way(seen: &Seen, route: &Route, start: f64) -> Way {
    let mut way = Way {
        address: route.address.clone(),
        phases: Vec::new(),
    };
    let mut at = start;
    let mut add = |name, took_ms: f64, detail, more| {
        way.phases.push(Phase {
            name,
            start_ms: at,
            took_ms,
            detail,
            more,
        });
        at += took_ms;
    };
    match (&route.tcp, &route.fault) {
        (Some(tcp), _) => {
            let detail = match tcp.syn_resends {
                0 => "open".to_owned(),
                n => format!("open, {n} SYN sent again"),
            };
            add("tcp", tcp.took_ms.0, detail, Vec::new());
        }
        (None, Some(fault)) => add("tcp", route.took_ms.0, words::short(fault), Vec::new()),
        (None, None) => {}
    }
    if let Some(tls) = &route.tls {
        let more = match shown_before(seen, route) {
            true => vec!["shows the same as above".to_owned()],
            false => certificate(seen.asked.at, tls).into_iter().collect(),
        };
        add("tls", tls.took_ms.0, tls_detail(tls), more);
    }
    let here = |exchange: &&Exchange| exchange.address == route.address;
    if let Some(connect) = seen.connect.as_ref().filter(here) {
        let (detail, more) = answered(connect);
        add("connect", length(connect), detail, more);
    }
    if let Some(handshake) = seen.handshake.as_ref().filter(here) {
        if let Outcome::NotOpened(_) | Outcome::NoTls(_) = handshake.outcome {
            return way;
        }
        let (detail, more) = answered(handshake);
        add("upgrade", length(handshake), detail, more);
        if let Some((took, detail)) = seen.session.as_ref().and_then(first_frame) {
            add("first frame", took, detail, Vec::new());
        }
    }
    way
}

/// Whether an address above shows the same chain.
fn shown_before(seen: &Seen, route: &Route) -> bool {
    let chain = |route: &Route| route.tls.as_ref().map(|tls| tls.chain.clone());
    let above = seen.routes.iter();
    let mut above = above.take_while(|other| other.address != route.address);
    let own = chain(route).filter(|chain| !chain.is_empty());
    own.is_some() && above.any(|other| chain(other) == own)
}

/// To the first byte, or as long as it was waited for.
fn length(exchange: &Exchange) -> f64 {
    exchange.first_byte_ms.unwrap_or(exchange.took_ms).0
}

fn tls_detail(tls: &TlsSeen) -> String {
    if let Some(problem) = &tls.problem {
        return words::tls_problem(problem);
    }
    let alpn = tls.alpn.as_ref().map(|alpn| format!("ALPN {alpn}"));
    let parts = [tls.version.clone(), tls.cipher.clone(), alpn];
    let mut text = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    if tls.client_certificate_asked {
        text += ", asks for a client certificate";
    }
    text
}

/// The server's own, in a line.
fn certificate(now: i64, tls: &TlsSeen) -> Option<String> {
    let own = tls.chain.first()?;
    let issuer = if own.self_issued {
        "issued by itself".to_owned()
    } else {
        format!("issued by {}", words::short(&own.issuer))
    };
    let chain = match tls.chain.len() - 1 {
        0 => String::new(),
        1 => ", 1 more in the chain".to_owned(),
        n => format!(", {n} more in the chain"),
    };
    Some(format!(
        "for {}, {issuer}, {}, {}{chain}",
        names(own),
        own.key,
        validity(own, now)
    ))
}

/// At most three names.
fn names(certificate: &Certificate) -> String {
    if certificate.names.is_empty() {
        return words::short(&certificate.subject);
    }
    let shown: Vec<_> = certificate
        .names
        .iter()
        .take(3)
        .map(String::as_str)
        .collect();
    let more = certificate.names.len() - shown.len();
    let mut text = words::short(&shown.join(", "));
    if more > 0 {
        text += &format!(" and {more} more");
    }
    text
}

fn validity(certificate: &Certificate, now: i64) -> String {
    const DAY: i64 = 86_400;
    let (from, until) = (certificate.not_before, certificate.not_after);
    if now < from {
        return format!("valid from {} on", date(from));
    }
    match until.saturating_sub(now) {
        left if left < 0 => format!("valid until {}, {} days ago", date(until), -left / DAY),
        left => format!("valid until {}, {} days left", date(until), left / DAY),
    }
}

/// `2026-11-25`.
pub fn date(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds);
    time.map_or_else(
        |_| format!("{seconds} s"),
        |t| t.strftime("%Y-%m-%d").to_string(),
    )
}

/// The status, and the headers that tell something.
fn answered(exchange: &Exchange) -> (String, Vec<String>) {
    let Some(answer) = exchange.answer() else {
        return (words::outcome(exchange), Vec::new());
    };
    let status = format!("{} {}", answer.status, words::short(answer.reason.trim()));
    (status.trim_end().to_owned(), telling(answer))
}

fn telling(answer: &Answer) -> Vec<String> {
    let shown = answer.headers.iter();
    let shown = shown.filter(|(name, _)| TELLING.contains(&name.as_str()));
    let parts: Vec<_> = shown
        .map(|(name, value)| format!("{name}: {}", words::short(value)))
        .collect();
    if parts.is_empty() {
        return Vec::new();
    }
    vec![parts.join("; ")]
}

/// How long it took and what it was: one that came unasked, or the answer to the first that was sent.
fn first_frame(session: &Session) -> Option<(f64, String)> {
    if let Some(frame) = session.unasked.first() {
        let detail = match session.ended.as_ref().filter(|_| frame.opcode == "close") {
            Some(ended) => format!("{}, unasked", words::ended(ended)),
            None => {
                let start = words::quoted(&frame.start);
                format!("{}, {} bytes, unasked: {start}", frame.opcode, frame.bytes)
            }
        };
        return Some((frame.at_ms.0, detail));
    }
    let came = |reply: &Reply| {
        matches!(
            reply,
            Reply::Pong | Reply::WrongPong | Reply::Echo | Reply::Message(_) | Reply::Close
        )
    };
    let step = session.steps.iter().find(|step| came(&step.reply))?;
    let (reply, sent) = (words::reply(&step.reply), words::step(&step.kind));
    let quiet = match session.quiet_ms.0 {
        quiet if quiet > 0.0 => format!("; none came unasked in {}", time(quiet)),
        _ => String::new(),
    };
    Some((step.took_ms.0, format!("{reply} to our {sent}{quiet}")))
}
