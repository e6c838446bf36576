//! Ctrl-C in every phase: the run ends soon, and what was measured is complete.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::sleep;
use wsbench::engine::run::{End, Interrupt};
use wsbench::failure::CloseCause;
use wsbench::metrics::Counter as C;

use super::peer::{Frame, Peer, echo};
use super::world::{Other, Reaction, Run, SESSION, always, closed, serve, simulate_with};

const MS: Duration = Duration::from_millis(1);
const INTERRUPTED: End = End::Interrupted(Interrupt::Interrupted);

fn run(at: &[u64], other: Other) -> Run {
    let step = format!(
        r#"{SESSION}
[[session.step]]
every = "100ms"
send = "{{{{seq}}}}"
reply = {{ echo = true, timeout = "10s" }}
"#
    );
    let times: Vec<Duration> = at.iter().map(|ms| Duration::from_millis(*ms)).collect();
    simulate_with(&closed(10, 10, &step), 2, &times, other)
}

#[test]
fn once_in_any_phase_drains_and_closes() {
    // Start, ramp, warm-up, measure, the last moment.
    for at in [0, 1, 500, 1500, 2000, 7777, 11_999] {
        let run = run(&[at], always(echo));
        assert_eq!(run.outcome.end, INTERRUPTED, "at {at} ms");
        let late = run.ended().saturating_sub(Duration::from_millis(at));
        assert!(late < 100 * MS, "at {at} ms: {late:?}");
        let sent = run.count(C::MessagesSent);
        assert_eq!(run.count(C::RepliesMatched), sent, "at {at} ms");
        // About 10 clients x 10/s from the ramp on.
        let expected = at.saturating_sub(500) / 10;
        assert!(sent.abs_diff(expected) <= 20, "at {at} ms: {sent}");
        assert_eq!(run.outcome.open_at_end, 0);
    }
}

/// A server that answers nothing, not even a close.
fn mute_to_the_end() -> Other {
    always(async |stream| Peer::new(stream).ignore().await)
}

#[test]
fn once_waits_for_answers_as_long_as_the_drain_and_a_close_timeout() {
    let run = run(&[5000], mute_to_the_end());
    assert_eq!(run.outcome.end, INTERRUPTED);
    assert_eq!(run.count(C::RepliesOutstanding), run.count(C::MessagesSent));
    assert_eq!(run.closes(), [(CloseCause::ByUsUnanswered, 10)]);
    let ended = run.ended();
    assert!(
        ended > 7900 * MS && ended < 8600 * MS,
        "2 s + 1 s: {ended:?}"
    );
}

#[test]
fn twice_ends_at_once_in_any_phase() {
    // The second during the drain, during the close handshakes.
    for (first, second) in [(5000, 5001), (5000, 6500), (5000, 7500), (300, 301)] {
        let run = run(&[first, second], mute_to_the_end());
        assert_eq!(run.outcome.end, INTERRUPTED);
        let late = run.ended().saturating_sub(Duration::from_millis(second));
        assert!(late < 20 * MS, "{first}, {second}: {late:?}");
        assert_eq!(run.outcome.open_at_end, run.count(C::ConnectionsOpened));
    }
}

#[test]
fn during_the_last_drain_it_shortens_the_drain() {
    let ended = |at: &[u64]| {
        let run = run(at, mute_to_the_end());
        assert_eq!(run.outcome.end, INTERRUPTED);
        run.ended()
    };
    // The load ends at 12 s, the drain at 14 s, closing at 15 s.
    let once = ended(&[12_500]);
    assert!(once >= 13_500 * MS && once < 14_100 * MS, "{once:?}");
    let twice = ended(&[12_500, 12_600]);
    assert!(twice < 12_700 * MS, "{twice:?}");
    let closing = ended(&[14_500]);
    assert!(
        closing < 14_600 * MS,
        "the close handshakes too: {closing:?}"
    );
}

#[test]
fn many_times_never_goes_back() {
    let presses: Vec<u64> = (0..4).map(|n| 14_400 + n * 100).collect();
    let run = run(&presses, mute_to_the_end());
    assert!(run.ended() < 14_600 * MS, "{:?}", run.ended());
}

#[test]
fn dials_and_waits_are_given_up() {
    let rest = r#"
[heartbeat]
style = "none"
[reconnect]
policy = "fixed"
delay = "1h"
[[session]]
name = "only"
[[session.step]]
expect = { text = "never", timeout = "1h" }
"#;
    // A third is never answered, a third waits to reconnect, a third waits for a message.
    let other: Other = Rc::new(|number| match number % 3 {
        0 => Reaction::Never,
        1 => serve(async |_| sleep(MS).await),
        _ => serve(polite),
    });
    let run = simulate_with(&closed(30, 10, rest), 1, &[3000 * MS], other);
    assert_eq!(run.outcome.end, INTERRUPTED);
    assert!(run.ended() < 3100 * MS, "{:?}", run.ended());
    run.assert(&[
        (C::ConnectionsAttempted, 30),
        (C::ConnectionsAbandoned, 10),
        (C::ConnectionsOpened, 20),
        (C::GaveUp, 0),
    ]);
}

async fn polite(stream: tokio::io::DuplexStream) {
    let mut peer = Peer::new(stream);
    while let Some(frame) = peer.next().await {
        if let Frame::Close(code) = frame {
            peer.close(code).await;
            return;
        }
    }
}
