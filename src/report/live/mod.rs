//! A run in charts on a terminal while it lasts: what `run --tui` and `watch` draw.
//!
//! State and picture only: intervals go in, a frame comes out. Whoever owns the terminal draws it.

mod chart;
mod history;
mod plan;

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use crate::report::view;
use crate::result::{RunResult, TimelineRow, Verdict};

use chart::Place;
use history::History;
use plan::CHARTS;

/// Lines above the charts and below them.
const HEAD: u16 = 3;
const FOOT: u16 = 1;
/// From here on two charts stand side by side.
const TWO_COLUMNS: u16 = 100;
/// A chart of fewer lines shows nothing.
const LOWEST_CHART: u16 = 7;
/// Points beyond two a column cannot be told apart.
const POINTS_A_COLUMN: usize = 2;
/// What `z` goes through: the last so many seconds; the whole run is first.
const ZOOMS: [Option<f64>; 4] = [None, Some(600.0), Some(120.0), Some(30.0)];

/// Everything that is shown.
#[derive(Clone, Debug)]
pub struct Board {
    name: String,
    keys: &'static str,
    planned: Option<Duration>,
    color: bool,
    zoom: usize,
    history: History,
    latest: Option<TimelineRow>,
    troubles: Troubles,
    note: Option<String>,
    stopping: Option<&'static str>,
    end: Option<(Verdict, String)>,
}

/// What went wrong since the start, warm-up and drain included.
#[derive(Clone, Debug, Default)]
struct Troubles {
    failed: u64,
    lost: u64,
    unanswered: u64,
    missed: u64,
    skipped: u64,
    arrivals: u64,
}

impl Board {
    /// Of a run that has not begun; `keys` tells in one line what keys do.
    pub fn new(name: &str, keys: &'static str, color: bool) -> Self {
        Self {
            name: view::plain(name).into_owned(),
            keys,
            planned: None,
            color,
            zoom: 0,
            history: History::default(),
            latest: None,
            troubles: Troubles::default(),
            note: None,
            stopping: None,
            end: None,
        }
    }

    /// The same, of a run planned to take so long.
    pub fn planned(self, planned: Duration) -> Self {
        let planned = Some(planned);
        Self { planned, ..self }
    }

    /// The next interval.
    pub fn add(&mut self, row: TimelineRow) {
        let so_far = &mut self.troubles;
        so_far.failed += row.failed;
        so_far.lost += row.lost;
        so_far.unanswered += row.unanswered;
        so_far.missed += row.heartbeats_missed;
        so_far.skipped += row.sends_skipped;
        so_far.arrivals += row.arrivals_dropped;
        self.history.add(&row);
        self.latest = Some(row);
    }

    /// What is going on besides, e.g. a storm; `None` = nothing.
    pub fn note(&mut self, note: Option<String>) {
        self.note = note.map(|note| view::plain(&note).into_owned());
    }

    /// The run is about to end: `how`.
    pub fn stopping(&mut self, how: &'static str) {
        self.stopping = Some(how);
    }

    /// The run is over.
    pub fn end(&mut self, result: &RunResult) {
        let because = view::plain(&view::because(result)).into_owned();
        self.end = Some((result.verdict, because));
    }

    /// Shows the next shorter part of the run, after the shortest the whole.
    pub fn zoom(&mut self) {
        self.zoom = (self.zoom + 1) % ZOOMS.len();
    }

    /// Draws it over the whole frame.
    pub fn draw(&self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let parts = Layout::vertical([
            Constraint::Length(HEAD),
            Constraint::Min(0),
            Constraint::Length(FOOT),
        ]);
        let [head, charts, foot] = parts.areas(area);
        let lines = [self.title(), self.figures(), self.troubles()];
        for (line, row) in lines.into_iter().zip(head.rows()) {
            frame.render_widget(line, row);
        }
        self.charts(frame, charts);
        let dim = Style::new().add_modifier(Modifier::DIM);
        frame.render_widget(Line::styled(self.keys_line(), dim), foot);
        if !self.color {
            let colorless = Style::new().fg(Color::Reset).bg(Color::Reset);
            frame.buffer_mut().set_style(area, colorless);
        }
    }

    fn title(&self) -> Line<'_> {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let mut spans = vec![Span::styled(self.name.as_str(), bold)];
        if let Some((verdict, because)) = &self.end {
            let style = bold.fg(color_of(*verdict));
            spans.push(Span::raw("  verdict: "));
            spans.push(Span::styled(verdict.name(), style));
            spans.push(Span::raw(format!(" {because}")));
            return Line::from(spans);
        }
        let Some(row) = &self.latest else {
            spans.push(Span::raw("  waiting for the first interval"));
            return Line::from(spans);
        };
        let mut text = format!("  {} {:.0} s", row.phase.name(), row.end_s);
        if let Some(planned) = self.planned {
            text += &format!(" of {}", view::seconds(planned.as_secs_f64().round()));
        }
        let (connected, clients) = (view::count(row.connected), view::count(row.clients));
        text += &format!("  {connected} of {clients} clients connected");
        spans.push(Span::raw(text));
        if !row.faults.is_empty() {
            let style = bold.fg(Color::Magenta);
            let faults = view::plain(&row.faults).into_owned();
            spans.push(Span::styled(format!("  fault: {faults}"), style));
        }
        let style = bold.fg(Color::Yellow);
        for note in [self.stopping, self.note.as_deref()].into_iter().flatten() {
            spans.push(Span::styled(format!("  {note}"), style));
        }
        Line::from(spans)
    }

    /// The latest interval in numbers.
    fn figures(&self) -> Line<'_> {
        let Some(row) = &self.latest else {
            return Line::default();
        };
        let length = (row.end_s - row.start_s).max(1e-9);
        let mut parts = Vec::new();
        for (count, words) in [
            (row.messages_sent, "sent"),
            (row.replies_matched, "answered"),
            (row.deliveries_received, "delivered"),
        ] {
            if count > 0 {
                parts.push(format!("{} {words}", view::rate(count as f64 / length)));
            }
        }
        let figures = [
            (
                "round_trip p50",
                row.round_trip_p50_ms,
                bound(row, &["p50"]),
            ),
            (
                "p99",
                row.round_trip_p99_ms,
                bound(row, &["p50", "p90", "p99"]),
            ),
            ("schedule_lag p99", row.schedule_lag_p99_ms, false),
        ];
        for (name, value, bound) in figures {
            match value {
                Some(value) if bound => parts.push(format!("{name} {}", view::more_than(value))),
                Some(value) => parts.push(format!("{name} {} ms", view::millis(value))),
                None => {}
            }
        }
        parts.push(format!("busy {:.0} %", row.busy * 100.0));
        Line::raw(parts.join("  "))
    }

    fn troubles(&self) -> Line<'_> {
        let so_far = &self.troubles;
        let all = [
            (so_far.failed, "failed dials"),
            (so_far.lost, "lost connections"),
            (so_far.unanswered, "unanswered"),
            (so_far.missed, "missed beats"),
            (so_far.skipped, "skipped sends"),
            (so_far.arrivals, "arrivals dropped"),
        ];
        let some = all.iter().filter(|(count, _)| *count > 0);
        let some: Vec<_> =
            (some.map(|(count, words)| format!("{} {words}", view::count(*count)))).collect();
        if some.is_empty() {
            return Line::styled("no troubles so far", Style::new().fg(Color::Green));
        }
        let style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
        Line::styled(format!("so far: {}", some.join(", ")), style)
    }

    fn keys_line(&self) -> String {
        let shown = match ZOOMS[self.zoom] {
            None => "the whole run".to_owned(),
            Some(seconds) => format!("the last {}", view::seconds(seconds)),
        };
        format!("{}  z zoom: {shown}", self.keys)
    }

    /// As many charts as there is room for.
    fn charts(&self, frame: &mut Frame<'_>, area: Rect) {
        let columns = if area.width >= TWO_COLUMNS { 2 } else { 1 };
        let width = usize::from(area.width / columns);
        let points = self.history.seen(ZOOMS[self.zoom], width * POINTS_A_COLUMN);
        let places: Vec<Place> = places().filter(|place| place.has_data(&points)).collect();
        let rows = usize::from(area.height / LOWEST_CHART);
        let room = rows * usize::from(columns);
        let shown = places.get(..room.min(places.len())).unwrap_or_default();
        for (place, cell) in shown.iter().zip(grid(area, shown.len(), columns)) {
            place.draw(frame, cell, &points, self.color);
        }
    }
}

/// Whether a figure of an interval is only a lower bound: it, or one below it, is censored.
fn bound(row: &TimelineRow, names: &[&str]) -> bool {
    row.censored_from
        .as_deref()
        .is_some_and(|from| names.contains(&from))
}

fn places() -> impl Iterator<Item = Place> {
    CHARTS.iter().scan(0, |next, plan| {
        let first = *next;
        *next += plan.lines.len();
        Some(Place { plan, first })
    })
}

/// Cells for so many charts, row by row; a last one alone has the whole row.
fn grid(area: Rect, count: usize, columns: u16) -> Vec<Rect> {
    let rows = count.div_ceil(usize::from(columns)).max(1);
    let each = u32::try_from(rows).unwrap_or(1);
    let rows = Layout::vertical((0..rows).map(|_| Constraint::Ratio(1, each))).split(area);
    let mut cells = Vec::new();
    for row in rows.iter() {
        let left = count - cells.len();
        let columns = usize::from(columns).min(left);
        let each = u32::try_from(columns.max(1)).unwrap_or(1);
        let split = Layout::horizontal((0..columns).map(|_| Constraint::Ratio(1, each)));
        cells.extend(split.split(*row).iter().copied());
    }
    cells
}

fn color_of(verdict: Verdict) -> Color {
    match verdict {
        Verdict::Pass => Color::Green,
        Verdict::Fail => Color::Red,
        Verdict::Inconclusive | Verdict::Invalid => Color::Yellow,
    }
}

#[cfg(test)]
mod tests;
