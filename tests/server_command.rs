//! `wsbench serve` as a shell sees it: its line on stdout, its ends, its exit codes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

fn serve(arguments: &[&str]) -> (Child, String) {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("wsbench"))
        .args(["serve", "--listen", "127.0.0.1:0"])
        .args(arguments)
        .env("WSBENCH_SERVER_TOKEN", "from-the-environment")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("piped");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let address = line.trim().strip_prefix("listening on ");
    let address = address.expect("the promised line").to_owned();
    (child, address)
}

fn code(mut child: Child) -> Option<i32> {
    child.wait().expect("it ends").code()
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-s", name, &pid]).status();
    assert!(sent.expect("kill exists").success(), "it runs");
}

#[test]
fn signals_end_it_with_their_exit_codes() {
    for (kind, expected) in [("INT", 130), ("TERM", 143)] {
        let (child, _) = serve(&[]);
        signal(&child, kind);
        assert_eq!(code(child), Some(expected), "{kind}");
    }
}

#[test]
fn a_child_of_run_ends_with_its_stdin_and_not_with_ctrl_c() {
    let (mut child, address) = serve(&["--stop-on-stdin-eof"]);
    signal(&child, "INT");
    let mut stream = TcpStream::connect(address).expect("it still listens");
    let request = "GET /?token=from-the-environment HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = [0; 13];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 101 ");
    drop(child.stdin.take());
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("FIN, not RST");
    assert!(
        rest.ends_with(b"\x88\x0c\x03\xe9going away"),
        "no token, no 4001"
    );
    drop(stream);
    assert_eq!(code(child), Some(0));
}

#[test]
fn a_taken_port_could_not_be_run() {
    let (first, address) = serve(&[]);
    let output = Command::new(assert_cmd::cargo::cargo_bin!("wsbench"))
        .args(["serve", "--threads", "1", "--listen", &address])
        .output()
        .expect("it starts");
    signal(&first, "TERM");
    assert_eq!(code(first), Some(143));
    assert_eq!(output.status.code(), Some(3));
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert!(stderr.contains("hint: another address"), "{stderr}");
}
