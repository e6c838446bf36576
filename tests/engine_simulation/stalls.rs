//! The generator itself stands still for 3 s while the world goes on.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::time::{Instant, sleep};
use wsbench::metrics::{Counter as C, Metric};

use super::peer::{Frame, Peer};
use super::world::{Other, Run, closed, serve, simulate};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const DISTANT: Duration = Duration::from_secs(3600);

/// Answers everything 200 ms after it came, pings too, and pings back after each beat.
async fn slow(stream: DuplexStream) {
    let mut peer = Peer::new(stream);
    let mut owed = VecDeque::new();
    loop {
        let due = owed
            .front()
            .map_or(DISTANT, |(due, _)| *due - Instant::now());
        match tokio::time::timeout(due, peer.next()).await {
            Ok(Some(frame)) => owed.push_back((Instant::now() + 200 * MS, frame)),
            Ok(None) => return,
            Err(_) => match owed.pop_front() {
                Some((_, Frame::Ping(payload))) => {
                    peer.pong(&payload).await;
                    peer.ping(b"there?").await;
                }
                Some((_, Frame::Text(text))) => peer.text(&text).await,
                Some((_, Frame::Close(code))) => return peer.close(code).await,
                _ => {}
            },
        }
    }
}

/// Serves all with [`slow`]; the clock jumps by `length` at `at`.
fn stalling(at: Duration, length: Duration) -> Other {
    Rc::new(move |dial| {
        serve(move |stream| async move {
            if dial == 0 && !length.is_zero() {
                tokio::task::spawn_local(async move {
                    sleep(at).await;
                    tokio::time::advance(length).await;
                });
            }
            slow(stream).await;
        })
    })
}

fn scenario(session: &str) -> String {
    let rest = format!(
        r#"
[heartbeat]
interval = "1s"
timeout = "400ms"
max_missed = 1
max_quiet = "2s"
expect_server_ping = "2s"
{session}
"#
    );
    closed(20, 10, &rest)
}

/// 20 clients ask every 2 s for an answer within 400 ms.
fn asking() -> String {
    let step = r#"
[[session]]
name = "only"
[[session.step]]
every = "2s"
send = "{{seq}}"
reply = { echo = true, timeout = "400ms" }
"#;
    scenario(step)
}

#[track_caller]
fn assert_nobody_is_blamed(run: &Run) {
    run.assert(&[
        (C::DeclaredDead, 0),
        (C::HeartbeatsMissed, 0),
        (C::HeartbeatsLate, 0),
        (C::RepliesTimedOut, 0),
        (C::RepliesLost, 0),
        (C::RepliesOutstanding, 0),
        (C::ExpectsTimedOut, 0),
        (C::ServerPingsOverdue, 0),
        (C::MessagesUnexpected, 0),
        (C::ConnectionsFailed, 0),
    ]);
    assert_eq!(run.outcome.open_at_end, 0);
}

#[test]
fn without_a_stall_nothing_is_found() {
    let run = simulate(&asking(), stalling(SECOND, Duration::ZERO));
    assert!(run.outcome.stalls.is_empty(), "{:?}", run.outcome.stalls);
    run.assert(&[(C::SamplesInStall, 0)]);
    assert_nobody_is_blamed(&run);
}

#[test]
fn a_stall_is_told_and_nobody_is_blamed() {
    // At different places between the beats and the messages.
    for shift in [0, 70, 210, 390, 650, 930] {
        let at = 5 * SECOND + shift * MS;
        let run = simulate(&asking(), stalling(at, 3 * SECOND));
        let [stall] = run.outcome.stalls.list() else {
            panic!("{:?}", run.outcome.stalls);
        };
        let length = stall.length();
        assert!((3 * SECOND..=3_015 * MS).contains(&length), "{length:?}");
        assert_nobody_is_blamed(&run);
        // The true times are kept, and told apart.
        assert!(run.count(C::SamplesInStall) > 0);
        assert!(run.longest(Metric::ScheduleLag) > SECOND);
        assert!(run.longest(Metric::RoundTrip) > SECOND);
    }
}

#[test]
fn a_stall_while_the_run_drains_or_closes_cuts_nothing_off() {
    // The load ends at 12 s; answers take 200 ms, then the close handshakes 200 ms.
    for shift in [10, 100, 190, 250, 350] {
        let at = 11_000 * MS + shift * MS;
        let run = simulate(&asking(), stalling(at, 3 * SECOND));
        assert_eq!(run.outcome.stalls.list().len(), 1, "{shift}");
        assert_nobody_is_blamed(&run);
    }
}

#[test]
fn a_shorter_gap_is_no_stall() {
    let run = simulate(&asking(), stalling(5 * SECOND, 80 * MS));
    assert!(run.outcome.stalls.is_empty(), "{:?}", run.outcome.stalls);
}

#[test]
fn a_waiting_expect_and_a_waiting_ping_get_the_time_too() {
    let steps = r#"
[[session]]
name = "only"
[[session.step]]
repeat = { steps = [ { ping = { timeout = "700ms" } }, { pause = "500ms" } ] }
"#;
    let run = simulate(&scenario(steps), stalling(5 * SECOND, 3 * SECOND));
    assert_eq!(run.outcome.stalls.list().len(), 1);
    assert_nobody_is_blamed(&run);
}

/// A peer that is silent is still found out: the stall moves the verdict, it does not lift it.
#[test]
fn a_dead_peer_stays_dead() {
    let dies: Other = Rc::new(|dial| {
        serve(move |stream| async move {
            if dial == 0 {
                tokio::task::spawn_local(async {
                    sleep(5 * SECOND).await;
                    tokio::time::advance(3 * SECOND).await;
                });
            }
            let mut peer = Peer::new(stream);
            let _ = tokio::time::timeout(4_500 * MS, peer.message()).await;
            peer.ignore().await;
        })
    });
    let silent = "[[session]]\nname = \"only\"\n[[session.step]]\npause = \"60s\"";
    let run = simulate(&scenario(silent), dies);
    assert_eq!(run.outcome.stalls.list().len(), 1);
    run.assert(&[(C::DeclaredDead, 20), (C::ConnectionsOpened, 20)]);
}
