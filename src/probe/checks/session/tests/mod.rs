//! The checks of a session, from sessions as they are recorded.

mod closed;

use super::ALL;
use crate::probe::Severity;
use crate::probe::finding::{Certainty, Finding};
use crate::probe::seen::{
    Ended, Exchange, Hold, HoldKind, Millis, Outcome, PingSeen, Provoked, Reply, Seen, Session,
    Step, StepKind, Tcp, Variation, Violation, Watch,
};

fn step(kind: StepKind, took: f64, reply: Reply) -> Step {
    Step {
        kind,
        at_ms: Millis(2000.0),
        took_ms: Millis(took),
        reply,
        tcp: None,
    }
}

/// A server that echoes, as recorded from one.
fn healthy() -> Session {
    let mut session = Session {
        quiet_ms: Millis(2000.0),
        round_trip_ms: Some(Millis(0.3)),
        own_lateness_ms: Millis(5.0),
        largest_answered: Some(70_000),
        closing: Some(ended(2010.0, Some(1000), "")),
        ..Session::default()
    };
    pings(&mut session, &[1.0; 18]);
    session.steps = vec![
        step(StepKind::Ping, 0.5, Reply::Pong),
        step(
            StepKind::Json,
            0.7,
            Reply::Message("{\"type\":\"pong\"}".to_owned()),
        ),
        step(StepKind::Text, 0.3, Reply::Message("pong".to_owned())),
        step(StepKind::Fragmented, 0.3, Reply::Echo),
        step(StepKind::Words, 0.3, Reply::Echo),
        step(StepKind::Binary, 0.3, Reply::Echo),
        step(StepKind::Size(1024), 0.4, Reply::Echo),
        step(StepKind::Size(16_384), 2.0, Reply::Echo),
        step(StepKind::Size(70_000), 3.0, Reply::Echo),
        step(StepKind::Close, 0.6, Reply::Close),
    ];
    session
}

fn pings(session: &mut Session, took: &[f64]) {
    let series = took.iter().enumerate().map(|(index, took)| PingSeen {
        sent_ms: Millis(index as f64 * 100.0),
        took_ms: (*took >= 0.0).then_some(Millis(*took)),
    });
    session.ping_series = series.collect();
    session.pings_ms = session
        .ping_series
        .iter()
        .filter_map(|p| p.took_ms)
        .collect();
}

fn ended(at: f64, code: Option<u16>, reason: &str) -> Ended {
    Ended {
        at_ms: Millis(at),
        idle_ms: Millis(at),
        code,
        reason: reason.to_owned(),
        how: Some("FIN".to_owned()),
    }
}

fn exchange(outcome: Outcome) -> Option<Box<Exchange>> {
    Some(Box::new(Exchange {
        asked: Variation::Again,
        at_ms: Millis(3000.0),
        address: "127.0.0.1:1".to_owned(),
        first_byte_ms: None,
        took_ms: Millis(1.0),
        outcome,
    }))
}

fn refused() -> Option<Box<Exchange>> {
    exchange(Outcome::NotOpened("refused".to_owned()))
}

fn ask(session: Session) -> Vec<Finding> {
    ask_with(session, None)
}

fn ask_with(session: Session, watch: Option<Watch>) -> Vec<Finding> {
    let seen = Seen {
        session: Some(session),
        watch,
        ..Seen::default()
    };
    ALL.iter().flat_map(|check| (check.ask)(&seen)).collect()
}

/// The one finding, by its name.
fn one(session: Session, id: &str) -> Finding {
    let mut found = ask(session);
    let names: Vec<_> = found.iter().map(|f| f.id).collect();
    assert_eq!(names, [id]);
    found.remove(0)
}

fn early(code: Option<u16>, reason: &str) -> Session {
    Session {
        ended: Some(ended(3.0, code, reason)),
        ..Session::default()
    }
}

fn provoked(by: StepKind, code: Option<u16>, reason: &str) -> Session {
    let mut session = healthy();
    if let Some(step) = session.steps.iter_mut().find(|s| s.kind == by) {
        step.reply = Reply::Ended;
    }
    let ended = ended(2005.0, code, reason);
    session.provoked.push(Provoked { by, ended });
    session
}

#[test]
fn healthy_sessions_have_no_finding() {
    assert_eq!(ask(healthy()), []);
    // Push servers answer no message.
    let mut mute = healthy();
    mute.largest_answered = None;
    mute.steps.retain(|s| !matches!(s.kind, StepKind::Size(_)));
    for step in &mut mute.steps[1..6] {
        step.reply = Reply::Nothing;
        step.took_ms = Millis(152.0);
    }
    assert_eq!(ask(mute), []);
    // One slow ping on a busy machine; a long way; a server that is pinging.
    let mut busy = healthy();
    let mut took = [1.0; 18];
    took[7] = 300.0;
    pings(&mut busy, &took);
    busy.server_pings = 3;
    assert_eq!(ask(busy), []);
    let mut far = healthy();
    pings(&mut far, &[240.0; 18]);
    far.round_trip_ms = Some(Millis(238.0));
    for step in &mut far.steps {
        step.took_ms = Millis(step.took_ms.0 + 240.0);
    }
    // Slow start: three round trips more.
    far.steps[8].took_ms = Millis(1200.0);
    far.steps[7].took_ms = Millis(480.0);
    assert_eq!(ask(far), []);
}

#[test]
fn limits_for_sizes() {
    let limited = |code, good| {
        let mut session = provoked(StepKind::Size(70_000), code, "");
        session.largest_answered = Some(good);
        session.smallest_unanswered = Some(good + 1);
        session
    };
    let finding = one(limited(Some(1009), 65_536), "close-1009");
    assert!(
        finding.title.contains("the limit is 65,536 bytes (64 KiB)"),
        "{}",
        finding.title
    );
    let finding = one(limited(None, 32_768), "size-reset");
    assert!(
        finding.title.contains("32,768 bytes (32 KiB)"),
        "{}",
        finding.title
    );
    assert!(
        finding
            .observed
            .iter()
            .any(|line| line.contains("API Gateway"))
    );
}

#[test]
fn large_messages_that_hang_are_told_apart_by_tcp() {
    let hanging = |reply, tcp| {
        let mut session = healthy();
        session.largest_answered = Some(1024);
        session.steps[7].reply = reply;
        session.steps[7].tcp = Some(tcp);
        session.steps.remove(8);
        session
    };
    let lost = Tcp {
        unacknowledged: 12,
        backoff: 3,
        retransmits: 5,
        window_probes: 0,
    };
    let finding = one(hanging(Reply::Nothing, lost), "pmtu");
    assert!(
        finding
            .title
            .contains("16,384 bytes (16 KiB) is never acknowledged")
    );
    let finding = one(hanging(Reply::Nothing, Tcp::default()), "size-unanswered");
    assert_eq!(finding.certainty, Certainty::OneOf);
    one(hanging(Reply::Pong, Tcp::default()), "size-unanswered");
    let full = Tcp {
        window_probes: 2,
        ..lost
    };
    one(hanging(Reply::NotSent, full), "size-unanswered");
}

#[test]
fn bandwidth_grows_with_the_size() {
    let mut slow = healthy();
    slow.steps[7].took_ms = Millis(511.0);
    slow.steps[8].took_ms = Millis(2182.0);
    let finding = one(slow.clone(), "bandwidth");
    assert!(finding.title.contains("about 32 KB/s"), "{}", finding.title);
    // Small messages wait as long now and then: the machine is busy, not the path narrow.
    let mut busy = slow.clone();
    busy.pings_ms = vec![Millis(1.0), Millis(600.0)];
    let found = ask(busy);
    assert!(found.iter().all(|f| f.id != "bandwidth"), "{found:?}");
    // One slow message is no slow path.
    slow.steps[7].took_ms = Millis(2.0);
    assert_eq!(ask(slow), []);
}

#[test]
fn pongs_that_do_not_come() {
    let silent = |rest: Reply| {
        let mut session = healthy();
        pings(&mut session, &[-1.0; 18]);
        for step in &mut session.steps {
            step.reply = rest.clone();
        }
        session.steps[0] = step(StepKind::Ping, 3000.0, Reply::Nothing);
        session.steps[0].tcp = Some(Tcp::default());
        session.steps.truncate(6);
        session
    };
    let finding = one(silent(Reply::Nothing), "fake-alive");
    assert!(finding.title.contains("TCP acknowledges all"));
    assert_eq!(finding.causes.len(), 3);
    let mut dead = silent(Reply::Nothing);
    dead.steps[0].tcp = Some(Tcp {
        unacknowledged: 1,
        backoff: 3,
        retransmits: 3,
        window_probes: 0,
    });
    let finding = one(dead, "fake-alive");
    assert!(finding.title.contains("the path is dead"));
    let finding = one(silent(Reply::Echo), "no-pong");
    assert!(finding.title.contains("Control pings get no pong"));
    let mut wrong = healthy();
    wrong.steps[0].reply = Reply::WrongPong;
    one(wrong, "wrong-pong");
    let mut text = silent(Reply::Echo);
    text.steps[0].reply = Reply::Message("pong".to_owned());
    one(text, "wrong-pong");
    // Pongs came and stopped: without a watch it is told here, with one there.
    let mut frozen = silent(Reply::Nothing);
    pings(&mut frozen, &[1.0; 18]);
    assert!(
        one(frozen.clone(), "fake-alive")
            .title
            .contains("1.70 s after it opened")
    );
    frozen
        .steps
        .push(step(StepKind::Close, 2000.0, Reply::Nothing));
    assert_eq!(ask_with(frozen, Some(Watch::default())), []);
}

#[test]
fn the_close_handshake() {
    let mut mute = healthy();
    mute.steps[9] = step(StepKind::Close, 2000.0, Reply::Nothing);
    assert_eq!(one(mute, "no-close-reply").severity, Severity::Fault);
    let mut cut = healthy();
    cut.steps[9] = step(StepKind::Close, 1.0, Reply::Ended);
    assert_eq!(one(cut, "close-cut").severity, Severity::Warning);
}

#[test]
fn breaches_of_the_protocol() {
    let breach = |what: &str, bytes: &str| {
        let mut session = healthy();
        session.violations.push(Violation {
            at_ms: Millis(0.1),
            what: what.to_owned(),
            bytes: bytes.to_owned(),
        });
        session
    };
    let table = [
        ("masked", "masks its frames"),
        ("rsv", "reserved bits"),
        ("opcode", "reserved opcode"),
        ("utf8", "invalid UTF-8"),
        ("control fragmented", "fragmented"),
        ("close code", "must not be sent"),
    ];
    for (what, words) in table {
        let finding = one(breach(what, "\\x81"), "protocol-violation");
        assert!(finding.title.contains(words), "{}", finding.title);
    }
    let mut http = breach(
        "http in the stream",
        "HTTP/1.1 500 Internal Server Error\\r\\nServer: squid/5.7",
    );
    http.violations.insert(0, http.violations[0].clone());
    http.violations[0].what = "opcode".to_owned();
    // The connection ends behind it: that is the same fault.
    http.ended = Some(ended(900.0, None, ""));
    let finding = one(http, "protocol-violation");
    assert!(
        finding.title.contains("HTTP") && finding.title.contains("Squid"),
        "{}",
        finding.title
    );
    assert_eq!(finding.causes.len(), 1);
    // An extension that was not asked for is told elsewhere.
    let mut extended = breach("rsv", "\\xc1");
    extended.extensions = Some("permessage-deflate".to_owned());
    assert_eq!(ask(extended), []);
}

#[test]
fn pauses_and_delays() {
    let mut blocked = healthy();
    let pause = [
        1.0, 1.0, 1.0, 660.0, 560.0, 460.0, 360.0, 260.0, 160.0, 60.0,
    ];
    let twice: Vec<f64> = pause.iter().chain(&pause).copied().collect();
    pings(&mut blocked, &twice);
    let finding = one(blocked.clone(), "loop-blocked");
    assert_eq!(finding.severity, Severity::Fault);
    assert!(finding.title.contains("660 ms"), "{}", finding.title);
    // Lost packets, or a probe that was itself late, look the same.
    let mut lossy = blocked.clone();
    lossy.series_retransmits = 3;
    assert_eq!(ask(lossy), []);
    blocked.own_lateness_ms = Millis(400.0);
    assert_eq!(ask(blocked), []);

    let mut lumps = healthy();
    pings(
        &mut lumps,
        &[
            401.0, 301.0, 401.0, 301.0, 401.0, 301.0, 401.0, 301.0, 201.0,
        ],
    );
    one(lumps, "buffering");
    let mut late = healthy();
    pings(&mut late, &[301.0; 18]);
    assert_eq!(one(late, "delayed").severity, Severity::Warning);
    let mut slow = healthy();
    for step in &mut slow.steps[1..6] {
        step.took_ms = Millis(800.0);
    }
    one(slow, "slow-answers");
}
