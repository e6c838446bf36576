//! Verdicts on made-up runs.

use std::time::Duration;

use super::*;
use crate::metrics::{Counter, Metric};
use crate::result::fixture;

/// Repetitions of a simulated comparison.
const TRIES: u64 = 60;

/// A run whose round trips are `median` ms with a tail at `tail` ms, and so many replies.
pub(in crate::compare) fn run(median: f64, tail: f64, replies: u64) -> RunResult {
    let mut result = fixture::result();
    let metrics = &mut result.summary.metrics;
    let template = metrics[&Metric::RoundTrip].clone();
    metrics.retain(|metric, _| *metric == Metric::RoundTrip);
    let round_trip = metrics.entry(Metric::RoundTrip).or_insert(template);
    (round_trip.count, round_trip.censored_count) = (100_000, 0);
    (round_trip.censored, round_trip.censored_from) = (false, None);
    (round_trip.p50, round_trip.p90) = (median, 0.9 * tail);
    (round_trip.p99, round_trip.p999) = (tail, 2.0 * tail);
    let counters = &mut result.summary.counters;
    for value in counters.values_mut() {
        *value = 0;
    }
    counters.insert(Counter::MessagesSent, replies);
    counters.insert(Counter::RepliesMatched, replies);
    result.summary.measured_s = Duration::from_secs(5).as_secs_f64();
    result.timeline.rows.clear();
    result.validity.valid = true;
    result
}

/// `count` runs around a median, with noise of `spread` between them.
fn runs(median: f64, count: usize, spread: f64, seed: u64) -> Vec<RunResult> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut noise = move || {
        let normal = (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
        (spread * normal).exp()
    };
    (0..count)
        .map(|_| {
            let replies = (10_000.0 * noise()) as u64;
            run(median * noise(), 4.0 * median * noise() * noise(), replies)
        })
        .collect()
}

fn word_of(comparison: &Comparison, statistic: &str) -> Word {
    let found = comparison.changes.iter().find(|c| c.statistic == statistic);
    found.expect("compared").word
}

#[test]
fn the_four_words() {
    let gate = Gate::default();
    let base = runs(1.0, 8, 0.01, 1);
    for (median, spread, word, verdict) in [
        (1.0, 0.01, Word::Unchanged, Verdict::Pass),
        (1.12, 0.01, Word::Regressed, Verdict::Fail),
        (0.85, 0.01, Word::Improved, Verdict::Pass),
        (1.05, 0.01, Word::Inconclusive, Verdict::Inconclusive),
    ] {
        let comparison = compare(&base, &runs(median, 8, spread, 2), &gate);
        assert_eq!(word_of(&comparison, "round_trip.p50"), word, "{median}");
        let rest = Verdict::Inconclusive;
        assert!(comparison.verdict == verdict || comparison.verdict == verdict.join(rest));
    }
}

#[test]
fn what_may_be_better_but_not_worse_passes_and_what_may_be_worse_does_not() {
    let mut gate = Gate::default();
    gate.questions.retain(|q| q.statistic == "round_trip.p50");
    for (median, verdict) in [(0.95, Verdict::Pass), (1.05, Verdict::Inconclusive)] {
        let base = runs(1.0, 8, 0.01, 1);
        let comparison = compare(&base, &runs(median, 8, 0.01, 2), &gate);
        let change = &comparison.changes[0];
        assert_eq!(change.word, Word::Inconclusive, "{median}");
        assert_eq!(change.not_worse, verdict == Verdict::Pass, "{median}");
        assert_eq!(comparison.verdict, verdict, "{median}");
    }
    gate.questions = vec![Question::about("replies.rate", None, true).expect("known")];
    let of = |replies: [u64; 6]| replies.map(|replies| run(1.0, 4.0, replies));
    let base = of([10_000, 10_010, 9_990, 10_000, 10_020, 9_980]);
    for (centre, verdict) in [(10_500, Verdict::Pass), (9_520, Verdict::Inconclusive)] {
        let noise = [-60, 60, -30, 30, 0, 10];
        let candidate = of(noise.map(|n| (centre + n) as u64));
        let comparison = compare(&base, &candidate, &gate);
        assert_eq!(comparison.changes[0].word, Word::Inconclusive, "{centre}");
        assert_eq!(comparison.verdict, verdict, "{centre}");
    }
}

#[test]
fn a_higher_rate_is_better() {
    let gate = Gate::default();
    let of = |replies: u64| {
        (0..6)
            .map(|i| run(1.0, 4.0, replies + i))
            .collect::<Vec<_>>()
    };
    let slower = compare(&of(10_000), &of(8_500), &gate);
    assert_eq!(word_of(&slower, "replies.rate"), Word::Regressed);
    assert_eq!(slower.verdict, Verdict::Fail);
    let faster = compare(&of(8_500), &of(10_000), &gate);
    assert_eq!(word_of(&faster, "replies.rate"), Word::Improved);
    assert_eq!(faster.verdict, Verdict::Pass);
}

#[test]
fn runs_of_the_same_thing_seldom_cry_wolf_and_small_changes_never_do() {
    let mut gate = Gate::default();
    let asked = ["round_trip.p50", "round_trip.p99", "replies.rate"];
    gate.questions
        .retain(|q| asked.contains(&q.statistic.as_str()));
    let regressed = |change: f64, count: usize, spread: f64| {
        (0..TRIES)
            .filter(|seed| {
                let base = runs(1.0, count, spread, 2 * seed);
                let candidate = runs(1.0 + change, count, spread, 2 * seed + 1);
                compare(&base, &candidate, &gate).verdict == Verdict::Fail
            })
            .count()
    };
    // A machine whose medians differ by 8 % from run to run, and its tails by 11 %.
    assert!(regressed(0.0, 5, 0.08) <= usize::try_from(TRIES).unwrap() / 20);
    assert_eq!(regressed(0.02, 10, 0.03), 0);
    // And what must be found is found.
    assert!(regressed(0.10, 10, 0.02) * 10 >= usize::try_from(TRIES).unwrap() * 9);
}

#[test]
fn single_runs_find_only_large_changes() {
    let gate = Gate::default();
    let base = [run(1.0, 4.0, 10_000)];
    for (median, word) in [
        (1.08, Word::Inconclusive),
        (1.0, Word::Inconclusive),
        (1.6, Word::Regressed),
    ] {
        let comparison = compare(&base, &[run(median, 4.0, 10_000)], &gate);
        assert_eq!(word_of(&comparison, "round_trip.p50"), word, "{median}");
        assert!(comparison.warnings.iter().any(|w| w.contains("one run")));
        let change = &comparison.changes[0];
        assert_eq!(change.basis, Basis::SingleRuns);
        assert!(change.detectable > 0.15, "{}", change.detectable);
    }
}

#[test]
fn one_new_run_is_held_against_the_spread_of_earlier_ones() {
    let gate = Gate::default();
    let base = runs(1.0, 6, 0.02, 3);
    let worse = compare(&base, &[run(1.3, 4.0, 10_000)], &gate);
    assert_eq!(word_of(&worse, "round_trip.p50"), Word::Regressed);
    assert_eq!(worse.changes[0].basis, Basis::OneNewRun);
    let mirrored = compare(&[run(1.3, 4.0, 10_000)], &base, &gate);
    assert_eq!(word_of(&mirrored, "round_trip.p50"), Word::Improved);
}

#[test]
fn rounds_cancel_what_both_sides_share() {
    let gate = Gate::default();
    let drift = [1.0, 1.6, 0.8, 2.0, 1.2, 0.9];
    let rounds: Vec<_> = (drift.iter().enumerate())
        .map(|(i, d)| {
            let jitter = 1.0 + 0.002 * i as f64;
            (
                run(*d, 4.0 * d, 10_000),
                run(1.15 * d * jitter, 4.6 * d, 10_000),
            )
        })
        .collect();
    let paired = compare_rounds(&rounds, &gate);
    assert_eq!(word_of(&paired, "round_trip.p50"), Word::Regressed);
    let (base, candidate): (Vec<_>, Vec<_>) = rounds.into_iter().unzip();
    let unpaired = compare(&base, &candidate, &gate);
    assert_eq!(word_of(&unpaired, "round_trip.p50"), Word::Inconclusive);
}

#[test]
fn failures_are_compared_as_differences() {
    let gate = Gate::default();
    let clean: Vec<_> = (0..4).map(|_| run(1.0, 4.0, 10_000)).collect();
    let failing: Vec<_> = (0..4)
        .map(|i| {
            let mut run = run(1.0, 4.0, 10_000);
            run.summary.counters.insert(Counter::RepliesLost, 50 + i);
            run
        })
        .collect();
    let worse = compare(&clean, &failing, &gate);
    assert_eq!(
        word_of(&worse, "messages.unanswered_ratio"),
        Word::Regressed
    );
    let same = compare(&clean, &clean, &gate);
    assert_eq!(word_of(&same, "messages.unanswered_ratio"), Word::Unchanged);
}

#[test]
fn a_tail_of_few_samples_is_not_judged() {
    let few = |seed| {
        let mut result = run(1.0, 4.0 + f64::from(seed), 100);
        result
            .summary
            .metrics
            .entry(Metric::RoundTrip)
            .and_modify(|m| m.count = 100);
        result
    };
    let (base, candidate) = ([few(0), few(1), few(2)], [few(3), few(4), few(5)]);
    let comparison = compare(&base, &candidate, &Gate::default());
    assert!(
        comparison
            .changes
            .iter()
            .all(|c| c.statistic != "round_trip.p99")
    );
}

#[test]
fn a_median_of_one_handshake_is_no_regression() {
    let with = |count, p50| {
        let mut result = run(1.0, 4.0, 10_000);
        let mut handshake = result.summary.metrics[&Metric::RoundTrip].clone();
        (handshake.count, handshake.p50) = (count, p50);
        result.summary.metrics.insert(Metric::Handshake, handshake);
        result
    };
    let word = |count| {
        let base = [with(count, 1.0), with(count, 1.01), with(count, 0.99)];
        let comparison = compare(&base, &[with(count, 9.0)], &Gate::default());
        let mut changes = comparison.changes.into_iter();
        let found = changes.find(|c| c.statistic == "handshake.p50");
        found.map(|change| change.word)
    };
    assert_eq!(word(1), None);
    assert_eq!(word(1_000), Some(Word::Regressed));
}

#[test]
fn runs_that_cannot_be_believed_decide_nothing() {
    let good: Vec<_> = (0..4).map(|_| run(1.0, 4.0, 10_000)).collect();
    let spoilt = |count: usize| {
        let mut runs: Vec<_> = (0..4).map(|_| run(1.5, 6.0, 10_000)).collect();
        for run in runs.iter_mut().take(count) {
            run.validity.valid = false;
        }
        compare(&good, &runs, &Gate::default()).verdict
    };
    assert_eq!(spoilt(2), Verdict::Fail);
    assert_eq!(spoilt(3), Verdict::Invalid);
}

#[test]
fn what_the_whole_family_may_show_by_chance_is_no_change() {
    let question = Question::about("round_trip.p50", None, true).expect("a time");
    let difference = Difference {
        value: 0.2,
        error: 0.02,
        freedom: 9.0,
    };
    assert_eq!(word(&difference, &question, 0.01), Word::Regressed);
    assert_eq!(word(&difference, &question, 0.06), Word::Inconclusive);
}

#[test]
fn different_things_are_refused() {
    let base = [run(1.0, 4.0, 10_000)];
    assert!(comparable::refusals(&base, &base).is_empty());
    let mut other = run(1.0, 4.0, 10_000);
    other.scenario.sha256 = "ff".repeat(32);
    other.environment.cores += 1;
    let reasons = comparable::refusals(&base, &[other]);
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons[0].contains("scenarios differ"), "{reasons:?}");
}

#[test]
fn a_setting_by_flag_makes_another_question_and_another_target_does_not() {
    let with = |changes: &[(&str, &str)]| {
        let mut run = run(1.0, 4.0, 10_000);
        let changes = changes
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        run.scenario.changes = Some(changes.collect());
        run
    };
    let base = [with(&[])];
    for changed in [
        ("heartbeat.interval", "5s"),
        ("session.0.step.0.every", "1s"),
        ("limits.dials_per_s", "10"),
    ] {
        let reasons = comparable::refusals(&base, &[with(&[changed])]);
        let wanted = format!(
            "settings by flags differ: none / {}={}",
            changed.0, changed.1
        );
        assert_eq!(reasons, [wanted]);
        assert!(comparable::refusals(&[with(&[changed])], &[with(&[changed])]).is_empty());
    }
    for changed in [
        ("target.url", "ws://elsewhere/"),
        ("server.delay", "5ms"),
        ("gate.min_effect", "3%"),
        ("thresholds.\"round_trip.p99\"", "< 1s"),
        ("validity.busy", "100%"),
    ] {
        assert!(
            comparable::refusals(&base, &[with(&[changed])]).is_empty(),
            "{changed:?}"
        );
    }
    let mut earlier = with(&[]);
    earlier.scenario.changes = None;
    let changed = with(&[("heartbeat.interval", "5s")]);
    assert!(
        comparable::refusals(&[earlier], &[changed]).is_empty(),
        "not known to differ"
    );
}

#[test]
fn what_one_side_has_lost_altogether_is_not_passed() {
    let gate = Gate::default();
    let base = runs(1.0, 5, 0.005, 1);
    let mut mute = runs(1.0, 5, 0.005, 1);
    for run in &mut mute {
        run.summary.metrics.clear();
    }
    for (base, candidate, side) in [(&base, &mute, "candidate"), (&mute, &base, "base")] {
        let comparison = compare(base, candidate, &gate);
        let omitted = comparison.omitted.iter();
        let found = omitted.filter(|o| o.statistic == "round_trip.p50");
        let reasons: Vec<_> = found.map(|o| o.reason.as_str()).collect();
        assert_eq!(
            reasons,
            [format!("the {side} has none, or too few samples")]
        );
        assert_eq!(comparison.verdict, Verdict::Inconclusive);
    }
    let rounds: Vec<_> = base.iter().cloned().zip(mute.iter().cloned()).collect();
    assert_eq!(
        compare_rounds(&rounds, &gate).verdict,
        Verdict::Inconclusive
    );
    // A metric that neither has is nobody's question.
    let alike = compare(&mute, &mute, &gate);
    assert!(alike.omitted.is_empty(), "{:?}", alike.omitted);
}

#[test]
fn intervals_rest_on_what_the_number_of_runs_can_show() {
    let gate = Gate::default();
    for (base, candidate, basis) in [
        (1, 1, Basis::SingleRuns),
        (2, 1, Basis::SingleRuns),
        (1, 2, Basis::SingleRuns),
        (2, 2, Basis::SingleRuns),
        (2, 3, Basis::Runs),
        (3, 2, Basis::Runs),
        (3, 1, Basis::OneNewRun),
        (1, 3, Basis::OneNewRun),
    ] {
        let comparison = compare(
            &runs(1.0, base, 0.01, 1),
            &runs(1.0, candidate, 0.01, 2),
            &gate,
        );
        let bases = comparison.changes.iter().map(|change| change.basis);
        assert!(
            bases.into_iter().all(|b| b == basis),
            "{base} {candidate}: {basis:?}"
        );
    }
    let round = || (run(1.0, 4.0, 10_000), run(1.0, 4.0, 10_000));
    let of = |count: usize| compare_rounds(&(0..count).map(|_| round()).collect::<Vec<_>>(), &gate);
    assert!(of(2).changes.is_empty(), "two rounds show no spread");
    assert_eq!(of(3).changes[0].basis, Basis::Rounds);
}

#[test]
fn a_change_in_either_direction_is_asked_about() {
    for value in [1.0, -1.0] {
        let difference = Difference {
            value,
            error: 1.0,
            freedom: 9.0,
        };
        // scipy: 2 * t.sf(1, 9)
        assert!((two_sided(&difference) - 0.343_436).abs() < 1e-6);
    }
}

#[test]
fn runs_alike_to_the_last_digit_are_not_certain() {
    let same: Vec<_> = (0..4).map(|_| run(1.0, 4.0, 10_000)).collect();
    let comparison = compare(&same, &same, &Gate::default());
    for change in &comparison.changes {
        assert!(change.low < 0.0 && change.high > 0.0, "{change:?}");
    }
}

#[test]
fn the_rate_of_a_schedule_is_held_to_the_schedule_and_that_of_a_closed_loop_is_not() {
    let of = |replies: u64, closed_loop: bool| {
        let mut run = run(1.0, 4.0, replies);
        run.validity.closed_loop = closed_loop;
        [run]
    };
    for (closed_loop, word) in [(false, Word::Regressed), (true, Word::Inconclusive)] {
        let comparison = compare(
            &of(10_000, closed_loop),
            &of(9_000, closed_loop),
            &Gate::default(),
        );
        assert_eq!(word_of(&comparison, "replies.rate"), word, "{closed_loop}");
    }
}

#[test]
fn beyond_the_minimum_is_claimed_of_all_gated_statistics_together() {
    // Of five runs each: 20 % more, with an interval from 5.4 % on: p of "at most 5 %" is 0.022.
    let tails = |centre: f64| -> Vec<RunResult> {
        let spread = [-0.1123, -0.056_15, 0.0, 0.056_15, 0.1123];
        spread
            .map(|s: f64| run(1.0, centre * s.exp(), 10_000))
            .into()
    };
    let mut gate = Gate::default();
    for (asked, word) in [
        (&["round_trip.p99"][..], Word::Regressed),
        (&["round_trip.p50", "round_trip.p99"], Word::Inconclusive),
    ] {
        gate.questions = (asked.iter())
            .filter_map(|statistic| Question::about(statistic, None, true))
            .collect();
        let comparison = compare(&tails(4.0), &tails(4.8), &gate);
        assert_eq!(word_of(&comparison, "round_trip.p99"), word, "{asked:?}");
        let change = comparison.changes.last().expect("compared");
        assert!(change.low > 0.05 && change.p < 0.05, "{change:?}");
    }
}
