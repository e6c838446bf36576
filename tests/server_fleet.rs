//! `wsbench serve --processes N` as a shell sees it: several processes on one port are one server.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Far more than anything here takes; a test that waits so long has failed.
const LONG: Duration = Duration::from_secs(30);
/// Connections: that one of three processes gets none of them happens once in ten billion times.
const MANY: usize = 60;

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// A text "hi", masked with zeros, and its echo.
const HI: &[u8] = b"\x81\x82\0\0\0\0hi";
const ECHO: &[u8] = b"\x81\x02hi";

fn command(arguments: &[&str]) -> Command {
    let command = Command::new(assert_cmd::cargo::cargo_bin!("wsbench"));
    piped(command, arguments)
}

/// With so many descriptors for each process.
fn limited(descriptors: usize, arguments: &[&str]) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "ulimit -n \"$1\"; shift; exec \"$@\"", "sh"])
        .arg(descriptors.to_string())
        .arg(assert_cmd::cargo::cargo_bin!("wsbench"));
    piped(shell, arguments)
}

fn piped(mut command: Command, arguments: &[&str]) -> Command {
    command
        .args(["serve", "--stop-on-stdin-eof", "--control"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A server of several processes.
struct Fleet {
    parent: Child,
    answers: BufReader<ChildStdout>,
    address: String,
    children: BTreeSet<u32>,
}

impl Fleet {
    fn start(processes: usize) -> Self {
        let processes = format!("--processes={processes}");
        Self::spawn(command(&["--listen=127.0.0.1:0", &processes]))
    }

    fn spawn(mut command: Command) -> Self {
        let mut parent = command.spawn().expect("it starts");
        let mut answers = BufReader::new(parent.stdout.take().expect("piped"));
        let mut line = String::new();
        answers.read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening on ");
        let address = address.expect("the promised line").to_owned();
        let children = children(parent.id());
        Self {
            parent,
            answers,
            address,
            children,
        }
    }

    fn ask(&mut self, order: &str) -> Value {
        let stdin = self.parent.stdin.as_mut().expect("not closed");
        writeln!(stdin, "{order}").expect("it reads");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("an answer");
        serde_json::from_str(&line).expect("JSON")
    }

    /// A count, once it is what is expected: an answer may be out before it is counted.
    fn count(&mut self, name: &str, expected: u64) {
        let start = Instant::now();
        loop {
            let totals = self.ask(r#"{"do":"totals"}"#);
            if totals[name] == expected {
                return;
            }
            assert!(start.elapsed() < LONG, "{name} is not {expected}: {totals}");
        }
    }

    fn until_it_counts(&mut self) {
        let start = Instant::now();
        while self.ask(r#"{"do":"totals"}"#)["answer"] != "totals" {
            assert!(start.elapsed() < LONG, "it does not count");
        }
    }

    fn closed(&mut self) -> u64 {
        let totals = self.ask(r#"{"do":"totals"}"#);
        totals["closed"].as_u64().expect("a count")
    }

    fn connect(&self) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(LONG)).expect("a socket");
        stream.write_all(REQUEST.as_bytes()).expect("it reads");
        let mut answer = Vec::new();
        let mut byte = [0];
        while !answer.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).expect("an answer");
            answer.push(byte[0]);
        }
        assert!(answer.starts_with(b"HTTP/1.1 101 "), "{answer:?}");
        stream
    }

    fn connect_many(&self) -> Vec<TcpStream> {
        (0..MANY).map(|_| self.connect()).collect()
    }

    /// How it ended, and what it said.
    fn wait(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        let mut stderr = self.parent.stderr.take().expect("piped");
        stderr.read_to_string(&mut said).expect("text");
        let status = self.parent.wait().expect("it ends");
        for child in &self.children {
            let start = Instant::now();
            while is_there(*child) {
                assert!(start.elapsed() < LONG, "process {child} is still there");
                std::thread::yield_now();
            }
        }
        (status.code(), said)
    }
}

fn children(parent: u32) -> BTreeSet<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let mut text = std::fs::read_to_string(path).unwrap_or_default();
    if text.is_empty() {
        // A kernel without that file.
        let parent = parent.to_string();
        let listed = Command::new("pgrep").args(["-P", &parent]).output();
        text = String::from_utf8(listed.expect("pgrep exists").stdout).expect("text");
    }
    let pids = text.split_whitespace().map(|pid| pid.parse());
    pids.collect::<Result<_, _>>().expect("numbers")
}

fn is_there(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    // Z: its parent has gone, and nobody has asked for its status yet.
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

/// Sockets that a process holds: its listeners and its connections.
fn sockets(pid: u32) -> usize {
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs");
    let links = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    let is_socket = |link: &std::path::PathBuf| link.to_string_lossy().starts_with("socket:");
    links.filter(is_socket).count()
}

fn signal(pid: u32, name: &str) {
    let pid = pid.to_string();
    let sent = Command::new("kill").args(["-s", name, &pid]).status();
    assert!(sent.expect("kill exists").success(), "it runs");
}

/// Whether a stream has ended, within the time given.
fn has_ended(mut stream: &TcpStream) -> bool {
    let mut bytes = [0; 64];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}

#[test]
fn connections_are_dealt_to_all_and_counted_together() {
    let mut fleet = Fleet::start(3);
    assert_eq!(fleet.children.len(), 3);
    let before: Vec<usize> = fleet.children.iter().map(|pid| sockets(*pid)).collect();
    let mut streams = fleet.connect_many();
    for stream in &mut streams {
        stream.write_all(HI).expect("open");
        let mut echo = [0; 4];
        stream.read_exact(&mut echo).expect("an echo");
        assert_eq!(echo, ECHO);
    }
    fleet.count("upgrades", MANY as u64);
    fleet.count("messages_received", MANY as u64);
    fleet.count("closed", 0);
    let after = fleet.children.iter().map(|pid| sockets(*pid));
    let held: Vec<usize> = after.zip(&before).map(|(now, then)| now - then).collect();
    assert_eq!(held.iter().sum::<usize>(), MANY, "{held:?}");
    assert!(held.iter().all(|held| *held > 0), "{held:?}");
    let load = fleet.ask(r#"{"do":"load"}"#);
    let processes = load["processes"].as_array().expect("a list");
    assert_eq!(processes.len(), 3, "{load}");
    assert!(
        processes
            .iter()
            .all(|p| p["threads"].as_array().is_some_and(|t| !t.is_empty()))
    );
    drop(fleet.parent.stdin.take());
    for mut stream in streams {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("FIN, not RST");
        assert!(rest.ends_with(b"\x88\x0c\x03\xe9going away"), "{rest:?}");
    }
    assert_eq!(fleet.wait(), (Some(0), String::new()));
}

/// Why there are several at all. A process holds about twenty descriptors of its own.
#[test]
fn together_they_hold_more_connections_than_one_has_descriptors() {
    let arguments = ["--listen=127.0.0.1:0", "--processes=3", "--threads=3"];
    let mut fleet = Fleet::spawn(limited(100, &arguments));
    // 50 each, and 30 more are five standard deviations.
    let streams: Vec<_> = (0..150).map(|_| fleet.connect()).collect();
    fleet.count("upgrades", 150);
    fleet.count("closed", 0);
    fleet.count("descriptor_shortages", 0);
    drop(streams);
}

#[test]
fn a_process_that_ends_ends_the_server_and_is_named() {
    let fleet = Fleet::start(3);
    let streams = fleet.connect_many();
    let victim = *fleet.children.iter().nth(1).expect("three");
    signal(victim, "KILL");
    for stream in &streams {
        assert!(has_ended(stream));
    }
    let (code, said) = fleet.wait();
    assert_eq!(code, Some(3), "{said}");
    let named = format!("of 3 (pid {victim}) of the server ended: signal: 9 (SIGKILL)");
    assert!(said.contains(&named), "{said}");
    assert!(said.contains("\nhint: "), "{said}");
}

#[test]
fn a_signal_to_the_parent_ends_all_in_order() {
    let fleet = Fleet::start(2);
    let streams = fleet.connect_many();
    signal(fleet.parent.id(), "TERM");
    for mut stream in streams {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("FIN, not RST");
        assert!(rest.ends_with(b"\x88\x0c\x03\xe9going away"), "{rest:?}");
    }
    assert_eq!(fleet.wait(), (Some(143), String::new()));
}

#[test]
fn processes_end_when_their_parent_is_killed() {
    let fleet = Fleet::start(2);
    let streams = fleet.connect_many();
    signal(fleet.parent.id(), "KILL");
    for stream in &streams {
        assert!(has_ended(stream));
    }
    assert_eq!(fleet.wait(), (None, String::new()));
}

#[test]
fn faults_reach_the_connections_of_all_processes() {
    let mut fleet = Fleet::start(3);
    let streams = fleet.connect_many();
    fleet.count("upgrades", MANY as u64);
    let start = r#"{"do":"start","id":1,"fault":"drop_connections,share=0.5"}"#;
    assert_eq!(fleet.ask(start)["answer"], "done");
    // Whom it hits is drawn by numbers, and which process gives whom which number is chance: of 60, 30
    // are expected, and five standard deviations are 20.
    let began = Instant::now();
    while fleet.closed() < 10 {
        assert!(began.elapsed() < LONG, "a half is hit");
    }
    assert!(fleet.closed() <= 50, "not more");
    let end = r#"{"do":"start","id":2,"fault":"drop_connections,ending=close"}"#;
    assert_eq!(fleet.ask(end)["answer"], "done");
    for stream in &streams {
        assert!(has_ended(stream), "all of them");
    }
    fleet.count("closed", MANY as u64);
    // Known in every process, so refused by all.
    let freeze = r#"{"do":"start","id":3,"fault":"drop_pongs"}"#;
    assert_eq!(fleet.ask(freeze)["answer"], "done");
    assert_eq!(fleet.ask(freeze)["answer"], "error");
    assert_eq!(fleet.ask(r#"{"do":"end","id":3}"#)["answer"], "done");
    assert_eq!(fleet.ask(freeze)["answer"], "done");
}

/// A signal is sent at once and obeyed a little later: until then the process may still answer.
fn until_stopped(pid: u32) {
    let began = Instant::now();
    let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may hold anything; the state follows it.
    while !state()
        .rsplit(") ")
        .next()
        .is_some_and(|rest| rest.starts_with('T'))
    {
        assert!(began.elapsed() < LONG, "it stops");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_fault_that_not_all_can_do_is_done_by_none() {
    let mut fleet = Fleet::start(3);
    let sleeper = *fleet.children.iter().nth(1).expect("three");
    signal(sleeper, "STOP");
    until_stopped(sleeper);
    let start = r#"{"do":"start","id":1,"fault":"drop_replies"}"#;
    let answer = fleet.ask(start);
    assert_eq!(answer["answer"], "error", "{answer}");
    let error = answer["error"].as_str().expect("text").to_owned();
    let named = format!("of 3 (pid {sleeper}): no answer in time");
    assert!(error.contains(&named), "{error}");
    assert_eq!(fleet.ask(r#"{"do":"totals"}"#)["answer"], "error");
    signal(sleeper, "CONT");
    fleet.until_it_counts();
    // Were it active anywhere, its number would be taken there.
    assert_eq!(fleet.ask(start)["answer"], "done");
}

#[test]
fn a_restart_drops_all_and_lets_all_in_again() {
    let mut fleet = Fleet::start(2);
    let streams = fleet.connect_many();
    let restart = r#"{"do":"start","id":1,"fault":"restart_server","duration":"300ms"}"#;
    assert_eq!(fleet.ask(restart)["answer"], "done");
    for stream in &streams {
        assert!(has_ended(stream));
    }
    let start = Instant::now();
    while TcpStream::connect(&fleet.address).is_err() {
        assert!(start.elapsed() < LONG, "the door stays shut");
        std::thread::yield_now();
    }
    let again = fleet.connect_many();
    assert_eq!(again.len(), MANY);
    fleet.count("upgrades", 2 * MANY as u64);
    fleet.count("listen_failures", 0);
}

#[test]
fn what_needs_one_process_is_refused() {
    for arguments in [
        &["--behaviour=chat"][..],
        &["--behaviour=broadcast"],
        &["--max-connections=5"],
        &["--stall=1s", "--stall-every=5s"],
        &["--fault=backlog,connections=3"],
        &["--fault=backlog,connections=3,at=5s"],
    ] {
        let listen = ["--listen=127.0.0.1:0", "--processes=2"];
        let output = command(&listen).args(arguments).output().expect("it runs");
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(
            said.starts_with("error: --processes is above 1, but "),
            "{said}"
        );
        assert!(said.contains("\nhint: use one process, or "), "{said}");
        assert!(output.stdout.is_empty(), "it never listened");
    }
}

#[test]
fn a_port_in_use_could_not_be_run() {
    let fleet = Fleet::start(2);
    let listen = format!("--listen={}", fleet.address);
    for processes in ["--processes=1", "--processes=2"] {
        let output = command(&[&listen, processes]).output().expect("it runs");
        let said = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains("hint: another address"), "{said}");
    }
}
