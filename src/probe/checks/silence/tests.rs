//! Recorded silences, and their look-alikes.

use crate::probe::ask::compare::silence::{self as planner, ENGINE_IO};
use crate::probe::seen::{
    AcceptCheck, Answer, Exchange, Millis, Outcome, Route, Seen, TcpOpened, TlsProblem, TlsSeen,
    Variation,
};
use crate::probe::{Certainty, Finding, Severity};

use Variation::{
    Again, Garbage, GetPath, Handshake, Listen, OtherScheme, Path, PlainGet, ProxyProtocol,
    WithoutOrigin,
};

/// A request and what came of it, after so many milliseconds.
type Asked = (Variation, Outcome, f64);

fn exchange((asked, outcome, took): Asked) -> Exchange {
    Exchange {
        asked,
        at_ms: Millis::default(),
        address: "127.0.0.1:80".into(),
        first_byte_ms: matches!(outcome, Outcome::Answer(_)).then_some(Millis(took)),
        took_ms: Millis(took),
        outcome,
    }
}

fn seen(handshake: Outcome, took: f64, others: Vec<Asked>) -> Seen {
    let mut seen = Seen::default();
    seen.asked.path = "/ws".into();
    seen.routes = vec![Route {
        tcp: Some(TcpOpened::default()),
        ..Route::default()
    }];
    seen.handshake = Some(exchange((Handshake, handshake, took)));
    seen.compared = others.into_iter().map(exchange).collect();
    seen
}

fn ends(end: &str) -> Outcome {
    Outcome::NoBytes {
        end: Some(end.into()),
    }
}

const HANGS: Outcome = Outcome::NoBytes { end: None };

fn status(status: u16) -> Outcome {
    says(status, "")
}

fn says(status: u16, body: &str) -> Outcome {
    Outcome::Answer(Answer {
        version: "1.1".into(),
        status,
        body: body.into(),
        ..Answer::default()
    })
}

fn opens() -> Outcome {
    Outcome::Answer(good())
}

fn good() -> Answer {
    Answer {
        version: "1.1".into(),
        status: 101,
        accept: AcceptCheck::Right,
        headers: vec![
            ("upgrade".into(), "websocket".into()),
            ("connection".into(), "Upgrade".into()),
            ("sec-websocket-accept".into(), "abc=".into()),
        ],
        ..Answer::default()
    }
}

fn bytes(text: &str) -> Outcome {
    Outcome::NotHttp {
        bytes: text.into(),
        end: None,
    }
}

fn no_tls() -> Outcome {
    Outcome::NoTls(TlsProblem::NotTls("HTTP/1.1 400".into()))
}

/// What the checks of this group find, and only they.
fn ours(seen: &Seen) -> Vec<Finding> {
    super::ALL
        .iter()
        .flat_map(|check| (check.ask)(seen))
        .collect()
}

/// The name of the only finding, its title, and how many causes it leaves.
fn found(seen: &Seen) -> Option<(&'static str, String, usize)> {
    let mut findings = ours(seen);
    assert!(findings.len() < 2, "{findings:#?}");
    let finding = findings.pop()?;
    for line in finding.observed.iter().chain([&finding.title]) {
        // A word for a port that nobody listens on.
        assert!(!line.contains("refused"), "{line}");
    }
    Some((finding.id, finding.title, finding.causes.len()))
}

/// Everything but the handshake ends in the same way.
fn all(outcome: &Outcome, took: f64) -> Vec<Asked> {
    [
        PlainGet,
        ProxyProtocol,
        Listen,
        Again,
        Again,
        Again,
        Garbage,
    ]
    .map(|v| (v, outcome.clone(), took))
    .into_iter()
    .chain([(OtherScheme, Outcome::NoTls(TlsProblem::Closed), took)])
    .collect()
}

/// The same with some of them changed.
fn but(mut asked: Vec<Asked>, changed: Vec<Asked>) -> Vec<Asked> {
    asked.retain(|(v, ..)| !changed.iter().any(|(c, ..)| c == v));
    asked.extend(changed);
    asked
}

#[test]
fn kinds_of_silence_are_told_apart() {
    let fin = || all(&ends("FIN"), 1.0);
    let hang = || all(&HANGS, 3_000.0);
    let get = |outcome| vec![(PlainGet, outcome, 2.0)];
    let io = |body| (GetPath(ENGINE_IO.into()), says(200, body), 2.0);
    let engine = "0{\"sid\":\"x\",\"upgrades\":[],\"pingInterval\":25000}";
    let table: Vec<(&str, Outcome, f64, Vec<Asked>, &str)> = vec![
        (
            "everything ends at once",
            ends("FIN"),
            1.0,
            fin(),
            "closed-no-bytes",
        ),
        ("resets too", ends("RST"), 1.0, fin(), "l4-upstream-down"),
        (
            "a balancer's tries",
            ends("FIN"),
            3_000.0,
            but(fin(), vec![(Listen, HANGS, 1_500.0)]),
            "l4-upstream-down",
        ),
        (
            "reads, closes",
            ends("FIN"),
            4.0,
            but(fin(), vec![(Listen, HANGS, 1_500.0)]),
            "closed-no-bytes",
        ),
        (
            "malformed is answered",
            ends("FIN"),
            4.0,
            but(
                fin(),
                vec![(Listen, HANGS, 1_500.0), (Garbage, status(400), 1.0)],
            ),
            "closed-by-rule",
        ),
        (
            "another path is answered",
            ends("FIN"),
            4.0,
            but(fin(), vec![(GetPath("/".into()), status(200), 1.0)]),
            "closed-by-rule",
        ),
        ("nothing at all", HANGS, 10_000.0, hang(), "no-answer"),
        (
            "nothing but the malformed",
            HANGS,
            10_000.0,
            but(hang(), vec![(Garbage, status(400), 1.0)]),
            "no-answer",
        ),
        (
            "opens behind the line",
            ends("FIN"),
            1.0,
            but(fin(), vec![(ProxyProtocol, opens(), 9.0)]),
            "proxy-protocol-missing",
        ),
        (
            "is answered behind the line",
            ends("FIN"),
            1.0,
            but(fin(), vec![(ProxyProtocol, status(404), 9.0)]),
            "proxy-protocol-missing",
        ),
        (
            "hangs but behind the line",
            HANGS,
            10_000.0,
            but(hang(), vec![(ProxyProtocol, opens(), 9.0)]),
            "proxy-protocol-missing",
        ),
        (
            "the line is only complained about",
            ends("FIN"),
            1.0,
            but(fin(), vec![(ProxyProtocol, status(400), 9.0)]),
            "closed-no-bytes",
        ),
        (
            "at times, also behind the line",
            ends("FIN"),
            1.0,
            but(
                fin(),
                vec![
                    (ProxyProtocol, opens(), 9.0),
                    (Again, opens(), 3.0),
                    (Again, ends("FIN"), 3.0),
                ],
            ),
            "answered-at-times",
        ),
        (
            "every second",
            ends("FIN"),
            1.0,
            but(
                fin(),
                vec![
                    (PlainGet, status(426), 3.0),
                    (Again, opens(), 3.0),
                    (Again, ends("FIN"), 3.0),
                ],
            ),
            "answered-at-times",
        ),
        (
            "works since the GET",
            HANGS,
            10_000.0,
            but(
                hang(),
                vec![
                    (PlainGet, status(426), 3.0),
                    (Again, opens(), 3.0),
                    (Again, opens(), 3.0),
                ],
            ),
            "upgrade-unhandled",
        ),
        (
            "one of several hangs",
            HANGS,
            10_000.0,
            but(
                hang(),
                vec![
                    (PlainGet, status(426), 3.0),
                    (Again, opens(), 3.0),
                    (Again, HANGS, 3_000.0),
                ],
            ),
            "answered-at-times",
        ),
        (
            "only the upgrade hangs",
            HANGS,
            10_000.0,
            but(hang(), get(status(200))),
            "upgrade-unhandled",
        ),
        (
            "only the upgrade is closed",
            ends("FIN"),
            2.0,
            but(fin(), get(status(200))),
            "upgrade-closed",
        ),
        (
            "a gateway error",
            ends("FIN"),
            2.0,
            but(fin(), get(status(503))),
            "upgrade-no-upstream",
        ),
        (
            "a gateway error, hanging",
            HANGS,
            10_000.0,
            but(hang(), get(status(504))),
            "upgrade-no-upstream",
        ),
        (
            "engine.io",
            ends("FIN"),
            1_004.0,
            but(fin(), vec![(PlainGet, status(404), 3.0), io(engine)]),
            "socketio-path",
        ),
        (
            "engine.io, older",
            ends("FIN"),
            1_004.0,
            but(
                fin(),
                vec![
                    (PlainGet, status(404), 3.0),
                    (
                        GetPath(ENGINE_IO.into()),
                        says(
                            400,
                            "{\"code\":5,\"message\":\"Unsupported protocol version\"}",
                        ),
                        2.0,
                    ),
                ],
            ),
            "socketio-path",
        ),
        (
            "engine.io is elsewhere",
            ends("FIN"),
            4.0,
            but(fin(), vec![(PlainGet, status(404), 3.0), io(engine)]),
            "upgrade-closed",
        ),
        (
            "a second, but no engine.io",
            ends("FIN"),
            1_004.0,
            but(fin(), vec![(PlainGet, status(404), 3.0), io("hello")]),
            "upgrade-closed",
        ),
    ];
    for (name, handshake, took, others, id) in table {
        let seen = seen(handshake, took, others);
        let (found, title, _) = found(&seen).unwrap_or_else(|| panic!("{name}: nothing"));
        assert_eq!(found, id, "{name}: {title}");
    }
}

#[test]
fn what_other_layers_explain_is_left_to_them() {
    let tls = |outcome| vec![(OtherScheme, outcome, 4.0)];
    let mut secure = seen(ends("alert CertificateRequired"), 3.0, vec![]);
    secure.asked.secure = true;
    let quiet = [
        seen(ends("FIN"), 1.0, tls(opens())),
        seen(ends("RST"), 1.0, tls(status(404))),
        seen(
            HANGS,
            9_000.0,
            tls(Outcome::NoTls(TlsProblem::Alert("UnrecognisedName".into()))),
        ),
        seen(bytes("\\u{15}\\u{3}\\u{1}"), 1.0, tls(opens())),
        seen(opens(), 3.0, vec![]),
        seen(status(426), 3.0, vec![]),
        seen(Outcome::NotOpened("timeout".into()), 3.0, vec![]),
        secure,
    ];
    for seen in quiet {
        assert_eq!(ours(&seen), [], "{seen:#?}");
    }
}

#[test]
fn tls_that_comes_up_behind_the_line_wants_the_line() {
    let mut seen = Seen::default();
    seen.asked.secure = true;
    seen.routes = vec![Route {
        tcp: Some(TcpOpened::default()),
        tls: Some(TlsSeen {
            problem: Some(TlsProblem::Closed),
            ..TlsSeen::default()
        }),
        ..Route::default()
    }];
    assert_eq!(planner::next(&seen), [ProxyProtocol]);
    seen.compared = vec![exchange((ProxyProtocol, opens(), 5.0))];
    assert!(planner::next(&seen).is_empty());
    assert_eq!(ours(&seen)[0].id, "proxy-protocol-missing");
    seen.compared[0].outcome = Outcome::NoTls(TlsProblem::Closed);
    assert_eq!(ours(&seen), []);
}

#[test]
fn a_terminator_without_a_server_is_told_above_tls() {
    let mut seen = seen(ends("close_notify"), 3.0, all(&ends("close_notify"), 3.0));
    seen.asked.secure = true;
    let finding = &ours(&seen)[0];
    assert_eq!(finding.id, "l4-upstream-down");
    assert!(finding.title.contains("TLS comes up"), "{}", finding.title);
    assert!(finding.layer > crate::probe::entry::Layer::Tls);
    assert_eq!(finding.certainty, Certainty::OneOf);
}

#[test]
fn one_cause_is_never_certain_where_several_fit() {
    let hang = all(&HANGS, 3_000.0);
    let (_, _, frozen) = found(&seen(HANGS, 10_000.0, hang.clone())).unwrap();
    assert_eq!(frozen, 5);
    // Whoever answers a malformed line is neither frozen nor full.
    let alive = but(hang, vec![(Garbage, status(400), 1.0)]);
    let (_, _, alive) = found(&seen(HANGS, 10_000.0, alive)).unwrap();
    assert_eq!(alive, 3);
    let fin = all(&ends("FIN"), 1.0);
    let (_, title, closed) = found(&seen(ends("FIN"), 1.0, fin)).unwrap();
    assert_eq!(closed, 4, "{title}");
    assert!(title.contains("even when nothing is sent"), "{title}");
}

#[test]
fn what_makes_a_closed_upgrade_open_is_named() {
    let with = |v: Variation| {
        let mut others = all(&ends("FIN"), 1.0);
        others = but(
            others,
            vec![(PlainGet, status(200), 3.0), (v, opens(), 3.0)],
        );
        found(&seen(ends("FIN"), 1.0, others)).unwrap().1
    };
    assert!(with(Path("/".into())).contains("opens at /"));
    assert!(with(WithoutOrigin).contains("because of its Origin"));
}

#[test]
fn protocols_are_known_by_what_they_say() {
    let table = [
        ("SSH-2.0-OpenSSH_9.2\\r\\n", "not-http", "SSH"),
        ("-ERR unknown command 'GET'\\r\\n", "not-http", "Redis"),
        ("220 mx ESMTP Postfix\\r\\n", "not-http", "SMTP"),
        ("220 ProFTPD Server\\r\\n", "not-http", "FTP"),
        ("J\\u{0}\\u{0}\\u{0}\\n8.0.36\\u{0}", "not-http", "MySQL"),
        ("* OK IMAP4rev1 ready\\r\\n", "not-http", "IMAP"),
        ("AMQP\\u{0}\\u{0}\\t\\u{1}", "not-http", "AMQP"),
        ("\\u{0}\\u{0}\\u{0}\\u{4}\\u{0}", "not-http", "HTTP/2"),
        ("\\u{7}hm?", "not-http", "another protocol"),
        (
            "HTTP/1.1 200 OK\\r\\nno colon\\r\\n",
            "unreadable-head",
            "starts like HTTP",
        ),
        ("\\x81\\u{5}hello", "no-head", "WebSocket frame"),
        ("<html><body>", "no-head", "page"),
    ];
    for (said, id, word) in table {
        let others = vec![(OtherScheme, no_tls(), 1.0)];
        let (found, title, _) = found(&seen(bytes(said), 1.0, others)).unwrap();
        assert_eq!(found, id, "{said}");
        assert!(title.contains(word), "{title}");
    }
}

#[test]
fn a_head_that_never_ends_is_shown() {
    let partial = |end: Option<&str>| Outcome::PartialHead {
        bytes: "HTTP/1.1 101 Swi".into(),
        end: end.map(str::to_owned),
    };
    let (id, title, _) = found(&seen(partial(None), 10_000.0, vec![])).unwrap();
    assert_eq!(id, "partial-head");
    assert!(title.contains("incomplete after 10.0 s"), "{title}");
    let (_, title, _) = found(&seen(partial(Some("RST")), 5.0, vec![])).unwrap();
    assert!(title.contains("cut off by RST"), "{title}");
}

#[test]
fn each_flaw_of_a_101_is_named() {
    type Spoil = fn(&mut Answer);
    let table: [(&str, Spoil); 6] = [
        ("Sec-WebSocket-Accept is missing", |a| {
            a.accept = AcceptCheck::Missing;
            a.headers.pop();
        }),
        ("does not fit the key", |a| a.accept = AcceptCheck::Wrong),
        ("the Upgrade header is missing", |a| {
            a.headers.remove(0);
        }),
        ("the Upgrade header is \"h2c\"", |a| {
            a.headers[0].1 = "h2c".into()
        }),
        ("the Connection header is \"close\"", |a| {
            a.headers[1].1 = "close".into()
        }),
        ("HTTP/1.0", |a| a.version = "1.0".into()),
    ];
    for (words, spoil) in table {
        let mut answer = good();
        spoil(&mut answer);
        let bad = seen(Outcome::Answer(answer), 3.0, vec![]);
        let (id, title, causes) = found(&bad).unwrap_or_else(|| panic!("{words}: nothing"));
        assert_eq!(id, "bad-101");
        assert!(title.contains(words), "{title}");
        assert_eq!(causes, 2);
    }
    let mut answer = good();
    answer.accept = AcceptCheck::Wrong;
    let replayed = Outcome::Answer(answer);
    let again = vec![(Again, replayed.clone(), 2.0)];
    let (_, title, causes) = found(&seen(replayed, 3.0, again)).unwrap();
    assert!(title.contains("cached or fixed"), "{title}");
    assert_eq!(causes, 1);
}

#[test]
fn what_nobody_offered_is_found_and_what_was_is_not() {
    let with = |name: &str, value: &str, offered: &[&str]| {
        let mut answer = good();
        answer.headers.push((name.into(), value.into()));
        let mut seen = seen(Outcome::Answer(answer), 3.0, vec![]);
        seen.asked.subprotocols = offered.iter().map(|&o| o.into()).collect();
        found(&seen)
    };
    let protocol = "sec-websocket-protocol";
    let extensions = "sec-websocket-extensions";
    assert_eq!(with(protocol, "mqtt", &["stomp", "mqtt"]), None);
    assert_eq!(with(extensions, "", &[]), None);
    for (name, value) in [(protocol, "mqtt"), (extensions, "permessage-deflate")] {
        let (id, title, _) = with(name, value, &["stomp"]).unwrap();
        assert_eq!(id, "unasked");
        assert!(
            title.contains(value) && title.contains("did not offer"),
            "{title}"
        );
    }
}

#[test]
fn a_late_101_is_a_warning_with_its_time() {
    let table: [(f64, Vec<Asked>, Option<&str>); 5] = [
        (300.0, vec![], None),
        (1_200.0, vec![(Again, opens(), 4.0)], None),
        (1_200.0, vec![(Again, opens(), 1_300.0)], Some("took 1.2 s")),
        (
            4_000.0,
            vec![(Again, HANGS, 3_300.0)],
            Some("more than 3.3 s"),
        ),
        (
            4_000.0,
            vec![(Again, opens(), 4.0)],
            Some("made again it took 4 ms"),
        ),
    ];
    for (took, others, words) in table {
        let seen = seen(opens(), took, others);
        let finding = ours(&seen).pop();
        match (words, finding) {
            (None, None) => {}
            (Some(words), Some(finding)) => {
                assert!(finding.title.contains(words), "{}", finding.title);
                assert_eq!(finding.severity, Severity::Warning);
            }
            (words, finding) => panic!("{took}: {words:?} {finding:?}"),
        }
    }
}

/// Asks as a probe would, each answered by `peer`, and gives everything that was asked.
fn asked_of(mut seen: Seen, peer: fn(&Variation) -> Outcome) -> Vec<Variation> {
    for _ in 0..6 {
        let batch = planner::next(&seen);
        if batch.is_empty() {
            return seen.compared.into_iter().map(|e| e.asked).collect();
        }
        let answers = batch.into_iter().map(|v| {
            let outcome = peer(&v);
            exchange((v, outcome, 5.0))
        });
        seen.compared.extend(answers.collect::<Vec<_>>());
    }
    panic!("it never stops asking: {:?}", planner::next(&seen));
}

#[test]
fn only_what_decides_is_asked() {
    let closed = || seen(ends("FIN"), 1.0, vec![]);
    assert!(asked_of(seen(opens(), 3.0, vec![]), |_| opens()).is_empty());
    assert!(asked_of(seen(status(404), 3.0, vec![]), |_| opens()).is_empty());
    assert_eq!(
        asked_of(seen(opens(), 1_500.0, vec![]), |_| opens()),
        [Again]
    );

    // TLS answers: nothing more is to be known.
    let tls = asked_of(closed(), |v| match v {
        OtherScheme => opens(),
        _ => ends("FIN"),
    });
    assert!(!tls.contains(&Garbage), "{tls:?}");

    let dead = asked_of(closed(), |v| match v {
        OtherScheme => no_tls(),
        _ => ends("FIN"),
    });
    assert!(
        dead.contains(&Listen) && dead.contains(&Garbage),
        "{dead:?}"
    );
    assert_eq!(dead.iter().filter(|v| **v == Again).count(), 3);

    let half = asked_of(closed(), |v| match v {
        Again => opens(),
        OtherScheme => no_tls(),
        _ => ends("FIN"),
    });
    assert_eq!(half.iter().filter(|v| **v == Again).count(), 5);

    let only_upgrade = asked_of(closed(), |v| match v {
        PlainGet => status(404),
        OtherScheme => no_tls(),
        _ => ends("FIN"),
    });
    assert!(only_upgrade.contains(&GetPath(ENGINE_IO.into())));
    assert!(only_upgrade.contains(&Path("/".into())));
    assert!(!only_upgrade.contains(&Garbage), "{only_upgrade:?}");

    let hangs = asked_of(seen(HANGS, 0.0, vec![]), |v| match v {
        OtherScheme => Outcome::NoTls(TlsProblem::TimedOut),
        _ => HANGS,
    });
    assert!(
        hangs.contains(&PlainGet) && hangs.contains(&Garbage),
        "{hangs:?}"
    );
    assert!(!hangs.contains(&Listen), "{hangs:?}");
    for all in [tls, dead, half, only_upgrade, hangs] {
        assert!(all.len() <= 12, "{all:?}");
    }
}
