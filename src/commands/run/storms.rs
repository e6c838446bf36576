//! Storms of a run: what their tracker must know, and where their reports go.

use std::fs;

use crate::engine::plan::Plan;
use crate::engine::storm::Tracker;
use crate::result::{RunResult, StormReport};

/// Linux 6.5 and later; elsewhere it cannot be read.
const LINEAR_TIMEOUTS: &str = "/proc/sys/net/ipv4/tcp_syn_linear_timeouts";

/// Follows the storms of a run.
pub fn tracker(plan: &Plan) -> Tracker {
    let linear = fs::read_to_string(LINEAR_TIMEOUTS).unwrap_or_default();
    Tracker::of(plan, linear.trim().parse().unwrap_or(0))
}

/// Puts the storms into the result: an early end moves the end of measure, and how busy the generator
/// was is known by its intervals.
pub fn attach(result: &mut RunResult, storms: &[StormReport], omitted: u64) {
    result.storms_omitted = omitted;
    result.storms = storms.to_vec();
    for storm in &mut result.storms {
        storm.measured &= storm.at_s < result.phases.measure_end_s;
        let end = storm.at_s + storm.length_s;
        let rows = result.timeline.rows.iter();
        let during = rows.filter(|row| row.start_s <= end && storm.at_s < row.end_s);
        storm.generator.busiest = during.map(|row| row.busy).reduce(f64::max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::fixture;

    #[test]
    fn a_storm_learns_how_busy_the_generator_was_and_whether_it_counts() {
        let mut result = fixture::result();
        let mut early = fixture::storm();
        early.length_s = 0.5;
        let mut late = early.clone();
        // The run was cut short before it.
        late.at_s = 3.5;
        attach(&mut result, &[early, late], 2);
        let [early, late] = result.storms.as_slice() else {
            panic!("{:?}", result.storms);
        };
        assert_eq!((early.measured, early.generator.busiest), (true, Some(0.5)));
        assert_eq!((late.measured, late.generator.busiest), (false, Some(0.05)));
        assert_eq!(result.storms_omitted, 2);
    }
}
