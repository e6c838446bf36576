//! Which statistics are compared, and what a change must exceed to count.

use serde::Serialize;

use crate::metrics::{Metric, Orientation};
use crate::result::statistics::{self, Kind};
use crate::scenario::GatePlan;

/// The minimum effect unless told otherwise: 5 %.
pub const MINIMUM: f64 = 0.05;
/// The same of a share of failures: a tenth of a percentage point.
pub const MINIMUM_SHARE: f64 = 0.001;

/// What decides unless told otherwise, as far as both sides have it.
const GATED: [&str; 10] = [
    "round_trip.p50",
    "round_trip.p99",
    "delivery.p50",
    "delivery.p99",
    "handshake.p50",
    "replies.rate",
    "messages.unanswered_ratio",
    "deliveries.missing_ratio",
    "heartbeats.missed_ratio",
    "handshakes.failed_ratio",
];
/// What is shown beside it.
const SHOWN: [&str; 6] = [
    "round_trip.p90",
    "round_trip.p999",
    "service_time.p50",
    "service_time.p99",
    "handshake.p99",
    "heartbeat_rtt.p99",
];

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// Less.
    Lower,
    /// More.
    Higher,
}

/// How two values are set against each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// As a ratio, in logarithms.
    Ratio,
    /// As a difference: shares, which may be zero.
    Difference,
}

impl Scale {
    /// Of a statistic in this base unit: shares may be zero.
    pub fn of_unit(unit: &str) -> Self {
        match unit {
            "ratio" => Self::Difference,
            _ => Self::Ratio,
        }
    }

    /// A value in a reader's terms on the scale of the evidence; undoes [`Scale::outside`].
    pub fn inwards(self, value: f64) -> f64 {
        match self {
            Self::Ratio => value.ln_1p(),
            Self::Difference => value,
        }
    }

    /// The smallest and largest change that does not count, on the scale of the evidence. Symmetric
    /// as ratios: 1/1.05 and 1.05.
    pub fn limits(self, minimum: f64) -> (f64, f64) {
        match self {
            Self::Ratio => (-minimum.ln_1p(), minimum.ln_1p()),
            Self::Difference => (-minimum, minimum),
        }
    }

    /// The limit for the worse.
    pub fn inside(self, minimum: f64, better: Better) -> f64 {
        let (down, up) = self.limits(minimum);
        match better {
            Better::Lower => up,
            Better::Higher => down,
        }
    }

    /// A value of the evidence in a reader's terms: 0.1 is 10 % more.
    pub fn outside(self, value: f64) -> f64 {
        match self {
            Self::Ratio => value.exp_m1(),
            Self::Difference => value,
        }
    }
}

/// One statistic to compare.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// `round_trip.p99`.
    pub statistic: String,
    /// Base unit.
    pub unit: &'static str,
    /// Which way is better.
    pub better: Better,
    /// How.
    pub scale: Scale,
    /// What a change must exceed: 0.05 is 5 %, of a share it is the difference itself.
    pub minimum: f64,
    /// It decides.
    pub gated: bool,
}

impl Question {
    /// About a statistic that has a better way. `None` for an unknown one and for one without.
    pub fn about(statistic: &str, minimum: Option<f64>, gated: bool) -> Option<Self> {
        let kind = statistics::kind(statistic)?;
        let (better, scale) = match kind {
            Kind::Time => (time_orientation(statistic)?, Scale::Ratio),
            Kind::Rate => (Better::Higher, Scale::Ratio),
            Kind::Ratio => (Better::Lower, Scale::Difference),
            Kind::Count | Kind::Number => return None,
        };
        let usual = match scale {
            Scale::Ratio => MINIMUM,
            Scale::Difference => MINIMUM_SHARE,
        };
        Some(Self {
            statistic: statistic.to_owned(),
            unit: kind.unit(),
            better,
            scale,
            minimum: minimum.unwrap_or(usual),
            gated,
        })
    }
}

/// Of a time: as its metric says; how long sessions last has no better way.
fn time_orientation(statistic: &str) -> Option<Better> {
    let (metric, _) = statistic.split_once('.')?;
    match Metric::from_name(metric).map(Metric::orientation) {
        Some(Orientation::Lower) | None => Some(Better::Lower),
        Some(Orientation::Higher) => Some(Better::Higher),
        Some(_) => None,
    }
}

/// What is compared and what decides.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// In the order of reports.
    pub questions: Vec<Question>,
}

impl Default for Gate {
    fn default() -> Self {
        Self::with_minimum(None)
    }
}

impl Gate {
    /// The usual questions with this minimum effect for times and rates.
    pub fn with_minimum(minimum: Option<f64>) -> Self {
        let ask = |gated: bool| {
            move |statistic: &&str| {
                let question = Question::about(statistic, None, gated)?;
                let minimum = match question.scale {
                    Scale::Ratio => minimum.unwrap_or(question.minimum),
                    Scale::Difference => question.minimum,
                };
                Some(Question {
                    minimum,
                    ..question
                })
            }
        };
        let gated = GATED.iter().filter_map(ask(true));
        Self {
            questions: gated.chain(SHOWN.iter().filter_map(ask(false))).collect(),
        }
    }

    /// As a scenario wants it; `minimum` (a flag's) goes before its `min_effect`, not before what it
    /// says of single statistics.
    pub fn of(plan: &GatePlan, minimum: Option<f64>) -> Self {
        let general = minimum.or(plan.min_effect);
        let mut gate = Self::with_minimum(general);
        for rule in &plan.statistics {
            // The scenario's reader took only statistics that have a better way.
            let Some(mut question) = Question::about(&rule.statistic, None, rule.decides) else {
                continue;
            };
            question.minimum = match (rule.min_effect, question.scale, general) {
                (Some(own), ..) => own,
                (None, Scale::Ratio, Some(general)) => general,
                _ => question.minimum,
            };
            gate.set(question);
        }
        gate
    }

    /// With this statistic gated, by this minimum; replaces what was asked of it.
    pub fn set(&mut self, question: Question) {
        let place = |q: &&mut Question| q.statistic == question.statistic;
        match self.questions.iter_mut().find(place) {
            Some(known) => *known = question,
            None => self.questions.push(question),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::GateRule;

    #[test]
    fn every_usual_question_can_be_asked() {
        let gate = Gate::default();
        assert_eq!(gate.questions.len(), GATED.len() + SHOWN.len());
        let rate = Question::about("replies.rate", None, true).expect("a rate");
        assert_eq!((rate.better, rate.scale), (Better::Higher, Scale::Ratio));
        for no in ["messages.sent", "no.such", "bytes"] {
            assert!(Question::about(no, None, true).is_none(), "{no}");
        }
    }

    #[test]
    fn a_scenario_says_what_decides_and_a_flag_replaces_its_general_effect() {
        let rule = |statistic: &str, decides, min_effect| GateRule {
            statistic: statistic.to_owned(),
            decides,
            min_effect,
        };
        let plan = GatePlan {
            min_effect: Some(0.03),
            statistics: vec![
                rule("round_trip.p99", true, Some(0.1)),
                rule("handshake.p50", false, None),
                rule("round_trip.p95", true, None),
            ],
        };
        for (flag, general) in [(None, 0.03), (Some(0.2), 0.2)] {
            let gate = Gate::of(&plan, flag);
            let of = |name: &str| {
                let mut all = gate.questions.iter().filter(|q| q.statistic == name);
                let found = all.next().map(|q| (q.gated, q.minimum));
                assert!(all.next().is_none(), "{name} once");
                found.expect(name)
            };
            assert_eq!(of("round_trip.p50"), (true, general));
            assert_eq!(of("round_trip.p99"), (true, 0.1));
            assert_eq!(of("handshake.p50"), (false, general));
            assert_eq!(of("round_trip.p95"), (true, general));
            assert_eq!(of("heartbeats.missed_ratio"), (true, MINIMUM_SHARE));
        }
        assert_eq!(Gate::of(&GatePlan::default(), None), Gate::default());
    }

    #[test]
    fn limits_are_the_same_both_ways() {
        let (down, up) = Scale::Ratio.limits(0.25);
        assert!((Scale::Ratio.outside(up) - 0.25).abs() < 1e-12);
        assert!((Scale::Ratio.outside(down) + 0.2).abs() < 1e-12);
        assert_eq!(Scale::Difference.limits(0.001), (-0.001, 0.001));
    }
}
