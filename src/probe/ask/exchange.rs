//! One request on a connection of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::time::{Duration, Instant};

use super::request::{PROXY_LINE, request};
use super::route;
use crate::probe::Settings;
use crate::probe::seen::{
    AcceptCheck, Answer, Exchange, Millis, Outcome, TEXT, Variation, escaped,
};
use crate::wire::accept_key;
use crate::wire::inspect::{End, Head, HeadError, Line, MAX_HEAD, Read, parse_head};

/// Answers up to this length are parsed at every read, in bytes: what is no HTTP is known early.
const FIRST_LINE: usize = 64;
/// Most bytes of a body that are read.
const MAX_BODY: usize = 16 * 1024;
/// Interim answers (100, 103) that are skipped before the one that counts.
const MAX_INTERIM: usize = 8;
/// How long a protocol that speaks first is listened for.
const LISTEN: Duration = Duration::from_millis(1_500);
/// How long the rest of a body and an ending are waited for, once the head is there.
const BODY_WAIT: Duration = Duration::from_millis(300);
/// How long an ending is waited for behind a whole body.
const END_WAIT: Duration = Duration::from_millis(30);

/// A way to the target that works: every further connection goes along it.
#[derive(Clone, Debug)]
pub struct Path<'a> {
    /// The question.
    pub settings: &'a Settings,
    /// The target's address, or the forward proxy's.
    pub address: SocketAddr,
    /// The start of the probe.
    pub started: Instant,
    /// Connections after a 101 that are open now.
    pub open: OpenCount,
}

/// How many connections are open, for limits on their number.
#[derive(Clone, Debug, Default)]
pub struct OpenCount(Arc<AtomicU32>);

impl OpenCount {
    /// How many.
    pub fn now(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// One more, until what is given is dropped.
    pub fn one_more(&self) -> Counted {
        self.0.fetch_add(1, Ordering::Relaxed);
        Counted(self.0.clone())
    }
}

/// Counts as an open connection while it lives.
#[derive(Debug)]
pub struct Counted(Arc<AtomicU32>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection after a good 101.
#[derive(Debug)]
pub struct Upgraded {
    /// Carries frames from here on.
    pub line: Line,
    /// Bytes that came behind the head: the first frames.
    pub leftover: Vec<u8>,
    /// When the 101 was whole.
    pub since: Instant,
    /// Kept with the line.
    pub counted: Counted,
}

impl Path<'_> {
    /// Asks once and closes the connection, whatever comes.
    pub async fn ask(&self, variation: Variation, deadline: Instant) -> Exchange {
        let (exchange, open) = self.ask_and_keep(variation, deadline).await;
        if let Some(mut open) = open {
            open.line.finish(deadline).await;
        }
        exchange
    }

    /// Asks once; a connection that is a WebSocket now is kept.
    pub async fn ask_and_keep(
        &self,
        variation: Variation,
        deadline: Instant,
    ) -> (Exchange, Option<Upgraded>) {
        let started = Instant::now();
        let mut exchange = Exchange {
            at_ms: Millis::from(started - self.started),
            address: self.address.to_string(),
            first_byte_ms: None,
            took_ms: Millis::default(),
            outcome: Outcome::NoBytes { end: None },
            asked: variation,
        };
        let (line, before) = self.line(&exchange.asked, deadline).await;
        let (outcome, open) = match line {
            Ok(line) => self.converse(line, before, &mut exchange, deadline).await,
            Err(outcome) => (outcome, None),
        };
        exchange.outcome = outcome;
        exchange.took_ms = Millis::from(started.elapsed());
        (exchange, open)
    }

    /// A connection, and what goes before the request on it. A PROXY line goes before TLS only where
    /// TLS does not come up without.
    async fn line(&self, asked: &Variation, deadline: Instant) -> (Result<Line, Outcome>, &str) {
        let line = route::line(self, asked, deadline).await;
        match (&line, asked) {
            (Ok(_), Variation::ProxyProtocol) => (line, PROXY_LINE),
            (Err(Outcome::NoTls(_)), Variation::ProxyProtocol) => {
                (route::line_behind_proxy_line(self, deadline).await, "")
            }
            _ => (line, ""),
        }
    }

    async fn converse(
        &self,
        mut line: Line,
        before: &str,
        exchange: &mut Exchange,
        deadline: Instant,
    ) -> (Outcome, Option<Upgraded>) {
        let key = STANDARD.encode(fastrand::u128(..).to_ne_bytes());
        let mut bytes = before.as_bytes().to_vec();
        bytes.extend(request(self.settings, &exchange.asked, &key));
        let deadline = match exchange.asked {
            Variation::Listen => deadline.min(Instant::now() + LISTEN),
            _ => deadline,
        };
        let mut received = Vec::new();
        let (head, end) = head(&mut line, &bytes, &mut received, exchange, deadline).await;
        let head = match head {
            Ok(head) => head,
            Err(error) => return (no_head(error, &received, end), None),
        };
        let since = Instant::now();
        let mut answer = answer(&head, &key);
        if head.status == 101 {
            let leftover = received.split_off(head.length);
            let open = Upgraded {
                line,
                leftover,
                since,
                counted: self.open.one_more(),
            };
            return (Outcome::Answer(answer), Some(open));
        }
        body(&mut line, &mut received, &head, &mut answer, deadline).await;
        (Outcome::Answer(answer), None)
    }
}

/// Sends `bytes` and reads the head of the answer into `received`; what is left there starts with it.
pub(super) async fn head(
    line: &mut Line,
    bytes: &[u8],
    received: &mut Vec<u8>,
    exchange: &mut Exchange,
    deadline: Instant,
) -> (Result<Head, HeadError>, Option<String>) {
    let sent = Instant::now();
    // Whatever ended the sending, bytes may have come before it.
    let refused = line.send(bytes, deadline).await.err();
    let mut interim = 0;
    let mut skipped = Vec::new();
    let mut parsed = 0;
    // Where no answer follows, those before it are what came.
    let fail = |error, skipped: Vec<u8>, received: &mut Vec<u8>, end| {
        received.splice(..0, skipped);
        (Err(error), end)
    };
    loop {
        match line.read(received, deadline).await {
            Read::Bytes(_) => {
                let now = Millis::from(sent.elapsed());
                exchange.first_byte_ms.get_or_insert(now);
            }
            Read::Ended(how) => {
                // A reset that the sending met is not told again: reading sees a plain end.
                let reset = refused.filter(|_| received.is_empty() && how == End::Fin);
                let how = words(&reset.unwrap_or(how));
                return fail(HeadError::Incomplete, skipped, received, Some(how));
            }
            Read::TimedOut => return fail(HeadError::Incomplete, skipped, received, None),
        }
        // A head that comes byte by byte is not parsed anew for each of them.
        let early = parsed == 0 || received.len() <= FIRST_LINE;
        while early || received[parsed..].contains(&b'\n') || received.len() >= MAX_HEAD {
            match parse_head(received) {
                Ok(head) if is_interim(head.status) => {
                    skipped = received.drain(..head.length).collect();
                    (interim, parsed) = (interim + 1, 0);
                    if interim > MAX_INTERIM {
                        return fail(HeadError::Incomplete, skipped, received, None);
                    }
                }
                Ok(head) => return (Ok(head), None),
                Err(HeadError::NotHttp) => {
                    return fail(HeadError::NotHttp, skipped, received, None);
                }
                Err(HeadError::Incomplete) => break,
            }
        }
        parsed = received.len();
    }
}

/// An answer before the answer (RFC 9110 15.2); 101 is the last one.
fn is_interim(status: u16) -> bool {
    (100..200).contains(&status) && status != 101
}

/// What came instead of a head.
pub(super) fn no_head(error: HeadError, received: &[u8], end: Option<String>) -> Outcome {
    let bytes = escaped(received, TEXT);
    match error {
        _ if received.is_empty() => Outcome::NoBytes { end },
        HeadError::NotHttp => Outcome::NotHttp { bytes, end },
        HeadError::Incomplete if received.starts_with(b"HTTP/") => {
            Outcome::PartialHead { bytes, end }
        }
        HeadError::Incomplete => Outcome::NotHttp { bytes, end },
    }
}

/// A head as it is kept; `key` is the one sent.
pub(super) fn answer(head: &Head, key: &str) -> Answer {
    let mut answer = Answer {
        version: format!("1.{}", head.minor),
        status: head.status,
        reason: escaped(head.reason.as_bytes(), TEXT),
        headers: (head.headers.iter())
            .map(|(name, value)| (name.to_ascii_lowercase(), shown(name, value)))
            .collect(),
        ..Answer::default()
    };
    let accept = head
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-accept"));
    answer.accept = match accept {
        None => AcceptCheck::Missing,
        Some((_, value)) if *value == accept_key(key) => AcceptCheck::Right,
        Some(_) => AcceptCheck::Wrong,
    };
    answer
}

/// A header's value, escaped; a cookie keeps its name alone.
fn shown(name: &str, value: &str) -> String {
    if name.eq_ignore_ascii_case("set-cookie") {
        let cookie = value.split('=').next().unwrap_or_default();
        return format!("{}=...", escaped(cookie.as_bytes(), TEXT));
    }
    if name.eq_ignore_ascii_case("location") {
        // A query may carry a token, ours among them.
        let place = value
            .split_once('?')
            .map(|(place, _)| format!("{place}?..."));
        return escaped(place.as_deref().unwrap_or(value).as_bytes(), TEXT);
    }
    escaped(value.as_bytes(), TEXT)
}

/// Reads what comes of the body soon, and how the connection ends.
async fn body(
    line: &mut Line,
    received: &mut Vec<u8>,
    head: &Head,
    answer: &mut Answer,
    deadline: Instant,
) {
    let length = answer.header("content-length");
    let announced: Option<usize> = length.and_then(|text| text.trim().parse().ok());
    let whole = |received: &[u8]| announced.is_some_and(|l| received.len() - head.length >= l);
    let mut until = deadline.min(Instant::now() + BODY_WAIT);
    while received.len() - head.length < MAX_BODY {
        if whole(received) {
            // An ending that belongs to it comes at once or not at all.
            until = until.min(Instant::now() + END_WAIT);
        }
        match line.read(received, until).await {
            Read::Bytes(_) => {}
            Read::Ended(how) => {
                answer.end = Some(words(&how));
                break;
            }
            Read::TimedOut => break,
        }
    }
    let body = &received[head.length..];
    answer.body_bytes = body.len();
    answer.body = escaped(body, TEXT);
}

/// An ending in the words that all observations use.
pub fn words(end: &End) -> String {
    match end {
        End::Fin => "FIN".to_owned(),
        End::CloseNotify => "close_notify".to_owned(),
        End::Reset => "RST".to_owned(),
        End::Alert(alert) => format!("alert {alert}"),
        End::Other(text) => escaped(text.as_bytes(), TEXT),
    }
}
