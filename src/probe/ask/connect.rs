//! Through a forward proxy: `CONNECT host:port` (RFC 9110 9.3.6), then the tunnel is the line.

use tokio::time::Instant;

use super::exchange::{answer, head, no_head};
use super::request::request;
use crate::probe::Settings;
use crate::probe::seen::{Exchange, Millis, Outcome, TEXT, Variation, escaped};
use crate::wire::inspect::Line;

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
    let mut received = Vec::new();
    let (head, end) = head(&mut line, &bytes, &mut received, &mut exchange, deadline).await;
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
