//! Everybody is dropped at once, and what each reconnect policy makes of it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use wsbench::engine::run::End;
use wsbench::failure::{CloseCause, FailureKind};
use wsbench::metrics::{Counter as C, Metric};
use wsbench::result::StormReport;
use wsbench::result::storm::StormEnd;

use super::peer::echo_for;
use super::world::{Other, Reaction, Run, closed, serve, simulate};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const CLIENTS: u64 = 50;

/// Drops every connection at 5 s and refuses new ones for `outage`.
fn outage(outage: Duration) -> Other {
    let start = Rc::new(Cell::new(None));
    Rc::new(move |_| {
        let begin = start.get().unwrap_or_else(Instant::now);
        start.set(Some(begin));
        let drop_at = begin + 5 * SECOND;
        let now = Instant::now();
        if now >= drop_at && now < drop_at + outage {
            return Reaction::Fail(FailureKind::Refused);
        }
        serve(async move |stream| {
            let left = drop_at.saturating_duration_since(now);
            let left = if left.is_zero() { 3600 * SECOND } else { left };
            echo_for(stream, left).await;
            // All at one instant.
            sleep_until(drop_at).await;
        })
    })
}

fn storm(policy: &str, length: Duration) -> Run {
    let rest = format!(
        r#"
[heartbeat]
style = "none"
[reconnect]
{policy}
[[session]]
name = "only"
[[session.step]]
every = "1s"
send = "{{{{seq}}}}"
reply = {{ echo = true, timeout = "1s" }}
"#
    );
    let run = simulate(&closed(CLIENTS as u32, 58, &rest), outage(length));
    let dropped = CloseCause::Lost(FailureKind::EofWithoutClose);
    assert_eq!(run.everything.closes[&dropped].count, CLIENTS, "{policy}");
    // Whoever came back was there to the end; nobody dialled without having been dropped.
    let back = run.count(C::Reconnected);
    assert_eq!(run.count(C::ConnectionsOpened), CLIENTS + back, "{policy}");
    assert_eq!(
        run.count(C::ReconnectsAttempted),
        back + run.count(C::ConnectionsFailed)
    );
    run
}

/// The one storm of a run: everybody was lost.
fn report(run: &Run) -> &StormReport {
    let [storm] = run.storms.as_slice() else {
        panic!("{:?}", run.storms);
    };
    assert_eq!(
        (storm.connected_before, storm.clients_lost),
        (CLIENTS, CLIENTS)
    );
    assert_eq!(storm.attempts.total, run.count(C::ReconnectsAttempted));
    storm
}

/// All of them came back, with so many attempts.
fn all_back(policy: &str, length: Duration, attempts: std::ops::RangeInclusive<u64>) -> Run {
    let run = storm(policy, length);
    assert_eq!(run.count(C::Reconnected), CLIENTS, "{policy}");
    assert_eq!(run.count(C::GaveUp), 0, "{policy}");
    let tried = run.count(C::ReconnectsAttempted);
    assert!(attempts.contains(&tried), "{policy}: {tried} attempts");
    assert_eq!(run.times(Metric::ReconnectTime).count(), CLIENTS);
    // What fell due in between was skipped, the rest sent: once a second for 60 s.
    let due = run.count(C::MessagesSent) + run.count(C::SendsSkipped);
    assert!((CLIENTS * 58..=CLIENTS * 60).contains(&due), "{due}");
    assert_eq!(run.count(C::RepliesTimedOut), 0, "{policy}");
    run
}

#[test]
fn without_a_policy_nobody_comes_back() {
    let run = storm("policy = \"none\"", Duration::ZERO);
    run.assert(&[(C::ReconnectsAttempted, 0), (C::GaveUp, 0)]);
    assert_eq!(run.outcome.end, End::NoClientsLeft);
}

#[test]
fn a_fixed_delay_without_jitter_is_lockstep() {
    let fixed = "policy = \"fixed\"\ndelay = \"1s\"\njitter = \"none\"";
    let run = all_back(fixed, Duration::ZERO, CLIENTS..=CLIENTS);
    assert_eq!(report(&run).attempts.peak_100ms, CLIENTS);
    assert!((999 * MS..=1003 * MS).contains(&run.longest(Metric::ReconnectTime)));
    // Refused at 1, 2 and 3 s; back at 4 s.
    let run = all_back(fixed, 3500 * MS, 4 * CLIENTS..=4 * CLIENTS);
    let longest = run.longest(Metric::ReconnectTime);
    assert!((3999 * MS..=4010 * MS).contains(&longest), "{longest:?}");
    assert_eq!(run.failures(), [(FailureKind::Refused, 3 * CLIENTS)]);
    let storm = report(&run);
    assert_eq!((storm.ended, storm.recovered), (StormEnd::AllBack, true));
    assert!(storm.measured && storm.fault.is_none());
    assert_eq!(storm.attempts.total, 4 * CLIENTS);
    assert_eq!(storm.attempts.failed["refused"], 3 * CLIENTS);
    assert_eq!(storm.attempts.peak_1s, CLIENTS);
    assert_eq!(storm.attempts.duplicates, 0);
    let t100 = storm.recovery.t100.now_s.expect("all came back");
    assert!((3.99..4.02).contains(&t100), "{t100}");
    assert_eq!(storm.cost.without_message, 0);
    // Four bins of 31: (1/4 - 1/31) / (1 - 1/31).
    let spread = storm.spread.expect("there were attempts");
    assert!((spread.sync - 0.225).abs() < 0.01, "{spread:?}");
    assert!(spread.in_phase > Some(0.99), "{spread:?}");
}

#[test]
fn exponential_delays_double() {
    let policy =
        "policy = \"exponential\"\ninitial = \"1s\"\nmax_delay = \"30s\"\njitter = \"none\"";
    // Attempts at 1, 3, 7 and 15 s after the drop.
    let run = all_back(policy, 8 * SECOND, 4 * CLIENTS..=4 * CLIENTS);
    let longest = run.longest(Metric::ReconnectTime);
    assert!(
        (14_999 * MS..=15_010 * MS).contains(&longest),
        "{longest:?}"
    );
}

#[test]
fn jitter_spreads_the_attempts() {
    for (jitter, earliest, latest) in [
        ("full", Duration::ZERO, SECOND),
        ("equal", 500 * MS, SECOND),
        ("decorrelated", SECOND, 3 * SECOND),
    ] {
        let policy = format!("policy = \"exponential\"\ninitial = \"1s\"\njitter = \"{jitter}\"");
        let run = all_back(&policy, Duration::ZERO, CLIENTS..=CLIENTS);
        let times = run.times(Metric::ReconnectTime);
        let shortest = times.min().expect("not empty");
        let longest = run.longest(Metric::ReconnectTime);
        assert!(
            shortest >= earliest && longest <= latest + 3 * MS,
            "{jitter}"
        );
        // Of 50 even draws both outer quarters have some.
        let quarter = (latest - earliest) / 4;
        assert!(
            shortest < earliest + quarter && longest > latest - quarter,
            "{jitter}"
        );
    }
}

#[test]
fn clients_give_up_after_their_attempts() {
    let policy = "policy = \"fixed\"\ndelay = \"1s\"\njitter = \"none\"\nmax_attempts = 3";
    let run = storm(policy, 30 * SECOND);
    run.assert(&[
        (C::ReconnectsAttempted, 3 * CLIENTS),
        (C::Reconnected, 0),
        (C::GaveUp, CLIENTS),
    ]);
    assert_eq!(run.outcome.end, End::NoClientsLeft);
    let storm = report(&run);
    assert_eq!((storm.ended, storm.gave_up), (StormEnd::SomeGone, CLIENTS));
    assert!(!storm.recovered && storm.recovery.t50.now_s.is_none());
}

#[test]
fn a_disconnect_that_was_commanded_is_a_storm_that_knows_it() {
    let rest = r#"
[heartbeat]
style = "none"
[reconnect]
policy = "fixed"
delay = "1s"
jitter = "none"
[[session]]
name = "only"
[[fault]]
at = "3s"
kind = "disconnect"
share = 0.06
"#;
    let patient: Other = Rc::new(|_| serve(|stream| echo_for(stream, 3600 * SECOND)));
    let run = simulate(&closed(CLIENTS as u32, 20, rest), patient);
    let [storm] = run.storms.as_slice() else {
        panic!("{:?}", run.storms);
    };
    // Three of 50 are no tenth: without the fault this would be no storm.
    assert!((2..=4).contains(&storm.clients_lost), "{storm:?}");
    // A warm-up of 2 s, then 3 s.
    assert_eq!(
        (storm.at_s, storm.fault.as_deref()),
        (5.0, Some("disconnect"))
    );
    assert_eq!(storm.ended, StormEnd::AllBack);
}

/// RELIABILITY 4.5 no. 44: connections shorter than `stable_after` do not reset the backoff.
#[test]
fn a_flapping_server_does_not_reset_the_backoff() {
    let rest = r#"
[heartbeat]
style = "none"
[reconnect]
policy = "exponential"
initial = "1s"
jitter = "none"
max_attempts = 4
[[session]]
name = "only"
"#;
    let flap: Other = Rc::new(|_| serve(|stream| echo_for(stream, 100 * MS)));
    let run = simulate(&closed(10, 58, rest), flap);
    run.assert(&[
        (C::ConnectionsOpened, 50),
        (C::ReconnectsAttempted, 40),
        (C::Reconnected, 40),
        (C::GaveUp, 10),
    ]);
    // 1, 2, 4 and 8 s.
    let longest = run.longest(Metric::ReconnectTime);
    assert!((7999 * MS..=8010 * MS).contains(&longest), "{longest:?}");
}

/// RELIABILITY 4.5 no. 19: Retry-After is the least that is waited, up to the policy's longest delay.
#[test]
fn a_busy_server_is_left_alone_as_long_as_it_asks() {
    let rest = r#"
[heartbeat]
style = "none"
[reconnect]
policy = "exponential"
initial = "1s"
max_delay = "30s"
jitter = "none"
[[session]]
name = "only"
"#;
    // Without it: at 0, 1, 3, 7, 15 and 31 of 52 s. The load's clients start within its first second.
    for (asked, attempts) in [(0, 6), (10, 5), (3600, 2)] {
        let busy: Other = Rc::new(move |_| Reaction::Busy(asked * SECOND));
        let run = simulate(&closed(10, 50, rest), busy);
        run.assert(&[(C::ConnectionsAttempted, 10 * attempts)]);
        let refused = (FailureKind::HttpStatus(503), 10 * attempts);
        assert_eq!(run.failures(), [refused], "Retry-After {asked} s");
    }
}
