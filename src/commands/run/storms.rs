//! Storms of a run: what their tracker must know, and where their reports go.

use std::fs;

use crate::engine::plan::Plan;
use crate::engine::storm::{self, Tracker};
use crate::metrics::Counter;
use crate::result::storm::StormStall;
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
        // Of whole intervals: the first and the last may hold some that are not the storm's.
        storm.generator.held_back = during.clone().map(|row| row.dials_held_back).sum();
        storm.generator.busiest = during.map(|row| row.busy).reduce(f64::max);
        let stalls = result.stalls.iter();
        let within = stalls.filter(|s| s.start_s <= end && storm.at_s < s.start_s + s.length_s);
        storm.generator.stalls = within
            .map(|stall| StormStall {
                at_s: stall.start_s - storm.at_s,
                length_ms: stall.length_s * 1e3,
            })
            .collect();
    }
    count_wasted_by_server(result);
}

/// With one storm, and a server that counts, what was wasted is known: the upgrades it finished that
/// reached no client. With several it cannot be told whose they were.
fn count_wasted_by_server(result: &mut RunResult) {
    let (Some(counts), [_]) = (result.server_counts, result.storms.as_slice()) else {
        return;
    };
    let outside = &result.outside_measure.counters;
    let opened = result.summary.counter(Counter::ConnectionsOpened)
        + outside
            .get(&Counter::ConnectionsOpened)
            .copied()
            .unwrap_or(0);
    storm::count_wasted(&mut result.storms[0], counts.upgrades, opened);
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

    #[test]
    fn what_a_server_counted_tells_what_was_wasted_and_a_stall_is_shown_with_its_storm() {
        let mut result = fixture::result();
        let mut lone = fixture::storm();
        lone.length_s = 2.0;
        result.stalls = vec![crate::result::Stall {
            start_s: lone.at_s + 0.5,
            length_s: 0.25,
        }];
        // The fixture's clients opened twelve.
        result.server_counts = Some(crate::result::ServerCounts {
            upgrades: 15,
            ..Default::default()
        });
        attach(&mut result, std::slice::from_ref(&lone), 0);
        let storm = &result.storms[0];
        assert_eq!((storm.work.wasted, storm.work.lower_bound), (3, false));
        let stall = storm.generator.stalls[0];
        assert_eq!((stall.at_s, stall.length_ms), (0.5, 250.0));
        let mut two = fixture::result();
        two.server_counts = result.server_counts;
        attach(&mut two, &[lone.clone(), lone], 0);
        assert!(two.storms.iter().all(|storm| storm.work.lower_bound));
    }
}
