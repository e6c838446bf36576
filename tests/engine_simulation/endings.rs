//! How connections end, and what is booked for it.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::sleep;
use wsbench::engine::run::End;
use wsbench::failure::{CloseCause, FailureKind, Violation};
use wsbench::metrics::{Counter as C, Metric};

use super::peer::{Frame, Peer, echo, mute};
use super::world::{Run, SESSION, always, closed, serve, simulate};

const SECOND: Duration = Duration::from_secs(1);

/// 10 clients without a session's steps, and a server that after 5 s does `act`.
fn after_five<F: Future<Output = ()> + 'static>(act: impl Fn(Peer) -> F + Clone + 'static) -> Run {
    let other = always(move |stream| {
        let act = act.clone();
        async move {
            sleep(5 * SECOND).await;
            act(Peer::new(stream)).await;
        }
    });
    simulate(&closed(10, 10, SESSION), other)
}

#[test]
fn a_close_by_the_server_is_counted_by_its_code() {
    let lost = |code| CloseCause::Lost(FailureKind::CloseCode(code));
    for (code, cause) in [
        (Some(1000), CloseCause::ByPeer(1000)),
        (Some(1001), CloseCause::ByPeer(1001)),
        (None, CloseCause::ByPeer(1005)),
        (Some(1011), lost(1011)),
        (Some(1012), lost(1012)),
        (Some(4001), lost(4001)),
    ] {
        let run = after_five(move |mut peer| async move {
            peer.close(code).await;
            assert_eq!(peer.next().await, Some(Frame::Close(code)), "answered");
        });
        assert_eq!(run.closes(), [(cause, 10)]);
        assert_eq!(run.outcome.end, End::NoClientsLeft, "nobody reconnects");
        assert!(run.ended() < 7 * SECOND);
    }
}

#[test]
fn an_end_without_a_close_frame_is_no_reset_and_no_close() {
    let run = after_five(async |_| {});
    let cause = CloseCause::Lost(FailureKind::EofWithoutClose);
    assert_eq!(run.closes(), [(cause, 10)]);
    // Nothing came since the 101: that silence is the mark of an idle timer.
    let quiet = run.longest(Metric::QuietBeforeLoss);
    assert!(quiet >= 5 * SECOND && quiet < 6 * SECOND, "{quiet:?}");
}

#[test]
fn a_violation_is_answered_with_its_close_code() {
    for (bytes, violation, code) in [
        (&b"\x83\x00"[..], Violation::Opcode, 1002),
        (b"\xc1\x00", Violation::ReservedBits, 1002),
        (b"\x81\x80abcd", Violation::Masking, 1002),
        (b"\x81\x01\xff", Violation::Utf8, 1007),
        (b"\x82\x7f\x80\0\0\0\0\0\0\0", Violation::Length, 1002),
        (
            b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff",
            Violation::TooLarge,
            1009,
        ),
        (b"\x88\x02\x03\xed", Violation::CloseFrame(1005), 1002),
    ] {
        let run = after_five(move |mut peer| async move {
            peer.raw(bytes).await;
            assert_eq!(peer.next().await, Some(Frame::Close(Some(code))));
        });
        let cause = CloseCause::Lost(FailureKind::Protocol(violation));
        assert_eq!(run.closes(), [(cause, 10)]);
    }
}

#[test]
fn what_follows_a_close_does_not_spoil_it() {
    let run = after_five(|mut peer| async move {
        peer.raw(b"\x88\x02\x03\xe8\x88\x02\x03\xe9\x81\x05hello\xff\xff")
            .await;
        peer.ignore().await;
    });
    assert_eq!(run.closes(), [(CloseCause::ByPeer(1000), 10)]);
}

#[test]
fn at_the_end_every_client_closes_and_waits_for_the_answer() {
    let run = simulate(&closed(10, 10, SESSION), always(mute));
    assert_eq!(run.closes(), [(CloseCause::ByUs, 10)]);
    assert_eq!(run.outcome.end, End::Completed);
    assert!(run.ended() < Duration::from_millis(12_100));
}

/// RELIABILITY 4.5 no. 34.
#[test]
fn a_close_that_is_never_answered_costs_the_close_timeout_only() {
    let other = always(async |stream| Peer::new(stream).ignore().await);
    let run = simulate(&closed(1000, 10, SESSION), other);
    assert_eq!(run.closes(), [(CloseCause::ByUsUnanswered, 1000)]);
    assert_eq!(run.outcome.open_at_end, 0);
    let ended = run.ended();
    assert!(ended < 12 * SECOND + SECOND + SECOND / 10, "{ended:?}");
}

#[test]
fn a_peer_that_answers_our_close_and_keeps_tcp_is_not_waited_for_longer() {
    let other = always(async |stream| {
        let mut peer = Peer::new(stream);
        while let Some(frame) = peer.next().await {
            if let Frame::Close(code) = frame {
                peer.close(code).await;
                peer.ignore().await;
            }
        }
    });
    let run = simulate(&closed(10, 10, SESSION), other);
    assert_eq!(run.closes(), [(CloseCause::ByUs, 10)]);
    assert!(run.ended() < 13 * SECOND + SECOND / 10);
}

#[test]
fn a_peer_that_closes_and_keeps_tcp_loses_its_client_after_the_close_timeout() {
    let run = after_five(|mut peer| async move {
        peer.close(Some(1000)).await;
        peer.ignore().await;
    });
    assert_eq!(run.closes(), [(CloseCause::ByPeer(1000), 10)]);
    let session = run.longest(Metric::SessionTime);
    assert!(
        session <= 5 * SECOND + SECOND / 100,
        "to the close: {session:?}"
    );
}

#[test]
fn messages_outstanding_when_a_connection_goes_are_lost_and_the_rest_is_skipped() {
    let step = format!(
        r#"{SESSION}
[[session.step]]
every = "100ms"
send = "{{{{seq}}}}"
reply = {{ echo = true, timeout = "30s" }}
"#
    );
    // Answers for 5 s, then not; then it goes.
    let other = Rc::new(|_| {
        serve(async |stream| {
            let mut peer = Peer::new(stream);
            let answering = async {
                while let Some(text) = peer.message().await {
                    peer.text(&text).await;
                }
            };
            let _ = tokio::time::timeout(5 * SECOND, answering).await;
            let _ = tokio::time::timeout(2 * SECOND, peer.ignore()).await;
        })
    });
    let run = simulate(&closed(1, 10, &step), other);
    let sent = run.count(C::MessagesSent);
    assert!((69..=70).contains(&sent), "7 s at 10/s: {sent}");
    let lost = run.count(C::RepliesLost);
    assert!((19..=20).contains(&lost), "2 s without answers: {lost}");
    assert_eq!(run.count(C::RepliesMatched), sent - lost);
    assert_eq!(run.outcome.total.measured.censored(Metric::RoundTrip), lost);
    assert_eq!(run.outcome.end, End::NoClientsLeft);
}

#[test]
fn a_server_that_cannot_be_reached_ends_the_run_at_once() {
    let refuse = Rc::new(|_| super::world::Reaction::Fail(FailureKind::Refused));
    let run = simulate(&closed(10, 10, SESSION), refuse);
    assert_eq!(run.failures(), [(FailureKind::Refused, 10)]);
    assert_eq!(run.outcome.end, End::NoClientsLeft);
    assert!(run.ended() < 3 * SECOND, "{:?}", run.ended());
}

#[test]
fn dials_without_an_answer_are_abandoned_at_the_end() {
    let never = Rc::new(|number| match number {
        0..5 => super::world::Reaction::Never,
        _ => serve(echo),
    });
    let run = simulate(&closed(10, 10, SESSION), never);
    run.assert(&[
        (C::ConnectionsAttempted, 10),
        (C::ConnectionsOpened, 5),
        (C::ConnectionsAbandoned, 5),
    ]);
    assert!(run.ended() < 15 * SECOND);
}
