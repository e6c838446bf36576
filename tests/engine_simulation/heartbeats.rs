//! Heartbeats of whole runs (the rules themselves are tested as tables).

use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use wsbench::failure::{CloseCause, FailureKind};
use wsbench::metrics::{Counter as C, Metric};

use super::peer::{Frame, Peer, mute};
use super::world::{Run, always, closed, simulate};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const DEAD: CloseCause = CloseCause::Lost(FailureKind::HeartbeatDead);

fn beating(more: &str) -> String {
    let rest = format!(
        r#"
[heartbeat]
interval = "1s"
timeout = "400ms"
max_missed = 2
{more}
[[session]]
name = "only"
"#
    );
    closed(10, 10, &rest)
}

/// Every beat has its outcome, in this order: on time, superseded, late, missed.
#[track_caller]
fn assert_beats(run: &Run, expected: [u64; 4]) {
    let counters = [
        C::HeartbeatsOnTime,
        C::HeartbeatsSuperseded,
        C::HeartbeatsLate,
        C::HeartbeatsMissed,
    ];
    assert_eq!(counters.map(|c| run.measured(c)), expected);
}

#[test]
fn pongs_on_time_are_counted_to_the_beat() {
    let run = simulate(&beating(""), always(mute));
    assert_beats(&run, [100, 0, 0, 0]);
    assert_eq!(run.times(Metric::HeartbeatRtt).count(), 100);
    assert!(run.longest(Metric::HeartbeatLag) <= 2 * MS);
    run.assert(&[(C::DeclaredDead, 0), (C::HeartbeatsBlocked, 0)]);
}

#[test]
fn other_styles_beat_too() {
    let text = "style = \"text\"\nsend = \"2\"\nreply = \"3\"";
    let engineio = always(async |stream| {
        let mut peer = Peer::new(stream);
        while let Some(beat) = peer.message().await {
            assert_eq!(beat, "2");
            peer.text("3").await;
        }
    });
    let run = simulate(&beating(text), engineio);
    assert_beats(&run, [100, 0, 0, 0]);
    assert_eq!(run.count(C::MessagesUnexpected), 0);
    let json = "style = \"json\"";
    let phoenix = always(async |stream| {
        let mut peer = Peer::new(stream);
        while let Some(beat) = peer.message().await {
            peer.text(&beat.replace("ping", "pong")).await;
        }
    });
    assert_beats(&simulate(&beating(json), phoenix), [100, 0, 0, 0]);
}

#[test]
fn a_late_pong_is_late_and_its_time_is_kept() {
    let late = always(async |stream| {
        let mut peer = Peer::new(stream);
        while let Some(frame) = peer.next().await {
            if let Frame::Ping(payload) = frame {
                sleep(500 * MS).await;
                peer.pong(&payload).await;
            }
        }
    });
    let run = simulate(
        &beating("").replace("max_missed = 2", "max_missed = 1000"),
        late,
    );
    // Those of the last half second are not answered any more.
    let unanswered = run.measured(C::HeartbeatsMissed) + run.measured(C::HeartbeatsPending);
    assert!((2..=8).contains(&unanswered), "{unanswered}");
    assert_beats(
        &run,
        [0, 0, 100 - unanswered, run.measured(C::HeartbeatsMissed)],
    );
    assert!(run.times(Metric::HeartbeatRtt).min() >= Some(499 * MS));
}

#[test]
fn duplicate_and_unsolicited_pongs_acknowledge_nothing() {
    let twice = always(async |stream| {
        let mut peer = Peer::new(stream);
        while let Some(frame) = peer.next().await {
            match frame {
                Frame::Ping(payload) => {
                    peer.pong(b"who?").await;
                    peer.pong(&payload).await;
                    peer.pong(&payload).await;
                }
                Frame::Close(code) => return peer.close(code).await,
                _ => {}
            }
        }
    });
    let run = simulate(&beating(""), twice);
    assert_beats(&run, [100, 0, 0, 0]);
    assert_eq!(run.measured(C::PongsUnsolicited), 100);
    assert_eq!(run.measured(C::PongsDuplicate), 100);
}

/// RELIABILITY 2.3: detection between T + (k - 1) I and T + k I after the last byte.
#[test]
fn a_peer_without_pongs_is_declared_dead_after_two_misses() {
    let freezes = always(async |stream| {
        let mut peer = Peer::new(stream);
        let _ = tokio::time::timeout(5 * SECOND, peer.message()).await;
        peer.ignore().await;
    });
    let run = simulate(&beating(""), freezes);
    assert_eq!(run.closes(), [(DEAD, 10)]);
    assert_eq!(run.count(C::DeclaredDead), 10);
    assert_eq!(run.count(C::HeartbeatsMissed), 20);
    let detection = run.times(Metric::DeathDetection);
    assert_eq!(detection.count(), 10);
    assert!(detection.min() >= Some(1400 * MS), "{:?}", detection.min());
    assert!(detection.max() <= Some(2410 * MS), "{:?}", detection.max());
}

#[test]
fn a_verdict_is_proven_wrong_within_the_grace() {
    // Everything is 3 s late: dead by the rule, alive in truth.
    let slow = always(async |stream| {
        let mut peer = Peer::new(stream);
        let start = Instant::now();
        while let Some(frame) = peer.next().await {
            if let Frame::Ping(payload) = frame {
                if start.elapsed() > 4 * SECOND {
                    sleep(3 * SECOND).await;
                }
                peer.pong(&payload).await;
            }
        }
    });
    let run = simulate(&beating("grace = \"4s\""), slow);
    assert_eq!(run.closes(), [(DEAD, 10)]);
    run.assert(&[(C::DeclaredDead, 10), (C::FalseDead, 10)]);
}

/// A beat that is postponed by traffic is postponed, not saved up.
#[test]
fn beats_of_idle_connections_do_not_come_in_bursts() {
    let more = "idle_only = true";
    let toml = format!(
        r#"{}
[[session.step]]
every = "100ms"
count = 50
send = "{{{{seq}}}}"
reply = {{ echo = true, timeout = "1s" }}
"#,
        beating(more)
    );
    let run = simulate(&toml, always(super::peer::echo));
    assert_eq!(run.count(C::RepliesMatched), 500);
    // Busy for 5 s of at least 11, then silent: a beat a second.
    let sent = run.count(C::HeartbeatsSent);
    assert!(
        (50..=70).contains(&sent),
        "{sent} of 10 clients in 6 to 7 s"
    );
    run.assert(&[(C::HeartbeatsBlocked, 0), (C::DeclaredDead, 0)]);
}

#[test]
fn a_connection_that_cannot_be_written_to_blocks_beats_and_misses_none() {
    let toml = format!(
        r#"{}
[[session.step]]
every = "100ms"
send = "{{{{text 32768}}}}"
reply = {{ echo = true, timeout = "1s" }}
"#,
        beating("")
    );
    let deaf = always(async |stream: tokio::io::DuplexStream| {
        let _kept = stream;
        std::future::pending::<()>().await;
    });
    let run = simulate(&toml, deaf);
    let beats = run.count(C::HeartbeatsSent) + run.count(C::HeartbeatsBlocked);
    assert!(
        run.count(C::HeartbeatsSent) <= 10,
        "before the pipe was full"
    );
    assert!((130..=140).contains(&beats), "{beats} in 13 to 14 s");
    assert_eq!(run.count(C::DeclaredDead), 0);
}

#[test]
fn beats_at_the_end_are_pending_and_at_a_loss_cut() {
    let silent = |life: Duration| {
        always(move |stream| async move {
            let _ = tokio::time::timeout(life, Peer::new(stream).ignore()).await;
        })
    };
    let rule = beating("").replace("400ms", "60s");
    let run = simulate(&rule, silent(3600 * SECOND));
    assert_eq!(
        run.count(C::HeartbeatsPending),
        run.count(C::HeartbeatsSent)
    );
    let run = simulate(&rule, silent(5 * SECOND));
    let sent = run.count(C::HeartbeatsSent);
    assert!((40..=50).contains(&sent), "{sent}");
    assert_eq!(run.count(C::HeartbeatsCut), sent);
}

#[test]
fn silence_alone_kills_where_nobody_answers() {
    let rest = r#"
[heartbeat]
style = "one_way"
send = "\n"
interval = "1s"
max_quiet = "2500ms"
[[session]]
name = "only"
"#;
    let beats = Rc::new(std::cell::Cell::new(0));
    let seen = Rc::clone(&beats);
    let other = always(move |stream| {
        let seen = Rc::clone(&seen);
        async move {
            let mut peer = Peer::new(stream);
            while peer.message().await.is_some() {
                seen.set(seen.get() + 1);
            }
        }
    });
    let run = simulate(&closed(10, 10, rest), other);
    assert_eq!(run.closes(), [(DEAD, 10)]);
    assert!((20..=30).contains(&beats.get()));
    let detection = run.longest_of_all(Metric::DeathDetection);
    assert!(
        (2500 * MS..=2503 * MS).contains(&detection),
        "{detection:?}"
    );
}

#[test]
fn what_came_in_time_counts_when_more_comes_as_silence_falls_due() {
    let rest = r#"
[heartbeat]
style = "one_way"
send = "\n"
interval = "60s"
max_quiet = "2500ms"
[[session]]
name = "only"
"#;
    let other = always(async |stream| {
        let mut peer = Peer::new(stream);
        sleep(2490 * MS).await;
        // One of these is read by the same wake-up that the end of the first silence brings.
        for _ in 0..20 {
            peer.text("here").await;
            sleep(MS).await;
        }
        loop {
            peer.text("still here").await;
            sleep(SECOND).await;
        }
    });
    let run = simulate(&closed(10, 6, rest), other);
    run.assert(&[(C::DeclaredDead, 0)]);
}
