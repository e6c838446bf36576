//! Answers to the upgrade: wrong ones, slow ones, refusals, redirects; and odd ones that are legal.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::server::ports;
use super::trial::{Case, HEALTHY, MANY, MESSAGES, each, once_and_many, sum};

type Row = (&'static str, &'static str);

/// Each row's path opens nothing, and fails for each client with the row's kind.
#[track_caller]
fn assert_failures(rows: &[Row], clients: u64) {
    let paths = rows.iter().map(|(what, _)| format!("/before/{what}"));
    let mut case = Case::new(paths, clients);
    case.target = "subprotocols = [\"a\", \"b\"]".to_owned();
    let trial = case.sound();
    let name = &trial.name;
    let kinds = rows.iter().map(|(_, kind)| ((*kind).to_owned(), clients));
    assert_eq!(trial.tally("failures"), sum(kinds), "{name}");
    assert_eq!(trial.count("connections_opened"), HEALTHY, "{name}");
    trial.assert_healthy_answered();
    for path in &case.hostile {
        let seen = trial.seen(path);
        assert_eq!(seen.connections, clients, "{path}: nobody dials twice");
        // What is no WebSocket connection gets no frames.
        assert_eq!(seen.frames, [].into(), "{path}");
    }
}

#[test]
fn answers_that_are_wrong_are_counted_by_their_kind() {
    once_and_many(
        &[
            ("garbage", "bad_upgrade{not_http}"),
            ("http09", "bad_upgrade{not_http}"),
            ("binary", "bad_upgrade{not_http}"),
            ("http2", "bad_upgrade{not_http}"),
            ("http2_status", "bad_upgrade{not_http}"),
            ("tls", "bad_upgrade{looks_like_tls}"),
            ("http10", "bad_upgrade{http_version}"),
            ("wrong_accept", "bad_upgrade{wrong_accept}"),
            ("accept_of_another_case", "bad_upgrade{wrong_accept}"),
            ("accept_is_the_key", "bad_upgrade{wrong_accept}"),
            ("empty_accept", "bad_upgrade{wrong_accept}"),
            ("two_accepts", "bad_upgrade{wrong_accept}"),
            ("no_accept", "bad_upgrade{no_accept}"),
            ("no_upgrade", "bad_upgrade{no_upgrade}"),
            ("upgrade_h2c", "bad_upgrade{no_upgrade}"),
            ("upgrade_websocketx", "bad_upgrade{no_upgrade}"),
            ("no_connection", "bad_upgrade{no_connection}"),
            ("connection_close", "bad_upgrade{no_connection}"),
            ("extension", "bad_upgrade{extension}"),
            ("extension_among_nothing", "bad_upgrade{extension}"),
            ("protocol", "bad_upgrade{subprotocol}"),
            ("two_protocols", "bad_upgrade{subprotocol}"),
            ("two_in_one_protocol", "bad_upgrade{subprotocol}"),
            ("folded", "bad_upgrade{not_http}"),
            ("space_before_colon", "bad_upgrade{not_http}"),
            ("nul_in_a_header", "bad_upgrade{not_http}"),
            ("bare_cr", "bad_upgrade{not_http}"),
            ("no_status_code", "bad_upgrade{not_http}"),
            ("status_of_letters", "bad_upgrade{not_http}"),
            ("no_colon", "bad_upgrade{not_http}"),
            ("newline_first", "bad_upgrade{not_http}"),
            ("ok_with_all_headers", "http_status{200}"),
            ("ok_then_101", "http_status{200}"),
        ],
        assert_failures,
    );
}

#[test]
fn answers_that_do_not_end_or_break_off_are_counted_by_their_kind() {
    once_and_many(
        &[
            ("fin", "bad_upgrade{truncated}"),
            ("rst", "reset"),
            ("fin_within", "bad_upgrade{truncated}"),
            ("rst_within", "reset"),
            ("endless_headers", "bad_upgrade{head_too_large}"),
            ("huge_header", "bad_upgrade{head_too_large}"),
            ("huge_reason", "bad_upgrade{head_too_large}"),
            ("endless_newlines", "bad_upgrade{not_http}"),
            ("endless_interim", "bad_upgrade{head_too_large}"),
            ("endless_body", "http_status{200}"),
        ],
        assert_failures,
    );
}

/// RELIABILITY 4.5 no. 21: it is one deadline, not a wait for the next byte.
#[test]
fn slow_answers_all_end_at_the_same_deadline() {
    let rows = [
        ("silent", "handshake_timeout"),
        ("slow_status", "handshake_timeout"),
        ("slow_lines", "handshake_timeout"),
        ("slow_bytes", "handshake_timeout"),
    ];
    once_and_many(&rows, |rows, clients| {
        let paths = rows.iter().map(|(what, _)| format!("/before/{what}"));
        let trial = Case::new(paths, clients).sound();
        let all = clients * rows.len() as u64;
        assert_eq!(
            trial.tally("failures"),
            [(rows[0].1.to_owned(), all)].into()
        );
        trial.assert_healthy_answered();
        for (what, _) in rows {
            let seen = trial.seen(&format!("/before/{what}"));
            let (shortest, longest) = (seen.shortest, seen.longest);
            // 2 s from the dial; it was accepted a moment later, and the machine is busy.
            let early = Duration::from_millis(1500);
            assert!(shortest > Some(early), "{what}: {shortest:?}");
            assert!(longest < Some(2 * early), "{what}: {longest:?}");
        }
    });
}

#[test]
fn refusals_are_counted_by_their_status_and_their_body_is_no_leak() {
    let codes = [
        400, 401, 403, 404, 407, 426, 429, 500, 502, 503, 504, 200, 204, 999,
    ];
    once_and_many(&codes, |codes, clients| {
        let paths = codes.iter().map(|code| format!("/before/status/{code}"));
        let mut case = Case::new(paths, clients);
        case.target = "headers = { Authorization = \"Bearer my-own-secret\" }".to_owned();
        let trial = case.sound();
        let kinds = codes
            .iter()
            .map(|c| (format!("http_status{{{c}}}"), clients));
        assert_eq!(trial.tally("failures"), sum(kinds), "{}", trial.name);
        trial.assert_healthy_answered();
        for code in codes {
            let example = trial.example("failures", &format!("http_status{{{code}}}"));
            assert!(example.starts_with(&format!("HTTP {code} No")), "{example}");
            assert!(
                example.is_ascii(),
                "{example}: the server's name is escaped"
            );
            // The body that repeats it, and where it was repeated.
            assert!(!example.contains("my-own-secret"), "{example}");
            let shows_body = example.contains("body: ");
            assert_eq!(shows_body, !matches!(code, 401 | 403 | 407), "{example}");
            let busy = example.contains("retry-after: \"3600\"");
            assert_eq!(busy, matches!(code, 429 | 503), "{example}");
            let seen = trial.seen(&format!("/before/status/{code}"));
            assert_eq!(seen.connections, clients, "{code}");
            let sent = "Authorization: Bearer my-own-secret\r\n";
            assert!(seen.requests[0].contains(sent), "{:?}", seen.requests);
        }
        for (path, bytes) in trial.files() {
            let leak = bytes.windows(13).any(|w| w == b"my-own-secret");
            assert!(!leak, "{}", path.display());
        }
    });
}

/// RELIABILITY 4.2 no. 10, 4.5 no. 20.
#[test]
fn redirects_are_shown_and_never_followed() {
    let (trap, caught) = ports::trap();
    let rows = [
        "301/elsewhere",
        "302/plain_http",
        "303/relative",
        "307/loop",
        "308/elsewhere",
    ];
    once_and_many(&rows, |rows, clients| {
        let paths = rows.iter().map(|what| format!("/before/redirect/{what}"));
        let mut case = Case::new(paths, clients);
        case.target = "headers = { Authorization = \"Bearer my-own-secret\" }".to_owned();
        let trial = case.sound();
        let status = |what: &str| format!("http_status{{{}}}", &what[..3]);
        let kinds = rows.iter().map(|what| (status(what), clients));
        assert_eq!(trial.tally("failures"), sum(kinds), "{}", trial.name);
        trial.assert_healthy_answered();
        for what in rows {
            let example = trial.example("failures", &status(what));
            let location = match &what[4..] {
                "elsewhere" => format!("location: \"ws://{trap}/\""),
                "plain_http" => format!("location: \"http://{trap}/\""),
                "relative" => "location: \"/legal/\"".to_owned(),
                _ => "location: \"ws://127.0.0.1/before/redirect/307/loop".to_owned(),
            };
            assert!(example.contains(&location), "{example}");
            let seen = trial.seen(&format!("/before/redirect/{what}"));
            assert_eq!(seen.connections, clients, "{what}: once each");
        }
        assert_eq!(trial.seen("/legal/").connections, 0);
    });
    assert_eq!(caught.load(Ordering::SeqCst), 0, "nobody went elsewhere");
}

#[test]
fn odd_but_legal_servers_are_no_failures() {
    let table = [
        "",
        "lower_case",
        "bytewise",
        "many_headers",
        "interim",
        "bare_lf",
        "twice",
        "lengths",
        "no_reason",
        "spaces",
        "latin1",
        "subprotocol",
        "empty_extension",
        "frames_with_the_101",
        "half_a_frame_with_the_101",
        "long_lengths",
        "middle_lengths",
        "fragments",
        "drip",
        "pings_of_125",
        "unasked_pongs",
    ];
    once_and_many(&table, |table, clients| {
        let paths = table.iter().map(|what| format!("/legal/{what}"));
        let mut case = Case::new(paths, clients);
        case.target = "subprotocols = [\"a\", \"b\"]".to_owned();
        let trial = case.sound();
        let name = &trial.name;
        let all = clients * table.len() as u64 + HEALTHY;
        assert_eq!(trial.tally("failures"), [].into(), "{name}");
        let closes = [("by_us".to_owned(), all)].into();
        assert_eq!(trial.tally("closes"), closes, "{name}");
        assert_eq!(trial.count("replies_matched"), all * MESSAGES, "{name}");
        assert_eq!(trial.count("messages_unexpected"), 0, "{name}");
        for what in table {
            let seen = trial.seen(&format!("/legal/{what}"));
            assert_eq!(seen.closes, [(1000, clients)].into(), "{what}");
            let pongs = seen.frames.get(&10).copied().unwrap_or(0);
            let pings = match *what {
                "frames_with_the_101" | "half_a_frame_with_the_101" => clients,
                "pings_of_125" => clients * MESSAGES,
                "fragments" => pongs,
                _ => 0,
            };
            assert_eq!(pongs, pings, "{what}: every ping is answered");
            assert_eq!(pongs > 0, pings > 0 || *what == "fragments", "{what}");
        }
    });
}

/// RELIABILITY 4.5 no. 19: within the run nobody comes back to a server that asked for an hour.
#[test]
fn retry_after_keeps_clients_away() {
    each(&[1, MANY], |clients| {
        let mut case = Case::new(["/before/status/503", "/before/status/502"], *clients);
        case.reconnect = "policy = \"exponential\"\ninitial = \"200ms\"\njitter = \"none\"";
        let trial = case.sound();
        assert_eq!(trial.seen("/before/status/503").connections, *clients);
        // At 0, 0.2, 0.6, 1.4 and, if it is in time, 3 s.
        let others = trial.seen("/before/status/502").connections;
        assert!((4..=5).contains(&(others / clients)), "{others}");
    });
}
