//! Row 45: signals at any moment leave readable results.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::bench::{Bench, PATIENCE, finish, text, wait};

const TRIALS: u64 = 50;
const AT_ONCE: u64 = 5;
const SEED: u64 = 45;

#[test]
fn fifty_random_moments_leave_fifty_readable_results() {
    println!("seed {SEED}");
    let bench = Bench::new();
    let scenario = bench.scenario("1400ms", "");
    for first in (0..TRIALS).step_by(AT_ONCE as usize) {
        std::thread::scope(|scope| {
            for trial in first..first + AT_ONCE {
                let (bench, scenario) = (&bench, &scenario);
                scope.spawn(move || interrupt(bench, scenario, trial));
            }
        });
    }
}

/// One run, interrupted at a moment drawn from its number.
fn interrupt(bench: &Bench, scenario: &Path, trial: u64) {
    let mut rng = fastrand::Rng::with_seed(SEED * 1_000 + trial);
    let (signal, code, reason) = [
        (Signal::SIGINT, 130, "interrupted"),
        (Signal::SIGTERM, 143, "terminated"),
        (Signal::SIGHUP, 143, "terminated"),
    ][rng.usize(..3)];
    let moment = Duration::from_millis(rng.u64(0..2_000));
    let again = rng.bool().then(|| Duration::from_millis(rng.u64(0..50)));
    let out = format!("trial-{trial}");
    let mut command = bench.command();
    command.arg("run").arg(scenario).args(["--out", &out]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("started");
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    let intervals = bench.path(&out).join("intervals.csv");
    // Before that there is nothing to save: the signal just ends it.
    let started = Instant::now();
    while !intervals.exists() {
        assert!(started.elapsed() < PATIENCE, "{trial}: no results folder");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(20) + moment);
    // It may have ended by itself: then this is a trial of a whole run.
    let _ = kill(pid, signal);
    if let Some(again) = again {
        std::thread::sleep(again);
        let _ = kill(pid, signal);
    }
    let pressed = Instant::now();
    let ended = wait(&mut child);
    assert!(pressed.elapsed() < Duration::from_secs(10), "{trial}");
    let said = text(&child.wait_with_output().expect("ended").stderr);
    assert!(!said.contains("panicked"), "{trial}: {said}");
    let what = format!("{trial}: {signal} after {moment:?}, again {again:?}: {ended:?}");
    let result = std::fs::read_to_string(bench.path(&out).join("result.json"));
    let result = result.unwrap_or_else(|error| panic!("{what}: {error}: {said}"));
    let result: serde_json::Value = serde_json::from_str(&result).expect("whole JSON");
    if ended == Some(code) {
        assert_eq!(result["end_reason"], reason, "{what}");
    } else {
        assert_eq!(result["end_reason"], "completed", "{what}: {said}");
    }
    let broken = &result["validity"]["broken_laws"];
    assert_eq!(broken.as_array().map_or(0, Vec::len), 0, "{what}: {broken}");
    for entry in std::fs::read_dir(bench.path(&out)).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "csv") {
            assert_whole_lines(&path);
        }
    }
}

#[track_caller]
fn assert_whole_lines(path: &Path) {
    let saved = std::fs::read_to_string(path).expect("saved");
    assert!(saved.ends_with('\n'), "{}", path.display());
    let mut reader = csv::Reader::from_reader(saved.as_bytes());
    for row in reader.records() {
        row.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let bench = Bench::new();
    let scenario = bench.scenario("1200ms", "");
    let program = env!("CARGO_BIN_EXE_wsbench");
    let scenario = scenario.display();
    for line in [
        format!("{program} run {scenario} --out a | head -1"),
        format!("{program} run {scenario} --out b --json | head -c 10"),
        format!("{program} schema | head -1"),
        format!("{program} check {scenario} | head -1"),
        format!("{program} run {scenario} --out c | true"),
    ] {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &line]).current_dir(&bench.folder);
        let output = finish(&mut command);
        assert_eq!(text(&output.stderr), "", "{line}");
    }
    for out in ["a", "b", "c"] {
        assert!(bench.path(out).join("result.json").exists(), "{out}");
    }
}
