//! `compare`: its flags.

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::commands::compare::{self, FailOn, Format, Options};
use crate::exit::Exit;
use crate::units::Ratio;

/// `wsbench compare`.
#[derive(Args, Debug)]
pub struct CompareArguments {
    /// Results of the base: folders, result.json files, or folders of results
    #[arg(value_name = "BASE", required = true)]
    pub base: Vec<PathBuf>,
    /// Results of the candidate, after `--`; of exactly two paths without it the second one
    #[arg(value_name = "CANDIDATE", last = true)]
    pub candidate: Vec<PathBuf>,
    /// The smallest change of times and rates that counts
    #[arg(long, value_name = "RATIO", default_value = "5%")]
    pub min_effect: Ratio,
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
        minimum: Some(arguments.min_effect.share()),
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
