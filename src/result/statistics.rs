//! Names for single numbers of a result: `METRIC.STATISTIC`, as thresholds and comparisons use them.
//!
//! Times are in seconds, ratios from 0 to 1. A statistic without samples has no value: it is neither
//! zero nor good. Ratios leave out what had no chance of a verdict (beats cut by the end of their
//! connection, dials abandoned at the end of the run).

mod storm;

use crate::metrics::{Counter as C, Metric};

use super::StormReport;
use super::summary::{MetricSummary, QUANTILES, Summary};

/// What a statistic's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Seconds.
    Time,
    /// 0 to 1.
    Ratio,
    /// A number of events.
    Count,
    /// Events (or bytes) a second of the measured phase.
    Rate,
    /// A number that need not be whole.
    Number,
}

impl Kind {
    /// The base unit, as in files.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Time => "s",
            Self::Ratio => "ratio",
            Self::Count => "count",
            Self::Rate => "per_s",
            Self::Number => "number",
        }
    }
}

/// One number of a result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Statistic {
    /// In its base unit; `None` without samples.
    pub value: Option<f64>,
    /// The value is only a lower bound: it falls among unanswered messages.
    pub censored: bool,
    /// What it is.
    pub kind: Kind,
}

/// How a statistic that is not a metric's comes from the counters.
#[derive(Clone, Copy)]
enum Source {
    Count(&'static [C]),
    Rate(&'static [C]),
    /// (numerator) / (denominator - excluded)
    Ratio(&'static [C], &'static [C], &'static [C]),
    ConnectionsLost,
}

use Source::{Count, Rate, Ratio};

/// Beats that could have been answered in time: RELIABILITY 2.3.
const NO_VERDICT: &[C] = &[C::HeartbeatsCut, C::HeartbeatsPending];

const COUNTED: &[(&str, Source)] = &[
    ("arrivals.scheduled", Count(&[C::ArrivalsScheduled])),
    ("arrivals.started", Count(&[C::ArrivalsStarted])),
    ("arrivals.dropped", Count(&[C::ArrivalsDropped])),
    (
        "arrivals.dropped_ratio",
        Ratio(&[C::ArrivalsDropped], &[C::ArrivalsScheduled], &[]),
    ),
    ("arrivals.rate", Rate(&[C::ArrivalsStarted])),
    ("handshakes.attempted", Count(&[C::ConnectionsAttempted])),
    ("handshakes.succeeded", Count(&[C::ConnectionsOpened])),
    ("handshakes.failed", Count(&[C::ConnectionsFailed])),
    (
        "handshakes.failed_ratio",
        Ratio(
            &[C::ConnectionsFailed],
            &[C::ConnectionsAttempted],
            &[C::ConnectionsAbandoned],
        ),
    ),
    ("handshakes.rate", Rate(&[C::ConnectionsOpened])),
    ("connections.attempted", Count(&[C::ConnectionsAttempted])),
    ("connections.opened", Count(&[C::ConnectionsOpened])),
    ("connections.failed", Count(&[C::ConnectionsFailed])),
    ("connections.closed", Count(&[C::ConnectionsClosed])),
    ("connections.lost", Source::ConnectionsLost),
    ("connections.declared_dead", Count(&[C::DeclaredDead])),
    ("connections.false_dead", Count(&[C::FalseDead])),
    ("reconnects.attempted", Count(&[C::ReconnectsAttempted])),
    ("reconnects.count", Count(&[C::Reconnected])),
    ("reconnects.gave_up", Count(&[C::GaveUp])),
    (
        "messages.sent",
        Count(&[C::MessagesSent, C::MessagesSentUnmatched]),
    ),
    (
        "messages.rate",
        Rate(&[C::MessagesSent, C::MessagesSentUnmatched]),
    ),
    ("messages.received", Count(&[C::MessagesReceived])),
    ("messages.received_rate", Rate(&[C::MessagesReceived])),
    ("messages.unexpected", Count(&[C::MessagesUnexpected])),
    (
        "messages.unanswered",
        Count(&[C::RepliesTimedOut, C::RepliesLost]),
    ),
    (
        "messages.unanswered_ratio",
        Ratio(
            &[C::RepliesTimedOut, C::RepliesLost],
            &[C::MessagesSent],
            &[C::RepliesOutstanding],
        ),
    ),
    ("replies.matched", Count(&[C::RepliesMatched])),
    ("replies.rate", Rate(&[C::RepliesMatched])),
    ("replies.timed_out", Count(&[C::RepliesTimedOut])),
    ("replies.lost", Count(&[C::RepliesLost])),
    ("replies.outstanding", Count(&[C::RepliesOutstanding])),
    ("expects.matched", Count(&[C::ExpectsMatched])),
    ("expects.timed_out", Count(&[C::ExpectsTimedOut])),
    (
        "expects.timed_out_ratio",
        Ratio(
            &[C::ExpectsTimedOut],
            &[C::ExpectsTimedOut, C::ExpectsMatched],
            &[],
        ),
    ),
    ("sends.skipped", Count(&[C::SendsSkipped])),
    (
        "sends.skipped_ratio",
        Ratio(
            &[C::SendsSkipped],
            &[C::SendsSkipped, C::MessagesSent, C::MessagesSentUnmatched],
            &[],
        ),
    ),
    ("deliveries.expected", Count(&[C::DeliveriesExpected])),
    ("deliveries.received", Count(&[C::DeliveriesReceived])),
    ("deliveries.missing", Count(&[C::DeliveriesMissing])),
    (
        "deliveries.missing_ratio",
        Ratio(&[C::DeliveriesMissing], &[C::DeliveriesExpected], &[]),
    ),
    ("deliveries.unexpected", Count(&[C::DeliveriesUnexpected])),
    ("heartbeats.sent", Count(&[C::HeartbeatsSent])),
    ("heartbeats.on_time", Count(&[C::HeartbeatsOnTime])),
    ("heartbeats.superseded", Count(&[C::HeartbeatsSuperseded])),
    ("heartbeats.late", Count(&[C::HeartbeatsLate])),
    ("heartbeats.missed", Count(&[C::HeartbeatsMissed])),
    ("heartbeats.cut", Count(&[C::HeartbeatsCut])),
    ("heartbeats.pending", Count(&[C::HeartbeatsPending])),
    ("heartbeats.blocked", Count(&[C::HeartbeatsBlocked])),
    (
        "heartbeats.missed_ratio",
        Ratio(&[C::HeartbeatsMissed], &[C::HeartbeatsSent], NO_VERDICT),
    ),
    (
        "heartbeats.late_or_missed_ratio",
        Ratio(
            &[C::HeartbeatsLate, C::HeartbeatsMissed],
            &[C::HeartbeatsSent],
            NO_VERDICT,
        ),
    ),
    ("pongs.unsolicited", Count(&[C::PongsUnsolicited])),
    ("pongs.duplicate", Count(&[C::PongsDuplicate])),
    ("server_pings.count", Count(&[C::ServerPings])),
    ("server_pings.overdue", Count(&[C::ServerPingsOverdue])),
    ("sessions.completed", Count(&[C::SessionsCompleted])),
    ("bytes.sent", Count(&[C::BytesSent])),
    ("bytes.sent_rate", Rate(&[C::BytesSent])),
    ("bytes.received", Count(&[C::BytesReceived])),
    ("bytes.received_rate", Rate(&[C::BytesReceived])),
];

/// The statistics of every metric beside the quantiles.
const MOMENTS: [&str; 5] = ["mean", "min", "max", "stddev", "count"];

/// The statistic of that name; `None` when there is no such name.
pub fn lookup(summary: &Summary, storms: &[StormReport], name: &str) -> Option<Statistic> {
    if let Some(statistic) = storm::lookup(storms, name) {
        return Some(statistic);
    }
    if let Some((_, source)) = COUNTED.iter().find(|(known, _)| *known == name) {
        return Some(source.statistic(summary));
    }
    let (metric, statistic) = split(name)?;
    Some(of_metric(summary.metrics.get(&metric), statistic))
}

/// The kind of the statistic of that name; `None` when there is no such name.
pub fn kind(name: &str) -> Option<Kind> {
    if let Some((_, source)) = COUNTED.iter().find(|(known, _)| *known == name) {
        return Some(source.kind());
    }
    if let Some((_, kind)) = storm::known().find(|(known, _)| *known == name) {
        return Some(kind);
    }
    split(name).map(|(_, statistic)| metric_kind(statistic))
}

/// Every name with its kind, each once (`p99.9` is another way to write `p999`).
pub fn known() -> impl Iterator<Item = (String, Kind)> {
    let metrics = Metric::ALL.iter().flat_map(|metric| {
        let quantiles = QUANTILES.iter().map(|(name, _)| *name);
        let names = quantiles.chain(MOMENTS);
        names.map(|name| (format!("{}.{name}", metric.name()), metric_kind(name)))
    });
    let counted = COUNTED.iter().map(|(name, source)| (*name, source.kind()));
    let named = counted.chain(storm::known());
    metrics.chain(named.map(|(name, kind)| (name.to_owned(), kind)))
}

/// `round_trip.p99.9` as a metric and a known statistic.
fn split(name: &str) -> Option<(Metric, &'static str)> {
    let (metric, statistic) = name.split_once('.')?;
    let statistic = if statistic == "p99.9" {
        "p999"
    } else {
        statistic
    };
    let quantiles = QUANTILES.iter().map(|(name, _)| *name);
    let known = quantiles.chain(MOMENTS).find(|known| *known == statistic)?;
    Some((Metric::from_name(metric)?, known))
}

fn metric_kind(statistic: &str) -> Kind {
    if statistic == "count" {
        Kind::Count
    } else {
        Kind::Time
    }
}

fn of_metric(metric: Option<&MetricSummary>, statistic: &str) -> Statistic {
    let (value, censored) = match (metric, statistic) {
        // No samples is a count of zero, but no time.
        (metric, "count") => (Some(metric.map_or(0.0, |m| m.count as f64)), false),
        (None, _) => (None, false),
        (Some(m), "mean") => (m.mean.map(seconds), m.censored_count > 0),
        (Some(m), "stddev") => (m.stddev.map(seconds), m.censored_count > 0),
        (Some(m), "min") => (m.min.map(seconds), false),
        (Some(m), name) => {
            let figure = m.figure(name);
            (
                figure.map(|(value, _)| seconds(value)),
                figure.is_some_and(|(_, censored)| censored),
            )
        }
    };
    Statistic {
        value,
        censored,
        kind: metric_kind(statistic),
    }
}

fn seconds(millis: f64) -> f64 {
    millis / 1e3
}

impl Source {
    const fn kind(self) -> Kind {
        match self {
            Count(_) | Self::ConnectionsLost => Kind::Count,
            Rate(_) => Kind::Rate,
            Ratio(..) => Kind::Ratio,
        }
    }

    fn statistic(self, summary: &Summary) -> Statistic {
        let sum = |counters: &[C]| -> f64 {
            let values = counters.iter().map(|counter| summary.counter(*counter));
            values.sum::<u64>() as f64
        };
        let value = match self {
            Count(counters) => Some(sum(counters)),
            Self::ConnectionsLost => Some(summary.connections_lost() as f64),
            Rate(counters) => share(sum(counters), summary.measured_s),
            Ratio(part, whole, excluded) => share(sum(part), sum(whole) - sum(excluded)),
        };
        Statistic {
            value,
            censored: false,
            kind: self.kind(),
        }
    }
}

/// A quotient, unless there is nothing to divide by.
fn share(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;
    use crate::metrics::Sheet;

    fn summary(sheet: &Sheet) -> Summary {
        let after = [(Metric::RoundTrip, Duration::from_secs(5))].into();
        Summary::new(sheet, Duration::from_secs(10), &after, &str::to_owned)
    }

    #[test]
    fn every_known_name_is_found_once() {
        let empty = summary(&Sheet::default());
        let mut seen = BTreeSet::new();
        for (name, expected) in known() {
            assert!(seen.insert(name.clone()), "{name} twice");
            assert_eq!(kind(&name), Some(expected), "{name}");
            assert_eq!(lookup(&empty, &[], &name).map(|s| s.kind), Some(expected));
        }
        for name in ["", ".", "round_trip", "round_trip.p42", "p99", "x.p99"] {
            assert_eq!(lookup(&empty, &[], name), None, "{name}");
            assert_eq!(kind(name), None, "{name}");
        }
    }

    #[test]
    fn values_are_in_base_units() {
        let mut sheet = Sheet::default();
        for (counter, n) in [
            (C::HeartbeatsSent, 110),
            (C::HeartbeatsLate, 3),
            (C::HeartbeatsMissed, 2),
            (C::HeartbeatsCut, 6),
            (C::HeartbeatsPending, 4),
            (C::MessagesSent, 50),
            (C::RepliesTimedOut, 4),
            (C::RepliesLost, 6),
            (C::RepliesOutstanding, 10),
            (C::ConnectionsAttempted, 12),
            (C::ConnectionsFailed, 1),
            (C::ConnectionsAbandoned, 2),
        ] {
            sheet.add(counter, n);
        }
        sheet.record(Metric::RoundTrip, Duration::from_millis(20));
        let summary = summary(&sheet);
        for (name, expected) in [
            ("heartbeats.missed_ratio", 0.02),
            ("heartbeats.late_or_missed_ratio", 0.05),
            ("messages.unanswered_ratio", 0.25),
            ("messages.rate", 5.0),
            ("handshakes.failed_ratio", 0.1),
            ("round_trip.p99", 0.020),
            ("round_trip.p99.9", 0.020),
            ("round_trip.count", 1.0),
        ] {
            let value = lookup(&summary, &[], name).unwrap().value.unwrap();
            assert!((value / expected - 1.0).abs() < 1e-3, "{name} = {value}");
        }
    }

    #[test]
    fn no_samples_is_no_value() {
        let empty = summary(&Sheet::default());
        for name in ["round_trip.p99", "heartbeats.missed_ratio", "delivery.mean"] {
            assert_eq!(lookup(&empty, &[], name).unwrap().value, None, "{name}");
        }
        assert_eq!(
            lookup(&empty, &[], "messages.sent").unwrap().value,
            Some(0.0)
        );
    }

    #[test]
    fn a_quantile_among_unanswered_messages_is_marked() {
        let mut sheet = Sheet::default();
        sheet.record(Metric::RoundTrip, Duration::from_millis(1));
        sheet.censor(Metric::RoundTrip, 1);
        let summary = summary(&sheet);
        let p99 = lookup(&summary, &[], "round_trip.p99").unwrap();
        assert_eq!((p99.value, p99.censored), (Some(5.0), true));
        assert!(!lookup(&summary, &[], "round_trip.p50").unwrap().censored);
    }
}
