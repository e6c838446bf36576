//! Held connections, handshakes made meanwhile, and many at once, in rows.

use super::words::{self, time};
use crate::probe::seen::{Crowd, Exchange, Hold, HoldKind, Outcome, Round, Watch};

/// Changes in a row of handshakes that are named one by one; those beyond are counted.
const CHANGES: usize = 12;

/// One held connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// `silent`, `a ping every 1.0 s`, ...
    pub kind: String,
    /// `60.1 s`.
    pub held: String,
    /// `still open`, `FIN, no close frame`, ...
    pub end: String,
}

/// A row a hold.
pub fn rows(watch: &Watch) -> Vec<Row> {
    watch.holds.iter().map(row).collect()
}

fn row(hold: &Hold) -> Row {
    let end = match (&hold.refused, &hold.ended, hold.final_pong) {
        (Some(refused), _, _) => words::outcome(refused),
        (None, Some(ended), _) => words::ended(ended),
        (None, None, Some(false)) => "open, the last ping unanswered".to_owned(),
        (None, None, Some(true)) => "still open, ping answered".to_owned(),
        (None, None, None) => "still open".to_owned(),
    };
    Row {
        kind: kind(hold.kind),
        held: time(hold.held_ms.0),
        end,
    }
}

/// How it was held.
pub fn kind(kind: HoldKind) -> String {
    match kind {
        HoldKind::Silent => "silent".to_owned(),
        HoldKind::Ping(every) => format!("a ping every {}", time(every.0)),
        HoldKind::OneWay(every) => format!("a one-way pong every {}", time(every.0)),
        HoldKind::KeepAlive(every) => format!("TCP keepalive every {}", time(every.0)),
        HoldKind::Text(every) => format!("a text every {}", time(every.0)),
        HoldKind::Deaf => "silent, answers no pings".to_owned(),
    }
}

/// New handshakes made meanwhile, told by their changes: `101 from 0.5 s, 502 from 2.3 s`.
pub fn rounds(watch: &Watch) -> Option<String> {
    if watch.rounds.is_empty() {
        return None;
    }
    let word = |round: &Round| {
        let mut text = status(&round.exchange);
        if let Some(code) = round.closed {
            text += &format!(" and close {code}");
        }
        text
    };
    let mut changes: Vec<(f64, String)> = Vec::new();
    for round in &watch.rounds {
        let word = word(round);
        if changes.last().is_none_or(|(_, last)| *last != word) {
            changes.push((round.at_ms.0, word));
        }
    }
    let beyond = changes.len().saturating_sub(CHANGES);
    let named = changes.iter().take(CHANGES);
    let mut parts: Vec<_> = named
        .map(|(at, word)| format!("{word} from {:.1} s", at / 1e3))
        .collect();
    if beyond > 0 {
        parts.push(format!("and {beyond} more changes"));
    }
    Some(format!("{}: {}", watch.rounds.len(), parts.join(", ")))
}

/// Many at once: `5 opened and held: 2 x 101, 3 x 503`.
pub fn crowd(crowd: &Crowd) -> String {
    let mut counts: Vec<(String, usize)> = Vec::new();
    for member in &crowd.members {
        let mut word = status(&member.exchange);
        if let Some(ended) = &member.ended {
            word += &format!(", {}", words::ended(ended));
        }
        match counts.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => counts.push((word, 1)),
        }
    }
    let beyond = counts.len().saturating_sub(CHANGES);
    let named = counts.iter().take(CHANGES);
    let mut parts: Vec<_> = named.map(|(word, n)| format!("{n} x {word}")).collect();
    if beyond > 0 {
        parts.push(format!("and {beyond} more kinds"));
    }
    for (when, exchange) in [
        ("after closing half", &crowd.after_closing),
        ("after a pause", &crowd.after_pause),
    ] {
        if let Some(exchange) = exchange {
            parts.push(format!("one more {when}: {}", status(exchange)));
        }
    }
    format!(
        "{} opened and held: {}",
        crowd.members.len(),
        parts.join(", ")
    )
}

/// The status alone, or what came instead of one, without what differs each time.
fn status(exchange: &Exchange) -> String {
    match &exchange.outcome {
        Outcome::Answer(answer) => answer.status.to_string(),
        Outcome::NotOpened(why) => format!("TCP: {why}"),
        Outcome::NoTls(problem) => format!("TLS: {}", words::tls_problem(problem)),
        Outcome::NoBytes { end: None } => "no byte".to_owned(),
        Outcome::NoBytes { end: Some(end) } => format!("no byte, {end}"),
        Outcome::NotHttp { .. } => "no HTTP".to_owned(),
        Outcome::PartialHead { .. } => "half a head".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::seen::Variation;
    use crate::report::probe::fixture::{answer, exchange, member, round, upgrade};

    fn busy() -> Outcome {
        answer(503, "Busy", &[], "")
    }

    #[test]
    fn handshakes_are_told_by_their_changes() {
        let mut watch = Watch::default();
        assert_eq!(rounds(&watch), None);
        let outcomes = [upgrade(), upgrade(), busy(), busy(), upgrade()];
        for (second, outcome) in outcomes.into_iter().enumerate() {
            watch.rounds.push(round(second as f64 * 1e3, outcome));
        }
        assert_eq!(
            rounds(&watch).as_deref(),
            Some("5: 101 from 0.0 s, 503 from 2.0 s, 101 from 4.0 s")
        );
    }

    #[test]
    fn a_crowd_is_counted_by_what_came() {
        let many = Crowd {
            planned: 5,
            members: [upgrade(), upgrade(), busy(), busy(), busy()]
                .map(member)
                .into(),
            after_closing: Some(exchange(Variation::Again, upgrade())),
            ..Crowd::default()
        };
        assert_eq!(
            crowd(&many),
            "5 opened and held: 2 x 101, 3 x 503, one more after closing half: 101"
        );
    }
}
