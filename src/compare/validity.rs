//! Whether the generator's own lateness spoils a run (DESIGN section 3).

use crate::metrics::{Counter, Metric};
use crate::result::{InvalidReason, RunResult};

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
    let dropped = result.summary.counter(Counter::ArrivalsDropped);
    if dropped > 0 && !validity.dropped_arrivals_tolerated {
        reasons.push(InvalidReason::DroppedArrivals {
            dropped,
            scheduled: result.summary.counter(Counter::ArrivalsScheduled),
        });
    }
    let laws = validity.broken_laws.iter();
    reasons.extend(laws.map(|law| InvalidReason::Unbalanced { law: law.clone() }));
    reasons
}
