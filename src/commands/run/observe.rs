//! Keeps the timeline while the run lasts: files second by second, progress, early aborts.

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::clock::Offset;
use crate::compare::threshold::broken_early;
use crate::engine::plan::Plan;
use crate::engine::run::Observer;
use crate::engine::storm::Tracker;
use crate::metrics::{Interval, Metric, Phase, Total};
use crate::report::progress;
use crate::result::{Store, StormReport, Summary, Timeline, UnansweredAfter};
use crate::scenario::{Reply, Scenario, Step, redact};

use super::server_process::ServerProcess;
use super::storms;
use super::timeline::FaultLog;

/// Watches a run for the command.
pub struct Timekeeper<'a> {
    plan: Arc<Plan>,
    store: Store,
    timeline: Timeline,
    unanswered_after: UnansweredAfter,
    tracker: Tracker,
    server: Option<&'a mut ServerProcess>,
    server_ended: bool,
    faults: FaultLog,
    bar: ProgressBar,
    planned: Duration,
}

/// What is left when the run is over.
pub struct Observed {
    /// Still open: the documents are to be written.
    pub store: Store,
    /// Every interval in numbers.
    pub timeline: Timeline,
    /// See [`unanswered_after`].
    pub unanswered_after: UnansweredAfter,
    /// Mass disconnects, in order.
    pub storms: Vec<StormReport>,
    /// Storms beyond those that are kept.
    pub storms_omitted: u64,
    /// The built-in server ended before the run.
    pub server_ended: bool,
}

impl<'a> Timekeeper<'a> {
    /// Of a run that starts now.
    pub fn new(
        plan: &Arc<Plan>,
        store: Store,
        mut server: Option<&'a mut ServerProcess>,
        faults: FaultLog,
        quiet: bool,
    ) -> Self {
        if let Some(server) = &mut server {
            // What the first interval is subtracted from.
            server.look(false);
        }
        let load = &plan.scenario.load;
        Self {
            plan: Arc::clone(plan),
            store,
            timeline: Timeline::default(),
            unanswered_after: unanswered_after(&plan.scenario),
            tracker: storms::tracker(plan),
            server,
            server_ended: false,
            faults,
            bar: bar(quiet, load.duration()),
            planned: load.duration(),
        }
    }

    /// Clears the progress line; the run ended at `ended`.
    pub fn finish(mut self, ended: Offset) -> Observed {
        self.bar.finish_and_clear();
        Observed {
            storms: self.tracker.finish(ended),
            storms_omitted: self.tracker.omitted(),
            store: self.store,
            timeline: self.timeline,
            unanswered_after: self.unanswered_after,
            server_ended: self.server_ended,
        }
    }

    fn broken(&self, interval: &Interval, total: &Total) -> Option<String> {
        let thresholds = &self.plan.scenario.thresholds;
        if interval.window.phase != Phase::Measure || !thresholds.iter().any(|t| t.abort_run) {
            return None;
        }
        let measured = interval.window.end.since(self.plan.phases.warm_up_end);
        let secrets = &self.plan.scenario.secrets;
        let hide = |text: &str| redact(text, secrets).into_owned();
        let summary = Summary::new(&total.measured, measured, &self.unanswered_after, &hide);
        broken_early(thresholds, &summary, self.tracker.finished(), measured)
            .map(|t| t.name.clone())
    }
}

impl Observer for Timekeeper<'_> {
    fn interval(&mut self, interval: &Interval, total: &Total) -> ControlFlow<String> {
        self.faults.clients(&self.plan, &interval.events.faults);
        let busy_limit = self.plan.scenario.validity.busy;
        let row = self.timeline.add(
            interval,
            &self.unanswered_after,
            busy_limit,
            &self.faults.records(),
        );
        self.store.interval(interval, &row);
        self.bar.set_position(row.end_s.min(1e9) as u64);
        self.tracker.take(&interval.events, interval.window.end);
        let mut line = progress::line(&row, total, Some(self.planned));
        if let Some(storm) = self.tracker.active() {
            line += &progress::storm(storm.back, storm.clients_lost);
        }
        self.bar.set_message(line);
        if let Some(server) = &mut self.server {
            server.look(interval.window.phase == Phase::Measure);
        }
        if let Some(server) = &mut self.server
            && server.has_ended()
        {
            self.server_ended = true;
            return ControlFlow::Break("the built-in server ended".to_owned());
        }
        match self.broken(interval, total) {
            Some(name) => ControlFlow::Break(name),
            None => ControlFlow::Continue(()),
        }
    }
}

/// A bar on stderr; nothing without a terminal.
fn bar(quiet: bool, length: Duration) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let target = ProgressDrawTarget::stderr_with_hz(4);
    let bar = ProgressBar::with_draw_target(Some(length.as_secs().max(1)), target);
    let style = ProgressStyle::with_template("{bar:20.cyan/dim} {wide_msg}")
        .expect("the template names known fields only");
    bar.set_style(style.progress_chars("━━─"));
    bar.set_message("connecting");
    bar
}

/// How long an unanswered message of a metric had waited at least: the shortest timeout.
pub fn unanswered_after(scenario: &Scenario) -> UnansweredAfter {
    let mut shortest: Option<Duration> = None;
    for session in &scenario.sessions {
        for_each_reply(&session.steps, &mut |reply| {
            shortest = Some(shortest.map_or(reply.timeout, |s| s.min(reply.timeout)));
        });
    }
    let metrics = [Metric::RoundTrip, Metric::ServiceTime];
    let each = shortest.map(|timeout| metrics.map(|metric| (metric, timeout)));
    each.into_iter().flatten().collect()
}

fn for_each_reply(steps: &[Step], see: &mut dyn FnMut(&Reply)) {
    for step in steps {
        match step {
            Step::Send(send) => send.reply.iter().for_each(&mut *see),
            Step::Repeat { steps, .. } => for_each_reply(steps, see),
            _ => {}
        }
    }
}
