//! The reference server with an independent client (tokio-tungstenite) over real sockets.

mod server_plan;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use wsbench::scenario::server::Stall;
use wsbench::scenario::{Behaviour, ServerPlan};
use wsbench::server::{Running, Server};

type Client = WebSocketStream<TcpStream>;

fn start(plan: ServerPlan) -> Running {
    Server::start(plan, SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port")
}

async fn connect(server: &Running, path: &str) -> Client {
    let stream = TcpStream::connect(server.address())
        .await
        .expect("it listens");
    let url = format!("ws://localhost{path}");
    let opened = tokio_tungstenite::client_async(url, stream).await;
    opened.expect("a correct upgrade").0
}

async fn say(client: &mut Client, text: &str) {
    client.send(Message::text(text)).await.expect("open");
}

async fn hear(client: &mut Client) -> String {
    let message = client.next().await.expect("a message").expect("no error");
    message.into_text().expect("text").as_str().to_owned()
}

async fn closed_with(client: &mut Client) -> Option<CloseFrame> {
    loop {
        match client.next().await.expect("a close frame") {
            Ok(Message::Close(frame)) => return frame,
            Ok(_) => {}
            Err(error) => panic!("closed without a frame: {error}"),
        }
    }
}

/// Several threads: the members of a room sit on different ones.
#[tokio::test]
async fn a_room_hears_everything_once_across_threads() {
    let server = start(ServerPlan {
        threads: Some(3),
        ..ServerPlan::plain(Behaviour::Chat)
    });
    let mut clients = Vec::new();
    for number in 0..24 {
        let mut client = connect(&server, "/").await;
        let room = number % 2;
        say(
            &mut client,
            &format!(r#"{{"type":"join","room":"r{room}"}}"#),
        )
        .await;
        let joined = format!(r#"{{"type":"joined","room":"r{room}"}}"#);
        assert_eq!(hear(&mut client).await, joined);
        clients.push(client);
    }
    for (id, client) in clients.iter_mut().enumerate() {
        let text = format!(r#"{{"type":"say","id":{id},"sent":5,"text":"hi"}}"#);
        say(client, &text).await;
    }
    for (number, client) in clients.iter_mut().enumerate() {
        let mut ids = Vec::new();
        let mut acks = 0;
        while ids.len() < 12 || acks < 1 {
            let text = hear(client).await;
            let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            if value["ack"] == number {
                acks += 1;
                continue;
            }
            assert_eq!(value["room"], format!("r{}", number % 2), "{text}");
            ids.push(value["id"].as_u64().expect("a number"));
        }
        ids.sort_unstable();
        let expected: Vec<u64> = (0..24).filter(|id| id % 2 == number as u64 % 2).collect();
        assert_eq!((ids, acks), (expected, 1));
    }
    let stopped = tokio::task::spawn_blocking(move || server.stop());
    for client in &mut clients {
        let frame = closed_with(client).await.expect("a code");
        assert_eq!(u16::from(frame.code), 1001);
    }
    drop(clients);
    let totals = stopped.await.expect("stopped");
    assert_eq!(totals.upgrades, 24);
    assert_eq!(totals.messages_received, 48);
    assert_eq!(totals.messages_sent, 24 + 24 + 24 * 12);
    assert_eq!(totals.parcels_dropped, 0);
}

#[tokio::test]
async fn broadcast_reaches_all_the_sender_included() {
    let server = start(ServerPlan {
        threads: Some(2),
        ..ServerPlan::plain(Behaviour::Broadcast)
    });
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = connect(&server, "/").await;
        // Its answer shows that the connection is open on the server's side too.
        say(&mut client, "ping").await;
        assert_eq!(hear(&mut client).await, "pong");
        clients.push(client);
    }
    clients[3]
        .send(Message::binary(vec![1, 2]))
        .await
        .expect("open");
    for client in &mut clients {
        let message = client.next().await.expect("a message").expect("no error");
        assert_eq!(message, Message::binary(vec![1, 2]));
    }
}

#[tokio::test]
async fn every_close_of_the_behaviours_has_its_code() {
    let secret = ServerPlan {
        token: Some("s".to_owned()),
        ..ServerPlan::plain(Behaviour::Ack)
    };
    let acks = start(secret.clone());
    let mut client = connect(&acks, "/?token=wrong").await;
    let frame = closed_with(&mut client).await.expect("a code");
    assert_eq!(
        (u16::from(frame.code), &*frame.reason),
        (4001, "Invalid token")
    );
    let mut client = connect(&acks, "/?token=s").await;
    say(&mut client, r#"{"id":[1]}"#).await;
    assert_eq!(hear(&mut client).await, r#"{"ack":[1]}"#);
    say(&mut client, "{").await;
    let frame = closed_with(&mut client).await.expect("a code");
    assert_eq!(
        (u16::from(frame.code), &*frame.reason),
        (4002, "Invalid JSON")
    );
    let chat = start(ServerPlan::plain(Behaviour::Chat));
    let mut client = connect(&chat, "/").await;
    client.send(Message::binary(vec![0])).await.expect("open");
    let frame = closed_with(&mut client).await.expect("a code");
    assert_eq!(u16::from(frame.code), 1003);
    let mut client = connect(&chat, "/").await;
    client.close(None).await.expect("open");
    assert_eq!(closed_with(&mut client).await, None);
    let strict = ServerPlan {
        reject_with_401: true,
        ..secret
    };
    let strict = start(strict);
    let stream = TcpStream::connect(strict.address())
        .await
        .expect("it listens");
    let refused = tokio_tungstenite::client_async("ws://localhost/", stream).await;
    let error = refused.expect_err("401").to_string();
    assert!(error.contains("401"), "{error}");
}

#[tokio::test]
async fn large_messages_and_a_prefix_come_back_whole() {
    let server = start(ServerPlan {
        echo_prefix: "echo: ".to_owned(),
        ..ServerPlan::plain(Behaviour::Echo)
    });
    let mut client = connect(&server, "/").await;
    for length in [0, 125, 126, 65_535, 65_536, 1 << 20] {
        let text = "é".repeat(length / 2);
        say(&mut client, &text).await;
        assert_eq!(hear(&mut client).await, format!("echo: {text}"));
    }
    client
        .send(Message::binary(vec![9; 3]))
        .await
        .expect("open");
    let message = client.next().await.expect("a message").expect("no error");
    assert_eq!(message.into_data().as_ref(), b"echo: \x09\x09\x09");
}

/// Neither side deadlocks when a client writes megabytes before it reads.
#[tokio::test]
async fn a_client_that_reads_late_gets_everything() {
    let server = start(ServerPlan::plain(Behaviour::Echo));
    let (mut sink, mut stream) = connect(&server, "/").await.split();
    let sending = tokio::spawn(async move {
        for number in 0..2000_u32 {
            let payload = vec![number as u8; 10_000];
            sink.send(Message::binary(payload)).await.expect("open");
        }
        sink
    });
    for number in 0..2000_u32 {
        let message = stream.next().await.expect("a message").expect("no error");
        assert_eq!(message.into_data().as_ref(), vec![number as u8; 10_000]);
    }
    drop(sending.await.expect("sent"));
}

#[tokio::test]
async fn a_frozen_server_answers_nobody_and_then_everybody() {
    let stall = Stall {
        duration: Duration::from_millis(150),
        every: Duration::from_millis(300),
    };
    let server = start(ServerPlan {
        stall: Some(stall),
        ..ServerPlan::plain(Behaviour::Echo)
    });
    let mut client = connect(&server, "/").await;
    let start = Instant::now();
    let mut longest = Duration::ZERO;
    let mut short = 0;
    while start.elapsed() < 3 * stall.every {
        let sent = Instant::now();
        say(&mut client, "x").await;
        assert_eq!(hear(&mut client).await, "x");
        longest = longest.max(sent.elapsed());
        short += u32::from(sent.elapsed() < stall.duration / 2);
    }
    // The freeze shows in full; outside of it the echo works (a busy machine only adds).
    assert!(
        longest >= stall.duration - Duration::from_millis(5),
        "{longest:?}"
    );
    assert!(short > 3, "{short}");
}

#[tokio::test]
async fn tls_with_a_certificate_made_on_the_spot() {
    use rustls::pki_types::ServerName;
    use std::sync::Arc;

    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    let (cert, key) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    std::fs::write(&cert, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let server = start(ServerPlan {
        tls: true,
        cert: Some(cert),
        key: Some(key),
        greeting: Some("hello".to_owned()),
        ..ServerPlan::plain(Behaviour::Echo)
    });
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let tcp = TcpStream::connect(server.address())
        .await
        .expect("it listens");
    let name = ServerName::try_from("localhost").expect("a name");
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let tls = connector.connect(name, tcp).await.expect("a handshake");
    let opened = tokio_tungstenite::client_async("wss://localhost/", tls).await;
    let mut client = opened.expect("a correct upgrade").0;
    let greeting = client.next().await.expect("a message").expect("no error");
    assert_eq!(greeting, Message::text("hello"));
    let large = Message::binary(vec![5; 300_000]);
    client.send(large.clone()).await.expect("open");
    let echo = client.next().await.expect("a message").expect("no error");
    assert_eq!(echo, large);
    client.close(None).await.expect("open");
    let close = client
        .next()
        .await
        .expect("a close frame")
        .expect("no error");
    assert!(close.is_close());
}
