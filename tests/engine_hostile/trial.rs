//! The program itself against the hostile server: what it reports, how long it takes, what it eats.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, LazyLock, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::server;
use super::server::log::{self, Log};

/// Clients of a healthy server beside the hostile ones.
pub const HEALTHY: u64 = 5;
/// What each client sends once it is connected.
pub const MESSAGES: u64 = 10;
/// Hostile connections of one kind: one, and many.
pub const MANY: u64 = 200;
/// Load + drain + close timeout in seconds, as the scenario says.
const PLANNED: f64 = 3.0 + 1.0 + 0.3;
/// For a machine that is busy with other tests.
const SLACK: f64 = 5.0;
/// A run that hangs is ended here.
const PATIENCE: Duration = Duration::from_secs(40);
/// Programs that run at a time: they mostly wait.
const PLACES: usize = 6;
/// Memory of a run with two hundred hostile connections. Unoptimised, the program alone takes about
/// 25 MiB, and each connection 20 KiB.
const PEAK_KIB: u64 = 96 * 1024;

/// Said of every run that asks for it.
const UNVERIFIED: &str = "warning: certificates are not verified: anybody on the path can answer\n";

/// What each client does unless a case says something else.
pub const ECHO: &str = r#"
[[session.step]]
every = "50ms"
count = 10
send = "{{client}}-{{seq}}"
reply = { echo = true, timeout = "1s" }
"#;

/// What is tried.
#[derive(Clone, Debug)]
pub struct Case {
    /// Paths of the hostile server, or whole URLs.
    pub hostile: Vec<String>,
    /// Clients of each of them.
    pub clients: u64,
    /// Whether healthy clients are there too.
    pub healthy: bool,
    /// More lines of `[target]`.
    pub target: String,
    /// Lines of `[heartbeat]`.
    pub heartbeat: &'static str,
    /// Lines of `[reconnect]`.
    pub reconnect: &'static str,
    /// What follows `[[session]]`.
    pub steps: &'static str,
    /// Ctrl-C after this long.
    pub interrupt: Option<Duration>,
}

impl Case {
    /// So many clients on each of these.
    pub fn new<S: ToString>(hostile: impl IntoIterator<Item = S>, clients: u64) -> Self {
        Self {
            hostile: hostile.into_iter().map(|path| path.to_string()).collect(),
            clients,
            healthy: true,
            target: String::new(),
            heartbeat: "style = \"none\"",
            reconnect: "policy = \"none\"",
            steps: ECHO,
            interrupt: None,
        }
    }

    /// Clients in all.
    fn all(&self) -> u64 {
        let healthy = if self.healthy { HEALTHY } else { 0 };
        self.hostile.len() as u64 * self.clients + healthy
    }

    /// Targets are dealt in turn: the list is as long as it must be for the numbers to be right.
    fn urls(&self, run: u64) -> Vec<String> {
        let main = hostile();
        let url = |target: &String| match target.strip_prefix('/') {
            Some(path) => format!("ws://{main}/{path}?run={run}"),
            None => target.clone(),
        };
        let healthy = format!("ws://{main}/?run={run}");
        let (rounds, healthy_places) = if self.clients.is_multiple_of(HEALTHY) {
            (self.clients / HEALTHY, 1)
        } else {
            assert_eq!(self.clients, 1, "the sizes that divide evenly");
            (1, HEALTHY)
        };
        let mut urls = Vec::new();
        for _ in 0..rounds {
            urls.extend(self.hostile.iter().map(url));
        }
        if self.healthy {
            urls.extend(vec![healthy; healthy_places as usize]);
        }
        urls
    }

    fn toml(&self, run: u64) -> String {
        let urls = self.urls(run);
        let urls: Vec<String> = urls.iter().map(|url| format!("{url:?}")).collect();
        format!(
            r#"
name = "hostile"
[target]
urls = [{}]
connect_timeout = "2s"
close_timeout = "300ms"
{}
[load]
warm_up = "100ms"
drain = "1s"
stages = [ {{ duration = "100ms", clients = {all} }}, {{ duration = "2900ms", clients = {all} }} ]
[validity]
schedule_lag_p99 = "60s"
busy = "100%"
[heartbeat]
{}
[reconnect]
{}
[[session]]
name = "only"
{}
"#,
            urls.join(", "),
            self.target,
            self.heartbeat,
            self.reconnect,
            self.steps,
            all = self.all(),
        )
    }

    /// Runs the program, and waits until it has ended.
    pub fn run(&self) -> Trial {
        static RUNS: AtomicU64 = AtomicU64::new(1);
        let _place = Place::take();
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let folder = tempfile::tempdir().expect("a folder");
        let scenario = folder.path().join("hostile.toml");
        std::fs::write(&scenario, self.toml(run)).expect("written");
        let file = |name: &str| std::fs::File::create(folder.path().join(name)).expect("a file");
        let started = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_wsbench"))
            .args(["run", "--json", "--no-test-dial", "--out"])
            .arg(folder.path().join("out"))
            .arg(&scenario)
            .stdin(Stdio::null())
            .stdout(file("stdout"))
            .stderr(file("stderr"))
            .spawn()
            .expect("started");
        let (exit, peak_kib) = self.watch(child);
        let took = started.elapsed();
        log::over(run);
        let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("UTF-8");
        let stderr = text("stderr");
        let result = serde_json::from_str(&text("stdout"));
        let name = format!("{:?} x {}", self.hostile, self.clients);
        let result = result.unwrap_or_else(|error| panic!("{name}: {error}: {stderr}"));
        assert!(!stderr.contains("panicked"), "{name}: {stderr}");
        Trial {
            name,
            run,
            exit,
            result,
            stderr,
            peak_kib,
            took,
            folder,
        }
    }

    /// Runs it and asserts what is true of every run that nobody interrupts.
    #[track_caller]
    pub fn sound(&self) -> Trial {
        let trial = self.run();
        trial.assert_sound();
        trial
    }

    /// Waits for the end; the exit code and the most memory that was ever resident.
    fn watch(&self, mut child: Child) -> (Option<i32>, u64) {
        let started = Instant::now();
        let mut interrupt = self.interrupt;
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        loop {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"));
            let kib = line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok());
            // It only grows; but the first look may still meet our own memory, just before the exec.
            peak = kib.unwrap_or(peak);
            if let Some(status) = child.try_wait().expect("our child") {
                return (status.code(), peak);
            }
            if interrupt.is_some_and(|after| started.elapsed() > after) {
                interrupt = None;
                let pid = i32::try_from(child.id()).expect("a process id");
                kill(Pid::from_raw(pid), Signal::SIGINT).expect("still running");
            }
            if started.elapsed() > PATIENCE {
                let _ = child.kill();
                let _ = child.wait();
                panic!("{:?}: still running after {PATIENCE:?}", self.hostile);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The address of the one server of all tests.
pub fn hostile() -> SocketAddr {
    static SERVER: LazyLock<SocketAddr> = LazyLock::new(server::start);
    *SERVER
}

/// One of the few places for programs that run at a time.
struct Place;

static TAKEN: Mutex<usize> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

impl Place {
    fn take() -> Self {
        let taken = TAKEN.lock().expect("no panic holds it");
        let mut taken = FREED
            .wait_while(taken, |taken| *taken >= PLACES)
            .expect("no panic holds it");
        *taken += 1;
        Self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *TAKEN.lock().expect("no panic holds it") -= 1;
        FREED.notify_one();
    }
}

/// What one run left.
#[derive(Debug)]
pub struct Trial {
    /// Targets and size, for messages.
    pub name: String,
    run: u64,
    pub exit: Option<i32>,
    pub result: Value,
    pub stderr: String,
    /// Most memory ever resident.
    pub peak_kib: u64,
    /// From start to exit.
    pub took: Duration,
    folder: tempfile::TempDir,
}

impl Trial {
    /// A counter over all phases.
    pub fn count(&self, name: &str) -> u64 {
        let outside = &self.result["outside_measure"]["counters"][name];
        let measured = &self.result["counters"][name];
        outside.as_u64().expect("a counter") + measured.as_u64().expect("a counter")
    }

    /// Asserts that the measured phase has a sample of each of these metrics for each of what
    /// `counter` counts.
    #[track_caller]
    pub fn assert_sampled(&self, metrics: &[&str], counter: &str) {
        let counted = self.result["counters"][counter].as_u64();
        for metric in metrics {
            let samples = self.result["metrics"][metric]["count"].as_u64();
            assert_eq!(samples.or(Some(0)), counted, "{}: {metric}", self.name);
        }
    }

    /// `failures` or `closes`, over all phases.
    fn rows(&self, list: &str) -> Vec<&Value> {
        let lists = [&self.result[list], &self.result["outside_measure"][list]];
        let rows = lists
            .into_iter()
            .map(|rows| rows.as_array().expect("a list"));
        rows.flatten().collect()
    }

    /// They by kind.
    pub fn tally(&self, list: &str) -> BTreeMap<String, u64> {
        let mut sum = BTreeMap::new();
        for row in self.rows(list) {
            let kind = row["kind"].as_str().expect("a kind").to_owned();
            *sum.entry(kind).or_default() += row["count"].as_u64().expect("a count");
        }
        sum
    }

    /// The example text of a kind.
    pub fn example(&self, list: &str, kind: &str) -> String {
        let row = self.rows(list).into_iter().find(|row| row["kind"] == kind);
        let example = row.and_then(|row| row["example"].as_str());
        example.unwrap_or("").to_owned()
    }

    /// What the server saw on a path.
    pub fn seen(&self, path: &str) -> Log {
        let log = log::of(self.run, path);
        assert_eq!(log.offences, [""; 0], "{}: {path}", self.name);
        log
    }

    /// Every file of the result.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.folder.path().join("out")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let bytes = std::fs::read(&path).expect("a file");
                    found.push((path, bytes));
                }
            }
        }
        found
    }

    /// What is true of every run: it ended as planned, lost nothing, stayed small, and the healthy
    /// were served.
    #[track_caller]
    pub fn assert_sound(&self) {
        let Self { name, result, .. } = self;
        assert_eq!(self.exit, Some(0), "{name}: {}", self.stderr);
        let said = self.stderr.strip_prefix(UNVERIFIED).unwrap_or(&self.stderr);
        assert_eq!(said, "", "{name}");
        let reason = &result["end_reason"];
        assert_eq!(reason, "completed", "{name}: {reason}");
        let reasons = &result["validity"]["reasons"];
        assert_eq!(*reasons, serde_json::json!([]), "{name}");
        self.assert_on_time();
        self.assert_small();
        let healthy = self.seen("/");
        assert_eq!(
            healthy.frames.get(&1),
            Some(&(HEALTHY * MESSAGES)),
            "{name}"
        );
        assert_eq!(healthy.closes, [(1000, HEALTHY)].into(), "{name}");
    }

    #[track_caller]
    pub fn assert_on_time(&self) {
        let ended = self.result["phases"]["drain_end_s"].as_f64();
        let ended = ended.expect("a number");
        assert!(ended < PLANNED + SLACK, "{}: {ended} s", self.name);
    }

    #[track_caller]
    pub fn assert_small(&self) {
        self.assert_peak(0);
    }

    /// Small, but for so many KiB that it may hold.
    #[track_caller]
    pub fn assert_peak(&self, more: u64) {
        let (name, peak) = (&self.name, self.peak_kib);
        assert!(peak < PEAK_KIB + more, "{name}: {peak} KiB");
    }

    /// Only the healthy ones were answered, and all that they asked.
    #[track_caller]
    pub fn assert_healthy_answered(&self) {
        let matched = self.count("replies_matched");
        assert_eq!(matched, HEALTHY * MESSAGES, "{}", self.name);
    }
}

/// Runs `test` for each case, several at a time. All are tried, whatever fails.
#[track_caller]
pub fn each<C: Sync>(cases: &[C], test: impl Fn(&C) + Sync) {
    let next = AtomicUsize::new(0);
    let failed = AtomicUsize::new(0);
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            // The panic has printed what was wrong.
            if catch_unwind(AssertUnwindSafe(|| test(case))).is_err() {
                failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..PLACES {
            scope.spawn(work);
        }
    });
    assert_eq!(failed.into_inner(), 0, "of {} cases", cases.len());
}

/// Rows of a table, and how often each occurs: all of them once in one run, then each in a run of its
/// own with many clients.
#[track_caller]
pub fn once_and_many<R: Copy + Sync>(table: &[R], test: impl Fn(&[R], u64) + Sync) {
    let mut cases = vec![(table, 1)];
    cases.extend(table.chunks(1).map(|row| (row, MANY)));
    each(&cases, |(rows, clients)| test(rows, *clients));
}

/// The sum of what each row adds.
pub fn sum(parts: impl IntoIterator<Item = (String, u64)>) -> BTreeMap<String, u64> {
    let mut sum = BTreeMap::new();
    for (kind, count) in parts {
        *sum.entry(kind).or_default() += count;
    }
    sum
}
