//! The reference server on a paused clock: deadlines, delays and pings to the microsecond.

mod server_plan;

use std::time::Duration;

use server_plan::{ANSWER, REQUEST, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, timeout};
use wsbench::scenario::{Behaviour, ServerPlan};
use wsbench::server::Local;

async fn open(server: &Local) -> DuplexStream {
    let mut stream = server.connect();
    stream.write_all(REQUEST.as_bytes()).await.expect("open");
    let mut answer = vec![0; ANSWER.len()];
    stream.read_exact(&mut answer).await.expect("101");
    assert_eq!(answer, ANSWER.as_bytes());
    stream
}

async fn read(stream: &mut DuplexStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.expect("more bytes");
    bytes
}

async fn send(stream: &mut DuplexStream, text: &[u8]) {
    stream.write_all(&frame(0x81, text)).await.expect("open");
}

/// Milliseconds, rounded to the paused clock's tick.
fn since(start: Instant) -> u128 {
    start.elapsed().as_millis()
}

#[tokio::test(start_paused = true)]
async fn replies_are_late_by_the_delay_each_and_pongs_are_not() {
    let work = async {
        let server = Local::start(ServerPlan {
            delay: Duration::from_millis(20),
            ..ServerPlan::plain(Behaviour::Echo)
        });
        let mut stream = open(&server).await;
        let start = Instant::now();
        send(&mut stream, b"a").await;
        sleep(Duration::from_millis(5)).await;
        send(&mut stream, b"ping").await;
        stream.write_all(&frame(0x89, b"!")).await.expect("open");
        assert_eq!(read(&mut stream, 3).await, b"\x8a\x01!");
        assert_eq!(since(start), 5);
        assert_eq!(read(&mut stream, 3).await, b"\x81\x01a");
        assert_eq!(since(start), 20);
        assert_eq!(read(&mut stream, 6).await, b"\x81\x04pong");
        assert_eq!(since(start), 25);
    };
    LocalSet::new().run_until(work).await;
}

#[tokio::test(start_paused = true)]
async fn delayed_messages_of_a_flood_are_bounded_and_all_answered() {
    let work = async {
        let server = Local::start(ServerPlan {
            delay: Duration::from_secs(1),
            max_message: 1000,
            ..ServerPlan::plain(Behaviour::Echo)
        });
        let (mut far, mut near) = tokio::io::split(open(&server).await);
        let message = frame(0x82, &[7; 100]);
        let write = async {
            for _ in 0..40_000 {
                near.write_all(&message).await.expect("open");
            }
        };
        let receive = async {
            let mut reply = [0; 102];
            for count in 0..40_000 {
                far.read_exact(&mut reply).await.expect("a reply");
                assert_eq!(reply[..3], [0x82, 100, 7], "{count}");
            }
        };
        tokio::join!(write, receive);
    };
    LocalSet::new().run_until(work).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_handshake_ends_after_ten_seconds() {
    let work = async {
        let server = Local::start(ServerPlan::plain(Behaviour::Echo));
        let start = Instant::now();
        let mut stream = server.connect();
        // A byte a second resets an idle timeout; this is a deadline.
        for byte in REQUEST.as_bytes() {
            if stream.write_all(&[*byte]).await.is_err() {
                break;
            }
            let waited = timeout(Duration::from_secs(1), stream.read_u8()).await;
            if let Ok(read) = waited {
                assert!(read.is_err(), "nothing but the end");
                break;
            }
        }
        assert_eq!(since(start), 10_000);
        let idle = open(&server).await;
        sleep(Duration::from_secs(60)).await;
        assert_eq!(
            server.totals().open(),
            1,
            "the deadline is for handshakes only"
        );
        drop(idle);
    };
    LocalSet::new().run_until(work).await;
}

#[tokio::test(start_paused = true)]
async fn pings_come_by_the_interval_and_the_silent_are_cut() {
    let work = async {
        let server = Local::start(ServerPlan {
            ping_interval: Some(Duration::from_secs(5)),
            ..ServerPlan::plain(Behaviour::Echo)
        });
        let start = Instant::now();
        let mut stream = open(&server).await;
        for round in 1..=3 {
            assert_eq!(read(&mut stream, 2).await, b"\x89\x00");
            assert_eq!(since(start), round * 5000);
            stream.write_all(&frame(0x8a, b"")).await.expect("open");
        }
        assert_eq!(read(&mut stream, 2).await, b"\x89\x00");
        stream.read_u8().await.expect_err("cut");
        assert_eq!(since(start), 25_000);
        assert_eq!(server.totals().open(), 0);
    };
    LocalSet::new().run_until(work).await;
}

#[tokio::test(start_paused = true)]
async fn at_the_end_everybody_is_told_and_nobody_is_waited_for_long() {
    let work = async {
        let server = Local::start(ServerPlan::plain(Behaviour::Echo));
        let mut polite = open(&server).await;
        let mut deaf = open(&server).await;
        let mut asking = server.connect();
        let start = Instant::now();
        let leave = async {
            assert_eq!(read(&mut polite, 14).await, b"\x88\x0c\x03\xe9going away");
            polite
                .write_all(&frame(0x88, b"\x03\xe9"))
                .await
                .expect("open");
            polite.read_u8().await.expect_err("FIN");
            assert_eq!(since(start), 0);
        };
        tokio::join!(server.stop(), leave);
        assert_eq!(since(start), 1000, "the grace, for the deaf one");
        assert_eq!(read(&mut deaf, 14).await.len(), 14);
        asking.read_u8().await.expect_err("never upgraded");
    };
    LocalSet::new().run_until(work).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_consumer_is_closed_and_the_others_hear_everything() {
    let work = async {
        let server = Local::start(ServerPlan::plain(Behaviour::Broadcast));
        let mut talker = open(&server).await;
        let slow = open(&server).await;
        let payload = vec![b'x'; 60_000];
        let mut message = vec![0x82, 0xfe, 0xea, 0x60, 0, 0, 0, 0];
        message.extend_from_slice(&payload);
        for round in 0..40 {
            talker.write_all(&message).await.expect("open");
            assert_eq!(read(&mut talker, 60_004).await[4..], payload, "{round}");
        }
        sleep(Duration::from_secs(2)).await;
        assert_eq!(server.totals().open(), 1, "the slow one is gone");
        drop(slow);
    };
    LocalSet::new().run_until(work).await;
}
