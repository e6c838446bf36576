//! The rows of several timelines on one.
//!
//! A row is added to the one of the earliest run in whose window its middle lies, by wall-clock time;
//! later ones make windows of their own. Counts so stay exact in their sums, and are right to an interval
//! in their place. Levels (clients, connections) are the sum of each run's last level.
//!
//! **Quantiles cannot be made from quantiles.** A cell is made again from the interval histograms of
//! `histograms.hlog`, if those of each run explain its own cell (the log holds measured samples only, a
//! cell all of them); a cell of one run alone is kept; any other stays empty.

use std::time::Duration;

use crate::metrics::{Histogram, Metric, Quantile};
use crate::result::TimelineRow;
use crate::result::summary::millis;

use super::{Part, log};

/// The merged rows.
pub(super) struct Laid {
    pub rows: Vec<TimelineRow>,
    pub log: Vec<String>,
    pub notes: Vec<String>,
}

/// Metrics with cells, each with its quantiles; round_trip has a column for what is a lower bound, too.
pub(super) const CELLS: [(Metric, &[(&str, f64)]); 6] = [
    (
        Metric::RoundTrip,
        &[("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0)],
    ),
    (Metric::ServiceTime, &[("p50", 0.5), ("p99", 0.99)]),
    (Metric::Handshake, &[("p50", 0.5), ("p99", 0.99)]),
    (Metric::Delivery, &[("p50", 0.5), ("p99", 0.99)]),
    (Metric::HeartbeatRtt, &[("p99", 0.99)]),
    (
        Metric::ScheduleLag,
        &[("p50", 0.5), ("p99", 0.99), ("max", 1.0)],
    ),
];

/// The cells of a metric, in the order of [`CELLS`].
pub(super) fn cells(row: &mut TimelineRow, metric: Metric) -> Vec<&mut Option<f64>> {
    match metric {
        Metric::RoundTrip => vec![
            &mut row.round_trip_p50_ms,
            &mut row.round_trip_p90_ms,
            &mut row.round_trip_p99_ms,
            &mut row.round_trip_max_ms,
        ],
        Metric::ServiceTime => vec![&mut row.service_time_p50_ms, &mut row.service_time_p99_ms],
        Metric::Handshake => vec![&mut row.handshake_p50_ms, &mut row.handshake_p99_ms],
        Metric::Delivery => vec![&mut row.delivery_p50_ms, &mut row.delivery_p99_ms],
        Metric::HeartbeatRtt => vec![&mut row.heartbeat_rtt_p99_ms],
        Metric::ScheduleLag => vec![
            &mut row.schedule_lag_p50_ms,
            &mut row.schedule_lag_p99_ms,
            &mut row.schedule_lag_max_ms,
        ],
        _ => Vec::new(),
    }
}

/// A window of the merged timeline with the rows that fall into it, as (part, row).
struct Window {
    start_s: f64,
    end_s: f64,
    rows: Vec<(usize, usize)>,
}

pub(super) fn merge(parts: &[Part], shifts: &[f64]) -> Laid {
    let windows = windows(parts, shifts);
    let mut laid = Laid {
        rows: Vec::with_capacity(windows.len()),
        log: Vec::new(),
        notes: Vec::new(),
    };
    let mut levels = vec![None; parts.len()];
    let mut empty = 0;
    for (index, window) in windows.iter().enumerate() {
        let mut row = sum(parts, window, index as u64);
        for (part, at) in &window.rows {
            levels[*part] = Some((*part, *at));
        }
        level(&mut row, parts, &levels);
        for level in &mut levels {
            // A run that has ended has no clients any more.
            *level = level.filter(|(part, at)| at + 1 < parts[*part].result.timeline.rows.len());
        }
        for (metric, quantiles) in CELLS {
            empty += u64::from(!figures(&mut row, parts, window, metric, quantiles));
        }
        lines(&mut laid.log, &row, parts, window);
        laid.rows.push(row);
    }
    if empty > 0 {
        laid.notes.push(format!(
            "{empty} groups of quantiles of intervals are empty: quantiles cannot be merged, and the interval \
             histograms do not explain them (they hold measured samples only, or are not there)"
        ));
    }
    if parts.iter().any(|part| part.result.timeline.omitted > 0) {
        let text = "intervals beyond the two hours that a result.json holds are not merged";
        laid.notes.push(text.to_owned());
    }
    laid
}

/// Those of the earliest run, and then of whatever lasts longer.
fn windows(parts: &[Part], shifts: &[f64]) -> Vec<Window> {
    let mut windows: Vec<Window> = Vec::new();
    for (number, (part, shift)) in parts.iter().zip(shifts).enumerate() {
        for (at, row) in part.result.timeline.rows.iter().enumerate() {
            let (start_s, end_s) = (row.start_s + shift, row.end_s + shift);
            let middle = f64::midpoint(start_s, end_s);
            let next = windows.partition_point(|window| window.end_s <= middle);
            match windows.get_mut(next) {
                // The earliest has a window for each of its own rows, however short.
                Some(window) if number > 0 => window.rows.push((number, at)),
                _ => windows.push(Window {
                    start_s: windows
                        .last()
                        .map_or(start_s, |last| last.end_s.max(start_s)),
                    end_s,
                    rows: vec![(number, at)],
                }),
            }
        }
    }
    windows
}

fn sum(parts: &[Part], window: &Window, index: u64) -> TimelineRow {
    let of = |(part, at): &(usize, usize)| &parts[*part].result.timeline.rows[*at];
    let mut rows = window.rows.iter().map(of);
    // Every window was made for a row.
    let mut sum = rows.next().cloned().expect("a window has a row");
    for row in rows {
        add(&mut sum, row);
    }
    (sum.index, sum.start_s, sum.end_s) = (index, window.start_s, window.end_s);
    sum
}

fn add(sum: &mut TimelineRow, row: &TimelineRow) {
    for (sum, count) in [
        (&mut sum.attempted, row.attempted),
        (&mut sum.opened, row.opened),
        (&mut sum.failed, row.failed),
        (&mut sum.closed, row.closed),
        (&mut sum.lost, row.lost),
        (&mut sum.reconnected, row.reconnected),
        (&mut sum.arrivals_dropped, row.arrivals_dropped),
        (&mut sum.messages_sent, row.messages_sent),
        (&mut sum.messages_received, row.messages_received),
        (&mut sum.replies_matched, row.replies_matched),
        (&mut sum.unanswered, row.unanswered),
        (&mut sum.sends_skipped, row.sends_skipped),
        (&mut sum.deliveries_received, row.deliveries_received),
        (&mut sum.heartbeats_sent, row.heartbeats_sent),
        (&mut sum.heartbeats_late, row.heartbeats_late),
        (&mut sum.heartbeats_missed, row.heartbeats_missed),
        (&mut sum.bytes_sent, row.bytes_sent),
        (&mut sum.bytes_received, row.bytes_received),
        (&mut sum.dials_held_back, row.dials_held_back),
    ] {
        *sum = sum.saturating_add(count);
    }
    sum.busy = sum.busy.max(row.busy);
    sum.cpu_s += row.cpu_s;
    for kind in row.faults.split(' ').filter(|kind| !kind.is_empty()) {
        if !sum.faults.split(' ').any(|known| known == kind) {
            if !sum.faults.is_empty() {
                sum.faults.push(' ');
            }
            sum.faults += kind;
        }
    }
}

fn level(row: &mut TimelineRow, parts: &[Part], levels: &[Option<(usize, usize)>]) {
    (row.clients, row.connected, row.outstanding) = (0, 0, 0);
    for (part, at) in levels.iter().flatten() {
        let own = &parts[*part].result.timeline.rows[*at];
        row.clients += own.clients;
        row.connected += own.connected;
        row.outstanding += own.outstanding;
    }
}

/// Makes the cells of a metric; false when they had to stay empty although there were samples.
fn figures(
    row: &mut TimelineRow,
    parts: &[Part],
    window: &Window,
    metric: Metric,
    quantiles: &[(&str, f64)],
) -> bool {
    let of = |(part, at): (usize, usize)| parts[part].result.timeline.rows[at].clone();
    let with = window.rows.iter().copied().filter(|place| {
        let mut own = of(*place);
        cells(&mut own, metric).iter().any(|cell| cell.is_some())
    });
    let with: Vec<_> = with.collect();
    if let [alone] = with[..] {
        let mut own = of(alone);
        for (cell, value) in cells(row, metric).into_iter().zip(cells(&mut own, metric)) {
            *cell = *value;
        }
        if metric == Metric::RoundTrip {
            row.censored_from = own.censored_from;
        }
        return true;
    }
    let mut whole = Histogram::new();
    let (mut unanswered, mut after, mut explained) = (0, Duration::ZERO, true);
    for (part, at) in &with {
        let found = explain(&parts[*part], &of((*part, *at)), metric, quantiles);
        explained &= found.is_some();
        if let Some(found) = found {
            whole.merge(&found.histogram);
            unanswered += found.unanswered;
            after = after.max(found.after);
        }
    }
    explained &= !with.is_empty();
    let mut from = None;
    for (cell, (name, q)) in cells(row, metric).into_iter().zip(quantiles) {
        let (value, censored) = value(&whole, *q, unanswered, after);
        *cell = value.filter(|_| explained);
        if censored && explained {
            from.get_or_insert((*name).to_owned());
        }
    }
    if metric == Metric::RoundTrip {
        row.censored_from = from;
    }
    explained || with.is_empty()
}

/// What stands behind the cells of one run.
struct Found {
    histogram: Histogram,
    unanswered: u64,
    after: Duration,
}

/// The samples of a row by its log, if they give the row's own cells again.
fn explain(
    part: &Part,
    row: &TimelineRow,
    metric: Metric,
    quantiles: &[(&str, f64)],
) -> Option<Found> {
    let histogram = match part.log.get(row.start_s, metric) {
        Some(decoded) => decoded.ok()?,
        None => Histogram::new(),
    };
    let waits = matches!(metric, Metric::RoundTrip | Metric::ServiceTime);
    let unanswered = if waits { row.unanswered } else { 0 };
    let summary = part.result.summary.metrics.get(&metric);
    let after = summary.map(|summary| summary.waited()).unwrap_or_default();
    let mut own = row.clone();
    let alike = cells(&mut own, metric)
        .into_iter()
        .zip(quantiles)
        .all(|(cell, (_, q))| value(&histogram, *q, unanswered, after).0 == *cell);
    alike.then_some(Found {
        histogram,
        unanswered,
        after,
    })
}

/// As rows of one run are made.
fn value(histogram: &Histogram, q: f64, unanswered: u64, after: Duration) -> (Option<f64>, bool) {
    match histogram.quantile(q, unanswered) {
        Quantile::Value(value) => (Some(millis(value)), false),
        Quantile::Censored { more_than } => (Some(millis(more_than.max(after))), true),
        Quantile::None => (None, false),
    }
}

/// The merged log of a window: exact, whatever the cells say.
fn lines(log: &mut Vec<String>, row: &TimelineRow, parts: &[Part], window: &Window) {
    for metric in Metric::ALL {
        let mut whole = Histogram::new();
        for (part, at) in &window.rows {
            let part = &parts[*part];
            let start_s = part.result.timeline.rows[*at].start_s;
            if let Some(Ok(histogram)) = part.log.get(start_s, *metric) {
                whole.merge(&histogram);
            }
        }
        if !whole.is_empty() {
            log.push(log::line(row.start_s, row.end_s, *metric, &whole));
        }
    }
}
