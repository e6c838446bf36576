//! Sessions step by step.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::sleep;
use wsbench::failure::CloseCause;
use wsbench::metrics::{Counter as C, Metric};

use super::peer::{Frame, Peer, echo, mute};
use super::world::{Other, SESSION, always, closed, serve, simulate};

const MS: Duration = Duration::from_millis(1);

#[test]
fn every_kind_of_step_happens_in_order_and_the_session_starts_again() {
    let steps = format!(
        r#"{SESSION}
[[session.step]]
expect = {{ text = "welcome" }}
[[session.step]]
repeat = {{ times = 3, steps = [
  {{ send = "say {{{{seq}}}}", expect = {{ prefix = "said" }} }},
  {{ pause = "100ms" }},
] }}
[[session.step]]
ping = {{ timeout = "1s" }}
[[session.step]]
send = "bye"
[[session.step]]
close = {{ code = 4000, reason = "done" }}
"#
    );
    let sessions = Rc::new(Cell::new(0_u64));
    let seen = Rc::clone(&sessions);
    let other: Other = Rc::new(move |_| {
        let seen = Rc::clone(&seen);
        serve(async move |stream| {
            let mut peer = Peer::new(stream);
            sleep(50 * MS).await;
            peer.text("welcome").await;
            for _ in 0..3 {
                let Some(Frame::Text(said)) = peer.next().await else {
                    return;
                };
                assert!(said.starts_with("say "), "{said}");
                peer.text("said so").await;
            }
            let Some(Frame::Ping(payload)) = peer.next().await else {
                return;
            };
            peer.pong(&payload).await;
            assert_eq!(peer.next().await, Some(Frame::Text("bye".to_owned())));
            assert_eq!(peer.next().await, Some(Frame::Close(Some(4000))));
            peer.close(Some(4000)).await;
            seen.set(seen.get() + 1);
        })
    });
    let run = simulate(&closed(4, 10, &steps), other);
    let completed = run.count(C::SessionsCompleted);
    assert_eq!(completed, sessions.get());
    // 50 ms + 3 x 100 ms a session, 11 to 12 s, 4 clients.
    assert!((110..=137).contains(&completed), "{completed}");
    let opened = run.count(C::ConnectionsOpened);
    assert!((completed..=completed + 4).contains(&opened));
    assert_eq!(run.count(C::MessagesSentUnmatched), completed);
    assert_eq!(run.count(C::ReconnectsAttempted), 0, "it left by itself");
    assert_eq!(run.count(C::ExpectsTimedOut), 0);
    assert_eq!(run.count(C::MessagesUnexpected), 0);
    assert_eq!(run.count(C::PongsUnsolicited), 0);
}

#[test]
fn a_new_session_after_a_loss_is_no_reconnect() {
    let steps = r#"
[heartbeat]
style = "none"
[reconnect]
policy = "fixed"
delay = "100ms"
jitter = "none"
[[session]]
name = "only"
[[session.step]]
pause = "1s"
[[session.step]]
close = {}
"#;
    // The first connection is lost; all others are left as planned.
    let other: Other = Rc::new(|number| match number {
        0 => serve(async |_| {}),
        _ => serve(mute),
    });
    let run = simulate(&closed(1, 10, steps), other);
    assert!(run.count(C::SessionsCompleted) >= 9);
    run.assert(&[(C::ReconnectsAttempted, 1), (C::Reconnected, 1)]);
    assert!(run.longest_of_all(Metric::ReconnectTime) <= 103 * MS);
}

#[test]
fn what_was_captured_is_said_in_later_steps() {
    let steps = format!(
        r#"{SESSION}
[[session.step]]
send = '{{"op":"login","name":"{{{{client}}}}"}}'
expect = {{ json = {{ "/op" = "hello" }}, capture = {{ token = "/auth/token" }} }}
[[session.step]]
every = "1s"
send = '{{"op":"say","token":"{{{{token}}}}"}}'
reply = {{ json = {{ "/token" = "{{{{token}}}}" }}, timeout = "500ms" }}
"#
    );
    let other = always(async |stream| {
        let mut peer = Peer::new(stream);
        let mut token = String::new();
        while let Some(text) = peer.message().await {
            let said: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            if said["op"] == "login" {
                token = format!("secret of {}", said["name"].as_str().expect("a name"));
                let hello = serde_json::json!({"op": "hello", "auth": {"token": token}});
                peer.text(&hello.to_string()).await;
            } else {
                assert_eq!(said["token"], token.as_str());
                peer.text(&serde_json::json!({"ok": 1, "token": token}).to_string())
                    .await;
            }
        }
    });
    let run = simulate(&closed(10, 10, &steps), other);
    assert_eq!(run.measured(C::MessagesSent), 100);
    assert_eq!(run.measured(C::RepliesMatched), 100);
    assert_eq!(run.count(C::RepliesTimedOut), 0);
}

#[test]
fn steps_that_wait_in_vain_go_on_after_their_timeout() {
    let steps = format!(
        r#"{SESSION}
[[session.step]]
repeat = {{ steps = [
  {{ expect = {{ text = "never", timeout = "1s" }} }},
  {{ ping = {{ timeout = "1s" }} }},
  {{ send = "x", expect = {{ text = "never", timeout = "1s" }} }},
] }}
"#
    );
    let other = always(async |stream| Peer::new(stream).ignore().await);
    let run = simulate(&closed(1, 10, &steps), other);
    // 11 s: three rounds of 3 s, and an expect.
    assert_eq!(run.count(C::MessagesSent), 3);
    assert_eq!(run.count(C::RepliesTimedOut), 3);
    assert_eq!(run.count(C::ExpectsTimedOut), 7);
}

/// A loop without any waiting must not starve the rest of the shard, nor outgrow its outbox.
#[test]
fn a_loop_of_sends_without_answers_lets_others_run() {
    let steps = format!(
        r#"{SESSION}
[[session.step]]
repeat = {{ times = 100000, steps = [ {{ send = "{{{{seq}}}}" }} ] }}
[[session.step]]
every = "1s"
send = "tick"
reply = {{ text = "tick", timeout = "1s" }}
"#
    );
    let run = simulate(&closed(3, 10, &steps), always(tick));
    assert_eq!(run.count(C::MessagesSentUnmatched), 300_000);
    assert_eq!(run.measured(C::RepliesMatched), 30);
    assert_eq!(run.closes(), [(CloseCause::ByUs, 3)]);
}

async fn tick(stream: tokio::io::DuplexStream) {
    let mut peer = Peer::new(stream);
    while let Some(text) = peer.message().await {
        if text == "tick" {
            peer.text(&text).await;
        }
    }
}

#[test]
fn server_pings_are_answered_at_once_also_while_idle() {
    let answered = Rc::new(Cell::new(0_u64));
    let seen = Rc::clone(&answered);
    let other: Other = Rc::new(move |_| {
        let seen = Rc::clone(&seen);
        serve(async move |stream| {
            let mut peer = Peer::new(stream);
            loop {
                peer.ping(b"here?").await;
                match peer.next().await {
                    Some(Frame::Pong(payload)) => assert_eq!(payload, b"here?"),
                    Some(Frame::Close(code)) => return peer.close(code).await,
                    other => panic!("{other:?}"),
                }
                seen.set(seen.get() + 1);
                sleep(100 * MS).await;
            }
        })
    });
    let run = simulate(&closed(5, 10, SESSION), other);
    let pings = run.count(C::ServerPings);
    assert!((550..=600).contains(&pings), "{pings}");
    assert!(pings - answered.get() <= 5);
    assert!(run.longest(Metric::PongDelay) <= 2 * MS);
}

#[test]
fn broadcasts_reach_everybody_who_had_joined() {
    let steps = format!(
        r#"{SESSION}
[[session.step]]
every = "1s"
send = '{{"sent":{{{{intended_us}}}}}}'
delivery = {{ prefix = '{{"sent"', sent = "/sent", group = "all" }}
"#
    );
    let plan = format!(
        "{}\n[server]\nbehaviour = \"broadcast\"\n",
        closed(10, 10, &steps)
    );
    let server = super::world::plan(&plan).server.expect("a server");
    let run = simulate(&closed(10, 10, &steps), super::replies::reference(server));
    assert_eq!(run.measured(C::MessagesSentUnmatched), 100);
    assert_eq!(run.measured(C::DeliveriesExpected), 1000);
    assert_eq!(run.measured(C::DeliveriesReceived), 1000);
    assert_eq!(run.measured(C::DeliveriesMissing), 0);
    assert_eq!(run.times(Metric::Delivery).count(), 1000);
    let quiet = simulate(&closed(10, 10, &steps), always(mute));
    assert_eq!(quiet.measured(C::DeliveriesMissing), 1000);
    let own = simulate(&closed(10, 10, &steps), always(echo));
    assert_eq!(own.measured(C::DeliveriesReceived), 100);
}
