//! Two sides by turns: URLs, commands, what goes wrong with them.

use std::net::TcpListener;
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::bench::{Bench, GATE, PATIENCE, assert_exit, finish_within, text, wait};

/// Rounds of short runs take their time on a busy machine.
const LONG: Duration = Duration::from_secs(60);
/// A port below those that systems give to clients, and a command that serves there.
fn service(from: u16) -> (String, String) {
    let mut ports = from..from + 200;
    let free = ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    let listen = format!(
        "127.0.0.1:{}",
        free.expect("one of two hundred ports is free")
    );
    let program = env!("CARGO_BIN_EXE_wsbench");
    (
        format!("ws://{listen}/"),
        format!("{program} serve --quiet --listen {listen}"),
    )
}

#[test]
fn a_slower_candidate_is_found_and_its_page_is_saved() {
    let bench = Bench::new();
    let slow = Bench::with(|plan| plan.delay = Duration::from_millis(30));
    bench.scenario("700ms", GATE);
    let (a, b) = (bench.url(), slow.url());
    let mut command = bench.command();
    command.args(["ab", "trial.toml", "--a", &a, "--b", &b, "--rounds", "5"]);
    command.args(["--out", "ab", "--html", "page.html", "--format", "json"]);
    let output = finish_within(&mut command, LONG);
    assert_exit(&output, 1);
    let comparison: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(comparison["verdict"], "fail");
    let page = std::fs::read_to_string(bench.path("page.html")).expect("saved");
    assert!(page.contains("regressed") && page.contains("</html>"));
    let rounds = comparison["base_runs"].as_u64().expect("a number");
    assert!(rounds >= 3, "{rounds}");
    assert!(bench.path("ab/a/01/result.json").exists());
    assert!(bench.path("ab/b/03/result.json").exists());
}

#[test]
fn commands_are_started_for_their_runs_and_stopped() {
    let bench = Bench::new();
    bench.scenario("500ms", GATE);
    let (url, serve) = service(27_100);
    let slow = format!("{serve} --delay 40ms");
    let mut command = bench.command();
    command.args([
        "ab",
        "trial.toml",
        "--target",
        &url,
        "--a",
        &slow,
        "--b",
        &serve,
    ]);
    command.args(["--rounds", "4", "--out", "ab", "--no-test-dial"]);
    let output = finish_within(&mut command, LONG);
    assert_exit(&output, 0);
    assert!(
        text(&output.stdout).contains("improved"),
        "{}",
        text(&output.stdout)
    );
    let port = url
        .rsplit(':')
        .next()
        .and_then(|rest| rest.strip_suffix('/'));
    let address = format!("127.0.0.1:{}", port.expect("a port"));
    assert!(TcpListener::bind(address).is_ok(), "nobody is left behind");
}

#[test]
fn a_command_that_ends_is_named_with_its_side_and_what_to_do() {
    let bench = Bench::new();
    bench.scenario("500ms", GATE);
    let (url, serve) = service(27_400);
    let mut command = bench.command();
    command.args(["ab", "trial.toml", "--target", &url, "--a", &serve]);
    command.args(["--b", "echo no config here >&2; exit 3", "--out", "ab"]);
    let output = finish_within(&mut command, LONG);
    assert_exit(&output, 3);
    let stderr = text(&output.stderr);
    for part in [
        "side b",
        "exit 3",
        "exit status: 3",
        "no config here",
        "hint: ",
    ] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
}

#[test]
fn ctrl_c_while_a_command_comes_up_ends_everything() {
    let bench = Bench::new();
    bench.scenario("500ms", GATE);
    let (url, _) = service(27_700);
    let mut command = bench.command();
    // It never listens; the file says that it is there and when it is ended.
    let silent =
        "trap 'echo ended > mark; exit' TERM; echo there > mark; while :; do sleep 0.05; done";
    command.args([
        "ab",
        "trial.toml",
        "--target",
        &url,
        "--a",
        silent,
        "--b",
        silent,
    ]);
    command.args(["--out", "ab"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("started");
    let mark = || std::fs::read_to_string(bench.path("mark")).unwrap_or_default();
    let started = Instant::now();
    while mark() != "there\n" {
        assert!(started.elapsed() < PATIENCE, "the command was not started");
        std::thread::sleep(Duration::from_millis(10));
    }
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a process id"));
    kill(pid, Signal::SIGINT).expect("still running");
    assert_eq!(wait(&mut child), Some(130));
    assert_eq!(mark(), "ended\n", "the command was left behind");
}
