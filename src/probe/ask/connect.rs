//! Through a forward proxy: `CONNECT host:port` (RFC 9110 9.3.6), then the tunnel is the line.

use tokio::time::Instant;

use super::exchange::{answer, no_head, words};
use super::request::request;
use crate::probe::Settings;
use crate::probe::seen::{Exchange, Millis, Outcome, TEXT, Variation, escaped};
use crate::wire::inspect::{HeadError, Line, Read, parse_head};

/// Most bytes of a refusal's body that are read.
const MAX_BODY: usize = 16 * 1024;

/// What the proxy said, and the tunnel if it opened one. `started` is that of the probe.
pub async fn tunnel(
    mut line: Line,
    settings: &Settings,
    address: String,
    started: Instant,
    deadline: Instant,
) -> (Exchange, Option<Line>) {
    let sent = Instant::now();
    let mut exchange = Exchange {
        asked: Variation::Connect,
        at_ms: Millis::from(sent - started),
        address,
        first_byte_ms: None,
        took_ms: Millis::default(),
        outcome: Outcome::NoBytes { end: None },
    };
    let bytes = request(settings, &Variation::Connect, "");
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
            Read::Bytes(_) if exchange.first_byte_ms.is_none() => {
                exchange.first_byte_ms = Some(Millis::from(sent.elapsed()));
            }
            Read::Bytes(_) => {}
            Read::Ended(how) => {
                end = Some(words(&how));
                break Err(HeadError::Incomplete);
            }
            Read::TimedOut => break Err(HeadError::Incomplete),
        }
    };
    exchange.took_ms = Millis::from(sent.elapsed());
    let head = match head {
        Ok(head) => head,
        Err(error) => {
            exchange.outcome = no_head(error, &received, end);
            return (exchange, None);
        }
    };
    let mut answer = answer(&head, "");
    let rest = received.split_off(head.length);
    // Any 2xx opens the tunnel; what follows its head is the target's.
    if (200..300).contains(&head.status) {
        exchange.outcome = Outcome::Answer(answer);
        line.put_back(rest);
        return (exchange, Some(line));
    }
    answer.body_bytes = rest.len();
    answer.body = escaped(&rest[..rest.len().min(MAX_BODY)], TEXT);
    exchange.outcome = Outcome::Answer(answer);
    (exchange, None)
}

/// Why a later connection did not get its tunnel, in the words of an unopened connection.
pub fn refusal(exchange: &Exchange) -> Outcome {
    let text = match &exchange.outcome {
        Outcome::Answer(answer) => format!("{} {}", answer.status, answer.reason),
        Outcome::NoBytes { end: Some(end) } => end.clone(),
        Outcome::NoBytes { end: None } => "no answer".to_owned(),
        _ => "no HTTP answer".to_owned(),
    };
    Outcome::NotOpened(format!("CONNECT through the proxy: {text}"))
}
