//! Faults of the server that only a real socket shows: restarts, refusals, stalls, slow accepts.

mod server_plan;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use server_plan::{REQUEST, frame};
use wsbench::scenario::{Behaviour, ServerPlan};
use wsbench::server::{Running, Server};

/// No wait here takes longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Below the ports that systems give to clients: while nothing listens there, nobody else does.
fn start(threads: u16, first_port: u16) -> Running {
    let plan = ServerPlan {
        threads: Some(threads),
        ..ServerPlan::plain(Behaviour::Echo)
    };
    let ports = first_port..first_port + 100;
    let mut free = ports.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    let port = free.next().expect("one of a hundred ports is free");
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    Server::start(plan, address).expect("a free port")
}

fn begin(server: &Running, id: u64, fault: &str, duration: Option<Duration>) {
    let plan = fault.parse().expect(fault);
    server.start_fault(id, plan, duration).expect("room");
}

/// Asks for an upgrade; the stream and the answer's head.
fn ask(server: &Running) -> std::io::Result<(TcpStream, String)> {
    let mut stream = TcpStream::connect(server.address())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(REQUEST.as_bytes())?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok((stream, String::from_utf8_lossy(&head).into_owned()))
}

fn open(server: &Running) -> TcpStream {
    let (stream, head) = ask(server).expect("it serves");
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    stream
}

fn echoes(stream: &mut TcpStream) -> bool {
    let mut reply = [0; 3];
    stream.write_all(&frame(0x81, b"x")).is_ok()
        && stream.read_exact(&mut reply).is_ok()
        && reply == *b"\x81\x01x"
}

#[test]
fn a_restart_drops_everybody_refuses_and_comes_back() {
    for (threads, port) in [(1, 21_000), (2, 21_100)] {
        let server = start(threads, port);
        let mut streams: Vec<TcpStream> = (0..8).map(|_| open(&server)).collect();
        begin(
            &server,
            1,
            "restart_server",
            Some(Duration::from_millis(500)),
        );
        for stream in &mut streams {
            let error = stream.read(&mut [0; 8]).expect_err("RST, not FIN");
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
        let waited = Instant::now();
        let mut refused = 0;
        let mut again = loop {
            match ask(&server) {
                Ok((stream, _)) => break stream,
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => refused += 1,
                Err(_) => {}
            }
            assert!(waited.elapsed() < PATIENCE, "it does not come back");
            std::thread::sleep(Duration::from_millis(5));
        };
        assert!(refused > 0, "nothing listens in between");
        assert!(echoes(&mut again));
        assert_eq!(server.totals().listen_failures, 0);
    }
}

#[test]
fn a_restart_ends_early_when_it_is_told_to() {
    let server = start(1, 21_200);
    begin(
        &server,
        1,
        "restart_server",
        Some(Duration::from_secs(3_600)),
    );
    let refused = Instant::now();
    while TcpStream::connect(server.address()).is_ok() {
        assert!(refused.elapsed() < PATIENCE, "it goes on listening");
    }
    server.end_fault(1).expect("room");
    let back = Instant::now();
    while TcpStream::connect(server.address()).is_err() {
        assert!(back.elapsed() < PATIENCE, "it does not come back");
    }
}

#[test]
fn upgrades_are_refused_with_a_time_to_come_again() {
    let server = start(1, 21_300);
    begin(&server, 1, "refuse,status=429,retry_after=1500ms", None);
    let waited = Instant::now();
    let head = loop {
        let (_, head) = ask(&server).expect("an answer");
        if !head.starts_with("HTTP/1.1 101 ") {
            break head;
        }
        assert!(waited.elapsed() < PATIENCE, "not refused");
    };
    assert!(
        head.starts_with("HTTP/1.1 429 Too Many Requests\r\n"),
        "{head}"
    );
    assert!(
        head.contains("\r\nRetry-After: 2\r\n"),
        "whole seconds: {head}"
    );
}

/// The stall takes its own end while it lasts, and the end of the server.
#[test]
fn a_stalled_server_answers_nobody_until_it_is_ended() {
    let server = start(2, 21_400);
    let mut stream = open(&server);
    begin(&server, 1, "stall_server", Some(Duration::from_secs(3_600)));
    let waited = Instant::now();
    stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .expect("set");
    while echoes(&mut stream) {
        assert!(waited.elapsed() < PATIENCE, "not stalled");
    }
    server.end_fault(1).expect("room");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    let mut reply = [0; 3];
    stream.read_exact(&mut reply).expect("late, but it comes");
    begin(&server, 2, "stall_server", Some(Duration::from_secs(3_600)));
    server.stop();
}

#[test]
fn accepts_are_paced() {
    let server = start(1, 21_500);
    begin(&server, 1, "accept_rate,per_s=20", None);
    // Two: one may have been accepted before the order was taken, one is let in at once.
    let first = (open(&server), open(&server));
    let started = Instant::now();
    let later: Vec<TcpStream> = (0..10).map(|_| open(&server)).collect();
    // 10 at 20/s: half a second, less what was saved up for the first of them.
    assert!(
        started.elapsed() >= Duration::from_millis(400),
        "{:?}",
        started.elapsed()
    );
    drop((first, later));
}

/// A queue of one: with accepts all but stopped, a few connections fill it and the rest wait in
/// silence (Linux drops their SYNs).
#[test]
fn a_short_queue_overflows_and_is_long_again_afterwards() {
    let server = start(1, 21_600);
    begin(&server, 1, "accept_rate,per_s=0.001", None);
    begin(&server, 2, "backlog,connections=1", None);
    // The first takes the one accept; what follows stays in the queue.
    let _first = TcpStream::connect(server.address()).expect("accepted");
    std::thread::sleep(Duration::from_millis(100));
    let address = server.address();
    let short = Duration::from_millis(200);
    let tries = |count: usize| -> Vec<_> {
        (0..count)
            .filter_map(|_| TcpStream::connect_timeout(&address, short).ok())
            .collect()
    };
    let held = tries(6);
    assert!(held.len() < 6, "the queue holds {} connections", held.len());
    server.end_fault(2).expect("room");
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(tries(6).len(), 6, "as long as before");
}
