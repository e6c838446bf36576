//! Load curves: ramps down, open arrivals with a limit.

use std::time::Duration;

use wsbench::failure::CloseCause;
use wsbench::metrics::Counter as C;

use super::peer::echo;
use super::world::{SESSION, always, simulate};

#[test]
fn a_ramp_down_closes_clients_one_by_one_and_up_again_starts_them() {
    let toml = format!(
        r#"
name = "ramp"
[target]
url = "ws://127.0.0.1:1/"
[load]
stages = [
  {{ duration = "5s", clients = 20 }},
  {{ duration = "5s", clients = 20 }},
  {{ duration = "5s", clients = 5 }},
  {{ duration = "5s", clients = 5 }},
  {{ duration = "5s", clients = 10 }},
]
{SESSION}
[[session.step]]
every = "1s"
send = "{{{{seq}}}}"
reply = {{ echo = true, timeout = "1s" }}
"#
    );
    let run = simulate(&toml, always(echo));
    let connected: Vec<u64> = run.gauges.iter().map(|g| g.connected).collect();
    assert_eq!(connected[5..10], [20; 5]);
    assert!(
        connected[10..15].is_sorted_by(|a, b| a >= b),
        "{connected:?}"
    );
    assert_eq!(connected[15..19], [5; 4]);
    assert_eq!(
        run.closes(),
        [(CloseCause::ByUs, run.count(C::ConnectionsOpened))]
    );
    let started = run.count(C::ArrivalsStarted);
    assert!((24..=25).contains(&started), "20, then 5 again: {started}");
    assert_eq!(run.count(C::MessagesSent), run.count(C::RepliesMatched));
    assert_eq!(run.count(C::MessagesUnexpected), 0);
}

#[test]
fn an_arrival_without_a_slot_is_dropped_and_counted() {
    let toml = format!(
        r#"
name = "open"
[target]
url = "ws://127.0.0.1:1/"
[load]
model = "open"
max_clients = 5
stages = [ {{ duration = "1ms", arrivals_per_s = 10 }}, {{ duration = "10s", arrivals_per_s = 10 }} ]
{SESSION}
[[session.step]]
send = "hello"
expect = {{ text = "hello" }}
[[session.step]]
pause = "950ms"
[[session.step]]
close = {{}}
"#
    );
    let run = simulate(&toml, always(echo));
    let scheduled = run.count(C::ArrivalsScheduled);
    assert!((99..=101).contains(&scheduled), "10 s at 10/s: {scheduled}");
    // Five slots of 950 ms: of each ten arrivals in a second five find one.
    let started = run.count(C::ArrivalsStarted);
    assert!((49..=51).contains(&started), "{started}");
    assert!(run.gauges.iter().all(|g| g.clients <= 5));
    run.assert(&[
        (C::ArrivalsDropped, scheduled - started),
        (C::ConnectionsOpened, started),
        (C::MessagesSent, started),
    ]);
    let completed = run.count(C::SessionsCompleted);
    assert!(
        started - completed <= 5,
        "only the last ones were cut short"
    );
    assert_eq!(run.closes(), [(CloseCause::ByUs, started)]);
}

#[test]
fn a_client_of_an_open_load_leaves_after_its_last_step() {
    let toml = format!(
        r#"
name = "open"
[target]
url = "ws://127.0.0.1:1/"
[load]
model = "open"
max_clients = 100
arrivals = "poisson"
stages = [ {{ duration = "20s", arrivals_per_s = 20 }} ]
{SESSION}
[[session.step]]
every = "100ms"
count = 3
send = "{{{{seq}}}}"
reply = {{ echo = true, timeout = "1s" }}
"#
    );
    let run = simulate(&toml, always(echo));
    let started = run.count(C::ArrivalsStarted);
    assert!((150..=250).contains(&started), "about 200: {started}");
    assert_eq!(run.count(C::ArrivalsDropped), 0);
    // The last second's clients could not say everything.
    let sent = run.count(C::MessagesSent) + run.count(C::SendsSkipped);
    assert!(
        (3 * started - 20..=3 * started).contains(&sent),
        "{sent} of {started}"
    );
    assert_eq!(run.closes(), [(CloseCause::ByUs, started)]);
    assert!(run.ended() < Duration::from_millis(20_500));
}
