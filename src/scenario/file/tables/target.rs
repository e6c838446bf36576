//! `[target]` and `[server]`.

use super::{Kind, SERVER_FAULT, TIME, TIME_OR_ZERO, TableSpec, key};
use crate::scenario::MOST_PROCESSES;

/// Largest message or frame that can be asked for.
const MAX_SIZE: u64 = 1 << 30;

/// `[target]`
pub(in crate::scenario) static TARGET: TableSpec = TableSpec {
    name: "target",
    doc: "The URL under test and how every client dials it.",
    any_of: &[],
    keys: &[
        key(
            "url",
            Kind::Template,
            "ws:// or wss://; the built-in server's address if absent.",
        ),
        key(
            "urls",
            Kind::List(&Kind::Template),
            "Several URLs, dealt round-robin over clients.",
        ),
        key(
            "headers",
            Kind::Map(&Kind::Template),
            "Extra request headers, in order.",
        ),
        key(
            "subprotocols",
            Kind::List(&Kind::Template),
            "Offered in Sec-WebSocket-Protocol, in order.",
        ),
        key("tls", Kind::Table(&TLS), "Used by wss:// URLs."),
        key(
            "connect_timeout",
            TIME,
            "One deadline over resolve, TCP, TLS and upgrade.",
        )
        .or("10s"),
        key(
            "close_timeout",
            TIME,
            "How long to wait for the peer's close frame.",
        )
        .or("1s"),
        key("nodelay", Kind::Bool, "TCP_NODELAY.").or("true"),
        key(
            "source_addresses",
            Kind::List(&Kind::Ip),
            "Local addresses, dealt round-robin over clients.",
        ),
        key(
            "resolve",
            Kind::List(&Kind::Resolve),
            "Addresses to use instead of resolving: \"host:port:address\".",
        ),
        key(
            "max_message",
            Kind::Bytes(1, MAX_SIZE),
            "Largest incoming message.",
        )
        .or("1MiB"),
        key(
            "max_frame",
            Kind::Bytes(1, MAX_SIZE),
            "Largest incoming frame; max_message if absent.",
        ),
    ],
};

/// `[target.tls]`
pub(in crate::scenario) static TLS: TableSpec = TableSpec {
    name: "tls",
    doc: "TLS settings of the target.",
    any_of: &[],
    keys: &[
        key(
            "ca",
            Kind::Path,
            "PEM bundle trusted instead of the system's roots.",
        ),
        key(
            "cert",
            Kind::Path,
            "PEM client certificate chain; goes with key.",
        ),
        key("key", Kind::Path, "PEM private key of cert."),
        key(
            "server_name",
            Kind::Text(253),
            "Name for SNI and verification instead of the URL's host.",
        ),
        key(
            "insecure",
            Kind::Bool,
            "No verification at all; shown in every report.",
        )
        .or("false"),
        key(
            "min_version",
            Kind::Choice(&["1.2", "1.3"]),
            "Oldest TLS version.",
        )
        .or("1.2"),
        key(
            "resumption",
            Kind::Bool,
            "Keep session tickets between dials.",
        )
        .or("true"),
    ],
};

/// `[server]`
pub(in crate::scenario) static SERVER: TableSpec = TableSpec {
    name: "server",
    doc: "The built-in reference server; started in a process of its own.",
    any_of: &[],
    keys: &[
        key(
            "behaviour",
            Kind::Choice(&["echo", "chat", "broadcast", "ack"]),
            "What it does with messages.",
        )
        .or("echo"),
        key(
            "listen",
            Kind::Socket,
            "Where to listen; the host and port of the target's URL if absent.",
        ),
        key(
            "echo_prefix",
            Kind::Text(1_000),
            "Put before every echoed payload.",
        )
        .or(""),
        key(
            "greeting",
            Kind::Text(65_536),
            "Sent as a text message to every new connection.",
        ),
        key(
            "token",
            Kind::Text(1_000),
            "Needed as ?token= or Authorization: Bearer; never printed.",
        ),
        key(
            "reject_with_401",
            Kind::Bool,
            "Answer a wrong token with HTTP 401 instead of close 4001.",
        )
        .or("false"),
        key(
            "origins",
            Kind::List(&Kind::Text(1_000)),
            "Allowed Origin values; all if absent.",
        ),
        key(
            "subprotocols",
            Kind::List(&Kind::Text(200)),
            "Chosen in this order from what the client offers.",
        ),
        key(
            "ping_interval",
            TIME,
            "Server pings, and reaping of peers that did not answer the previous one.",
        ),
        key(
            "max_connections",
            Kind::Integer(1, 10_000_000),
            "Connections beyond this get HTTP 503.",
        ),
        key(
            "max_message",
            Kind::Bytes(1, MAX_SIZE),
            "A larger message is closed with 1009.",
        )
        .or("1MiB"),
        key(
            "max_frame",
            Kind::Bytes(1, MAX_SIZE),
            "A larger frame is closed with 1009; max_message if absent.",
        ),
        key(
            "delay",
            TIME_OR_ZERO,
            "Every reply is sent this long after its message was read.",
        )
        .or("0s"),
        key(
            "stall",
            TIME,
            "All processing stops for this long at the end of every stall_every.",
        ),
        key("stall_every", TIME, "From one stall's start to the next."),
        key(
            "faults",
            Kind::Tables(&SERVER_FAULT),
            "What it does wrong as long as it lives; [[fault]] is for a time.",
        ),
        key(
            "seed",
            Kind::Integer(0, u64::MAX),
            "Seeds the draws of its faults; the scenario's seed if absent.",
        ),
        key(
            "tls",
            Kind::Bool,
            "TLS with cert and key, or with a self-signed certificate.",
        )
        .or("false"),
        key("cert", Kind::Path, "PEM chain."),
        key("key", Kind::Path, "PEM key."),
        key(
            "threads",
            Kind::Integer(1, 1_024),
            "Server threads, of all processes together; half of the machine's cores if absent.",
        ),
        key(
            "processes",
            Kind::Integer(1, MOST_PROCESSES as u64),
            "Processes that share the port; as many as the clients' descriptors need if absent.",
        ),
    ],
};
