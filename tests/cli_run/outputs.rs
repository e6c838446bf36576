//! What is printed where.

use std::process::Stdio;

use super::bench::{Bench, assert_exit, finish, text, wait};

const ESCAPE: &str = "\u{1b}[";

#[test]
fn json_is_the_saved_result_and_quiet_is_silent() {
    let bench = Bench::new();
    let output = bench.run(&bench.scenario("900ms", ""), &["--json"]);
    assert_exit(&output, 0);
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(printed, bench.result());

    let bench = Bench::new();
    let output = bench.run(&bench.scenario("900ms", ""), &["--quiet"]);
    assert_exit(&output, 0);
    assert_eq!(
        (text(&output.stdout), text(&output.stderr)),
        (String::new(), String::new())
    );
    assert_eq!(bench.result()["verdict"], "pass", "saved all the same");
}

#[test]
fn colour_is_for_terminals_and_whoever_asks() {
    let bench = Bench::new();
    let output = bench.run(&bench.scenario("900ms", ""), &[]);
    assert!(!text(&output.stdout).contains(ESCAPE), "into a pipe");
    let colour = |arguments: &[&str], no_color: Option<&str>| {
        let mut command = bench.command();
        command.args(["report", "out"]).args(arguments);
        if let Some(value) = no_color {
            command.env("NO_COLOR", value);
        }
        let output = finish(&mut command);
        assert_exit(&output, 0);
        text(&output.stdout).contains(ESCAPE)
    };
    assert!(colour(&["--color", "always"], None));
    assert!(!colour(&["--color", "never"], None));
    assert!(!colour(&[], None));
    assert!(!colour(&[], Some("1")));
}

#[test]
fn a_reader_that_goes_away_changes_nothing() {
    let bench = Bench::new();
    let scenario = bench.scenario("900ms", "");
    for arguments in [&[][..], &["--json"]] {
        let mut command = bench.run_command(&scenario, arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("started");
        drop(child.stdout.take());
        assert_eq!(wait(&mut child), Some(0));
        let output = child.wait_with_output().expect("ended");
        assert_eq!(text(&output.stderr), "");
        assert_eq!(bench.result()["verdict"], "pass");
        std::fs::remove_dir_all(bench.path("out")).expect("removed");
    }
}

#[test]
fn a_full_disk_behind_stdout_is_told() {
    let bench = Bench::new();
    let mut command = bench.run_command(&bench.scenario("900ms", ""), &[]);
    let full = std::fs::File::options().write(true).open("/dev/full");
    command
        .stdout(full.expect("this is Linux"))
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("started");
    assert_eq!(wait(&mut child), Some(3));
    let output = child.wait_with_output().expect("ended");
    let stderr = text(&output.stderr);
    assert!(
        stderr.starts_with("error: ") && !stderr.contains("panicked"),
        "{stderr}"
    );
    assert_eq!(
        bench.result()["verdict"],
        "pass",
        "what was measured is saved"
    );
}

#[test]
fn an_ad_hoc_url_is_an_echo_scenario() {
    let bench = Bench::new();
    let url = bench.url();
    let arguments = ["run", &url, "-c", "3", "-r", "100", "-d", "1s", "--json"];
    let output = finish(bench.command().args(arguments));
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(
        matches!(output.status.code(), Some(0 | 4)),
        "busy machines invalidate"
    );
    let matched = result["counters"]["replies_matched"]
        .as_u64()
        .expect("a count");
    assert!((90..=101).contains(&matched), "100/s for 1 s: {matched}");
    let folders = std::fs::read_dir(bench.path("results")).expect("made by default");
    assert_eq!(folders.count(), 1);
}
