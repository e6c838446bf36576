//! A server in this process, a folder, and the program.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use wsbench::scenario::{Behaviour, ServerPlan};
use wsbench::server::{Running, Server};

/// No run here takes longer; one that does is ended.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What a single machine can answer for sure: one statistic decides.
pub const GATE: &str = r#"
[gate.statistics]
"round_trip.p50" = "100%"
"round_trip.p99" = false
"handshake.p50" = false
"replies.rate" = false
"messages.unanswered_ratio" = false
"handshakes.failed_ratio" = false
"heartbeats.missed_ratio" = false
"#;

/// What a test works with; gone with it.
pub struct Bench {
    pub folder: tempfile::TempDir,
    server: Running,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// With changes to the echo server.
    pub fn with(change: impl FnOnce(&mut ServerPlan)) -> Self {
        let mut plan = ServerPlan::plain(Behaviour::Echo);
        change(&mut plan);
        let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            server: Server::start(plan, any).expect("a free port"),
        }
    }

    pub fn url(&self) -> String {
        format!("ws://{}/", self.server.address())
    }

    /// Connections that are open at the server.
    pub fn open(&self) -> u64 {
        self.server.totals().open()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A scenario of 10 clients x 20/s whose load lasts so long, with more lines at its end.
    pub fn scenario(&self, seconds: &str, more: &str) -> PathBuf {
        let url = self.url();
        let toml = format!(
            r#"
name = "trial"
[target]
url = "{url}"
[load]
warm_up = "300ms"
drain = "2s"
stages = [ {{ duration = "100ms", clients = 10 }}, {{ duration = "{seconds}", clients = 10 }} ]
[validity]
schedule_lag_p99 = "60s"
busy = "100%"
[[session]]
name = "echo"
[[session.step]]
every = "50ms"
send = "{{{{client}}}}-{{{{seq}}}}"
reply = {{ echo = true, timeout = "800ms" }}
{more}
"#
        );
        let path = self.path("trial.toml");
        std::fs::write(&path, toml).expect("written");
        path
    }

    /// `wsbench`, started in the folder; nothing of our own environment decides.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wsbench"));
        command.current_dir(&self.folder).stdin(Stdio::null());
        for name in [
            "WSBENCH_TARGET",
            "WSBENCH_OUT",
            "WSBENCH_SEED",
            "WSBENCH_YES",
            "WSBENCH_BASELINE",
            "NO_COLOR",
            "CI",
            "GITHUB_ACTIONS",
            "GITHUB_STEP_SUMMARY",
        ] {
            command.env_remove(name);
        }
        command
    }

    /// `wsbench run SCENARIO --out out ARGUMENTS`
    pub fn run_command(&self, scenario: &Path, arguments: &[&str]) -> Command {
        let mut command = self.command();
        command
            .arg("run")
            .arg(scenario)
            .args(["--out", "out"])
            .args(arguments);
        command
    }

    pub fn run(&self, scenario: &Path, arguments: &[&str]) -> Output {
        finish(&mut self.run_command(scenario, arguments))
    }

    /// The saved result.
    pub fn result(&self) -> Value {
        let text = std::fs::read_to_string(self.path("out/result.json")).expect("saved");
        serde_json::from_str(&text).expect("JSON")
    }
}

/// Runs to the end.
pub fn finish(command: &mut Command) -> Output {
    finish_within(command, PATIENCE)
}

/// Runs to the end, which may take so long.
pub fn finish_within(command: &mut Command, patience: Duration) -> Output {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("started");
    // All that is ever said here fits into the pipes.
    wait_for(&mut child, patience);
    let output = child.wait_with_output().expect("ended");
    assert!(
        !text(&output.stderr).contains("panicked"),
        "{}",
        text(&output.stderr)
    );
    output
}

/// Waits for the end; its exit code.
pub fn wait(child: &mut Child) -> Option<i32> {
    wait_for(child, PATIENCE)
}

pub fn wait_for(child: &mut Child, patience: Duration) -> Option<i32> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("our child") {
            return status.code();
        }
        if started.elapsed() > patience {
            let _ = child.kill();
            let _ = child.wait();
            panic!("still running after {patience:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// Asserts the exit code and shows what was said when it is another.
#[track_caller]
pub fn assert_exit(output: &Output, code: i32) {
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    assert_eq!(
        status.code(),
        Some(code),
        "{}\n{}",
        text(stdout),
        text(stderr)
    );
}
