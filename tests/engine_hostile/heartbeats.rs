//! Heartbeats against servers that answer them in their own way (the exact counts of each rule are
//! simulations), and pings of servers that must be answered.

use super::server::PINGS;
use super::trial::{Case, HEALTHY, MANY, MESSAGES, Trial, each};

const BEATS: &str = "interval = \"500ms\"\ntimeout = \"450ms\"\nmax_missed = 2";

#[track_caller]
fn beat(what: &str, clients: u64) -> Trial {
    let mut case = Case::new([format!("/beat/{what}")], clients);
    case.heartbeat = BEATS;
    let trial = case.run();
    let name = &trial.name;
    assert_eq!(trial.exit, Some(0), "{name}: {}", trial.stderr);
    trial.assert_on_time();
    trial.assert_small();
    let all = (clients + HEALTHY) * MESSAGES;
    assert_eq!(trial.count("replies_matched"), all, "{name}");
    let outcomes = [
        "heartbeats_on_time",
        "heartbeats_superseded",
        "heartbeats_late",
        "heartbeats_missed",
        "heartbeats_cut",
        "heartbeats_pending",
    ];
    let sum: u64 = outcomes.iter().map(|name| trial.count(name)).sum();
    assert_eq!(trial.count("heartbeats_sent"), sum, "{name}");
    trial
}

/// Every client of `what` is declared dead, and no client of the healthy server.
#[track_caller]
fn assert_dead(trial: &Trial, clients: u64) {
    let dead = ("lost:heartbeat_dead".to_owned(), clients);
    let alive = ("by_us".to_owned(), HEALTHY);
    assert_eq!(
        trial.tally("closes"),
        [dead, alive].into(),
        "{}",
        trial.name
    );
}

#[track_caller]
fn assert_alive(trial: &Trial, clients: u64) {
    let all = ("by_us".to_owned(), clients + HEALTHY);
    assert_eq!(trial.tally("closes"), [all].into(), "{}", trial.name);
}

#[test]
fn answers_to_heartbeats_are_judged_by_what_they_answer() {
    let table = [
        "each",
        "none",
        "then_silent",
        "every_third",
        "wrong",
        "empty",
        "twice",
        "late",
        "latest_only",
    ];
    let cases: Vec<_> = table.iter().flat_map(|w| [(*w, 1), (*w, MANY)]).collect();
    each(&cases, |&(what, clients)| {
        let trial = beat(what, clients);
        let count = |name: &str| trial.count(name);
        let name = &trial.name;
        match what {
            "each" => {
                assert_alive(&trial, clients);
                assert_eq!(count("pongs_unsolicited") + count("pongs_duplicate"), 0);
            }
            "twice" => {
                assert_alive(&trial, clients);
                assert!(count("pongs_duplicate") >= 3 * clients, "{name}");
            }
            // One in three comes: never two misses in a row within 3 s but at the end of three.
            "every_third" => assert!(count("heartbeats_missed") >= 2 * clients, "{name}"),
            "latest_only" => assert!(count("heartbeats_missed") >= clients, "{name}"),
            "wrong" | "empty" => {
                assert_dead(&trial, clients);
                assert!(count("pongs_unsolicited") >= 2 * clients, "{name}");
            }
            "late" => assert!(
                count("heartbeats_late") + count("heartbeats_missed") > 0,
                "{name}"
            ),
            _ => {
                assert_dead(&trial, clients);
                assert_eq!(count("declared_dead"), clients, "{name}");
                let ends = trial.seen(&format!("/beat/{what}")).ends;
                assert_eq!(ends, [("rst", clients)].into(), "{name}");
            }
        }
    });
}

/// RELIABILITY 4.5 no. 41.
#[test]
fn pings_of_a_server_are_all_answered_by_busy_and_by_idle_clients() {
    let table = [("busy", 1), ("busy", MANY), ("idle", 1), ("idle", MANY)];
    each(&table, |&(how, clients)| {
        let path = format!("/pings/{how}");
        let mut case = Case::new([&path], clients);
        if how == "idle" {
            case.steps = "";
            case.healthy = false;
        }
        let trial = case.run();
        assert_eq!(trial.exit, Some(0), "{}", trial.stderr);
        trial.assert_on_time();
        trial.assert_small();
        let seen = trial.seen(&path);
        assert_eq!(trial.count("server_pings"), PINGS * clients);
        assert_eq!(seen.frames[&10], PINGS * clients, "a pong for each");
        assert_eq!(
            seen.strange_pongs, 0,
            "each with its ping's payload, in order"
        );
        assert_eq!(seen.closes, [(1000, clients)].into(), "nobody gave up");
        trial.assert_sampled(&["pong_delay"], "server_pings");
        if how == "busy" {
            let all = (clients + HEALTHY) * MESSAGES;
            assert_eq!(trial.count("replies_matched"), all);
        }
    });
}
