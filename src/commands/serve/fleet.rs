//! Several processes of one server on one port: for more connections than one process may have
//! descriptors.
//!
//! This process only holds the port and passes orders on; the kernel deals the connections
//! (SO_REUSEPORT) to its children, each a `wsbench serve` of its own. Whatever ends, ends all: a child
//! ends with its stdin, and the first child that ends by itself is told to whoever waits here.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::TOKEN_VARIABLE;
use super::load;
use super::served::Served;
use crate::commands::control::{self, Answer, Counts, Line, Load, read_line};
use crate::commands::server_flags::arguments;
use crate::scenario::{ServerFaultPlan, ServerPlan};
use crate::server::{Part, StartError, Totals, half_of_the_cores};
use crate::wire::listener::{Reservation, reserve};

/// Until every process listens.
const START: Duration = Duration::from_secs(10);
/// For the answers of all processes to one order.
const PATIENCE: Duration = Duration::from_millis(400);
/// For the ends of all processes, once they have been asked to end.
const GRACE: Duration = Duration::from_millis(1_700);
/// Between two looks whether a process has ended.
const LOOK: Duration = Duration::from_millis(5);
/// Looks for the exit status of a process that has closed its stdout.
const LOOKS: usize = 100;
/// Orders that a process may owe the answers to: a pipe holds as many.
const MOST_OWED: usize = 8;

/// The processes of one server.
pub struct Fleet {
    port: Reservation,
    members: Mutex<Vec<Member>>,
}

struct Member {
    /// `process 2 of 3 (pid 1234)`.
    name: String,
    child: Arc<Mutex<Child>>,
    stdin: Option<ChildStdin>,
    answers: Receiver<Answer>,
    /// Answers to earlier orders that came too late.
    owed: usize,
}

impl Fleet {
    /// Starts so many processes and waits until all listen. The first that ends by itself is told
    /// through `notice`.
    pub fn start(
        plan: &ServerPlan,
        listen: SocketAddr,
        processes: u16,
        notice: &mpsc::Sender<String>,
    ) -> anyhow::Result<Self> {
        let port = reserve(listen).map_err(|cause| StartError::Listen {
            address: listen,
            cause,
        })?;
        let fleet = Self {
            port,
            members: Mutex::default(),
        };
        let threads = plan.threads.unwrap_or_else(half_of_the_cores);
        let each = ServerPlan {
            threads: Some(threads.div_ceil(processes).max(1)),
            processes: None,
            ..plan.clone()
        };
        let (ready, readies) = sync_channel(usize::from(processes));
        for part in (0..processes).filter_map(|index| Part::new(index, processes)) {
            let member = spawn(&each, fleet.address(), part, &ready, notice)?;
            fleet.lock().push(member);
        }
        drop(ready);
        let deadline = Instant::now() + START;
        for _ in 0..processes {
            let left = deadline.saturating_duration_since(Instant::now());
            match readies.recv_timeout(left) {
                Ok(Ok(())) => {}
                Ok(Err(name)) => bail!("starting the server: {name} did not start, see above"),
                Err(_) => bail!(
                    "starting the server: its {processes} processes do not listen after {} s\n\
                     hint: fewer processes: --processes N",
                    START.as_secs()
                ),
            }
        }
        Ok(fleet)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives an order to every process, then waits for all answers.
    fn ask(&self, order: &control::Command) -> Vec<io::Result<Answer>> {
        self.ask_some(order, |_| true)
    }

    fn ask_some(
        &self,
        order: &control::Command,
        whom: impl Fn(usize) -> bool,
    ) -> Vec<io::Result<Answer>> {
        let line = order.line();
        let mut members = self.lock();
        let asked = members.iter_mut().enumerate();
        let asked = asked.filter(|(index, _)| whom(*index));
        let told: Vec<_> = asked.map(|(_, m)| (m.tell(&line), m)).collect();
        let deadline = Instant::now() + PATIENCE;
        let answers = told.into_iter().map(|(told, member)| {
            let answer = told.and_then(|()| member.answer(deadline));
            answer.map_err(|cause| io::Error::other(format!("{}: {cause}", member.name)))
        });
        answers.collect()
    }

    /// Gives an order about a fault; also says which processes may have obeyed.
    fn switch(&self, order: &control::Command) -> (Vec<bool>, Result<(), String>) {
        let mut outcome = Ok(());
        let mut obeyed = Vec::new();
        for answer in self.ask(order) {
            // One that did not answer in time may do so yet.
            let (may_have, error) = match answer {
                Ok(Answer::Done { .. }) => (true, None),
                Ok(answer) => (false, Some(unexpected(answer).to_string())),
                Err(cause) => (true, Some(cause.to_string())),
            };
            obeyed.push(may_have);
            if let (Some(error), true) = (error, outcome.is_ok()) {
                outcome = Err(error);
            }
        }
        (obeyed, outcome)
    }

    fn end(&self) {
        let mut members = self.lock();
        for member in members.iter_mut() {
            member.stdin = None;
        }
        let deadline = Instant::now() + GRACE;
        for member in members.drain(..) {
            let ended = || {
                let mut child = member.child.lock().unwrap_or_else(PoisonError::into_inner);
                matches!(child.try_wait(), Ok(Some(_)))
            };
            while !ended() && Instant::now() < deadline {
                std::thread::park_timeout(LOOK);
            }
            let mut child = member.child.lock().unwrap_or_else(PoisonError::into_inner);
            if !matches!(child.try_wait(), Ok(Some(_))) {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

impl Member {
    fn tell(&mut self, line: &str) -> io::Result<()> {
        if self.owed >= MOST_OWED {
            return Err(io::Error::other("it does not answer"));
        }
        let stdin = self.stdin.as_mut();
        let stdin = stdin.ok_or_else(|| io::Error::other("it has been stopped"))?;
        stdin.write_all(line.as_bytes())?;
        self.owed += 1;
        Ok(())
    }

    /// The answer to the last order.
    fn answer(&mut self, deadline: Instant) -> io::Result<Answer> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let answer = self.answers.recv_timeout(left).map_err(|error| {
                io::Error::other(match error {
                    RecvTimeoutError::Timeout => "no answer in time",
                    RecvTimeoutError::Disconnected => "it has ended",
                })
            })?;
            self.owed -= 1;
            if self.owed == 0 {
                return Ok(answer);
            }
        }
    }
}

impl Served for Fleet {
    fn address(&self) -> SocketAddr {
        self.port.address()
    }

    fn totals(&self) -> io::Result<Totals> {
        Ok(self.counts()?.totals)
    }

    fn counts(&self) -> io::Result<Counts> {
        let mut sums = Counts {
            cpu_s: load::cpu_s(),
            ..Counts::default()
        };
        for answer in self.ask(&control::Command::Totals) {
            match answer? {
                Answer::Totals(counts) => {
                    sums.totals += counts.totals;
                    sums.cpu_s += counts.cpu_s;
                }
                answer => return Err(unexpected(answer)),
            }
        }
        Ok(sums)
    }

    fn load(&self) -> io::Result<Load> {
        let mut sums = Load::default();
        for answer in self.ask(&control::Command::Load) {
            match answer? {
                Answer::Load(load) => sums.processes.extend(load.processes),
                answer => return Err(unexpected(answer)),
            }
        }
        Ok(sums)
    }

    fn start_fault(
        &self,
        id: u64,
        plan: ServerFaultPlan,
        duration: Option<Duration>,
    ) -> Result<(), String> {
        let (obeyed, outcome) = self.switch(&control::Command::start(id, &plan, duration));
        if outcome.is_err() && obeyed.contains(&true) {
            // Half a server with a fault would be neither the one nor the other.
            self.ask_some(&control::Command::End { id }, |index| obeyed[index]);
        }
        outcome
    }

    fn end_fault(&self, id: u64) -> Result<(), String> {
        self.switch(&control::Command::End { id }).1
    }

    fn stop(&self) {
        self.end();
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.end();
    }
}

fn unexpected(answer: Answer) -> io::Error {
    io::Error::other(match answer {
        Answer::Error { error, .. } => error,
        _ => "an answer to another question".to_owned(),
    })
}

fn spawn(
    plan: &ServerPlan,
    address: SocketAddr,
    part: Part,
    ready: &SyncSender<Result<(), String>>,
    notice: &mpsc::Sender<String>,
) -> anyhow::Result<Member> {
    let program = std::env::current_exe().context("find our own program")?;
    let mut command = Command::new(program);
    command
        .args(arguments(plan, address))
        .arg(format!("--part={part}"))
        // What there is to say, the sums say.
        .args(["--stop-on-stdin-eof", "--control", "--quiet"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // A Ctrl-C on the terminal is for us.
        .process_group(0);
    if let Some(token) = &plan.token {
        command.env(TOKEN_VARIABLE, token);
    }
    let mut child = command.spawn().context("start a process of the server")?;
    let stdin = child.stdin.take();
    let stdout = child.stdout.take().context("read the process's stdout")?;
    let name = part.in_words(child.id());
    let child = Arc::new(Mutex::new(child));
    let (answer, answers) = sync_channel(2 * MOST_OWED);
    let follower = Follower {
        name: name.clone(),
        child: Arc::clone(&child),
        ready: ready.clone(),
        answers: answer,
        notice: notice.clone(),
    };
    std::thread::Builder::new()
        .name("process-answers".to_owned())
        .spawn(move || follower.follow(stdout))
        .context("start a thread for a process's answers")?;
    Ok(Member {
        name,
        child,
        stdin,
        answers,
        owed: 0,
    })
}

/// Reads what one process says, until it ends.
struct Follower {
    name: String,
    child: Arc<Mutex<Child>>,
    ready: SyncSender<Result<(), String>>,
    answers: SyncSender<Answer>,
    notice: mpsc::Sender<String>,
}

impl Follower {
    fn follow(self, stdout: ChildStdout) {
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        let read = stdout.read_line(&mut line);
        if read.is_err() || !line.starts_with("listening on") {
            let _ = self.ready.try_send(Err(self.name));
            return;
        }
        let _ = self.ready.try_send(Ok(()));
        loop {
            let answer = match read_line(&mut stdout) {
                Ok(Line::Text(line)) => serde_json::from_slice(&line),
                Ok(Line::TooLong) => Ok(Answer::Error {
                    id: None,
                    error: "an answer that is too long".to_owned(),
                }),
                Ok(Line::End) | Err(_) => break,
            };
            let answer = answer.unwrap_or_else(|cause| Answer::Error {
                id: None,
                error: cause.to_string(),
            });
            // Never full: no more can be owed.
            let _ = self.answers.try_send(answer);
        }
        let _ = self.notice.try_send(self.obituary());
    }

    fn obituary(&self) -> String {
        let status = || {
            let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
            child.try_wait().ok().flatten()
        };
        for _ in 0..LOOKS {
            if let Some(status) = status() {
                return format!("{} of the server ended: {status}", self.name);
            }
            std::thread::park_timeout(LOOK);
        }
        format!("{} of the server does not answer any more", self.name)
    }
}
