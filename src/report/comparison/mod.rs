//! A comparison in words and figures, for every output.

mod advice;
pub mod junit;
pub mod markdown;

use crate::compare::gate::{Basis, Better, Change, Comparison, Word};
use crate::result::Verdict;

use super::view::{millis, percent, rate};

pub use advice::advice;

/// The word as people read it.
pub fn word(word: Word) -> &'static str {
    match word {
        Word::Improved => "improved",
        Word::Unchanged => "unchanged",
        Word::Inconclusive => "inconclusive",
        Word::Regressed => "regressed",
    }
}

/// A value of the statistic with its unit.
pub fn value(change: &Change, value: f64) -> String {
    match change.unit {
        "s" => format!("{} ms", millis(value * 1e3)),
        "per_s" => rate(value),
        "ratio" => percent(value),
        _ => format!("{value}"),
    }
}

/// `+12.3 %`; of a share `+0.25 pp` (percentage points).
pub fn signed(change: &Change, value: f64) -> String {
    if change.unit == "ratio" {
        format!("{:+.2} pp", 100.0 * value)
    } else {
        format!("{:+.1} %", 100.0 * value)
    }
}

/// `-1.2 to +3.4 %`.
pub fn interval(change: &Change) -> String {
    let (low, high) = (100.0 * change.low, 100.0 * change.high);
    match change.unit {
        "ratio" => format!("{low:+.2} to {high:+.2} pp"),
        _ => format!("{low:+.1} to {high:+.1} %"),
    }
}

/// The smallest change for the worse that would have been seen, e.g. `8.1 % more`.
pub fn detectable(change: &Change) -> String {
    let more = change.detectable;
    if change.unit == "ratio" {
        return format!("{:.2} pp", 100.0 * more);
    }
    match change.better {
        Better::Lower => format!("+{:.1} %", 100.0 * more),
        Better::Higher => format!("-{:.1} %", 100.0 * more / (1.0 + more)),
    }
}

/// What the interval rests on.
pub fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Runs => "the spread between runs",
        Basis::OneNewRun => "the spread of the other side's runs",
        Basis::Rounds => "the spread of the rounds' own changes",
        Basis::SingleRuns => "blocks within single runs and an assumed spread between runs",
    }
}

/// The conclusion in one sentence.
pub fn because(comparison: &Comparison) -> String {
    let of = |wanted: Word| -> Vec<&str> {
        let gated = comparison.changes.iter().filter(|c| c.gated);
        gated
            .filter(|c| c.word == wanted)
            .map(|c| c.statistic.as_str())
            .collect()
    };
    let regressed = of(Word::Regressed);
    let (fine, open): (Vec<_>, Vec<_>) = (comparison.changes.iter())
        .filter(|c| c.gated && c.word == Word::Inconclusive)
        .partition(|c| c.not_worse);
    let names = |of: &[&Change]| -> String {
        let names: Vec<_> = of.iter().map(|c| c.statistic.as_str()).collect();
        names.join(", ")
    };
    let improved = of(Word::Improved);
    match comparison.verdict {
        Verdict::Invalid => "most runs of a side cannot be believed".to_owned(),
        Verdict::Fail => format!("regressed: {}", regressed.join(", ")),
        Verdict::Pass => {
            let mut text = match improved.is_empty() {
                true => "nothing regressed, nothing improved".to_owned(),
                false => format!("nothing regressed; improved: {}", improved.join(", ")),
            };
            if !fine.is_empty() {
                text += &format!("; not worse, perhaps better: {}", names(&fine));
            }
            text
        }
        _ if comparison.changes.is_empty() => "nothing could be compared".to_owned(),
        _ if open.is_empty() => "some statistics could not be compared".to_owned(),
        _ => format!("the data cannot tell for {}", names(&open)),
    }
}

/// How many runs, and on what the intervals rest.
pub fn grounds(comparison: &Comparison) -> String {
    let (base, candidate) = (comparison.base_runs, comparison.candidate_runs);
    let runs = |count: usize| match count {
        1 => "1 run".to_owned(),
        count => format!("{count} runs"),
    };
    let on = comparison.changes.first().map(|c| basis(c.basis));
    let on = on.map_or(String::new(), |on| format!("; intervals rest on {on}"));
    format!("{} against {}{on}", runs(candidate), runs(base))
}

#[cfg(test)]
pub(in crate::report) mod fixture {
    use super::*;

    /// A gated change that is open, with its interval.
    pub fn open(low: f64, value: f64, high: f64) -> Change {
        Change {
            statistic: "round_trip.p99".to_owned(),
            unit: "s",
            better: Better::Lower,
            gated: true,
            base: 0.004,
            candidate: 0.004,
            change: value,
            low,
            high,
            minimum: 0.05,
            detectable: 0.2,
            p: 0.5,
            basis: Basis::Rounds,
            word: Word::Inconclusive,
            not_worse: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fixture::open;
    use super::*;

    #[test]
    fn a_pass_names_what_may_be_better() {
        let fine = Change {
            not_worse: true,
            ..open(-0.2, -0.1, 0.01)
        };
        let of = |changes: Vec<Change>, verdict| {
            because(&Comparison {
                base_runs: 5,
                candidate_runs: 5,
                changes,
                omitted: Vec::new(),
                warnings: Vec::new(),
                verdict,
            })
        };
        assert_eq!(
            of(vec![fine.clone()], Verdict::Pass),
            "nothing regressed, nothing improved; not worse, perhaps better: round_trip.p99"
        );
        let open = Change {
            statistic: "round_trip.p50".to_owned(),
            ..open(-0.2, 0.0, 0.2)
        };
        assert_eq!(
            of(vec![fine, open], Verdict::Inconclusive),
            "the data cannot tell for round_trip.p50"
        );
    }
}
