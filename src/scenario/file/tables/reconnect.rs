//! `[reconnect]`.

use super::super::super::reconnect::NAMES;
use super::{Kind, TIME, TIME_OR_ZERO, TableSpec, key};

/// Delays of a list: more make no policy clearer.
pub(in crate::scenario) const MAX_DELAYS: usize = 100;

/// `[reconnect]`
pub(in crate::scenario) static RECONNECT: TableSpec = TableSpec {
    name: "reconnect",
    doc: "What a client does after losing its connection, or failing to get one.",
    any_of: &[],
    keys: &[
        key(
            "preset",
            Kind::Choice(&NAMES),
            "The habits of a known client; other keys change its times.",
        ),
        key(
            "policy",
            Kind::Choice(&["none", "fixed", "linear", "exponential", "list"]),
            "How long to wait before an attempt; jitter, added and max_wait apply to that.",
        )
        .or("none"),
        key(
            "delay",
            TIME,
            "Policy fixed: always this long; linear: times the number of the attempt.",
        )
        .or("1s"),
        key(
            "delays",
            Kind::List(&TIME_OR_ZERO),
            "Policy list: one after the other; the last repeats.",
        ),
        key(
            "initial",
            TIME,
            "Policy exponential: before the first attempt.",
        )
        .or("1s"),
        key(
            "factor",
            Kind::Number(1.0, 100.0),
            "Policy exponential: growth with each attempt.",
        )
        .or("2.0"),
        key(
            "max_delay",
            TIME,
            "Policy exponential: the longest, before jitter.",
        )
        .or("30s"),
        key(
            "jitter",
            Kind::Either(&[
                Kind::Choice(&["none", "full", "equal", "decorrelated", "backo2"]),
                FACTORS,
            ]),
            "How a delay is spread; [0.5, 1.5] = times a factor drawn between the two.",
        )
        .or("full"),
        key(
            "first_jitter",
            FACTORS,
            "The factors of the first wait after a loss, if others.",
        ),
        key(
            "jitter_once",
            Kind::Bool,
            "The factor is drawn once for each client and kept.",
        )
        .or("false"),
        key(
            "added",
            Kind::Either(&[TIME_OR_ZERO, Kind::List(&TIME_OR_ZERO)]),
            "Added to every wait; [\"300ms\", \"3s\"] = drawn between the two.",
        )
        .or("0s"),
        key(
            "max_wait",
            TIME,
            "The longest wait, after jitter and added.",
        ),
        key(
            "max_attempts",
            Kind::Integer(1, 1_000_000),
            "Attempts in a row before giving up; for ever if absent.",
        ),
        key(
            "stable_after",
            TIME_OR_ZERO,
            "A connection open this long resets the attempts.",
        )
        .or("10s"),
    ],
};

/// Two numbers, the smaller first.
const FACTORS: Kind = Kind::List(&Kind::Number(0.0, 100.0));
