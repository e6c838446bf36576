//! `[heartbeat]`.

use super::session::{ECHO, JSON, PREFIX, REGEX, TEXT};
use super::{Kind, TIME, TIME_OR_ZERO, TableSpec, key};

/// Presets by name, those of other stacks that the styles can express.
pub(in crate::scenario) const PRESETS: [&str; 8] = [
    "ws",
    "websockets",
    "phoenix",
    "signalr",
    "discord",
    "stomp",
    "pusher",
    "actioncable",
];

/// `[heartbeat]`
pub(in crate::scenario) static HEARTBEAT: TableSpec = TableSpec {
    name: "heartbeat",
    doc: "The liveness probe of every client.",
    any_of: &[],
    keys: &[
        key(
            "preset",
            Kind::Choice(&PRESETS),
            "The habits of a known stack; other keys change its times.",
        ),
        key(
            "style",
            Kind::Choice(&["ping", "text", "json", "one_way", "none"]),
            "ping: control frame; text, json: a message and its answer; one_way: nobody answers.",
        )
        .or("ping"),
        key(
            "send",
            Kind::Template,
            "The message of styles text, json and one_way; {{seq}} is the beat's number.",
        ),
        key(
            "reply",
            Kind::Either(&[Kind::Template, Kind::Table(&MATCHER)]),
            "The answer of styles text and json; with {{seq}} in it matched exactly.",
        ),
        key(
            "empty",
            Kind::Bool,
            "Style ping: no payload, any pong acknowledges.",
        )
        .or("false"),
        key(
            "interval",
            TIME,
            "Between beats; the first comes at a random phase.",
        )
        .or("30s"),
        key(
            "timeout",
            TIME,
            "An answer later than this is late; none is a miss.",
        )
        .or("10s"),
        key(
            "max_missed",
            Kind::Integer(0, 1_000),
            "Misses in a row that declare the connection dead; 0 = never.",
        )
        .or("2"),
        key(
            "max_quiet",
            TIME,
            "Silence that declares the connection dead.",
        ),
        key(
            "any_traffic",
            Kind::Bool,
            "Any received byte counts as life.",
        )
        .or("false"),
        key(
            "idle_only",
            Kind::Bool,
            "Beat only after an interval without traffic received.",
        )
        .or("false"),
        key(
            "grace",
            TIME_OR_ZERO,
            "How long to watch the socket after a verdict, to find wrong ones.",
        )
        .or("0s"),
        key(
            "answer_pings",
            Kind::Either(&[Kind::Bool, TIME]),
            "Pings of the server: answered at once, never, or after a delay.",
        )
        .or("true"),
        key(
            "expect_server_ping",
            TIME,
            "The server is to ping at least this often.",
        ),
    ],
};

/// A matcher alone.
pub(in crate::scenario) static MATCHER: TableSpec = TableSpec {
    name: "matcher",
    doc: "Which received message is meant.",
    any_of: &["json", "text", "prefix", "regex", "echo"],
    keys: &[JSON, TEXT, PREFIX, REGEX, ECHO],
};
