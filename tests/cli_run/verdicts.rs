//! One exit code for each kind of answer.

use super::bench::{Bench, assert_exit, finish, text};

#[test]
fn a_run_without_trouble_passes() {
    let bench = Bench::new();
    let output = bench.run(&bench.scenario("900ms", ""), &[]);
    assert_exit(&output, 0);
    assert!(text(&output.stdout).contains("verdict: "), "{output:?}");
    assert_eq!(text(&output.stderr), "", "no terminal: no progress");
    assert_eq!(bench.result()["verdict"], "pass");
}

#[test]
fn a_kept_threshold_passes_and_a_broken_one_fails() {
    for (limit, code, verdict) in [("< 10s", 0, "pass"), ("< 0.001ms", 1, "fail")] {
        let bench = Bench::new();
        let more = format!("[thresholds]\n\"round_trip.p50\" = \"{limit}\"\n");
        let output = bench.run(&bench.scenario("900ms", &more), &[]);
        assert_exit(&output, code);
        assert_eq!(bench.result()["verdict"], verdict);
    }
}

#[test]
fn a_broken_threshold_can_end_the_run_early() {
    let bench = Bench::new();
    let more = "[thresholds]\n\"round_trip.p50\" = { limit = \"< 0.001ms\", abort_run = true }\n";
    let output = bench.run(&bench.scenario("60s", more), &[]);
    assert_exit(&output, 1);
    let ended = bench.result()["phases"]["drain_end_s"]
        .as_f64()
        .expect("a number");
    assert!(ended < 20.0, "{ended} s");
}

#[test]
fn usage_errors_are_told_and_nothing_is_run() {
    let bench = Bench::new();
    let scenario = bench.scenario("900ms", "");
    let path = scenario.to_str().expect("UTF-8");
    std::fs::write(bench.path("bad.toml"), "name = \"bad\"\nconections = 5\n").expect("written");
    std::fs::write(bench.path("binary.toml"), b"name = \"\xff\"").expect("written");
    for (arguments, expected) in [
        (vec!["run"], "SCENARIO"),
        (vec!["run", path, "--clietns", "5"], "--clients"),
        (vec!["run", path, "--clients", "5"], "--set"),
        (
            vec!["run", path, "--set", "load.stages.0.clietns=5"],
            "clients",
        ),
        (vec!["run", path, "--set", "load.drain=fast"], "drain"),
        (vec!["run", "missing.toml"], "missing.toml"),
        (vec!["run", "."], "directory"),
        (vec!["run", "bad.toml"], "bad.toml:2"),
        (vec!["run", "binary.toml"], "UTF-8"),
        (vec!["run", "http://127.0.0.1/"], "ws://"),
        (vec!["run", "ws://127.0.0.1:1/", "--rate=-1"], "rate"),
        (vec!["frobnicate"], "frobnicate"),
    ] {
        let output = finish(bench.command().args(&arguments).args(["--color", "never"]));
        assert_exit(&output, 2);
        let stderr = text(&output.stderr);
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
    }
    assert!(!bench.path("results").exists());
    assert_exit(&finish(&mut bench.command()), 2);
    assert_exit(&finish(bench.command().arg("--version")), 0);
    assert_exit(&finish(bench.command().args(["run", "--help"])), 0);
}

#[test]
fn a_target_that_cannot_be_reached_is_no_pass() {
    let bench = Bench::new();
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .expect("a port");
    let target = format!("ws://{port}/");
    let flags = ["--no-test-dial", "--target", &target];
    let output = bench.run(&bench.scenario("900ms", ""), &flags);
    assert_exit(&output, 3);
    let stdout = text(&output.stdout);
    assert!(stdout.contains("refused"), "{stdout}");
    let result = bench.result();
    assert_eq!(result["end_reason"], "nothing_connected");
    let failed = |part: &serde_json::Value| part["counters"]["connections_failed"].as_u64();
    let failed = failed(&result).zip(failed(&result["outside_measure"]));
    assert_eq!(failed.map(|(a, b)| a + b), Some(10));
}

#[test]
fn results_that_cannot_be_written_are_refused_before_the_load() {
    let bench = Bench::new();
    let scenario = bench.scenario("900ms", "");
    std::fs::write(bench.path("file"), "kept").expect("written");
    std::fs::create_dir(bench.path("full")).expect("made");
    std::fs::write(bench.path("full/result.json"), "kept").expect("written");
    for out in ["file/below", "full", "/proc/wsbench"] {
        let output = finish(
            bench
                .command()
                .arg("run")
                .arg(&scenario)
                .args(["--out", out]),
        );
        assert_exit(&output, 3);
        let stderr = text(&output.stderr);
        assert!(stderr.contains("--out"), "{out}: {stderr}");
        assert_eq!(text(&output.stdout), "");
    }
    let kept = std::fs::read_to_string(bench.path("full/result.json")).expect("still there");
    assert_eq!(kept, "kept");
    assert_eq!(bench.open(), 0);
}

#[test]
fn an_unanswered_question_is_neither_pass_nor_fail() {
    for more in [
        // Nothing was delivered: there is nothing to judge.
        "[thresholds]\n\"delivery.p99\" = \"< 1s\"\n",
        // Nobody can keep this: the generator accuses itself.
        "",
    ] {
        let bench = Bench::new();
        let scenario = bench.scenario("900ms", more);
        let lag = ["--set", "validity.schedule_lag_p99=1ns"];
        let arguments = if more.is_empty() { &lag[..] } else { &[] };
        let output = bench.run(&scenario, arguments);
        assert_exit(&output, 4);
    }
}

#[test]
fn a_server_of_the_scenario_is_started_and_stopped() {
    let bench = Bench::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|l| l.local_addr())
        .expect("a port");
    let text = std::fs::read_to_string(bench.scenario("900ms", "[server]\n")).expect("written");
    let path = bench.path("own.toml");
    let own = text.replace(&bench.url(), &format!("ws://{port}/"));
    std::fs::write(&path, own).expect("written");
    assert_exit(&bench.run(&path, &[]), 0);
    assert!(bench.result()["counters"]["replies_matched"].as_u64() > Some(0));
    std::net::TcpListener::bind(port).expect("the server is gone");
}
