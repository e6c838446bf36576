//! What the server saw its clients do, by run and path: the other side of every claim.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Requests kept of one path: all of them are alike but for their keys.
const REQUESTS: usize = 3;
/// The far ends of a program that is gone are seen gone by then.
const PATIENCE: Duration = Duration::from_secs(20);

/// All connections of one run to one path.
#[derive(Clone, Debug, Default)]
pub struct Log {
    pub connections: u64,
    open: u64,
    /// Heads of the first requests.
    pub requests: Vec<String>,
    /// Frames, by their opcode.
    pub frames: BTreeMap<u8, u64>,
    /// Close frames by code; 1005 = without one.
    pub closes: BTreeMap<u16, u64>,
    /// How the client's half ended: "fin" or "rst".
    pub ends: BTreeMap<&'static str, u64>,
    /// Pongs whose payload is none of our pings'.
    pub strange_pongs: u64,
    /// Rules of RFC 6455 that a client broke: must stay empty.
    pub offences: Vec<String>,
    /// From accept to the client's end.
    pub shortest: Option<Duration>,
    pub longest: Option<Duration>,
    /// The program has ended.
    over: bool,
}

type Key = (u64, String);
type Shared = Arc<Mutex<Log>>;

static LOGS: LazyLock<Mutex<HashMap<Key, Shared>>> = LazyLock::new(Mutex::default);

fn shared(run: u64, path: &str) -> Shared {
    let mut logs = LOGS.lock().expect("no panic holds it");
    Arc::clone(logs.entry((run, path.to_owned())).or_default())
}

/// What is known now, once every connection has ended.
pub fn of(run: u64, path: &str) -> Log {
    let log = shared(run, path);
    let started = Instant::now();
    loop {
        let seen = lock(&log).clone();
        if seen.open == 0 {
            return seen;
        }
        assert!(started.elapsed() < PATIENCE, "{path}: {seen:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The program of this run is gone.
pub fn over(run: u64) {
    let logs = LOGS.lock().expect("no panic holds it");
    for ((_, _), log) in logs.iter().filter(|((of, _), _)| *of == run) {
        lock(log).over = true;
    }
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().expect("no panic holds it")
}

/// One connection's place in the log; it counts as open until the last copy is gone.
#[derive(Debug)]
pub struct Entry {
    log: Shared,
    accepted: Instant,
}

impl Entry {
    pub fn new(run: u64, path: &str, head: &str, accepted: Instant) -> Self {
        let log = shared(run, path);
        {
            let mut log = lock(&log);
            log.connections += 1;
            log.open += 1;
            if log.requests.len() < REQUESTS {
                log.requests.push(head.to_owned());
            }
        }
        Self { log, accepted }
    }

    pub fn change(&self, change: impl FnOnce(&mut Log)) {
        change(&mut lock(&self.log));
    }

    /// The client's half ended.
    pub fn ended(&self, how: &'static str) {
        let lasted = self.accepted.elapsed();
        self.change(|log| {
            *log.ends.entry(how).or_default() += 1;
            log.shortest = Some(log.shortest.unwrap_or(lasted).min(lasted));
            log.longest = Some(log.longest.unwrap_or(lasted).max(lasted));
        });
    }

    pub fn is_over(&self) -> bool {
        lock(&self.log).over
    }
}

impl Clone for Entry {
    fn clone(&self) -> Self {
        self.change(|log| log.open += 1);
        Self {
            log: Arc::clone(&self.log),
            accepted: self.accepted,
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.change(|log| log.open -= 1);
    }
}
