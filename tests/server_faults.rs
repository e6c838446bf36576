//! What the reference server does wrong when it is told to, on a paused clock.

mod server_plan;

use std::time::Duration;

use server_plan::{ANSWER, REQUEST, frame};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};
use wsbench::scenario::{Behaviour, ServerPlan};
use wsbench::server::Local;

/// An echo server that does this wrong from the start.
fn server(faults: &[&str]) -> Local {
    Local::start(ServerPlan {
        faults: faults
            .iter()
            .map(|text| text.parse().expect(text))
            .collect(),
        ..ServerPlan::plain(Behaviour::Echo)
    })
}

fn start(server: &Local, id: u64, fault: &str, duration: Option<Duration>) {
    let plan = fault.parse().expect(fault);
    server.start_fault(id, plan, duration).expect("room");
}

async fn open(server: &Local) -> DuplexStream {
    let mut stream = server.connect();
    stream.write_all(REQUEST.as_bytes()).await.expect("open");
    assert_eq!(read(&mut stream, ANSWER.len()).await, ANSWER.as_bytes());
    stream
}

async fn read(stream: &mut DuplexStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.expect("more bytes");
    bytes
}

async fn send(stream: &mut DuplexStream, texts: &[&str]) {
    for text in texts {
        let bytes = frame(0x81, text.as_bytes());
        stream.write_all(&bytes).await.expect("open");
    }
}

/// The next text; they are short here.
async fn hear(stream: &mut DuplexStream) -> String {
    let head = read(stream, 2).await;
    assert_eq!(head[0], 0x81, "a text");
    String::from_utf8(read(stream, usize::from(head[1])).await).expect("UTF-8")
}

/// Everything that is heard until the end.
async fn rest(mut stream: DuplexStream) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test(start_paused = true)]
async fn replies_are_swapped_doubled_and_lost() {
    for (fault, expected) in [
        ("reorder_replies", vec!["b", "a", "d", "c"]),
        (
            "duplicate_replies",
            vec!["a", "a", "b", "b", "c", "c", "d", "d"],
        ),
        ("drop_replies", vec![]),
    ] {
        let work = async {
            let server = server(&[fault]);
            let mut stream = open(&server).await;
            send(&mut stream, &["a", "b", "c", "d"]).await;
            // A heartbeat is no reply: it comes whatever happens to those.
            sleep(Duration::from_millis(1)).await;
            send(&mut stream, &["ping"]).await;
            let mut heard = Vec::new();
            loop {
                match hear(&mut stream).await.as_str() {
                    "pong" => break,
                    text => heard.push(text.to_owned()),
                }
            }
            assert_eq!(heard, expected, "{fault}");
        };
        LocalSet::new().run_until(work).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_kept_reply_comes_after_a_second_or_before_the_close() {
    let work = async {
        let server = server(&["reorder_replies"]);
        let mut stream = open(&server).await;
        let start = Instant::now();
        send(&mut stream, &["alone"]).await;
        assert_eq!(hear(&mut stream).await, "alone");
        assert_eq!(start.elapsed().as_millis(), 1_000);
        send(&mut stream, &["last"]).await;
        stream.write_all(&frame(0x88, b"")).await.expect("open");
        assert_eq!(hear(&mut stream).await, "last");
        assert_eq!(read(&mut stream, 1).await, [0x88]);
    };
    LocalSet::new().run_until(work).await;
}

#[tokio::test(start_paused = true)]
async fn pongs_are_lost_and_replies_are_not() {
    let work = async {
        let server = server(&["drop_pongs"]);
        let mut stream = open(&server).await;
        stream.write_all(&frame(0x89, b"!")).await.expect("open");
        send(&mut stream, &["ping", r#"{"type":"ping"}"#, "x"]).await;
        assert_eq!(hear(&mut stream).await, "x");
    };
    LocalSet::new().run_until(work).await;
}

#[tokio::test(start_paused = true)]
async fn a_corrupt_reply_differs_in_one_byte() {
    let work = async {
        let server = server(&["corrupt_replies"]);
        let mut stream = open(&server).await;
        send(&mut stream, &["né€😀"]).await;
        let heard = hear(&mut stream).await;
        let pairs = heard.bytes().zip("né€😀".bytes());
        assert_eq!(pairs.filter(|(a, b)| a != b).count(), 1, "{heard}");
    };
    LocalSet::new().run_until(work).await;
}

#[tokio::test(start_paused = true)]
async fn delays_keep_the_order_and_are_drawn_from_the_seed() {
    let run = |seed: u64| async move {
        let server = Local::start(ServerPlan {
            seed,
            faults: vec!["delay,delay=20ms,jitter=100ms".parse().expect("a fault")],
            ..ServerPlan::plain(Behaviour::Echo)
        });
        let mut stream = open(&server).await;
        let begin = Instant::now();
        let mut times = Vec::new();
        send(&mut stream, &["1", "2", "3", "4", "5", "6", "7", "8"]).await;
        for number in 1..=8 {
            assert_eq!(hear(&mut stream).await, number.to_string());
            times.push(begin.elapsed().as_millis());
        }
        times
    };
    let local = LocalSet::new();
    let times = local.run_until(run(1)).await;
    assert_eq!(times, local.run_until(run(1)).await);
    assert_ne!(times, local.run_until(run(2)).await);
    assert!(times.iter().all(|t| (20..=121).contains(t)), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn faults_begin_and_end_while_the_server_works() {
    let work = async {
        let server = server(&[]);
        let mut stream = open(&server).await;
        let second = Duration::from_secs(1);
        start(&server, 1, "drop_replies", Some(2 * second));
        start(&server, 2, "duplicate_replies", None);
        sleep(second).await;
        send(&mut stream, &["lost"]).await;
        sleep(2 * second).await;
        send(&mut stream, &["twice"]).await;
        assert_eq!(hear(&mut stream).await, "twice");
        assert_eq!(hear(&mut stream).await, "twice");
        server.end_fault(2).expect("room");
        sleep(second).await;
        send(&mut stream, &["once", "more"]).await;
        assert_eq!(hear(&mut stream).await, "once");
        assert_eq!(hear(&mut stream).await, "more");
    };
    LocalSet::new().run_until(work).await;
}

#[tokio::test(start_paused = true)]
async fn connections_end_by_age_and_by_messages() {
    let work = async {
        let server = server(&["close_after,after=5s,messages=3,ending=close,code=1012"]);
        let begin = Instant::now();
        let idle = open(&server).await;
        let mut busy = open(&server).await;
        send(&mut busy, &["a", "b", "c", "d"]).await;
        let heard = rest(busy).await;
        assert!(heard.contains('c') && !heard.contains('d'), "{heard:?}");
        let mut idle = idle;
        assert_eq!(read(&mut idle, 4).await, b"\x88\x02\x03\xf4");
        assert_eq!(begin.elapsed().as_secs(), 5);
        assert_eq!(rest(idle).await, "");
        // It waits a second for ours.
        assert_eq!(begin.elapsed().as_secs(), 6);
    };
    LocalSet::new().run_until(work).await;
}

#[tokio::test(start_paused = true)]
async fn a_share_of_the_connections_is_dropped_by_the_seed() {
    let run = |seed: u64| async move {
        let server = Local::start(ServerPlan {
            seed,
            ..ServerPlan::plain(Behaviour::Echo)
        });
        let mut streams = Vec::new();
        for _ in 0..40 {
            streams.push(open(&server).await);
        }
        start(&server, 9, "drop_connections,share=50%", None);
        sleep(Duration::from_millis(10)).await;
        let mut dropped = Vec::new();
        for (number, stream) in streams.iter_mut().enumerate() {
            let alive = stream.write_all(&frame(0x81, b"x")).await.is_ok();
            if !alive {
                dropped.push(number);
            }
        }
        dropped
    };
    let local = LocalSet::new();
    let first = local.run_until(run(1)).await;
    assert!((8..=32).contains(&first.len()), "{first:?}");
    assert_eq!(first, local.run_until(run(1)).await);
    assert_ne!(first, local.run_until(run(2)).await);
}
