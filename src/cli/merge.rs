//! `merge`: its flags.

use std::path::PathBuf;

use clap::Args;

use crate::commands;
use crate::exit::Exit;

/// `wsbench merge`.
#[derive(Args, Debug)]
pub struct MergeArguments {
    /// Results of one scenario that ran at the same time: folders, or folders of them
    #[arg(value_name = "RESULT", required = true)]
    pub results: Vec<PathBuf>,
    /// Write the union into this folder (new or empty)
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Merge results of different scenarios or loads, or of different times
    #[arg(long)]
    pub force: bool,
}

/// `wsbench merge`.
pub fn merge(arguments: MergeArguments, quiet: bool) -> anyhow::Result<Exit> {
    commands::merge::run(&commands::merge::Options {
        results: arguments.results,
        out: arguments.out,
        force: arguments.force,
        quiet,
        look: super::look(),
    })
}
