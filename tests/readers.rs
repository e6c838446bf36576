//! Results read by other people's programs: pandas for the CSV files, the HdrHistogram package of
//! Python for the log. Skipped, with a message, where they are not installed; CI installs them and
//! names their Python in WSBENCH_TEST_PYTHON.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use wsbench::wire::accept_key;

/// A reason that would be a formula, and would end its cell and its line.
const REASON: &str = "=cmd|'/c calc'!A1,\"x\"\r\n;\u{202e}";
/// What `read.py` says when a package is missing.
const MISSING: i32 = 77;

const HEAD: &str = r#"
[load]
warm_up = "300ms"
drain = "1s"
stages = [ { duration = "200ms", clients = 30 }, { duration = "SECONDS", clients = 30 } ]
[validity]
schedule_lag_p99 = "60s"
busy = "100%"
[heartbeat]
interval = "500ms"
timeout = "400ms"
[reconnect]
policy = "fixed"
delay = "200ms"
[[session]]
name = "echo"
[[session.step]]
every = "50ms"
send = "{{client}}-{{seq}}"
reply = { echo = true, timeout = "800ms" }
"#;

/// Runs a scenario into `folder` and has its results read.
fn run_and_read(folder: &Path, start: &str, end: &str, seconds: &str) {
    let scenario = [start, &HEAD.replace("SECONDS", seconds), end].concat();
    std::fs::write(folder.join("x.toml"), scenario).expect("written");
    let mut run = Command::new(env!("CARGO_BIN_EXE_wsbench"));
    run.current_dir(folder);
    run.args(["run", "x.toml", "--quiet", "--no-test-dial", "--out", "out"]);
    run.status().expect("started");
    let python = std::env::var("WSBENCH_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers/read.py");
    let read = Command::new(&python)
        .arg(script)
        .arg(folder.join("out"))
        .output();
    let Ok(read) = read else {
        println!("skipped: {python} is not installed");
        return;
    };
    let told = String::from_utf8_lossy(&read.stdout);
    let error = String::from_utf8_lossy(&read.stderr);
    if read.status.code() == Some(MISSING) {
        println!("skipped: {told}");
        return;
    }
    assert!(read.status.success(), "{told}{error}");
    println!("{told}");
}

#[test]
fn a_run_with_a_storm_is_read_by_others() {
    let folder = tempfile::tempdir().expect("a folder");
    // Below those that systems give to clients: while the server is away, one could get it.
    let mut ports = 28_100..28_300;
    let port = ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    let port = port.expect("one of two hundred ports is free");
    let start = format!("name = \"storm\"\n[target]\nurl = \"ws://127.0.0.1:{port}/\"\n[server]\n");
    let fault = "[[fault]]\nat = \"1s\"\nkind = \"restart_server\"\nduration = \"700ms\"\n";
    run_and_read(folder.path(), &start, fault, "5s");
    let storms = std::fs::read_to_string(folder.path().join("out/storms.csv")).expect("saved");
    assert_eq!(storms.lines().count(), 2, "{storms}");
}

#[test]
fn what_a_server_says_cannot_break_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            std::thread::spawn(move || insult(stream));
        }
    });
    let start = format!("name = \"hostile\"\n[target]\nurl = \"ws://{address}/\"\n");
    run_and_read(folder.path(), &start, "", "1s");
    let failures = std::fs::read_to_string(folder.path().join("out/failures.csv")).expect("saved");
    assert!(failures.contains("close_code{4000}"), "{failures}");
}

/// Upgrades, hears a message, and closes with the reason.
fn insult(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(std::time::Duration::from_secs(5)))?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let key = head
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
    let accept = accept_key(key.unwrap_or_default());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    );
    stream.write_all(answer.as_bytes())?;
    // A message came.
    stream.read_exact(&mut byte)?;
    let length = u8::try_from(2 + REASON.len()).expect("short");
    let mut bytes = vec![0x88, length];
    bytes.extend(4_000_u16.to_be_bytes());
    bytes.extend(REASON.as_bytes());
    stream.write_all(&bytes)?;
    // Until the client has answered, or gone.
    while stream.read(&mut byte)? > 0 {}
    Ok(())
}
