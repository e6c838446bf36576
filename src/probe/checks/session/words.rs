//! Numbers and kinds as people write them, and what several checks ask of a session.

use crate::probe::seen::{Ended, HoldKind, Millis, Outcome, Seen, Session, StepKind};

/// `3 ms`, `0.50 s`, `12.0 s`.
pub fn time(took: Millis) -> String {
    match took.0 {
        ms if ms < 1.0 => "less than 1 ms".to_owned(),
        ms if ms < 100.0 => format!("{ms:.0} ms"),
        ms if ms < 10_000.0 => format!("{:.2} s", ms / 1e3),
        ms => format!("{:.1} s", ms / 1e3),
    }
}

/// `65,536 bytes (64 KiB)`.
pub fn size(bytes: u64) -> String {
    let mut digits = bytes.to_string();
    let mut at = digits.len();
    while at > 3 {
        at -= 3;
        digits.insert(at, ',');
    }
    match bytes {
        b if b >= 1 << 20 && b % (1 << 20) == 0 => format!("{digits} bytes ({} MiB)", b >> 20),
        b if b >= 1 << 10 && b % (1 << 10) == 0 => format!("{digits} bytes ({} KiB)", b >> 10),
        _ => format!("{digits} bytes"),
    }
}

/// ` "reason"`, or nothing.
pub fn quoted(reason: &str) -> String {
    if reason.is_empty() {
        String::new()
    } else {
        format!(" \"{reason}\"")
    }
}

/// What was sent, in a sentence.
pub fn sent(kind: &StepKind) -> String {
    match kind {
        StepKind::Ping => "a control ping".to_owned(),
        StepKind::Text => "the text ping".to_owned(),
        StepKind::Words => "a text that is not JSON".to_owned(),
        StepKind::Json => "the JSON message {\"type\":\"ping\"}".to_owned(),
        StepKind::Binary => "a binary message of 4 bytes".to_owned(),
        StepKind::Size(bytes) => format!("a message of {}", size(*bytes)),
        StepKind::Fragmented => "a message in three fragments with a ping between them".to_owned(),
        StepKind::Close => "a close frame".to_owned(),
    }
}

/// `close 4001 "Invalid token" 3 ms after the 101, then FIN`.
pub fn ending(ended: &Ended) -> String {
    let at = time(ended.at_ms);
    let how = ended.how.as_deref();
    match ended.code {
        Some(code) => {
            let what = if code == 1005 {
                "a close frame without code and reason (1005)".to_owned()
            } else {
                format!("close {code}{}", quoted(&ended.reason))
            };
            let how = how.map_or(String::new(), |how| format!(", then {how}"));
            format!("{what} {at} after the 101{how}")
        }
        None => {
            let how = how.unwrap_or("end of the connection");
            format!("{how} without a close frame {at} after the 101 (clients see 1006)")
        }
    }
}

/// What a handshake right after an end came to.
pub fn afterwards(session: &Session) -> Option<String> {
    let outcome = &session.afterwards.as_ref()?.outcome;
    let what = match outcome {
        Outcome::NotOpened(why) => format!("TCP did not open: {why}"),
        Outcome::NoTls(_) => "TLS did not come up".to_owned(),
        Outcome::NoBytes { end: Some(end) } => format!("{end} without a byte"),
        Outcome::NoBytes { end: None } => "no answer".to_owned(),
        Outcome::NotHttp { .. } | Outcome::PartialHead { .. } => "no HTTP answer".to_owned(),
        Outcome::Answer(answer) => format!("{} {}", answer.status, answer.reason),
    };
    Some(format!("a fresh handshake right after it: {what}"))
}

/// Nobody takes connections any more: refused, or a gateway that says so.
pub fn is_gone(session: &Session) -> bool {
    let Some(exchange) = &session.afterwards else {
        return false;
    };
    match &exchange.outcome {
        Outcome::NotOpened(why) => why == "refused",
        Outcome::NoBytes { end } => end.is_some(),
        Outcome::Answer(answer) => matches!(answer.status, 502..=504),
        _ => false,
    }
}

/// Connections of other ages ended at the same moment as the session: what happened then is no
/// matter of this connection, and is told by the checks of the watch.
pub fn is_common_moment(seen: &Seen, ended: &Ended) -> bool {
    /// Opened so much later, it would have ended so much later had its age mattered.
    const LATER: f64 = 300.0;
    const SAME: f64 = 200.0;
    let Some(watch) = &seen.watch else {
        return false;
    };
    watch.holds.iter().any(|hold| {
        let end = hold.ended.as_ref().map(|e| hold.opened_ms.0 + e.at_ms.0);
        let same = end.is_some_and(|end| (end - ended.at_ms.0).abs() < SAME);
        same && hold.opened_ms.0 > LATER && ended.at_ms.0 > LATER
    })
}

/// A connection with traffic outlived this silent one: an idle timer, told by the checks of the watch.
pub fn is_idle_cut(seen: &Seen, session: &Session, ended: &Ended) -> bool {
    let (Some(watch), None) = (&seen.watch, &session.second_ended) else {
        return false;
    };
    let busy = |kind: HoldKind| matches!(kind, HoldKind::Ping(_) | HoldKind::Text(_));
    watch.holds.iter().any(|hold| {
        let lived = hold.ended.as_ref().map_or(hold.held_ms, |e| e.at_ms);
        busy(hold.kind) && lived.0 > ended.at_ms.0 + 500.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        let sizes = [
            (5, "5 bytes"),
            (70_000, "70,000 bytes"),
            (65_536, "65,536 bytes (64 KiB)"),
        ];
        for (bytes, text) in sizes {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(size(2 << 20), "2,097,152 bytes (2 MiB)");
        let times = [
            (0.4, "less than 1 ms"),
            (12.3, "12 ms"),
            (500.0, "0.50 s"),
            (12_000.0, "12.0 s"),
        ];
        for (ms, text) in times {
            assert_eq!(time(Millis(ms)), text);
        }
    }
}
