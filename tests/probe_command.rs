//! `wsbench probe` as a shell sees it: exit codes, stdout, stderr, signals, documents.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// No probe here takes longer; one that does is ended.
const PATIENCE: Duration = Duration::from_secs(30);

fn wsbench(arguments: &[&str]) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("wsbench"));
    command.args(arguments).env_remove("COLUMNS");
    command
}

fn output(arguments: &[&str]) -> Output {
    wsbench(arguments).output().expect("it starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// An echo server; ended when dropped.
struct Server(Child, String);

impl Server {
    fn start() -> Self {
        let mut command = wsbench(&["serve", "--listen", "127.0.0.1:0", "--threads", "1"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening on ");
        let url = format!("ws://{}/", address.expect("the promised line"));
        Self(child, url)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_cannot_be_asked_is_refused_with_what_to_write_instead() {
    let long: &[(&[&str], &str)] = &[
        (
            &["http://example.com/ws"],
            "hint: write ws://example.com/ws",
        ),
        (&["https://example.com/"], "hint: write wss://example.com/"),
        (
            &["example.com:80/ws?t=secret"],
            "hint: write ws://example.com:80/ws",
        ),
        (&["ws://u:secret@example.com/"], "Authorization"),
        (&["ws:///x"], "hint: give a URL like"),
        (&[], "<URL>"),
        (&["ws://x/", "--cert", "c.pem"], "--key"),
        (&["ws://x/", "--clients", "10001"], "10001"),
        (&["ws://x/", "--json", "--markdown"], "cannot be used with"),
        (&["ws://x/", "--proxy", "socks://x:1"], "http://HOST:PORT"),
        (&["ws://x/", "--resolve", "x"], "HOST:PORT:ADDRESS"),
        (&["--explain", "no-such-finding"], "no-such-finding"),
    ];
    for (arguments, expected) in long {
        let output = output(&[&["probe"], *arguments].concat());
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(expected), "{arguments:?}: {stderr}");
        assert!(!stderr.contains("secret"), "{stderr}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
    }
}

#[test]
fn a_file_that_cannot_be_read_keeps_it_from_probing() {
    let folder = tempfile::tempdir().expect("a folder");
    let no_pem = folder.path().join("no.pem");
    std::fs::write(&no_pem, "no certificate").expect("written");
    let no_pem = no_pem.to_str().expect("text");
    for arguments in [
        &["--ca", "no-such-file.pem"][..],
        &["--ca", no_pem],
        &["--cert", no_pem, "--key", no_pem],
    ] {
        let output = output(&[&["probe", "wss://127.0.0.1:1/"], arguments].concat());
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{arguments:?}: {stderr}");
        assert!(stderr.contains("hint: "), "{stderr}");
    }
}

#[test]
fn a_healthy_path_is_told_in_every_format() {
    let server = Server::start();
    let page = output(&["probe", &server.1]);
    let stdout = text(&page.stdout);
    assert_eq!(page.status.code(), Some(0), "{stdout}");
    assert_eq!(text(&page.stderr), "");
    let first = stdout.lines().next().expect("a line");
    assert!(first.ends_with("healthy"), "{first}");
    let markdown = output(&["probe", &server.1, "--markdown"]);
    assert_eq!(markdown.status.code(), Some(0));
    assert!(text(&markdown.stdout).starts_with("## `ws://"));
    let json = output(&["probe", &server.1, "--json"]);
    assert_eq!(json.status.code(), Some(0));
    let document: Value = serde_json::from_slice(&json.stdout).expect("JSON");
    assert_eq!(document["health"], "healthy");
    fits(&document);
}

#[test]
fn nobody_there_is_no_healthy_path() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("bound").port()
    };
    let output = output(&["probe", &format!("ws://127.0.0.1:{port}/"), "--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_ne!(document["health"], "healthy");
    assert_ne!(output.status.code(), Some(0));
    assert_eq!(document["seen"]["routes"][0]["fault"], "refused");
    fits(&document);
}

#[test]
fn a_run_to_which_nothing_connects_says_why() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("bound").port()
    };
    let url = format!("ws://127.0.0.1:{port}/?token=secret");
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let out = out.to_str().expect("text");
    let load = ["--clients", "2", "--duration", "1s", "--out", out];
    // Before the load, and after one that was tried all the same.
    for flags in [&[][..], &["--no-test-dial"]] {
        let output = output(&[&["run", &url], &load[..], flags].concat());
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{stderr}");
        let (_, advice) = stderr.split_once("probe: ").expect("advice");
        assert!(advice.contains("refuses"), "{advice}");
        assert!(
            advice.contains("`wsbench probe ws://127.0.0.1:"),
            "{advice}"
        );
        assert!(!advice.contains("secret"), "{advice}");
    }
}

/// Against the schema that the program prints.
fn fits(document: &Value) {
    let schema = output(&["schema", "--probe"]);
    let schema: Value = serde_json::from_slice(&schema.stdout).expect("JSON");
    let schema = jsonschema::validator_for(&schema).expect("the schema compiles");
    let errors = schema.iter_errors(document).map(|error| error.to_string());
    assert_eq!(errors.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn a_signal_ends_it_with_what_was_seen_so_far() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        // It takes connections and says nothing.
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("ws://{}/", listener.local_addr().expect("bound"));
        let mut child = wsbench(&["probe", &url, "--json", "--timeout", "60s"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        // The second connection carries the handshake.
        let _first = listener.accept().expect("the look at TCP");
        let (mut second, _) = listener.accept().expect("the handshake");
        second.read_exact(&mut [0; 16]).expect("a request");
        let pid = child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.expect("kill exists").success(), "it runs");
        assert_eq!(wait(&mut child), Some(code), "{signal}");
        let output = child.wait_with_output().expect("ended");
        let document: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(document["health"], "undecided");
        assert_eq!(document["interrupted"], true);
        assert_eq!(document["seen"]["routes"][0]["fault"], Value::Null);
        fits(&document);
    }
}

/// The exit code, once it has one.
fn wait(child: &mut Child) -> Option<i32> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait().expect("our child") {
            return status.code();
        }
        if started.elapsed() > PATIENCE {
            let _ = child.kill();
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_catalogue_is_printed_from_its_entries() {
    let list = output(&["probe", "--explain"]);
    assert_eq!(list.status.code(), Some(0));
    let list = text(&list.stdout);
    for entry in wsbench::probe::entry::all() {
        assert!(list.contains(entry.id), "{}", entry.id);
        let page = output(&["probe", "--explain", entry.id]);
        assert_eq!(page.status.code(), Some(0));
        let page = text(&page.stdout);
        for part in [entry.title, entry.expected, entry.causes[0].0] {
            assert!(page.contains(part), "{}: {part}", entry.id);
        }
        for fix in entry.fixes {
            for line in fix.snippet.lines() {
                assert!(page.contains(line), "{}: {line}", entry.id);
            }
        }
    }
}

#[test]
fn help_says_the_exit_codes() {
    let help = text(&output(&["probe", "--help"]).stdout);
    for words in [
        "0    healthy",
        "1    a fault",
        "4    undecided",
        "130  interrupted",
    ] {
        assert!(help.contains(words), "{words}");
    }
}
