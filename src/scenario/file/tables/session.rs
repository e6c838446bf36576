//! `[[session]]`, its steps, matchers and payloads.

use super::super::spec::KeySpec;
use super::{Kind, TIME, TableSpec, key};

pub(super) const JSON: KeySpec = key(
    "json",
    Kind::Map(&Kind::Scalar),
    "Every pointer's value equals this text: { \"/id\" = \"{{seq}}\" }.",
);
pub(super) const TEXT: KeySpec = key("text", Kind::Template, "The whole text.");
pub(super) const PREFIX: KeySpec = key("prefix", Kind::Template, "How the text begins.");
pub(super) const REGEX: KeySpec = key("regex", Kind::Regex, "A search in the text.");
pub(super) const ECHO: KeySpec = key(
    "echo",
    Kind::Bool,
    "true: the payload comes back, byte for byte.",
);

/// `[[session]]`
pub(in crate::scenario) static SESSION: TableSpec = TableSpec {
    name: "session",
    doc: "One kind of client.",
    any_of: &[],
    keys: &[
        key("name", Kind::Text(100), "For reports."),
        key(
            "weight",
            Kind::Integer(1, 1_000_000),
            "Clients are dealt in proportion.",
        )
        .or("1"),
        key(
            "step",
            Kind::Tables(&STEP),
            "In order; none = stay connected and beat.",
        ),
    ],
};

/// `[[session.step]]`
pub(in crate::scenario) static STEP: TableSpec = TableSpec {
    name: "step",
    doc: "One thing a client does: exactly one of send, send_binary, expect, pause, repeat, ping, close (expect also goes beside a send).",
    any_of: &[
        "send",
        "send_binary",
        "expect",
        "pause",
        "repeat",
        "ping",
        "close",
    ],
    keys: &[
        key("send", Kind::Template, "A text message."),
        key("send_binary", Kind::Table(&BINARY), "A binary message."),
        key(
            "expect",
            Kind::Table(&REPLY),
            "Wait for this message; beside a send: for its answer.",
        ),
        key(
            "reply",
            Kind::Table(&REPLY),
            "The answer to a send, measured without waiting for it.",
        ),
        key(
            "every",
            Kind::Every,
            "Send on an open schedule until the end of the session.",
        ),
        key(
            "arrivals",
            Kind::Choice(&["even", "poisson"]),
            "How the gaps of the schedule vary.",
        )
        .or("even"),
        key(
            "skip_after",
            TIME,
            "A message later than this is skipped and counted instead of sent late.",
        ),
        key(
            "count",
            Kind::Integer(1, u64::MAX),
            "Stop the schedule after so many messages.",
        ),
        key(
            "delivery",
            Kind::Table(&DELIVERY),
            "The server passes this message on; how receivers know it.",
        ),
        key(
            "pause",
            Kind::Either(&[TIME, Kind::List(&Kind::Duration { zero: true })]),
            "Wait: \"1s\", or between [\"1s\", \"3s\"].",
        ),
        key(
            "repeat",
            Kind::Table(&REPEAT),
            "Steps to do again and again.",
        ),
        key(
            "ping",
            Kind::Table(&PING),
            "A control ping; goes on with its pong.",
        ),
        key(
            "close",
            Kind::Table(&CLOSE),
            "Close handshake; ends the session.",
        ),
    ],
};

/// `expect`, `reply`
pub(in crate::scenario) static REPLY: TableSpec = TableSpec {
    name: "reply",
    doc: "A message to wait for.",
    any_of: &["json", "text", "prefix", "regex", "echo"],
    keys: &[
        JSON,
        TEXT,
        PREFIX,
        REGEX,
        ECHO,
        key("timeout", TIME, "How long to wait.").or("5s"),
        key(
            "capture",
            Kind::Map(&Kind::Pointer),
            "Parts to keep for later steps: { token = \"/token\" }.",
        ),
    ],
};

/// `delivery`
pub(in crate::scenario) static DELIVERY: TableSpec = TableSpec {
    name: "delivery",
    doc: "How receivers know a message that another client sent.",
    any_of: &["json", "text", "prefix", "regex"],
    keys: &[
        JSON,
        TEXT,
        PREFIX,
        REGEX,
        key(
            "sent",
            Kind::Pointer,
            "Where the sender's {{intended_us}} is.",
        )
        .required(),
        key(
            "group",
            Kind::Template,
            "Clients that render the same text receive each other's messages; expected deliveries are not counted without it.",
        ),
        key(
            "includes_sender",
            Kind::Bool,
            "Whether the sender gets its own message back.",
        )
        .or("true"),
    ],
};

/// `repeat`
pub(in crate::scenario) static REPEAT: TableSpec = TableSpec {
    name: "repeat",
    doc: "Steps to do again.",
    any_of: &[],
    keys: &[
        key(
            "times",
            Kind::Integer(1, u64::MAX),
            "Rounds; until the end of the run if absent.",
        ),
        key("steps", Kind::Tables(&STEP), "What is repeated.").required(),
    ],
};

/// `send_binary`
pub(in crate::scenario) static BINARY: TableSpec = TableSpec {
    name: "send_binary",
    doc: "A binary payload: exactly one of these.",
    any_of: &["hex", "base64", "file", "size"],
    keys: &[
        key("hex", Kind::Text(1 << 20), "Bytes in hexadecimal."),
        key(
            "base64",
            Kind::Text(1 << 20),
            "Bytes in base64 (standard alphabet, padded).",
        ),
        key(
            "file",
            Kind::Path,
            "The content of a file, relative to the scenario.",
        ),
        key(
            "size",
            Kind::Bytes(0, 1 << 30),
            "So many random bytes, new each time.",
        ),
    ],
};

/// `ping`
pub(in crate::scenario) static PING: TableSpec = TableSpec {
    name: "ping",
    doc: "A control ping.",
    any_of: &[],
    keys: &[key("timeout", TIME, "How long to wait for the pong.").or("5s")],
};

/// `close`
pub(in crate::scenario) static CLOSE: TableSpec = TableSpec {
    name: "close",
    doc: "A close handshake (RFC 6455 7.4).",
    any_of: &[],
    keys: &[
        key(
            "code",
            Kind::Integer(1_000, 4_999),
            "1000, or 3000 to 4999.",
        )
        .or("1000"),
        key("reason", Kind::Text(123), "At most 123 bytes.").or(""),
    ],
};
