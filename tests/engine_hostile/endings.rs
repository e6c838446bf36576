//! Connections that open well and end badly, or at least not by us.

use std::collections::BTreeMap;
use std::time::Duration;

use super::trial::{Case, HEALTHY, MANY, MESSAGES, Trial, each, once_and_many, sum};

type Row = (&'static str, &'static str);

/// Every client of a row ends with the row's cause; what is whole before that is no message.
#[track_caller]
fn endings(rows: &[Row], clients: u64, messages: u64) -> Trial {
    let paths = rows.iter().map(|(what, _)| format!("/after/{what}"));
    let trial = Case::new(paths, clients).sound();
    let name = &trial.name;
    let causes = rows.iter().map(|(_, cause)| ((*cause).to_owned(), clients));
    let healthy = ("by_us".to_owned(), HEALTHY);
    assert_eq!(
        trial.tally("closes"),
        sum(causes.chain([healthy])),
        "{name}"
    );
    assert_eq!(trial.tally("failures"), [].into(), "{name}");
    let opened = clients * rows.len() as u64 + HEALTHY;
    assert_eq!(trial.count("connections_opened"), opened, "{name}");
    trial.assert_healthy_answered();
    let received = trial.count("messages_received");
    assert_eq!(received, HEALTHY * MESSAGES + messages * clients, "{name}");
    trial
}

/// How often each close code came, and how often each end.
#[track_caller]
fn assert_seen(trial: &Trial, what: &str, closes: &[(u16, u64)], ends: &[(&'static str, u64)]) {
    let seen = trial.seen(&format!("/after/{what}"));
    assert_eq!(seen.closes, closes.iter().copied().collect(), "{what}");
    let expected: BTreeMap<_, _> = ends.iter().copied().collect();
    assert_eq!(seen.ends, expected, "{what}");
}

/// RELIABILITY 4.3: each violation is answered with its close code, on the wire.
#[test]
fn violations_are_counted_by_their_rule_and_answered_with_their_code() {
    let table = [
        ("length_2_63", "length"),
        ("length_2_64_less_1", "length"),
        ("length_2_63_less_1", "too_large"),
        ("length_4_gib", "too_large"),
        ("length_1_gib", "too_large"),
        ("length_8_mib", "too_large"),
        ("length_beyond_by_one", "too_large"),
        ("fragments_beyond_by_one", "too_large"),
        ("masked", "masking"),
        ("masked_close", "masking"),
        ("reserved/1", "reserved_bits"),
        ("reserved/2", "reserved_bits"),
        ("reserved/3", "reserved_bits"),
        ("opcode/3", "opcode"),
        ("opcode/4", "opcode"),
        ("opcode/5", "opcode"),
        ("opcode/6", "opcode"),
        ("opcode/7", "opcode"),
        ("opcode/11", "opcode"),
        ("opcode/12", "opcode"),
        ("opcode/13", "opcode"),
        ("opcode/14", "opcode"),
        ("opcode/15", "opcode"),
        ("stray_continuation", "stray_continuation"),
        ("stray_first_continuation", "stray_continuation"),
        ("interleaved", "interleaved"),
        ("interleaved_binary", "interleaved"),
        ("long_ping", "long_control"),
        ("long_pong", "long_control"),
        ("long_reason", "long_control"),
        ("fragmented_ping", "fragmented_control"),
        ("fragmented_close", "fragmented_control"),
        ("bad_utf8", "utf8"),
        ("utf8_overlong", "utf8"),
        ("utf8_surrogate", "utf8"),
        ("utf8_beyond_unicode", "utf8"),
        ("utf8_cut", "utf8"),
        ("utf8_cut_at_the_last_fragment", "utf8"),
        ("utf8_second_fragment", "utf8"),
        ("utf8_across_fragments", "utf8"),
        ("utf8_within_a_frame", "utf8"),
        ("utf8_within_a_fragment", "utf8"),
        ("utf8_in_a_reason", "utf8"),
        ("utf8_cut_in_a_reason", "utf8"),
        ("close_of_one_byte", "close_frame 0"),
    ];
    once_and_many(&table, |rows, clients| {
        let causes: Vec<_> = rows
            .iter()
            .map(|(what, rule)| (*what, format!("lost:protocol_error{{{rule}}}")))
            .collect();
        let rows_of_causes: Vec<Row> = causes.iter().map(|(w, c)| (*w, leak(c))).collect();
        let trial = endings(&rows_of_causes, clients, 0);
        for (what, rule) in rows {
            let code = match *rule {
                "utf8" => 1007,
                "too_large" => 1009,
                _ => 1002,
            };
            assert_seen(&trial, what, &[(code, clients)], &[("fin", clients)]);
        }
    });
}

/// Tables hold words for as long as the tests run.
fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

/// A whole message before the violation counts as received.
#[test]
fn what_came_before_a_violation_counts() {
    let row = (
        "continuation_after_a_message",
        "lost:protocol_error{stray_continuation}",
    );
    each(&[1, MANY], |clients| {
        let trial = endings(&[row], *clients, 1);
        assert_seen(&trial, row.0, &[(1002, *clients)], &[("fin", *clients)]);
    });
}

/// RELIABILITY 4.5 no. 32: reported with the code that came, not as if the server had sent 1002.
#[test]
fn forbidden_close_codes_are_violations_with_their_number() {
    let codes = [
        0, 1, 500, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 9999, 65535,
    ];
    once_and_many(&codes, |codes, clients| {
        let rows = rows_of(codes, |code| {
            format!("lost:protocol_error{{close_frame {code}}}")
        });
        let trial = endings(&rows, clients, 0);
        for (what, _) in rows {
            assert_seen(&trial, what, &[(1002, clients)], &[("fin", clients)]);
        }
    });
}

/// No. 33. Whoever closes with a normal code is no failure; every code is answered with itself.
#[test]
fn allowed_close_codes_are_counted_by_code() {
    let codes = [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4000, 4999,
    ];
    once_and_many(&codes, |codes, clients| {
        let rows = rows_of(codes, |code| match code {
            1000 | 1001 => format!("by_peer{{{code}}}"),
            _ => format!("lost:close_code{{{code}}}"),
        });
        let trial = endings(&rows, clients, 0);
        for ((what, _), code) in rows.iter().zip(codes) {
            // The server keeps TCP open: the client has to let go, and hard.
            assert_seen(&trial, what, &[(*code, clients)], &[("rst", clients)]);
        }
    });
}

fn rows_of(codes: &[u16], cause: impl Fn(u16) -> String) -> Vec<Row> {
    let row = |code: &u16| (leak(&format!("close/{code}")), leak(&cause(*code)));
    codes.iter().map(row).collect()
}

#[test]
fn ends_without_and_around_a_close_keep_their_cause() {
    let table = [
        ("fin", "lost:eof_without_close"),
        ("fin_within_a_frame", "lost:eof_without_close"),
        ("fin_within_a_message", "lost:eof_without_close"),
        ("rst", "lost:reset"),
        ("rst_within_a_frame", "lost:reset"),
        ("close_of_nothing", "by_peer{1005}"),
        ("close_twice", "by_peer{1000}"),
        ("close_then_fin", "by_peer{1000}"),
        ("close_then_rst", "by_peer{1000}"),
        ("close_tcp_kept", "by_peer{1000}"),
        ("close_within_a_message", "by_peer{1000}"),
        ("data_after_close", "by_peer{1000}"),
        ("data_after_close_then_fin", "by_peer{1000}"),
        ("answers_close_with_fin", "by_us"),
        ("answers_close_with_rst", "by_us_unanswered"),
        ("answers_close_with_garbage", "by_us_unanswered"),
        ("close_answered_tcp_kept", "by_us"),
        // Silent to the end, or never to be answered.
        ("deaf", "by_us_unanswered"),
        ("no_close_reply", "by_us_unanswered"),
        ("half_a_header", "by_us_unanswered"),
        ("half_a_length", "by_us_unanswered"),
        ("half_a_close", "by_us_unanswered"),
        ("endless_message", "by_us_unanswered"),
        ("length_within_the_limit", "by_us_unanswered"),
    ];
    once_and_many(&table, |rows, clients| {
        let trial = endings(rows, clients, 0);
        for (what, _) in rows {
            let (code, end) = match *what {
                "fin" | "fin_within_a_frame" | "fin_within_a_message" => (None, Some("fin")),
                // Their servers do not look, or are gone.
                "rst" | "rst_within_a_frame" | "close_then_rst" => continue,
                "answers_close_with_rst" | "answers_close_with_fin" => (Some(1000), None),
                "close_of_nothing" => (Some(1005), Some("rst")),
                "close_then_fin" | "data_after_close_then_fin" => (Some(1000), Some("fin")),
                // What it does not read it cannot log.
                "deaf" => (None, Some("rst")),
                _ => (Some(1000), Some("rst")),
            };
            let closes: Vec<_> = code.map(|code| (code, clients)).into_iter().collect();
            let ends: Vec<_> = end.map(|end| (end, clients)).into_iter().collect();
            assert_seen(&trial, what, &closes, &ends);
        }
    });
}

/// No. 33 and 44: lost by a close, everybody comes back, and a flapping server does not reset the
/// backoff: at 0, 0.25, 0.7 and 1.55 s, and not again before 3.2.
#[test]
fn whoever_is_sent_away_comes_back_at_the_pace_of_the_policy() {
    each(&[1, MANY], |clients| {
        let paths = ["/after/flap", "/after/close/1012", "/after/close/1013"];
        let mut case = Case::new(paths, *clients);
        case.reconnect = "policy = \"exponential\"\ninitial = \"200ms\"\njitter = \"none\"";
        let trial = case.sound();
        assert_eq!(trial.seen("/after/flap").connections, 4 * clients);
        // A close costs the close timeout first: at 0, 0.5, 1.2 and 2.3 s.
        for path in &paths[1..] {
            let seen = trial.seen(path).connections;
            assert!(
                (3 * clients..=4 * clients).contains(&seen),
                "{path}: {seen}"
            );
        }
        assert_eq!(trial.count("gave_up"), 0);
        let failed = trial.tally("failures");
        assert_eq!(failed, [].into());
    });
}

/// No. 27: a frame that was announced and never came is a silence like any other.
#[test]
fn a_heartbeat_ends_a_connection_that_hangs_within_a_frame() {
    each(&[1, MANY], |clients| {
        let paths = ["/after/length_8_mib", "/after/half_a_header"];
        let mut case = Case::new(paths, *clients);
        case.target = "max_message = \"16MiB\"".to_owned();
        case.heartbeat = "interval = \"500ms\"\ntimeout = \"400ms\"\nmax_missed = 2";
        let trial = case.run();
        assert_eq!(trial.exit, Some(0), "{}", trial.stderr);
        trial.assert_on_time();
        trial.assert_small();
        let dead = trial.tally("closes")["lost:heartbeat_dead"];
        assert_eq!(dead, 2 * clients);
        for path in paths {
            let seen = trial.seen(path);
            assert_eq!(seen.ends, [("rst", *clients)].into(), "{path}");
            assert!(seen.longest < Some(Duration::from_secs(6)), "{path}");
        }
        assert_eq!(trial.seen("/").closes, [(1000, HEALTHY)].into());
    });
}
