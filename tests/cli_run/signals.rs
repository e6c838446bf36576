//! Ctrl-C and SIGTERM, sent by process id.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::bench::{Bench, PATIENCE, text, wait};

fn send(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).expect("a process id");
    kill(Pid::from_raw(pid), signal).expect("still running");
}

/// Starts a run of a minute and waits until its clients are connected.
fn start(bench: &Bench, arguments: &[&str]) -> Child {
    let scenario = bench.scenario("60s", "");
    let mut command = bench.run_command(&scenario, arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("started");
    let started = Instant::now();
    while bench.open() < 10 {
        assert!(started.elapsed() < PATIENCE, "never connected");
        std::thread::sleep(Duration::from_millis(5));
    }
    // A moment of the measured phase.
    std::thread::sleep(Duration::from_millis(500));
    child
}

#[test]
fn the_first_signal_drains_and_everything_is_saved() {
    for (signal, code, reason) in [
        (Signal::SIGINT, 130, "interrupted"),
        (Signal::SIGTERM, 143, "terminated"),
        (Signal::SIGHUP, 143, "terminated"),
    ] {
        let bench = Bench::new();
        let mut child = start(&bench, &["--json"]);
        send(&child, signal);
        assert_eq!(wait(&mut child), Some(code));
        let output = child.wait_with_output().expect("ended");
        let stderr = text(&output.stderr);
        assert!(stderr.contains("stopping: "), "{stderr}");
        let result = bench.result();
        let printed: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(printed, result);
        assert_eq!(result["end_reason"], reason);
        assert_ne!(result["verdict"], "pass");
        let count = |name: &str| result["counters"][name].as_u64().expect("a counter");
        assert!(count("messages_sent") > 0);
        assert_eq!(count("replies_matched"), count("messages_sent"));
        for name in [
            "intervals.csv",
            "summary.csv",
            "histograms.hlog",
            "histograms.csv",
        ] {
            let length = std::fs::metadata(bench.path("out").join(name)).map(|m| m.len());
            assert!(length.is_ok_and(|length| length > 0), "{name}");
        }
    }
}

#[test]
fn the_second_ctrl_c_ends_at_once() {
    // Nothing is answered, so that the drain lasts: its 2 s, then the close timeout.
    let bench = Bench::with(|plan| plan.delay = Duration::from_secs(30));
    let mut child = start(&bench, &["--set", "load.drain=15s"]);
    send(&child, Signal::SIGINT);
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().expect("our child").is_none(), "it drains");
    let second = Instant::now();
    send(&child, Signal::SIGINT);
    assert_eq!(wait(&mut child), Some(130));
    assert!(
        second.elapsed() < Duration::from_secs(5),
        "not the 15 s of the drain"
    );
    let result = bench.result();
    assert_eq!(result["end_reason"], "interrupted");
    assert_eq!(result["open_at_end"], 10);
    assert_eq!(
        result["validity"]["broken_laws"]
            .as_array()
            .map_or(0, Vec::len),
        0
    );
}
