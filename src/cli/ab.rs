//! `ab`: its flags.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use clap::builder::FalseyValueParser;

use crate::commands;
use crate::commands::ab::{Contender, Options};
use crate::exit::Exit;
use crate::scenario::{Overrides, Problems};
use crate::units::Ratio;

use super::arguments::OverrideArguments;
use super::compare::{CompareFormat, FailOnArgument};
use super::run::{complain, load, overrides};

/// `wsbench ab`.
#[derive(Args, Debug)]
pub struct AbArguments {
    /// A scenario file (- is stdin); its load is one run of one side, 5 s or so of measuring are enough
    #[arg(value_name = "SCENARIO")]
    pub scenario: PathBuf,
    /// The base: a URL, or a command that serves the scenario's target and is started for each run
    #[arg(long, value_name = "URL|COMMAND")]
    pub a: String,
    /// The candidate; with --null it is A again
    #[arg(long, value_name = "URL|COMMAND", required_unless_present = "null")]
    pub b: Option<String>,
    /// Rounds of one run of each side; fewer when the answer is clear, some more to confirm a regression
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u16).range(3..=500))]
    pub rounds: u16,
    /// Run A against A and say how often this gate cries wolf on this machine
    #[arg(long, conflicts_with = "b")]
    pub null: bool,
    /// The smallest change of times and rates that counts [default: the scenario's gate, or 5%]
    #[arg(long, value_name = "RATIO", value_parser = super::compare::min_effect)]
    pub min_effect: Option<Ratio>,
    /// What exits with 1; without `inconclusive` that exits with 4
    #[arg(long, value_name = "WORD", default_value = "regressed")]
    pub fail_on: FailOnArgument,
    /// What is printed
    #[arg(long, short, default_value = "terminal")]
    pub format: CompareFormat,
    /// Also save a page with charts of both sides
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Keep every run below this folder [default: results/NAME/TIME-ab]
    #[arg(long, value_name = "DIR", env = "WSBENCH_OUT")]
    pub out: Option<PathBuf>,
    /// Yes, the targets are mine to load (see wsbench run --help)
    #[arg(long, env = "WSBENCH_YES", value_parser = FalseyValueParser::new())]
    pub yes: bool,
    /// Do not dial each side once before its first run (see wsbench run --help)
    #[arg(long)]
    pub no_test_dial: bool,
    #[command(flatten)]
    pub overrides: OverrideArguments,
}

/// `wsbench ab`.
pub fn ab(arguments: AbArguments, quiet: bool) -> anyhow::Result<Exit> {
    let common = overrides(&arguments.overrides);
    let b = arguments.b.as_deref().unwrap_or(&arguments.a);
    let sides = contender(&arguments.scenario, &arguments.a, &common)
        .and_then(|a| Ok((a, contender(&arguments.scenario, b, &common)?)));
    let (a, b) = match sides {
        Ok(sides) => sides,
        Err(problems) => return Ok(complain(&problems)),
    };
    let out = (arguments.out).unwrap_or_else(|| commands::ab::folder(&a.scenario.name));
    let options = Options {
        rounds: arguments.rounds,
        null: arguments.null,
        minimum: arguments.min_effect.map(Ratio::share),
        fail_on: arguments.fail_on.into(),
        format: arguments.format.into(),
        html: arguments.html,
        out,
        run: commands::run::Options {
            out: None,
            json: false,
            quiet,
            tui: false,
            verbose: false,
            yes: arguments.yes,
            processes: None,
            test_dial: !arguments.no_test_dial,
            baseline: commands::run::BaselineOptions::default(),
            look: super::look(),
        },
    };
    commands::ab::run(&a, &b, &options)
}

/// A side as the scenario with its own target; a command serves the target that the scenario names.
fn contender(
    path: &std::path::Path,
    side: &str,
    common: &Overrides,
) -> Result<Contender, Problems> {
    let is_url = side.starts_with("ws://") || side.starts_with("wss://");
    let mut own = common.clone();
    if is_url {
        own.target = Some(side.to_owned());
    } else if own.target.is_none() {
        // Read once to learn the target; naming it again keeps the built-in server away.
        let plain = load(path, common)?;
        own.target = plain.target.urls.first().map(ToString::to_string);
    }
    Ok(Contender {
        scenario: Arc::new(load(path, &own)?),
        command: (!is_url).then(|| side.to_owned()),
    })
}
