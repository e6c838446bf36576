//! Words that several of these checks use.

use super::picture::End;
use crate::probe::seen::{Ended, Hold, HoldKind, Seen};

/// `3.0 s`.
pub fn seconds(value: f64) -> String {
    format!("{value:.1} s")
}

/// `FIN, no close frame`, `close 1001 "max age"`.
pub fn ending(ended: &Ended) -> String {
    let how = ended.how.as_deref().unwrap_or("TCP stays open");
    match ended.code {
        None => format!("{how}, no close frame"),
        Some(1005) => "a close frame without a code".to_owned(),
        Some(code) if ended.reason.is_empty() => format!("close {code} without a reason"),
        Some(code) => format!("close {code} \"{}\"", ended.reason),
    }
}

/// How a connection was held.
pub fn held(hold: &Hold) -> String {
    let gap = seconds(hold.longest_gap_ms.seconds());
    let every = match hold.longest_gap_ms.0 > 0.0 {
        true => format!(" at least every {gap}"),
        false => String::new(),
    };
    match hold.kind {
        HoldKind::Silent => "silent".to_owned(),
        HoldKind::Ping(_) => format!("with a ping{every}"),
        HoldKind::OneWay(_) => format!("with bytes in one direction only (an unasked pong{every})"),
        HoldKind::KeepAlive(_) => "silent, with TCP keepalive probes every second".to_owned(),
        HoldKind::Text(_) => format!("with a text message{every}"),
        HoldKind::Deaf => "silent, the server's pings left unanswered".to_owned(),
    }
}

/// One line for each held connection.
pub fn lines(holds: &[&Hold]) -> Vec<String> {
    let line = |hold: &&Hold| {
        let opened = hold.opened_ms.seconds();
        let held = held(hold);
        match &hold.ended {
            Some(end) => format!(
                "held {held}: ended {} after its 101, {:.1} s into the watch: {}",
                seconds(end.at_ms.seconds()),
                opened + end.at_ms.seconds(),
                ending(end)
            ),
            None if hold.final_pong == Some(false) => format!(
                "held {held}: open after {}, but a ping got no answer in 2 s",
                seconds(hold.held_ms.seconds())
            ),
            None => format!(
                "held {held}: alive after {}",
                seconds(hold.held_ms.seconds())
            ),
        }
    };
    holds.iter().map(line).collect()
}

/// The same ending for all, or several.
pub fn common_ending(ends: &[End<'_>]) -> String {
    let mut all: Vec<_> = ends.iter().map(|end| ending(end.ended)).collect();
    all.sort();
    all.dedup();
    match all.as_slice() {
        [one] => one.clone(),
        several => several.join("; "),
    }
}

/// What the server and proxies call themselves; evidence, never proof.
pub fn names(seen: &Seen) -> Option<String> {
    let answer = seen.answer()?;
    let named: Vec<_> = ["server", "via"]
        .iter()
        .filter_map(|name| Some(format!("{name}: {}", answer.header(name)?)))
        .collect();
    (!named.is_empty()).then(|| format!("the 101 carries `{}`", named.join("`, `")))
}
