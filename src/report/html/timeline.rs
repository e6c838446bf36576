//! The run over time: charts on one axis, with what was done to the target marked in all of them.

use super::plot::Figure;
use super::plot::lines::{Limit, Lines, Mark, Series};
use super::plot::scale::{Scale, tick};
use super::plot::{LEFT, RIGHT};
use crate::report::view;
use crate::result::{RunResult, TimelineRow};

/// What a line shows of a row, and of the length of a whole interval in seconds.
type Of = fn(&TimelineRow, f64) -> Option<f64>;

/// A chart as a table row: id, title, unit, logarithmic, lines.
struct Plan {
    id: &'static str,
    title: &'static str,
    unit: &'static str,
    log: bool,
    lines: &'static [(&'static str, usize, Of)],
}

/// Events a second. Pieces at the ends of phases are short: they count as a whole interval, or the
/// few events of ten milliseconds would read as thousands a second.
fn per_second(events: u64, whole_s: f64) -> Option<f64> {
    (whole_s > 0.0).then(|| events as f64 / whole_s)
}

/// In percent; too short a piece says nothing.
fn busy(row: &TimelineRow, whole_s: f64) -> Option<f64> {
    (2.0 * length(row) >= whole_s).then_some(100.0 * row.busy)
}

fn length(row: &TimelineRow) -> f64 {
    row.end_s - row.start_s
}

/// All of them, the most telling first.
const PLANS: &[Plan] = &[
    Plan {
        id: "round-trip",
        title: "Round trip and service time",
        unit: "ms",
        log: true,
        lines: &[
            ("round trip longest", 4, |r, _| r.round_trip_max_ms),
            ("p99", 3, |r, _| r.round_trip_p99_ms),
            ("p90", 2, |r, _| r.round_trip_p90_ms),
            ("p50", 0, |r, _| r.round_trip_p50_ms),
            ("service time p99", 5, |r, _| r.service_time_p99_ms),
            ("service time p50", 1, |r, _| r.service_time_p50_ms),
        ],
    },
    Plan {
        id: "failures",
        title: "Failures",
        unit: "/s",
        log: false,
        lines: &[
            ("failed dials", 3, |r, s| per_second(r.failed, s)),
            ("lost connections", 4, |r, s| per_second(r.lost, s)),
            ("unanswered", 2, |r, s| per_second(r.unanswered, s)),
            ("skipped sends", 5, |r, s| per_second(r.sends_skipped, s)),
            ("dropped arrivals", 6, |r, s| {
                per_second(r.arrivals_dropped, s)
            }),
        ],
    },
    Plan {
        id: "clients",
        title: "Clients",
        unit: "",
        log: false,
        lines: &[
            ("taking part", 7, |r, _| Some(r.clients as f64)),
            ("connected", 0, |r, _| Some(r.connected as f64)),
            ("waiting answers", 2, |r, _| Some(r.outstanding as f64)),
        ],
    },
    Plan {
        id: "messages",
        title: "Messages",
        unit: "/s",
        log: false,
        lines: &[
            ("sent", 7, |r, s| per_second(r.messages_sent, s)),
            ("answered", 0, |r, s| per_second(r.replies_matched, s)),
            ("received", 1, |r, s| per_second(r.messages_received, s)),
            ("deliveries", 5, |r, s| per_second(r.deliveries_received, s)),
        ],
    },
    Plan {
        id: "dials",
        title: "Handshakes",
        unit: "/s",
        log: false,
        lines: &[
            ("attempted", 7, |r, s| per_second(r.attempted, s)),
            ("opened", 0, |r, s| per_second(r.opened, s)),
            ("connected again", 1, |r, s| per_second(r.reconnected, s)),
            ("closed", 5, |r, s| per_second(r.closed, s)),
        ],
    },
    Plan {
        id: "heartbeats",
        title: "Heartbeats",
        unit: "/s",
        log: false,
        lines: &[
            ("sent", 7, |r, s| per_second(r.heartbeats_sent, s)),
            ("late", 2, |r, s| per_second(r.heartbeats_late, s)),
            ("missed", 3, |r, s| per_second(r.heartbeats_missed, s)),
        ],
    },
    Plan {
        id: "other-times",
        title: "Handshake, delivery and heartbeat times",
        unit: "ms",
        log: true,
        lines: &[
            ("handshake p99", 3, |r, _| r.handshake_p99_ms),
            ("handshake p50", 0, |r, _| r.handshake_p50_ms),
            ("delivery p99", 2, |r, _| r.delivery_p99_ms),
            ("delivery p50", 1, |r, _| r.delivery_p50_ms),
            ("heartbeat p99", 5, |r, _| r.heartbeat_rtt_p99_ms),
        ],
    },
    Plan {
        id: "schedule-lag",
        title: "Schedule lag: the generator's own lateness",
        unit: "ms",
        log: true,
        lines: &[
            ("longest", 4, |r, _| r.schedule_lag_max_ms),
            ("p99", 3, |r, _| r.schedule_lag_p99_ms),
            ("p50", 0, |r, _| r.schedule_lag_p50_ms),
        ],
    },
    Plan {
        id: "busy",
        title: "Busiest thread of the generator",
        unit: "%",
        log: false,
        lines: &[("busy", 0, busy)],
    },
];

/// The charts that have data.
pub fn draw(result: &RunResult) -> Vec<Figure> {
    let rows = &result.timeline.rows;
    let Some(last) = rows.last() else {
        return Vec::new();
    };
    let middle = |row: &TimelineRow| f64::midpoint(row.start_s, row.end_s);
    let whole_s = rows.iter().map(length).fold(0.0, f64::max);
    let points: Vec<f64> = rows.iter().map(middle).collect();
    let labels: Vec<String> = rows.iter().map(label).collect();
    let x = Scale::exact(0.0, last.end_s, LEFT, RIGHT);
    let ticks = x.ticks().into_iter();
    let x_ticks: Vec<_> = ticks.map(|s| (s, format!("{} s", tick(s)))).collect();
    let marks = marks(result, last.end_s);
    let draw = |plan: &Plan| {
        let of = |(name, color, of): &(&str, usize, Of)| Series {
            name: (*name).to_owned(),
            color: *color,
            values: rows
                .iter()
                .map(|row| of(row, whole_s.max(length(row))))
                .collect(),
        };
        // What never happened has no line.
        let ever = |series: &Series| series.values.iter().flatten().any(|value| *value > 0.0);
        Lines {
            id: plan.id,
            title: plan.title,
            unit: plan.unit,
            log: plan.log,
            x,
            x_ticks: x_ticks.clone(),
            points: &points,
            labels: &labels,
            series: plan.lines.iter().map(of).filter(ever).collect(),
            marks: &marks,
            limit: limit(result, plan.id),
        }
        .draw()
    };
    PLANS.iter().filter_map(draw).collect()
}

/// When, what was active, and whether some figure is only a lower bound.
fn label(row: &TimelineRow) -> String {
    let mut text = format!("{:.1} s", row.start_s);
    if !row.faults.is_empty() {
        text += &format!(" ({})", view::plain(&row.faults));
    }
    if let Some(from) = &row.censored_from {
        text += &format!(" [round trip from {} at least]", view::plain(from));
    }
    text
}

fn limit(result: &RunResult, id: &str) -> Option<Limit> {
    let validity = &result.validity;
    let limit = |name: String, value| Some(Limit { name, value });
    match id {
        "schedule-lag" if validity.schedule_lag_limit_ms > 0.0 => {
            let value = validity.schedule_lag_limit_ms;
            limit(format!("limit of p99: {} ms", view::number(value)), value)
        }
        "busy" if validity.busy_limit > 0.0 => {
            let value = 100.0 * validity.busy_limit;
            limit(format!("limit: {} %", view::number(value)), value)
        }
        _ => None,
    }
}

/// Phases that are not measured, faults and storms.
fn marks(result: &RunResult, end_s: f64) -> Vec<Mark> {
    let phases = result.phases;
    let outside = [
        ("", 0.0, phases.warm_up_end_s),
        ("", phases.measure_end_s, end_s),
    ];
    let outside = outside.into_iter().filter(|(_, from, until)| until > from);
    let outside = outside.map(|(name, from, until)| Mark {
        class: "outside",
        name: str::to_owned(name),
        from,
        until,
    });
    let faults = result.faults.iter().filter(|fault| fault.error.is_none());
    let faults = faults.map(|fault| Mark {
        class: "fault",
        name: fault.kind.clone(),
        from: fault.sent_s,
        until: match fault.until_s {
            Some(until) => until,
            None if fault.instant => fault.sent_s,
            None => end_s,
        },
    });
    let storms = result.storms.iter().map(|storm| Mark {
        class: "storm",
        name: format!("storm of {}", view::count(storm.clients_lost)),
        from: storm.at_s,
        until: storm.at_s + storm.length_s,
    });
    let mut marks: Vec<Mark> = faults.chain(storms).collect();
    marks.sort_by(|a, b| a.from.total_cmp(&b.from));
    outside.chain(marks).collect()
}
