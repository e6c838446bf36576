//! Row 46: SIGSTOP and SIGCONT; row 47: the wall clock jumps; row 51: no CPU, no memory.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::bench::{Bench, PATIENCE, assert_exit, finish, finish_within, text, wait};
use super::sandbox::has;

const BEATS: &str = r#"
[heartbeat]
interval = "250ms"
timeout = "500ms"
max_missed = 2
"#;

fn send(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).expect("a process id");
    kill(Pid::from_raw(pid), signal).expect("still running");
}

fn wait_connected(bench: &Bench) {
    let started = Instant::now();
    while bench.open() < 10 {
        assert!(started.elapsed() < PATIENCE, "never connected");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(700));
}

#[test]
fn a_stopped_generator_says_so_and_blames_nobody() {
    // Answers take 100 ms: some are always on their way.
    let bench = Bench::with(|plan| plan.delay = Duration::from_millis(100));
    let scenario = bench.scenario("6s", BEATS);
    let strict = [
        "--set",
        "validity.longest_stall=2s",
        "--set",
        "validity.schedule_lag_p99=60s",
    ];
    let mut command = bench.run_command(&scenario, &strict);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("started");
    wait_connected(&bench);
    send(&child, Signal::SIGSTOP);
    std::thread::sleep(Duration::from_secs(3));
    send(&child, Signal::SIGCONT);
    assert_eq!(wait(&mut child), Some(4), "invalid, not failed");
    let output = child.wait_with_output().expect("ended");
    let page = text(&output.stdout);
    assert!(page.contains("the generator itself stood still"), "{page}");
    assert!(page.contains("stall of the generator at"), "{page}");
    let summary = std::fs::read_to_string(bench.path("out/summary.md")).expect("saved");
    assert!(summary.contains("stall of the generator at"), "{summary}");
    let result = bench.result();
    assert_eq!(result["verdict"], "invalid");
    let stalls = result["stalls"].as_array().expect("a list");
    let longest = stalls
        .iter()
        .map(|s| s["length_s"].as_f64().expect("a number"));
    let longest = longest.fold(0.0, f64::max);
    assert!((2.9..10.0).contains(&longest), "{stalls:?}");
    assert_eq!(result["validity"]["reasons"][0]["kind"], "stalled");
    let count = |name: &str| {
        let outside = &result["outside_measure"]["counters"][name];
        result["counters"][name].as_u64().expect("a counter") + outside.as_u64().expect("a counter")
    };
    for name in [
        "declared_dead",
        "heartbeats_missed",
        "heartbeats_late",
        "replies_timed_out",
        "replies_lost",
        "connections_failed",
    ] {
        assert_eq!(count(name), 0, "{name}");
    }
    assert!(count("heartbeats_on_time") > 0 && count("samples_in_stall") > 0);
    assert_eq!(count("connections_opened"), 10);
}

/// libfaketime's library, if it is installed.
fn faketime() -> Option<String> {
    let folders = std::fs::read_dir("/usr/lib").ok()?;
    let paths = folders.filter_map(|f| Some(f.ok()?.path().join("faketime/libfaketime.so.1")));
    let found = paths.into_iter().find(|path| path.exists());
    if found.is_none() {
        println!("skipped: libfaketime is not installed");
    }
    Some(found?.to_str()?.to_owned())
}

#[test]
fn jumps_of_the_wall_clock_reach_no_duration() {
    let Some(library) = faketime() else { return };
    let bench = Bench::new();
    let offset = bench.path("offset");
    std::fs::write(&offset, "+0").expect("written");
    let scenario = bench.scenario("3s", BEATS);
    let mut command = bench.run_command(&scenario, &[]);
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", &offset)
        .env("FAKETIME_NO_CACHE", "1")
        .env("DONT_FAKE_MONOTONIC", "1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("started");
    wait_connected(&bench);
    for jump in ["-3600", "+86400"] {
        std::fs::write(&offset, jump).expect("written");
        std::thread::sleep(Duration::from_millis(500));
    }
    let code = wait(&mut child);
    let output = child.wait_with_output().expect("ended");
    assert_eq!(
        code,
        Some(0),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    let result = bench.result();
    let length = result["phases"]["drain_end_s"].as_f64().expect("a number");
    assert!((3.0..60.0).contains(&length), "{length}");
    for metric in result["metrics"].as_object().expect("metrics").values() {
        assert!(metric["max"].as_f64().expect("a number") < 60_000.0);
    }
    assert_eq!(result["counters"]["replies_timed_out"], 0);
    let rows = result["timeline"]["rows"].as_array().expect("rows");
    let ends = rows
        .iter()
        .map(|row| row["end_s"].as_f64().expect("a time"));
    assert!(rows.len() >= 3 && ends.is_sorted(), "{rows:?}");
}

/// Takes a processor; ends with its owner, however that ends.
struct Spinner(std::process::Child);

impl Drop for Spinner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_starved_generator_says_it_was_the_generator() {
    if !has("taskset") || !has("nice") {
        return;
    }
    let bench = Bench::new();
    let scenario = bench.scenario("2s", "");
    let spin = || {
        let mut command = Command::new("taskset");
        command.args(["-c", "0", "sh", "-c", "while :; do :; done"]);
        Spinner(command.spawn().expect("started"))
    };
    let spinners: Vec<_> = (0..4).map(|_| spin()).collect();
    let mut command = Command::new("taskset");
    command.args(["-c", "0", "nice", "-n", "19"]);
    command.arg(env!("CARGO_BIN_EXE_wsbench")).arg("run");
    command.arg(&scenario).args(["--out", "out"]);
    command.args(["--set", "validity.schedule_lag_p99=1ms"]);
    command.current_dir(&bench.folder).stdin(Stdio::null());
    // It gets a two-hundredth of a processor, and has files to write with it.
    let output = finish_within(&mut command, Duration::from_secs(180));
    drop(spinners);
    assert_exit(&output, 4);
    let page = text(&output.stdout);
    assert!(page.contains("the generator"), "{page}");
    assert!(page.contains("verdict: invalid"), "{page}");
}

/// Threads and allocations fail at another place with each limit; the last is enough. The first is more
/// than the code itself takes in a debug build: with less the system does not even start it.
#[test]
fn without_memory_it_ends_with_a_message() {
    if !has("prlimit") {
        return;
    }
    let bench = Bench::new();
    let scenario = bench.scenario("1s", "");
    for megabytes in [40_u64, 48, 64, 192] {
        let mut command = Command::new("prlimit");
        command.arg(format!("--as={}", megabytes << 20));
        command.arg(env!("CARGO_BIN_EXE_wsbench")).arg("run");
        command.arg(&scenario).args(["--out", "memory"]);
        command.args(["--set", "load.stages.0.clients=400"]);
        command.args(["--set", "load.stages.1.clients=400"]);
        command.current_dir(&bench.folder).stdin(Stdio::null());
        let output = finish(&mut command);
        let said = text(&output.stderr);
        println!("{megabytes} MiB: {:?} {said}", output.status);
        let words = ["error: ", "memory allocation of", "error while loading"];
        let plain = words.iter().any(|words| said.contains(words));
        let judged = matches!(output.status.code(), Some(0 | 4));
        assert!(
            judged || plain,
            "{megabytes} MiB: {:?} {said}",
            output.status
        );
        assert!(megabytes < 192 || judged, "{said}");
        let _ = std::fs::remove_dir_all(bench.path("memory"));
    }
}
