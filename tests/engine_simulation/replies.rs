//! Messages on a schedule, and servers that answer well, late, twice, wrongly, never.

use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, sleep, sleep_until};
use wsbench::metrics::{Counter as C, Metric};
use wsbench::scenario::{Behaviour, ServerPlan};
use wsbench::server::Local;

use super::peer::{Peer, echo, mute};
use super::world::{Run, SESSION, always, closed, plan, serve, simulate, simulate_with};

const MS: Duration = Duration::from_millis(1);

fn echoes(clients: u32, every: &str, timeout: &str) -> String {
    let step = format!(
        r#"{SESSION}
[[session.step]]
every = "{every}"
send = "{{{{client}}}}-{{{{seq}}}}"
reply = {{ echo = true, timeout = "{timeout}" }}
"#
    );
    closed(clients, 10, &step)
}

/// Every message of 10 clients x 10/s x 10 s was sent and answered.
#[track_caller]
fn assert_all_answered(run: &Run) {
    for (counter, expected) in [
        (C::MessagesSent, 1000),
        (C::RepliesMatched, 1000),
        (C::SendsSkipped, 0),
        (C::MessagesUnexpected, 0),
    ] {
        assert_eq!(run.measured(counter), expected, "{}", counter.name());
    }
    assert_eq!(run.times(Metric::RoundTrip).count(), 1000);
    assert_eq!(run.times(Metric::ScheduleLag).count(), 1000);
    assert_eq!(run.outcome.open_at_end, 0);
}

#[test]
fn an_echo_at_a_schedule_is_counted_to_the_message() {
    let run = simulate(&echoes(10, "10/s", "1s"), always(echo));
    assert_all_answered(&run);
    // The paused clock moves in milliseconds.
    assert!(run.longest(Metric::ScheduleLag) <= 2 * MS);
    assert!(run.longest(Metric::RoundTrip) <= 2 * MS);
    let two = simulate_with(&echoes(10, "10/s", "1s"), 2, &[], always(echo));
    assert_all_answered(&two);
    assert_eq!(two.count(C::ConnectionsOpened), 10);
}

#[test]
fn the_reference_server_is_measured_with_its_delay() {
    let toml = echoes(10, "10/s", "1s");
    let with_server = format!("{toml}\n[server]\nbehaviour = \"echo\"\ndelay = \"20ms\"\n");
    let server = plan(&with_server).server.expect("a server");
    assert_eq!(server.behaviour, Behaviour::Echo);
    let run = simulate(&toml, reference(server));
    assert_all_answered(&run);
    for quantile in [0.01, 0.5, 0.99] {
        let value = run.quantile(Metric::RoundTrip, quantile);
        assert!(
            (20 * MS..=23 * MS).contains(&value),
            "{quantile}: {value:?}"
        );
    }
}

/// Connects to the reference server, made at the first dial.
pub fn reference(plan: ServerPlan) -> super::world::Other {
    let server = Rc::new(std::cell::OnceCell::new());
    Rc::new(move |_| {
        let plan = plan.clone();
        let server = Rc::clone(&server);
        serve(async move |near| {
            let server: &Local = server.get_or_init(|| Local::start(plan));
            join(near, server.connect()).await;
        })
    })
}

/// Upgrades `far`, then passes bytes both ways.
async fn join(mut near: DuplexStream, mut far: DuplexStream) {
    let request = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    far.write_all(request.as_bytes()).await.expect("open");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(far.read_u8().await.expect("a whole head"));
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
}

/// DESIGN 1.1: a stall shows at the right percentile, and everything due meanwhile is still sent.
#[test]
fn a_freeze_shows_at_the_right_percentile() {
    let start = std::cell::Cell::new(None);
    let other = Rc::new(move |_| {
        let begin = start.get().unwrap_or_else(Instant::now);
        start.set(Some(begin));
        serve(async move |stream| {
            let mut peer = Peer::new(stream);
            while let Some(text) = peer.message().await {
                let now = Instant::now();
                let frozen = begin + Duration::from_secs(5)..begin + Duration::from_secs(7);
                if frozen.contains(&now) {
                    sleep_until(frozen.end).await;
                }
                peer.text(&text).await;
            }
        })
    });
    let run = simulate(&echoes(10, "10/s", "5s"), other);
    assert_all_answered(&run);
    // Frozen for 2 s of 10: a fifth waits, uniformly up to 2 s. So p(0.8 + 0.2 u) = 2 s x u.
    assert!(run.quantile(Metric::RoundTrip, 0.79) <= 2 * MS);
    for (quantile, expected) in [(0.85, 500), (0.90, 1000), (0.95, 1500), (0.999, 1990)] {
        let value = run.quantile(Metric::RoundTrip, quantile);
        let off = value.abs_diff(expected * MS);
        assert!(off <= 25 * MS, "{quantile}: {value:?}, not {expected} ms");
    }
}

#[test]
fn a_server_that_never_answers_gives_unanswered_messages_not_samples() {
    let run = simulate(&echoes(1, "1s", "4500ms"), always(mute));
    // Due at 2, 3 .. 11 s. The drain ends at 14 s: by then those up to 9 s have timed out.
    assert_eq!(run.measured(C::MessagesSent), 10);
    assert_eq!(run.measured(C::RepliesTimedOut), 8);
    assert_eq!(run.measured(C::RepliesOutstanding), 2);
    let measured = &run.outcome.total.measured;
    assert!(measured.histogram(Metric::RoundTrip).is_none());
    assert_eq!(measured.censored(Metric::RoundTrip), 10);
    assert_eq!(measured.censored(Metric::ServiceTime), 10);
}

#[test]
fn a_late_answer_is_no_sample_and_no_answer_to_another_message() {
    let other = always(async |stream| {
        let mut peer = Peer::new(stream);
        while let Some(text) = peer.message().await {
            sleep(700 * MS).await;
            peer.text(&text).await;
        }
    });
    let run = simulate(&echoes(10, "1s", "500ms"), other);
    assert_eq!(run.measured(C::MessagesSent), 100);
    assert_eq!(run.measured(C::RepliesTimedOut), 100);
    assert_eq!(run.measured(C::RepliesMatched), 0);
    // The run ends when the last one has timed out, before its answer comes.
    let unheard = run.count(C::MessagesSent) - run.count(C::MessagesUnexpected);
    assert!(unheard <= 10, "{unheard}");
}

#[test]
fn the_second_of_two_answers_is_unexpected() {
    let other = always(async |stream| {
        let mut peer = Peer::new(stream);
        while let Some(text) = peer.message().await {
            peer.text(&text).await;
            peer.text(&text).await;
        }
    });
    let run = simulate(&echoes(10, "10/s", "1s"), other);
    assert_eq!(run.measured(C::RepliesMatched), 1000);
    assert_eq!(run.count(C::MessagesUnexpected), run.count(C::MessagesSent));
}

#[test]
fn a_wrong_answer_answers_nothing_and_swapped_ones_find_their_questions() {
    let wrong = always(async |stream| {
        let mut peer = Peer::new(stream);
        while let Some(text) = peer.message().await {
            peer.text(&text[1..]).await;
        }
    });
    let run = simulate(&echoes(10, "1s", "500ms"), wrong);
    assert_eq!(run.measured(C::RepliesTimedOut), 100);
    assert_eq!(run.measured(C::MessagesUnexpected), 100);

    let swapped = always(async |stream| {
        let mut peer = Peer::new(stream);
        while let Some(first) = peer.message().await {
            let Some(second) = peer.message().await else {
                return;
            };
            peer.text(&second).await;
            peer.text(&first).await;
        }
    });
    let run = simulate(&echoes(1, "100ms", "1s"), swapped);
    let timed_out = run.count(C::RepliesTimedOut);
    assert!(timed_out <= 1, "the last of an odd number has no partner");
    assert_eq!(run.count(C::MessagesUnexpected), 0);
    // The first of a pair waits for the second to be sent: half of all samples are one period long.
    assert!(run.quantile(Metric::RoundTrip, 0.45) <= 2 * MS);
    assert!(run.quantile(Metric::RoundTrip, 0.55) >= 98 * MS);
}

#[test]
fn the_drain_waits_for_answers_and_not_longer() {
    let other = always(async |stream| {
        let mut peer = Peer::new(stream);
        while let Some(text) = peer.message().await {
            sleep(900 * MS).await;
            peer.text(&text).await;
        }
    });
    let run = simulate(&echoes(10, "1s", "1s"), other);
    assert_eq!(run.measured(C::RepliesMatched), 100);
    assert_eq!(run.count(C::RepliesOutstanding), 0);
    let ended = run.ended();
    assert!(ended < Duration::from_millis(12_950), "{ended:?}");
}

/// A peer that does not read: our buffers fill, nothing is lost, nothing is counted as sent that the
/// kernel has not taken.
#[test]
fn a_deaf_peer_leaves_messages_unsent() {
    let step = format!(
        r#"{SESSION}
[[session.step]]
every = "100ms"
send = "{{{{text 32768}}}}"
reply = {{ echo = true, timeout = "1s" }}
"#
    );
    let deaf = always(async |stream: DuplexStream| {
        let _kept = stream;
        std::future::pending::<()>().await;
    });
    let run = simulate(&closed(1, 10, &step), deaf);
    // 64 KiB fit into the pipe: one message of 32 KiB and its header, and a part of the next.
    assert_eq!(run.count(C::MessagesSent), 1);
    assert_eq!(run.count(C::RepliesTimedOut), 1);
    let due = run.count(C::SendsSkipped) + run.count(C::MessagesSent);
    assert!((109..=111).contains(&due), "{due} in 11 s at 10/s");
    assert!(run.ended() < Duration::from_secs(17), "{:?}", run.ended());
}
