//! Servers that send without end, and servers that read nothing: memory, time, and Ctrl-C.

use std::time::Duration;

use super::server::ports;
use super::trial::{Case, HEALTHY, MANY, Trial, each};

const FLOODS: [&str; 9] = [
    "pings",
    "long_pings",
    "pongs",
    "messages",
    "empty_messages",
    "large_messages",
    "tiny_fragments",
    "empty_fragments",
    "after_close",
];

#[test]
fn a_flood_harms_nobody_else_and_does_not_keep_a_run_from_ending() {
    each(&FLOODS, |what| {
        let trial = Case::new([format!("/flood/{what}")], 1).sound();
        assert_eq!(trial.tally("failures"), [].into(), "{what}");
        trial.assert_healthy_answered();
        let closes = trial.tally("closes");
        match *what {
            // A message of fragments has a limit, after a million of them.
            "tiny_fragments" => assert!(closes["by_us"] >= HEALTHY, "{closes:?}"),
            "after_close" => {
                let expected = [("by_peer{1000}".into(), 1), ("by_us".into(), HEALTHY)];
                assert_eq!(closes, expected.into());
            }
            _ => {
                let expected = [("by_us_unanswered".into(), 1), ("by_us".into(), HEALTHY)];
                assert_eq!(closes, expected.into(), "{what}");
            }
        }
    });
}

/// Two hundred of them are more than an unoptimised build can read: what counts is that it ends by
/// itself, says so if it was too busy, and does not collect what it cannot digest.
#[test]
fn two_hundred_floods_do_not_fill_the_memory() {
    each(&FLOODS, |what| {
        let trial = Case::new([format!("/flood/{what}")], MANY).run();
        assert!(
            matches!(trial.exit, Some(0 | 4)),
            "{what}: {}",
            trial.stderr
        );
        assert_eq!(trial.result["end_reason"], "completed", "{what}");
        let attempted = trial.count("connections_attempted");
        let all = MANY + HEALTHY;
        // Under the flood of the first ones it may find no time to start the last.
        assert!(
            HEALTHY < attempted && attempted <= all,
            "{what}: {attempted}"
        );
        trial.assert_small();
        let laws = trial.result["validity"]["broken_laws"].as_array();
        assert!(laws.is_none_or(Vec::is_empty), "{what}: {laws:?}");
        trial.seen(&format!("/flood/{what}"));
    });
}

#[test]
fn fragments_without_end_meet_the_limit() {
    each(&[1, MANY], |clients| {
        let path = "/flood/endless_fragments";
        let trial = Case::new([path], *clients).run();
        assert!(matches!(trial.exit, Some(0 | 4)), "{}", trial.stderr);
        // Each may hold one message of 1 MiB.
        trial.assert_peak(3 * 1024 / 2 * clients);
        let lost = trial.tally("closes")["lost:protocol_error{too_large}"];
        assert_eq!(lost, *clients);
        assert_eq!(trial.seen(path).closes, [(1009, *clients)].into());
    });
}

/// RELIABILITY 4.1: runs of others did not end here.
#[test]
fn ctrl_c_ends_a_run_whatever_the_servers_do() {
    let table = [
        "/flood/pings",
        "/flood/messages",
        "/flood/empty_fragments",
        "/after/deaf",
        "/after/no_close_reply",
        "/before/silent",
        "/before/endless_interim",
    ];
    each(&table, |path| {
        for clients in [1, MANY] {
            let mut case = Case::new([path], clients);
            case.interrupt = Some(Duration::from_millis(1200));
            let trial = case.run();
            assert_eq!(trial.exit, Some(130), "{path}: {}", trial.stderr);
            assert_eq!(trial.result["end_reason"], "interrupted", "{path}");
            // The drain and the close timeout take 1.3 s at most.
            assert!(trial.took < Duration::from_secs(12), "{:?}", trial.took);
            trial.assert_small();
            trial.seen(path);
        }
    });
}

/// 4 KiB every 5 ms: more than a peer that reads nothing takes.
const MUCH: &str = r#"
[[session.step]]
every = "5ms"
count = 400
skip_after = "100ms"
send = "{{text 4096}}"
reply = { echo = true, timeout = "1s" }
"#;

/// RELIABILITY 4.5 no. 36: nothing is queued behind a full buffer, and the peer is not blamed for
/// heartbeats that were never sent.
#[test]
fn a_peer_that_reads_nothing_leaves_messages_unsent_and_beats_blocked() {
    let deaf = ports::deaf();
    each(&[1, MANY], |clients| {
        let mut case = Case::new([format!("ws://{deaf}/")], *clients);
        case.healthy = false;
        case.steps = MUCH;
        case.heartbeat = "interval = \"200ms\"\ntimeout = \"60s\"\nmax_missed = 2";
        let trial = case.run();
        assert!(matches!(trial.exit, Some(0 | 4)), "{}", trial.stderr);
        trial.assert_on_time();
        trial.assert_small();
        assert_unsent(&trial, *clients);
    });
}

#[track_caller]
fn assert_unsent(trial: &Trial, clients: u64) {
    let name = &trial.name;
    let sent = trial.count("messages_sent");
    let skipped = trial.count("sends_skipped");
    assert_eq!(sent + skipped, 400 * clients, "{name}: all that were due");
    assert!(skipped > sent, "{name}: {sent} sent, {skipped} not");
    assert_eq!(trial.count("replies_matched"), 0, "{name}");
    let blocked = trial.count("heartbeats_blocked");
    let beats = blocked + trial.count("heartbeats_sent");
    assert!(blocked > beats / 2, "{name}: {blocked} of {beats} blocked");
    assert_eq!(trial.count("heartbeats_missed"), 0, "{name}");
    assert_eq!(trial.count("declared_dead"), 0, "{name}");
    let closes = trial.tally("closes");
    assert_eq!(closes, [("by_us_unanswered".into(), clients)].into());
}
