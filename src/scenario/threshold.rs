//! Absolute limits stated in a scenario.

use std::time::Duration;

/// `"METRIC.STATISTIC" = "< LIMIT"`.
#[derive(Clone, Debug, PartialEq)]
pub struct Threshold {
    /// As written, e.g. `round_trip.p99`: known to be one the results hold.
    pub name: String,
    /// How the value is compared with the limit.
    pub comparison: Comparison,
    /// In the statistic's base unit: seconds for times, 0 to 1 for ratios, else a count or rate.
    pub limit: f64,
    /// The limit as written, for reports (`50ms`, `0.1%`).
    pub limit_text: String,
    /// End the run early when broken.
    pub abort_run: bool,
    /// Not judged before this time of the measured phase.
    pub grace: Duration,
}

/// What a statistic's value is, and so how its limit is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatisticKind {
    /// `50ms`; seconds.
    Time,
    /// `0.1%`; 0 to 1.
    Ratio,
    /// `100`, `10k`.
    Count,
    /// `50/s` or a bare number; per second.
    Rate,
    /// `3`, `1.5`.
    Number,
}

/// The statistics that results hold: what thresholds may name.
#[derive(Clone, Copy)]
pub struct Statistics<'a> {
    /// The kind of a known name, `METRIC.STATISTIC`.
    pub kind: &'a dyn Fn(&str) -> Option<StatisticKind>,
    /// All names, to suggest the nearest.
    pub names: &'a [String],
}

/// A comparison operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `==`
    Equal,
}

impl Comparison {
    /// Longest symbols first, so that `<=` is not read as `<`.
    pub(super) const ALL: [Self; 5] = [
        Self::AtMost,
        Self::AtLeast,
        Self::Equal,
        Self::Less,
        Self::Greater,
    ];

    /// Whether `value` satisfies the limit; a NaN never does.
    pub fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Less => value < limit,
            Self::AtMost => value <= limit,
            Self::Greater => value > limit,
            Self::AtLeast => value >= limit,
            Self::Equal => value == limit,
        }
    }

    /// As written in a scenario.
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
            Self::Equal => "==",
        }
    }
}
