//! Two memory streams and a clock that only moves when everybody waits: times are exact.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::runtime::{Builder, LocalOptions};
use tokio::time::{Instant, sleep, timeout};
use wsbench::relay::Relay;

use super::{ANSWER, MS, REQUEST, pong, start, text, toxic};

fn simulate<T>(test: impl AsyncFnOnce() -> T) -> T {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build_local(LocalOptions::default());
    runtime.expect("a runtime").block_on(test())
}

/// A client's and a server's stream with the relay between them.
fn join(relay: &Relay) -> (DuplexStream, DuplexStream) {
    let (client, near) = duplex(64 * 1024);
    let (far, server) = duplex(64 * 1024);
    relay.join(near, far);
    (client, server)
}

/// The same behind an upgrade.
async fn upgraded(relay: &Relay) -> (DuplexStream, DuplexStream) {
    let (mut client, mut server) = join(relay);
    client.write_all(REQUEST).await.expect("taken");
    assert_eq!(read(&mut server, REQUEST.len()).await, REQUEST);
    server.write_all(ANSWER).await.expect("taken");
    assert_eq!(read(&mut client, ANSWER.len()).await, ANSWER);
    (client, server)
}

async fn read(stream: &mut DuplexStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await.expect("bytes come");
    bytes
}

/// Nothing comes for so long, and no end either.
async fn is_silent(stream: &mut DuplexStream, span: Duration) -> bool {
    timeout(span, stream.read_u8()).await.is_err()
}

/// How long a text needs, there and back.
async fn round_trip(client: &mut DuplexStream, server: &mut DuplexStream) -> Duration {
    let began = Instant::now();
    client.write_all(b"ping").await.expect("taken");
    assert_eq!(read(server, 4).await, b"ping");
    server.write_all(b"pong").await.expect("taken");
    assert_eq!(read(client, 4).await, b"pong");
    began.elapsed()
}

#[test]
fn latencies_add_up_each_in_its_direction() {
    let table: [(&[&str], u64); 4] = [
        (&[], 0),
        (&["latency,latency=50ms"], 100),
        (&["latency,latency=50ms,direction=upstream"], 50),
        (
            &[
                "latency,latency=50ms,direction=downstream",
                "latency,latency=20ms",
            ],
            90,
        ),
    ];
    for (toxics, ms) in table {
        simulate(async || {
            let relay = Relay::detached(1);
            start(&relay, toxics);
            let (mut client, mut server) = join(&relay);
            let took = round_trip(&mut client, &mut server).await;
            let expected = Duration::from_millis(ms);
            // The runtime's timer rounds up to a millisecond.
            let most = expected + MS * 4;
            assert!(took >= expected && took <= most, "{toxics:?}: {took:?}");
        });
    }
}

#[test]
fn bandwidth_and_slices_take_their_time_and_lose_nothing() {
    for toxic in [
        "bandwidth,bytes_per_s=1000",
        "slicer,size=10,variation=5,delay=10ms",
    ] {
        simulate(async || {
            let relay = Relay::detached(1);
            start(&relay, &[toxic]);
            let (mut client, mut server) = join(&relay);
            let sent: Vec<u8> = (0..2000).map(|n| n as u8).collect();
            let began = Instant::now();
            client.write_all(&sent).await.expect("taken");
            assert_eq!(read(&mut server, sent.len()).await, sent);
            let took = began.elapsed();
            let second = Duration::from_secs(1);
            assert!(took > second && took < second * 3, "{toxic}: {took:?}");
        });
    }
}

#[test]
fn a_full_path_holds_its_source_back() {
    simulate(async || {
        let relay = Relay::detached(1);
        start(&relay, &["latency,latency=10s"]);
        let (mut client, _server) = join(&relay);
        let mut taken = 0;
        while let Ok(Ok(())) = timeout(MS * 100, client.write_all(&[0; 4096])).await {
            taken += 4096;
        }
        // 256 KiB of the relay, 64 KiB of the client's stream.
        assert!((200_000..400_000).contains(&taken), "{taken}");
    });
}

#[test]
fn a_blackhole_is_silent_and_its_end_heals() {
    simulate(async || {
        let relay = Relay::detached(1);
        let (mut client, mut server) = upgraded(&relay).await;
        relay.start_fault(7, &toxic("timeout"), None).expect("new");
        sleep(MS * 10).await;
        client.write_all(&text("lost")).await.expect("swallowed");
        server.write_all(&text("lost")).await.expect("swallowed");
        let minute = Duration::from_secs(60);
        assert!(is_silent(&mut client, minute).await && is_silent(&mut server, minute).await);
        relay.end_fault(7).expect("at work");
        sleep(MS * 10).await;
        client.write_all(&text("found")).await.expect("taken");
        assert_eq!(read(&mut server, 7).await, text("found"));
        server.write_all(&text("found")).await.expect("taken");
        assert_eq!(read(&mut client, 7).await, text("found"));
        let totals = relay.totals();
        assert_eq!((totals.bytes_swallowed, totals.frames_dropped), (12, 2));
    });
}

#[test]
fn a_blackhole_tells_nobody_that_the_other_has_gone() {
    simulate(async || {
        let relay = Relay::detached(1);
        let (client, mut server) = upgraded(&relay).await;
        relay.start_fault(7, &toxic("timeout"), None).expect("new");
        sleep(MS * 10).await;
        drop(client);
        assert!(is_silent(&mut server, Duration::from_secs(60)).await);
        assert_eq!(relay.totals().closed, 0);
        relay.end_fault(7).expect("at work");
        let end = server.read(&mut [0; 8]).await.expect("an end");
        assert_eq!(end, 0);
    });
}

#[test]
fn a_blackhole_that_both_have_left_is_over() {
    simulate(async || {
        let relay = Relay::detached(1);
        let (client, server) = upgraded(&relay).await;
        relay.start_fault(7, &toxic("timeout"), None).expect("new");
        sleep(MS * 10).await;
        drop((client, server));
        sleep(MS * 10).await;
        assert_eq!(relay.totals().closed, 1);
    });
}

#[test]
fn a_fault_ends_by_itself_after_its_duration() {
    simulate(async || {
        let relay = Relay::detached(1);
        let (mut client, mut server) = upgraded(&relay).await;
        let hole = toxic("timeout,direction=upstream");
        relay.start_fault(7, &hole, Some(MS * 5000)).expect("new");
        assert!(
            relay.start_fault(7, &hole, None).is_err(),
            "the number is taken"
        );
        sleep(MS * 10).await;
        client.write_all(&text("lost")).await.expect("swallowed");
        server.write_all(&text("other")).await.expect("passes");
        assert_eq!(read(&mut client, 7).await, text("other"));
        assert!(is_silent(&mut server, MS * 5000).await);
        client.write_all(&text("found")).await.expect("taken");
        assert_eq!(read(&mut server, 7).await, text("found"));
        assert!(relay.end_fault(7).is_err(), "it has ended");
    });
}

#[test]
fn only_pongs_are_dropped_and_only_text_is_late() {
    simulate(async || {
        let relay = Relay::detached(1);
        let toxics = [
            "drop_frames,frames=pong",
            "latency,latency=100ms,frames=text",
        ];
        start(&relay, &toxics);
        let (mut client, mut server) = upgraded(&relay).await;
        let began = Instant::now();
        let ping = super::frame(0x89, "p");
        let sent = [text("late"), pong("gone"), ping.clone()].concat();
        server.write_all(&sent).await.expect("taken");
        assert_eq!(read(&mut client, 3).await, ping);
        assert!(began.elapsed() < MS * 50);
        assert_eq!(read(&mut client, 6).await, text("late"));
        assert!(began.elapsed() >= MS * 100);
        assert!(is_silent(&mut client, Duration::from_secs(9)).await);
        assert_eq!(relay.totals().frames_dropped, 1);
    });
}

#[test]
fn half_a_close_is_passed_on_as_half_a_close() {
    simulate(async || {
        let relay = Relay::detached(1);
        start(&relay, &["slow_close,delay=2s,direction=upstream"]);
        let (mut client, mut server) = join(&relay);
        let began = Instant::now();
        client.write_all(b"last").await.expect("taken");
        client.shutdown().await.expect("half");
        assert_eq!(read(&mut server, 4).await, b"last");
        assert!(began.elapsed() < MS * 100);
        assert_eq!(server.read(&mut [0; 8]).await.expect("FIN"), 0);
        assert!(began.elapsed() >= Duration::from_secs(2));
        server.write_all(b"answer").await.expect("open this way");
        assert_eq!(read(&mut client, 6).await, b"answer");
        drop(server);
        assert_eq!(client.read(&mut [0; 8]).await.expect("FIN"), 0);
        sleep(MS).await;
        assert_eq!(relay.totals().closed, 1);
    });
}

#[test]
fn a_connection_that_is_not_understood_passes_unharmed() {
    simulate(async || {
        let relay = Relay::detached(1);
        start(&relay, &["drop_frames,frames=text", "cut_frame"]);
        let (mut client, mut server) = join(&relay);
        let hello = [&[0x16, 3, 1][..], &text("looks like a frame")].concat();
        client.write_all(&hello).await.expect("taken");
        assert_eq!(read(&mut server, hello.len()).await, hello);
        server
            .write_all(&text("so does this"))
            .await
            .expect("taken");
        assert_eq!(read(&mut client, 14).await, text("so does this"));
        assert_eq!(relay.totals().blind, 1);
    });
}

#[test]
fn limits_end_the_connection() {
    simulate(async || {
        let relay = Relay::detached(1);
        start(&relay, &["limit_data,bytes=10,direction=downstream"]);
        let (mut client, mut server) = join(&relay);
        server.write_all(&[7; 30]).await.expect("taken");
        let mut came = Vec::new();
        client.read_to_end(&mut came).await.expect("FIN");
        assert_eq!(came, [7; 10]);
    });
    simulate(async || {
        let relay = Relay::detached(1);
        start(&relay, &["timeout,timeout=3s"]);
        let (mut client, mut server) = join(&relay);
        let began = Instant::now();
        client.write_all(b"x").await.expect("swallowed");
        assert_eq!(server.read(&mut [0; 8]).await.expect("an end"), 0);
        assert!(began.elapsed() >= Duration::from_secs(3));
    });
}
