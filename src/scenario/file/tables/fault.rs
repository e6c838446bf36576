//! `[[fault]]` and `[relay]`.

use super::{Kind, TIME, TIME_OR_ZERO, TableSpec, key};
use crate::scenario::file::spec::KeySpec;

/// What our own clients can do wrong.
pub(in crate::scenario) const CLIENT_FAULTS: [&str; 6] = [
    "disconnect",
    "close",
    "freeze",
    "slow_read",
    "stop_heartbeats",
    "burst",
];
/// What the built-in server can.
pub(in crate::scenario) const SERVER_FAULTS: [&str; 13] = [
    "restart_server",
    "drop_connections",
    "stall_server",
    "delay",
    "drop_pongs",
    "drop_replies",
    "reorder_replies",
    "duplicate_replies",
    "corrupt_replies",
    "accept_rate",
    "backlog",
    "refuse",
    "close_after",
];
/// Those of the server that can last as long as it lives.
const LASTING_FAULTS: [&str; 10] = [
    "delay",
    "drop_pongs",
    "drop_replies",
    "reorder_replies",
    "duplicate_replies",
    "corrupt_replies",
    "accept_rate",
    "backlog",
    "refuse",
    "close_after",
];
/// What the relay can.
pub(in crate::scenario) const TOXICS: [&str; 11] = [
    "latency",
    "bandwidth",
    "timeout",
    "reset_peer",
    "slow_close",
    "slicer",
    "limit_data",
    "corrupt",
    "drop_frames",
    "cut_frame",
    "down",
];

static FAULTS: [&str; 30] = {
    let mut all = [""; 30];
    let mut at = 0;
    let mut lists = [&CLIENT_FAULTS as &[&str], &SERVER_FAULTS, &TOXICS].as_slice();
    while let [list, rest @ ..] = lists {
        let mut index = 0;
        while index < list.len() {
            all[at] = list[index];
            at += 1;
            index += 1;
        }
        lists = rest;
    }
    all
};

const SHARE: KeySpec = key(
    "share",
    Kind::Ratio,
    "Of the clients or connections: which share is hit.",
)
.or("100%");
const PROBABILITY: KeySpec = key(
    "probability",
    Kind::Ratio,
    "The chance of each message, frame or handshake to be hit.",
)
.or("100%");
const DIRECTION: KeySpec = key(
    "direction",
    Kind::Choice(&["upstream", "downstream", "both"]),
    "Relay: client to target, target to client, or both.",
)
.or("both");
const FRAMES: KeySpec = key(
    "frames",
    Kind::List(&Kind::Choice(&["text", "binary", "ping", "pong", "close"])),
    "Relay: only frames of these kinds; all bytes if absent.",
);
const LATENCY: KeySpec = key("latency", TIME, "latency: how much later bytes arrive.");
const JITTER: KeySpec = key(
    "delay_jitter",
    TIME_OR_ZERO,
    "latency: U(-x, x) around it; delay: U(0, x) more.",
)
.or("0s");
const BYTES_PER_S: KeySpec = key(
    "bytes_per_s",
    Kind::Bytes(1, u64::MAX),
    "slow_read, bandwidth: at most so many bytes a second.",
);
const TIMEOUT: KeySpec = key(
    "timeout",
    TIME_OR_ZERO,
    "timeout: before both sides are closed (0s = never); reset_peer: before RST.",
)
.or("0s");
const DELAY: KeySpec = key(
    "delay",
    TIME_OR_ZERO,
    "delay, slow_close: by how much; slicer: between pieces.",
)
.or("0s");
const SIZE: KeySpec = key(
    "size",
    Kind::Bytes(1, 1 << 30),
    "slicer: bytes of a piece on average.",
);
const VARIATION: KeySpec = key(
    "size_variation",
    Kind::Bytes(0, 1 << 30),
    "slicer: a piece is up to so many bytes longer or shorter.",
)
.or("0B");
const BYTES: KeySpec = key(
    "bytes",
    Kind::Bytes(1, u64::MAX),
    "limit_data: closed once so many bytes have passed.",
);

const CODE: KeySpec = key(
    "code",
    Kind::Integer(1_000, 4_999),
    "close, ending = close: the close code.",
)
.or("1000");
const ENDING: KeySpec = key(
    "ending",
    Kind::Choice(&["fin", "reset", "close"]),
    "drop_connections, close_after: how the server ends them; close sends code.",
)
.or("reset");
const PER_S: KeySpec = key(
    "per_s",
    Kind::Number(0.001, 1e6),
    "accept_rate: connections a second.",
);
const CONNECTIONS: KeySpec = key(
    "connections",
    Kind::Integer(0, 65_535),
    "backlog: the length of the accept queue.",
);
const STATUS: KeySpec = key(
    "status",
    Kind::Integer(400, 599),
    "refuse: the HTTP status.",
)
.or("503");
const RETRY_AFTER: KeySpec = key("retry_after", TIME, "refuse: the Retry-After header.");
const AFTER: KeySpec = key("after", TIME, "close_after: so long after the opening.");
const MESSAGES: KeySpec = key(
    "messages",
    Kind::Integer(1, u64::MAX),
    "close_after: after so many messages.",
);

/// `[[fault]]`
pub(in crate::scenario) static FAULT: TableSpec = TableSpec {
    name: "fault",
    doc: "What goes wrong, on a timeline that starts with the measured phase.",
    any_of: &[],
    keys: &[
        key("at", TIME_OR_ZERO, "From the start of the measured phase.").required(),
        key(
            "kind",
            Kind::Choice(&FAULTS),
            "Of clients: disconnect to burst; of the built-in server: restart_server to close_after; \
             of the relay: latency to down.",
        )
        .required(),
        key("every", TIME, "Again and again; once if absent."),
        key(
            "count",
            Kind::Integer(1, 1_000_000),
            "How often at most, with every.",
        ),
        key(
            "jitter",
            TIME_OR_ZERO,
            "Each time is moved later by a random time up to this.",
        )
        .or("0s"),
        key(
            "duration",
            TIME,
            "How long it lasts; to the end of the run if absent.",
        ),
        SHARE,
        PROBABILITY,
        CODE,
        key("reason", Kind::Text(123), "close: the close reason.").or(""),
        key(
            "factor",
            Kind::Integer(2, 1_000),
            "burst: so many messages where one was due.",
        ),
        ENDING,
        PER_S,
        CONNECTIONS,
        STATUS,
        RETRY_AFTER,
        AFTER,
        MESSAGES,
        DIRECTION, FRAMES, LATENCY, JITTER, BYTES_PER_S, TIMEOUT, DELAY, SIZE, VARIATION, BYTES,
    ],
};

/// `[relay]`
pub(in crate::scenario) static RELAY: TableSpec = TableSpec {
    name: "relay",
    doc: "A path between the clients and the target that misbehaves, in a process of its own.",
    any_of: &[],
    keys: &[
        key(
            "listen",
            Kind::Socket,
            "Where it listens; a free port on 127.0.0.1 if absent.",
        ),
        key(
            "toxics",
            Kind::Tables(&TOXIC),
            "What works on every connection from the start.",
        ),
    ],
};

/// `relay.toxics`
pub(in crate::scenario) static TOXIC: TableSpec = TableSpec {
    name: "toxic",
    doc: "One thing that goes wrong on the path; the words are toxiproxy's.",
    any_of: &[],
    keys: &[
        key("kind", Kind::Choice(&TOXICS), "What happens.").required(),
        SHARE,
        PROBABILITY,
        DIRECTION,
        FRAMES,
        LATENCY,
        JITTER,
        BYTES_PER_S,
        TIMEOUT,
        DELAY,
        SIZE,
        VARIATION,
        BYTES,
    ],
};

/// `server.faults`
pub(in crate::scenario) static SERVER_FAULT: TableSpec = TableSpec {
    name: "server_fault",
    doc: "One thing the built-in server does wrong as long as it lives.",
    any_of: &[],
    keys: &[
        key("kind", Kind::Choice(&LASTING_FAULTS), "What happens.").required(),
        SHARE,
        PROBABILITY,
        CODE,
        ENDING,
        PER_S,
        CONNECTIONS,
        STATUS,
        RETRY_AFTER,
        AFTER,
        MESSAGES,
        JITTER,
        DELAY,
    ],
};
