//! `compare`: its flags.

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::commands::compare::{self, FailOn, Format, Options};
use crate::exit::Exit;
use crate::units::{Ratio, UnitError};

/// `wsbench compare`.
#[derive(Args, Debug)]
pub struct CompareArguments {
    /// Results of the base: folders, result.json files, or folders of results
    #[arg(value_name = "BASE", required = true)]
    pub base: Vec<PathBuf>,
    /// Results of the candidate, after `--`; of exactly two paths without it the second one
    #[arg(value_name = "CANDIDATE", last = true)]
    pub candidate: Vec<PathBuf>,
    /// The results are rounds: the n-th of the base ran next to the n-th of the candidate, as
    /// `wsbench ab` keeps them (a/01, b/01, ...)
    #[arg(long)]
    pub paired: bool,
    /// The smallest change of times and rates that counts [default: the scenario's gate, or 5%]
    #[arg(long, value_name = "RATIO", value_parser = min_effect)]
    pub min_effect: Option<Ratio>,
    /// Compare results of different scenarios, loads or machines
    #[arg(long)]
    pub force: bool,
    /// What exits with 1; without `inconclusive` that exits with 4
    #[arg(long, value_name = "WORD", default_value = "regressed")]
    pub fail_on: FailOnArgument,
    /// What is printed
    #[arg(long, short, default_value = "terminal")]
    pub format: CompareFormat,
    /// Also save a page with charts of both sides
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// Flags of `wsbench run` that compare it with runs made before.
#[derive(Args, Debug)]
#[command(next_help_heading = "Gate")]
pub struct GateArguments {
    /// Compare the run with this result, folder of results or kept set (see --save-baseline): a
    /// regression exits with 1, data that cannot tell with 4
    #[arg(long, value_name = "DIR|FILE|NAME", env = "WSBENCH_BASELINE")]
    pub baseline: Option<PathBuf>,
    /// Keep the run as results/baseline/NAME/TIME/, too, unless it is invalid, cut short or regressed;
    /// of more than 20 the oldest goes
    #[arg(long, value_name = "NAME", value_parser = set_name)]
    pub save_baseline: Option<String>,
    /// The smallest change of times and rates that counts [default: the scenario's gate, or 5%]
    #[arg(long, value_name = "RATIO", requires = "baseline", value_parser = min_effect)]
    pub min_effect: Option<Ratio>,
    /// What exits with 1; without `inconclusive` that exits with 4
    #[arg(long, value_name = "WORD", default_value = "regressed")]
    pub fail_on: FailOnArgument,
    /// Compare with a baseline of another scenario, load or machine, too
    #[arg(long, requires = "baseline")]
    pub force: bool,
}

/// The name of a folder, as those of scenarios.
fn set_name(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let first = text
        .chars()
        .next()
        .is_some_and(|c| c.is_ascii_alphanumeric());
    match first && text.len() <= 100 && text.chars().all(allowed) {
        true => Ok(text.to_owned()),
        false => Err("a name has letters, digits, `-`, `_` and `.`, at most 100".to_owned()),
    }
}

/// What exits with 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOnArgument {
    /// A regression
    Regressed,
    /// A regression, and data that cannot tell
    Inconclusive,
}

/// What `compare` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompareFormat {
    /// For people
    Terminal,
    /// Everything, for programs
    Json,
    /// For a pull request
    Markdown,
    /// For the test report of a CI
    Junit,
}

/// A share above zero: no two runs are alike to the last digit.
pub(super) fn min_effect(text: &str) -> Result<Ratio, String> {
    let ratio: Ratio = text.parse().map_err(|error: UnitError| error.message)?;
    match ratio.share() > 0.0 {
        true => Ok(ratio),
        false => Err("it must be above zero, for example 5%".to_owned()),
    }
}

/// `wsbench compare`.
pub fn compare(mut arguments: CompareArguments) -> anyhow::Result<Exit> {
    if arguments.candidate.is_empty() {
        match arguments.base.pop() {
            Some(candidate) if arguments.base.len() == 1 => arguments.candidate.push(candidate),
            _ => {
                let hint = "hint: write wsbench compare BASE... -- CANDIDATE...";
                let _ = writeln!(anstream::stderr(), "error: no candidate\n{hint}");
                return Ok(Exit::Usage);
            }
        }
    }
    compare::run(&Options {
        base: arguments.base,
        candidate: arguments.candidate,
        paired: arguments.paired,
        minimum: arguments.min_effect.map(Ratio::share),
        force: arguments.force,
        fail_on: arguments.fail_on.into(),
        format: arguments.format.into(),
        html: arguments.html,
        look: super::look(),
    })
}

impl From<FailOnArgument> for FailOn {
    fn from(argument: FailOnArgument) -> Self {
        match argument {
            FailOnArgument::Regressed => Self::Regressed,
            FailOnArgument::Inconclusive => Self::Inconclusive,
        }
    }
}

impl From<CompareFormat> for Format {
    fn from(argument: CompareFormat) -> Self {
        match argument {
            CompareFormat::Terminal => Self::Terminal,
            CompareFormat::Json => Self::Json,
            CompareFormat::Markdown => Self::Markdown,
            CompareFormat::Junit => Self::Junit,
        }
    }
}
