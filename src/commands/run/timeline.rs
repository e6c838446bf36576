//! Does the faults of a run at their times, on a thread of its own, and writes down what happened.
//!
//! Whoever does a fault is told by a few bytes; the thread waits for nobody, so that a server that
//! stalls does not move the faults that follow.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::{Epoch, Offset};
use crate::engine::faults::is_instant;
use crate::engine::plan::Plan;
use crate::metrics::event::FaultHit;
use crate::result::FaultRecord;
use crate::result::fault::By;
use crate::scenario::{FaultKind, ServerFault};

/// How long the last confirmations are waited for.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// How often confirmations are looked for.
const LOOK: Duration = Duration::from_millis(20);

/// Somebody who does faults. Nothing here may wait.
pub trait FaultDoer: Send {
    /// Tells it to begin the scenario's fault of this index; `id` is the occurrence's own number.
    fn start(&mut self, id: u64, fault: usize, duration: Option<Duration>) -> io::Result<()>;

    /// Tells it to end it.
    fn end(&mut self, id: u64) -> io::Result<()>;

    /// What has been confirmed since the last call: number, when, why not.
    fn answers(&mut self) -> Vec<(u64, Instant, Result<(), String>)>;
}

/// A fault at one of its times.
#[derive(Clone, Debug, PartialEq)]
pub struct Due {
    /// Its own number, from 1: the same in every run of the scenario.
    pub id: u64,
    /// Its place among the scenario's faults.
    pub fault: usize,
    /// As in the scenario.
    pub kind: &'static str,
    /// Who does it.
    pub by: By,
    /// When.
    pub at: Offset,
    /// For how long.
    pub duration: Option<Duration>,
    /// It happens in an instant.
    pub instant: bool,
}

/// The faults of `by` in the order of their times.
pub fn expand(plan: &Plan, by: By) -> Vec<Due> {
    let scenario = &plan.scenario;
    let mut all = Vec::new();
    for (id, occurrence) in (1..).zip(&plan.faults) {
        let fault = &scenario.faults[occurrence.fault];
        let (doer, instant) = match &fault.kind {
            FaultKind::Client { fault, .. } => (By::Client, is_instant(fault)),
            FaultKind::Server(plan) => {
                let instant = matches!(plan.fault, ServerFault::DropConnections { .. });
                (By::Server, instant)
            }
            FaultKind::Relay(_) => (By::Relay, false),
        };
        all.push(Due {
            id,
            fault: occurrence.fault,
            kind: fault.kind.name(),
            by: doer,
            at: occurrence.at,
            duration: fault.duration,
            instant,
        });
    }
    all.retain(|due| due.by == by);
    all
}

/// What really happened, while it happens; shared by those who write and those who show.
#[derive(Clone, Debug, Default)]
pub struct FaultLog(Arc<Mutex<Vec<FaultRecord>>>);

impl FaultLog {
    /// The records so far; not to be held.
    pub fn records(&self) -> MutexGuard<'_, Vec<FaultRecord>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FaultLog {
    /// Writes down what our own clients did in an interval, merged over the shards.
    pub fn clients(&self, plan: &Plan, hits: &[FaultHit]) {
        for hit in hits {
            let (Some(occurrence), id) = (plan.faults.get(hit.occurrence), hit.occurrence) else {
                continue;
            };
            let fault = &plan.scenario.faults[occurrence.fault];
            let planned_s = occurrence.at.secs_f64();
            let mut records = self.records();
            let same = |r: &&mut FaultRecord| r.occurrence == id && r.by == By::Client;
            if let Some(known) = records.iter_mut().find(same) {
                known.clients = known.clients.map(|clients| clients + hit.clients);
                continue;
            }
            records.push(FaultRecord {
                occurrence: id,
                fault: occurrence.fault,
                kind: fault.kind.name().to_owned(),
                by: By::Client,
                planned_s,
                sent_s: hit.at.secs_f64(),
                acked_s: Some(hit.at.secs_f64()),
                until_s: occurrence.until.map(Offset::secs_f64),
                instant: matches!(&fault.kind, FaultKind::Client { fault, .. } if is_instant(fault)),
                clients: Some(hit.clients),
                error: None,
            });
        }
    }
}

/// The thread.
pub struct Driver {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Driver {
    /// Starts it.
    ///
    /// # Errors
    /// When there is no thread to be had.
    pub fn start(
        epoch: Epoch,
        due: Vec<Due>,
        doer: Box<dyn FaultDoer>,
        log: FaultLog,
    ) -> io::Result<Self> {
        let (stop, stopped) = sync_channel(0);
        let mut work = Work {
            epoch,
            doer,
            log,
            places: BTreeMap::new(),
            ends: BTreeSet::new(),
        };
        let thread = std::thread::Builder::new()
            .name("faults".to_owned())
            .spawn(move || work.run(&due, &stopped))?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Ends it: what has not begun will not begin. Waits a little for the last confirmations.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed by it.
            let _ = thread.join();
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.end();
    }
}

struct Work {
    epoch: Epoch,
    doer: Box<dyn FaultDoer>,
    log: FaultLog,
    /// Where the records of unconfirmed occurrences stand.
    places: BTreeMap<u64, usize>,
    /// When occurrences with a duration end.
    ends: BTreeSet<(Instant, u64)>,
}

impl Work {
    fn run(&mut self, due: &[Due], stopped: &Receiver<()>) {
        for occurrence in due {
            let at = self.epoch.instant(occurrence.at);
            if !self.wait_until(at, stopped) {
                return self.hear_the_last(stopped);
            }
            self.begin(occurrence);
        }
        while !(self.places.is_empty() && self.ends.is_empty())
            && self.wait_until(Instant::now() + LOOK, stopped)
        {}
        self.hear_the_last(stopped);
    }

    fn hear_the_last(&mut self, stopped: &Receiver<()>) {
        let deadline = Instant::now() + LAST_ANSWERS;
        while !self.places.is_empty() && Instant::now() < deadline {
            self.collect();
            // Somebody still holds the other end, or it is gone: then this does not wait.
            if stopped.recv_timeout(LOOK) == Err(RecvTimeoutError::Disconnected) {
                std::thread::park_timeout(LOOK);
            }
        }
    }

    /// Waits, collecting confirmations; false when it is to stop.
    fn wait_until(&mut self, at: Instant, stopped: &Receiver<()>) -> bool {
        loop {
            self.collect();
            self.end_what_is_due();
            let left = at.saturating_duration_since(Instant::now());
            let mut wait = left;
            if !self.places.is_empty() {
                wait = wait.min(LOOK);
            }
            if let Some((end, _)) = self.ends.first() {
                wait = wait.min(end.saturating_duration_since(Instant::now()));
            }
            match stopped.recv_timeout(wait) {
                Err(RecvTimeoutError::Timeout) if wait < left => {}
                Err(RecvTimeoutError::Timeout) => return true,
                Ok(()) | Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    fn begin(&mut self, due: &Due) {
        let sent = self.epoch.elapsed();
        let told = self.doer.start(due.id, due.fault, due.duration);
        let mut records = self.log.records();
        if told.is_ok() {
            self.places.insert(due.id, records.len());
            if let Some(span) = due.duration {
                self.ends.insert((self.epoch.instant(sent + span), due.id));
            }
        }
        records.push(FaultRecord {
            occurrence: usize::try_from(due.id - 1).unwrap_or_default(),
            clients: None,
            fault: due.fault,
            kind: due.kind.to_owned(),
            by: due.by,
            planned_s: due.at.secs_f64(),
            sent_s: sent.secs_f64(),
            acked_s: None,
            until_s: due.duration.map(|span| (sent + span).secs_f64()),
            instant: due.instant,
            error: told.err().map(|error| error.to_string()),
        });
    }

    /// For those who do not look at the clock themselves; nothing to those who do.
    fn end_what_is_due(&mut self) {
        let now = Instant::now();
        while let Some((end, id)) = self.ends.first().copied()
            && end <= now
        {
            self.ends.pop_first();
            // Who cannot be told any more has ended, and its faults with it.
            let _ = self.doer.end(id);
        }
    }

    fn collect(&mut self) {
        if self.places.is_empty() {
            return;
        }
        for (id, at, outcome) in self.doer.answers() {
            let Some(place) = self.places.remove(&id) else {
                continue;
            };
            let mut records = self.log.records();
            let Some(record) = records.get_mut(place) else {
                continue;
            };
            match outcome {
                Ok(()) => record.acked_s = Some(self.epoch.offset(at).secs_f64()),
                Err(error) => record.error = Some(error),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Confirms odd numbers, refuses even ones, and cannot be told 5.
    #[derive(Default)]
    struct Odd(Vec<u64>, Arc<Mutex<Vec<u64>>>);

    impl FaultDoer for Odd {
        fn start(&mut self, id: u64, _: usize, _: Option<Duration>) -> io::Result<()> {
            if id == 5 {
                return Err(io::Error::other("gone"));
            }
            self.0.push(id);
            Ok(())
        }

        fn end(&mut self, id: u64) -> io::Result<()> {
            self.1.lock().expect("no panic").push(id);
            Ok(())
        }

        fn answers(&mut self) -> Vec<(u64, Instant, Result<(), String>)> {
            let answer = |id| match id % 2 {
                1 => Ok(()),
                _ => Err("even".to_owned()),
            };
            let told = std::mem::take(&mut self.0).into_iter();
            told.map(|id| (id, Instant::now(), answer(id))).collect()
        }
    }

    fn due(id: u64, millis: u64) -> Due {
        Due {
            id,
            fault: 0,
            kind: "drop_pongs",
            by: By::Server,
            at: Offset::from_nanos(millis * 1_000_000),
            duration: Some(Duration::from_secs(1)),
            instant: false,
        }
    }

    #[test]
    fn what_lasts_is_ended_in_its_time() {
        let ended = Arc::new(Mutex::new(Vec::new()));
        let mut list = vec![due(1, 0), due(3, 1), due(7, 2)];
        list[0].duration = Some(Duration::from_millis(40));
        list[1].duration = Some(Duration::from_millis(20));
        list[2].duration = None;
        let doer = Box::new(Odd(Vec::new(), Arc::clone(&ended)));
        let driver = Driver::start(Epoch::now(), list, doer, FaultLog::default());
        while ended.lock().expect("no panic").len() < 2 {
            std::thread::yield_now();
        }
        driver.expect("a thread").stop();
        assert_eq!(*ended.lock().expect("no panic"), [3, 1]);
    }

    #[test]
    fn what_happened_is_written_down_and_what_did_not_is_not() {
        let log = FaultLog::default();
        let list = vec![due(1, 0), due(2, 5), due(5, 10), due(7, 3_600_000)];
        let driver = Driver::start(Epoch::now(), list, Box::<Odd>::default(), log.clone());
        let driver = driver.expect("a thread");
        while log.records().len() < 3 {
            std::thread::yield_now();
        }
        driver.stop();
        let records = log.records();
        let shown = records
            .iter()
            .map(|r| (r.acked_s.is_some(), r.error.as_deref()));
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [(true, None), (false, Some("even")), (false, Some("gone"))]
        );
        for record in records.iter() {
            assert!(record.sent_s >= record.planned_s, "never early");
            // The sum is rounded once more than the end.
            let lasted = record.until_s.expect("it lasts") - record.sent_s;
            assert!((lasted - 1.0).abs() < 1e-9, "{lasted}");
        }
    }
}
