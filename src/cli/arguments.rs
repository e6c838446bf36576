//! Every flag of every command, in one place: what `--help`, the completions and the man page say.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::run::MOST_PROCESSES;
use crate::commands::server_flags::ServerFlags;
use crate::commands::storm::OWN;
use crate::scenario::TimedToxic;
use crate::scenario::reconnect;
use crate::server::Part;
use crate::units::{ByteSize, Count, Rate, TimeSpan};

use super::ab::AbArguments;
use super::compare::{CompareArguments, GateArguments};
use super::merge::MergeArguments;
use super::probe::ProbeArguments;

const START: &str = "Start here:
  wsbench run ws://127.0.0.1:9001/ --clients 100 --rate 1000/s   against an echo server
  wsbench init mine.toml                                         a scenario to change
  wsbench run mine.toml                                          ... and run

Exit codes:
  0    pass
  1    fail: a threshold was broken, or something regressed
  2    usage or scenario error: nothing was run
  3    could not run: target unreachable, limits too low, results not writable
  4    inconclusive or invalid: the question was not answered
  130  interrupted (Ctrl-C), 143 terminated; what was measured is saved";

/// WebSocket load tester: round trips that a stalled server cannot hide, heartbeats, reconnects.
#[derive(Debug, Parser)]
#[command(name = "wsbench", version, about, after_help = START, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Nothing but errors: no progress, no summary
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Also say on stderr where results go and how many threads send
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// When to use colour; NO_COLOR is respected
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorChoice,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal.
    Auto,
    /// Into pipes too.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a scenario, or a URL as an ad-hoc echo scenario
    Run(Box<RunArguments>),
    /// Run the reference server alone
    Serve(Box<ServeArguments>),
    /// Pass connections on to a target over a path that misbehaves as told
    Relay(Box<RelayArguments>),
    /// Run the same storm under several reconnect policies and compare them in one table
    Storm(Box<StormArguments>),
    /// Validate a scenario and print the plan in words, with the resources it needs
    Check(Box<CheckArguments>),
    /// Measure this machine's own limits and say how far its numbers can be trusted
    Calibrate(CalibrateArguments),
    /// Say what is wrong with a WebSocket path, in plain words, with the fix
    Probe(Box<ProbeArguments>),
    /// Compare two services by turns on this machine, so that its noise cancels out
    Ab(Box<AbArguments>),
    /// Compare saved results: what changed, by how much, and how sure that is
    Compare(CompareArguments),
    /// Join results of one scenario that ran at the same time on several machines into one
    Merge(MergeArguments),
    /// Write a commented starter scenario
    Init {
        /// A file that does not exist yet; without it the scenario goes to stdout
        path: Option<PathBuf>,
    },
    /// Print the JSON Schema of scenario files, for editors
    Schema {
        /// Print that of the document of `probe --json` instead
        #[arg(long)]
        probe: bool,
    },
    /// Render a saved result again
    Report {
        /// A folder under results/, or its result.json
        result: PathBuf,
        /// What to render
        #[arg(long, short, default_value = "terminal")]
        format: ReportFormat,
    },
    /// Show a run in charts on the terminal, while it lasts or after
    Watch {
        /// The folder a run writes to, or the folder of several: the newest of them
        #[arg(default_value = "results")]
        result: PathBuf,
    },
    /// Print shell completions
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// Print the man page
    Man,
    /// Run some of the shards of a run (for `wsbench run`)
    #[command(hide = true)]
    Generate,
}

/// What `report` renders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// The summary for people
    Terminal,
    /// result.json itself
    Json,
    /// summary.csv
    Csv,
    /// summary.md
    Markdown,
    /// junit.xml: a case for each threshold
    Junit,
    /// OpenMetrics text for GitLab's metrics report
    Gitlab,
    /// For github-action-benchmark, tool customSmallerIsBetter
    GithubActionBenchmark,
    /// Bencher Metric Format, for bencher run --adapter json
    Bencher,
    /// report.html: one page, no network
    Html,
}

/// Flags that change a scenario.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Target")]
pub struct OverrideArguments {
    /// Set any key of the scenario by its path, e.g. load.stages.0.clients=5000. Repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub set: Vec<(String, String)>,
    /// Use this URL instead of the scenario's, and do not start its built-in server
    #[arg(
        long,
        value_name = "URL",
        env = "WSBENCH_TARGET",
        hide_env_values = true
    )]
    pub target: Option<String>,
    /// Add a header to every upgrade request. Repeatable
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    pub header: Vec<(String, String)>,
    /// Offer a subprotocol. Repeatable, in order of preference
    #[arg(long, value_name = "NAME")]
    pub subprotocol: Vec<String>,
    /// Do not verify the server's certificate
    #[arg(long)]
    pub insecure: bool,
    /// Trust this PEM bundle instead of the system's roots
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Our certificate (PEM chain), for servers that ask for one
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// The private key of --cert (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Name for SNI and verification instead of the URL's host
    #[arg(long, value_name = "NAME")]
    pub server_name: Option<String>,
    /// Dial from this local address. Repeatable: dealt round-robin over clients
    #[arg(long, value_name = "ADDRESS")]
    pub source_address: Vec<String>,
    /// Seed of every random draw: the same seed, the same schedule [default: the scenario's, or 1]
    #[arg(long, value_name = "NUMBER", env = "WSBENCH_SEED")]
    pub seed: Option<u64>,
    /// Most dials a second, reconnects included; those beyond it wait
    /// [default: the scenario's, or 50k if every target is loopback, else 1k]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub max_dials_per_s: Option<Count>,
    /// Refuse a plan of more messages a second
    /// [default: the scenario's, or none if every target is loopback, else 10k]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub max_messages_per_s: Option<Count>,
    /// Refuse a plan of more clients at once
    /// [default: the scenario's, or none if every target is loopback, else 10k]
    #[arg(long, value_name = "N", help_heading = "Limits")]
    pub max_clients: Option<Count>,
}

/// `wsbench run`.
#[derive(Args, Debug)]
pub struct RunArguments {
    /// A scenario file (- is stdin), or a ws:// or wss:// URL
    #[arg(value_name = "SCENARIO|URL")]
    pub scenario: String,
    #[command(flatten)]
    pub overrides: OverrideArguments,
    #[command(flatten)]
    pub ad_hoc: AdHocArguments,
    #[command(flatten)]
    pub gate: GateArguments,
    /// Yes, the target is mine to load: one that is not loopback is not dialled more than 100 times
    /// a second, sent more than 1,000 messages a second or held by more than 1,000 clients without it
    #[arg(
        long,
        env = "WSBENCH_YES",
        value_parser = FalseyValueParser::new(),
        help_heading = "Limits"
    )]
    pub yes: bool,
    /// Do not dial once before the load. That dial ends the run (exit 3) when nobody is there: dns,
    /// refused, unreachable, connect_timeout or tls, after 3 s at most, unless clients reconnect;
    /// any other failure is a warning. A built-in server is not dialled
    #[arg(long, help_heading = "Limits")]
    pub no_test_dial: bool,
    /// Generate the load in so many processes [default: as many as the clients' descriptors take]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=MOST_PROCESSES))]
    pub processes: Option<u16>,
    /// Write results into this folder (new or empty) instead of results/NAME/TIME/
    #[arg(long, value_name = "DIR", env = "WSBENCH_OUT", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Print result.json on stdout instead of the summary
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Show charts on the whole terminal while the run lasts, instead of a line
    #[arg(long, help_heading = "Output", conflicts_with = "quiet")]
    pub tui: bool,
}

/// `wsbench storm`.
#[derive(Args, Debug)]
#[command(after_help = storm_policies())]
pub struct StormArguments {
    /// A scenario file (- is stdin) in which clients lose their connections, e.g. by a fault
    #[arg(value_name = "SCENARIO")]
    pub scenario: PathBuf,
    /// Policies to compare, by name
    #[arg(
        long,
        value_name = "NAME,...",
        value_delimiter = ',',
        default_value = "fixed,exponential,full,equal,decorrelated,socketio,phoenix,signalr",
        value_parser = storm_policy
    )]
    pub policies: Vec<String>,
    #[command(flatten)]
    pub overrides: OverrideArguments,
    /// Yes, the target is mine to load (see wsbench run --help)
    #[arg(
        long,
        env = "WSBENCH_YES",
        value_parser = FalseyValueParser::new(),
        help_heading = "Limits"
    )]
    pub yes: bool,
    /// Do not dial once before each load
    #[arg(long, help_heading = "Limits")]
    pub no_test_dial: bool,
    /// Write results into this folder, one below it for each policy, instead of results/NAME-POLICY/TIME/
    #[arg(long, value_name = "DIR", env = "WSBENCH_OUT", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// What the table is written as
    #[arg(long, short, default_value = "terminal", help_heading = "Output")]
    pub format: StormFormat,
}

/// What `storm` writes its table as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StormFormat {
    /// For people
    Terminal,
    /// To paste into a design document
    Markdown,
    /// For a spreadsheet
    Csv,
    /// Whole reports
    Json,
}

/// The policies that `--policies` knows, one a line.
fn storm_policies() -> String {
    let own = (OWN, "the scenario's own [reconnect]");
    let all = std::iter::once(own).chain(reconnect::presets());
    let lines: Vec<String> = all
        .map(|(name, line)| format!("  {name:<23} {line}"))
        .collect();
    format!("Policies:\n{}", lines.join("\n"))
}

fn storm_policy(name: &str) -> Result<String, String> {
    if name == OWN || reconnect::preset(name).is_some() {
        return Ok(name.to_owned());
    }
    let near = reconnect::nearest_preset(name);
    let near = near.map(|near| format!("did you mean {near}? "));
    let near = near.unwrap_or_default();
    Err(format!("no such policy; {near}see wsbench storm --help"))
}

/// Flags of `wsbench run URL`.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Ad-hoc scenario (with a URL)")]
pub struct AdHocArguments {
    /// Clients kept connected [default: 10]
    #[arg(long, short, value_name = "N")]
    pub clients: Option<Count>,
    /// Messages per second of all clients together, on a fixed schedule; without it every client
    /// sends as soon as it was answered
    #[arg(long, short, value_name = "RATE")]
    pub rate: Option<RateArgument>,
    /// How long [default: 10s]
    #[arg(long, short, value_name = "TIME")]
    pub duration: Option<TimeSpan>,
    /// Payload of a message [default: 64B]
    #[arg(long, short, value_name = "BYTES")]
    pub size: Option<SizeArgument>,
}

impl AdHocArguments {
    /// The flags that were given, for the message that they need a URL.
    pub fn given(&self) -> Vec<&'static str> {
        let flags = [
            (self.clients.is_some(), "--clients"),
            (self.rate.is_some(), "--rate"),
            (self.duration.is_some(), "--duration"),
            (self.size.is_some(), "--size"),
        ];
        let given = flags.into_iter().filter(|(given, _)| *given);
        given.map(|(_, flag)| flag).collect()
    }

    /// The duration, or its default.
    pub fn duration(&self) -> Duration {
        self.duration.map_or(Duration::from_secs(10), |span| span.0)
    }
}

/// `100/s`, or a bare number of messages per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateArgument(pub f64);

impl std::str::FromStr for RateArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(number) = text.parse::<f64>() {
            let positive = number.is_finite() && number > 0.0;
            return positive
                .then_some(Self(number))
                .ok_or_else(|| "a rate is a number above 0, e.g. 100 or 100/s".to_owned());
        }
        let rate: Rate = text.parse().map_err(|e| format!("{e}"))?;
        Ok(Self(rate.per_second()))
    }
}

/// `16KiB`, or a bare number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizeArgument(pub ByteSize);

impl std::str::FromStr for SizeArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let size = match text.parse::<u64>() {
            Ok(bytes) => ByteSize(bytes),
            Err(_) => text.parse().map_err(|e| format!("{e}"))?,
        };
        Ok(Self(size))
    }
}

/// `wsbench serve`.
#[derive(Args, Debug)]
pub struct ServeArguments {
    /// Where to listen; port 0 = a free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9001")]
    pub listen: SocketAddr,
    /// A line on stderr each second: connections, messages, bytes
    #[arg(long)]
    pub metrics: bool,
    /// End when stdin ends (for `wsbench run`)
    #[arg(long, hide = true)]
    pub stop_on_stdin_eof: bool,
    /// Obey commands on stdin (for `wsbench run`)
    #[arg(long, hide = true)]
    pub control: bool,
    /// Which of several processes that share the port this is (for --processes)
    #[arg(long, hide = true, default_value_t = Part::WHOLE)]
    pub part: Part,
    #[command(flatten)]
    pub server: ServerFlags,
}

/// `wsbench relay`.
#[derive(Args, Debug)]
pub struct RelayArguments {
    /// Where to listen; port 0 = a free one
    #[arg(value_name = "LISTEN")]
    pub listen: SocketAddr,
    /// Where to pass connections on to: host:port, or a ws:// or wss:// URL
    #[arg(value_name = "TARGET")]
    pub target: String,
    /// What goes wrong, e.g. latency,latency=50ms,jitter=10ms,direction=downstream or
    /// timeout,share=25%,at=10s,duration=5s or drop_frames,frames=ping+pong,probability=50%.
    /// Repeatable; kinds: latency, bandwidth, timeout, reset_peer, slow_close, slicer, limit_data,
    /// corrupt, drop_frames, cut_frame, down
    #[arg(long, value_name = "KIND,KEY=VALUE...")]
    pub toxic: Vec<TimedToxic>,
    /// Decides which connections, frames and bytes are hit
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// A line on stderr each second: connections, bytes, what toxics did
    #[arg(long)]
    pub metrics: bool,
    /// Take commands from stdin, and end when it ends (for `wsbench run`)
    #[arg(long, hide = true)]
    pub stop_on_stdin_eof: bool,
}

/// `wsbench check`.
#[derive(Args, Debug)]
pub struct CheckArguments {
    /// A scenario file; - is stdin
    pub scenario: PathBuf,
    #[command(flatten)]
    pub overrides: OverrideArguments,
}

/// `wsbench calibrate`.
#[derive(Args, Debug)]
#[command(after_help = CALIBRATE)]
pub struct CalibrateArguments {
    /// About ten seconds instead of a minute: a coarse answer
    #[arg(long)]
    pub quick: bool,
    /// Connections that the load is spread over
    #[arg(long, short, value_name = "N", default_value = "1000", value_parser = some_clients)]
    pub clients: u32,
    /// Seed of every random draw
    #[arg(long, value_name = "NUMBER", default_value_t = 1, env = "WSBENCH_SEED")]
    pub seed: u64,
    /// Keep the result of every load, and calibration.json, in this folder (new or empty)
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Print the figures as JSON (schema_version 1) instead of words
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

const CALIBRATE: &str = "\
Runs the generator against the built-in server on this machine, under loads that rise until it sends
late; then holds round_trip against a server that answers after a known 20 ms.

Exit codes:
  0    said how far the numbers can be trusted
  3    could not measure
  4    the machine is too noisy to say, or late runs were not called invalid
  130  interrupted; what was measured is shown";

fn some_clients(text: &str) -> Result<u32, String> {
    let count: Count = text.parse().map_err(|e| format!("{e}"))?;
    match u32::try_from(count.0) {
        Ok(clients @ 1..=1_000_000) => Ok(clients),
        _ => Err("a calibration takes 1 to 1,000,000 clients, e.g. 1000".to_owned()),
    }
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.to_owned()))
        }
        _ => Err("write KEY=VALUE, e.g. load.drain=2s".to_owned()),
    }
}

pub(super) fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("write \"NAME: VALUE\", e.g. \"Origin: https://app.example.com\"".to_owned()),
    }
}
