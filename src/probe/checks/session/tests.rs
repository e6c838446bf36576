//! The checks of a session, from sessions as they are recorded.

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
fn early_closes_are_told_by_code_and_reason() {
    // (code, reason, finding, words of the title, causes, the first begins with)
    let table = [
        (
            4001,
            "Invalid token",
            "close-app",
            "4001 \"Invalid token\"",
            1,
            "the application wants a credential",
        ),
        (
            4000,
            "",
            "close-app",
            "4000",
            4,
            "a rule of the application",
        ),
        (
            4003,
            "Origin not allowed",
            "close-app",
            "4003",
            1,
            "the application does not allow this Origin",
        ),
        (
            1000,
            "",
            "close-standard",
            "1000 (normal closure)",
            1,
            "1000",
        ),
        (1001, "", "close-standard", "1001 (going away)", 1, "1001"),
        (
            1008,
            "Unauthorized",
            "close-standard",
            "1008 (policy violation) \"Unauthorized\"",
            1,
            "1008",
        ),
        (
            1011,
            "",
            "close-standard",
            "1011 (internal error)",
            1,
            "1011",
        ),
        (
            1012,
            "",
            "close-standard",
            "1012 (service restart)",
            1,
            "1001",
        ),
        (
            1013,
            "Overloaded",
            "close-standard",
            "1013 (try again later)",
            1,
            "1013",
        ),
        (1014, "", "close-standard", "1014 (bad gateway)", 1, "1014"),
        (1005, "", "close-empty", "1005", 2, "the server's code"),
    ];
    for (code, reason, id, words, causes, first) in table {
        let finding = one(early(Some(code), reason), id);
        assert!(finding.title.contains(words), "{code}: {}", finding.title);
        assert!(finding.title.contains("3 ms"), "{code}: {}", finding.title);
        assert_eq!(finding.causes.len(), causes, "{code}");
        assert!(finding.causes[0].cause.starts_with(first), "{code}");
    }
}

#[test]
fn an_end_without_a_close_frame() {
    let finding = one(early(None, ""), "abnormal");
    assert!(finding.title.contains("FIN") && finding.title.contains("1006"));
    assert_eq!(
        (finding.causes.len(), finding.certainty),
        (3, Certainty::OneOf)
    );
    let mut dead = early(None, "");
    dead.afterwards = refused();
    assert!(
        one(dead, "abnormal")
            .title
            .ends_with("connecting again did not work")
    );
    // With pings it would have stayed open.
    let mut silent = early(None, "");
    pings(&mut silent, &[1.0; 18]);
    let finding = one(silent, "abnormal");
    assert!(finding.causes[0].cause.starts_with("an idle timeout"));
}

fn hold(kind: HoldKind, opened: f64, end: Option<f64>) -> Hold {
    let text = serde_json::json!({
        "kind": kind, "opened_ms": opened, "refused": null, "held_ms": end.unwrap_or(4000.0),
        "frames": 0, "server_pings": 0, "pongs": 0, "pings": 0, "last_pong_ms": null,
        "ended": end.map(|at| ended(at, None, "")), "final_pong": null, "tcp": null,
    });
    serde_json::from_value(text).unwrap()
}

#[test]
fn what_the_watch_explains_is_left_to_it() {
    let held = |holds: Vec<Hold>| {
        Some(Watch {
            holds,
            ..Watch::default()
        })
    };
    let mut cut = early(None, "");
    cut.ended = Some(ended(1500.0, None, ""));
    let ping = |end| hold(HoldKind::Ping(Millis(500.0)), 10.0, end);
    // An idle timer: the connection with pings lives on.
    assert_eq!(ask_with(cut.clone(), held(vec![ping(None)])), []);
    // Both ended after the same time: no idle timer.
    let found = ask_with(cut.clone(), held(vec![ping(Some(1500.0))]));
    assert_eq!(found.len(), 1);
    // All ended at the same moment, whenever they were opened: a restart.
    let later = hold(HoldKind::Silent, 700.0, Some(800.0));
    assert_eq!(ask_with(cut, held(vec![ping(Some(1490.0)), later])), []);
}

#[test]
fn ends_that_a_message_provoked() {
    let finding = one(
        provoked(StepKind::Words, Some(4002), "Invalid JSON"),
        "close-app",
    );
    assert!(
        finding
            .title
            .contains("4002 \"Invalid JSON\" when it got a text that is not JSON")
    );
    assert!(finding.causes[0].cause.contains("form"));
    let finding = one(
        provoked(StepKind::Binary, Some(1003), "Text only"),
        "close-standard",
    );
    assert_eq!(
        finding.severity,
        Severity::Warning,
        "it takes text, and says so"
    );
    let finding = one(provoked(StepKind::Json, Some(1011), ""), "close-standard");
    assert_eq!(finding.severity, Severity::Fault);
    one(provoked(StepKind::Fragmented, None, ""), "fragments");
    // Both refused alike: one finding.
    let mut both = provoked(StepKind::Words, Some(4002), "no");
    both.provoked
        .extend(provoked(StepKind::Text, Some(4002), "no").provoked);
    let finding = one(both, "close-app");
    assert!(
        finding
            .title
            .ends_with("a text that is not JSON, or the text ping")
    );
}

#[test]
fn a_crash_is_told_by_what_comes_after_it() {
    let mut crash = provoked(StepKind::Text, None, "");
    let finding = one(crash.clone(), "crash");
    assert_eq!(finding.causes.len(), 3);
    crash.afterwards = refused();
    let finding = one(crash, "crash");
    assert!(finding.title.contains("the process died, most likely"));
    assert_eq!(
        finding.certainty,
        Certainty::OneOf,
        "a restart may have come by chance"
    );
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
