//! What would settle a question that the data left open.

use crate::compare::gate::{Basis, Better, Change, Comparison, Scale, Word};
use crate::report::view::count;

/// More open questions than this are not advised on.
const MOST: usize = 3;
/// Nobody makes more runs than this for one answer.
const MOST_RUNS: f64 = 200.0;
/// Nor gates with a minimum effect above this, of times and rates.
const WIDEST: f64 = 0.5;
/// The same of shares.
const WIDEST_SHARE: f64 = 0.05;

/// A line for each gated statistic that is open.
pub fn advice(comparison: &Comparison) -> Vec<String> {
    let runs = comparison.base_runs.min(comparison.candidate_runs);
    let open = comparison.changes.iter();
    let open = open.filter(|c| c.gated && c.word == Word::Inconclusive && !c.not_worse);
    open.take(MOST).map(|change| line(change, runs)).collect()
}

fn line(change: &Change, runs: usize) -> String {
    let name = &change.statistic;
    let unit = match change.basis {
        Basis::Rounds => "rounds",
        Basis::Runs | Basis::OneNewRun | Basis::SingleRuns => "runs of each side",
    };
    // What one more run would bring is not known before there are a few.
    let few = matches!(change.basis, Basis::OneNewRun | Basis::SingleRuns);
    let more = match needed(change, runs) {
        _ if few => Some(format!("several {unit} would tell more")),
        Some(needed) => {
            let needed = count(needed);
            Some(format!(
                "about {needed} {unit} as noisy as these would tell"
            ))
        }
        None => None,
    };
    let wider = enough(change).map(|minimum| {
        format!("a minimum effect of {minimum} ([gate.statistics] \"{name}\" = \"{minimum}\")")
    });
    match (more, wider) {
        (Some(more), Some(wider)) => format!("{name}: {more}, or {wider}"),
        (Some(more), None) => format!("{name}: {more}, best on a quieter machine"),
        (None, Some(wider)) => format!("{name}: too close to the limit for more {unit}; {wider}"),
        (None, None) => {
            format!("{name}: too noisy for any number of {unit}; try a quieter machine")
        }
    }
}

/// How many runs would bring the worse end of the interval inside the limit, or the better end
/// beyond it, if the estimate stays: half the width shrinks with the root of their number. `None`
/// when that is more than anybody makes.
fn needed(change: &Change, runs: usize) -> Option<u64> {
    let scale = Scale::of_unit(change.unit);
    let inside = |value: f64| scale.inwards(value);
    let half = (inside(change.high) - inside(change.low)) / 2.0;
    let limit = scale.inside(change.minimum, change.better);
    let room = (limit - inside(change.change)).abs();
    let needed = (runs as f64 * (half / room).powi(2)).ceil();
    (needed <= MOST_RUNS).then_some(needed.max(runs as f64 + 1.0) as u64)
}

/// The smallest whole percentage (of a share: tenth of a percentage point) that the interval does
/// not reach on its worse side; `None` when nobody would gate with it.
fn enough(change: &Change) -> Option<String> {
    let worse = match (change.better, Scale::of_unit(change.unit)) {
        (Better::Lower, _) => change.high,
        (Better::Higher, Scale::Ratio) => 1.0 / (1.0 + change.low) - 1.0,
        (Better::Higher, Scale::Difference) => -change.low,
    };
    let (minimum, most) = match Scale::of_unit(change.unit) {
        Scale::Ratio => (format!("{:.0}%", (worse * 100.0).ceil()), WIDEST),
        Scale::Difference => (
            format!("{:.1}%", (worse * 1_000.0).ceil() / 10.0),
            WIDEST_SHARE,
        ),
    };
    (worse <= most).then_some(minimum)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::open;
    use super::*;
    use crate::result::Verdict;

    fn advised(changes: Vec<Change>) -> Vec<String> {
        advice(&Comparison {
            base_runs: 10,
            candidate_runs: 12,
            changes,
            omitted: Vec::new(),
            warnings: Vec::new(),
            verdict: Verdict::Inconclusive,
        })
    }

    #[test]
    fn so_many_rounds_or_a_wider_limit_would_tell() {
        let lines = advised(vec![open(-0.09, 0.0, 0.1)]);
        // Half of ln(1.1 / 0.91) is 0.0948, the limit ln(1.05) = 0.0488: 10 x 3.78.
        assert_eq!(
            lines,
            [
                "round_trip.p99: about 38 rounds as noisy as these would tell, or a minimum effect of \
              10% ([gate.statistics] \"round_trip.p99\" = \"10%\")"
            ]
        );
        let higher = Change {
            better: Better::Higher,
            unit: "per_s",
            basis: Basis::Runs,
            ..open(-0.1, 0.0, 0.11)
        };
        let lines = advised(vec![higher]);
        assert!(lines[0].contains("runs of each side"), "{lines:?}");
        assert!(lines[0].contains("effect of 12%"), "1 / 0.9: {lines:?}");
        let share = Change {
            unit: "ratio",
            minimum: 0.001,
            ..open(-0.001, 0.0, 0.0032)
        };
        assert!(advised(vec![share])[0].contains("effect of 0.4%"));
    }

    #[test]
    fn at_the_limit_no_number_of_runs_is_promised() {
        let lines = advised(vec![open(0.0, 0.05, 0.1)]);
        assert!(lines[0].contains("too close to the limit"), "{lines:?}");
        // More than there are, at least.
        let lines = advised(vec![open(-0.01, 0.0, 0.051)]);
        assert!(lines[0].contains("about 11 rounds"), "{lines:?}");
    }

    #[test]
    fn only_what_is_open_and_may_be_worse_is_advised_on() {
        let not_worse = Change {
            not_worse: true,
            ..open(-0.2, -0.1, 0.01)
        };
        let shown = Change {
            gated: false,
            ..open(-0.2, 0.0, 0.2)
        };
        assert!(advised(vec![not_worse, shown]).is_empty());
        assert_eq!(advised(vec![open(-0.2, 0.0, 0.2); 9]).len(), MOST);
        let single = Change {
            basis: Basis::SingleRuns,
            ..open(-0.2, 0.0, 0.2)
        };
        assert!(advised(vec![single])[0].contains("several runs"));
        // Nobody would gate with 60 %; and no number of runs brings such noise down.
        let noisy = advised(vec![open(-0.4, 0.0, 0.6)]);
        assert_eq!(
            noisy,
            ["round_trip.p99: too noisy for any number of rounds; try a quieter machine"]
        );
        let one = Change {
            basis: Basis::OneNewRun,
            ..open(-0.4, 0.0, 0.6)
        };
        assert!(advised(vec![one])[0].ends_with("would tell more, best on a quieter machine"));
    }
}
