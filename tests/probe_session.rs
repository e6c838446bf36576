//! `wsbench probe` against small servers that do one thing wrong, with hand-written frames.
//!
//! What is asserted is which findings come and in which order, never how long anything took.

mod probe_peer;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use probe_peer::{frame, good, look, read, request, settings};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use wsbench::probe;
use wsbench::probe::seen::{Reply, Seen, StepKind};

fn close(code: u16, reason: &str) -> Vec<u8> {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(reason.as_bytes());
    frame(0x88, &payload)
}

/// What a server does with one frame.
enum Act {
    Send(Vec<u8>),
    Nothing,
    Cut,
}

/// A right echo server; fragments are joined by sending them on as they are.
fn echo(first: u8, payload: &[u8]) -> Act {
    match first & 15 {
        9 => Act::Send(frame(0x8a, payload)),
        10 => Act::Nothing,
        _ => Act::Send(frame(first, payload)),
    }
}

/// Upgrades every connection, sends `greeting`, then acts on every frame.
async fn serve(
    greeting: Vec<u8>,
    act: impl Fn(u8, &[u8]) -> Act + Clone + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(stream, greeting.clone(), act.clone()));
        }
    });
    address
}

async fn converse(
    mut stream: TcpStream,
    greeting: Vec<u8>,
    act: impl Fn(u8, &[u8]) -> Act,
) -> Option<()> {
    let request = request(&mut stream).await?;
    let mut answer = good(&request).into_bytes();
    answer.extend(greeting);
    stream.write_all(&answer).await.ok()?;
    loop {
        let (first, payload) = read(&mut stream).await?;
        match act(first, &payload) {
            Act::Send(bytes) if first & 15 == 8 => return stream.write_all(&bytes).await.ok(),
            Act::Send(bytes) => stream.write_all(&bytes).await.ok()?,
            Act::Nothing => {}
            Act::Cut => return None,
        }
    }
}

async fn finds(server: impl Future<Output = SocketAddr>, expected: &[&str]) -> Seen {
    let (seen, found) = look(&settings(server.await)).await;
    assert_eq!(found, expected, "{:#?}", seen.session);
    seen
}

#[tokio::test]
async fn a_healthy_echo_has_no_finding() {
    let seen = finds(serve(frame(0x81, b"hello"), echo), &[]).await;
    let session = seen.session.expect("a session");
    assert_eq!(session.unasked.len(), 1);
    assert_eq!(session.largest_answered, Some(70_000));
    let order: Vec<_> = session.steps.iter().map(|s| s.kind.clone()).collect();
    assert_eq!(order.first(), Some(&StepKind::Ping));
    assert_eq!(order.last(), Some(&StepKind::Close));
    assert_eq!(session.closing.and_then(|c| c.code), Some(1000));
}

#[tokio::test]
async fn a_mute_server_is_healthy_and_not_flooded() {
    let mute = |first, payload: &[u8]| match first & 15 {
        8 | 9 => echo(first, payload),
        _ => Act::Nothing,
    };
    let seen = finds(serve(Vec::new(), mute), &[]).await;
    let session = seen.session.expect("a session");
    let large = |s: &&probe::seen::Step| matches!(s.kind, StepKind::Size(_));
    assert_eq!(session.steps.iter().filter(large).count(), 0);
}

#[tokio::test]
async fn closes_right_after_opening() {
    let finding = |code: Vec<u8>| serve(code, echo);
    tokio::join!(
        finds(finding(close(4001, "Invalid token")), &["close-app"]),
        finds(finding(close(1013, "Overloaded")), &["close-standard"]),
        finds(finding(frame(0x88, b"")), &["close-empty"]),
        finds(finding(close(1006, "")), &["protocol-violation"]),
    );
}

#[tokio::test]
async fn one_refused_message_does_not_hide_the_others() {
    let json_only = |first, payload: &[u8]| match first & 15 {
        1 if !payload.starts_with(b"{") => Act::Send(close(4002, "Invalid JSON")),
        _ => echo(first, payload),
    };
    let seen = finds(serve(Vec::new(), json_only), &["close-app"]).await;
    let session = seen.session.expect("a session");
    let reply = |kind| session.step(&kind).map(|s| s.reply.clone());
    assert_eq!(reply(StepKind::Text), Some(Reply::Ended));
    assert_eq!(reply(StepKind::Binary), Some(Reply::Echo));
    assert_eq!(reply(StepKind::Size(70_000)), Some(Reply::Echo));
    assert_eq!(session.ended, None, "no end came by itself");
    assert!(!session.provoked.is_empty());
}

#[tokio::test]
async fn sizes_are_cut_or_refused_and_the_limit_is_found() {
    let cut = |first, payload: &[u8]| match payload.len() {
        ..=20_000 => echo(first, payload),
        _ => Act::Cut,
    };
    let refuse = |first, payload: &[u8]| match payload.len() {
        ..=32_768 => echo(first, payload),
        _ => Act::Send(close(1009, "too big")),
    };
    let (cut, refused) = tokio::join!(
        finds(serve(Vec::new(), cut), &["size-reset"]),
        finds(serve(Vec::new(), refuse), &["close-1009"]),
    );
    let session = refused.session.expect("a session");
    assert_eq!(session.largest_answered, Some(32_768));
    assert_eq!(session.smallest_unanswered, Some(32_769));
    let session = cut.session.expect("a session");
    let (good, bad) = (session.largest_answered, session.smallest_unanswered);
    assert!(
        good <= Some(20_000) && bad > Some(20_000),
        "{good:?} {bad:?}"
    );
}

#[tokio::test]
async fn pings_and_closes_without_an_answer() {
    let deaf = |_, _: &[u8]| Act::Nothing;
    let no_pong = |first, payload: &[u8]| match first & 15 {
        9 => Act::Nothing,
        _ => echo(first, payload),
    };
    let wrong = |first, payload: &[u8]| match first & 15 {
        9 => Act::Send(frame(0x8a, b"something else")),
        _ => echo(first, payload),
    };
    let no_close = |first, payload: &[u8]| match first & 15 {
        8 => Act::Nothing,
        _ => echo(first, payload),
    };
    let cut_close = |first, payload: &[u8]| match first & 15 {
        8 => Act::Cut,
        _ => echo(first, payload),
    };
    let (deaf, ..) = tokio::join!(
        finds(serve(Vec::new(), deaf), &["fake-alive"]),
        finds(serve(Vec::new(), no_pong), &["no-pong"]),
        finds(serve(Vec::new(), wrong), &["wrong-pong"]),
        finds(serve(Vec::new(), no_close), &["no-close-reply"]),
        finds(serve(Vec::new(), cut_close), &["close-cut"]),
    );
    let session = deaf.session.expect("a session");
    assert!(!session.any_pong());
}

#[tokio::test]
async fn bytes_that_break_the_protocol() {
    let masked = b"\x81\x82\x01\x02\x03\x04ih".to_vec();
    let http = b"HTTP/1.1 502 Bad Gateway\r\nServer: nginx/1.22.1\r\n\r\n".to_vec();
    tokio::join!(
        finds(serve(masked, echo), &["protocol-violation"]),
        finds(serve(http, echo), &["protocol-violation"]),
        finds(serve(frame(0xc1, b"x"), echo), &["protocol-violation"]),
        finds(serve(frame(0x81, b"\xff"), echo), &["protocol-violation"]),
        finds(serve(frame(0x83, b"x"), echo), &["protocol-violation"]),
        finds(serve(frame(0x09, b"x"), echo), &["protocol-violation"]),
    );
}

#[tokio::test]
async fn a_flood_ends_the_session_in_bounded_time() {
    // Every frame is answered with many: reading never runs dry for long.
    let flood = |first, payload: &[u8]| match first & 15 {
        8 => Act::Send(close(1000, "")),
        9 => Act::Send([frame(0x8a, payload), frame(0x81, b"push").repeat(2_000)].concat()),
        _ => Act::Send(frame(0x81, b"push").repeat(2_000)),
    };
    let probing = finds(serve(Vec::new(), flood), &[]);
    let seen = tokio::time::timeout(Duration::from_secs(60), probing).await;
    let session = seen.expect("it ends").session.expect("a session");
    assert!(session.unasked.len() <= 8);
}
