//! Whether the generator's own lateness spoils a run (DESIGN section 3).

use crate::metrics::{Counter, Metric};
use crate::result::{InvalidReason, RunResult, Stall};

/// Every reason not to believe the numbers.
pub fn reasons(result: &RunResult) -> Vec<InvalidReason> {
    let validity = &result.validity;
    let mut reasons = Vec::new();
    let lag = result.summary.metrics.get(&Metric::ScheduleLag);
    let limit_ms = validity.schedule_lag_limit_ms;
    if let Some(lag) = lag.filter(|lag| lag.p99 > limit_ms) {
        reasons.push(InvalidReason::ScheduleLag {
            p99_ms: lag.p99,
            limit_ms,
        });
    }
    if result.timeline.busy_intervals > 0 {
        reasons.push(InvalidReason::Busy {
            share: result.timeline.busiest,
            limit: validity.busy_limit,
            intervals: result.timeline.busy_intervals,
        });
    }
    reasons.extend(stalled(result));
    let dropped = result.summary.counter(Counter::ArrivalsDropped);
    if dropped > 0 && !validity.dropped_arrivals_tolerated {
        reasons.push(InvalidReason::DroppedArrivals {
            dropped,
            scheduled: result.summary.counter(Counter::ArrivalsScheduled),
        });
    }
    let lost = validity.lost.iter();
    reasons.extend(lost.map(|lost| InvalidReason::Incomplete { lost: lost.clone() }));
    // Books of which a part is missing do not balance: that is told already.
    if validity.lost.is_empty() {
        let laws = validity.broken_laws.iter();
        reasons.extend(laws.map(|law| InvalidReason::Unbalanced { law: law.clone() }));
    }
    reasons
}

/// Stalls that are too long. One that was over before the measured phase spoils no number.
fn stalled(result: &RunResult) -> Option<InvalidReason> {
    let limit_s = result.validity.stall_limit_ms / 1e3;
    let measure_s = result.phases.warm_up_end_s;
    let spoils =
        |stall: &&Stall| stall.length_s > limit_s && stall.start_s + stall.length_s > measure_s;
    let stalls = result.stalls.iter().filter(spoils);
    let longest = stalls
        .clone()
        .max_by(|a, b| a.length_s.total_cmp(&b.length_s))?;
    Some(InvalidReason::Stalled {
        stalls: stalls.clone().count() as u64 + result.stalls_beyond,
        start_s: longest.start_s,
        length_s: longest.length_s,
        total_s: stalls.map(|stall| stall.length_s).sum(),
        samples: result.summary.counter(Counter::SamplesInStall),
    })
}
