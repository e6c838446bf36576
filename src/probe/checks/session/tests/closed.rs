//! Ends, by code, by what provoked them and by what came after them.

use super::*;

/// (code, reason, finding, words of the title, causes, the first begins with)
type Close = (
    u16,
    &'static str,
    &'static str,
    &'static str,
    usize,
    &'static str,
);

const CLOSES: &[Close] = &[
    (
        4001,
        "Invalid token",
        "close-app",
        "4001 \"Invalid token\"",
        1,
        "the application wants a credential",
    ),
    (
        4000,
        "",
        "close-app",
        "4000",
        4,
        "a rule of the application",
    ),
    (
        4003,
        "Origin not allowed",
        "close-app",
        "4003",
        1,
        "the application does not allow this Origin",
    ),
    (
        1000,
        "",
        "close-standard",
        "1000 (normal closure)",
        1,
        "1000",
    ),
    (1001, "", "close-standard", "1001 (going away)", 1, "1001"),
    (
        1008,
        "Unauthorized",
        "close-standard",
        "1008 (policy violation) \"Unauthorized\"",
        1,
        "1008",
    ),
    (
        1011,
        "",
        "close-standard",
        "1011 (internal error)",
        1,
        "1011",
    ),
    (
        1012,
        "",
        "close-standard",
        "1012 (service restart)",
        1,
        "1001",
    ),
    (
        1013,
        "Overloaded",
        "close-standard",
        "1013 (try again later)",
        1,
        "1013",
    ),
    (1014, "", "close-standard", "1014 (bad gateway)", 1, "1014"),
    (1005, "", "close-empty", "1005", 2, "the server's code"),
];

#[test]
fn early_closes_are_told_by_code_and_reason() {
    for &(code, reason, id, words, causes, first) in CLOSES {
        let finding = one(early(Some(code), reason), id);
        assert!(finding.title.contains(words), "{code}: {}", finding.title);
        assert!(finding.title.contains("3 ms"), "{code}: {}", finding.title);
        assert_eq!(finding.causes.len(), causes, "{code}");
        assert!(finding.causes[0].cause.starts_with(first), "{code}");
    }
}

#[test]
fn an_end_without_a_close_frame() {
    let finding = one(early(None, ""), "abnormal");
    assert!(finding.title.contains("FIN") && finding.title.contains("1006"));
    assert_eq!(
        (finding.causes.len(), finding.certainty),
        (3, Certainty::OneOf)
    );
    let mut dead = early(None, "");
    dead.afterwards = refused();
    assert!(
        one(dead, "abnormal")
            .title
            .ends_with("connecting again did not work")
    );
    // With pings it would have stayed open.
    let mut silent = early(None, "");
    pings(&mut silent, &[1.0; 18]);
    let finding = one(silent, "abnormal");
    assert!(finding.causes[0].cause.starts_with("an idle timeout"));
}

fn hold(kind: HoldKind, opened: f64, end: Option<f64>) -> Hold {
    let text = serde_json::json!({
        "kind": kind, "opened_ms": opened, "refused": null, "held_ms": end.unwrap_or(4000.0),
        "frames": 0, "server_pings": 0, "pongs": 0, "pings": 0, "last_pong_ms": null,
        "ended": end.map(|at| ended(at, None, "")), "final_pong": null, "tcp": null,
    });
    serde_json::from_value(text).unwrap()
}

#[test]
fn what_the_watch_explains_is_left_to_it() {
    let held = |holds: Vec<Hold>| {
        Some(Watch {
            holds,
            ..Watch::default()
        })
    };
    let mut cut = early(None, "");
    cut.ended = Some(ended(1500.0, None, ""));
    let ping = |end| hold(HoldKind::Ping(Millis(500.0)), 10.0, end);
    // An idle timer: the connection with pings lives on.
    assert_eq!(ask_with(cut.clone(), held(vec![ping(None)])), []);
    // Both ended after the same time: no idle timer.
    let found = ask_with(cut.clone(), held(vec![ping(Some(1500.0))]));
    assert_eq!(found.len(), 1);
    // All ended at the same moment, whenever they were opened: a restart.
    let later = hold(HoldKind::Silent, 700.0, Some(800.0));
    assert_eq!(ask_with(cut, held(vec![ping(Some(1490.0)), later])), []);
}

#[test]
fn ends_that_a_message_provoked() {
    let finding = one(
        provoked(StepKind::Words, Some(4002), "Invalid JSON"),
        "close-app",
    );
    assert!(
        finding
            .title
            .contains("4002 \"Invalid JSON\" when it got a text that is not JSON")
    );
    assert!(finding.causes[0].cause.contains("form"));
    let finding = one(
        provoked(StepKind::Binary, Some(1003), "Text only"),
        "close-standard",
    );
    assert_eq!(
        finding.severity,
        Severity::Warning,
        "it takes text, and says so"
    );
    let finding = one(provoked(StepKind::Json, Some(1011), ""), "close-standard");
    assert_eq!(finding.severity, Severity::Fault);
    one(provoked(StepKind::Fragmented, None, ""), "fragments");
    // Both refused alike: one finding.
    let mut both = provoked(StepKind::Words, Some(4002), "no");
    both.provoked
        .extend(provoked(StepKind::Text, Some(4002), "no").provoked);
    let finding = one(both, "close-app");
    assert!(
        finding
            .title
            .ends_with("a text that is not JSON, or the text ping")
    );
}

#[test]
fn a_crash_is_told_by_what_comes_after_it() {
    let mut crash = provoked(StepKind::Text, None, "");
    let finding = one(crash.clone(), "crash");
    assert_eq!(finding.causes.len(), 3);
    crash.afterwards = refused();
    let finding = one(crash, "crash");
    assert!(finding.title.contains("the process died, most likely"));
    assert_eq!(
        finding.certainty,
        Certainty::OneOf,
        "a restart may have come by chance"
    );
}
