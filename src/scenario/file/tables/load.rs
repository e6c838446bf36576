//! `[load]`, `[thresholds]`, `[gate]`, `[validity]`.

use super::{Kind, TIME, TIME_OR_ZERO, TableSpec, key};

/// `[load]`
pub(in crate::scenario) static LOAD: TableSpec = TableSpec {
    name: "load",
    doc: "The load curve with its phases.",
    any_of: &[],
    keys: &[
        key(
            "model",
            Kind::Choice(&["closed", "open"]),
            "closed: a number of clients kept connected; open: client arrivals per second.",
        )
        .or("closed"),
        key(
            "stages",
            Kind::Tables(&STAGE),
            "The curve: starts at 0, linear within a stage.",
        )
        .required(),
        key(
            "warm_up",
            TIME_OR_ZERO,
            "First part of the stages, not counted in totals.",
        )
        .or("0s"),
        key(
            "drain",
            TIME_OR_ZERO,
            "After the stages: how long outstanding replies are waited for.",
        )
        .or("5s"),
        key(
            "max_clients",
            Kind::Integer(1, 10_000_000),
            "Open load: slots; an arrival without one is dropped and counted.",
        ),
        key(
            "arrivals",
            Kind::Choice(&["even", "poisson"]),
            "Open load: how the gaps between arrivals vary.",
        )
        .or("even"),
        key(
            "shards",
            Kind::Integer(1, 1_024),
            "Generator threads; chosen from the machine's cores if absent.",
        ),
    ],
};

/// `stages = [...]`
pub(in crate::scenario) static STAGE: TableSpec = TableSpec {
    name: "stage",
    doc: "A linear segment of the load curve.",
    any_of: &["clients", "arrivals_per_s"],
    keys: &[
        key("duration", TIME, "Length of the segment.").required(),
        key(
            "clients",
            Kind::Integer(0, 10_000_000),
            "Closed load: clients at the end of the stage.",
        ),
        key(
            "arrivals_per_s",
            Kind::Number(0.0, 1e6),
            "Open load: arrivals per second at the end of the stage.",
        ),
    ],
};

/// A threshold in its long form.
pub(in crate::scenario) static THRESHOLD: TableSpec = TableSpec {
    name: "threshold",
    doc: "An absolute limit with its options.",
    any_of: &[],
    keys: &[
        key(
            "limit",
            Kind::Limit,
            "A comparison and a value: \"< 50ms\".",
        )
        .required(),
        key("abort_run", Kind::Bool, "End the run early when broken.").or("false"),
        key(
            "grace",
            TIME_OR_ZERO,
            "Not judged before this time of the measured phase.",
        )
        .or("0s"),
    ],
};

/// `[gate]`
pub(in crate::scenario) static GATE: TableSpec = TableSpec {
    name: "gate",
    doc: "What decides when runs are compared, and from which effect on.",
    any_of: &[],
    keys: &[
        key(
            "min_effect",
            Kind::Ratio,
            "The smallest change of times and rates that counts; 5% if absent.",
        ),
        key(
            "statistics",
            Kind::Map(&GATE_RULE),
            "Statistics with a rule of their own: \"10%\" = decides from that change on (of a share: \
             from that difference on), true = decides, false = is only shown.",
        ),
    ],
};

static GATE_RULE: Kind = Kind::Either(&[Kind::Ratio, Kind::Bool]);

/// `[validity]`
pub(in crate::scenario) static VALIDITY: TableSpec = TableSpec {
    name: "validity",
    doc: "Limits on the generator's own lateness; beyond them the run is invalid.",
    any_of: &[],
    keys: &[
        key(
            "schedule_lag_p99",
            TIME,
            "Largest p99 of schedule_lag; 1 ms + 1 % of the shortest period if absent.",
        ),
        key(
            "busy",
            Kind::Ratio,
            "Largest share of an interval that a generator thread may be busy.",
        )
        .or("95%"),
        key(
            "dropped_arrivals",
            Kind::Bool,
            "Whether dropped arrivals are tolerated.",
        )
        .or("false"),
        key(
            "longest_stall",
            TIME,
            "Longest standstill of the generator itself that is tolerated; none over 100 ms if absent, or as long as schedule_lag_p99 if that is given.",
        ),
    ],
};
