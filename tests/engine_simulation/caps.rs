//! The cap on dials a second: a storm queues before it, and nobody who waits there holds up an end.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use wsbench::engine::run::{End, Interrupt};
use wsbench::metrics::{Counter as C, Metric};

use super::peer::{echo, echo_for};
use super::world::{Other, always, closed, serve, simulate, simulate_with};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn capped(dials_per_s: u32, rest: &str) -> String {
    format!(
        "[heartbeat]\nstyle = \"none\"\n[limits]\ndials_per_s = {dials_per_s}\n{rest}\n[[session]]\nname = \"only\"\n"
    )
}

/// Drops every connection at 10 s of the first dial; notes when each dial came.
fn drop_all(times: Rc<Cell<Vec<Instant>>>) -> Other {
    Rc::new(move |_| {
        let mut noted = times.take();
        noted.push(Instant::now());
        let drop_at = noted[0] + 10 * SECOND;
        times.set(noted);
        serve(async move |stream| {
            let left = drop_at.saturating_duration_since(Instant::now());
            let left = if left.is_zero() { 3600 * SECOND } else { left };
            echo_for(stream, left).await;
            sleep_until(drop_at).await;
        })
    })
}

#[test]
fn a_storm_queues_before_the_cap() {
    let fixed = "[reconnect]\npolicy = \"fixed\"\ndelay = \"1s\"\njitter = \"none\"";
    for shards in [1, 2] {
        let times = Rc::new(Cell::new(Vec::new()));
        let toml = closed(50, 20, &capped(20, fixed));
        let run = simulate_with(&toml, shards, &[], drop_all(Rc::clone(&times)));
        run.assert(&[(C::ConnectionsOpened, 100), (C::Reconnected, 50)]);
        // A tenth of a second's worth goes at once, the others one in 50 ms.
        assert!(run.count(C::DialsHeldBack) >= 48 + 20, "{shards}");
        let longest = run.longest(Metric::DialLag);
        assert!((2350 * MS..=2500 * MS).contains(&longest), "{longest:?}");
        assert_eq!(run.times(Metric::ReconnectTime).count(), 50);
        let lags = run.everything.histogram(Metric::DialLag).expect("dials");
        assert_eq!(lags.count(), 100, "one for each dial");
        let times = times.take();
        for window in times.windows(20 + 2 + usize::from(shards) + 1) {
            let took = window[window.len() - 1] - window[0];
            assert!(took >= SECOND, "{} dials in {took:?}", window.len());
        }
    }
}

#[test]
fn a_dial_that_waits_ends_with_the_run() {
    let toml = closed(50, 20, &capped(2, ""));
    let run = simulate_with(&toml, 1, &[3 * SECOND], always(echo));
    assert_eq!(run.outcome.end, End::Interrupted(Interrupt::Interrupted));
    assert!(run.ended() < 3 * SECOND + 100 * MS, "{:?}", run.ended());
    let tried = run.count(C::ConnectionsAttempted);
    assert!((6..=7).contains(&tried), "{tried}");
    run.assert(&[
        (C::ConnectionsOpened, tried),
        (C::ConnectionsAbandoned, 0),
        (C::DialsHeldBack, 49),
    ]);
}

#[test]
fn a_client_that_waits_leaves_at_once_and_its_slot_is_used() {
    let toml = r#"
name = "simulation"
[target]
url = "ws://127.0.0.1:1/"
[load]
stages = [ { duration = "1s", clients = 30 }, { duration = "1s", clients = 0 }, { duration = "1s", clients = 0 }, { duration = "1s", clients = 3 }, { duration = "1s", clients = 3 } ]
[limits]
dials_per_s = 3
[heartbeat]
style = "none"
"#;
    let run = simulate(toml, always(echo));
    // Of 33 dials 30 would have taken 10 s: those that left did not make the last three wait.
    let tried = run.count(C::ConnectionsAttempted);
    assert!((8..=10).contains(&tried), "{tried}");
    run.assert(&[(C::ConnectionsOpened, tried), (C::ArrivalsStarted, 33)]);
    assert!(run.ended() < 6 * SECOND, "{:?}", run.ended());
}
