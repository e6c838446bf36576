//! Servers that do their worst, each with one and with fifty clients beside five healthy ones.
//!
//! Of every run: the right kind of failure is counted for each client, it ends on time, by itself
//! and without a panic, its memory stays small, and the healthy clients lose nothing.

mod server;
mod trial;

use trial::{HEALTHY, MESSAGES, Trial, each, run};

/// Memory of a run with fifty hostile connections (the program alone takes about 25 MiB unoptimised).
const PEAK_KIB: u64 = 96 * 1024;

/// Clients of the hostile server.
const SIZES: [u64; 2] = [1, 50];

fn with_sizes<T: Copy>(table: &[T]) -> Vec<(T, u64)> {
    let sized = |size| table.iter().map(move |row| (*row, size));
    SIZES.into_iter().flat_map(sized).collect()
}

fn trial(path: &str, clients: u64) -> (String, Trial) {
    let name = format!("{path} x {clients}");
    let trial = run(path, clients);
    trial.assert_sound(&name);
    assert!(trial.peak_kib < PEAK_KIB, "{name}: {} KiB", trial.peak_kib);
    (name, trial)
}

/// Only the healthy ones were answered, and all that they asked.
#[track_caller]
fn assert_healthy_answered(name: &str, trial: &Trial) {
    let matched = trial.count("replies_matched");
    assert_eq!(matched, HEALTHY * MESSAGES, "{name}");
}

#[test]
fn handshakes_that_go_wrong_are_counted_by_their_kind() {
    let table = [
        ("fin", "bad_upgrade{truncated}"),
        ("rst", "reset"),
        ("silent", "handshake_timeout"),
        ("endless_headers", "bad_upgrade{head_too_large}"),
        ("huge_header", "bad_upgrade{head_too_large}"),
        ("endless_interim", "handshake_timeout"),
        ("endless_body", "http_status{200}"),
        ("slow_lines", "handshake_timeout"),
        ("slow_bytes", "handshake_timeout"),
        ("garbage", "bad_upgrade{not_http}"),
        ("tls", "bad_upgrade{looks_like_tls}"),
        ("http10", "bad_upgrade{http_version}"),
        ("wrong_accept", "bad_upgrade{wrong_accept}"),
        ("two_accepts", "bad_upgrade{wrong_accept}"),
        ("no_upgrade", "bad_upgrade{no_upgrade}"),
        ("extension", "bad_upgrade{extension}"),
        ("busy", "http_status{503}"),
        ("moved", "http_status{302}"),
    ];
    each(&with_sizes(&table), |((what, kind), clients)| {
        let (name, trial) = trial(&format!("/before/{what}"), clients);
        let expected = [(kind.to_owned(), clients)].into();
        assert_eq!(trial.tally("failures"), expected, "{name}");
        assert_eq!(trial.count("connections_opened"), HEALTHY, "{name}");
        assert_healthy_answered(&name, &trial);
    });
}

#[test]
fn odd_but_legal_servers_are_no_failures() {
    let table = [
        "",
        "lower_case",
        "bytewise",
        "many_headers",
        "interim",
        "frames_with_the_101",
        "long_lengths",
        "fragments",
        "drip",
    ];
    each(&with_sizes(&table), |(what, clients)| {
        let (name, trial) = trial(&format!("/legal/{what}"), clients);
        let all = clients + HEALTHY;
        assert_eq!(trial.tally("failures"), [].into(), "{name}");
        assert_eq!(
            trial.tally("closes"),
            [("by_us".to_owned(), all)].into(),
            "{name}"
        );
        assert_eq!(trial.count("replies_matched"), all * MESSAGES, "{name}");
        if what == "frames_with_the_101" {
            assert_eq!(trial.count("server_pings"), clients, "{name}: with the 101");
        }
    });
}

#[test]
fn connections_that_end_badly_are_counted_by_their_cause() {
    let table = [
        ("fin", "lost:eof_without_close"),
        ("fin_within_a_frame", "lost:eof_without_close"),
        ("rst", "lost:reset"),
        ("rst_within_a_frame", "lost:reset"),
        ("close_twice", "by_peer{1000}"),
        ("data_after_close", "by_peer{1000}"),
        ("length_2_63", "lost:protocol_error{length}"),
        ("length_2_63_less_1", "lost:protocol_error{too_large}"),
        ("length_4_gib", "lost:protocol_error{too_large}"),
        ("masked", "lost:protocol_error{masking}"),
        ("reserved_bit", "lost:protocol_error{reserved_bits}"),
        ("reserved_opcode", "lost:protocol_error{opcode}"),
        ("reserved_control", "lost:protocol_error{opcode}"),
        (
            "stray_continuation",
            "lost:protocol_error{stray_continuation}",
        ),
        ("interleaved", "lost:protocol_error{interleaved}"),
        ("long_ping", "lost:protocol_error{long_control}"),
        ("fragmented_ping", "lost:protocol_error{fragmented_control}"),
        ("bad_utf8", "lost:protocol_error{utf8}"),
        ("close_of_one_byte", "lost:protocol_error{close_frame 0}"),
        ("close_1005", "lost:protocol_error{close_frame 1005}"),
        ("close_65535", "lost:protocol_error{close_frame 65535}"),
        ("endless_fragments", "lost:protocol_error{too_large}"),
        // Silent to the end, or never to be answered.
        ("deaf", "by_us_unanswered"),
        ("no_close_reply", "by_us_unanswered"),
        ("half_a_header", "by_us_unanswered"),
        ("length_within_the_limit", "by_us_unanswered"),
    ];
    each(&with_sizes(&table), |((what, cause), clients)| {
        let (name, trial) = trial(&format!("/after/{what}"), clients);
        let healthy = ("by_us".to_owned(), HEALTHY);
        let expected = [(cause.to_owned(), clients), healthy].into();
        assert_eq!(trial.tally("closes"), expected, "{name}");
        assert_eq!(trial.tally("failures"), [].into(), "{name}");
        assert_healthy_answered(&name, &trial);
    });
}

const FLOODS: [&str; 6] = [
    "ping_flood",
    "pong_flood",
    "message_flood",
    "large_message_flood",
    "tiny_fragments",
    "empty_fragments",
];

#[test]
fn a_flood_harms_nobody_else_and_does_not_keep_a_run_from_ending() {
    each(&FLOODS, |what| {
        let (name, trial) = trial(&format!("/after/{what}"), 1);
        assert_eq!(trial.tally("failures"), [].into(), "{name}");
        assert_eq!(trial.tally("closes")["by_us"], HEALTHY, "{name}");
        assert_healthy_answered(&name, &trial);
    });
}

/// Fifty of them are more than an unoptimised build can read: what counts is that it ends by itself,
/// says so if it was too busy, and does not collect what it cannot digest.
#[test]
fn fifty_floods_do_not_fill_the_memory() {
    each(&FLOODS, |what| {
        let trial = run(&format!("/after/{what}"), 50);
        assert!(
            matches!(trial.exit, Some(0 | 4)),
            "{what}: {}",
            trial.stderr
        );
        assert_eq!(trial.result["end_reason"], "completed", "{what}");
        assert_eq!(trial.count("connections_attempted"), 50 + HEALTHY, "{what}");
        assert!(trial.peak_kib < PEAK_KIB, "{what}: {} KiB", trial.peak_kib);
        let laws = trial.result["validity"]["broken_laws"].as_array();
        assert!(laws.is_none_or(Vec::is_empty), "{what}: {laws:?}");
    });
}
