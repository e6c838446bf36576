//! `wsbench calibrate`: how far this machine's own numbers can be trusted.
//!
//! Runs the generator against the built-in server, in a process of its own on the same machine, under
//! loads that rise until the generator sends late; then holds round_trip against a server that answers
//! after a known time. What follows from it is decided in [`crate::calibrate`]. Ctrl-C ends it with
//! what was measured so far.

mod effort;
mod load;
mod machine;

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, bail};
use tokio::sync::mpsc;

use crate::calibrate::{
    Calibration, Handshakes, Knee, Machine, Measured, Point, Quantiles, SCHEMA_VERSION, Search,
    Shape, Truth,
};
use crate::commands::run;
use crate::engine::run::Interrupt;
use crate::exit::Exit;
use crate::metrics::Counter;
use crate::report::Look;
use crate::report::terminal::calibration;
use crate::result::run::Tool;
use crate::result::{EndReason, Environment, LateReplies, RunResult};

use effort::Effort;
use load::{Load, Traffic, free_port};
use machine::Processors;

/// The delay of the server whose answers are the truth.
const DELAY: Duration = Duration::from_millis(20);
/// Clients that open and close at a time.
const AT_ONCE: u32 = 64;
/// How far above a lying load the last attempt to be called invalid is made.
const BEYOND: u64 = 2;

/// What to measure and how to show it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections that the load is spread over.
    pub clients: u32,
    /// Of every draw.
    pub seed: u64,
    /// Ten seconds instead of a minute.
    pub quick: bool,
    /// The document on stdout instead of words.
    pub json: bool,
    /// Keep the result of every load in this folder.
    pub out: Option<PathBuf>,
    /// Nothing but errors on stderr, nothing on stdout but what was asked for.
    pub quiet: bool,
    /// What stdout can show.
    pub look: Look,
}

/// Calibrates and prints what came of it.
///
/// # Errors
/// What kept it from measuring.
pub fn run(options: &Options) -> anyhow::Result<Exit> {
    let scratch = tempfile::Builder::new()
        .prefix("wsbench-calibrate-")
        .tempdir()
        .context("make a folder for results\nhint: is TMPDIR writable?")?;
    let folder = options.out.clone();
    let folder = folder.unwrap_or_else(|| scratch.path().to_owned());
    let mut calibrator = Calibrator::new(options, folder)?;
    calibrator.measure_all()?;
    let (calibration, stopped) = calibrator.finish();
    let json = || {
        let text = serde_json::to_string_pretty(&calibration);
        text.expect("keys are text, floats are finite") + "\n"
    };
    if let Some(out) = &options.out {
        let path = out.join("calibration.json");
        std::fs::write(&path, json()).with_context(|| format!("write {}", path.display()))?;
    }
    if options.json {
        super::print(&json())?;
    } else if !options.quiet {
        super::print(&calibration::render(&calibration, options.look))?;
    }
    Ok(stopped.unwrap_or_else(|| calibration.exit()))
}

/// A calibration under way.
struct Calibrator<'a> {
    options: &'a Options,
    effort: Effort,
    folder: PathBuf,
    signals: mpsc::Receiver<Interrupt>,
    stopped: Option<Exit>,
    ports: fastrand::Rng,
    runs: usize,
    processors: Option<Processors>,
    found: Calibration,
}

impl<'a> Calibrator<'a> {
    fn new(options: &'a Options, folder: PathBuf) -> anyhow::Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "says when; times nothing")]
        let started = SystemTime::now();
        let started = jiff::Timestamp::try_from(started).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let effort = Effort::new(options.quick);
        let shards = shard_counts();
        if !options.quiet {
            let _ = writeln!(
                anstream::stderr(),
                "calibrating, {}; leave the machine alone; Ctrl-C ends it with what was measured",
                effort.in_words(shards.len())
            );
        }
        Ok(Self {
            options,
            effort,
            folder,
            signals: run::watch_signals(true)?,
            stopped: None,
            // Not the seed: another calibration beside this one is to find other ports.
            ports: fastrand::Rng::new(),
            runs: 0,
            processors: Processors::read(),
            found: Calibration {
                schema_version: SCHEMA_VERSION,
                document: "calibration",
                tool: Tool {
                    name: env!("CARGO_PKG_NAME").to_owned(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                },
                started: started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                quick: options.quick,
                seed: options.seed,
                clients: options.clients,
                machine: Machine::default(),
                capacity: run::capacity(),
                handshakes: None,
                knees: Vec::new(),
                truth: Vec::new(),
                points: Vec::new(),
                beyond: None,
                trusted: Vec::new(),
                noise: Vec::new(),
                interrupted: false,
                statement: Vec::new(),
            },
        })
    }

    /// Whether a signal came, now or before.
    fn has_stopped(&mut self) -> bool {
        if let Ok(wish) = self.signals.try_recv() {
            self.stopped = Some(match wish {
                Interrupt::Interrupted => Exit::Interrupted,
                Interrupt::Terminated => Exit::Terminated,
            });
        }
        self.stopped.is_some()
    }

    /// Measures everything, as long as nobody says stop.
    fn measure_all(&mut self) -> anyhow::Result<()> {
        let idle = self.effort.idle;
        let (timer, timer_kind) = machine::timer(idle, || self.has_stopped())?;
        self.found.machine = Machine {
            environment: Environment::read(),
            governor: machine::governor(),
            clock_read_ns: machine::clock_read_ns(),
            timer,
            timer_kind,
            ..Machine::default()
        };
        let mut shape = self.effort.search;
        for shards in shard_counts() {
            self.search(shards, shape)?;
            // More shards are good for more than one, if not for as many times as much.
            let honest = self.found.knees.last().and_then(|knee| knee.honest_per_s);
            shape.start = honest.unwrap_or(shape.start);
            shape.most_points = self.effort.more_shards_points;
        }
        self.go_beyond()?;
        self.hold_against_truth()?;
        self.open_and_close()
    }

    /// Finds where so many shards begin to lie.
    fn search(&mut self, shards: u16, shape: Shape) -> anyhow::Result<()> {
        let mut search = Search::new(shape);
        while let Some(per_s) = search.next() {
            let Some(point) = self.point(shards, per_s)? else {
                break;
            };
            search.add(per_s, point.is_honest());
            self.found.points.push(point);
        }
        let found = search.found();
        if found.honest.or(found.lying).is_some() {
            let knee = Knee::new(shards, found, &self.found.points);
            self.found.knees.push(knee);
        }
        Ok(())
    }

    fn point(&mut self, shards: u16, per_s: u64) -> anyhow::Result<Option<Point>> {
        let load = self.load(shards, per_s, Duration::ZERO);
        let Some(result) = self.execute(&load)? else {
            return Ok(None);
        };
        let measured = Measured::of(&result, load.server_threads);
        let point = Point::new(shards, per_s, measured);
        self.tell(&calibration::progress(&point));
        Ok(Some(point))
    }

    /// When the generator lied and was believed all the same, it is tried under a load that nobody can
    /// take for an honest one.
    fn go_beyond(&mut self) -> anyhow::Result<()> {
        let noticed = |point: &Point| !point.measured.invalid.is_empty();
        let lied = self.found.lying_points();
        let lied: Vec<_> = lied
            .map(|point| (point.asked_per_s, point.shards, noticed(point)))
            .collect();
        if lied.iter().any(|(_, _, noticed)| *noticed) {
            return Ok(());
        }
        if let Some((per_s, shards, _)) = lied.into_iter().max()
            && let Some(point) = self.point(shards, per_s.saturating_mul(BEYOND))?
        {
            self.found.points.push(point);
        }
        Ok(())
    }

    /// Holds round_trip against a known delay, below the limits found.
    fn hold_against_truth(&mut self) -> anyhow::Result<()> {
        let limits: Vec<_> = self.found.knees.iter().collect();
        let limits = limits
            .into_iter()
            .filter_map(|knee| Some((knee.shards, knee.honest_per_s?)));
        let highest = self.effort.truth.last().copied().into_iter();
        let mut loads = Vec::new();
        for (shards, honest) in limits {
            let all = self.effort.truth.iter().copied();
            // Of all shards together one load is enough.
            let shares: Vec<f64> = if shards == 1 {
                all.collect()
            } else {
                highest.clone().collect()
            };
            loads.extend(shares.into_iter().map(|share| (shards, share, honest)));
        }
        for (shards, share, honest) in loads {
            let per_s = ((honest as f64 * share).round() as u64).max(1);
            let load = self.load(shards, per_s, DELAY);
            let Some(result) = self.execute(&load)? else {
                break;
            };
            let measured = Measured::of(&result, load.server_threads);
            let truth = truth(share, &result, Point::new(shards, per_s, measured));
            self.tell(&calibration::progress_of_truth(&truth));
            self.found.truth.push(truth);
        }
        Ok(())
    }

    fn open_and_close(&mut self) -> anyhow::Result<()> {
        let load = Load {
            clients: AT_ONCE.min(self.options.clients),
            traffic: Traffic::Handshakes,
            measure: self.effort.handshakes,
            ..self.load(1, 1, Duration::ZERO)
        };
        let Some(result) = self.execute(&load)? else {
            return Ok(());
        };
        let measured = Measured::of(&result, load.server_threads);
        let opened = result.summary.counter(Counter::ConnectionsOpened);
        self.found.handshakes = Some(Handshakes {
            per_s: opened as f64 / result.summary.measured_s.max(1e-9),
            at_once: load.clients,
            failed: result.summary.counter(Counter::ConnectionsFailed),
            busy: measured.busy,
            server_busy: measured.server_busy,
        });
        Ok(())
    }

    fn load(&self, shards: u16, per_s: u64, delay: Duration) -> Load {
        Load {
            clients: self.options.clients,
            traffic: Traffic::Messages(per_s),
            shards,
            server_threads: half_of_the_cores(),
            delay,
            measure: self.effort.measure,
            seed: self.options.seed,
        }
    }

    /// Runs a load to its end; `None` when it was stopped, now or before.
    fn execute(&mut self, load: &Load) -> anyhow::Result<Option<RunResult>> {
        if self.has_stopped() {
            return Ok(None);
        }
        self.runs += 1;
        let folder = self.folder.join(format!("{:02}", self.runs));
        let scenario = load.scenario(free_port(&mut self.ports)?)?;
        let options = run::Options {
            // What one process can do is the question.
            processes: Some(1),
            out: Some(folder.clone()),
            json: false,
            quiet: true,
            tui: false,
            verbose: false,
            yes: false,
            test_dial: false,
            baseline: run::BaselineOptions::default(),
            look: self.options.look,
        };
        let finished = run::execute(&Arc::new(scenario), &options)?;
        finished.saved?;
        if self.options.out.is_none() {
            // The folder above goes at the end; until then one result is enough on the disk.
            let _ = std::fs::remove_dir_all(folder);
        }
        match &finished.result.end_reason {
            EndReason::Interrupted | EndReason::Terminated => {
                self.stopped = Some(finished.exit);
                Ok(None)
            }
            EndReason::NothingConnected => bail!(
                "no connection to the built-in server opened\n\
                 hint: does a firewall or a sandbox keep this machine from talking to itself?"
            ),
            EndReason::ServerEnded => bail!("the built-in server ended by itself"),
            EndReason::Completed | EndReason::AbortedByThreshold(_) => Ok(Some(finished.result)),
        }
    }

    fn tell(&self, line: &str) {
        if !self.options.quiet {
            let _ = writeln!(anstream::stderr(), "{line}");
        }
    }

    /// Draws the conclusions.
    fn finish(mut self) -> (Calibration, Option<Exit>) {
        let now = Processors::read();
        let shares = now.zip(self.processors);
        let shares = shares.and_then(|(now, then)| now.shares_since(&then));
        self.found.machine.stolen = shares.map(|(stolen, _)| stolen);
        self.found.machine.others = shares.map(|(_, others)| others);
        self.found.interrupted = self.stopped.is_some();
        self.found.conclude();
        (self.found, self.stopped)
    }
}

/// One, then as many as a run takes by itself beside a server on the same machine.
fn shard_counts() -> Vec<u16> {
    let most = half_of_the_cores();
    if most > 1 { vec![1, most] } else { vec![1] }
}

fn half_of_the_cores() -> u16 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (cores / 2).clamp(1, 256) as u16
}

/// What is left of round_trip without the delay and the server's own lateness.
fn truth(share: f64, result: &RunResult, point: Point) -> Truth {
    let late = result.server_counts.and_then(|counts| counts.late_replies);
    let server_late_ms = late.map(in_ms);
    let delay_ms = DELAY.as_secs_f64() * 1e3;
    let delay = Quantiles {
        p50: delay_ms,
        p90: delay_ms,
        p99: delay_ms,
        p999: delay_ms,
    };
    let round_trip = point.measured.round_trip_ms;
    Truth {
        share,
        delay_ms,
        server_late_ms,
        error_ms: round_trip
            .minus(delay)
            .minus(server_late_ms.unwrap_or_default()),
        point,
    }
}

fn in_ms(late: LateReplies) -> Quantiles {
    let ms = |micros: u64| micros as f64 / 1e3;
    Quantiles {
        p50: ms(late.p50_us),
        p90: ms(late.p90_us),
        p99: ms(late.p99_us),
        p999: ms(late.p999_us),
    }
}
