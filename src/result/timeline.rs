//! The run second by second: one row an interval, in `intervals.csv` and in `result.json`.
//!
//! Unlike totals, rows show warm-up and drain too, and count every event in the interval in which it
//! was seen: a message that times out shows its timeout late.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::metrics::{Counter, Histogram, Interval, Metric, Phase, Quantile};

use super::fault::{self, FaultRecord};
use super::summary::{UnansweredAfter, millis};

/// Rows kept in `result.json` (two hours of seconds); `intervals.csv` has them all.
const ROWS: usize = 7_200;
/// A shorter piece (the last of a phase) is too short to call a thread busy.
const SHORTEST_JUDGED: Duration = Duration::from_millis(500);

/// A column of a CSV file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its heading.
    pub name: &'static str,
    /// The unit of its cells; empty for names and numbers of things.
    pub unit: &'static str,
    /// One line that says what it is.
    pub definition: &'static str,
}

/// Writes the row type and its columns from one list.
macro_rules! timeline_row {
    ($($(#[$more:meta])* $name:ident: $type:ty, $unit:literal, $definition:literal;)*) => {
        /// One interval in numbers.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub struct TimelineRow {
            $(#[doc = $definition] $(#[$more])* pub $name: $type,)*
        }

        /// The columns of `intervals.csv`, in order.
        pub const COLUMNS: &[Column] = &[
            $(Column { name: stringify!($name), unit: $unit, definition: $definition },)*
        ];

        impl TimelineRow {
            /// Its cells, in the order of [`COLUMNS`].
            pub fn cells(&self) -> Vec<Cow<'static, str>> {
                vec![$(self.$name.cell(),)*]
            }
        }
    };
}

timeline_row! {
    index: u64, "", "Position on the timeline, from 0.";
    start_s: f64, "s", "Start, from the start of the run.";
    end_s: f64, "s", "End, from the start of the run.";
    phase: Phase, "", "warm_up, measure or drain: where the start lies.";
    clients: u64, "", "Clients that take part at the end, connected or not.";
    connected: u64, "", "Open connections at the end.";
    attempted: u64, "", "Dials begun.";
    opened: u64, "", "Dials that became open connections.";
    failed: u64, "", "Dials that failed.";
    closed: u64, "", "Open connections that ended, planned or not.";
    lost: u64, "", "Open connections that ended in a failure.";
    reconnected: u64, "", "Clients that were connected again.";
    arrivals_dropped: u64, "", "Arrivals due with no slot free.";
    messages_sent: u64, "", "Messages handed to the kernel.";
    messages_received: u64, "", "Data messages received.";
    replies_matched: u64, "", "Answers that came in time.";
    unanswered: u64, "", "Messages given up: no answer in time, or the connection went.";
    outstanding: u64, "", "Messages waiting for an answer at the end.";
    sends_skipped: u64, "", "Due messages not sent.";
    deliveries_received: u64, "", "Expected deliveries that arrived.";
    heartbeats_sent: u64, "", "Beats sent.";
    heartbeats_late: u64, "", "Beats answered after the timeout.";
    heartbeats_missed: u64, "", "Beats never answered.";
    bytes_sent: u64, "bytes", "Handed to the kernel after the upgrade.";
    bytes_received: u64, "bytes", "Received after the upgrade.";
    round_trip_p50_ms: Option<f64>, "ms", "round_trip p50; see censored_from.";
    round_trip_p90_ms: Option<f64>, "ms", "round_trip p90.";
    round_trip_p99_ms: Option<f64>, "ms", "round_trip p99.";
    round_trip_max_ms: Option<f64>, "ms", "round_trip maximum.";
    censored_from: Option<String>, "", "The first round_trip figure that is only a lower bound: p50, p90, p99 or max.";
    service_time_p50_ms: Option<f64>, "ms", "service_time p50.";
    service_time_p99_ms: Option<f64>, "ms", "service_time p99.";
    handshake_p50_ms: Option<f64>, "ms", "handshake p50.";
    handshake_p99_ms: Option<f64>, "ms", "handshake p99.";
    delivery_p50_ms: Option<f64>, "ms", "delivery p50.";
    delivery_p99_ms: Option<f64>, "ms", "delivery p99.";
    heartbeat_rtt_p99_ms: Option<f64>, "ms", "heartbeat_rtt p99.";
    schedule_lag_p50_ms: Option<f64>, "ms", "schedule_lag p50: the generator's own lateness.";
    schedule_lag_p99_ms: Option<f64>, "ms", "schedule_lag p99.";
    schedule_lag_max_ms: Option<f64>, "ms", "schedule_lag maximum.";
    busy: f64, "ratio", "Share of the interval in which the busiest shard's thread was busy.";
    cpu_s: f64, "s", "CPU time of the generator, all shards together.";
    #[serde(default)] faults: String, "", "The kinds of the faults active in it, with a space between them.";
    #[serde(default)] dials_held_back: u64, "", "Dials that waited for the limit on dials a second.";
}

/// A value that can stand in a CSV cell.
trait Cell {
    fn cell(&self) -> Cow<'static, str>;
}

impl Cell for u64 {
    fn cell(&self) -> Cow<'static, str> {
        self.to_string().into()
    }
}

impl Cell for f64 {
    fn cell(&self) -> Cow<'static, str> {
        format!("{self:.3}").into()
    }
}

impl Cell for Option<f64> {
    fn cell(&self) -> Cow<'static, str> {
        self.as_ref().map_or(Cow::Borrowed(""), Cell::cell)
    }
}

impl Cell for String {
    fn cell(&self) -> Cow<'static, str> {
        self.clone().into()
    }
}

impl Cell for Option<String> {
    fn cell(&self) -> Cow<'static, str> {
        self.clone().unwrap_or_default().into()
    }
}

impl Cell for Phase {
    fn cell(&self) -> Cow<'static, str> {
        self.name().into()
    }
}

/// The rows of a run, and what validity needs to know of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeline {
    /// The first rows, at most two hours of seconds.
    pub rows: Vec<TimelineRow>,
    /// Rows that are only in `intervals.csv`.
    pub omitted: u64,
    /// The highest `busy` of a measured interval of at least half a second.
    pub busiest: f64,
    /// How many of those were over the limit.
    pub busy_intervals: u64,
}

impl Timeline {
    /// Adds the next interval (merged over the shards) and gives its row.
    pub fn add(
        &mut self,
        interval: &Interval,
        unanswered_after: &UnansweredAfter,
        busy_limit: f64,
        faults: &[FaultRecord],
    ) -> TimelineRow {
        let mut row = TimelineRow::new(interval, unanswered_after);
        row.faults = fault::active(faults, row.start_s, row.end_s);
        let length = interval.window.end.since(interval.window.start);
        if row.phase == Phase::Measure && length >= SHORTEST_JUDGED {
            self.busiest = self.busiest.max(row.busy);
            self.busy_intervals += u64::from(row.busy > busy_limit);
        }
        if self.rows.len() < ROWS {
            self.rows.push(row.clone());
        } else {
            self.omitted += 1;
        }
        row
    }
}

impl TimelineRow {
    /// The row of an interval.
    pub fn new(interval: &Interval, unanswered_after: &UnansweredAfter) -> Self {
        use Counter as C;
        let count = |counter| interval.counter(counter);
        let lost = [&interval.measured, &interval.other].into_iter();
        let lost = lost.flat_map(|sheet| &sheet.closes);
        let lost = lost.filter(|(cause, _)| cause.failure().is_some());
        let figures = |metric| Figures::new(interval, metric, unanswered_after);
        let round_trip = figures(Metric::RoundTrip);
        let service_time = figures(Metric::ServiceTime);
        let handshake = figures(Metric::Handshake);
        let delivery = figures(Metric::Delivery);
        let schedule_lag = figures(Metric::ScheduleLag);
        Self {
            index: interval.window.index,
            start_s: interval.window.start.secs_f64(),
            end_s: interval.window.end.secs_f64(),
            phase: interval.window.phase,
            clients: interval.gauges.clients,
            connected: interval.gauges.connected,
            attempted: count(C::ConnectionsAttempted),
            opened: count(C::ConnectionsOpened),
            failed: count(C::ConnectionsFailed),
            closed: count(C::ConnectionsClosed),
            lost: lost.map(|(_, tally)| tally.count).sum(),
            reconnected: count(C::Reconnected),
            arrivals_dropped: count(C::ArrivalsDropped),
            messages_sent: count(C::MessagesSent) + count(C::MessagesSentUnmatched),
            messages_received: count(C::MessagesReceived),
            replies_matched: count(C::RepliesMatched),
            unanswered: count(C::RepliesTimedOut) + count(C::RepliesLost),
            outstanding: interval.gauges.outstanding,
            sends_skipped: count(C::SendsSkipped),
            deliveries_received: count(C::DeliveriesReceived),
            heartbeats_sent: count(C::HeartbeatsSent),
            heartbeats_late: count(C::HeartbeatsLate),
            heartbeats_missed: count(C::HeartbeatsMissed),
            bytes_sent: count(C::BytesSent),
            bytes_received: count(C::BytesReceived),
            round_trip_p50_ms: round_trip.at(0.5),
            round_trip_p90_ms: round_trip.at(0.9),
            round_trip_p99_ms: round_trip.at(0.99),
            round_trip_max_ms: round_trip.at(1.0),
            censored_from: round_trip.censored_from().map(str::to_owned),
            service_time_p50_ms: service_time.at(0.5),
            service_time_p99_ms: service_time.at(0.99),
            handshake_p50_ms: handshake.at(0.5),
            handshake_p99_ms: handshake.at(0.99),
            delivery_p50_ms: delivery.at(0.5),
            delivery_p99_ms: delivery.at(0.99),
            heartbeat_rtt_p99_ms: figures(Metric::HeartbeatRtt).at(0.99),
            schedule_lag_p50_ms: schedule_lag.at(0.5),
            schedule_lag_p99_ms: schedule_lag.at(0.99),
            schedule_lag_max_ms: schedule_lag.at(1.0),
            busy: interval.gauges.busy,
            cpu_s: interval.gauges.cpu.as_secs_f64(),
            faults: String::new(),
            dials_held_back: count(C::DialsHeldBack),
        }
    }
}

/// One metric of an interval: measured and other samples together.
struct Figures<'a> {
    histogram: Option<Cow<'a, Histogram>>,
    censored: u64,
    after: Duration,
}

impl<'a> Figures<'a> {
    fn new(interval: &'a Interval, metric: Metric, unanswered_after: &UnansweredAfter) -> Self {
        let measured = interval.measured.histogram(metric);
        let other = interval.other.histogram(metric);
        let histogram = match (measured, other) {
            (Some(measured), Some(other)) => {
                let mut both = measured.clone();
                both.merge(other);
                Some(Cow::Owned(both))
            }
            (one, another) => one.or(another).map(Cow::Borrowed),
        };
        Self {
            histogram,
            censored: interval.measured.censored(metric) + interval.other.censored(metric),
            after: unanswered_after.get(&metric).copied().unwrap_or_default(),
        }
    }

    fn censored_from(&self) -> Option<&'static str> {
        let figures = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)];
        let censored = |(_, q): &(_, f64)| matches!(self.quantile(*q), Quantile::Censored { .. });
        figures.into_iter().find(censored).map(|(name, _)| name)
    }

    fn at(&self, q: f64) -> Option<f64> {
        match self.quantile(q) {
            Quantile::Value(value) => Some(millis(value)),
            Quantile::Censored { more_than } => Some(millis(more_than.max(self.after))),
            Quantile::None => None,
        }
    }

    fn quantile(&self, q: f64) -> Quantile {
        match &self.histogram {
            Some(histogram) => histogram.quantile(q, self.censored),
            None if self.censored > 0 => Quantile::Censored {
                more_than: Duration::ZERO,
            },
            None => Quantile::None,
        }
    }
}
