//! `[limits]`.

use super::{Kind, TableSpec, key};

/// `[limits]`
pub(in crate::scenario) static LIMITS: TableSpec = TableSpec {
    name: "limits",
    doc: "Caps that keep a run from overrunning its target by accident.",
    any_of: &[],
    keys: &[
        key(
            "dials_per_s",
            Kind::Integer(1, 10_000_000),
            "Most dials a second, reconnects included; those beyond wait. If absent: 50k when every target is loopback, else 1k.",
        ),
        key(
            "messages_per_s",
            Kind::Integer(1, 1_000_000_000),
            "A plan of more is refused. If absent: none when every target is loopback, else 10k.",
        ),
        key(
            "clients",
            Kind::Integer(1, 10_000_000),
            "A plan of more at once is refused. If absent: none when every target is loopback, else 10k.",
        ),
    ],
};
