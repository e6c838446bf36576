//! The command line: flags to plain calls of `commands`, errors to exit codes.

mod ab;
mod arguments;
mod compare;
mod merge;
mod probe;
mod run;

use std::io::{IsTerminal, Write};

use clap::{CommandFactory, Parser};

use crate::commands;
use crate::exit::Exit;
use crate::report::Look;

use arguments::{Cli, ColorChoice, Command, ReportFormat};

/// Parses the process's arguments, runs the command and says how it ended.
pub fn main() -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers, everything else is a usage error.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Pass
            };
        }
    };
    set_color(cli.color);
    match dispatch(cli) {
        Ok(exit) => exit,
        Err(error) => {
            let _ = writeln!(anstream::stderr(), "error: {error:#}");
            Exit::CouldNotRun
        }
    }
}

fn dispatch(cli: Cli) -> anyhow::Result<Exit> {
    let quiet = cli.quiet;
    match cli.command {
        Command::Run(arguments) => run::run(*arguments, quiet, cli.verbose),
        Command::Serve(arguments) => {
            let options = commands::serve::ServeOptions {
                listen: arguments.listen,
                metrics: arguments.metrics,
                stop_on_stdin_eof: arguments.stop_on_stdin_eof,
                control: arguments.control,
                part: arguments.part,
                quiet,
            };
            let timeline = arguments.server.timeline();
            commands::serve::run(arguments.server.into(), &timeline, options)
        }
        Command::Storm(arguments) => run::storm(*arguments, quiet, cli.verbose),
        Command::Relay(arguments) => {
            let options = commands::relay::RelayOptions {
                listen: arguments.listen,
                target: arguments.target,
                toxics: arguments.toxic,
                seed: arguments.seed,
                metrics: arguments.metrics,
                stop_on_stdin_eof: arguments.stop_on_stdin_eof,
                quiet,
            };
            commands::relay::run(&options)
        }
        Command::Check(arguments) => run::check(&arguments),
        Command::Calibrate(arguments) => {
            let options = commands::calibrate::Options {
                clients: arguments.clients,
                seed: arguments.seed,
                quick: arguments.quick,
                json: arguments.json,
                out: arguments.out,
                quiet,
                look: look(),
            };
            commands::calibrate::run(&options)
        }
        Command::Probe(arguments) => probe::probe(*arguments, quiet),
        Command::Ab(arguments) => ab::ab(*arguments, quiet),
        Command::Compare(arguments) => compare::compare(arguments),
        Command::Merge(arguments) => merge::merge(arguments, quiet),
        Command::Init { path } => commands::init::run(path.as_deref()),
        Command::Schema { probe: true } => commands::schema::probe(),
        Command::Schema { probe: false } => commands::schema::run(),
        Command::Report { result, format } => report(&result, format),
        Command::Watch { result } => commands::watch::watch(&result),
        Command::Generate => run::generate(),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "wsbench", &mut script);
            print(&script)
        }
        Command::Man => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            print(&page)
        }
    }
}

/// `wsbench report`.
fn report(result: &std::path::Path, format: ReportFormat) -> anyhow::Result<Exit> {
    let format = match format {
        ReportFormat::Terminal => commands::report::Format::Terminal,
        ReportFormat::Json => commands::report::Format::Json,
        ReportFormat::Csv => commands::report::Format::Csv,
        ReportFormat::Markdown => commands::report::Format::Markdown,
        ReportFormat::Junit => commands::report::Format::Junit,
        ReportFormat::Gitlab => commands::report::Format::Gitlab,
        ReportFormat::GithubActionBenchmark => commands::report::Format::GithubActionBenchmark,
        ReportFormat::Bencher => commands::report::Format::Bencher,
        ReportFormat::Html => commands::report::Format::Html,
    };
    let mut out = anstream::stdout().lock();
    commands::report::run(result, format, look(), &mut out)?;
    Ok(Exit::Pass)
}

/// Writes to stdout; a reader that went away is no error.
fn print(bytes: &[u8]) -> anyhow::Result<Exit> {
    match std::io::stdout().write_all(bytes) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(Exit::Pass),
    }
}

fn set_color(choice: ColorChoice) {
    match choice {
        ColorChoice::Auto => {}
        ColorChoice::Always => anstream::ColorChoice::Always.write_global(),
        ColorChoice::Never => anstream::ColorChoice::Never.write_global(),
    }
}

/// What stdout can show; styles that it cannot show are stripped on the way.
fn look() -> Look {
    let columns = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    let terminal = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    let width = match columns {
        Some(width) => width,
        None if std::io::stdout().is_terminal() => terminal().unwrap_or(80),
        None => 100,
    };
    Look { width, color: true }
}
