//! From what was counted to what is saved.

use std::collections::BTreeMap;

use super::GENERATOR_LAG;
use super::episode::Episode;
use super::formulas::{amplification, efficiency, fano, floor_s, sync};
use crate::clock::Offset;
use crate::failure::FailureKind;
use crate::metrics::{Histogram, Quantile};
use crate::result::storm::{
    BackAfter, StormAttempts, StormCost, StormEnd, StormGenerator, StormRecovery, StormReport,
    StormSpread, StormSyn, StormTimes, StormWork,
};

/// The report of a storm that has ended, or ends `now` with the run.
pub fn report(mut episode: Episode, now: Offset) -> StormReport {
    episode.stop(now, StormEnd::RunEnded);
    let (end, ended) = episode.end.unwrap_or((now, StormEnd::RunEnded));
    let series = episode.bins.series(end);
    let recovery = recovery(&episode);
    let members = &episode.members;
    StormReport {
        number: episode.begin.storm + 1,
        source: None,
        at_s: rounded(episode.begin.at.secs_f64()),
        measured: false,
        fault: episode
            .begin
            .fault
            .as_ref()
            .map(|fault| fault.name.to_owned()),
        connected_before: episode.begin.level,
        clients_lost: members.len(),
        ended,
        length_s: seconds(&episode, end),
        recovered: recovery.t100.now_s.is_some(),
        gave_up: members.gave_up(),
        left: members.left(),
        away: members.away(),
        attempts: attempts(&episode),
        spread: spread(&episode),
        syn: StormSyn {
            resends: episode.tally.syn_resends,
            attempts: episode.tally.syn_attempts,
            steps: episode.tally.connects.taken(),
        },
        work: work(&episode),
        cost: cost(&episode),
        generator: generator(&episode),
        recovery,
        series,
    }
}

/// Replaces the lower bound of wasted handshakes by what the server itself counted: upgrades it
/// finished while the storm lasted, of which `opened` reached a client, in the storm or not.
pub fn count_wasted(report: &mut StormReport, upgrades: u64, opened: u64) {
    report.work.wasted = upgrades.saturating_sub(opened);
    report.work.lower_bound = false;
    report.work.amplification = amplification(
        report.attempts.succeeded,
        report.work.wasted,
        report.work.refusals,
        report.clients_lost,
    );
}

fn attempts(episode: &Episode) -> StormAttempts {
    let tally = &episode.tally;
    let (per_client_p99, per_client_max) = episode.members.attempts();
    let is_local =
        |kind: &FailureKind| matches!(kind, FailureKind::PortExhausted | FailureKind::FdExhausted);
    let by_kind = |local: bool| -> BTreeMap<String, u64> {
        let kinds = tally
            .failed
            .iter()
            .filter(|(kind, _)| is_local(kind) == local);
        kinds
            .map(|(kind, count)| (kind.to_string(), *count))
            .collect()
    };
    let failed: u64 = tally.failed.values().sum();
    let finished = tally.succeeded + failed + tally.abandoned;
    StormAttempts {
        total: tally.begun,
        per_client_mean: rounded(tally.begun as f64 / episode.members.len().max(1) as f64),
        per_client_p99,
        per_client_max,
        succeeded: tally.succeeded,
        failed: by_kind(false),
        failed_locally: by_kind(true),
        abandoned: tally.abandoned,
        unfinished: tally.begun.saturating_sub(finished),
        duplicates: tally.duplicates,
        peak_100ms: tally.peak_100ms.peak(),
        peak_1s: tally.peak_1s.peak(),
    }
}

fn recovery(episode: &Episode) -> StormRecovery {
    let after = |at: Option<Offset>| at.map(|at| seconds(episode, at));
    let back = |percent| BackAfter {
        now_s: after(episode.members.back_now(percent)),
        ever_s: after(episode.members.back_ever(percent)),
    };
    let commanded = episode.begin.fault.as_ref().and_then(|fault| fault.outage);
    let commanded = commanded.map(|outage| outage.as_secs_f64());
    let outage_s = commanded.or_else(|| after(episode.tally.first_success));
    let best_1s = episode.tally.best_1s.peak();
    let floor_s = floor_s(outage_s, episode.members.len(), best_1s);
    let t100 = back(100);
    StormRecovery {
        t50: back(50),
        t90: back(90),
        t99: back(99),
        t100,
        outage_s,
        best_1s,
        floor_s: floor_s.map(rounded),
        efficiency: efficiency(floor_s, t100.now_s).map(rounded),
    }
}

fn spread(episode: &Episode) -> Option<StormSpread> {
    let (first, last) = episode.tally.span?;
    let until = episode.members.back_now(99).unwrap_or(last);
    let bins = episode.bins.attempts(first, until);
    let in_phase = episode.tally.in_phase.as_ref();
    Some(StormSpread {
        fano: rounded(fano(bins)?),
        sync: rounded(sync(bins)?),
        bin_ms: super::BIN.as_secs_f64() * 1e3,
        bins: bins.len() as u64,
        in_phase: in_phase.and_then(|phase| phase.length()).map(rounded),
        period_s: in_phase.map(|phase| phase.period_s()),
    })
}

fn work(episode: &Episode) -> StormWork {
    let failed = &episode.tally.failed;
    let sum = |wanted: fn(&FailureKind) -> bool| -> u64 {
        let kinds = failed.iter().filter(|(kind, _)| wanted(kind));
        kinds.map(|(_, count)| count).sum()
    };
    let wasted = sum(|kind| matches!(kind, FailureKind::HandshakeTimeout));
    let refusals = sum(|kind| matches!(kind, FailureKind::Refused | FailureKind::HttpStatus(_)));
    let succeeded = episode.tally.succeeded;
    let amplification = amplification(succeeded, wasted, refusals, episode.members.len());
    StormWork {
        wasted,
        lower_bound: true,
        refusals,
        amplification: rounded(amplification),
    }
}

fn cost(episode: &Episode) -> StormCost {
    let tally = &episode.tally;
    let bytes = tally.bytes as f64 / tally.succeeded.max(1) as f64;
    StormCost {
        reconnect_time: times(&tally.reconnect_time),
        handshake: times(&tally.handshake),
        bytes_per_success: (tally.succeeded > 0).then(|| rounded(bytes)),
        first_message: times(&tally.first_message),
        without_message: episode.members.without_message(),
    }
}

fn generator(episode: &Episode) -> StormGenerator {
    let lag = times(&episode.tally.lag);
    StormGenerator {
        limited: lag.is_some_and(|lag| lag.p99_ms > GENERATOR_LAG.as_secs_f64() * 1e3),
        lag,
        held_back: 0,
        busiest: None,
        stalls: Vec::new(),
        events_dropped: episode.events_dropped,
    }
}

fn times(histogram: &Histogram) -> Option<StormTimes> {
    let at = |q| match histogram.quantile(q, 0) {
        Quantile::Value(value) => value.as_micros() as f64 / 1e3,
        Quantile::Censored { .. } | Quantile::None => 0.0,
    };
    (!histogram.is_empty()).then(|| StormTimes {
        count: histogram.count(),
        p50_ms: at(0.5),
        p90_ms: at(0.9),
        p99_ms: at(0.99),
        max_ms: at(1.0),
    })
}

/// Seconds after t = 0.
fn seconds(episode: &Episode, at: Offset) -> f64 {
    rounded(at.since(episode.begin.at).as_secs_f64())
}

/// To a millionth: digits beyond say nothing.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
