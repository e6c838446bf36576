//! Rows 7 and 9: scenarios of absurd size or depth, and headers that would inject.

use std::fmt::Write as _;
use std::time::Instant;

use super::bench::{Bench, finish, text};

const HEAD: &str = "name = \"x\"\n[target]\nurl = \"ws://127.0.0.1:1/\"\n";
const LOAD: &str = "[load]\nstages = [ { duration = \"1s\", clients = 1 } ]\n";

/// `wsbench check`: its exit code and what it said, within a generous time and 300 MB.
fn check(bench: &Bench, toml: &str) -> (Option<i32>, String) {
    std::fs::write(bench.path("x.toml"), toml).expect("written");
    let mut command = std::process::Command::new("prlimit");
    command
        .arg("--data=300000000")
        .arg(env!("CARGO_BIN_EXE_wsbench"));
    command.args(["check", "x.toml"]).current_dir(&bench.folder);
    let started = Instant::now();
    let output = finish(&mut command);
    let took = started.elapsed();
    assert!(took.as_secs() < 10, "{took:?}");
    println!("{took:?} for {} bytes", toml.len());
    (output.status.code(), text(&output.stderr))
}

#[test]
fn absurd_sizes_are_refused_with_the_limit() {
    if !super::sandbox::has("prlimit") {
        return;
    }
    let bench = Bench::new();
    let big = format!("{HEAD}{LOAD}# {}\n", "x".repeat(10 << 20));
    let (code, said) = check(&bench, &big);
    assert_eq!(code, Some(2), "{}", &said[..said.len().min(2_000)]);
    assert!(said.len() < 5_000, "{} bytes of message", said.len());
    let mut steps = format!("{HEAD}{LOAD}[[session]]\nname = \"s\"\n");
    for _ in 0..10_000 {
        steps += "[[session.step]]\nsend = \"x\"\n";
    }
    let (code, said) = check(&bench, &steps);
    assert!(
        matches!(code, Some(0 | 2)),
        "{code:?} {}",
        &said[..said.len().min(2_000)]
    );
    let mut deep = format!("{HEAD}{LOAD}[[session]]\nname = \"s\"\nstep = [ ");
    for _ in 0..10_000 {
        deep += "{ repeat = { steps = [ ";
    }
    let (code, said) = check(&bench, &deep);
    assert_eq!(code, Some(2), "{}", &said[..said.len().min(2_000)]);
    let arrays = format!("{HEAD}x = {}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(check(&bench, &arrays).0, Some(2));
    let mut dotted = format!("{HEAD}{LOAD}[");
    for index in 0..10_000 {
        let _ = write!(dotted, "{}a{index}", if index > 0 { "." } else { "" });
    }
    assert_eq!(check(&bench, &format!("{dotted}]\n")).0, Some(2));
}

#[test]
fn headers_that_would_inject_are_refused() {
    let bench = Bench::new();
    for header in [
        r#"X = "a\r\nInjected: 1""#,
        r#"X = "a\nb""#,
        r#""X\r\nY" = "a""#,
        r#"Sec-WebSocket-Key = "x""#,
        r#"sec-websocket-version = "8""#,
        r#"Upgrade = "h2c""#,
        r#"Content-Length = "5""#,
        r#"Host = "a", host = "b""#,
    ] {
        let toml = format!("{HEAD}headers = {{ {header} }}\n{LOAD}");
        let (code, said) = check(&bench, &toml);
        assert_eq!(code, Some(2), "{header}: {said}");
    }
}
