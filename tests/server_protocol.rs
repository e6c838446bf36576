//! The reference server, byte by byte: what goes in, what must come out, and that FIN follows.

mod server_plan;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use server_plan::{ANSWER, REQUEST, frame};
use wsbench::scenario::{Behaviour, ServerPlan};
use wsbench::server::{Running, Server};

fn start(plan: ServerPlan) -> Running {
    Server::start(plan, SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port")
}

/// Sends all, reads until FIN; an RST is a failure of the test.
fn exchange(server: &Running, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.address()).expect("it listens");
    let limit = Some(Duration::from_secs(20));
    stream.set_read_timeout(limit).expect("a valid limit");
    stream.write_all(bytes).expect("the server reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("FIN, not RST");
    answer
}

/// What comes after a correct upgrade.
fn converse(server: &Running, frames: &[u8]) -> Vec<u8> {
    let answer = exchange(server, &[REQUEST.as_bytes(), frames].concat());
    let rest = answer.strip_prefix(ANSWER.as_bytes());
    rest.expect("the RFC's answer, byte for byte").to_vec()
}

fn close(code: u16, reason: &str) -> Vec<u8> {
    let head = [0x88, 2 + reason.len() as u8];
    [&head, &code.to_be_bytes()[..], reason.as_bytes()].concat()
}

#[test]
fn frames_right_behind_the_request_are_answered_in_order() {
    let server = start(ServerPlan::plain(Behaviour::Echo));
    let sent = [
        frame(0x81, b"one"),
        frame(0x82, b"\x00two"),
        frame(0x89, b"are you there"),
        frame(0x81, b"ping"),
        frame(0x01, b"fr"),
        frame(0x89, b""),
        frame(0x80, b"ag"),
        frame(0x88, b"\x03\xe8bye"),
        frame(0x81, b"after the end"),
    ]
    .concat();
    let expected = [
        b"\x81\x03one".as_slice(),
        b"\x82\x04\x00two",
        b"\x8a\x0dare you there",
        b"\x81\x04pong",
        b"\x8a\x00",
        b"\x81\x04frag",
        b"\x88\x02\x03\xe8",
    ]
    .concat();
    assert_eq!(converse(&server, &sent), expected);
    let totals = server.stop();
    assert_eq!(totals.messages_received, 4);
    assert_eq!(totals.messages_sent, 4);
    assert_eq!((totals.upgrades, totals.closed), (1, 1));
    assert_eq!(totals.bytes_sent, expected.len() as u64);
    assert_eq!(totals.bytes_received, sent.len() as u64);
}

#[test]
fn every_violation_is_answered_with_its_code_and_then_fin() {
    let server = start(ServerPlan {
        max_message: 50,
        max_frame: 40,
        ..ServerPlan::plain(Behaviour::Echo)
    });
    let long = [frame(0x02, &[0; 40]), frame(0x80, &[0; 40])].concat();
    let unmasked = b"\x81\x02hi".to_vec();
    for (name, bytes, code) in [
        ("a reserved bit", frame(0xc1, b""), 1002),
        ("a reserved opcode", frame(0x83, b""), 1002),
        ("no mask", unmasked, 1002),
        ("a fragmented ping", frame(0x09, b""), 1002),
        ("a stray continuation", frame(0x80, b""), 1002),
        ("a close of one byte", frame(0x88, b"\x03"), 1002),
        ("a forbidden code", frame(0x88, b"\x03\xed"), 1002),
        ("text that is none", frame(0x81, b"\xff"), 1007),
        ("a reason that is none", frame(0x88, b"\x03\xe8\xff"), 1007),
        ("a frame too large", frame(0x82, &[0; 41]), 1009),
        ("a message too large", long, 1009),
    ] {
        // The echo before it and bytes nobody reads after it must not cost the close frame.
        let sent = [frame(0x81, b"ok"), bytes, vec![0x55; 4 << 20]].concat();
        let came = converse(&server, &sent);
        assert!(came.starts_with(b"\x81\x02ok\x88"), "{name}: {came:02x?}");
        assert_eq!(came[6..8], u16::to_be_bytes(code), "{name}: {came:02x?}");
        assert_eq!(came.len(), 6 + usize::from(came[5]), "{name}: a last frame");
    }
}

#[test]
fn a_bad_handshake_is_answered_in_words() {
    let server = start(ServerPlan::plain(Behaviour::Echo));
    for (from, to, status, explanation) in [
        ("GET", "POST", "405 Method Not Allowed", "GET"),
        (
            "Upgrade: websocket\r\n",
            "",
            "426 Upgrade Required",
            "proxy",
        ),
        ("Version: 13", "Version: 7", "426 Upgrade Required", "13"),
        ("Key: dGhl", "Key: dGh", "400 Bad Request", "16 bytes"),
        ("Host: localhost\r\n", "", "400 Bad Request", "Host"),
        ("GET / HTTP/1.1", "\u{1}", "400 Bad Request", "HTTP"),
        ("GET", "\u{16}\u{3}\u{1}", "400 Bad Request", "wss://"),
    ] {
        let body = "x".repeat(100_000);
        let request = REQUEST.replacen(from, to, 1) + &body;
        let answer = String::from_utf8(exchange(&server, request.as_bytes())).expect("text");
        let (head, text) = answer.split_once("\r\n\r\n").expect("a whole answer");
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status}\r\n")),
            "{answer}"
        );
        assert!(
            head.contains(&format!("Content-Length: {}", text.len())),
            "{answer}"
        );
        assert!(text.contains(explanation), "{answer}");
        let names_version = head.contains("\r\nSec-WebSocket-Version: 13");
        assert_eq!(names_version, status.starts_with("426"), "{answer}");
    }
    assert_eq!(server.stop().refused, 7);
}

#[test]
fn admission_is_refused_before_or_after_the_upgrade() {
    let server = start(ServerPlan {
        token: Some("secret".to_owned()),
        origins: vec!["https://a.example".to_owned()],
        subprotocols: vec!["v1".to_owned()],
        ..ServerPlan::plain(Behaviour::Echo)
    });
    let forbidden = exchange(&server, REQUEST.as_bytes());
    assert!(forbidden.starts_with(b"HTTP/1.1 403 Forbidden\r\n"));
    let with = |lines: &str| REQUEST.replacen("Host", &format!("{lines}Host"), 1);
    let origin = with("Origin: https://a.example\r\nAuthorization: Bearer wrong\r\n");
    let bye = frame(0x88, b"\x0f\xa1");
    let closed = exchange(&server, &[origin.as_bytes(), &bye].concat());
    assert_eq!(
        closed.strip_prefix(ANSWER.as_bytes()),
        Some(&close(4001, "Invalid token")[..])
    );
    let welcome = with(
        "Origin: https://a.example\r\nAuthorization: bearer secret\r\n\
         Sec-WebSocket-Protocol: v0, v1\r\n",
    );
    let opened = exchange(&server, &[welcome.as_bytes(), &bye].concat());
    let opened = String::from_utf8_lossy(&opened).into_owned();
    assert!(
        opened.contains("\r\nSec-WebSocket-Protocol: v1\r\n\r\n"),
        "{opened}"
    );
}

#[test]
fn a_full_server_says_when_to_come_back() {
    let server = start(ServerPlan {
        max_connections: Some(1),
        greeting: Some("welcome".to_owned()),
        ..ServerPlan::plain(Behaviour::Echo)
    });
    let mut first = TcpStream::connect(server.address()).expect("it listens");
    first
        .write_all(REQUEST.as_bytes())
        .expect("the server reads");
    let mut answer = vec![0; ANSWER.len() + 9];
    first.read_exact(&mut answer).expect("101 and the greeting");
    assert!(answer.ends_with(b"\x81\x07welcome"));
    let refused = String::from_utf8(exchange(&server, REQUEST.as_bytes())).expect("text");
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(refused.contains("\r\nRetry-After: 1\r\n"), "{refused}");
    first
        .write_all(&frame(0x88, b""))
        .expect("the server reads");
    let mut rest = Vec::new();
    first.read_to_end(&mut rest).expect("FIN");
    assert_eq!(rest, b"\x88\x00");
    drop(first);
    while server.totals().open() > 0 {
        std::thread::yield_now();
    }
    assert!(converse(&server, &frame(0x88, b"")).ends_with(b"\x88\x00"));
}

#[test]
fn a_half_closed_client_still_gets_its_answers() {
    let server = start(ServerPlan::plain(Behaviour::Ack));
    let mut stream = TcpStream::connect(server.address()).expect("it listens");
    let sent = [REQUEST.as_bytes(), &frame(0x81, br#"{"id":"x"}"#)].concat();
    stream.write_all(&sent).expect("the server reads");
    stream.shutdown(Shutdown::Write).expect("open");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("FIN, not RST");
    assert!(answer.ends_with(br#"{"ack":"x"}"#));
}

#[test]
fn a_peer_that_does_not_answer_pings_is_reset() {
    let server = start(ServerPlan {
        ping_interval: Some(Duration::from_millis(20)),
        ..ServerPlan::plain(Behaviour::Echo)
    });
    let mut stream = TcpStream::connect(server.address()).expect("it listens");
    stream
        .write_all(REQUEST.as_bytes())
        .expect("the server reads");
    let mut answer = Vec::new();
    let end = stream.read_to_end(&mut answer).expect_err("RST, not FIN");
    assert_eq!(end.kind(), ErrorKind::ConnectionReset);
    assert_eq!(
        answer.strip_prefix(ANSWER.as_bytes()),
        Some(&b"\x89\x00"[..])
    );
}
