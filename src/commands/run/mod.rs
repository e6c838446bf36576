//! `wsbench run`: from a scenario to a verdict.
//!
//! Everything that can refuse does so before the load: limits, what the machine has, one test dial,
//! results folder, built-in server, TLS files. After that nothing that was measured is lost: the timeline is on disk second
//! by second, and every end, Ctrl-C included, is summed up, saved and judged.

mod advice;
mod baseline;
mod conclude;
mod display;
mod documents;
mod fleet;
mod observe;
mod preflight;
mod relay_process;
mod server_load;
mod server_process;
mod signals;
mod storms;
mod timeline;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;

use crate::commands::compare::FailOn;
use crate::commands::screen::Screen;
use crate::commands::{ci, limits};
use crate::compare::gate::Comparison;
use crate::engine::plan::Plan;
use crate::engine::run as engine;
use crate::exit::Exit;
use crate::report::{Look, terminal};
use crate::result::fault::By;
use crate::result::{EndReason, RunResult, Store, StoreError};
use crate::scenario::{Scenario, redact};

use baseline::Opened;
use conclude::Served;
use display::{Display, Show};
use fleet::Fleet;
use observe::Timekeeper;
use preflight::Team;
use relay_process::RelayProcess;
use server_process::ServerProcess;
use timeline::{Driver, FaultDoer, FaultLog};

pub use baseline::Options as BaselineOptions;
pub(crate) use preflight::capacity;
pub use preflight::{MOST_PROCESSES, addresses_for, processes_for};
pub(crate) use signals::watch as watch_signals;

/// How to run and what to show.
#[derive(Clone, Debug)]
pub struct Options {
    /// A folder for the results instead of results/NAME/TIME/.
    pub out: Option<PathBuf>,
    /// result.json on stdout instead of the summary.
    pub json: bool,
    /// Nothing but errors.
    pub quiet: bool,
    /// Charts on the whole terminal while the run lasts.
    pub tui: bool,
    /// More talk.
    pub verbose: bool,
    /// Generate in so many processes; `None` = as many as descriptors take.
    pub processes: Option<u16>,
    /// A target that is not this machine may be pressed hard.
    pub yes: bool,
    /// Dial once before the load.
    pub test_dial: bool,
    /// What to compare the run with.
    pub baseline: BaselineOptions,
    /// What stdout can show.
    pub look: Look,
}

/// A run that has ended.
pub struct Finished {
    /// What it measured, judged.
    pub result: RunResult,
    /// What the shell is to see.
    pub exit: Exit,
    /// Against its baseline, if it was compared.
    pub comparison: Option<Comparison>,
    /// Where it is; the first error if not all of it could be saved.
    pub saved: Result<PathBuf, StoreError>,
    /// What a probe says of a target to which nothing connected, if that was not said before.
    pub advice: Option<String>,
}

/// Runs a scenario and shows what came of it; the error is for what kept it from running (exit 3).
pub fn run(scenario: Scenario, options: &Options) -> anyhow::Result<Exit> {
    let scenario = Arc::new(scenario);
    let mut talk = anstream::stderr();
    if !options.quiet {
        for warning in &scenario.warnings {
            let _ = writeln!(talk, "warning: {warning}");
        }
    }
    if refuses(&scenario, options) {
        return Ok(Exit::Usage);
    }
    if options.tui && !Screen::is_possible() {
        let _ = writeln!(
            talk,
            "error: --tui draws on stderr, which is no terminal\n\
             hint: leave it out; `wsbench watch RESULTS` shows the run from another terminal"
        );
        return Ok(Exit::Usage);
    }
    let baseline = match baseline::open(&scenario, &options.baseline)? {
        Opened::Nothing => None,
        Opened::Set(baseline) => Some(baseline),
        Opened::Refused(text) => {
            let _ = writeln!(talk, "{text}");
            return Ok(Exit::Usage);
        }
    };
    let finished = execute_and(&scenario, options, &|result| {
        baseline
            .as_ref()
            .and_then(|baseline| baseline.judge(result))
    })?;
    show(&finished, options)?;
    if let (Some(advice), false) = (&finished.advice, options.quiet) {
        let _ = writeln!(talk, "{advice}");
    }
    if let (Some(name), Ok(_)) = (&options.baseline.save, &finished.saved) {
        baseline::keep(name, &finished.result, options.quiet)?;
    }
    match finished.saved {
        Ok(_) => Ok(finished.exit),
        Err(error) => {
            let _ = writeln!(talk, "error: {error}");
            Ok(Exit::CouldNotRun)
        }
    }
}

/// Prints what came of it.
fn show(finished: &Finished, options: &Options) -> anyhow::Result<()> {
    let result = &finished.result;
    ci::tell_of_run(result, finished.comparison.as_ref());
    if options.quiet {
        return Ok(());
    }
    if options.json {
        return super::print(&result.to_json());
    }
    let files = finished.saved.as_deref().ok();
    let mut text = terminal::render(result, options.look, files);
    if let Some(comparison) = &finished.comparison {
        text.push('\n');
        text += &terminal::comparison::below(comparison, result, options.look);
    }
    super::print(&text)
}

/// Runs a scenario, saves and judges it; prints no summary.
///
/// # Errors
/// What kept it from running: nothing was measured then.
pub fn execute(scenario: &Arc<Scenario>, options: &Options) -> anyhow::Result<Finished> {
    execute_and(scenario, options, &|_| None)
}

/// The same; `judge` may add to the verdict before anything is saved.
fn execute_and(
    scenario: &Arc<Scenario>,
    options: &Options,
    judge: &dyn Fn(&mut RunResult) -> Option<Comparison>,
) -> anyhow::Result<Finished> {
    let mut talk = anstream::stderr();
    let (spread, spread_fact) = preflight::spread(scenario);
    let scenario = &spread;
    let team = preflight::team(scenario, options.processes);
    let advised = ready(scenario, team, spread_fact, options)?;
    let processes = preflight::server_processes(scenario)?;
    #[expect(
        clippy::disallowed_methods,
        reason = "names the results folder, which is there before the run's epoch"
    )]
    let started = SystemTime::now();
    let store = open_store(scenario, options, started)?;
    let interrupts = signals::watch(options.quiet || options.tui)?;
    let mut server = scenario
        .server
        .as_ref()
        .map(|plan| ServerProcess::start(plan, &scenario.target, processes))
        .transpose()?;
    if options.verbose {
        let files = store.dir().display();
        let shards = team.shards;
        let _ = writeln!(talk, "shards: {shards}; results: {files}");
    }
    let relay = relay(scenario, options.quiet)?;
    let via = relay.as_ref().map(RelayProcess::address);
    let fleet = Fleet::start(scenario, team, via)?;
    let mut plan = Plan::new(Arc::clone(scenario), team.shards)?;
    plan.via = via;
    let plan = Arc::new(plan);
    let log = FaultLog::default();
    let drivers = misbehave(&plan, server.as_ref(), relay.as_ref(), &log)?;
    let display = display(scenario, options);
    let keeper = Timekeeper::new(&plan, store, server.as_mut(), log.clone(), display);
    let mut keeper = keeper.of_processes(team.processes);
    let outcome = generate(&plan, fleet, interrupts, &mut keeper).context("start the generator")?;
    let observed = keeper.finish(outcome.ended);
    drivers.into_iter().for_each(Driver::stop);
    let counts = server.as_ref().and_then(ServerProcess::counts);
    let load = server.as_mut().and_then(ServerProcess::load);
    stop_relay(relay, options);
    let reachable = server.is_none_or(|server| server.stop(Duration::from_secs(2)));
    let server = Served {
        lasted: reachable,
        counts,
        load,
    };
    let mut result = conclude::conclude(&plan, outcome, &observed, &log, started, server);
    let comparison = judge(&mut result);
    let exit = exit_of(&result, comparison.is_some(), options.baseline.fail_on);
    let saved = observed.store.finish(&result).and_then(|dir| {
        documents::write(&dir, &result, comparison.as_ref())?;
        Ok(dir)
    });
    let unknown = result.end_reason == EndReason::NothingConnected && !advised && !options.quiet;
    let advice = unknown.then(|| advice::advice(&plan)).flatten();
    Ok(Finished {
        result,
        exit,
        comparison,
        saved,
        advice,
    })
}

/// What is to be seen of the run while it lasts.
fn display(scenario: &Scenario, options: &Options) -> Display {
    let show = match (options.quiet, options.tui) {
        (true, _) => Show::Nothing,
        (false, true) => Show::Charts,
        (false, false) => Show::Line,
    };
    Display::new(show, &scenario.name, scenario.load.duration())
}

/// With a baseline, what counts as a failure is the caller's choice.
fn exit_of(result: &RunResult, compared: bool, fail_on: FailOn) -> Exit {
    match crate::compare::verdict::exit(result) {
        Exit::Pass | Exit::Fail | Exit::Unanswered if compared => {
            super::compare::exit(result.verdict, fail_on)
        }
        exit => exit,
    }
}

/// Holds the plan against the machine and the target; the error says what keeps it from running.
/// Whether a probe has said already why nothing connects.
fn ready(
    scenario: &Arc<Scenario>,
    team: Team,
    spread: Option<String>,
    options: &Options,
) -> anyhow::Result<bool> {
    let mut found = preflight::check(scenario, team)?;
    found.facts.extend(spread);
    // The built-in server is not there yet, and need not be tried.
    if options.test_dial && scenario.server.is_none() {
        let dialled = preflight::test_dial(scenario)?;
        found.facts.extend(dialled.facts);
        found.warnings.extend(dialled.warnings);
        found.advice = dialled.advice;
    }
    let mut talk = anstream::stderr();
    if options.verbose {
        for fact in &found.facts {
            let _ = writeln!(talk, "{fact}");
        }
    }
    if !options.quiet && !options.json {
        for warning in &found.warnings {
            let _ = writeln!(talk, "warning: {warning}");
        }
        if let Some(advice) = &found.advice {
            let _ = writeln!(talk, "{advice}");
        }
    }
    Ok(found.advice.is_some())
}

/// Runs the plan here, or in the processes that wait for it.
fn generate(
    plan: &Arc<Plan>,
    fleet: Option<Fleet>,
    interrupts: tokio::sync::mpsc::Receiver<engine::Interrupt>,
    keeper: &mut Timekeeper<'_>,
) -> std::io::Result<engine::Outcome> {
    let Some(fleet) = fleet else {
        return engine::run(plan, interrupts, keeper);
    };
    let epoch = plan.epoch.share();
    let outcome = engine::run_elsewhere(plan, interrupts, keeper, |reports, stages| {
        fleet.connect(epoch, &reports, stages)
    });
    fleet.stop();
    outcome
}

/// Says why a plan asks too much of its target or cannot be run in several processes, if so.
pub fn refuses(scenario: &Scenario, options: &Options) -> bool {
    let question = limits::unasked(scenario).filter(|_| !options.yes);
    let team = preflight::team(scenario, options.processes);
    let refusals = [
        limits::beyond(scenario),
        question,
        limits::apart(scenario, team.processes),
    ];
    let refusals: Vec<_> = refusals.into_iter().flatten().collect();
    for refusal in &refusals {
        let (reason, hint) = (&refusal.reason, &refusal.hint);
        let _ = writeln!(anstream::stderr(), "error: {reason}\nhint: {hint}");
    }
    !refusals.is_empty()
}

/// Starts to do the faults of the server and of the relay, if there are any.
fn misbehave(
    plan: &Plan,
    server: Option<&ServerProcess>,
    relay: Option<&RelayProcess>,
    log: &FaultLog,
) -> anyhow::Result<Vec<Driver>> {
    let scenario = &plan.scenario;
    let by_server = server.map(|server| -> (By, Box<dyn FaultDoer>) {
        (By::Server, Box::new(server.doer(scenario)))
    });
    let by_relay = relay
        .map(|relay| -> (By, Box<dyn FaultDoer>) { (By::Relay, Box::new(relay.doer(scenario))) });
    let mut drivers = Vec::new();
    for (by, doer) in [by_server, by_relay].into_iter().flatten() {
        let due = timeline::expand(plan, by);
        if !due.is_empty() {
            let driver = Driver::start(plan.epoch, due, doer, log.clone());
            drivers.push(driver.context("start the thread for faults")?);
        }
    }
    Ok(drivers)
}

fn relay(scenario: &Scenario, quiet: bool) -> anyhow::Result<Option<RelayProcess>> {
    let plan = scenario.relay.as_ref();
    let start = |plan| RelayProcess::start(plan, &scenario.target, scenario.seed, quiet);
    plan.map(start).transpose()
}

/// Says what the relay did, and whether it could not do what it was told.
fn stop_relay(relay: Option<RelayProcess>, options: &Options) {
    let Some(mut relay) = relay else {
        return;
    };
    let mut talk = anstream::stderr();
    let ended = relay.has_ended();
    let (totals, error) = relay.stop(Duration::from_secs(2));
    if ended {
        let _ = writeln!(
            talk,
            "warning: the relay ended before the run: clients found nobody"
        );
    }
    if let Some(error) = error {
        let _ = writeln!(talk, "warning: the relay: {error}");
    }
    if let Some(totals) = totals.filter(|_| options.verbose) {
        let _ = writeln!(talk, "relay: {}", totals);
    }
}

fn open_store(
    scenario: &Scenario,
    options: &Options,
    started: SystemTime,
) -> anyhow::Result<Store> {
    let secrets = scenario.secrets.clone();
    let hide = Box::new(move |text: &str| redact(text, &secrets).into_owned());
    let store = match &options.out {
        Some(dir) => Store::create_in(dir, started, hide)?,
        None => Store::create(Path::new("results"), &scenario.name, started, hide)?,
    };
    Ok(store)
}
