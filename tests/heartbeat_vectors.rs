//! The worked cases of RELIABILITY 2.3: events in, every counter out.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use wsbench::clock::Offset;
use wsbench::engine::heartbeat::{Acknowledges, Heartbeats, Outcome, OutcomeKind, Rule};

fn at(millis: &Value) -> Offset {
    Offset::from(length(millis))
}

fn length(millis: &Value) -> Duration {
    Duration::from_secs_f64(millis.as_f64().expect("a number of milliseconds") / 1e3)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Every parameter must be known: a rule silently left out would make a case pass for the wrong reason.
fn rule(params: &Value) -> Rule {
    let mut rule = Rule {
        interval: Duration::from_secs(1),
        timeout: length(&params["T"]),
        acknowledges: Acknowledges::UpTo,
        max_missed: None,
        max_quiet: None,
        any_traffic: false,
        grace: Duration::ZERO,
        idle_only: false,
    };
    for (key, value) in params.as_object().expect("params are an object") {
        match key.as_str() {
            "T" => {}
            "grace" => rule.grace = length(value),
            "match" => rule.acknowledges = acknowledges(value),
            "activity" | "any_traffic" => rule.any_traffic = flag(value),
            "dead" => death(value, &mut rule),
            other => panic!("unknown parameter {other}"),
        }
    }
    rule
}

fn death(rules: &Value, rule: &mut Rule) {
    for (key, value) in rules.as_object().expect("death rules are an object") {
        match key.as_str() {
            "misses" => rule.max_missed = value.as_u64().and_then(|n| u32::try_from(n).ok()),
            "quiet" => rule.max_quiet = Some(length(value)),
            "activity" | "any_traffic" => rule.any_traffic = flag(value),
            other => panic!("unknown death rule {other}"),
        }
    }
}

fn flag(value: &Value) -> bool {
    value.as_bool().expect("true or false")
}

fn acknowledges(value: &Value) -> Acknowledges {
    match value.as_str() {
        Some("exact") => Acknowledges::Exact,
        Some("upto") => Acknowledges::UpTo,
        Some("any") => Acknowledges::Any,
        _ => panic!("unknown match {value}"),
    }
}

fn replay(case: &Value) -> (Heartbeats, Vec<Outcome>) {
    let mut beats = Heartbeats::new(Arc::new(rule(&case["params"])), Offset::ZERO);
    let mut outcomes = Vec::new();
    for event in case["events"].as_array().expect("events are a list") {
        let now = at(&event[1]);
        let emit = &mut |outcome| outcomes.push(outcome);
        match event[0].as_str().expect("an event has a name") {
            "sent" => beats.sent(now, event[2].as_u64().expect("a beat has a number"), emit),
            "blocked" => beats.blocked(now, emit),
            "pong" => drop(beats.answered(now, event[2].as_u64(), emit)),
            "recv" => beats.received(now, emit),
            "end" => drop(beats.connection_ended(now, emit)),
            "run_end" => drop(beats.run_ended(now, emit)),
            other => panic!("unknown event {other}"),
        }
    }
    (beats, outcomes)
}

fn result(beats: &Heartbeats, outcomes: &[Outcome]) -> Value {
    let tally = beats.tally();
    let verdict = beats.verdict();
    json!({
        "sent": tally.sent, "on_time": tally.on_time, "superseded": tally.superseded,
        "late": tally.late, "missed": tally.missed, "cut": tally.cut, "pending": tally.pending,
        "blocked": tally.blocked, "unsolicited": tally.unsolicited, "duplicate": tally.duplicate,
        "dead_at": verdict.map(|v| millis(v.at.as_duration())),
        "detect": verdict.map(|v| millis(v.detection)),
        "false_dead": tally.false_dead.map(u8::from),
        "rtt": outcomes.iter().filter_map(|o| o.rtt).map(millis).collect::<Vec<_>>(),
        "miss_rate": tally.miss_rate(), "drop_rate": tally.drop_rate(),
    })
}

/// `20` equals `20.0`, and rates may be rounded to six digits.
fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        _ => match (ours.as_f64(), theirs.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() < 1e-6,
            _ => ours == theirs,
        },
    }
}

#[test]
fn every_worked_case_comes_out_in_full() {
    let cases: Value = serde_json::from_str(include_str!("heartbeat-vectors.json")).unwrap();
    let cases = cases.as_array().unwrap();
    assert!(!cases.is_empty());
    for case in cases {
        let (beats, outcomes) = replay(case);
        let ours = result(&beats, &outcomes);
        for part in ["full", "expect"] {
            for (key, theirs) in case[part].as_object().unwrap() {
                let name = &case["name"];
                assert!(
                    same(&ours[key], theirs),
                    "{name}: {key}: {} for {theirs}",
                    ours[key]
                );
            }
        }
        let counted = |kind| outcomes.iter().filter(|o| o.kind == kind).count() as u64;
        assert_eq!(counted(OutcomeKind::Missed), beats.tally().missed);
        assert_eq!(outcomes.len() as u64, beats.tally().sent);
    }
}
