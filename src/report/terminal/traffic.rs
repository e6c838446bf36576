//! What went over the connections: messages, beats, deliveries, and the connections themselves.

use super::page::Page;
use crate::metrics::Counter as C;
use crate::report::view::{self, count, plain};
use crate::result::RunResult;
use crate::result::statistics::lookup;

impl Page {
    pub(super) fn messages(&mut self, result: &RunResult) {
        let n = |counter| result.summary.counter(counter);
        let sent = n(C::MessagesSent) + n(C::MessagesSentUnmatched);
        if sent + n(C::MessagesReceived) + n(C::SendsSkipped) == 0 {
            return;
        }
        let mut parts = vec![format!(
            "{} sent{}",
            count(sent),
            per_second(result, "messages.rate")
        )];
        for (counter, words) in [
            (C::RepliesMatched, "answered"),
            (C::RepliesTimedOut, "timed out"),
            (C::RepliesLost, "lost with their connection"),
            (C::RepliesOutstanding, "still outstanding"),
            (C::MessagesUnexpected, "unexpected"),
            (C::SendsSkipped, "sends skipped"),
            (C::ExpectsMatched, "expects answered"),
            (C::ExpectsTimedOut, "expects timed out"),
        ] {
            parts.extend(counted(n(counter), words));
        }
        self.text.push('\n');
        self.field("messages", &parts.join(", "));
    }

    pub(super) fn heartbeats(&mut self, result: &RunResult) {
        let n = |counter| result.summary.counter(counter);
        let (sent, blocked) = (n(C::HeartbeatsSent), n(C::HeartbeatsBlocked));
        if sent + blocked > 0 {
            let mut text = format!("{} sent =", count(sent));
            for (index, (counter, words)) in [
                (C::HeartbeatsOnTime, "on_time"),
                (C::HeartbeatsSuperseded, "superseded"),
                (C::HeartbeatsLate, "late"),
                (C::HeartbeatsMissed, "missed"),
                (C::HeartbeatsCut, "cut"),
                (C::HeartbeatsPending, "pending"),
            ]
            .into_iter()
            .enumerate()
            {
                let sign = if index > 0 { " +" } else { "" };
                text += &format!("{sign} {} {words}", count(n(counter)));
            }
            text += &percent_of(result, "heartbeats.missed_ratio", "; missed_ratio");
            if blocked > 0 {
                text += &format!("; {} blocked (not sent)", count(blocked));
            }
            self.field("heartbeats", &text);
        }
        let mut parts = Vec::new();
        for (counter, words) in [
            (C::DeclaredDead, "connections declared dead"),
            (C::FalseDead, "of them wrongly"),
            (C::ServerPings, "server pings"),
            (C::ServerPingsOverdue, "server pings overdue"),
            (C::PongsUnsolicited, "unsolicited pongs"),
            (C::PongsDuplicate, "duplicate pongs"),
        ] {
            parts.extend(counted(n(counter), words));
        }
        if !parts.is_empty() {
            self.field("liveness", &parts.join(", "));
        }
    }

    pub(super) fn deliveries(&mut self, result: &RunResult) {
        let n = |counter| result.summary.counter(counter);
        let (received, expected) = (n(C::DeliveriesReceived), n(C::DeliveriesExpected));
        if received + expected + n(C::DeliveriesUnexpected) == 0 {
            return;
        }
        let mut text = format!("{} received", count(received));
        if expected > 0 {
            text += &format!(" of {} expected", count(expected));
            text += &format!(", {} missing", count(n(C::DeliveriesMissing)));
        }
        if n(C::DeliveriesUnexpected) > 0 {
            text += &format!(", {} unexpected", count(n(C::DeliveriesUnexpected)));
        }
        self.field("deliveries", &text);
    }

    pub(super) fn connections(&mut self, result: &RunResult) {
        let n = |counter| result.summary.counter(counter);
        let outside = |counter| {
            let counters = &result.outside_measure.counters;
            counters.get(&counter).copied().unwrap_or(0)
        };
        let mut text = format!(
            "{} opened{} of {} attempted",
            count(n(C::ConnectionsOpened)),
            per_second(result, "handshakes.rate"),
            count(n(C::ConnectionsAttempted)),
        );
        for (counter, words) in [
            (C::ConnectionsFailed, "failed"),
            (C::ConnectionsAbandoned, "abandoned"),
            (C::Reconnected, "reconnected"),
            (C::GaveUp, "gave up"),
            (C::ArrivalsDropped, "arrivals dropped"),
        ] {
            if let Some(part) = counted(n(counter), words) {
                text += &format!(", {part}");
            }
        }
        if let Some(part) = counted(outside(C::ConnectionsOpened), "opened outside measure") {
            text += &format!("; {part}");
        }
        if let Some(part) = counted(result.open_at_end, "open at the end") {
            text += &format!("; {part}");
        }
        self.field("connections", &text);
        let closes = result.summary.closes.iter();
        let closes = closes.map(|row| format!("{} {}", count(row.count), plain(&row.kind)));
        let closes: Vec<_> = closes.collect();
        if !closes.is_empty() {
            self.field("closes", &closes.join(", "));
        }
    }
}

fn counted(n: u64, words: &str) -> Option<String> {
    (n > 0).then(|| format!("{} {words}", count(n)))
}

fn per_second(result: &RunResult, name: &str) -> String {
    let value = lookup(&result.summary, &result.storms, name).and_then(|statistic| statistic.value);
    let value = value.filter(|value| *value > 0.0);
    value.map_or_else(String::new, |value| format!(" ({})", view::rate(value)))
}

fn percent_of(result: &RunResult, name: &str, words: &str) -> String {
    let value = lookup(&result.summary, &result.storms, name).and_then(|statistic| statistic.value);
    value.map_or_else(String::new, |value| {
        format!("{words} {}", view::percent(value))
    })
}
