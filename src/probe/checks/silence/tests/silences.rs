//! Handshakes that got no byte.

use super::*;

/// `name`, how the handshake ended and after how many milliseconds, what the others got where it was
/// something else, and the finding. `-` is silence.
type Row = (&'static str, &'static str, f64, &'static str, &'static str);

const KINDS: [Row; 25] = [
    ("everything ends at once", "FIN", 1.0, "", "closed-no-bytes"),
    ("resets too", "RST", 1.0, "", "l4-upstream-down"),
    (
        "a balancer's tries",
        "FIN",
        3e3,
        "listen=-",
        "l4-upstream-down",
    ),
    ("reads, closes", "FIN", 4.0, "listen=-", "closed-no-bytes"),
    (
        "malformed is answered",
        "FIN",
        4.0,
        "listen=- garbage=400",
        "closed-by-rule",
    ),
    (
        "another path is answered",
        "FIN",
        4.0,
        "root=200",
        "closed-by-rule",
    ),
    (
        "shorter is answered",
        "FIN",
        4.0,
        "bare=101",
        "closed-by-rule",
    ),
    ("nothing at all", "-", 1e4, "", "no-answer"),
    (
        "nothing but the malformed",
        "-",
        1e4,
        "garbage=400",
        "no-answer",
    ),
    (
        "opens behind the line",
        "FIN",
        1.0,
        "line=101",
        "proxy-protocol-missing",
    ),
    (
        "is answered behind it",
        "FIN",
        1.0,
        "line=404",
        "proxy-protocol-missing",
    ),
    (
        "hangs but behind it",
        "-",
        1e4,
        "line=101",
        "proxy-protocol-missing",
    ),
    (
        "it is only complained about",
        "FIN",
        1.0,
        "line=400",
        "closed-no-bytes",
    ),
    (
        "at times, and behind it",
        "FIN",
        1.0,
        "line=101 again=101,FIN",
        "answered-at-times",
    ),
    (
        "every second",
        "FIN",
        1.0,
        "get=426 again=101,FIN",
        "answered-at-times",
    ),
    (
        "works since the GET",
        "-",
        1e4,
        "get=426 again=101,101",
        "upgrade-unhandled",
    ),
    (
        "one of several hangs",
        "-",
        1e4,
        "get=426 again=101,-",
        "answered-at-times",
    ),
    (
        "only the upgrade hangs",
        "-",
        1e4,
        "get=200",
        "upgrade-unhandled",
    ),
    (
        "only the upgrade is closed",
        "FIN",
        2.0,
        "get=200",
        "upgrade-closed",
    ),
    (
        "a gateway error",
        "FIN",
        2.0,
        "get=503",
        "upgrade-no-upstream",
    ),
    (
        "a gateway error, hanging",
        "-",
        1e4,
        "get=504",
        "upgrade-no-upstream",
    ),
    (
        "engine.io",
        "FIN",
        1_004.0,
        "get=404 io=engine",
        "socketio-path",
    ),
    (
        "engine.io, older",
        "FIN",
        1_004.0,
        "get=404 io=complains",
        "socketio-path",
    ),
    (
        "engine.io is elsewhere",
        "FIN",
        4.0,
        "get=404 io=engine",
        "upgrade-closed",
    ),
    (
        "a second, no engine.io",
        "FIN",
        1_004.0,
        "get=404 io=200",
        "upgrade-closed",
    ),
];

fn outcome(word: &str) -> Outcome {
    match word {
        "-" => HANGS,
        "FIN" | "RST" => ends(word),
        "101" => opens(),
        "engine" => says(
            200,
            "0{\"sid\":\"x\",\"upgrades\":[],\"pingInterval\":25000}",
        ),
        "complains" => says(400, "{\"code\":0,\"message\":\"Transport unknown\"}"),
        status => says(status.parse().unwrap(), "hello"),
    }
}

fn variation(word: &str) -> Variation {
    match word {
        "get" => PlainGet,
        "listen" => Listen,
        "garbage" => Garbage,
        "line" => ProxyProtocol,
        "again" => Again,
        "bare" => Variation::WithoutHeaders,
        "root" => GetPath("/".into()),
        "io" => GetPath(ENGINE_IO.into()),
        _ => unreachable!("{word}"),
    }
}

#[test]
fn kinds_of_silence_are_told_apart() {
    for (name, handshake, took, changed, id) in KINDS {
        let (rest, took_rest) = match handshake {
            "-" => (HANGS, 3_000.0),
            _ => (ends("FIN"), 1.0),
        };
        let mut asked = Vec::new();
        for change in changed.split_whitespace() {
            let (which, outcomes) = change.split_once('=').unwrap();
            for word in outcomes.split(',') {
                let took = if word == "-" { 1_500.0 } else { 2.0 };
                asked.push((variation(which), outcome(word), took));
            }
        }
        let seen = seen(outcome(handshake), took, but(all(&rest, took_rest), asked));
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
    assert!(with(Variation::Path("/".into())).contains("opens at /"));
    assert!(with(Variation::WithoutOrigin).contains("because of its Origin"));
}

#[test]
fn the_second_of_engine_io_is_named_where_it_fits() {
    let causes = |took: f64| {
        let others = but(all(&ends("FIN"), 1.0), vec![(PlainGet, status(404), 3.0)]);
        found(&seen(ends("FIN"), took, others)).unwrap()
    };
    let (_, title, several) = causes(1_003.0);
    assert!(title.contains("Socket.IO") && several == 5, "{title}");
    let (_, title, several) = causes(3.0);
    assert!(!title.contains("Socket.IO") && several == 4, "{title}");
}

#[test]
fn repeats_that_went_alike_are_told_once() {
    let others = vec![
        (PlainGet, status(426), 3.0),
        (Again, opens(), 3.0),
        (Again, ends("FIN"), 2.0),
        (Again, opens(), 7.0),
    ];
    let finding = &ours(&seen(ends("FIN"), 1.0, others))[0];
    let last = finding.observed.last().unwrap();
    assert_eq!(
        last,
        "the same handshake, 3 more: 2 times answered 101 in 7 ms; closed with FIN after 2 ms, \
         without a byte"
    );
}
