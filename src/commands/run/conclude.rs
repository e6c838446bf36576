//! From what the engine recorded to a judged result.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::compare::verdict;
use crate::engine::plan::Plan;
use crate::engine::run::{End, Interrupt, Outcome};
use crate::engine::stall::Stalls;
use crate::metrics::conservation::AtEnd;
use crate::metrics::{Counter, Sheet};
use crate::result::{
    Caps, EndReason, Environment, Phases, RunFacts, RunResult, ServerCounts, ServerLoad, Stall,
    ValidityLimits,
};
use crate::scenario::{LoadModel, Scenario, Step, redact, redact_url};

use super::observe::Observed;
use super::storms;
use super::timeline::FaultLog;

/// What is known of the built-in server.
pub struct Served {
    /// It was there to the end, or there was none.
    pub lasted: bool,
    /// What it counted.
    pub counts: Option<ServerCounts>,
    /// How busy it was.
    pub load: Option<ServerLoad>,
}

/// Puts the result together and judges it.
pub fn conclude(
    plan: &Arc<Plan>,
    mut outcome: Outcome,
    observed: &Observed,
    faults: &FaultLog,
    started: SystemTime,
    server: Served,
) -> RunResult {
    for sheet in [&mut outcome.total.measured, &mut outcome.total.other] {
        book_missing(sheet);
    }
    let scenario = &plan.scenario;
    let facts = facts(plan, &outcome, observed, started, server.lasted);
    let at_end = AtEnd {
        open_connections: outcome.open_at_end,
    };
    let hide = |text: &str| redact(text, &scenario.secrets).into_owned();
    let timeline = observed.timeline.clone();
    let total = &outcome.total;
    let mut result = RunResult::new(facts, Environment::read(), total, timeline, at_end, &hide);
    if !outcome.lost.is_empty() {
        result.validity.lost = outcome.lost;
    } else if outcome.lost_shards > 0 {
        let lost = outcome.lost_shards;
        let law = format!("{lost} shards did not report their end: their last second is missing");
        result.validity.broken_laws.push(law);
    }
    result.server_counts = server.counts;
    result.server_load = server.load;
    storms::attach(&mut result, &observed.storms, observed.storms_omitted);
    result.faults = faults.records().clone();
    verdict::judge(&mut result, &scenario.thresholds);
    result
}

/// Deliveries that were expected and did not come are only known at the end.
fn book_missing(sheet: &mut Sheet) {
    let expected = sheet.counter(Counter::DeliveriesExpected);
    let received = sheet.counter(Counter::DeliveriesReceived);
    sheet.add(
        Counter::DeliveriesMissing,
        expected.saturating_sub(received),
    );
}

fn facts(
    plan: &Plan,
    outcome: &Outcome,
    observed: &Observed,
    started: SystemTime,
    server_lasted: bool,
) -> RunFacts {
    let scenario = &plan.scenario;
    let validity = &scenario.validity;
    let targets = scenario.target.urls.iter();
    RunFacts {
        name: scenario.name.clone(),
        description: scenario.description.clone(),
        text: scenario.source.to_string(),
        changes: scenario.recipe.overrides.changes(),
        seed: scenario.seed,
        targets: targets.map(|url| redact_url(&url.to_string())).collect(),
        server: scenario
            .server
            .as_ref()
            .map(|server| format!("{:?}", server.behaviour).to_lowercase()),
        load: load_in_words(scenario),
        started,
        phases: phases(plan, outcome),
        end_reason: end_reason(outcome, observed, server_lasted),
        shards: usize::from(plan.shards),
        processes: usize::from(observed.processes),
        pacing: outcome.pacing.to_string(),
        closed_loop: is_closed_loop(scenario),
        limits: ValidityLimits {
            schedule_lag_p99: validity.schedule_lag_p99,
            shortest_period: shortest_period(scenario),
            busy: validity.busy,
            dropped_arrivals: validity.dropped_arrivals,
            longest_stall: validity.longest_stall,
        },
        caps: caps(scenario),
        stalls: stalls(&outcome.stalls),
        stalls_beyond: outcome.stalls.beyond(),
        unanswered_after: observed.unanswered_after.clone(),
    }
}

fn caps(scenario: &Scenario) -> Caps {
    let limits = scenario.limits;
    Caps {
        dials_per_s: limits.dials_per_s,
        messages_per_s: limits.messages_per_s,
        clients: limits.clients,
    }
}

fn stalls(stalls: &Stalls) -> Vec<Stall> {
    let row = |stall: &crate::engine::stall::Stall| Stall {
        start_s: stall.start.secs_f64(),
        length_s: stall.length().as_secs_f64(),
    };
    stalls.list().iter().map(row).collect()
}

/// An early end moves the later phase ends to itself.
fn phases(plan: &Plan, outcome: &Outcome) -> Phases {
    let planned = &plan.phases;
    let measure_end = planned.measure_end.min(outcome.load_ended);
    Phases {
        warm_up_end: planned.warm_up_end.min(measure_end),
        measure_end,
        drain_end: outcome.ended.max(measure_end),
    }
}

fn end_reason(outcome: &Outcome, observed: &Observed, server_lasted: bool) -> EndReason {
    let opened = Counter::ConnectionsOpened;
    let total = &outcome.total;
    let connected = total.measured.counter(opened) + total.other.counter(opened) > 0;
    match &outcome.end {
        End::Interrupted(Interrupt::Interrupted) => EndReason::Interrupted,
        End::Interrupted(Interrupt::Terminated) => EndReason::Terminated,
        _ if observed.server_ended || !server_lasted => EndReason::ServerEnded,
        _ if !connected => EndReason::NothingConnected,
        End::Aborted(name) => EndReason::AbortedByThreshold(name.clone()),
        End::Completed | End::NoClientsLeft => EndReason::Completed,
    }
}

pub(super) fn load_in_words(scenario: &Scenario) -> String {
    let goals = scenario.load.stages.iter().map(|stage| stage.goal);
    let most = goals.fold(0.0, f64::max);
    match scenario.load.model {
        LoadModel::Closed => format!("{} clients", crate::report::view::count(most as u64)),
        LoadModel::Open { max_clients, .. } => format!(
            "up to {most} arrivals/s, at most {} clients",
            crate::report::view::count(u64::from(max_clients))
        ),
    }
}

/// The shortest period of all schedules.
fn shortest_period(scenario: &Scenario) -> Option<Duration> {
    let steps = scenario.sessions.iter().flat_map(|s| &s.steps);
    let periods = steps.filter_map(|step| match step {
        Step::Send(send) => send.schedule.as_ref().map(|s| s.period),
        _ => None,
    });
    periods.min()
}

fn is_closed_loop(scenario: &Scenario) -> bool {
    shortest_period(scenario).is_none()
}
