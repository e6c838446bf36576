//! Rows of handshakes, and what they say.

use super::reading::{Reading, read};
use super::tries::{self, Try};
use super::{balance, limits};
use crate::probe::seen::{
    AcceptCheck, Answer, Exchange, Hold, HoldKind, Millis, Outcome, Round, Seen, Variation, Watch,
    Why,
};

/// One handshake of a row: when, what came, how many were open, what for.
pub fn round(at: f64, came: &str, open: u32, why: Why) -> Round {
    let answer = |status: u16| {
        Outcome::Answer(Answer {
            status,
            accept: AcceptCheck::Right,
            headers: vec![
                ("upgrade".into(), "websocket".into()),
                ("connection".into(), "Upgrade".into()),
            ],
            ..Answer::default()
        })
    };
    let mut closed = None;
    let outcome = match came {
        "refused" => Outcome::NotOpened("refused".into()),
        "fin" => Outcome::NoBytes {
            end: Some("FIN".into()),
        },
        "1013" => {
            closed = Some(1013);
            answer(101)
        }
        status => answer(status.parse().unwrap()),
    };
    Round {
        at_ms: Millis(at * 1e3),
        exchange: Exchange {
            asked: Variation::Again,
            at_ms: Millis(at * 1e3),
            address: "127.0.0.1:80".into(),
            first_byte_ms: None,
            took_ms: Millis(2.0),
            outcome,
        },
        closed,
        reason: String::new(),
        node: None,
        open,
        why,
        answered_after_closing_ms: None,
    }
}

/// A row: `101@2` is a 101 with two open; `503@3p` after a pause, `c` after closing one.
fn row(text: &str) -> Seen {
    let rounds = text.split(' ').enumerate().map(|(place, word)| {
        let (came, rest) = word.split_once('@').unwrap();
        let (open, why) = match rest.strip_suffix(['p', 'c']) {
            Some(open) if rest.ends_with('p') => (open, Why::AfterPause),
            Some(open) => (open, Why::AfterClosing),
            None => (rest, Why::Look),
        };
        round(place as f64 * 0.3, came, open.parse().unwrap(), why)
    });
    Seen {
        watch: Some(Watch {
            rounds: rounds.collect(),
            ..Watch::default()
        }),
        ..Seen::default()
    }
}

#[test]
fn rows_of_handshakes_have_one_reading() {
    let table = [
        // Nothing refused.
        ("101@1 101@2 101@3 101@4", Reading::Plain),
        // limit_conn 3, by a trial; by the first connection that ended by itself.
        (
            "101@1 101@2 503@3 503@3 503@3 503@3p 101@2c 503@3 503@3",
            Reading::Number(3),
        ),
        (
            "101@1 101@2 503@3 503@3 101@2 503@3 503@3",
            Reading::Number(3),
        ),
        (
            "101@1 1013@2 1013@2 1013@2 1013@2p 101@1c 1013@2",
            Reading::Number(2),
        ),
        // Nobody ended, so nothing tells number from time.
        ("101@1 101@2 503@3 503@3 503@3", Reading::Unclear),
        // limit_req 1 r/s: time helps, whatever is open.
        (
            "101@1 503@1 503@1 101@1 503@2 503@2 503@2 101@2 503@3 503@3 101@3 503@4 503@4",
            Reading::Rate,
        ),
        // A window of 10 s.
        ("101@1 429@2 429@2 429@2 429@2p 429@1c 429@1", Reading::Rate),
        (
            "101@1 503@2 503@2 503@2 503@2p 503@1c 503@1",
            Reading::Unclear,
        ),
        // One of two, one of three, two of three.
        (
            "404@1 101@1 404@2 101@2 404@3 101@3 404@4 101@4",
            Reading::OneBad(Some(2)),
        ),
        (
            "101@1 fin@2 101@2 101@3 fin@4 101@4 101@5 fin@5 101@5",
            Reading::OneBad(Some(3)),
        ),
        (
            "101@1 fin@1 fin@1 101@1 fin@2 fin@2 101@2 fin@3 fin@3 101@3",
            Reading::OneGood(3),
        ),
        // By chance.
        (
            "101@1 502@2 101@2 101@3 101@4 502@5 101@5 502@5 101@5 101@5",
            Reading::OneBad(None),
        ),
        ("101@1 101@2 502@3 101@3 101@4 101@5", Reading::Single),
    ];
    for (text, reading) in table {
        let seen = row(text);
        assert_eq!(read(&tries::of(&seen)), reading, "{text}");
    }
}

#[test]
fn a_wait_that_a_closing_ends_is_a_queue() {
    let mut seen = row("101@1 101@2 101@3 101@2");
    let watch = seen.watch.as_mut().unwrap();
    watch.rounds[2].answered_after_closing_ms = Some(Millis(3.0));
    let finding = &(limits::LIMITS.ask)(&seen)[0];
    assert_eq!(finding.id, "conn-queue");
    assert!(finding.title.contains("3 connections"), "{}", finding.title);
}

#[test]
fn limits_name_the_number_and_the_kind_of_refusal() {
    let table = [
        (
            "101@1 101@2 502@3 502@3 502@3 502@3p 101@2c",
            "conn-limit",
            "nginx's limit",
        ),
        (
            "101@1 101@2 fin@3 fin@3 fin@3 fin@3p 101@2c",
            "conn-limit",
            "no room",
        ),
        (
            "101@1 101@2 1013@3 1013@3 1013@3 1013@3p 101@2c",
            "conn-limit",
            "counts its clients",
        ),
        ("101@1 429@2 429@2 429@2 101@2p", "rate-limited", "per time"),
    ];
    for (text, id, cause) in table {
        let found = (limits::LIMITS.ask)(&row(text));
        assert_eq!(found.len(), 1, "{text}");
        assert_eq!(found[0].id, id, "{text}");
        assert!(
            found[0].causes[0].cause.contains(cause),
            "{text}: {:?}",
            found[0].causes
        );
    }
}

#[test]
fn a_listener_that_is_gone_is_no_limit() {
    let mut seen = row("101@1 101@2 101@3 refused@3 refused@3 refused@3 refused@3p refused@3");
    let hold = Hold {
        kind: HoldKind::Silent,
        opened_ms: Millis(0.0),
        refused: None,
        held_ms: Millis(4400.0),
        frames: 0,
        server_pings: 0,
        pongs: 0,
        pings: 0,
        last_pong_ms: None,
        ended: None,
        final_pong: Some(true),
        tcp: None,
        freed: false,
        longest_gap_ms: Millis(0.0),
    };
    assert!(
        !(limits::LIMITS.ask)(&seen).is_empty(),
        "nobody lives: the rule is unknown"
    );
    seen.watch.as_mut().unwrap().holds = vec![hold];
    assert!((limits::LIMITS.ask)(&seen).is_empty());
    let found = crate::probe::checks::idle::moment::gone(&seen);
    assert_eq!(found[0].id, "listener-gone");
}

#[test]
fn servers_are_counted_only_when_they_come_back() {
    let named = |names: &[&str]| {
        let mut seen = row(&vec!["101@1"; names.len()].join(" "));
        let rounds = &mut seen.watch.as_mut().unwrap().rounds;
        for (round, name) in rounds.iter_mut().zip(names) {
            round.node = Some(format!("server={name}"));
        }
        (balance::NODES.ask)(&seen)
    };
    assert_eq!(named(&["A", "B", "A", "B"])[0].id, "lb-session");
    assert!(named(&["A", "A", "A", "A"]).is_empty());
    assert!(named(&["c1", "c2", "c3", "c4"]).is_empty());
}

#[test]
fn a_gap_has_a_length() {
    let seen = row("101@1 101@1 refused@0 502@0 502@0 101@0");
    let gap = tries::gap(&tries::of(&seen)).unwrap();
    assert_eq!((gap.count, gap.words.len()), (3, 2));
    assert!(gap.back.unwrap() > gap.from);
    let all: Vec<Try<'_>> = Vec::new();
    assert_eq!(tries::gap(&all), None);
}
