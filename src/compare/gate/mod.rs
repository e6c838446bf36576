//! Two sets of results against each other: what changed, by how much, and how sure that is.
//!
//! A change is called **regressed** or **improved** only if its 95 % interval lies wholly beyond
//! the minimum effect, and still does with the whole family of gated statistics controlled by Holm's
//! procedure: that even one of them is called so although its true change is within the minimum
//! effect has a probability below 5 % (2.5 % for the worse). It is **unchanged** when the interval lies wholly
//! within the minimum effect (an equivalence test). Everything else is **inconclusive**: the data
//! cannot tell, and the report says what they could have told ([`Change::detectable`]). A gate asks
//! whether anything got worse: what may be better or the same, but not worse ([`Change::not_worse`]),
//! passes.
//!
//! The unit is the run, or the round of an `ab`; see [`evidence`] for what happens with single runs.

pub mod comparable;
pub mod evidence;
mod settings;

use serde::Serialize;

use crate::result::{RunResult, Verdict};
use crate::stats::difference::Difference;
use crate::stats::family::holm;

pub use evidence::Basis;
pub use settings::{Better, Gate, Question, Scale};

/// One-sided error of an interval of 95 %.
const LEVEL: f64 = 0.025;
/// With which probability a change of [`Change::detectable`] would have been found.
const POWER: f64 = 0.8;

/// What became of a statistic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// Better by more than the minimum effect.
    Improved,
    /// The same, within the minimum effect.
    Unchanged,
    /// The data cannot tell.
    Inconclusive,
    /// Worse by more than the minimum effect.
    Regressed,
}

/// One statistic of both sides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// `round_trip.p99`.
    pub statistic: String,
    /// Base unit: `s`, `ratio`, `per_s`.
    pub unit: &'static str,
    /// Which way is better.
    pub better: Better,
    /// It decides; otherwise it is only shown.
    pub gated: bool,
    /// Geometric mean over the runs of the base (of a share: the mean).
    pub base: f64,
    /// The same of the candidate.
    pub candidate: f64,
    /// Candidate relative to base: 0.1 is 10 % more. Of a share: the difference itself.
    pub change: f64,
    /// The interval that holds the true change with 95 % confidence.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// What a change must exceed to count, in the same terms.
    pub minimum: f64,
    /// The smallest change for the worse that these data would have shown in 80 of 100 cases.
    pub detectable: f64,
    /// Two-sided p of no change at all, adjusted for all gated statistics.
    pub p: f64,
    /// What the interval rests on.
    pub basis: Basis,
    /// What became of it.
    pub word: Word,
    /// The interval excludes that it is worse by more than the minimum effect.
    pub not_worse: bool,
}

/// A statistic that cannot be compared, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Omitted {
    /// `delivery.p99`.
    pub statistic: String,
    /// Why.
    pub reason: String,
}

/// All of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Runs (or rounds) of the base.
    pub base_runs: usize,
    /// Runs (or rounds) of the candidate.
    pub candidate_runs: usize,
    /// In the order of the gate.
    pub changes: Vec<Change>,
    /// Those without an answer.
    pub omitted: Vec<Omitted>,
    /// What a reader should know: single runs, invalid runs, different environments.
    pub warnings: Vec<String>,
    /// Of the gated changes: regressed fails, what may be worse is inconclusive.
    pub verdict: Verdict,
}

/// Compares two sets of results.
pub fn compare(base: &[RunResult], candidate: &[RunResult], gate: &Gate) -> Comparison {
    conclude(gate, base, candidate, |question| {
        evidence::of_sets(base, candidate, question)
    })
}

/// Compares rounds in which both sides ran next to each other: what both shared cancels out.
pub fn compare_rounds(rounds: &[(RunResult, RunResult)], gate: &Gate) -> Comparison {
    let (base, candidate): (Vec<_>, Vec<_>) = rounds.iter().cloned().unzip();
    conclude(gate, &base, &candidate, |question| {
        evidence::of_rounds(rounds, question)
    })
}

fn conclude(
    gate: &Gate,
    base: &[RunResult],
    candidate: &[RunResult],
    evidence: impl Fn(&Question) -> Result<evidence::Evidence, String>,
) -> Comparison {
    let mut found = Vec::new();
    let mut omitted = Vec::new();
    for question in &gate.questions {
        match evidence(question) {
            Ok(evidence) => found.push((question, evidence)),
            // Nobody asks about a metric that neither side has.
            Err(reason) if reason.is_empty() => {}
            Err(reason) => omitted.push(Omitted {
                statistic: question.statistic.clone(),
                reason,
            }),
        }
    }
    let p = of_family(&found, |_, difference| two_sided(difference));
    let beyond = of_family(&found, |question, difference| beyond(difference, question));
    let changes: Vec<Change> = (found.into_iter().zip(p).zip(beyond))
        .map(|(((question, evidence), p), beyond)| change(question, evidence, p, beyond))
        .collect();
    let believed = comparable::is_believed(base) && comparable::is_believed(candidate);
    let verdict = match believed {
        true => verdict(&changes, &omitted, gate),
        false => Verdict::Invalid,
    };
    Comparison {
        base_runs: base.len(),
        candidate_runs: candidate.len(),
        changes,
        omitted,
        warnings: comparable::warnings(base, candidate),
        verdict,
    }
}

/// A p-value of each, those of gated statistics adjusted for all of them.
fn of_family(
    found: &[(&Question, evidence::Evidence)],
    p: impl Fn(&Question, &Difference) -> f64,
) -> Vec<f64> {
    let own: Vec<f64> = found.iter().map(|(q, e)| p(q, &e.difference)).collect();
    let gated = found.iter().zip(&own).filter(|((q, _), _)| q.gated);
    let gated: Vec<f64> = gated.map(|(_, p)| *p).collect();
    let mut adjusted = holm(&gated).into_iter();
    let each = found.iter().zip(own);
    each.map(|((question, _), own)| match question.gated {
        true => adjusted.next().unwrap_or(own),
        false => own,
    })
    .collect()
}

/// One-sided p of a change that is no larger than the minimum effect, in the direction seen.
fn beyond(difference: &Difference, question: &Question) -> f64 {
    let (down, up) = question.scale.limits(question.minimum);
    difference.p_above(up).min(difference.p_below(down))
}

fn two_sided(difference: &Difference) -> f64 {
    let above = difference.p_above(0.0);
    (2.0 * above.min(difference.p_below(0.0))).min(1.0)
}

fn change(question: &Question, evidence: evidence::Evidence, p: f64, beyond: f64) -> Change {
    let difference = evidence.difference;
    let scale = question.scale;
    let (low, high) = difference.interval(1.0 - 2.0 * LEVEL);
    let worse_limit = scale.inside(question.minimum, question.better);
    let word = word(&difference, question, beyond);
    let detectable = difference.detectable(worse_limit.abs(), LEVEL, POWER);
    Change {
        statistic: question.statistic.clone(),
        unit: question.unit,
        better: question.better,
        gated: question.gated,
        base: evidence.base,
        candidate: evidence.candidate,
        change: scale.outside(difference.value),
        low: scale.outside(low),
        high: scale.outside(high),
        minimum: question.minimum,
        detectable: scale.outside(detectable),
        p,
        basis: evidence.basis,
        word,
        not_worse: is_not_worse(&difference, question),
    }
}

/// See the module's description.
fn word(difference: &Difference, question: &Question, beyond: f64) -> Word {
    let scale = question.scale;
    let (low, high) = difference.interval(1.0 - 2.0 * LEVEL);
    let (down, up) = scale.limits(question.minimum);
    let differs = beyond < LEVEL;
    match question.better {
        _ if low >= down && high <= up => Word::Unchanged,
        Better::Lower if differs && low > up => Word::Regressed,
        Better::Lower if differs && high < down => Word::Improved,
        Better::Higher if differs && high < down => Word::Regressed,
        Better::Higher if differs && low > up => Word::Improved,
        _ => Word::Inconclusive,
    }
}

/// Whether the worse end of the interval lies within the minimum effect (non-inferiority).
fn is_not_worse(difference: &Difference, question: &Question) -> bool {
    let (low, high) = difference.interval(1.0 - 2.0 * LEVEL);
    let limit = question.scale.inside(question.minimum, question.better);
    match question.better {
        Better::Lower => high <= limit,
        Better::Higher => low >= limit,
    }
}

/// A regression is an answer; so is that nothing got worse, whether or not it got better. What may
/// be worse stays open.
fn verdict(changes: &[Change], omitted: &[Omitted], gate: &Gate) -> Verdict {
    let gated = |statistic: &str| {
        let mut questions = gate.questions.iter();
        questions.any(|q| q.statistic == statistic && q.gated)
    };
    let of_changes = changes.iter().filter(|c| c.gated).map(|c| match c.word {
        Word::Improved | Word::Unchanged => Verdict::Pass,
        Word::Inconclusive if c.not_worse => Verdict::Pass,
        Word::Inconclusive => Verdict::Inconclusive,
        Word::Regressed => Verdict::Fail,
    });
    let open = omitted.iter().any(|o| gated(&o.statistic));
    let start = if open || changes.is_empty() {
        Verdict::Inconclusive
    } else {
        Verdict::Pass
    };
    of_changes.fold(start, Verdict::join)
}

#[cfg(test)]
pub(super) mod tests;
