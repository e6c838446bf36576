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
