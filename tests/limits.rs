//! What is refused before the load, as a shell sees it: plans that ask too much, machines that have
//! too little, targets that nobody reaches.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

/// An address that is nobody's (RFC 5737): what is refused here is never dialled.
const ELSEWHERE: &str = "wss://192.0.2.1/chat?token=hidden-s3cret";

struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A load that would last a minute, so that a run which was not refused is noticed.
    fn scenario(&self, url: &str, clients: u32, rest: &str) {
        let toml = format!(
            "name = \"x\"\n[target]\nurl = \"{url}\"\n[load]\nstages = [ {{ duration = \"20s\", clients = {clients} }}, {{ duration = \"40s\", clients = {clients} }} ]\n{rest}\n"
        );
        std::fs::write(self.path("x.toml"), toml).expect("written");
    }

    /// `BEFORE wsbench ARGUMENTS` in the folder.
    fn command(&self, before: &[&str], arguments: &[&str]) -> Output {
        let program = env!("CARGO_BIN_EXE_wsbench");
        let words: Vec<&str> = before.iter().copied().chain([program]).collect();
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .args(arguments)
            .current_dir(&self.0)
            .env_remove("WSBENCH_YES")
            .env_remove("WSBENCH_TARGET")
            .env_remove("WSBENCH_OUT")
            .stdin(Stdio::null());
        command.output().expect("started")
    }

    fn wsbench(&self, arguments: &[&str]) -> Output {
        self.command(&[], arguments)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Refused with this code, in words that hold `parts`, without any result.
#[track_caller]
fn assert_refused(bench: &Bench, output: &Output, code: i32, parts: &[&str]) {
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    for part in parts {
        assert!(stderr.contains(part), "no {part}: {stderr}");
    }
    assert!(stderr.contains("error: "), "{stderr}");
    assert!(stderr.contains("\nhint: "), "{stderr}");
    assert!(!stderr.contains("s3cret"), "{stderr}");
    assert_eq!(text(&output.stdout), "");
    assert!(!bench.path("results").exists(), "nothing was run");
}

/// Accepts and is silent; counts whom it accepted.
fn count_connections() -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ws://{}/", listener.local_addr().expect("bound"));
    let seen = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&seen);
    std::thread::spawn(move || {
        // Kept open: a close would be an answer.
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            counter.fetch_add(1, Ordering::SeqCst);
            kept.push(stream);
        }
    });
    (url, seen)
}

#[test]
fn somebody_elses_target_is_not_pressed_without_a_yes() {
    let bench = Bench::new();
    bench.scenario(ELSEWHERE, 5_000, "");
    let question = ["5,000 clients", "1,000", "250 dials/s", "--yes"];
    let output = bench.wsbench(&["run", "x.toml"]);
    assert_refused(&bench, &output, 2, &question);
    // The check says so, and passes.
    let output = bench.wsbench(&["check", "x.toml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let plan = text(&output.stdout);
    for part in question {
        assert!(plan.contains(part), "{plan}");
    }
    assert!(plan.contains("1,000 dials/s, 10,000 messages/s, 10,000 clients"));
    // A name that leads to this machine is not somebody else's; with a yes, or fewer dials and
    // clients, the next question is whether anybody is there.
    let port = free_port();
    let url = format!("ws://elsewhere.test:{port}/");
    let here = format!("target.resolve=[\"elsewhere.test:{port}:127.0.0.1\"]");
    let run = ["run", "x.toml", "--target", &url, "--set", &here];
    assert_refused(&bench, &bench.wsbench(&run), 3, &["refused"]);
    bench.scenario(&format!("ws://{{{{text 3}}}}.invalid:{port}/"), 1_001, "");
    let run = ["run", "x.toml"];
    assert_refused(&bench, &bench.wsbench(&run), 2, &["--yes"]);
    let few = "load.stages=[ { duration = \"10s\", clients = 1000 } ]";
    for flags in [["--yes"].as_slice(), &["--set", few]] {
        let run = [run.as_slice(), flags].concat();
        assert_refused(&bench, &bench.wsbench(&run), 3, &["dns"]);
    }
}

#[test]
fn a_cap_is_not_passed_by_a_yes_but_by_its_flag() {
    let bench = Bench::new();
    let every = "[[session]]\n[[session.step]]\nevery = \"10ms\"\nsend = \"x\"\n";
    bench.scenario(ELSEWHERE, 20_000, every);
    let output = bench.wsbench(&["run", "x.toml", "--yes"]);
    let parts = [
        "2,000,000 messages/s (the limit is 10,000)",
        "20,000 clients (the limit is 10,000)",
        "--max-messages-per-s 2000000 --max-clients 20000",
    ];
    assert_refused(&bench, &output, 2, &parts);
    // A flag beats the scenario, and a scenario can be stricter than the default of loopback.
    let (url, seen) = count_connections();
    bench.scenario(&url, 20, "[limits]\nclients = 10\ndials_per_s = 7");
    let output = bench.wsbench(&["run", "x.toml"]);
    assert_refused(&bench, &output, 2, &["20 clients (the limit is 10)"]);
    let raised = ["check", "x.toml", "--max-clients", "1k"];
    let plan = text(&bench.wsbench(&raised).stdout);
    assert!(
        plan.contains("7 dials/s, any messages/s, 1,000 clients"),
        "{plan}"
    );
    assert!(!plan.contains("refused"), "{plan}");
    let output = bench.wsbench(&["run", "x.toml", "--max-clients", "0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--max-clients"));
    assert_eq!(seen.load(Ordering::SeqCst), 0);
}

#[test]
fn clients_beyond_the_descriptors_are_refused() {
    let bench = Bench::new();
    let (url, seen) = count_connections();
    bench.scenario(&url, 100, "");
    let limit = ["prlimit", "--nofile=64:64"];
    if !works(&limit) {
        return;
    }
    let output = bench.command(&limit, &["run", "x.toml"]);
    let parts = ["100 clients need 228 descriptors", "may open 64", "ulimit"];
    assert_refused(&bench, &output, 3, &parts);
    assert_eq!(seen.load(Ordering::SeqCst), 0);
}

#[test]
fn clients_beyond_the_ephemeral_ports_are_refused() {
    let bench = Bench::new();
    bench.scenario("ws://localhost:9/", 50, "");
    let script = "ip link set lo up && echo 40000 40020 > /proc/sys/net/ipv4/ip_local_port_range && \
                  echo 40003-40004 > /proc/sys/net/ipv4/ip_local_reserved_ports && exec \"$@\"";
    let namespace = ["unshare", "-rn", "sh", "-c", script, "sh"];
    if !works(&namespace) {
        return;
    }
    let output = bench.command(&namespace, &["run", "x.toml"]);
    let parts = ["50 ephemeral ports", "there are 19", "source_addresses"];
    assert_refused(&bench, &output, 3, &parts);
    // All of 127.0.0.0/8 is this machine: addresses are added, and the next thing is that nobody listens.
    let here = ["run", "x.toml", "--target", "ws://127.0.0.1:9/"];
    let parts = ["target unreachable", "refused"];
    assert_refused(&bench, &bench.command(&namespace, &here), 3, &parts);
    // With addresses enough for all the next thing is that nobody listens.
    let mut run = vec!["run", "x.toml"];
    for address in ["127.0.0.1", "127.0.0.2", "127.0.0.3"] {
        run.extend(["--source-address", address]);
    }
    let output = bench.command(&namespace, &run);
    assert_refused(&bench, &output, 3, &["target unreachable", "refused"]);
}

#[test]
fn a_target_that_nobody_reaches_ends_the_run_at_once() {
    let bench = Bench::new();
    let port = free_port();
    let (silent, _) = count_connections();
    let silent = silent.replace("ws://", "wss://");
    for (url, kind) in [
        (
            format!("ws://127.0.0.1:{port}/?token=hidden-s3cret"),
            "refused",
        ),
        ("ws://nowhere.invalid:1/".to_owned(), "dns"),
    ] {
        bench.scenario(&url, 5, "");
        let started = Instant::now();
        let output = bench.wsbench(&["run", "x.toml"]);
        assert_refused(
            &bench,
            &output,
            3,
            &["target unreachable", kind, "--no-test-dial"],
        );
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "no load was run"
        );
    }
    // It listens, but is silent: that can be measured.
    bench.scenario(&silent, 5, "");
    let short = short_load("x.toml");
    let output = bench.wsbench(&short);
    let stderr = text(&output.stderr);
    assert!(stderr.contains("warning: the test dial"), "{stderr}");
    assert!(bench.path("out/result.json").exists(), "{stderr}");
}

/// `run SCENARIO` with stages that last a moment.
fn short_load(scenario: &str) -> Vec<&str> {
    let set = "load.stages=[ { duration = \"100ms\", clients = 5 }, { duration = \"300ms\", clients = 5 } ]";
    let timeout = "target.connect_timeout=300ms";
    vec![
        "run",
        scenario,
        "--out",
        "out",
        "--set",
        set,
        "--set",
        timeout,
        "--set",
        "load.drain=0s",
    ]
}

#[test]
fn a_client_that_reconnects_may_find_the_target_later() {
    let bench = Bench::new();
    let retries = "[reconnect]\npolicy = \"fixed\"\ndelay = \"100ms\"\n";
    bench.scenario(&format!("ws://127.0.0.1:{}/", free_port()), 5, retries);
    let output = bench.wsbench(&short_load("x.toml"));
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "nothing connected: {stderr}");
    assert!(stderr.contains("warning: the test dial"), "{stderr}");
    assert!(bench.path("out/result.json").exists());
}

#[test]
fn a_target_that_answers_badly_is_measured_after_a_warning() {
    let bench = Bench::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ws://{}/", listener.local_addr().expect("bound"));
    std::thread::spawn(move || listener.incoming().flatten().for_each(refuse));
    bench.scenario(&url, 5, "");
    for (flag, expected) in [
        ("--verbose", true),
        ("--json", false),
        ("--quiet", false),
        ("--no-test-dial", false),
    ] {
        let mut run = short_load("x.toml");
        run.push(flag);
        let output = bench.wsbench(&run);
        let stderr = text(&output.stderr);
        assert_eq!(
            stderr.contains("http_status{503}"),
            expected,
            "{flag}: {stderr}"
        );
        let result = std::fs::read_to_string(bench.path("out/result.json")).expect("saved");
        let result: Value = serde_json::from_str(&result).expect("JSON");
        let attempted = |part: &Value| part["counters"]["connections_attempted"].as_u64();
        let all = attempted(&result).zip(attempted(&result["outside_measure"]));
        assert_eq!(
            all.map(|(a, b)| a + b),
            Some(5),
            "the test dial is not counted"
        );
        assert_eq!(result["limits"]["dials_per_s"], 50_000);
        assert_eq!(result["limits"]["clients"], Value::Null);
        if flag == "--verbose" {
            for fact in ["descriptors: ", "ports: 5 of ", "memory: about ", "cores: "] {
                assert!(stderr.contains(fact), "{fact}: {stderr}");
            }
        }
        std::fs::remove_dir_all(bench.path("out")).expect("gone");
    }
}

fn refuse(mut stream: TcpStream) {
    let _ = stream.read(&mut [0; 4096]);
    let _ = stream.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
}

/// Free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port()
}

/// Whether this machine lets us do that.
fn works(before: &[&str]) -> bool {
    let status = Command::new(before[0])
        .args(&before[1..])
        .arg("true")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}
