//! Faults of our own clients, each at its time, to its share, with what must and must not follow.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::Instant;
use wsbench::failure::CloseCause;
use wsbench::metrics::{ConnectionStep, Counter as C, Metric};

use super::peer::{Frame, Peer, echo};
use super::world::{Run, always, closed, simulate};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const CLIENTS: u64 = 40;

/// A second a message from each client for 20 s after 2 s of warm-up, with beats each second.
fn run(faults: &str, other: super::world::Other) -> Run {
    let rest = format!(
        r#"
[heartbeat]
interval = "1s"
timeout = "500ms"
max_missed = 2
[reconnect]
policy = "fixed"
delay = "1s"
jitter = "none"
[[session]]
name = "only"
[[session.step]]
every = "1s"
send = "{{{{seq}}}}"
reply = {{ echo = true, timeout = "1s" }}
{faults}
"#
    );
    simulate(&closed(CLIENTS as u32, 18, &rest), other)
}

fn healthy(run: &Run) {
    run.assert(&[
        (C::DeclaredDead, 0),
        (C::HeartbeatsMissed, 0),
        (C::RepliesTimedOut, 0),
        (C::MessagesUnexpected, 0),
    ]);
}

/// Seconds from the start of the measured phase, of each loss.
fn losses(run: &Run) -> Vec<f64> {
    let lost = run.events.list.iter();
    let lost = lost.filter(|event| event.what == ConnectionStep::Lost);
    lost.map(|event| event.at.secs_f64() - 2.0).collect()
}

#[test]
fn a_disconnect_hits_its_share_at_its_time_and_all_come_back() {
    let fault = "[[fault]]\nat = \"5s\"\nkind = \"disconnect\"\nshare = \"25%\"\nevery = \"5s\"";
    let run = run(fault, always(echo));
    healthy(&run);
    let lost = losses(&run);
    // At 5, 10 and 15 s.
    assert!((27..=33).contains(&lost.len()), "{}", lost.len());
    for at in &lost {
        let near = [5.0, 10.0, 15.0].iter().any(|t| (at - t).abs() < 0.01);
        assert!(near, "{at}");
    }
    assert_eq!(run.closes()[1], (CloseCause::ByFault, lost.len() as u64));
    assert_eq!(run.count(C::Reconnected), lost.len() as u64);
    let hits = &run.events.faults;
    assert_eq!(hits.len(), 3);
    assert_eq!(
        hits.iter().map(|hit| hit.clients).sum::<u64>(),
        lost.len() as u64
    );
    let first = run
        .events
        .list
        .iter()
        .filter(|event| matches!(event.what, ConnectionStep::FirstMessage { .. }));
    assert_eq!(first.count(), lost.len());
}

#[test]
fn a_close_says_goodbye_and_comes_back() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&seen);
    let other = always(move |stream| {
        let log = Rc::clone(&log);
        async move {
            let mut peer = Peer::new(stream);
            while let Some(frame) = peer.next().await {
                match frame {
                    Frame::Text(text) => peer.text(&text).await,
                    Frame::Ping(payload) => peer.pong(&payload).await,
                    Frame::Close(code) => {
                        log.borrow_mut().push(code);
                        peer.close(code).await;
                        return;
                    }
                    _ => {}
                }
            }
        }
    });
    let fault = "[[fault]]\nat = \"5s\"\nkind = \"close\"\ncode = 4001\nreason = \"bye\"";
    let run = run(fault, other);
    healthy(&run);
    let farewells = seen
        .borrow()
        .iter()
        .filter(|code| **code == Some(4001))
        .count();
    assert_eq!(farewells as u64, CLIENTS);
    assert_eq!(run.count(C::Reconnected), CLIENTS);
    assert_eq!(losses(&run).len() as u64, CLIENTS);
}

#[test]
fn a_frozen_client_does_nothing_and_blames_nobody() {
    let fault = "[[fault]]\nat = \"5s\"\nkind = \"freeze\"\nduration = \"4s\"\nshare = \"50%\"";
    let silent = Rc::new(RefCell::new(Vec::new()));
    let log = Rc::clone(&silent);
    let begin = Rc::new(RefCell::new(None));
    let other = always(move |stream| {
        let log = Rc::clone(&log);
        let start = *begin.borrow_mut().get_or_insert_with(Instant::now);
        async move {
            let mut peer = Peer::new(stream);
            let mut last = Instant::now();
            let mut longest = Duration::ZERO;
            while let Some(frame) = peer.next().await {
                let now = Instant::now();
                if now < start + 20 * SECOND {
                    longest = longest.max(now - last);
                }
                last = now;
                match frame {
                    Frame::Text(text) => peer.text(&text).await,
                    Frame::Ping(payload) => peer.pong(&payload).await,
                    Frame::Close(code) => {
                        peer.close(code).await;
                        break;
                    }
                    _ => {}
                }
            }
            log.borrow_mut().push(longest);
        }
    });
    let run = run(fault, other);
    healthy(&run);
    assert_eq!(run.count(C::ConnectionsOpened), CLIENTS);
    let frozen = run.events.faults[0].clients;
    assert!((19..=21).contains(&frozen), "{frozen}");
    let quiet = silent
        .borrow()
        .iter()
        .filter(|gap| **gap >= 3990 * MS)
        .count();
    assert_eq!(quiet as u64, frozen);
    // Each skipped what was due in 4 s.
    assert_eq!(run.count(C::SendsSkipped), frozen * 4);
}

/// What was under way when the freeze came is answered long before it ends, and read after it.
#[test]
fn what_a_frozen_client_could_not_read_is_not_called_late() {
    let fault = "[[fault]]\nat = \"5s\"\nkind = \"freeze\"\nduration = \"4s\"\nshare = \"100%\"";
    let slow = always(|stream| async move {
        let mut peer = Peer::new(stream);
        while let Some(frame) = peer.next().await {
            tokio::time::sleep(200 * MS).await;
            match frame {
                Frame::Text(text) => peer.text(&text).await,
                Frame::Ping(payload) => peer.pong(&payload).await,
                Frame::Close(code) => return peer.close(code).await,
                _ => {}
            }
        }
    });
    let run = run(fault, slow);
    healthy(&run);
    run.assert(&[(C::HeartbeatsLate, 0), (C::RepliesLost, 0)]);
    // Their times are kept as they were: some lasted through the freeze.
    assert!(run.longest(Metric::RoundTrip) > 3 * SECOND);
}

#[test]
fn without_heartbeats_nothing_is_beaten_and_no_ping_answered() {
    let fault = "[[fault]]\nat = \"5s\"\nkind = \"stop_heartbeats\"\nduration = \"10s\"";
    let run = run(fault, always(echo));
    healthy(&run);
    // 21 s with a beat a second less 10 s, give or take a beat at each edge.
    let beats = run.count(C::HeartbeatsSent) as f64 / CLIENTS as f64;
    assert!((9.0..=11.0).contains(&beats), "{beats}");
    // Messages go on.
    assert_eq!(run.count(C::SendsSkipped), 0);
}

#[test]
fn a_burst_multiplies_the_rate_and_keeps_the_grid() {
    let fault = "[[fault]]\nat = \"5s\"\nkind = \"burst\"\nfactor = 5\nduration = \"4s\"";
    let plain = run("", always(echo));
    let burst = run(fault, always(echo));
    healthy(&burst);
    let more = burst.count(C::MessagesSent) - plain.count(C::MessagesSent);
    // Four more a second for 4 s, give or take a period at each edge.
    let expected = CLIENTS * 16;
    assert!(more.abs_diff(expected) <= CLIENTS * 4, "{more}");
    assert_eq!(burst.count(C::SendsSkipped), 0);
    let lag = burst.longest(Metric::ScheduleLag);
    assert!(
        lag <= 2 * MS,
        "the extra ones have due times of their own: {lag:?}"
    );
}

#[test]
fn a_slow_reader_gets_its_bytes_late_but_gets_them() {
    // An echo of "12" is 4 bytes, once a second.
    let fault = "[heartbeat]\nstyle = \"none\"\n[[fault]]\nat = \"5s\"\nkind = \"slow_read\"\nbytes_per_s = 1\nduration = \"3s\"";
    let steps = r#"
[[session]]
name = "only"
[[session.step]]
every = "1s"
send = "{{seq}}"
reply = { echo = true, timeout = "1500ms" }
"#;
    let toml = closed(CLIENTS as u32, 18, &format!("{fault}{steps}"));
    let run = simulate(&toml, always(echo));
    assert!(
        run.count(C::MessagesUnexpected) > 0,
        "some come after their timeout"
    );
    let answered = run.count(C::RepliesMatched) + run.count(C::MessagesUnexpected);
    assert_eq!(answered, run.count(C::MessagesSent), "nothing is lost");
    assert_eq!(run.count(C::ConnectionsOpened), CLIENTS);
}

#[test]
fn clients_that_come_later_feel_what_is_on() {
    let fault = "[[fault]]\nat = \"0s\"\nkind = \"stop_heartbeats\"";
    let rest = format!("[heartbeat]\ninterval = \"1s\"\ntimeout = \"500ms\"\n{fault}");
    let toml = closed(20, 18, &rest).replace(
        "duration = \"1s\", clients = 20",
        "duration = \"10s\", clients = 20",
    );
    let run = simulate(&toml, always(echo));
    // Four clients beat in the two seconds of warm-up.
    assert!(
        run.count(C::HeartbeatsSent) <= 8,
        "{}",
        run.count(C::HeartbeatsSent)
    );
}
