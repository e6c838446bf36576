//! Judgement, noise and statement as tables, on a simulated machine.

use super::*;
use crate::exit::Exit;
use crate::result::Environment;
use crate::result::run::Tool;

/// On time, at half of a thread's time.
fn good(per_s: u64) -> Measured {
    let each = |p50, p99| Quantiles {
        p50,
        p90: p99,
        p99,
        p999: p99,
    };
    Measured {
        sent_per_s: per_s as f64,
        answered_per_s: per_s as f64,
        sends_skipped: 0,
        schedule_lag_ms: each(0.03, 0.1),
        round_trip_ms: each(0.1, 0.3),
        service_time_ms: each(0.08, 0.2),
        busy: 0.5,
        server_busy: Some(0.4),
        invalid: Vec::new(),
    }
}

fn late(per_s: u64, busy: f64, server: f64, invalid: bool) -> Measured {
    let mut measured = good(per_s);
    measured.schedule_lag_ms.p99 = 5.0;
    measured.busy = busy;
    measured.server_busy = Some(server);
    if invalid {
        measured.invalid.push("the generator sent late".to_owned());
    }
    measured
}

#[test]
fn every_way_to_lie_is_found() {
    type Change = fn(&mut Measured);
    let cases: [(&str, Change, Option<&str>); 10] = [
        ("honest", |_| {}, None),
        ("p99 at its limit", |m| m.schedule_lag_ms.p99 = 0.5, None),
        (
            "p99",
            |m| m.schedule_lag_ms.p99 = 0.501,
            Some("schedule_lag p99 0.501 ms, over 0.5 ms"),
        ),
        (
            "p50",
            |m| m.schedule_lag_ms.p50 = 0.101,
            Some("schedule_lag p50 0.101 ms, over 0.1 ms"),
        ),
        ("skipped", |m| m.sends_skipped = 1, Some("1 sends skipped")),
        ("a little short", |m| m.sent_per_s = 995.0, None),
        ("short", |m| m.sent_per_s = 994.0, Some("only 994/s sent")),
        (
            "invalid",
            |m| m.invalid.push("busy".to_owned()),
            Some("invalid: busy"),
        ),
        // A slow server is what round_trip is there for.
        ("slow server", |m| m.round_trip_ms.p99 = 900.0, None),
        ("behind server", |m| m.answered_per_s = 10.0, None),
    ];
    for (name, change, expected) in cases {
        let mut measured = good(1_000);
        change(&mut measured);
        let found = lies(1_000, &measured);
        let words: Vec<_> = found.iter().map(ToString::to_string).collect();
        let expected: Vec<_> = expected.into_iter().map(str::to_owned).collect();
        assert_eq!(words, expected, "{name}");
    }
}

/// Of a machine whose generator begins to lie between 20,000 and 28,000 messages a second.
pub(crate) fn calibration() -> Calibration {
    let points = vec![
        Point::new(1, 10_000, good(10_000)),
        Point::new(1, 20_000, good(20_000)),
        Point::new(1, 40_000, late(40_000, 0.97, 0.7, true)),
        Point::new(1, 40_000, late(40_000, 0.96, 0.7, true)),
        Point::new(1, 28_000, late(28_000, 0.94, 0.6, false)),
    ];
    let found = Found {
        honest: Some(20_000),
        lying: Some(28_000),
        disturbed: 0,
    };
    let knee = Knee::new(1, found, &points);
    let mut calibration = Calibration {
        schema_version: SCHEMA_VERSION,
        document: "calibration",
        tool: Tool {
            name: "wsbench".to_owned(),
            version: "1.2.3".to_owned(),
        },
        started: "2026-01-02T03:04:05Z".to_owned(),
        quick: true,
        seed: 1,
        clients: 1_000,
        machine: machine(),
        capacity: Capacity {
            descriptors: Some(19_872),
            ports: Some(28_232),
            memory: None,
        },
        handshakes: Some(Handshakes {
            per_s: 21_345.6,
            at_once: 64,
            failed: 0,
            busy: 0.9,
            server_busy: Some(0.95),
        }),
        knees: vec![knee],
        truth: vec![truth(0.1, 2_000), truth(0.9, 18_000)],
        points,
        beyond: None,
        trusted: Vec::new(),
        noise: Vec::new(),
        interrupted: false,
        statement: Vec::new(),
    };
    calibration.conclude();
    calibration
}

fn machine() -> Machine {
    Machine {
        environment: Environment {
            os: "Linux".to_owned(),
            kernel: "6.1".to_owned(),
            arch: "x86_64".to_owned(),
            cores: 2,
            cpu: "A processor".to_owned(),
            memory_bytes: 8 << 30,
            build_profile: "release".to_owned(),
        },
        governor: Some("performance".to_owned()),
        timer: Lateness {
            count: 400,
            quantiles: Quantiles {
                p50: 0.006,
                p90: 0.01,
                p99: 0.03,
                p999: 0.2,
            },
            max: 0.4,
        },
        timer_kind: "timerfd".to_owned(),
        clock_read_ns: 24.5,
        stolen: Some(0.001),
        others: Some(0.02),
    }
}

fn truth(share: f64, per_s: u64) -> Truth {
    let mut measured = good(per_s);
    measured.round_trip_ms = Quantiles {
        p50: 20.1 + share / 10.0,
        p90: 20.3,
        p99: 20.4 + share / 10.0,
        p999: 21.0,
    };
    let error = |p50, p99| Quantiles {
        p50,
        p90: p99,
        p99,
        p999: p99,
    };
    Truth {
        share,
        delay_ms: 20.0,
        server_late_ms: Some(error(0.02, 0.1)),
        error_ms: error(0.08 + share / 10.0, 0.3 + share / 10.0),
        point: Point::new(1, per_s, measured),
    }
}

#[test]
fn the_statement_holds_the_limit_the_error_and_what_is_beyond() {
    let calibration = calibration();
    assert_eq!(
        calibration.statement,
        [
            "Up to 18,000 messages/s from one shard over 1,000 clients, round_trip is true within \
             0.170 ms at p50 and 0.390 ms at p99.",
            "One shard's limit is between 20,000 and 28,000 messages/s; the generator itself had no \
             time left there.",
            "Above it wsbench run calls runs invalid: it did at 40,000 messages/s; at 28,000 \
             messages/s, late by the tighter limits of this command, it still did not.",
        ]
    );
    assert_eq!(
        (calibration.exit(), calibration.noise.as_slice()),
        (Exit::Pass, &[][..])
    );
    let json = serde_json::to_string_pretty(&calibration).expect("finite");
    insta::assert_snapshot!("the_document", json);
}

#[test]
fn more_shards_are_told_of() {
    let mut calibration = calibration();
    let found = Found {
        honest: Some(80_000),
        lying: None,
        disturbed: 0,
    };
    calibration.knees.push(Knee::new(4, found, &[]));
    let mut more = truth(0.9, 72_000);
    more.point.shards = 4;
    calibration.truth.push(more);
    calibration.conclude();
    let [first, _, second, _] = calibration.statement.as_slice() else {
        panic!("{:?}", calibration.statement);
    };
    assert!(
        first.contains("one shard (72,000 from this machine's 4 shards)"),
        "{first}"
    );
    assert_eq!(
        second,
        "The limit of this machine's 4 shards is above 80,000 messages/s, the highest load tried."
    );
}

#[test]
fn the_bottleneck_is_whoever_had_no_time_left() {
    let found = Found {
        honest: None,
        lying: Some(9),
        disturbed: 0,
    };
    for (busy, server, expected) in [
        (0.95, 0.7, Bottleneck::Generator),
        (0.85, 0.99, Bottleneck::Server),
        (0.3, 0.99, Bottleneck::Server),
        (0.3, 0.4, Bottleneck::Machine),
    ] {
        let points = [Point::new(1, 9, late(9, busy, server, true))];
        let knee = Knee::new(1, found, &points);
        assert_eq!(knee.bottleneck, Some(expected), "{busy} {server}");
    }
}

/// A change to a calibration, how many things it holds against it, and the exit code.
type Disturbance = (&'static str, fn(&mut Calibration), usize, Exit);

const DISTURBANCES: [Disturbance; 11] = [
    ("quiet", |_| {}, 0, Exit::Pass),
    ("unknown", |c| c.machine.others = None, 0, Exit::Pass),
    ("others", |c| c.machine.others = Some(0.06), 1, Exit::Pass),
    (
        "greedy",
        |c| c.machine.others = Some(0.26),
        1,
        Exit::Unanswered,
    ),
    (
        "stolen",
        |c| c.machine.stolen = Some(0.3),
        1,
        Exit::Unanswered,
    ),
    (
        "late timer",
        |c| c.machine.timer.quantiles.p99 = 2.0,
        1,
        Exit::Unanswered,
    ),
    (
        "second attempts",
        |c| c.knees[0].disturbed = 2,
        1,
        Exit::Pass,
    ),
    ("a truth late", |c| c.truth[1] = late_truth(), 1, Exit::Pass),
    ("no honesty", |c| no_honesty(c), 1, Exit::Unanswered),
    ("stopped", |c| stopped(c), 0, Exit::Interrupted),
    (
        "debug",
        |c| c.machine.environment.build_profile = "debug".to_owned(),
        1,
        Exit::Pass,
    ),
];

fn late_truth() -> Truth {
    Truth {
        point: Point::new(1, 18_000, late(18_000, 0.9, 0.3, true)),
        ..truth(0.9, 18_000)
    }
}

fn no_honesty(calibration: &mut Calibration) {
    calibration.knees[0].honest_per_s = None;
    calibration.truth.clear();
}

fn stopped(calibration: &mut Calibration) {
    calibration.interrupted = true;
    calibration.truth.clear();
}

#[test]
fn what_disturbs_is_told_and_what_spoils_is_not_passed() {
    for (name, change, noise, exit) in DISTURBANCES {
        let mut calibration = calibration();
        change(&mut calibration);
        calibration.conclude();
        let found = &calibration.noise;
        assert_eq!(found.len(), noise, "{name}: {found:?}");
        assert_eq!(calibration.exit(), exit, "{name}");
        assert!(!calibration.statement.is_empty(), "{name}");
    }
}

#[test]
fn a_late_truth_lowers_what_is_promised() {
    let mut calibration = calibration();
    calibration.truth[1] = late_truth();
    calibration.conclude();
    let trusted = calibration.trusted[0];
    assert_eq!((trusted.per_s, trusted.error_ms.p99), (2_000, 0.31));
}

#[test]
fn no_tail_is_promised_to_be_truer_than_the_middle() {
    for (p50, p99, expected) in [(0.2, 0.03, 0.2), (0.2, -0.5, 0.5), (0.1, 0.3, 0.3)] {
        let mut calibration = calibration();
        calibration.truth.truncate(1);
        let error = &mut calibration.truth[0].error_ms;
        *error = Quantiles {
            p50,
            p90: p50,
            p99,
            p999: p99,
        };
        calibration.conclude();
        let trusted = calibration.trusted[0].error_ms;
        assert_eq!((trusted.p50, trusted.p99), (p50, expected));
        assert!(trusted.p999 >= trusted.p99);
    }
}

#[test]
fn lies_that_no_run_is_called_invalid_for_are_a_hole() {
    let mut calibration = calibration();
    for point in &mut calibration.points {
        point.measured.invalid.clear();
    }
    calibration.conclude();
    assert!(calibration.is_deaf());
    assert_eq!(calibration.exit(), Exit::Unanswered);
    let beyond = calibration.statement.last().expect("some");
    assert!(beyond.contains("did NOT call a run invalid"), "{beyond}");
    // Without any lie there is nothing to notice.
    calibration.points.truncate(2);
    calibration.conclude();
    assert_eq!(
        (calibration.beyond.as_ref(), calibration.is_deaf()),
        (None, false)
    );
}

#[test]
fn a_lie_that_was_taken_back_is_none() {
    let mut calibration = calibration();
    calibration.points.push(Point::new(1, 28_000, good(28_000)));
    let lying: Vec<_> = calibration.lying_points().map(|p| p.asked_per_s).collect();
    assert_eq!(lying, [40_000, 40_000]);
}

#[test]
fn the_scarcest_bounds_the_clients() {
    let capacity = |descriptors, ports, memory| Capacity {
        descriptors,
        ports,
        memory,
    };
    for (given, expected) in [
        (capacity(Some(5), Some(3), Some(4)), Some((3, "ports"))),
        (capacity(Some(5), None, Some(9)), Some((5, "descriptors"))),
        (capacity(None, None, Some(9)), Some((9, "memory"))),
        (capacity(None, None, None), None),
    ] {
        assert_eq!(given.least(), expected);
    }
}
