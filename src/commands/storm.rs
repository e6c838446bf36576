//! `wsbench storm`: the same storm under several reconnect policies, and one table of what each did.
//!
//! The scenario is run once for each policy, one after another, everything else being equal (the seed
//! too). Each run is saved as `wsbench run` saves it; the table goes to stdout.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;

use crate::commands::run::{self, Finished};
use crate::exit::Exit;
use crate::report::policies::{self, PolicyRun};
use crate::scenario::Scenario;
use crate::scenario::reconnect::preset;

/// What the table is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Terminal,
    /// For a design document.
    Markdown,
    /// For a spreadsheet.
    Csv,
    /// Whole reports.
    Json,
}

/// What `storm` needs beside the scenario.
#[derive(Clone, Debug)]
pub struct Options {
    /// Names of policies: presets, or `scenario` for the file's own; all are known.
    pub policies: Vec<String>,
    /// What the table is written as.
    pub format: Format,
    /// A folder for the results: one below it for each policy.
    pub out: Option<PathBuf>,
    /// How each run runs.
    pub run: run::Options,
}

/// The name of the policy that the scenario itself has.
pub const OWN: &str = "scenario";

/// Runs the storm under each policy and prints the table.
///
/// # Errors
/// What kept a run from starting.
pub fn run(scenario: &Scenario, options: &Options) -> anyhow::Result<Exit> {
    let mut talk = anstream::stderr();
    if run::refuses(scenario, &options.run) {
        return Ok(Exit::Usage);
    }
    let mut rows = Vec::new();
    let mut exits = Vec::new();
    for (index, name) in options.policies.iter().enumerate() {
        let mut scenario = scenario.clone();
        if name != OWN {
            scenario.reconnect = preset(name).with_context(|| format!("no policy {name}"))?;
        }
        // Each has a results folder that says what it was.
        scenario.name = format!("{}-{name}", scenario.name);
        let words = scenario.reconnect.to_string();
        if !options.run.quiet {
            let (number, all) = (index + 1, options.policies.len());
            let _ = writeln!(talk, "{number} of {all}: {name}, {words}");
        }
        let mut each = options.run.clone();
        each.out = options.out.as_ref().map(|out| out.join(name));
        let Finished {
            result,
            exit,
            saved,
            advice,
            ..
        } = run::execute(&Arc::new(scenario), &each)?;
        if let Some(advice) = advice {
            let _ = writeln!(talk, "{advice}");
        }
        let files = match saved {
            Ok(files) => files.display().to_string(),
            Err(error) => {
                let _ = writeln!(talk, "error: {error}");
                exits.push(Exit::CouldNotRun);
                String::new()
            }
        };
        rows.push(PolicyRun::new(name, words, &result, files));
        exits.push(exit);
        if matches!(exit, Exit::Interrupted | Exit::Terminated) {
            break;
        }
    }
    let text = match options.format {
        Format::Terminal => policies::terminal(&scenario.name, &rows, options.run.look),
        Format::Markdown => policies::markdown(&scenario.name, &rows),
        Format::Csv => policies::csv(&rows),
        Format::Json => policies::json(&scenario.name, &rows),
    };
    super::print(&text)?;
    Ok(exit(&exits, &rows))
}

/// The table is the answer: a limit that a policy breaks is shown, not failed. What kept a question
/// from being answered is: an interruption, a run without a storm, numbers that are not to be believed.
fn exit(exits: &[Exit], rows: &[PolicyRun]) -> Exit {
    for grave in [Exit::Interrupted, Exit::Terminated, Exit::CouldNotRun] {
        if exits.contains(&grave) {
            return grave;
        }
    }
    let unseen = rows.iter().any(|row| row.storm.is_none());
    let invalid = rows
        .iter()
        .any(|row| row.verdict == crate::result::Verdict::Invalid);
    if unseen || invalid {
        Exit::Unanswered
    } else {
        Exit::Pass
    }
}
