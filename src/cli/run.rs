//! `run` and `check`: from flags to a scenario.

use std::io::Write;
use std::path::Path;

use crate::commands::{self, with_statistics};
use crate::exit::Exit;
use crate::scenario::{AdHoc, Overrides, Problems, Scenario};
use crate::units::Ratio;

use super::arguments::{
    CheckArguments, OverrideArguments, RunArguments, StormArguments, StormFormat,
};

/// `wsbench run`.
pub fn run(arguments: RunArguments, quiet: bool, verbose: u8) -> anyhow::Result<Exit> {
    let scenario = match scenario(&arguments) {
        Ok(scenario) => scenario,
        Err(problems) => return Ok(complain(&problems)),
    };
    let options = commands::run::Options {
        out: arguments.out,
        json: arguments.json,
        quiet,
        tui: arguments.tui,
        verbose: verbose > 0,
        yes: arguments.yes,
        processes: arguments.processes,
        test_dial: !arguments.no_test_dial,
        baseline: commands::run::BaselineOptions {
            baseline: arguments.gate.baseline,
            save: arguments.gate.save_baseline,
            force: arguments.gate.force,
            minimum: arguments.gate.min_effect.map(Ratio::share),
            fail_on: arguments.gate.fail_on.into(),
        },
        look: super::look(),
    };
    commands::run::run(scenario, &options)
}

/// `wsbench storm`.
pub fn storm(arguments: StormArguments, quiet: bool, verbose: u8) -> anyhow::Result<Exit> {
    let scenario = match load(&arguments.scenario, &overrides(&arguments.overrides)) {
        Ok(scenario) => scenario,
        Err(problems) => return Ok(complain(&problems)),
    };
    let format = match arguments.format {
        StormFormat::Terminal => commands::storm::Format::Terminal,
        StormFormat::Markdown => commands::storm::Format::Markdown,
        StormFormat::Csv => commands::storm::Format::Csv,
        StormFormat::Json => commands::storm::Format::Json,
    };
    let options = commands::storm::Options {
        policies: arguments.policies,
        format,
        out: arguments.out,
        run: commands::run::Options {
            out: None,
            json: false,
            quiet,
            tui: false,
            verbose: verbose > 0,
            yes: arguments.yes,
            processes: None,
            test_dial: !arguments.no_test_dial,
            baseline: commands::run::BaselineOptions::default(),
            look: super::look(),
        },
    };
    commands::storm::run(&scenario, &options)
}

/// `wsbench generate`.
pub fn generate() -> anyhow::Result<Exit> {
    with_statistics(commands::generate::run)
}

/// `wsbench check`.
pub fn check(arguments: &CheckArguments) -> anyhow::Result<Exit> {
    let overrides = overrides(&arguments.overrides);
    with_statistics(|known| commands::check::run(&arguments.scenario, &overrides, known, true))
}

fn scenario(arguments: &RunArguments) -> Result<Scenario, Problems> {
    let text = &arguments.scenario;
    let overrides = overrides(&arguments.overrides);
    if text.contains("://") {
        let ad_hoc = &arguments.ad_hoc;
        let options = AdHoc {
            url: text.clone(),
            clients: ad_hoc
                .clients
                .map_or(10, |count| u32::try_from(count.0).unwrap_or(u32::MAX)),
            rate: ad_hoc.rate.map(|rate| rate.0),
            duration: ad_hoc.duration(),
            size: ad_hoc
                .size
                .map_or(64, |size| usize::try_from(size.0.0).unwrap_or(usize::MAX)),
        };
        return Scenario::ad_hoc(&options, &overrides);
    }
    if let [first, ..] = arguments.ad_hoc.given()[..] {
        let message = format!("{first} goes with a URL, not with a scenario file");
        let hint = "change the scenario's own keys with --set, e.g. --set load.stages.0.clients=50";
        return Err(Problems::whole(text, message, hint));
    }
    load(Path::new(text), &overrides)
}

pub(super) fn load(path: &Path, overrides: &Overrides) -> Result<Scenario, Problems> {
    with_statistics(|known| Scenario::load(path, overrides, known))
}

pub(super) fn overrides(arguments: &OverrideArguments) -> Overrides {
    Overrides {
        set: arguments.set.clone(),
        target: arguments.target.clone(),
        headers: arguments.header.clone(),
        subprotocols: arguments.subprotocol.clone(),
        insecure: arguments.insecure,
        ca: arguments.ca.clone(),
        cert: arguments.cert.clone(),
        key: arguments.key.clone(),
        server_name: arguments.server_name.clone(),
        source_addresses: arguments.source_address.clone(),
        seed: arguments.seed,
        max_dials_per_s: arguments.max_dials_per_s.map(|count| count.0),
        max_messages_per_s: arguments.max_messages_per_s.map(|count| count.0),
        max_clients: arguments.max_clients.map(|count| count.0),
    }
}

/// Prints what is wrong with a scenario.
pub(super) fn complain(problems: &Problems) -> Exit {
    let stderr = anstream::stderr();
    // The stream strips styles where they cannot be shown.
    let _ = writeln!(stderr.lock(), "{}", problems.render(true).trim_end());
    Exit::Usage
}
