//! `wsbench ab SCENARIO --a X --b Y`: two sides by turns on one machine, so that what both share
//! cancels out.
//!
//! A round is one short run of each side, in alternating order. What the rounds say and when they
//! suffice is decided in [`crate::compare::course`]. A side is a URL, or a command that is started
//! before its run and stopped after it, so that only one of the two is ever there.

mod service;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use tokio::sync::mpsc::Receiver;

use crate::commands::ci;
use crate::commands::compare::{self, FailOn, Format, exit, show};
use crate::commands::run::{self, Finished};
use crate::compare::course::{Answer, Course, Next, Side, false_alarms, order};
use crate::compare::gate::{Comparison, Gate, comparable, compare_rounds};
use crate::engine::run::Interrupt;
use crate::exit::Exit;
use crate::result::{RunResult, Verdict};
use crate::scenario::Scenario;

use service::Service;

/// Relabellings of `--null`.
const TRIES: u32 = 1_000;

/// One side: its scenario, and the command that makes its target, if wsbench is to start it.
#[derive(Clone, Debug)]
pub struct Contender {
    /// With its own target.
    pub scenario: Arc<Scenario>,
    /// Started before each of its runs, stopped after it.
    pub command: Option<String>,
}

/// Flags.
#[derive(Clone, Debug)]
pub struct Options {
    /// Rounds before a confirmation.
    pub rounds: u16,
    /// A against A: how often does this gate cry wolf here?
    pub null: bool,
    /// Minimum effect of times and rates.
    pub minimum: Option<f64>,
    /// What is called a failure.
    pub fail_on: FailOn,
    /// What is printed.
    pub format: Format,
    /// Also a page with charts of both sides.
    pub html: Option<PathBuf>,
    /// Keep every run below this folder, as `a/01`, `b/01`, ...
    pub out: PathBuf,
    /// How each run runs.
    pub run: run::Options,
}

/// What ended the rounds before their end.
enum Cut {
    Interrupted(Exit),
}

/// What was wished for with Ctrl-C or SIGTERM, between the runs too.
struct Stop(Receiver<Interrupt>, Option<Exit>);

impl Stop {
    /// How to end, once somebody has asked for it.
    fn asked(&mut self) -> Option<Exit> {
        if self.1.is_none() {
            self.1 = self.0.try_recv().ok().map(|wish| match wish {
                Interrupt::Interrupted => Exit::Interrupted,
                Interrupt::Terminated => Exit::Terminated,
            });
        }
        self.1
    }
}

/// Runs the rounds and prints the answer.
///
/// # Errors
/// What kept a run from starting, and a command that did not come up.
pub fn run(a: &Contender, b: &Contender, options: &Options) -> anyhow::Result<Exit> {
    for side in [a, b] {
        if run::refuses(&side.scenario, &options.run) {
            return Ok(Exit::Usage);
        }
    }
    let gate = Gate::of(&b.scenario.gate, options.minimum);
    let mut stop = Stop(run::watch_signals(true)?, None);
    let mut course = Course::new(usize::from(options.rounds), gate.clone());
    let mut rounds = Vec::new();
    loop {
        let [first, second] = order(rounds.len());
        let mut results = [None, None];
        for side in [first, second] {
            let contender = if side == Side::A { a } else { b };
            match one(contender, side, rounds.len(), options, &mut stop)? {
                Ok(result) => results[usize::from(side == Side::B)] = Some(result),
                Err(Cut::Interrupted(exit)) => return interrupted(&rounds, &gate, options, exit),
            }
        }
        let [Some(of_a), Some(of_b)] = results else {
            bail!("a round needs both sides");
        };
        say(options, rounds.len(), &of_a, &of_b);
        rounds.push((of_a.clone(), of_b.clone()));
        let next = course.take(of_a, of_b);
        if options.null {
            if rounds.len() < usize::from(options.rounds) {
                continue;
            }
            return null(&rounds, &gate, options);
        }
        match next {
            Next::Round | Next::Confirm => {}
            Next::Done(answer) => return conclude(&answer, &rounds, [a, b], options),
        }
    }
}

/// One run of one side. The inner error is an interruption.
fn one(
    contender: &Contender,
    side: Side,
    round: usize,
    options: &Options,
    stop: &mut Stop,
) -> anyhow::Result<Result<RunResult, Cut>> {
    let name = if side == Side::A { "a" } else { "b" };
    let of_side = || format!("run side {name} of round {}", round + 1);
    let mut service = None;
    if let Some(command) = &contender.command {
        let target = &contender.scenario.target;
        let started = Service::start(command, target, &mut || stop.asked().is_some());
        service = started.with_context(of_side)?;
    }
    // Also what was wished for since the run before.
    if let Some(exit) = stop.asked() {
        return Ok(Err(Cut::Interrupted(exit)));
    }
    let mut each = options.run.clone();
    let folder = options.out.join(name).join(format!("{:02}", round + 1));
    each.out = Some(folder);
    each.quiet = true;
    each.test_dial = options.run.test_dial && round == 0;
    let Finished {
        result,
        exit,
        saved,
        ..
    } = run::execute(&contender.scenario, &each).with_context(of_side)?;
    if let Some(service) = service {
        service.stop();
    }
    saved?;
    match exit {
        Exit::Interrupted | Exit::Terminated => Ok(Err(Cut::Interrupted(exit))),
        Exit::CouldNotRun => bail!(
            "nothing connected to side {name} in round {}\nhint: try `wsbench probe` on its URL",
            round + 1
        ),
        _ => Ok(Ok(result)),
    }
}

fn say(options: &Options, round: usize, a: &RunResult, b: &RunResult) {
    if options.run.quiet {
        return;
    }
    let p50 = |result: &RunResult| {
        let metrics = &result.summary.metrics;
        let found = metrics.get(&crate::metrics::Metric::RoundTrip);
        found.map_or_else(|| "-".to_owned(), |m| format!("{:.3} ms", m.p50))
    };
    let number = round + 1;
    let (of_a, of_b) = (p50(a), p50(b));
    let _ = writeln!(
        anstream::stderr(),
        "round {number}: round_trip p50 a {of_a}, b {of_b}"
    );
}

fn conclude(
    answer: &Answer,
    pairs: &[(RunResult, RunResult)],
    [a, b]: [&Contender; 2],
    options: &Options,
) -> anyhow::Result<Exit> {
    let mut comparison = answer.comparison.clone();
    comparison.verdict = answer.verdict();
    let rounds = comparison.base_runs;
    if answer.early {
        let planned = options.rounds;
        let text = format!("the answer was clear after {rounds} of {planned} rounds");
        comparison.warnings.push(text);
    }
    if !answer.confirmed.is_empty() {
        let names = answer.confirmed.join(", ");
        comparison
            .warnings
            .push(format!("fresh rounds confirmed: {names}"));
    }
    if !answer.not_confirmed.is_empty() {
        let names = answer.not_confirmed.join(", ");
        comparison.warnings.push(format!(
            "fresh rounds did not confirm: {names}; nothing is failed for it"
        ));
    }
    if a.scenario.target.urls == b.scenario.target.urls && a.command == b.command {
        let text = "both sides are the same: every difference is chance (see --null)";
        comparison.warnings.push(text.to_owned());
    }
    ci::tell_of_comparison(&comparison);
    present(&comparison, pairs, options)?;
    Ok(exit(comparison.verdict, options.fail_on))
}

/// Prints the comparison, and saves its page if that is wanted.
fn present(
    comparison: &Comparison,
    rounds: &[(RunResult, RunResult)],
    options: &Options,
) -> anyhow::Result<()> {
    if let Some(path) = &options.html {
        let (a, b): (Vec<_>, Vec<_>) = rounds.iter().cloned().unzip();
        compare::save_page(path, comparison, &a, &b)?;
    }
    show(comparison, options.format, options.run.look)
}

/// What there is, without an answer.
fn interrupted(
    rounds: &[(RunResult, RunResult)],
    gate: &Gate,
    options: &Options,
    exit: Exit,
) -> anyhow::Result<Exit> {
    if !rounds.is_empty() {
        let mut comparison = compare_rounds(rounds, gate);
        comparison.verdict = Verdict::Inconclusive;
        comparison
            .warnings
            .push(format!("interrupted after {} rounds", rounds.len()));
        present(&comparison, rounds, options)?;
    }
    Ok(exit)
}

/// A against A: the gate judged by itself.
fn null(rounds: &[(RunResult, RunResult)], gate: &Gate, options: &Options) -> anyhow::Result<Exit> {
    let mut comparison: Comparison = compare_rounds(rounds, gate);
    let alarms = false_alarms(rounds, gate, TRIES, 1);
    comparison.warnings = comparable::warnings(&[], &[]);
    comparison.warnings.push(format!(
        "A against A: this gate called {alarms} of {TRIES} relabellings of these {} rounds a \
         regression before any confirmation; what it would have seen stands in the last column",
        rounds.len()
    ));
    present(&comparison, rounds, options)?;
    // More than one in twenty: do not stake a release on this machine.
    let trusted = alarms * 20 <= TRIES;
    Ok(if trusted {
        Exit::Pass
    } else {
        Exit::Unanswered
    })
}

/// Where the runs of a comparison go unless told otherwise.
pub fn folder(name: &str) -> PathBuf {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H-%M-%SZ-ab");
    PathBuf::from("results").join(name).join(now.to_string())
}
