//! Which charts there are and what their lines show of an interval.

use crate::result::TimelineRow;

/// One chart.
pub(super) struct Plan {
    /// What it is called, with its unit.
    pub title: &'static str,
    /// Times differ by orders of magnitude: logarithmic.
    pub log: bool,
    /// The highest its axis need reach, e.g. 100 for a share in percent; 0 = what the data need.
    pub at_least: f64,
    /// In the order of the legend.
    pub lines: &'static [Line],
}

/// One line of a chart.
pub(super) struct Line {
    /// In the legend.
    pub name: &'static str,
    /// Its value in an interval; of several intervals the highest is drawn.
    pub of: fn(&TimelineRow) -> Option<f64>,
}

const fn line(name: &'static str, of: fn(&TimelineRow) -> Option<f64>) -> Line {
    Line { name, of }
}

/// So many a second, in an interval.
fn per_s(count: u64, row: &TimelineRow) -> Option<f64> {
    let length = row.end_s - row.start_s;
    (length > 0.0).then(|| count as f64 / length)
}

fn number(count: u64) -> Option<f64> {
    Some(count as f64)
}

/// The charts, those that people look at first before the others.
pub(super) const CHARTS: &[Plan] = &[
    Plan {
        title: "round_trip, ms",
        log: true,
        at_least: 0.0,
        lines: &[
            line("p50", |r| r.round_trip_p50_ms),
            line("p90", |r| r.round_trip_p90_ms),
            line("p99", |r| r.round_trip_p99_ms),
        ],
    },
    Plan {
        title: "messages a second",
        log: false,
        at_least: 0.0,
        lines: &[
            line("sent", |r| per_s(r.messages_sent, r)),
            line("answered", |r| per_s(r.replies_matched, r)),
            line("delivered", |r| per_s(r.deliveries_received, r)),
        ],
    },
    Plan {
        title: "clients",
        log: false,
        at_least: 1.0,
        lines: &[
            line("taking part", |r| number(r.clients)),
            line("connected", |r| number(r.connected)),
        ],
    },
    Plan {
        title: "troubles an interval",
        log: false,
        at_least: 0.0,
        lines: &[
            line("failed dials", |r| number(r.failed)),
            line("lost connections", |r| number(r.lost)),
            line("unanswered", |r| number(r.unanswered)),
            line("missed beats", |r| number(r.heartbeats_missed)),
        ],
    },
    Plan {
        title: "delivery, ms",
        log: true,
        at_least: 0.0,
        lines: &[
            line("p50", |r| r.delivery_p50_ms),
            line("p99", |r| r.delivery_p99_ms),
        ],
    },
    Plan {
        title: "handshake, ms",
        log: true,
        at_least: 0.0,
        lines: &[
            line("p50", |r| r.handshake_p50_ms),
            line("p99", |r| r.handshake_p99_ms),
        ],
    },
    Plan {
        title: "schedule_lag, the generator's own, ms",
        log: true,
        at_least: 0.0,
        lines: &[
            line("p50", |r| r.schedule_lag_p50_ms),
            line("p99", |r| r.schedule_lag_p99_ms),
        ],
    },
    Plan {
        title: "busiest generator thread, %",
        log: false,
        at_least: 100.0,
        lines: &[line("busy", |r| Some(r.busy * 100.0))],
    },
    Plan {
        title: "heartbeat_rtt, ms",
        log: true,
        at_least: 0.0,
        lines: &[line("p99", |r| r.heartbeat_rtt_p99_ms)],
    },
];
