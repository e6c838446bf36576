//! Several results of one scenario, run at the same time on several machines, as one.
//!
//! Counters, tallies and histograms are sums: exactly what one run with all the clients would have
//! counted. Rows of the timeline are laid on those of the run that began first, by wall-clock time
//! (`rows`). What cannot be added is not made up: see there for quantiles of rows, and the counts of
//! built-in servers, which only say something of their own machine, are left out.

mod log;
mod rows;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::metrics::{Histogram, HistogramError, Metric};

use super::run::{PhaseEnds, Validity};
use super::{
    Caps, EndReason, Environment, FaultRecord, InvalidReason, MetricSummary, RunResult,
    StormReport, Summary, TallyRow, Timeline,
};

pub use log::{Log, LogError};

/// Most stalls that a result lists.
const STALLS: usize = 1_000;

/// One of the results.
#[derive(Clone, Debug)]
pub struct Part {
    /// What it is called in the union: where it was read from.
    pub name: String,
    /// The result.
    pub result: RunResult,
    /// Its `histograms.hlog`; empty if it is not there.
    pub log: Log,
}

/// A part of a merged result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Where it was read from.
    pub name: String,
    /// When it began, RFC 3339 in UTC by its machine's clock.
    pub started: String,
    /// Seconds that it began after the first one.
    pub shift_s: f64,
    /// Its verdict by itself.
    pub verdict: super::Verdict,
}

/// The union, not yet judged.
#[derive(Clone, Debug)]
pub struct Union {
    /// The result.
    pub result: RunResult,
    /// Its interval log, line by line.
    pub log: Vec<String>,
    /// What a reader should know: cells that had to stay empty.
    pub notes: Vec<String>,
}

/// Results that cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// Fewer than two.
    #[error("merge: one result has nothing to be merged with\nhint: give two or more")]
    TooFew,
    /// A start that is no time.
    #[error("merge {name}: it does not say when it began\nhint: the file is damaged")]
    Start {
        /// Which part.
        name: String,
    },
    /// A histogram that does not decode.
    #[error("merge {name}: {error}")]
    Histogram {
        /// Which part.
        name: String,
        /// Why.
        error: HistogramError,
    },
}

/// Why these are not parts of one run; empty when they may be.
pub fn refusals(parts: &[Part]) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut differ = |what: &str, of: &dyn Fn(&RunResult) -> &str| {
        let mut seen: Vec<&str> = parts.iter().map(|part| of(&part.result)).collect();
        seen.sort_unstable();
        seen.dedup();
        if seen.len() > 1 {
            seen.truncate(3);
            reasons.push(format!("{what} differ: {}", seen.join(" / ")));
        }
    };
    differ("scenarios", &|result| &result.scenario.name);
    differ("texts of the scenario (SHA-256)", &|result| {
        result.scenario.sha256.get(..12).unwrap_or_default()
    });
    differ("loads of each machine", &|result| &result.load);
    differ("versions of wsbench", &|result| &result.tool.version);
    for (index, part) in parts.iter().enumerate() {
        for other in &parts[..index] {
            if part.result == other.result {
                let (a, b) = (&other.name, &part.name);
                reasons.push(format!("{b} is the same result as {a}"));
            }
        }
        if let (Ok(shift), Some(first)) = (shifts(parts), parts.first())
            && shift[index] >= first.result.phases.drain_end_s
            && index > 0
        {
            let name = &part.name;
            reasons.push(format!("{name} began when the first one had ended"));
        }
    }
    reasons
}

/// Seconds that each began after the earliest.
fn shifts(parts: &[Part]) -> Result<Vec<f64>, MergeError> {
    let mut starts = Vec::new();
    for part in parts {
        let started: Result<jiff::Timestamp, _> = part.result.started.parse();
        let started = started.map_err(|_| MergeError::Start {
            name: part.name.clone(),
        })?;
        starts.push(started.as_millisecond());
    }
    let first = starts.iter().copied().min().unwrap_or_default();
    let shifts = starts.iter().map(|start| (start - first) as f64 / 1e3);
    Ok(shifts.collect())
}

/// The union of two or more results.
pub fn merge(mut parts: Vec<Part>) -> Result<Union, MergeError> {
    if parts.len() < 2 {
        return Err(MergeError::TooFew);
    }
    parts.sort_by(|a, b| a.result.started.cmp(&b.result.started));
    let shifts = shifts(&parts)?;
    let laid = rows::merge(&parts, &shifts);
    let all = || parts.iter().map(|part| &part.result);
    let each = || all().zip(&shifts);
    let first = &parts[0].result;
    let limits = all().map(|run| run.limits).collect::<Option<Vec<Caps>>>();
    let mut stalls: Vec<_> = each()
        .flat_map(|(run, shift)| run.stalls.iter().map(move |stall| (stall, shift)))
        .map(|(stall, shift)| super::Stall {
            start_s: stall.start_s + shift,
            ..*stall
        })
        .collect();
    stalls.sort_by(|a, b| a.start_s.total_cmp(&b.start_s));
    let cut = stalls.len().saturating_sub(STALLS) as u64;
    stalls.truncate(STALLS);
    let mut result = RunResult {
        server_counts: None,
        server_load: None,
        load: format!("{} x {}", parts.len(), first.load),
        limits: limits.map(|limits| caps(&limits)),
        environment: environment(all().map(|run| &run.environment)),
        phases: phases(each()),
        end_reason: end_reason(all()),
        validity: validity(&parts),
        thresholds: Vec::new(),
        baseline: None,
        summary: summary(&parts)?,
        open_at_end: all().map(|run| run.open_at_end).sum(),
        storms: storms(&parts, &shifts),
        storms_omitted: all().map(|run| run.storms_omitted).sum(),
        faults: faults(each()),
        stalls,
        stalls_beyond: all().map(|run| run.stalls_beyond).sum::<u64>() + cut,
        timeline: Timeline {
            omitted: all().map(|run| run.timeline.omitted).max().unwrap_or(0),
            busiest: all().map(|run| run.timeline.busiest).fold(0.0, f64::max),
            busy_intervals: all().map(|run| run.timeline.busy_intervals).sum(),
            rows: laid.rows,
        },
        sources: sources(&parts, &shifts),
        ..first.clone()
    };
    let outside = &mut result.outside_measure;
    outside.counters = counters(all().map(|run| &run.outside_measure.counters));
    outside.failures = tallies(all().map(|run| &run.outside_measure.failures));
    outside.closes = tallies(all().map(|run| &run.outside_measure.closes));
    for url in all().flat_map(|run| &run.target.urls) {
        if !result.target.urls.contains(url) {
            result.target.urls.push(url.clone());
        }
    }
    Ok(Union {
        result,
        log: laid.log,
        notes: laid.notes,
    })
}

fn sources(parts: &[Part], shifts: &[f64]) -> Vec<Source> {
    let each = parts.iter().zip(shifts);
    each.map(|(part, shift)| Source {
        name: part.name.clone(),
        started: part.result.started.clone(),
        shift_s: *shift,
        verdict: part.result.verdict,
    })
    .collect()
}

fn summary(parts: &[Part]) -> Result<Summary, MergeError> {
    let all = || parts.iter().map(|part| &part.result.summary);
    let mut metrics = BTreeMap::new();
    for metric in Metric::ALL {
        let mut whole = Histogram::new();
        let (mut unanswered, mut after, mut seen) = (0, Duration::ZERO, false);
        for part in parts {
            let Some(own) = part.result.summary.metrics.get(metric) else {
                continue;
            };
            let decoded = own.decode().map_err(|error| MergeError::Histogram {
                name: part.name.clone(),
                error,
            })?;
            whole.merge(&decoded);
            unanswered += own.censored_count;
            after = after.max(own.waited());
            seen = true;
        }
        if seen {
            let merged = MetricSummary::of(*metric, &whole, unanswered, after);
            metrics.insert(*metric, merged);
        }
    }
    Ok(Summary {
        // They ran next to each other: the rate of all is the sum of their rates.
        measured_s: all().map(|summary| summary.measured_s).fold(0.0, f64::max),
        counters: counters(all().map(|summary| &summary.counters)),
        failures: tallies(all().map(|summary| &summary.failures)),
        closes: tallies(all().map(|summary| &summary.closes)),
        metrics,
    })
}

fn counters<'a, K: Ord + Copy + 'a>(
    all: impl Iterator<Item = &'a BTreeMap<K, u64>>,
) -> BTreeMap<K, u64> {
    let mut sums = BTreeMap::new();
    for (counter, count) in all.flatten() {
        let sum: &mut u64 = sums.entry(*counter).or_default();
        *sum = sum.saturating_add(*count);
    }
    sums
}

/// The most frequent first; of two examples the lesser text, as within one run.
fn tallies<'a>(all: impl Iterator<Item = &'a Vec<TallyRow>>) -> Vec<TallyRow> {
    let mut kinds: BTreeMap<&str, TallyRow> = BTreeMap::new();
    for row in all.flatten() {
        let Some(known) = kinds.get_mut(row.kind.as_str()) else {
            kinds.insert(&row.kind, row.clone());
            continue;
        };
        known.count = known.count.saturating_add(row.count);
        let lesser = match (&known.example, &row.example) {
            (Some(ours), Some(theirs)) => theirs < ours,
            (None, Some(_)) => true,
            _ => false,
        };
        if lesser {
            known.example.clone_from(&row.example);
        }
    }
    super::summary::sorted(kinds.into_values().collect())
}

fn caps(limits: &[Caps]) -> Caps {
    let sum = |of: &dyn Fn(&Caps) -> Option<u64>| limits.iter().map(of).sum::<Option<u64>>();
    Caps {
        dials_per_s: sum(&|caps| Some(caps.dials_per_s)).unwrap_or_default(),
        messages_per_s: sum(&|caps| caps.messages_per_s),
        clients: sum(&|caps| caps.clients),
    }
}

/// What they have in common, and what not with a `+` between.
fn environment<'a>(all: impl Iterator<Item = &'a Environment> + Clone) -> Environment {
    let words = |of: &dyn Fn(&Environment) -> &str| {
        let mut seen: Vec<&str> = all.clone().map(of).collect();
        seen.sort_unstable();
        seen.dedup();
        seen.join(" + ")
    };
    Environment {
        os: words(&|e| &e.os),
        kernel: words(&|e| &e.kernel),
        arch: words(&|e| &e.arch),
        cpu: words(&|e| &e.cpu),
        build_profile: words(&|e| &e.build_profile),
        cores: all.clone().map(|e| e.cores).sum(),
        memory_bytes: all.clone().map(|e| e.memory_bytes).sum(),
    }
}

/// From the first start: the measured phase is from the first to the last that measured.
fn phases<'a>(each: impl Iterator<Item = (&'a RunResult, &'a f64)>) -> PhaseEnds {
    let mut ends = PhaseEnds {
        warm_up_end_s: f64::INFINITY,
        measure_end_s: 0.0,
        drain_end_s: 0.0,
    };
    for (run, shift) in each {
        let of = &run.phases;
        ends.warm_up_end_s = ends.warm_up_end_s.min(of.warm_up_end_s + shift);
        ends.measure_end_s = ends.measure_end_s.max(of.measure_end_s + shift);
        ends.drain_end_s = ends.drain_end_s.max(of.drain_end_s + shift);
    }
    ends
}

/// The first that is not as planned.
fn end_reason<'a>(all: impl Iterator<Item = &'a RunResult>) -> EndReason {
    let mut reasons = all.map(|run| &run.end_reason);
    let cut = reasons.find(|reason| **reason != EndReason::Completed);
    cut.cloned().unwrap_or(EndReason::Completed)
}

/// One generator that was late spoils the union: its clients' numbers are in it.
fn validity(parts: &[Part]) -> Validity {
    let all = || parts.iter().map(|part| &part.result.validity);
    let named = |of: &dyn Fn(&Validity) -> &Vec<String>| {
        let each = parts.iter().flat_map(|part| {
            let texts = of(&part.result.validity).iter();
            texts.map(|text| format!("{}: {text}", part.name))
        });
        each.collect::<Vec<_>>()
    };
    let mut reasons: Vec<InvalidReason> = Vec::new();
    for reason in all().flat_map(|validity| &validity.reasons) {
        if !reasons.contains(reason) {
            reasons.push(reason.clone());
        }
    }
    let mut pacing: Vec<&str> = all().map(|validity| validity.pacing.as_str()).collect();
    pacing.dedup();
    Validity {
        valid: reasons.is_empty(),
        reasons,
        shards: all().map(|validity| validity.shards).sum(),
        processes: all().map(|validity| validity.processes).sum(),
        pacing: pacing.join(" + "),
        closed_loop: all().any(|validity| validity.closed_loop),
        cpu_s: all().map(|validity| validity.cpu_s).sum(),
        lost: named(&|validity| &validity.lost),
        broken_laws: named(&|validity| &validity.broken_laws),
        ..parts[0].result.validity.clone()
    }
}

/// All of them in the order of their beginnings, each with where it was seen: a storm on one machine is
/// not the same as one on all of them.
fn storms(parts: &[Part], shifts: &[f64]) -> Vec<StormReport> {
    let each = parts.iter().zip(shifts);
    let mut storms: Vec<StormReport> = each
        .flat_map(|(part, shift)| {
            part.result.storms.iter().map(move |storm| StormReport {
                at_s: storm.at_s + shift,
                source: Some(part.name.clone()),
                ..storm.clone()
            })
        })
        .collect();
    storms.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    for (index, storm) in storms.iter_mut().enumerate() {
        storm.number = index as u64 + 1;
    }
    storms
}

fn faults<'a>(each: impl Iterator<Item = (&'a RunResult, &'a f64)>) -> Vec<FaultRecord> {
    let mut faults: Vec<FaultRecord> = each
        .flat_map(|(run, shift)| {
            run.faults.iter().map(move |fault| FaultRecord {
                planned_s: fault.planned_s + shift,
                sent_s: fault.sent_s + shift,
                acked_s: fault.acked_s.map(|at| at + shift),
                until_s: fault.until_s.map(|at| at + shift),
                ..fault.clone()
            })
        })
        .collect();
    faults.sort_by(|a, b| a.sent_s.total_cmp(&b.sent_s));
    faults
}

#[cfg(test)]
mod tests;
