//! All handshakes of a probe in the order they were made, and what came of each.

use crate::probe::seen::{Exchange, Outcome, Round, Seen, Why};

/// Words for a handshake that stayed silent.
pub const NO_ANSWER: &str = "no answer";

/// One handshake.
#[derive(Clone, Debug, PartialEq)]
pub struct Try<'a> {
    /// Seconds from the start of the watch.
    pub at: f64,
    /// A good 101 that was not closed at once.
    pub good: bool,
    /// Connections of ours that were open, this one not counted.
    pub open: u32,
    /// What it was for.
    pub why: Why,
    /// What came, in words: `503 Service Unavailable`, `connection refused`.
    pub words: String,
    /// The handshake.
    pub exchange: &'a Exchange,
    /// The code it was closed with at once.
    pub closed: Option<u16>,
    /// It waited until one of ours was closed.
    pub waited: bool,
}

/// The handshake of the probe itself, then those of the watch, in order.
pub fn of(seen: &Seen) -> Vec<Try<'_>> {
    let rounds = seen.watch.iter().flat_map(|watch| &watch.rounds);
    let first = seen.handshake.iter().filter_map(|exchange| {
        let session = seen.session.as_ref()?;
        let ended = session.ended.as_ref().filter(|end| end.at_ms.0 < 1e3);
        let closed = ended.and_then(|end| end.code);
        Some(Try {
            at: 0.0,
            good: exchange.is_upgrade() && closed.is_none(),
            open: 0,
            why: Why::Look,
            words: words(exchange, closed, ""),
            exchange,
            closed,
            waited: false,
        })
    });
    first.chain(rounds.map(from_round)).collect()
}

fn from_round(round: &Round) -> Try<'_> {
    Try {
        at: round.at_ms.seconds(),
        good: round.exchange.is_upgrade() && round.closed.is_none(),
        open: round.open,
        why: round.why,
        words: words(&round.exchange, round.closed, &round.reason),
        exchange: &round.exchange,
        closed: round.closed,
        waited: round.answered_after_closing_ms.is_some(),
    }
}

/// What came of a handshake, in words.
pub fn words(exchange: &Exchange, closed: Option<u16>, reason: &str) -> String {
    if let Some(code) = closed {
        return match reason {
            "" => format!("101, then close {code}"),
            reason => format!("101, then close {code} \"{reason}\""),
        };
    }
    match &exchange.outcome {
        Outcome::NotOpened(why) if why == "refused" => "connection refused".to_owned(),
        Outcome::NotOpened(why) => format!("no connection ({why})"),
        Outcome::NoTls(_) => "no TLS".to_owned(),
        Outcome::NoBytes { end: None } => NO_ANSWER.to_owned(),
        Outcome::NoBytes { end: Some(end) } => format!("no byte, {end}"),
        Outcome::NotHttp { .. } | Outcome::PartialHead { .. } => "no HTTP answer".to_owned(),
        Outcome::Answer(answer) if answer.reason.is_empty() => answer.status.to_string(),
        Outcome::Answer(answer) => format!("{} {}", answer.status, answer.reason),
    }
}

/// A run of handshakes none of which was good, after good ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Gap {
    /// The last good one before.
    pub good_until: f64,
    /// The first that was not good.
    pub from: f64,
    /// The first good one after; `None`: none came.
    pub back: Option<f64>,
    /// What came instead, each kind once, in order.
    pub words: Vec<String>,
    /// How many.
    pub count: usize,
}

/// The longest run of at least two bad handshakes in a row after a good one.
pub fn gap(tries: &[Try<'_>]) -> Option<Gap> {
    let mut best: Option<Gap> = None;
    let mut good_until = None;
    let mut run: Option<Gap> = None;
    for one in tries {
        if one.good {
            if let Some(mut done) = run.take() {
                done.back = Some(one.at);
                best = longer(best, done);
            }
            good_until = Some(one.at);
        } else if let Some(good_until) = good_until {
            let run = run.get_or_insert_with(|| Gap {
                good_until,
                from: one.at,
                back: None,
                words: Vec::new(),
                count: 0,
            });
            run.count += 1;
            if !run.words.contains(&one.words) {
                run.words.push(one.words.clone());
            }
        }
    }
    match run {
        Some(open) => longer(best, open),
        None => best,
    }
    .filter(|gap| gap.count > 1)
}

fn longer(best: Option<Gap>, other: Gap) -> Option<Gap> {
    match best {
        Some(best) if best.count >= other.count => Some(best),
        _ => Some(other),
    }
}

/// One handshake of the crowd: why and with how many open; the close that followed, if one did.
fn one<'a>(
    exchange: &'a Exchange,
    (why, open): (Why, u32),
    (closed, reason): (Option<u16>, &str),
    waited: bool,
) -> Try<'a> {
    Try {
        at: exchange.at_ms.seconds(),
        good: exchange.is_upgrade() && closed.is_none(),
        open,
        why,
        words: words(exchange, closed, reason),
        exchange,
        closed,
        waited,
    }
}

/// Those of the crowd, in order.
pub fn of_crowd(seen: &Seen) -> Vec<Try<'_>> {
    let Some(crowd) = &seen.crowd else {
        return Vec::new();
    };
    let mut open = 0;
    let mut tries = Vec::new();
    for member in &crowd.members {
        let ended = member.ended.as_ref();
        // RFC 6455 7.1.5: an end without a close frame counts as 1006.
        let closed = ended.map(|end| end.code.unwrap_or(1006));
        let reason = ended.map_or("", |end| end.reason.as_str());
        let waited = member.answered_after_closing_ms.is_some();
        let one = one(
            &member.exchange,
            (Why::Hold, open),
            (closed, reason),
            waited,
        );
        open += u32::from(one.good && !waited);
        tries.push(one);
    }
    if let Some(exchange) = &crowd.after_waiting {
        tries.push(one(exchange, (Why::AfterPause, open), (None, ""), false));
    }
    if let Some(exchange) = &crowd.after_closing {
        tries.push(one(
            exchange,
            (Why::AfterClosing, open / 2),
            (None, ""),
            false,
        ));
    }
    if let Some(exchange) = &crowd.after_pause {
        tries.push(one(exchange, (Why::Look, 0), (None, ""), false));
    }
    tries
}
