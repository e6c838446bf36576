//! Pictures of endings, each with the look-alikes that it must not be taken for.

use super::{ALL, picture};
use crate::probe::checks::load::tests::round;
use crate::probe::seen::{Ended, Hold, HoldKind, Millis, Seen, Tcp, Watch, Why};

/// A hold: how, when it opened, how old it became.
fn hold(kind: HoldKind, opened: f64, held: f64) -> Hold {
    let talks = matches!(
        kind,
        HoldKind::Ping(_) | HoldKind::Text(_) | HoldKind::OneWay(_)
    );
    let pings = u64::from(matches!(kind, HoldKind::Ping(_))) * 4;
    Hold {
        kind,
        opened_ms: Millis(opened * 1e3),
        refused: None,
        held_ms: Millis(held * 1e3),
        frames: pings,
        server_pings: 0,
        pongs: pings,
        pings,
        last_pong_ms: (pings > 0).then_some(Millis(held * 1e3)),
        ended: None,
        final_pong: Some(true),
        tcp: None,
        freed: false,
        longest_gap_ms: Millis(if talks { 800.0 } else { 0.0 }),
    }
}

/// The same, ended by the other side at that age: `FIN`, `RST` or a code.
fn cut(kind: HoldKind, opened: f64, age: f64, how: &str) -> Hold {
    let mut hold = hold(kind, opened, age);
    hold.final_pong = None;
    hold.ended = Some(Ended {
        at_ms: Millis(age * 1e3),
        idle_ms: Millis(if hold.longest_gap_ms.0 > 0.0 {
            100.0
        } else {
            age * 1e3
        }),
        code: how.parse().ok(),
        reason: String::new(),
        how: Some(
            if how.parse::<u16>().is_ok() {
                "FIN"
            } else {
                how
            }
            .to_owned(),
        ),
    });
    hold
}

/// Still open, but the last ping had no answer.
fn dead(kind: HoldKind, opened: f64, held: f64, unacknowledged: u32) -> Hold {
    let mut hold = hold(kind, opened, held);
    hold.final_pong = Some(false);
    hold.tcp = Some(Tcp {
        unacknowledged,
        backoff: 3 * unacknowledged,
        ..Tcp::default()
    });
    hold
}

const SILENT: HoldKind = HoldKind::Silent;
const PING: HoldKind = HoldKind::Ping(Millis(800.0));
const TEXT: HoldKind = HoldKind::Text(Millis(800.0));
const ONE_WAY: HoldKind = HoldKind::OneWay(Millis(800.0));
const KEEP: HoldKind = HoldKind::KeepAlive(Millis(1000.0));
const DEAF: HoldKind = HoldKind::Deaf;

fn seen(holds: Vec<Hold>, rounds: &[(f64, &str)]) -> Seen {
    Seen {
        watch: Some(Watch {
            holds,
            rounds: (rounds.iter())
                .map(|(at, came)| round(*at, came, 1, Why::Look))
                .collect(),
            ..Watch::default()
        }),
        ..Seen::default()
    }
}

fn found(seen: &Seen) -> Vec<(&'static str, String)> {
    let found = ALL.iter().flat_map(|check| (check.ask)(seen));
    found.map(|f| (f.id, f.title)).collect()
}

/// Name, holds, handshakes, the finding, words of its title.
type Row = (
    &'static str,
    Vec<Hold>,
    &'static [(f64, &'static str)],
    &'static str,
    &'static str,
);

const FINE: &[(f64, &str)] = &[
    (0.5, "101"),
    (1.5, "101"),
    (2.5, "101"),
    (4.5, "101"),
    (5.0, "101"),
];
const GAP: &[(f64, &str)] = &[
    (0.5, "101"),
    (1.5, "101"),
    (2.1, "refused"),
    (2.6, "502"),
    (4.0, "101"),
];

fn expect(table: Vec<Row>) {
    for (name, holds, rounds, id, words) in table {
        let seen = seen(holds, rounds);
        let found = found(&seen);
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        assert_eq!(found[0].0, id, "{name}");
        assert!(found[0].1.contains(words), "{name}: {}", found[0].1);
    }
}

#[test]
fn silence_that_is_not_borne_has_one_finding() {
    let idle = |how: &str| {
        vec![
            cut(SILENT, 0.0, 3.0, how),
            hold(PING, 0.35, 6.2),
            cut(KEEP, 1.1, 3.0, how),
        ]
    };
    let messages_only = vec![
        cut(SILENT, 0.0, 3.0, "4000"),
        cut(PING, 0.35, 3.0, "4000"),
        hold(TEXT, 0.6, 6.0),
    ];
    let server_bytes_only = vec![
        cut(SILENT, 0.0, 3.0, "FIN"),
        hold(PING, 0.35, 6.0),
        cut(ONE_WAY, 0.8, 3.0, "FIN"),
    ];
    let forgotten = vec![dead(SILENT, 0.0, 6.4, 1), hold(PING, 0.35, 4.0)];
    let frozen = vec![dead(SILENT, 0.0, 6.4, 0), dead(PING, 0.35, 6.0, 0)];
    let lost = vec![
        hold(SILENT, 0.0, 4.4),
        cut(PING, 0.35, 2.0, "FIN"),
        hold(TEXT, 0.6, 4.0),
    ];
    expect(vec![
        ("idle", idle("FIN"), FINE, "idle-cut", "3.0 s"),
        ("tls", idle("close_notify"), FINE, "idle-cut", "3.0 s"),
        ("l4", idle("RST"), FINE, "idle-cut-rst", "3.0 s"),
        ("pings count", idle("4000"), FINE, "idle-app", "4000"),
        (
            "messages only",
            messages_only,
            FINE,
            "idle-app",
            "pings do not count",
        ),
        (
            "server bytes only",
            server_bytes_only,
            FINE,
            "idle-cut",
            "3.0 s",
        ),
        ("forgotten", forgotten, FINE, "idle-silent-drop", "4.4 s"),
        ("frozen", frozen, FINE, "half-open", "still acknowledges"),
        ("one lost", lost, FINE, "connection-lost", "1 of 3"),
    ]);
}

#[test]
fn ages_and_moments_are_told_apart() {
    const OPENS: [(HoldKind, f64); 4] = [(SILENT, 0.0), (PING, 0.35), (TEXT, 0.6), (ONE_WAY, 0.85)];
    let all_at = |moment: f64, how: &str| {
        let ends = OPENS
            .iter()
            .map(|(kind, at)| cut(*kind, *at, moment - at, how));
        ends.collect::<Vec<_>>()
    };
    let age = |how: &str| {
        let ends = OPENS.iter().map(|(kind, at)| cut(*kind, *at, 4.0, how));
        ends.collect::<Vec<_>>()
    };
    let mut late = all_at(4.1, "FIN");
    late.push(hold(PING, 2.6, 5.0));
    expect(vec![
        ("age", age("FIN"), FINE, "max-age", "4.0 s"),
        (
            "age by the server",
            age("1001"),
            FINE,
            "max-age-app",
            "1001",
        ),
        ("a late one lives", late, FINE, "reload-deadline", "4.1 s"),
        (
            "all, 1001",
            all_at(2.0, "1001"),
            FINE,
            "reload-closes",
            "1001",
        ),
        (
            "all, a gap",
            all_at(2.0, "FIN"),
            GAP,
            "restart",
            "refused, 502",
        ),
    ]);
}

#[test]
fn what_is_healthy_or_not_ours_has_none() {
    let mut mute = vec![dead(SILENT, 0.0, 6.4, 0), dead(PING, 0.35, 6.0, 0)];
    mute[1].pongs = 0;
    mute[1].last_pong_ms = None;
    let mut freed = hold(KEEP, 1.1, 2.0);
    freed.freed = true;
    let table: Vec<(&str, Vec<Hold>)> = vec![
        (
            "all live",
            vec![hold(SILENT, 0.0, 4.4), hold(PING, 0.35, 4.0), freed],
        ),
        (
            "the application wants nobody",
            vec![cut(SILENT, 0.0, 0.1, "4001"), cut(PING, 0.35, 0.1, "4001")],
        ),
        ("no pong ever", mute),
        (
            "the application does not like our text",
            vec![
                hold(SILENT, 0.0, 4.4),
                hold(PING, 0.35, 4.0),
                cut(TEXT, 0.6, 0.9, "4002"),
            ],
        ),
        (
            "deaf, no pings seen",
            vec![hold(SILENT, 0.0, 4.4), cut(DEAF, 1.3, 2.0, "FIN")],
        ),
    ];
    for (name, holds) in table {
        let found = found(&seen(holds, FINE));
        assert!(found.is_empty(), "{name}: {found:?}");
    }
}

#[test]
fn a_connection_that_the_next_one_ends_is_no_matter_of_time() {
    let opens = [0.0, 0.35, 0.6, 0.85, 1.1];
    let mut holds: Vec<_> = (opens.windows(2))
        .map(|pair| cut(PING, pair[0], pair[1] - pair[0] + 0.01, "4009"))
        .collect();
    holds.push(hold(PING, 1.1, 4.0));
    let rounds: Vec<_> = opens.iter().map(|at| (*at, "101")).collect();
    let seen = seen(holds, &rounds);
    assert!(found(&seen).is_empty(), "{:?}", found(&seen));
    let found = crate::probe::diagnose(&seen).findings;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].id, "single-session");
}

#[test]
fn a_server_that_minds_the_deaf_is_a_note() {
    let mut silent = hold(SILENT, 0.0, 4.4);
    silent.server_pings = 3;
    // Where the silent one was cut as well, answering made no difference.
    let mut both = vec![cut(SILENT, 0.0, 3.0, "FIN"), cut(DEAF, 1.3, 3.0, "FIN")];
    both[0].server_pings = 1;
    let ids: Vec<_> = found(&seen(both, FINE)).into_iter().map(|f| f.0).collect();
    assert_eq!(ids, ["idle-cut"]);
    let seen = seen(vec![silent, cut(DEAF, 1.3, 3.0, "FIN")], FINE);
    let found: Vec<_> = ALL.iter().flat_map(|check| (check.ask)(&seen)).collect();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].severity, crate::probe::Severity::Note);
    for word in ["proxy", "cut", "dropped", "dead"] {
        assert!(!found[0].title.contains(word), "{}", found[0].title);
    }
}

#[test]
fn a_known_number_of_seconds_is_evidence_and_no_proof() {
    let table = [
        (60.1, "60 s", 3),
        (50.0, "Debian's haproxy.cfg", 3),
        (55.0, "Heroku", 3),
        (100.0, "Cloudflare", 3),
        (301.0, "Envoy", 3),
        (350.1, "NLB", 3),
        (61.2, "60 s", 3),
        (3.0, "is set to that time", 2),
        (57.5, "is set to that time", 2),
    ];
    for (after, words, many) in table {
        let seen = seen(
            vec![
                cut(SILENT, 0.0, after, "FIN"),
                hold(PING, 0.35, 2.0 * after),
            ],
            FINE,
        );
        let found: Vec<_> = ALL.iter().flat_map(|check| (check.ask)(&seen)).collect();
        assert_eq!(found.len(), 1, "{after}");
        let causes = &found[0].causes;
        assert!(causes[0].cause.contains(words), "{after}: {causes:?}");
        assert_eq!(causes.len(), many, "{after}: {causes:?}");
        assert_eq!(found[0].certainty, crate::probe::Certainty::OneOf);
    }
}

#[test]
fn a_reset_may_come_from_what_ends_tls() {
    let mut seen = seen(
        vec![cut(SILENT, 0.0, 3.0, "RST"), hold(PING, 0.35, 6.0)],
        FINE,
    );
    for (secure, cause) in [(false, "layer 4"), (true, "TLS terminator")] {
        seen.asked.secure = secure;
        let found: Vec<_> = ALL.iter().flat_map(|check| (check.ask)(&seen)).collect();
        let causes = &found[0].causes;
        assert!(causes[0].cause.contains(cause), "{causes:?}");
    }
}

#[test]
fn lost_packets_and_a_frozen_peer_have_different_causes() {
    for (unacknowledged, cause) in [(1, "stopped carrying"), (0, "frozen")] {
        let holds = vec![
            dead(SILENT, 0.0, 6.4, unacknowledged),
            dead(PING, 0.35, 6.0, unacknowledged),
        ];
        let seen = seen(holds, FINE);
        assert!(matches!(picture::of(&seen), picture::Picture::Frozen(_)));
        let found: Vec<_> = ALL.iter().flat_map(|check| (check.ask)(&seen)).collect();
        assert!(
            found[0].causes[0].cause.contains(cause),
            "{:?}",
            found[0].causes
        );
    }
}
