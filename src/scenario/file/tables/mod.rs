//! Every table of a scenario file with its keys, their kinds, defaults and one-line descriptions.

mod fault;
pub(super) mod heartbeat;
mod limits;
mod load;
pub(super) mod reconnect;
mod session;
mod target;

use super::spec::{KeySpec, Kind, TableSpec};

pub(in crate::scenario) use fault::{
    CLIENT_FAULTS, FAULT, RELAY, SERVER_FAULT, SERVER_FAULTS, TOXIC, TOXICS,
};
pub(in crate::scenario) use heartbeat::{HEARTBEAT, MATCHER};
pub(in crate::scenario) use limits::LIMITS;
pub(in crate::scenario) use load::{GATE, LOAD, STAGE, THRESHOLD, VALIDITY};
pub(in crate::scenario) use reconnect::RECONNECT;
pub(in crate::scenario) use session::{
    BINARY, CLOSE, DELIVERY, PING, REPEAT, REPLY, SESSION, STEP,
};
pub(in crate::scenario) use target::{SERVER, TARGET, TLS};

const fn key(key: &'static str, kind: Kind, doc: &'static str) -> KeySpec {
    KeySpec::new(key, kind, doc)
}

const TIME: Kind = Kind::Duration { zero: false };
const TIME_OR_ZERO: Kind = Kind::Duration { zero: true };

/// Every table there is, to say where a misplaced key belongs.
pub(in crate::scenario) static ALL: &[&TableSpec] = &[
    &ROOT,
    &TARGET,
    &TLS,
    &SERVER,
    &LOAD,
    &STAGE,
    &HEARTBEAT,
    &MATCHER,
    &RECONNECT,
    &SESSION,
    &STEP,
    &REPLY,
    &DELIVERY,
    &REPEAT,
    &BINARY,
    &PING,
    &CLOSE,
    &THRESHOLD,
    &GATE,
    &VALIDITY,
    &FAULT,
    &RELAY,
    &TOXIC,
    &LIMITS,
    &SERVER_FAULT,
];

/// The whole file.
pub(in crate::scenario) static ROOT: TableSpec = TableSpec {
    name: "scenario",
    doc: "A wsbench scenario: a named, validated test plan.",
    any_of: &[],
    keys: &[
        key("name", Kind::Name, "Names the results folder.").required(),
        key("description", Kind::Text(1_000), "One line for people.").or(""),
        key(
            "seed",
            Kind::Integer(0, u64::MAX),
            "Seeds every random draw of the run.",
        )
        .or("1"),
        key(
            "target",
            Kind::Table(&TARGET),
            "The URL under test and how to dial it.",
        ),
        key(
            "server",
            Kind::Table(&SERVER),
            "The built-in reference server, started unless --target is given.",
        ),
        key("load", Kind::Table(&LOAD), "How many clients, when.").required(),
        key(
            "limits",
            Kind::Table(&LIMITS),
            "Caps that keep a run from overrunning its target by accident.",
        ),
        key(
            "heartbeat",
            Kind::Table(&HEARTBEAT),
            "The liveness probe of every client.",
        ),
        key(
            "reconnect",
            Kind::Table(&RECONNECT),
            "What a client does after losing its connection.",
        ),
        key(
            "session",
            Kind::Tables(&SESSION),
            "What clients do once connected; none = they stay connected and beat.",
        ),
        key(
            "data",
            Kind::Tables(&DATA),
            "A CSV file whose rows are dealt to clients: {{row.COLUMN}}.",
        ),
        key(
            "fault",
            Kind::Tables(&FAULT),
            "What goes wrong, on a timeline that starts with the measured phase.",
        ),
        key(
            "relay",
            Kind::Table(&RELAY),
            "A path between clients and target that misbehaves.",
        ),
        key(
            "thresholds",
            Kind::Map(&LIMIT),
            "Absolute limits on the measured phase: \"round_trip.p99\" = \"< 50ms\".",
        ),
        key(
            "gate",
            Kind::Table(&GATE),
            "What decides when runs are compared: compare, ab, run --baseline.",
        ),
        key(
            "validity",
            Kind::Table(&VALIDITY),
            "When the generator itself was too late to be believed.",
        ),
    ],
};

/// `[[data]]`
pub(in crate::scenario) static DATA: TableSpec = TableSpec {
    name: "data",
    doc: "Rows for templates; client i uses row i modulo the number of rows.",
    any_of: &[],
    keys: &[key(
        "file",
        Kind::Path,
        "CSV with a header line, relative to the scenario.",
    )
    .required()],
};

static LIMIT: Kind = Kind::Either(&[Kind::Limit, Kind::Table(&THRESHOLD)]);
