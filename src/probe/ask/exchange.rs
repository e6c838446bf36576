//! One request on a connection of its own.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::time::{Duration, Instant};

use super::request::request;
use super::route;
use crate::probe::Settings;
use crate::probe::seen::{
    AcceptCheck, Answer, Exchange, Millis, Outcome, TEXT, Variation, escaped,
};
use crate::wire::accept_key;
use crate::wire::inspect::{End, Head, HeadError, Line, Read, parse_head};

/// Most bytes of a body that are read.
const MAX_BODY: usize = 16 * 1024;
/// How long the rest of a body and an ending are waited for, once the head is there.
const BODY_WAIT: Duration = Duration::from_millis(300);

/// A way to the target that works: every further connection goes along it.
#[derive(Clone, Debug)]
pub struct Path<'a> {
    /// The question.
    pub settings: &'a Settings,
    /// The target's address, or the forward proxy's.
    pub address: SocketAddr,
    /// The start of the probe.
    pub started: Instant,
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
        let (outcome, open) = match route::line(self, &exchange.asked, deadline).await {
            Ok(line) => self.converse(line, &mut exchange, deadline).await,
            Err(outcome) => (outcome, None),
        };
        exchange.outcome = outcome;
        exchange.took_ms = Millis::from(started.elapsed());
        (exchange, open)
    }

    async fn converse(
        &self,
        mut line: Line,
        exchange: &mut Exchange,
        deadline: Instant,
    ) -> (Outcome, Option<Upgraded>) {
        let key = STANDARD.encode(fastrand::u128(..).to_ne_bytes());
        let bytes = request(self.settings, &exchange.asked, &key);
        let sent = Instant::now();
        // Whatever ended the sending, bytes may have come before it.
        let _ = line.send(&bytes, deadline).await;
        let mut received = Vec::new();
        let mut end = None;
        let head = loop {
            match parse_head(&received) {
                Ok(head) => break Ok(head),
                Err(HeadError::NotHttp) => break Err(HeadError::NotHttp),
                Err(HeadError::Incomplete) => {}
            }
            match line.read(&mut received, deadline).await {
                Read::Bytes(_) => {
                    let first = exchange.first_byte_ms.take();
                    let now = Millis::from(sent.elapsed());
                    exchange.first_byte_ms = Some(first.unwrap_or(now));
                }
                Read::Ended(how) => {
                    end = Some(words(&how));
                    break Err(HeadError::Incomplete);
                }
                Read::TimedOut => break Err(HeadError::Incomplete),
            }
        };
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
            };
            return (Outcome::Answer(answer), Some(open));
        }
        body(&mut line, &mut received, &head, &mut answer, deadline).await;
        (Outcome::Answer(answer), None)
    }
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
    let until = deadline.min(Instant::now() + BODY_WAIT);
    while received.len() - head.length < MAX_BODY {
        match line.read(received, until).await {
            Read::Bytes(_) => {}
            Read::Ended(how) => {
                answer.end = Some(words(&how));
                break;
            }
            Read::TimedOut => break,
        }
        // All of it: an ending that belongs to it comes at once or not at all.
        let whole = announced.is_some_and(|length| received.len() - head.length >= length);
        if whole && Instant::now() + Duration::from_millis(50) > until {
            break;
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
