//! The course of an `ab`: which side next, when the answer is clear, when a regression is confirmed.
//!
//! ```text
//!            clear at a look (from round 4)          planned rounds done
//!   rounds ------------------------------> answer <--------------------- rounds
//!                                            | regressed
//!                                            v
//!                                       fresh rounds: the same statistic beyond the minimum again?
//!                                            | yes: fail          | no: inconclusive
//! ```
//!
//! Looks before the end ask for far more than the end does (Haybittle-Peto: 99.9 %), so that peeking
//! costs next to nothing (Jennison and Turnbull, *Group Sequential Methods*, 1999, 2.5.1).

use crate::result::{RunResult, Verdict};

use super::gate::{self, Comparison, Gate, Word};

/// The first look.
const FIRST_LOOK: usize = 4;
/// A look believes only what is this sure.
const LOOK_P: f64 = 0.001;
/// Fresh rounds to confirm a regression, at least; otherwise a third of the planned ones.
const CONFIRM: usize = 3;

/// A side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The base.
    A,
    /// The candidate.
    B,
}

/// The order within a round: A B, B A, A B, ...; what drifts hits both sides alike.
pub fn order(round: usize) -> [Side; 2] {
    if round.is_multiple_of(2) {
        [Side::A, Side::B]
    } else {
        [Side::B, Side::A]
    }
}

/// What to do after a round.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Another round.
    Round,
    /// A regression was seen: a fresh round, to confirm it.
    Confirm,
    /// This is the answer.
    Done(Box<Answer>),
}

/// The answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Of the rounds before the confirmation.
    pub comparison: Comparison,
    /// Regressed statistics that fresh rounds showed again.
    pub confirmed: Vec<String>,
    /// Those that fresh rounds did not.
    pub not_confirmed: Vec<String>,
    /// Ended before the planned rounds.
    pub early: bool,
}

/// The rounds so far.
#[derive(Debug)]
pub struct Course {
    planned: usize,
    gate: Gate,
    rounds: Vec<(RunResult, RunResult)>,
    fresh: Vec<(RunResult, RunResult)>,
    seen: Option<(Comparison, bool)>,
}

impl Course {
    /// At most `planned` rounds (three or more) before a confirmation.
    pub fn new(planned: usize, gate: Gate) -> Self {
        Self {
            planned: planned.max(3),
            gate,
            rounds: Vec::new(),
            fresh: Vec::new(),
            seen: None,
        }
    }

    /// Takes a round (A's result, B's result) and says what follows.
    pub fn take(&mut self, a: RunResult, b: RunResult) -> Next {
        if let Some((comparison, early)) = self.seen.take() {
            self.fresh.push((a, b));
            return self.confirm(comparison, early);
        }
        self.rounds.push((a, b));
        let (done, all) = (self.rounds.len(), self.planned);
        if done < all && done < FIRST_LOOK {
            return Next::Round;
        }
        let comparison = gate::compare_rounds(&self.rounds, &self.gate);
        let early = done < all;
        if early && !is_clear(&comparison) {
            return Next::Round;
        }
        if comparison.verdict == Verdict::Fail {
            self.seen = Some((comparison, early));
            return Next::Confirm;
        }
        Next::Done(Box::new(Answer {
            comparison,
            confirmed: Vec::new(),
            not_confirmed: Vec::new(),
            early,
        }))
    }

    /// Rounds still planned when nothing is clear before.
    pub fn left(&self) -> usize {
        match self.seen {
            Some(_) => self.confirming().saturating_sub(self.fresh.len()),
            None => self.planned.saturating_sub(self.rounds.len()),
        }
    }

    fn confirming(&self) -> usize {
        CONFIRM.max(self.planned.div_ceil(3))
    }

    fn confirm(&mut self, comparison: Comparison, early: bool) -> Next {
        if self.fresh.len() < self.confirming() {
            self.seen = Some((comparison, early));
            return Next::Confirm;
        }
        let fresh = gate::compare_rounds(&self.fresh, &self.gate);
        let regressed = comparison.changes.iter();
        let regressed = regressed.filter(|c| c.gated && c.word == Word::Regressed);
        let (confirmed, not_confirmed) = regressed
            .map(|c| c.statistic.clone())
            .partition(|name| is_beyond(&fresh, name));
        Next::Done(Box::new(Answer {
            comparison,
            confirmed,
            not_confirmed,
            early,
        }))
    }
}

impl Answer {
    /// A regression fails only when fresh rounds showed it too.
    pub fn verdict(&self) -> Verdict {
        match self.comparison.verdict {
            Verdict::Fail if self.confirmed.is_empty() => Verdict::Inconclusive,
            verdict => verdict,
        }
    }
}

/// Every gated statistic is beyond doubt, or one regressed beyond doubt.
fn is_clear(comparison: &Comparison) -> bool {
    let gated = || comparison.changes.iter().filter(|c| c.gated);
    let regressed = gated().any(|c| c.word == Word::Regressed && c.p < LOOK_P);
    let settled = gated().all(|c| match c.word {
        Word::Unchanged => true,
        Word::Improved => c.p < LOOK_P,
        Word::Regressed | Word::Inconclusive => false,
    });
    regressed || (settled && comparison.verdict == Verdict::Pass)
}

/// The estimate of fresh rounds lies beyond the minimum, for the worse.
fn is_beyond(fresh: &Comparison, statistic: &str) -> bool {
    let found = fresh.changes.iter().find(|c| c.statistic == statistic);
    found.is_some_and(|c| match c.better {
        gate::Better::Lower => c.change > c.minimum,
        gate::Better::Higher => c.change < -c.minimum / (1.0 + c.minimum),
    })
}

/// How often this gate calls rounds of the same thing a regression, of `tries` relabellings: within
/// each round the sides are exchanged by the toss of a coin, which under "nothing changed" is as
/// likely as what was seen (a randomisation test; Fisher 1935).
pub fn false_alarms(rounds: &[(RunResult, RunResult)], gate: &Gate, tries: u32, seed: u64) -> u32 {
    let mut coin = fastrand::Rng::with_seed(seed);
    let mut alarms = 0;
    for _ in 0..tries {
        let tossed: Vec<_> = (rounds.iter())
            .map(|(a, b)| match coin.bool() {
                true => (a.clone(), b.clone()),
                false => (b.clone(), a.clone()),
            })
            .collect();
        alarms += u32::from(gate::compare_rounds(&tossed, gate).verdict == Verdict::Fail);
    }
    alarms
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::gate::tests::run;

    fn gate() -> Gate {
        let mut gate = Gate::default();
        let asked = ["round_trip.p50", "replies.rate"];
        gate.questions
            .retain(|q| asked.contains(&q.statistic.as_str()));
        gate
    }

    /// Plays rounds until there is an answer; `b` gives the candidate's median by round.
    fn play(planned: usize, b: impl Fn(usize) -> f64) -> (usize, usize, Box<Answer>) {
        let mut course = Course::new(planned, gate());
        let (mut rounds, mut fresh) = (0, 0);
        loop {
            let round = rounds + fresh;
            let wobble = 1.0 + 0.004 * (round % 3) as f64;
            let a = run(wobble, 4.0, 10_000);
            let next = course.take(a, run(b(round), 4.0, 10_000));
            rounds += usize::from(fresh == 0);
            match next {
                Next::Round => assert_eq!(fresh, 0),
                Next::Confirm if fresh == 0 => fresh = 1,
                Next::Confirm => fresh += 1,
                Next::Done(answer) => return (rounds, fresh, answer),
            }
        }
    }

    #[test]
    fn sides_take_turns() {
        use Side::{A, B};
        assert_eq!([order(0), order(1), order(2)], [[A, B], [B, A], [A, B]]);
    }

    #[test]
    fn a_clear_answer_comes_early() {
        let (rounds, fresh, answer) = play(10, |_| 1.004);
        assert_eq!((rounds, fresh), (FIRST_LOOK, 0));
        assert_eq!((answer.verdict(), answer.early), (Verdict::Pass, true));
    }

    #[test]
    fn a_regression_is_confirmed_by_fresh_rounds_before_it_fails() {
        let (rounds, fresh, answer) = play(10, |_| 1.3);
        assert!(rounds < 10 && fresh == 4, "{rounds} {fresh}");
        assert_eq!(answer.verdict(), Verdict::Fail);
        assert_eq!(answer.confirmed, ["round_trip.p50"]);
        // The neighbour that made it slow is gone when it is looked at again.
        let (_, _, answer) = play(10, |round| if round < 5 { 1.3 } else { 1.0 });
        assert_eq!(answer.verdict(), Verdict::Inconclusive);
        assert_eq!(answer.not_confirmed, ["round_trip.p50"]);
    }

    #[test]
    fn the_same_thing_seldom_alarms_and_a_difference_would() {
        let noise = [1.0, 1.1, 0.95, 1.02, 0.9, 1.07, 1.01, 0.98];
        let same: Vec<_> = (noise.iter().zip(noise.iter().rev()))
            .map(|(a, b)| (run(*a, 4.0, 10_000), run(*b, 4.0, 10_000)))
            .collect();
        assert!(false_alarms(&same, &gate(), 60, 1) <= 3);
        // Not so when the coin is loaded: the statistic itself does alarm.
        let worse: Vec<_> = noise
            .iter()
            .map(|a| (run(*a, 4.0, 10_000), run(1.3 * a, 4.0, 10_000)))
            .collect();
        assert_eq!(gate::compare_rounds(&worse, &gate()).verdict, Verdict::Fail);
    }

    /// A comparison of one gated statistic.
    fn of_one(word: Word, p: f64, better: gate::Better, change: f64) -> Comparison {
        let same = compare_same();
        let one = gate::Change {
            word,
            p,
            better,
            change,
            statistic: "x".to_owned(),
            ..same.changes[0].clone()
        };
        Comparison {
            changes: vec![one],
            verdict: Verdict::Pass,
            ..same
        }
    }

    fn compare_same() -> Comparison {
        let round = || (run(1.0, 4.0, 10_000), run(1.0, 4.0, 10_000));
        gate::compare_rounds(&[round(), round(), round()], &gate())
    }

    #[test]
    fn a_look_before_the_end_believes_only_what_is_very_sure() {
        for (word, p, clear) in [
            (Word::Unchanged, 1.0, true),
            (Word::Inconclusive, 0.000_1, false),
            (Word::Regressed, 0.000_1, true),
            (Word::Regressed, 0.01, false),
            (Word::Improved, 0.000_1, true),
            (Word::Improved, 0.01, false),
        ] {
            let comparison = of_one(word, p, gate::Better::Lower, 0.0);
            assert_eq!(is_clear(&comparison), clear, "{word:?} {p}");
        }
    }

    #[test]
    fn fresh_rounds_confirm_only_what_lies_beyond_the_minimum() {
        use gate::Better::{Higher, Lower};
        for (better, change, confirms) in [
            (Lower, 0.06, true),
            (Lower, 0.04, false),
            (Lower, -0.5, false),
            // 1 / 1.05 is 4.76 % less.
            (Higher, -0.05, true),
            (Higher, -0.047, false),
            (Higher, 0.5, false),
        ] {
            let fresh = of_one(Word::Inconclusive, 0.5, better, change);
            assert_eq!(is_beyond(&fresh, "x"), confirms, "{better:?} {change}");
            assert!(!is_beyond(&fresh, "y"));
        }
    }
}
