//! The processes that generate the load, when one does not suffice: started, told what to do, ended.

use std::io::BufReader;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::preflight::Team;
use crate::clock::SharedEpoch;
use crate::engine::fleet::{
    Assignment, Exchange, FromWorker, Start, ToWorker, VERSION, connect, read_frame, write_frame,
};
use crate::engine::shard::Report;
use crate::engine::stage::Stage;
use crate::scenario::{Replica, Scenario};

/// How long a process gets to end by itself.
const GRACE: Duration = Duration::from_secs(3);

/// Processes that are ready to generate.
pub struct Fleet {
    workers: Mutex<Vec<Worker>>,
    children: Vec<Arc<Mutex<Child>>>,
}

struct Worker {
    own: std::ops::Range<u16>,
    from: BufReader<ChildStdout>,
    to: ChildStdin,
    child: Arc<Mutex<Child>>,
}

impl Fleet {
    /// Starts them and waits until each is ready; `None` when this process does it alone.
    pub fn start(
        scenario: &Arc<Scenario>,
        team: Team,
        via: Option<SocketAddr>,
    ) -> anyhow::Result<Option<Self>> {
        if team.processes <= 1 {
            return Ok(None);
        }
        let replica = Replica::of(scenario);
        let mut fleet = Self {
            workers: Mutex::default(),
            children: Vec::new(),
        };
        let mut workers = Vec::new();
        // All read the scenario at the same time.
        for number in 0..team.processes {
            let mut worker = spawn(team.own(number))?;
            fleet.children.push(Arc::clone(&worker.child));
            let assignment = Assignment {
                version: VERSION.to_owned(),
                scenario: replica.clone(),
                shards: team.shards,
                own: worker.own.clone(),
                via,
            };
            let told = write_frame(&mut worker.to, &ToWorker::Assignment(assignment.into()));
            told.context("tell a generator process what to do")?;
            workers.push(worker);
        }
        for worker in &mut workers {
            match read_frame(&mut worker.from).context("wait for a generator process")? {
                Some(FromWorker::Ready) => {}
                Some(FromWorker::Refused(why)) => bail!("a generator process: {why}"),
                _ => bail!("a generator process ended before it was ready"),
            }
        }
        fleet.workers = Mutex::new(workers);
        Ok(Some(fleet))
    }

    /// Starts the load, and what connects them to the coordinator.
    pub fn connect(
        &self,
        epoch: SharedEpoch,
        reports: &mpsc::Sender<Report>,
        stages: watch::Receiver<Stage>,
    ) -> std::io::Result<()> {
        let workers = std::mem::take(&mut *lock(&self.workers));
        let exchanges = workers.into_iter().map(|worker| {
            let child = worker.child;
            Exchange {
                own: worker.own,
                from: Box::new(worker.from),
                to: Box::new(worker.to),
                end: Box::new(move || end(&child, GRACE)),
            }
        });
        connect(exchanges.collect(), Start { epoch }, reports, stages)
    }

    /// The run is over: waits for them, and ends those that do not.
    pub fn stop(self) {}
}

impl Drop for Fleet {
    fn drop(&mut self) {
        // Their stdin is closed with these, where it is not already.
        lock(&self.workers).clear();
        for child in &self.children {
            end(child, GRACE);
        }
    }
}

fn spawn(own: std::ops::Range<u16>) -> anyhow::Result<Worker> {
    let program = std::env::current_exe().context("find our own program")?;
    let mut child = Command::new(program)
        .arg("generate")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // A Ctrl-C on the terminal is for us: they have to outlive the drain.
        .process_group(0)
        .spawn()
        .context("start a generator process")?;
    let to = child.stdin.take().context("write to a generator process")?;
    let from = child.stdout.take().context("read a generator process")?;
    Ok(Worker {
        own,
        from: BufReader::new(from),
        to,
        child: Arc::new(Mutex::new(child)),
    })
}

/// Waits for the end of a process, brings it about after `grace`, and says how it came.
#[expect(
    clippy::disallowed_methods,
    reason = "no client waits on this thread: the process has closed its stdout, or the run is over"
)]
fn end(child: &Mutex<Child>, grace: Duration) -> String {
    let deadline = Instant::now() + grace;
    loop {
        let mut child = lock(child);
        match child.try_wait() {
            Ok(Some(status)) => return status.to_string(),
            Ok(None) if Instant::now() < deadline => {}
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return "it did not end by itself".to_owned();
            }
            Err(error) => return error.to_string(),
        }
        drop(child);
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A panic elsewhere leaves nothing half-done in these.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
