//! One file a command: plain functions that the command line calls.

pub mod ab;
pub mod calibrate;
pub mod check;
pub mod compare;
pub mod control;
pub mod descriptors;
pub mod generate;
pub mod init;
pub mod limits;
pub mod probe;
pub mod relay;
mod relay_control;
pub mod report;
pub mod run;
pub mod schema;
pub mod serve;
pub mod server_flags;
pub mod storm;

use std::io::Write;

/// Writes to stdout; a reader that went away is no error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        outcome => Ok(outcome?),
    }
}
