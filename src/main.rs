//! `wsbench`: the WebSocket load tester. See the library for how it is built.

use std::process::ExitCode;

fn main() -> ExitCode {
    wsbench::cli::main().into()
}
