//! What a step's due time is after a reconnect and after a pause.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::timeout;
use wsbench::metrics::{Counter as C, Metric};

use super::peer::Peer;
use super::world::{Other, SESSION, always, closed, serve, simulate};

const MS: Duration = Duration::from_millis(1);

#[test]
fn after_a_reconnect_a_schedule_waits_for_the_steps_before_it() {
    let steps = format!(
        r#"{SESSION}
[[session.step]]
send = "join"
expect = {{ text = "joined" }}
[[session.step]]
every = "100ms"
send = "say {{{{seq}}}}"
[reconnect]
policy = "fixed"
delay = "1s"
jitter = "none"
"#
    );
    let early = Rc::new(Cell::new(0));
    let seen = Rc::clone(&early);
    let other: Other = Rc::new(move |number| {
        let seen = Rc::clone(&seen);
        serve(async move |stream| {
            let mut peer = Peer::new(stream);
            peer.next().await;
            if let Ok(Some(_)) = timeout(200 * MS, peer.next()).await {
                seen.set(seen.get() + 1);
            }
            peer.text("joined").await;
            let length = if number == 0 {
                5000 * MS
            } else {
                3_600_000 * MS
            };
            let _ = timeout(length, async { while peer.next().await.is_some() {} }).await;
        })
    });
    let run = simulate(&closed(1, 10, &steps), other);
    assert_eq!(early.get(), 0, "a message before the answer to join");
    assert_eq!(run.count(C::Reconnected), 1);
    // One second away and 0.2 s until joined again: due, not sent, and not sent late either.
    let skipped = run.count(C::SendsSkipped);
    assert!((11..=14).contains(&skipped), "{skipped} skipped");
    let lag = run.longest_of_all(Metric::ScheduleLag);
    assert!(lag < 50 * MS, "{lag:?}");
}

#[test]
fn a_step_is_due_when_the_pause_before_it_ends() {
    // The simulated clock wakes in whole milliseconds: half of one late, which has to show.
    let steps = format!(
        r#"{SESSION}
[[session.step]]
repeat = {{ steps = [
  {{ send = "x {{{{seq}}}}", expect = {{ echo = true, timeout = "1s" }} }},
  {{ pause = "10500us" }},
] }}
"#
    );
    let run = simulate(&closed(1, 5, &steps), always(super::peer::echo));
    assert!(run.measured(C::RepliesMatched) > 300);
    let lag = run.quantile(Metric::ScheduleLag, 0.5);
    assert!((300..=1000).contains(&lag.as_micros()), "{lag:?}");
}
