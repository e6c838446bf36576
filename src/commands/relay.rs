//! `wsbench relay`: a path to a target that misbehaves as told, until it is told to stop.
//!
//! Prints `listening on ADDR` on stdout once connections are accepted, everything else on stderr.
//! Ends on Ctrl-C and SIGTERM; as the child of `wsbench run` it takes commands from stdin and ends
//! with it. Toxics with `at` count from the start.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, Read as _, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::{Builder, LocalOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::relay_control::{Command, Reply, line, toxic};
use crate::commands::descriptors::raise_limit;
use crate::exit::Exit;
use crate::relay::{Relay, Totals};
use crate::scenario::fault::OCCURRENCES;
use crate::scenario::{TimedToxic, Toxic, ToxicKind};
use crate::wire::Url;

/// Between two lines of `--metrics`, and two looks for what is worth a warning.
const PERIOD: Duration = Duration::from_secs(1);
/// Commands read and not yet done.
const COMMANDS: usize = 64;
/// The longest line that is a command.
const LONGEST: u64 = 16 * 1024;
/// Numbers of toxics on the timeline begin here; those from the start count from 0.
const TIMELINE: u64 = 1 << 48;

/// What to pass on, and how badly.
#[derive(Clone, Debug)]
pub struct RelayOptions {
    /// Where to listen; port 0 = a free one.
    pub listen: SocketAddr,
    /// `host:port`, or a URL.
    pub target: String,
    /// What goes wrong.
    pub toxics: Vec<TimedToxic>,
    /// Of all draws.
    pub seed: u64,
    /// A line on stderr each second.
    pub metrics: bool,
    /// Commands come from stdin; stop when it ends, and leave Ctrl-C to the parent.
    pub stop_on_stdin_eof: bool,
    /// No warnings on stderr.
    pub quiet: bool,
}

/// Passes on until it is told to stop.
///
/// # Errors
/// The target's name does not resolve, the relay could not be started, or stdout is gone.
pub fn run(options: &RelayOptions) -> anyhow::Result<Exit> {
    let target = match address_of(&options.target) {
        Ok(target) => target,
        Err(Unusable::Text) => {
            let text = &options.target;
            let _ = writeln!(
                io::stderr(),
                "error: the target `{text}` has no host and port\n\
                 hint: write host:port, e.g. 127.0.0.1:9001, or a ws:// URL"
            );
            return Ok(Exit::Usage);
        }
        Err(Unusable::Name(error)) => return Err(error),
    };
    raise_limit();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .context("starting the runtime")?;
    runtime.block_on(watch(options, target))
}

enum Unusable {
    Text,
    Name(anyhow::Error),
}

/// Where a target is.
fn address_of(text: &str) -> Result<SocketAddr, Unusable> {
    let (host, port) = if text.contains("://") {
        let url = Url::parse(text).map_err(|_| Unusable::Text)?;
        (url.host, url.port)
    } else {
        let (host, port) = text.rsplit_once(':').ok_or(Unusable::Text)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse().map_err(|_| Unusable::Text)?;
        if host.is_empty() {
            return Err(Unusable::Text);
        }
        (host.to_owned(), port)
    };
    let found = (host.as_str(), port).to_socket_addrs();
    let mut found = found
        .with_context(|| format!("resolve {host}\nhint: give an address instead"))
        .map_err(Unusable::Name)?;
    let address = found
        .next()
        .with_context(|| format!("{host} has no address"));
    address.map_err(Unusable::Name)
}

/// Waits for the end, working off the timeline and talking meanwhile.
async fn watch(options: &RelayOptions, target: SocketAddr) -> anyhow::Result<Exit> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut commands = read_commands(options.stop_on_stdin_eof)?;
    let relay = Relay::start(options.listen, target, options.seed).with_context(|| {
        let listen = options.listen;
        format!("listen on {listen}\nhint: another address, or port 0 for a free one")
    })?;
    let mut agenda = Agenda::new(relay);
    agenda.take(&options.toxics)?;
    // After the handlers: whoever has read this may already send a signal.
    let address = agenda.relay.address().context("a relay has an address")?;
    say(&format!("listening on {address}\n"))?;
    let mut talk = Talk::new(options);
    let mut ticks = interval_at(Instant::now() + PERIOD, PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let next = agenda.next();
        tokio::select! {
            _ = interrupt.recv() => {
                if !options.stop_on_stdin_eof {
                    return Ok(Exit::Interrupted);
                }
            }
            _ = terminate.recv() => return Ok(Exit::Terminated),
            command = commands.recv() => {
                let Some(command) = command else {
                    let _ = say(&line(&Reply::Totals(agenda.relay.totals())));
                    talk.report(Instant::now(), agenda.relay.totals());
                    return Ok(Exit::Pass);
                };
                say(&line(&agenda.obey(&command)))?;
            }
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => agenda.work(),
            at = ticks.tick() => talk.report(at, agenda.relay.totals()),
        }
    }
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes());
    written
        .and_then(|()| stdout.flush())
        .context("writing to stdout")
}

/// Lines from stdin, until it ends; none and no end, if nobody asked.
fn read_commands(wanted: bool) -> anyhow::Result<mpsc::Receiver<String>> {
    let (send, commands) = mpsc::channel(COMMANDS);
    let read = move || {
        if !wanted {
            // Keeps the channel open.
            std::mem::forget(send);
            return;
        }
        let mut stdin = io::stdin().lock();
        let mut text = String::new();
        while let Ok(1..) = stdin.by_ref().take(LONGEST).read_line(&mut text) {
            if send.blocking_send(std::mem::take(&mut text)).is_err() {
                return;
            }
        }
    };
    // A thread of its own, since a read of stdin cannot be cancelled; it ends with the process.
    let thread = std::thread::Builder::new().name("stdin".to_owned());
    thread.spawn(read).context("starting a thread for stdin")?;
    Ok(commands)
}

/// One toxic's next time.
#[derive(Debug)]
struct Entry {
    id: Option<u64>,
    toxic: Toxic,
    duration: Option<Duration>,
    every: Option<Duration>,
    /// Times after this one.
    left: u64,
}

/// What begins when.
struct Agenda {
    relay: Relay,
    entries: BTreeMap<(Instant, u64), Entry>,
    next_entry: u64,
    next_id: u64,
}

impl Agenda {
    fn new(relay: Relay) -> Self {
        Self {
            relay,
            entries: BTreeMap::new(),
            next_entry: 0,
            next_id: TIMELINE,
        }
    }

    /// Starts what has no time, and notes what has.
    fn take(&mut self, toxics: &[TimedToxic]) -> anyhow::Result<()> {
        let now = Instant::now();
        for (index, timed) in toxics.iter().enumerate() {
            let Some(at) = timed.at else {
                let (id, toxic) = (index as u64, &timed.toxic);
                self.relay.start_fault(id, toxic, timed.duration)?;
                continue;
            };
            let times = timed.count.unwrap_or(u64::MAX).saturating_sub(1);
            let entry = Entry {
                id: None,
                toxic: timed.toxic.clone(),
                duration: timed.duration,
                every: timed.every,
                left: if timed.every.is_some() { times } else { 0 },
            };
            self.note(now + at, entry);
        }
        Ok(())
    }

    fn note(&mut self, due: Instant, entry: Entry) {
        self.next_entry += 1;
        self.entries.insert((due, self.next_entry), entry);
    }

    fn next(&self) -> Option<Instant> {
        self.entries.keys().next().map(|(due, _)| *due)
    }

    /// Starts what is due.
    fn work(&mut self) {
        while self.next().is_some_and(|due| due <= Instant::now())
            && let Some(((due, _), entry)) = self.entries.pop_first()
        {
            let id = entry.id.unwrap_or(self.next_id);
            self.next_id += 1;
            if let Err(error) = self.start(id, &entry.toxic, entry.duration) {
                let _ = writeln!(io::stderr(), "warning: {error}");
            }
            if let (Some(every), 1..) = (entry.every, entry.left) {
                let left = entry.left - 1;
                self.note(due + every, Entry { left, ..entry });
            }
        }
    }

    /// A reset at a time is for those that are open then, unless it has a duration.
    fn start(&self, id: u64, toxic: &Toxic, duration: Option<Duration>) -> Result<(), String> {
        let is_instant =
            matches!(toxic.kind, ToxicKind::ResetPeer { timeout } if timeout.is_zero());
        let duration = duration.or(is_instant.then_some(Duration::ZERO));
        let started = self.relay.start_fault(id, toxic, duration);
        started.map_err(|error| error.to_string())
    }

    fn obey(&mut self, text: &str) -> Reply {
        let command = match serde_json::from_str(text) {
            Ok(command) => command,
            Err(error) => {
                return Reply::Error {
                    id: None,
                    message: format!("read a command: {error}"),
                };
            }
        };
        let (id, done) = match command {
            Command::Totals {} => return Reply::Totals(self.relay.totals()),
            Command::End { id } => (id, self.relay.end_fault(id).map_err(|e| e.to_string())),
            Command::Start {
                id,
                toxic: keys,
                after_ms,
                duration_ms,
            } => {
                let duration = duration_ms.map(Duration::from_millis);
                let done = toxic(&keys).and_then(|toxic| match after_ms {
                    None => self.start(id, &toxic, duration),
                    Some(_) if self.entries.len() >= OCCURRENCES => Err(format!(
                        "noting toxic {id}: {OCCURRENCES} are to come already"
                    )),
                    Some(after) => {
                        let entry = Entry {
                            id: Some(id),
                            toxic,
                            duration,
                            every: None,
                            left: 0,
                        };
                        self.note(Instant::now() + Duration::from_millis(after), entry);
                        Ok(())
                    }
                });
                (id, done)
            }
        };
        match done {
            Ok(()) => Reply::Ok { id },
            Err(message) => Reply::Error {
                id: Some(id),
                message,
            },
        }
    }
}

/// What is said on stderr.
struct Talk {
    metrics: bool,
    quiet: bool,
    last: Totals,
    last_at: Instant,
}

impl Talk {
    fn new(options: &RelayOptions) -> Self {
        Self {
            metrics: options.metrics,
            quiet: options.quiet,
            last: Totals::default(),
            last_at: Instant::now(),
        }
    }

    fn report(&mut self, at: Instant, now: Totals) {
        let seconds = at.duration_since(self.last_at).as_secs_f64();
        let lines = self.lines(now, seconds);
        // Nobody reads stderr any more: that is no reason to stop passing on.
        let _ = io::stderr().write_all(lines.as_bytes());
        (self.last, self.last_at) = (now, at);
    }

    /// What there is to say about the time between two looks.
    fn lines(&self, now: Totals, seconds: f64) -> String {
        let mut lines = String::new();
        let begins = |was: u64, is: u64| was == 0 && is > 0 && !self.quiet;
        if begins(self.last.descriptor_shortages, now.descriptor_shortages) {
            lines.push_str(
                "warning: passing on a connection: no file descriptor is free; new ones wait or are \
                 reset\nhint: raise the limit: ulimit -n\n",
            );
        }
        if begins(self.last.blind, now.blind) {
            lines.push_str(
                "warning: looking for frames: a connection is not understood (TLS, or no WebSocket \
                 upgrade), so toxics that look at frames do nothing on it\n\
                 hint: test over ws://, or use toxics without frames\n",
            );
        }
        if begins(self.last.unreachable, now.unreachable) {
            lines.push_str(
                "warning: dialling the target: it could not be reached, so a client was reset\n\
                 hint: is it listening?\n",
            );
        }
        if self.metrics {
            let rate = |was: u64, is: u64| is.saturating_sub(was) as f64 / seconds.max(1e-9);
            lines.push_str(&format!(
                "{} open, {:.0} opened/s, {:.0} bytes/s up, {:.0} down, {:.0} swallowed, \
                 {:.0} frames/s dropped, {} reset, {} cut\n",
                now.connections - now.closed,
                rate(self.last.connections, now.connections),
                rate(self.last.bytes_up, now.bytes_up),
                rate(self.last.bytes_down, now.bytes_down),
                rate(self.last.bytes_swallowed, now.bytes_swallowed),
                rate(self.last.frames_dropped, now.frames_dropped),
                now.reset,
                now.frames_cut,
            ));
        }
        lines
    }
}
