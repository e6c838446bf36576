//! The numbers behind one change.
//!
//! | runs of base and candidate | the interval rests on |
//! |---|---|
//! | two or more each, five or more together | the spread between runs (Welch's t) |
//! | three or more, and one new one | what the next run may show (a prediction interval) |
//! | rounds side by side, three or more | the spread of the rounds' own changes (paired t) |
//! | fewer | blocks of intervals within the runs, **and** an assumed spread between runs |
//!
//! The last row: one run says nothing of how much the next one differs by itself (memory layout,
//! neighbours, the minute). That spread is assumed, never smaller than [`RUN_TO_RUN`] and never
//! smaller than what the quarters of the runs show, so that such a comparison finds only large changes.

use serde::Serialize;

use super::settings::{Question, Scale};
use crate::metrics::{Phase, is_supported};
use crate::result::{RunResult, TimelineRow, statistics};
use crate::stats::blocks::{self, average, variance};
use crate::stats::difference::Difference;

/// Samples of a run below which its quantiles say more of the moment than of the server: a handshake or
/// two that fell into the measured phase.
const FEWEST: u64 = 30;
/// Spread between runs of the same thing that is assumed where it cannot be seen, as a share: of
/// medians and rates, and of tails.
pub const RUN_TO_RUN: (f64, f64) = (0.05, 0.10);
/// The same for shares of failures, as a difference.
const RUN_TO_RUN_SHARE: f64 = 0.0005;
/// The same for the rate of an open schedule.
const RUN_TO_RUN_SCHEDULED: f64 = 0.005;
/// Degrees of freedom of an assumption: few, so that its interval is wide.
const ASSUMED_FREEDOM: f64 = 6.0;

/// What an interval rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The spread between runs.
    Runs,
    /// The spread of earlier runs, for a single new one.
    OneNewRun,
    /// The rounds' own changes.
    Rounds,
    /// Blocks within single runs and an assumed spread between runs.
    SingleRuns,
}

/// Both sides and their difference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence {
    /// A typical value of the base, in its base unit.
    pub base: f64,
    /// The same of the candidate.
    pub candidate: f64,
    /// On the question's scale.
    pub difference: Difference,
    /// What it rests on.
    pub basis: Basis,
}

/// Two sets of separate runs.
///
/// # Errors
/// Why there is no answer; empty when neither side has such numbers.
pub fn of_sets(
    base: &[RunResult],
    candidate: &[RunResult],
    question: &Question,
) -> Result<Evidence, String> {
    let (a, b) = both(base, candidate, question)?;
    let (difference, basis) = match (a.len(), b.len()) {
        (n, m) if n >= 2 && m >= 2 && n + m >= 5 => (Difference::of_sets(&a, &b), Basis::Runs),
        (n, 1) if n >= 3 => (Difference::of_one(&a, b[0]), Basis::OneNewRun),
        (1, m) if m >= 3 => {
            let mirrored = Difference::of_one(&b, a[0]).map(|d| Difference {
                value: -d.value,
                ..d
            });
            (mirrored, Basis::OneNewRun)
        }
        _ => {
            let of = single_runs(base, candidate, question, average(&b) - average(&a));
            (Some(of), Basis::SingleRuns)
        }
    };
    let difference = difference.ok_or("too few runs")?;
    Ok(evidence(&a, &b, question, difference, basis))
}

/// Rounds in which both sides ran next to each other.
///
/// # Errors
/// Why there is no answer; empty when neither side has such numbers.
pub fn of_rounds(
    rounds: &[(RunResult, RunResult)],
    question: &Question,
) -> Result<Evidence, String> {
    if rounds.len() < 3 {
        return Err("fewer than three rounds".to_owned());
    }
    let (base, candidate): (Vec<_>, Vec<_>) = rounds.iter().map(|(a, b)| (a, b)).unzip();
    let (a, b) = both(base, candidate, question)?;
    let pairs: Vec<_> = a.iter().copied().zip(b.iter().copied()).collect();
    let difference = Difference::of_pairs(&pairs).ok_or("too few rounds")?;
    Ok(evidence(&a, &b, question, difference, Basis::Rounds))
}

fn evidence(
    a: &[f64],
    b: &[f64],
    question: &Question,
    difference: Difference,
    basis: Basis,
) -> Evidence {
    let typical = |values: &[f64]| match question.scale {
        Scale::Ratio => average(values).exp(),
        Scale::Difference => average(values),
    };
    Evidence {
        base: typical(a),
        candidate: typical(b),
        difference: at_least_a_step(difference, question),
        basis,
    }
}

/// Runs that agree to the last digit agree only as far as digits go: no interval is narrower than
/// what three significant digits can show.
fn at_least_a_step(difference: Difference, question: &Question) -> Difference {
    let step = match question.scale {
        Scale::Ratio => 0.001,
        Scale::Difference => 0.000_01,
    };
    Difference {
        error: difference.error.max(step),
        ..difference
    }
}

/// The values of both sides: of every run, or of none on either side.
fn both<'a>(
    base: impl IntoIterator<Item = &'a RunResult>,
    candidate: impl IntoIterator<Item = &'a RunResult>,
    question: &Question,
) -> Result<(Vec<f64>, Vec<f64>), String> {
    let a = values(base, question, "base")?;
    let b = values(candidate, question, "candidate")?;
    match (a.len(), b.len()) {
        (0, 0) => Err(String::new()),
        // What a side has lost altogether must not go unseen.
        (0, _) => Err("the base has none, or too few samples".to_owned()),
        (_, 0) => Err("the candidate has none, or too few samples".to_owned()),
        _ => Ok((a, b)),
    }
}

/// One value a run, on the question's scale; empty when no run has any.
fn values<'a>(
    runs: impl IntoIterator<Item = &'a RunResult>,
    question: &Question,
    side: &str,
) -> Result<Vec<f64>, String> {
    let mut values = Vec::new();
    let mut without = 0;
    for run in runs {
        match value(run, question) {
            Some(value) => values.push(value),
            None => without += 1,
        }
    }
    match (values.len(), without) {
        (_, 0) | (0, _) => Ok(values),
        (_, without) => Err(format!("{without} runs of the {side} have too few samples")),
    }
}

fn value(run: &RunResult, question: &Question) -> Option<f64> {
    let found = statistics::lookup(&run.summary, &run.storms, &question.statistic)?;
    let value = found.value?;
    if !supported(run, &question.statistic) {
        return None;
    }
    match question.scale {
        Scale::Ratio => (value > 0.0).then(|| value.ln()),
        Scale::Difference => Some(value),
    }
}

/// A tail needs samples, or it is the accident of a few.
fn supported(run: &RunResult, statistic: &str) -> bool {
    let Some((metric, quantile)) = statistic.split_once(".p") else {
        return true;
    };
    let Ok(digits) = quantile.parse::<f64>() else {
        return true;
    };
    let share = digits / 10_f64.powi(i32::try_from(quantile.len()).unwrap_or(2));
    let summary = (run.summary.metrics.iter()).find(|(m, _)| m.name() == metric);
    let enough = |samples| samples >= FEWEST && is_supported(share, samples);
    summary.is_none_or(|(_, s)| enough(s.count + s.censored_count))
}

/// Runs too few to show their own spread.
fn single_runs(
    base: &[RunResult],
    candidate: &[RunResult],
    question: &Question,
    value: f64,
) -> Difference {
    let values = |runs: &[RunResult]| -> Vec<f64> {
        runs.iter()
            .filter_map(|run| self::value(run, question))
            .collect()
    };
    // No failure on either side: nothing is there that could spread.
    let all = [values(base), values(candidate)].concat();
    if question.scale == Scale::Difference && all.iter().all(|value| *value == 0.0) {
        return Difference::of_means(0.0, (0.0, ASSUMED_FREEDOM), (0.0, ASSUMED_FREEDOM));
    }
    let side = |runs: &[RunResult]| {
        let within: Vec<(f64, f64)> = runs.iter().map(|run| within(run, question)).collect();
        let between = within
            .iter()
            .map(|(_, drift)| *drift)
            .fold(assumed(question, runs), f64::max);
        let count = runs.len() as f64;
        let own = within.iter().map(|(own, _)| own).sum::<f64>() / (count * count);
        (own + between / count, ASSUMED_FREEDOM)
    };
    Difference::of_means(value, side(base), side(candidate))
}

/// Variance between runs that is assumed.
fn assumed(question: &Question, runs: &[RunResult]) -> f64 {
    let scheduled = runs.iter().all(|run| !run.validity.closed_loop);
    let spread = match question.scale {
        Scale::Difference => RUN_TO_RUN_SHARE,
        // The schedule says how many are sent, the machine does not.
        Scale::Ratio if question.unit == "per_s" && scheduled => RUN_TO_RUN_SCHEDULED,
        Scale::Ratio if is_tail(&question.statistic) => RUN_TO_RUN.1,
        Scale::Ratio => RUN_TO_RUN.0,
    };
    spread * spread
}

fn is_tail(statistic: &str) -> bool {
    [".p9", ".max"].iter().any(|tail| statistic.contains(tail))
}

/// Of one run: the variance of its mean over blocks of intervals, and the variance of its quarters.
fn within(run: &RunResult, question: &Question) -> (f64, f64) {
    let rows = run.timeline.rows.iter();
    let measured = rows.filter(|row| row.phase == Phase::Measure);
    let series: Vec<f64> = measured
        .filter_map(|row| of_row(row, &question.statistic))
        .filter_map(|value| match question.scale {
            Scale::Ratio => (value > 0.0).then(|| value.ln()),
            Scale::Difference => Some(value),
        })
        .collect();
    let own = blocks::mean(&series).map_or(0.0, |mean| mean.variance);
    let quarter = series.len() / 4;
    let drift = if quarter >= 2 {
        let quarters: Vec<f64> = series.chunks_exact(quarter).take(4).map(average).collect();
        variance(&quarters).unwrap_or(0.0)
    } else {
        0.0
    };
    (own, drift)
}

/// The statistic within one interval, where rows have it.
fn of_row(row: &TimelineRow, statistic: &str) -> Option<f64> {
    let length = row.end_s - row.start_s;
    let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
    match statistic {
        "round_trip.p50" => row.round_trip_p50_ms,
        "round_trip.p90" => row.round_trip_p90_ms,
        "round_trip.p99" | "round_trip.p999" => row.round_trip_p99_ms,
        "service_time.p50" => row.service_time_p50_ms,
        "service_time.p99" => row.service_time_p99_ms,
        "handshake.p50" => row.handshake_p50_ms,
        "handshake.p99" => row.handshake_p99_ms,
        "delivery.p50" => row.delivery_p50_ms,
        "delivery.p99" => row.delivery_p99_ms,
        "heartbeat_rtt.p99" => row.heartbeat_rtt_p99_ms,
        "replies.rate" => (length > 0.0).then(|| row.replies_matched as f64 / length),
        "messages.unanswered_ratio" => share(row.unanswered, row.messages_sent),
        "heartbeats.missed_ratio" => share(row.heartbeats_missed, row.heartbeats_sent),
        "handshakes.failed_ratio" => share(row.failed, row.attempted),
        _ => None,
    }
}
