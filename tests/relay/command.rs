//! `wsbench relay` as a shell sees it, and `wsbench run` with `[relay]`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

fn wsbench() -> Command {
    Command::new(assert_cmd::cargo::cargo_bin!("wsbench"))
}

fn relay(arguments: &[&str]) -> (Child, BufReader<ChildStdout>, String) {
    let mut child = wsbench()
        .args(["relay", "127.0.0.1:0", "127.0.0.1:9"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    let address = line(&mut stdout);
    let address = address
        .strip_prefix("listening on ")
        .expect("the promised line");
    let address = address.to_owned();
    (child, stdout, address)
}

fn line(stdout: &mut BufReader<ChildStdout>) -> String {
    let mut line = String::new();
    stdout.read_line(&mut line).expect("a line");
    line.trim().to_owned()
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-s", name, &pid]).status();
    assert!(sent.expect("kill exists").success(), "it runs");
}

fn code(mut child: Child) -> Option<i32> {
    child.wait().expect("it ends").code()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn signals_end_it_with_their_exit_codes() {
    for (kind, expected) in [("INT", 130), ("TERM", 143)] {
        let (child, _stdout, _) = relay(&["--toxic", "latency,latency=5ms"]);
        signal(&child, kind);
        assert_eq!(code(child), Some(expected), "{kind}");
    }
}

#[test]
fn a_child_of_run_obeys_its_stdin_and_ends_with_it() {
    let (mut child, mut stdout, _) = relay(&["--stop-on-stdin-eof"]);
    signal(&child, "INT");
    let mut stdin = child.stdin.take().expect("piped");
    for (command, reply) in [
        (
            r#"{"start":{"id":1,"toxic":{"kind":"timeout"},"duration_ms":60000}}"#,
            r#"{"ok":{"id":1}}"#,
        ),
        (
            r#"{"start":{"id":1,"toxic":{"kind":"timeout"}}}"#,
            r#"{"error":{"id":1,"message":"starting"#,
        ),
        (r#"{"end":{"id":1}}"#, r#"{"ok":{"id":1}}"#),
        (
            r#"{"end":{"id":1}}"#,
            r#"{"error":{"id":1,"message":"ending"#,
        ),
        (
            r#"{"start":{"id":2,"toxic":{"kind":"latency"}}}"#,
            r#"{"error":{"id":2,"message":"latency needs"#,
        ),
        (
            r#"{"start":{"id":3,"toxic":{"kind":"down"},"after_ms":60000}}"#,
            r#"{"ok":{"id":3}}"#,
        ),
        (r#"{"totals":{}}"#, r#"{"totals":{"connections":0"#),
        ("nonsense", r#"{"error":{"id":null"#),
    ] {
        writeln!(stdin, "{command}").expect("it reads");
        let said = line(&mut stdout);
        assert!(said.starts_with(reply), "{command}: {said}");
    }
    drop(stdin);
    assert!(line(&mut stdout).starts_with(r#"{"totals":"#));
    assert_eq!(code(child), Some(0));
}

#[test]
fn what_cannot_be_is_refused_with_a_hint() {
    for (listen, target, toxic, expected, hint) in [
        (
            "127.0.0.1:0",
            "127.0.0.1:9",
            "latncy",
            2,
            "did you mean latency?",
        ),
        (
            "127.0.0.1:0",
            "127.0.0.1:9",
            "drop_frames",
            2,
            "frames=ping+pong",
        ),
        ("127.0.0.1:0", "127.0.0.1", "down", 2, "host:port"),
        ("127.0.0.1:0", "http://127.0.0.1/", "down", 2, "host:port"),
        ("nowhere", "127.0.0.1:9", "down", 2, "LISTEN"),
        // An address that is not this machine's (RFC 5737).
        ("192.0.2.1:0", "127.0.0.1:9", "down", 3, "another address"),
    ] {
        let mut command = wsbench();
        command.args(["relay", listen, target, "--toxic", toxic]);
        let output = command.output().expect("it ends");
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(expected), "{said}");
        assert!(said.contains(hint), "{said}");
    }
}

/// Runs a scenario whose text follows the head; the result as JSON.
fn run(port: u16, rest: &str) -> (Output, serde_json::Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("relay-test.toml");
    let head = format!(
        "name = \"relay-test\"\n[target]\nurl = \"ws://127.0.0.1:{port}/\"\n[server]\n\
         behaviour = \"echo\"\nthreads = 1\n"
    );
    std::fs::write(&file, head + rest).expect("writable");
    let mut command = wsbench();
    command.arg("run").arg(&file).arg("--json").arg("--out");
    let output = command
        .arg(folder.path().join("out"))
        .output()
        .expect("it ends");
    let result = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output, result)
}

const LOAD: &str = "[load]\nwarm_up = \"1s\"\nstages = [ { duration = \"1s\", clients = 8 }, \
    { duration = \"3s\", clients = 8 } ]\n\
    [validity]\nschedule_lag_p99 = \"9s\"\nbusy = \"100%\"\n\
    [[session]]\nname = \"s\"\n[[session.step]]\nevery = \"100ms\"\nsend = \"{{seq}} {{text 9}}\"\n\
    reply = { echo = true, timeout = \"2s\" }\n";

#[test]
fn a_run_goes_through_its_relay() {
    let relay = "[relay]\ntoxics = [ { kind = \"latency\", latency = \"60ms\" } ]\n\
        [thresholds]\n\"round_trip.min\" = \">= 120ms\"\n\"connections.lost\" = \"== 0\"\n";
    let (output, _) = run(21_871, &format!("{LOAD}{relay}"));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn a_fault_of_the_relay_hits_a_run_at_its_time() {
    let relay = "[reconnect]\npolicy = \"fixed\"\ndelay = \"100ms\"\n[relay]\n\
        [[fault]]\nat = \"1s\"\nkind = \"reset_peer\"\n\
        [thresholds]\n\"connections.lost\" = \"== 8\"\n\"reconnects.count\" = \"== 8\"\n";
    let (output, result) = run(21_872, &format!("{LOAD}{relay}"));
    assert_eq!(
        output.status.code(),
        Some(0),
        "{} {result}",
        stderr(&output)
    );
}
