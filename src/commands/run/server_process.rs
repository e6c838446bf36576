//! The built-in server of a run, in a process of its own, so that its work is not the generator's.
//!
//! Commands go into its stdin, answers come out of its stdout; nobody here waits for it but at its
//! start and its end.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::Instant;

use super::server_load::Watch;
use super::timeline::FaultDoer;
use crate::commands::control::{self, Answer, Counts, Line, Load, read_line};
use crate::commands::server_flags::arguments;
use crate::result::{ServerCounts, ServerLoad};
use crate::scenario::{FaultKind, Scenario, ServerFaultPlan, ServerPlan, Target};
use crate::wire::Url;

/// A running `wsbench serve`; ends with us, since it watches our end of its stdin.
pub struct ServerProcess {
    child: Child,
    ended: bool,
    stdin: Stdin,
    switches: Arc<Mutex<Receiver<Switched>>>,
    totals: Receiver<Counts>,
    loads: Receiver<Load>,
    /// Whether the window that ends with an answer counts, for each that is under way.
    asked: VecDeque<bool>,
    watch: Watch,
}

/// Its end is told by closing it, whoever else holds it.
type Stdin = Arc<Mutex<Option<ChildStdin>>>;

/// An answer to a command about a fault.
type Switched = (u64, Instant, Result<(), String>);

/// How long an answer is waited for once the run is over.
const PATIENCE: Duration = Duration::from_millis(500);
/// Answers that can wait here to be looked at, and commands that can wait there to be answered.
const MOST_WAITING: usize = 256;

impl ServerProcess {
    /// Starts it and waits until it listens.
    pub fn start(plan: &ServerPlan, target: &Target, processes: u16) -> anyhow::Result<Self> {
        let address = match plan.listen {
            Some(address) => address,
            None => address_of(target)?,
        };
        let program = std::env::current_exe().context("find our own program")?;
        let plan = &ServerPlan {
            processes: Some(processes),
            ..plan.clone()
        };
        let mut command = Command::new(program);
        command
            .args(arguments(plan, address))
            .args(["--stop-on-stdin-eof", "--control"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A Ctrl-C on the terminal is for us: the server has to outlive the drain.
            .process_group(0);
        if let Some(token) = &plan.token {
            // Not an argument: those can be read by everybody on the machine.
            command.env("WSBENCH_SERVER_TOKEN", token);
        }
        let mut child = command.spawn().context("start the built-in server")?;
        let stdout = child.stdout.take().context("read the server's stdout")?;
        let mut line = String::new();
        let mut stdout = BufReader::new(stdout);
        stdout
            .read_line(&mut line)
            .context("wait for the built-in server")?;
        if !line.starts_with("listening on") {
            let _ = child.wait();
            bail!(
                "the built-in server did not start on {address}\n\
                 hint: is the port in use? change `target.url` (or `server.listen`), \
                 or test a server of your own with --target URL"
            );
        }
        let stdin = Arc::new(Mutex::new(child.stdin.take()));
        let (switched, switches) = sync_channel(2 * MOST_WAITING);
        let (counts, totals) = sync_channel(1);
        let (load, loads) = sync_channel(MOST_WAITING);
        std::thread::Builder::new()
            .name("server-answers".to_owned())
            .spawn(move || listen(stdout, &switched, &counts, &load))
            .context("start a thread for the server's answers")?;
        Ok(Self {
            child,
            ended: false,
            stdin,
            switches: Arc::new(Mutex::new(switches)),
            totals,
            loads,
            asked: VecDeque::new(),
            watch: Watch::default(),
        })
    }

    /// Whoever does the scenario's server faults at their times.
    pub fn doer(&self, scenario: &Arc<Scenario>) -> ServerFaults {
        ServerFaults {
            scenario: Arc::clone(scenario),
            stdin: Arc::clone(&self.stdin),
            switches: Arc::clone(&self.switches),
            unanswered: 0,
        }
    }

    /// What it has done so far; an error when it does not say so in time.
    pub fn totals(&self, patience: Duration) -> io::Result<Counts> {
        // An answer that came too late for an earlier question.
        let _ = self.totals.try_recv();
        tell(&self.stdin, &control::Command::Totals)?;
        self.totals.recv_timeout(patience).map_err(io::Error::other)
    }

    /// Asks how busy it has been since the last time, without waiting; `measured` when that counts.
    pub fn look(&mut self, measured: bool) {
        self.hear_loads();
        if self.asked.len() < MOST_WAITING && tell(&self.stdin, &control::Command::Load).is_ok() {
            self.asked.push_back(measured);
        }
    }

    fn hear_loads(&mut self) {
        while let Ok(load) = self.loads.try_recv() {
            let measured = self.asked.pop_front().unwrap_or(false);
            self.watch.take(load, measured);
        }
    }

    /// How busy it was in the measured phase; to be asked after [`ServerProcess::counts`], whose answer
    /// comes after all others.
    pub fn load(&mut self) -> Option<ServerLoad> {
        self.hear_loads();
        self.watch.finish()
    }

    /// Its totals for the result; none when it is not there to be asked.
    pub fn counts(&self) -> Option<ServerCounts> {
        let Counts {
            totals,
            cpu_s,
            listen_overflows,
        } = self.totals(PATIENCE).ok()?;
        Some(ServerCounts {
            upgrades: totals.upgrades,
            refused: totals.refused,
            messages_received: totals.messages_received,
            messages_sent: totals.messages_sent,
            descriptor_shortages: totals.descriptor_shortages,
            listen_failures: totals.listen_failures,
            cpu_s,
            listen_overflows,
        })
    }

    /// Whether it ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.ended |= matches!(self.child.try_wait(), Ok(Some(_)));
        self.ended
    }

    /// Asks it to end by closing its stdin; ends it for good after `grace`. False when it had ended
    /// before.
    pub fn stop(mut self, grace: Duration) -> bool {
        let lasted = !self.has_ended();
        self.end(grace);
        lasted
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the run is over: no client waits on this thread"
    )]
    fn end(&mut self, grace: Duration) {
        self.stdin
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
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

/// Switches the server's faults.
pub struct ServerFaults {
    scenario: Arc<Scenario>,
    stdin: Stdin,
    switches: Arc<Mutex<Receiver<Switched>>>,
    unanswered: usize,
}

impl ServerFaults {
    /// Begins a fault; `id` must not be that of an active one.
    pub fn start_fault(
        &mut self,
        id: u64,
        plan: &ServerFaultPlan,
        duration: Option<Duration>,
    ) -> io::Result<()> {
        self.tell(&control::Command::start(id, plan, duration))
    }

    /// Ends it.
    pub fn end_fault(&mut self, id: u64) -> io::Result<()> {
        self.tell(&control::Command::End { id })
    }

    /// A pipe takes 64 KiB before it makes us wait: more than so many commands are.
    fn tell(&mut self, command: &control::Command) -> io::Result<()> {
        if self.unanswered >= MOST_WAITING {
            return Err(io::Error::other("the built-in server does not answer"));
        }
        tell(&self.stdin, command)?;
        self.unanswered += 1;
        Ok(())
    }
}

impl FaultDoer for ServerFaults {
    fn start(&mut self, id: u64, fault: usize, duration: Option<Duration>) -> io::Result<()> {
        let scenario = Arc::clone(&self.scenario);
        match scenario.faults.get(fault).map(|fault| &fault.kind) {
            Some(FaultKind::Server(plan)) => self.start_fault(id, plan, duration),
            _ => Err(io::Error::other("this is no fault of the server")),
        }
    }

    fn end(&mut self, id: u64) -> io::Result<()> {
        self.end_fault(id)
    }

    fn answers(&mut self) -> Vec<Switched> {
        let switches = self.switches.lock().unwrap_or_else(PoisonError::into_inner);
        let answers: Vec<_> = switches.try_iter().collect();
        self.unanswered = self.unanswered.saturating_sub(answers.len());
        answers
    }
}

fn tell(stdin: &Stdin, command: &control::Command) -> io::Result<()> {
    let mut stdin = stdin.lock().unwrap_or_else(PoisonError::into_inner);
    match &mut *stdin {
        Some(pipe) => pipe.write_all(command.line().as_bytes()),
        None => Err(io::Error::other("the built-in server has been stopped")),
    }
}

/// Sorts the server's answers until it has ended. One that nobody looks at is lost, not waited for.
fn listen(
    mut stdout: BufReader<ChildStdout>,
    switched: &SyncSender<Switched>,
    counts: &SyncSender<Counts>,
    loads: &SyncSender<Load>,
) {
    while let Ok(line) = read_line(&mut stdout) {
        let answer = match line {
            Line::End => return,
            Line::TooLong => continue,
            Line::Text(line) => serde_json::from_slice(&line),
        };
        let now = Instant::now();
        match answer {
            Ok(Answer::Done { id }) => drop(switched.try_send((id, now, Ok(())))),
            Ok(Answer::Error {
                id: Some(id),
                error,
            }) => drop(switched.try_send((id, now, Err(error)))),
            Ok(Answer::Totals(sums)) => drop(counts.try_send(sums)),
            Ok(Answer::Load(load)) => drop(loads.try_send(load)),
            Ok(Answer::Error { id: None, .. }) | Err(_) => {}
        }
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        if !self.ended {
            self.end(Duration::ZERO);
        }
    }
}

/// Host and port of the target's first URL.
fn address_of(target: &Target) -> anyhow::Result<SocketAddr> {
    let text = target.urls.first().map(ToString::to_string);
    let text = text.context("the target has no URL")?;
    let hint = "hint: give `server.listen`";
    let url = Url::parse(&text).with_context(|| format!("the target's URL has holes; {hint}"))?;
    let mut found = (url.host.as_str(), url.port)
        .to_socket_addrs()
        .with_context(|| format!("resolve {}; {hint}", url.host))?;
    let address = found.find(|a| a.ip().is_loopback());
    address.with_context(|| format!("{} is not this machine; {hint}", url.host))
}
