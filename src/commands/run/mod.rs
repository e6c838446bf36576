//! `wsbench run`: from a scenario to a verdict.
//!
//! Everything that can refuse does so before the first connection: limits, results folder, built-in
//! server, TLS files. After that nothing that was measured is lost: the timeline is on disk second
//! by second, and every end, Ctrl-C included, is summed up, saved and judged.

mod conclude;
mod observe;
mod preflight;
mod relay_process;
mod server_process;
mod signals;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;

use crate::engine::plan::Plan;
use crate::engine::run as engine;
use crate::exit::Exit;
use crate::report::{Look, markdown, terminal};
use crate::result::Store;
use crate::result::store::write_whole;
use crate::scenario::{Scenario, redact};

use observe::Timekeeper;
use relay_process::RelayProcess;
use server_process::ServerProcess;

/// How to run and what to show.
#[derive(Clone, Debug)]
pub struct Options {
    /// A folder for the results instead of results/NAME/TIME/.
    pub out: Option<PathBuf>,
    /// result.json on stdout instead of the summary.
    pub json: bool,
    /// Nothing but errors.
    pub quiet: bool,
    /// More talk.
    pub verbose: bool,
    /// What stdout can show.
    pub look: Look,
}

/// Runs a scenario; the error is for what kept it from running (exit 3).
pub fn run(scenario: Scenario, options: &Options) -> anyhow::Result<Exit> {
    let scenario = Arc::new(scenario);
    let mut talk = anstream::stderr();
    if !options.quiet {
        for warning in &scenario.warnings {
            let _ = writeln!(talk, "warning: {warning}");
        }
    }
    let shards = preflight::shards(&scenario);
    preflight::check(&scenario)?;
    #[expect(
        clippy::disallowed_methods,
        reason = "names the results folder, which is there before the run's epoch"
    )]
    let started = SystemTime::now();
    let store = open_store(&scenario, options, started)?;
    let interrupts = signals::watch(options.quiet)?;
    let mut server = scenario
        .server
        .as_ref()
        .map(|plan| ServerProcess::start(plan, &scenario.target))
        .transpose()?;
    if options.verbose {
        let files = store.dir().display();
        let _ = writeln!(talk, "shards: {shards}; results: {files}");
    }
    let relay = relay(&scenario, options.quiet)?;
    let mut plan = Plan::new(Arc::clone(&scenario), shards)?;
    plan.via = relay.as_ref().map(RelayProcess::address);
    let plan = Arc::new(plan);
    if let Some(relay) = &relay {
        let left = plan.phases.warm_up_end.since(plan.epoch.elapsed());
        relay.schedule(&scenario, left)?;
    }
    let mut keeper = Timekeeper::new(&plan, store, server.as_mut(), options.quiet);
    let outcome = engine::run(&plan, interrupts, &mut keeper).context("start the generator")?;
    let observed = keeper.finish();
    stop_relay(relay, options);
    let reachable = server.is_none_or(|server| server.stop(Duration::from_secs(2)));
    let result = conclude::conclude(&plan, outcome, &observed, started, reachable);
    let exit = crate::compare::verdict::exit(&result);
    let summary = observed.store.dir().join("summary.md");
    let saved = observed.store.finish(&result).and_then(|dir| {
        write_whole(&summary, markdown::render(&result).as_bytes())?;
        Ok(dir)
    });
    let files = saved.as_deref().ok().map(Path::to_owned);
    if !options.quiet {
        let text = if options.json {
            result.to_json()
        } else {
            terminal::render(&result, options.look, files.as_deref())
        };
        super::print(&text)?;
    }
    match saved {
        Ok(_) => Ok(exit),
        Err(error) => {
            let _ = writeln!(talk, "error: {error}");
            Ok(Exit::CouldNotRun)
        }
    }
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
