//! The program itself against the hostile server: what it reports, how long it takes, what it eats.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::server;

/// Clients of a healthy server beside the hostile ones.
pub const HEALTHY: u64 = 5;
/// What each client sends once it is connected.
pub const MESSAGES: u64 = 10;
/// Load + drain + close timeout in seconds, as the scenario says.
const PLANNED: f64 = 3.0 + 1.0 + 0.3;
/// For a machine that is busy with other tests.
const SLACK: f64 = 5.0;
/// A run that hangs is ended here.
const PATIENCE: Duration = Duration::from_secs(30);

fn hostile() -> SocketAddr {
    static SERVER: OnceLock<SocketAddr> = OnceLock::new();
    *SERVER.get_or_init(server::start)
}

/// What one run left.
#[derive(Debug)]
pub struct Trial {
    pub exit: Option<i32>,
    pub result: Value,
    pub stderr: String,
    /// Most memory ever resident.
    pub peak_kib: u64,
}

/// Runs so many `clients` on `path`, and the healthy ones.
pub fn run(path: &str, clients: u64) -> Trial {
    let hostile = hostile();
    // Targets are dealt in turn: one of so many is healthy.
    let (bad, healthy) = if clients == 1 {
        (1, HEALTHY)
    } else {
        (clients / HEALTHY, 1)
    };
    let mut urls = vec![format!("\"ws://{hostile}{path}\""); bad as usize];
    urls.extend(vec![format!("\"ws://{hostile}/\""); healthy as usize]);
    let toml = format!(
        r#"
name = "hostile"
[target]
urls = [{}]
connect_timeout = "2s"
close_timeout = "300ms"
[load]
warm_up = "700ms"
drain = "1s"
stages = [ {{ duration = "100ms", clients = {all} }}, {{ duration = "2900ms", clients = {all} }} ]
[validity]
schedule_lag_p99 = "60s"
busy = "100%"
[heartbeat]
style = "none"
[[session]]
name = "only"
[[session.step]]
every = "50ms"
count = 10
send = "{{{{client}}}}-{{{{seq}}}}"
reply = {{ echo = true, timeout = "1s" }}
"#,
        urls.join(", "),
        all = clients + HEALTHY,
    );
    let folder = tempfile::tempdir().expect("a folder");
    let scenario = folder.path().join("hostile.toml");
    std::fs::write(&scenario, toml).expect("written");
    let file = |name: &str| std::fs::File::create(folder.path().join(name)).expect("a file");
    let child = Command::new(env!("CARGO_BIN_EXE_wsbench"))
        .args(["run", "--json", "--out"])
        .arg(folder.path().join("out"))
        .arg(&scenario)
        .stdin(Stdio::null())
        .stdout(file("stdout"))
        .stderr(file("stderr"))
        .spawn()
        .expect("started");
    let (exit, peak_kib) = watch(child, path);
    let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("UTF-8");
    let stderr = text("stderr");
    let result = serde_json::from_str(&text("stdout"));
    let result = result.unwrap_or_else(|error| panic!("{path}: {error}: {stderr}"));
    assert!(!stderr.contains("panicked"), "{path}: {stderr}");
    Trial {
        exit,
        result,
        stderr,
        peak_kib,
    }
}

/// Waits for the end; the exit code and the most memory that was ever resident.
fn watch(mut child: Child, path: &str) -> (Option<i32>, u64) {
    let started = Instant::now();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|l| l.strip_prefix("VmHWM:"));
        let kib = line.and_then(|l| l.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(kib.unwrap_or(0));
        if let Some(status) = child.try_wait().expect("our child") {
            return (status.code(), peak);
        }
        if started.elapsed() > PATIENCE {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{path}: still running after {PATIENCE:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Trial {
    /// A counter over all phases.
    pub fn count(&self, name: &str) -> u64 {
        let outside = &self.result["outside_measure"]["counters"][name];
        let measured = &self.result["counters"][name];
        outside.as_u64().expect("a counter") + measured.as_u64().expect("a counter")
    }

    /// `failures` or `closes` by kind, over all phases.
    pub fn tally(&self, list: &str) -> BTreeMap<String, u64> {
        let mut sum = BTreeMap::new();
        for rows in [&self.result[list], &self.result["outside_measure"][list]] {
            for row in rows.as_array().expect("a list") {
                let kind = row["kind"].as_str().expect("a kind").to_owned();
                *sum.entry(kind).or_default() += row["count"].as_u64().expect("a count");
            }
        }
        sum
    }

    /// What is true of every run: it ended as planned, lost nothing, and the healthy were served.
    #[track_caller]
    pub fn assert_sound(&self, name: &str) {
        let Self { result, stderr, .. } = self;
        assert_eq!(self.exit, Some(0), "{name}: {stderr}");
        assert_eq!(stderr, "", "{name}");
        assert_eq!(
            result["end_reason"], "completed",
            "{name}: {}",
            result["end_reason"]
        );
        assert_eq!(
            result["validity"]["reasons"],
            serde_json::json!([]),
            "{name}"
        );
        let ended = result["phases"]["drain_end_s"].as_f64().expect("a number");
        assert!(ended < PLANNED + SLACK, "{name}: ended after {ended} s");
    }
}

/// Runs `test` for each case, three at a time: they mostly wait. All are tried, whatever fails.
#[track_caller]
pub fn each<C: Copy + Send + Sync>(cases: &[C], test: impl Fn(C) + Sync) {
    let next = AtomicUsize::new(0);
    let failed = AtomicUsize::new(0);
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            // The panic has printed what was wrong.
            if catch_unwind(AssertUnwindSafe(|| test(*case))).is_err() {
                failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(work);
        }
    });
    assert_eq!(failed.into_inner(), 0, "of {} cases", cases.len());
}
