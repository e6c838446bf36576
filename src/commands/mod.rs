//! One file a command: plain functions that the command line calls.

pub mod ab;
pub mod calibrate;
pub mod check;
mod ci;
pub mod compare;
pub mod control;
pub mod descriptors;
pub mod generate;
pub mod init;
pub mod limits;
pub mod merge;
pub mod probe;
pub mod relay;
mod relay_control;
pub mod report;
pub mod run;
pub mod schema;
mod screen;
pub mod serve;
pub mod server_flags;
pub mod storm;
pub mod watch;

use std::io::Write;

use crate::result::statistics;
use crate::scenario::{StatisticKind, Statistics};

/// Writes to stdout; a reader that went away is no error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        outcome => Ok(outcome?),
    }
}

/// Tells the scenario's reader which statistics a threshold may name.
pub fn with_statistics<T>(read: impl FnOnce(&Statistics<'_>) -> T) -> T {
    let names: Vec<String> = statistics::known().map(|(name, _)| name).collect();
    let kind = |name: &str| {
        statistics::kind(name).map(|kind| match kind {
            statistics::Kind::Time => StatisticKind::Time,
            statistics::Kind::Ratio => StatisticKind::Ratio,
            statistics::Kind::Count => StatisticKind::Count,
            statistics::Kind::Rate => StatisticKind::Rate,
            statistics::Kind::Number => StatisticKind::Number,
        })
    };
    let known = Statistics {
        kind: &kind,
        names: &names,
    };
    read(&known)
}
