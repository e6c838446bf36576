//! `wsbench calibrate` as a shell sees it. Its figures are this machine's: only their shape is held here.

use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::bench::{Bench, assert_exit, finish, finish_within, text, wait};

/// Folders that a calibration made for itself and did not take away.
fn left_over(bench: &Bench) -> Vec<String> {
    let entries = std::fs::read_dir(bench.path("tmp")).expect("listed");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

fn command(bench: &Bench, arguments: &[&str]) -> std::process::Command {
    std::fs::create_dir_all(bench.path("tmp")).expect("made");
    let mut command = bench.command();
    command
        .arg("calibrate")
        .args(arguments)
        .env("TMPDIR", bench.path("tmp"));
    command
}

#[test]
fn a_quick_one_says_what_it_measured_and_how_far_it_goes() {
    let bench = Bench::new();
    let mut command = command(
        &bench,
        &["--quick", "--json", "--clients", "50", "--out", "kept"],
    );
    // Nine loads, each with a second for answers that do not come on a machine under stress.
    let output = finish_within(&mut command, Duration::from_secs(60));
    let code = output.status.code();
    assert!(
        matches!(code, Some(0 | 4)),
        "{code:?} {}",
        text(&output.stderr)
    );
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (&found["schema_version"], &found["document"]),
        (&1.into(), &"calibration".into())
    );
    let kept = std::fs::read_to_string(bench.path("kept/calibration.json")).expect("kept");
    assert_eq!(serde_json::from_str::<Value>(&kept).expect("JSON"), found);
    assert!(
        found["machine"]["timer"]["count"].as_u64() > Some(0),
        "{found}"
    );
    assert!(
        found["capacity"]["descriptors"].as_u64() > Some(0),
        "{found}"
    );
    assert!(found["handshakes"]["per_s"].as_f64() > Some(0.0), "{found}");
    let points = found["points"].as_array().expect("a list");
    assert!((1..=10).contains(&points.len()), "{found}");
    for point in points {
        assert!(point["sent_per_s"].as_f64() > Some(0.0), "{point}");
    }
    // The server says how late its answers left, unless it has no time to; the round trip is longer.
    for truth in found["truth"].as_array().expect("a list") {
        let p50 = |name: &str| truth[name]["p50"].as_f64();
        assert!(p50("round_trip_ms") >= Some(20.0), "{truth}");
        let late = p50("server_late_ms");
        assert!(late > Some(0.0) || late.is_none(), "{truth}");
    }
    // An answer holds a limit; without one it says why.
    let trusted = found["trusted"].as_array().expect("a list");
    let answered = !trusted.is_empty() && !is_spoilt(&found);
    assert_eq!(code == Some(0), answered, "{code:?} {found}");
    let statement = found["statement"][0].as_str().expect("a sentence");
    assert_eq!(
        statement.starts_with("Up to"),
        !trusted.is_empty(),
        "{statement}"
    );
    // Each load can be looked at.
    let first = bench.path("kept/01/result.json");
    assert!(first.exists(), "{}", text(&output.stderr));
    assert_eq!(left_over(&bench), [""; 0]);
}

/// Whether the machine was too noisy, or a lie went unnoticed.
fn is_spoilt(found: &Value) -> bool {
    let grave = |noise: &Value| match noise["kind"].as_str() {
        Some("stolen" | "others") => noise["share"].as_f64() > Some(0.25),
        Some("timer" | "never_honest") => true,
        _ => false,
    };
    let noise = found["noise"].as_array().expect("a list");
    let beyond = &found["beyond"];
    noise.iter().any(grave) || (!beyond.is_null() && beyond["invalid_per_s"].is_null())
}

#[test]
fn a_signal_ends_it_at_once_with_what_was_measured() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let bench = Bench::new();
        let mut command = command(&bench, &["--json", "--clients", "20"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("started");
        // Beyond the look at an idle thread, within the loads.
        std::thread::sleep(Duration::from_millis(3_500));
        let sent = Instant::now();
        let pid = i32::try_from(child.id()).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("still running");
        assert_eq!(wait(&mut child), Some(code));
        assert!(sent.elapsed() < Duration::from_secs(10));
        let output = child.wait_with_output().expect("ended");
        let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(found["interrupted"], true);
        assert!(
            found["machine"]["timer"]["count"].as_u64() > Some(0),
            "{found}"
        );
        assert_eq!(found["handshakes"], Value::Null);
        assert_eq!(left_over(&bench), [""; 0]);
    }
}

#[test]
fn wrong_flags_are_usage_errors() {
    let bench = Bench::new();
    for (arguments, said) in [
        (["--clients", "0"], "1 to 1,000,000 clients"),
        (["--clients", "many"], "--clients"),
        (["--seed", "x"], "--seed"),
        (["--quick", "now"], "unexpected"),
    ] {
        let output = finish(&mut command(&bench, &arguments));
        assert_exit(&output, 2);
        let stderr = text(&output.stderr);
        assert!(stderr.contains(said), "{stderr}");
    }
}

#[test]
fn what_cannot_be_measured_is_said() {
    let bench = Bench::new();
    // A folder that is a file.
    std::fs::write(bench.path("taken"), "x").expect("written");
    let output = finish(&mut command(&bench, &["--quick", "--out", "taken"]));
    assert_exit(&output, 3);
    // More clients than this process may have descriptors or the machine ports for.
    let output = finish(&mut command(&bench, &["--quick", "--clients", "1000000"]));
    assert_exit(&output, 3);
    let stderr = text(&output.stderr);
    assert!(stderr.contains("hint: "), "{stderr}");
}
