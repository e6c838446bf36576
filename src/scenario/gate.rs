//! What a scenario says about comparisons of its runs: which statistics decide, and from which effect.

/// `[gate]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GatePlan {
    /// What a change of times and rates must exceed to count, as a share; `None` = the usual.
    pub min_effect: Option<f64>,
    /// Statistics with a rule of their own, in the order of the file.
    pub statistics: Vec<GateRule>,
}

/// The rule of one statistic.
#[derive(Clone, Debug, PartialEq)]
pub struct GateRule {
    /// `round_trip.p99`: one that has a better way.
    pub statistic: String,
    /// It decides; otherwise it is only shown.
    pub decides: bool,
    /// What a change of it must exceed; `None` = as of all others of its kind.
    pub min_effect: Option<f64>,
}

impl GatePlan {
    /// Nothing is said.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}
