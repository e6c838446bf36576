//! The relay of a run, in a process of its own, so that its work is not the generator's.
//!
//! Commands go to its stdin through a thread with a short queue, replies come through another: nothing
//! here waits for the relay but start and stop.

use std::io::{self, BufRead, BufReader, Write as _};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::Instant;

use crate::commands::relay_control::{Command, Reply, line};
use crate::relay::Totals;
use crate::scenario::{FaultKind, RelayPlan, Scenario, Target};
use crate::wire::Url;

use super::timeline::FaultDoer;

/// Commands on their way to the relay.
const COMMANDS: usize = 1024;

/// What the relay has answered last.
#[derive(Debug, Default)]
struct Heard {
    totals: Option<Totals>,
    /// The first thing it could not do.
    error: Option<String>,
    /// What was confirmed and nobody has looked at yet, at most [`COMMANDS`].
    answers: Vec<(u64, Instant, Result<(), String>)>,
}

/// A running `wsbench relay`; ends with us, since it watches our end of its stdin.
pub struct RelayProcess {
    child: Child,
    address: SocketAddr,
    /// None = it is told to end.
    commands: Option<SyncSender<String>>,
    heard: Arc<Mutex<Heard>>,
    reader: Option<JoinHandle<()>>,
    ended: bool,
}

impl RelayProcess {
    /// Starts it and waits until it listens.
    pub fn start(
        plan: &RelayPlan,
        target: &Target,
        seed: u64,
        quiet: bool,
    ) -> anyhow::Result<Self> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listen = plan.listen.unwrap_or(any);
        let program = std::env::current_exe().context("find our own program")?;
        let mut command = std::process::Command::new(program);
        command
            .arg("relay")
            .arg(listen.to_string())
            .arg(address_of(target)?.to_string())
            .arg(format!("--seed={seed}"))
            .arg("--stop-on-stdin-eof")
            .args(plan.toxics.iter().map(|toxic| format!("--toxic={toxic}")))
            .args(quiet.then_some("--quiet"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A Ctrl-C on the terminal is for us: the relay has to outlive the drain.
            .process_group(0);
        let mut child = command.spawn().context("start the relay")?;
        let stdin = child.stdin.take().context("write to the relay")?;
        let stdout = child.stdout.take().context("read from the relay")?;
        let mut stdout = BufReader::new(stdout);
        let mut first = String::new();
        stdout.read_line(&mut first).context("wait for the relay")?;
        let address = first.trim().strip_prefix("listening on ");
        let Some(address) = address.and_then(|address| address.parse().ok()) else {
            let _ = child.wait();
            bail!(
                "the relay did not start on {listen}\n\
                 hint: is the port in use? change `relay.listen`, or leave it out"
            );
        };
        let heard = Arc::<Mutex<Heard>>::default();
        let reader = hear(stdout, Arc::clone(&heard))?;
        Ok(Self {
            child,
            address,
            commands: Some(speak(stdin)?),
            heard,
            reader: Some(reader),
            ended: false,
        })
    }

    /// Where clients connect.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Does the relay's faults of a scenario, for the driver of the timeline.
    pub fn doer(&self, scenario: &Arc<Scenario>) -> RelayFaults {
        RelayFaults {
            scenario: Arc::clone(scenario),
            commands: self.commands.clone(),
            heard: Arc::clone(&self.heard),
        }
    }

    /// Whether it ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.ended |= matches!(self.child.try_wait(), Ok(Some(_)));
        self.ended
    }

    /// Asks it to end by closing its stdin; ends it for good after `grace`. What it did, if it could
    /// say so, and the first thing that it could not do.
    pub fn stop(mut self, grace: Duration) -> (Option<Totals>, Option<String>) {
        self.end(grace);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        (heard.totals.take(), heard.error.take())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the run is over: no client waits on this thread"
    )]
    fn end(&mut self, grace: Duration) {
        self.commands = None;
        let deadline = Instant::now() + grace;
        while !self.has_ended() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        if !self.ended {
            let _ = self.child.kill();
            let _ = self.child.wait();
            self.ended = true;
        }
    }
}

/// Starts and ends toxics in a running relay; waits for nobody.
pub struct RelayFaults {
    scenario: Arc<Scenario>,
    commands: Option<SyncSender<String>>,
    heard: Arc<Mutex<Heard>>,
}

impl RelayFaults {
    fn send(&self, command: &Command) -> io::Result<()> {
        let commands = self.commands.as_ref();
        let sent = commands.map(|commands| commands.try_send(line(command)));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(io::Error::other("the relay does not listen")),
        }
    }
}

impl FaultDoer for RelayFaults {
    fn start(&mut self, id: u64, fault: usize, duration: Option<Duration>) -> io::Result<()> {
        let scenario = Arc::clone(&self.scenario);
        match scenario.faults.get(fault).map(|fault| &fault.kind) {
            Some(FaultKind::Relay(toxic)) => self.send(&Command::start(id, toxic, None, duration)),
            _ => Err(io::Error::other("this is no fault of the relay")),
        }
    }

    fn end(&mut self, id: u64) -> io::Result<()> {
        self.send(&Command::End { id })
    }

    fn answers(&mut self) -> Vec<(u64, Instant, Result<(), String>)> {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut heard.answers)
    }
}

impl Drop for RelayProcess {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Duration::ZERO);
        }
    }
}

/// Writes commands; closes the relay's stdin when there will be no more.
fn speak(mut stdin: ChildStdin) -> anyhow::Result<SyncSender<String>> {
    let (commands, queue) = sync_channel::<String>(COMMANDS);
    let write = move || {
        for command in queue {
            if stdin.write_all(command.as_bytes()).is_err() {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("relay-commands".to_owned());
    thread
        .spawn(write)
        .context("start a thread for the relay")?;
    Ok(commands)
}

/// Reads replies until the relay ends.
fn hear(
    stdout: BufReader<ChildStdout>,
    heard: Arc<Mutex<Heard>>,
) -> anyhow::Result<JoinHandle<()>> {
    let read = move || {
        for text in stdout.lines().map_while(Result::ok) {
            let reply = serde_json::from_str(&text);
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            match reply {
                Ok(Reply::Totals(totals)) => heard.totals = Some(totals),
                Ok(Reply::Error { id, message }) => {
                    if let Some(id) = id.filter(|_| heard.answers.len() < COMMANDS) {
                        let why = Err(message.clone());
                        heard.answers.push((id, Instant::now(), why));
                    }
                    heard.error.get_or_insert(message);
                }
                Ok(Reply::Ok { id }) if heard.answers.len() < COMMANDS => {
                    heard.answers.push((id, Instant::now(), Ok(())));
                }
                Ok(Reply::Ok { .. }) | Err(_) => {}
            }
        }
    };
    let thread = std::thread::Builder::new().name("relay-replies".to_owned());
    thread.spawn(read).context("start a thread for the relay")
}

/// Where the target is: as `target.resolve` says, else by its name.
fn address_of(target: &Target) -> anyhow::Result<SocketAddr> {
    let text = target.urls.first().map(ToString::to_string);
    let text = text.context("the target has no URL")?;
    let url = Url::parse(&text).context(
        "the relay cannot tell the target's host and port\n\
         hint: write them without {{...}} in target.url",
    )?;
    let fixed = target
        .resolve
        .iter()
        .find(|o| o.host == url.host && o.port == url.port);
    if let Some(fixed) = fixed {
        return Ok(SocketAddr::new(fixed.address, url.port));
    }
    let mut found = (url.host.as_str(), url.port)
        .to_socket_addrs()
        .with_context(|| format!("resolve {}\nhint: give target.resolve", url.host))?;
    found
        .next()
        .with_context(|| format!("{} has no address", url.host))
}
