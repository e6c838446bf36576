//! The whole tracker against a simulated world, and against small stories told by hand.

mod stories;
mod world;

use std::time::Duration;

use super::*;
use world::World;

const SECOND: Duration = Duration::from_secs(1);

/// Within so many percent.
fn near(what: &str, value: f64, expected: f64, percent: f64) {
    let off = (value / expected - 1.0).abs() * 100.0;
    assert!(off <= percent, "{what}: {value}, expected {expected}");
}

/// RELIABILITY 3.4 A: an ample server that is down for 3 s.
fn outage(policy: &str) -> StormReport {
    let mut storms = World::new(2000, policy, 3 * SECOND).run(120);
    assert_eq!(storms.len(), 1);
    let storm = storms.remove(0);
    assert!(storm.measured);
    assert_eq!(storm.connected_before, 2000);
    assert_eq!(storm.clients_lost, 2000);
    assert_eq!((storm.ended, storm.recovered), (StormEnd::AllBack, true));
    assert_eq!((storm.gave_up, storm.left, storm.away), (0, 0, 0));
    assert_eq!(storm.attempts.succeeded, 2000);
    assert_eq!(storm.attempts.total, 2000 + storm.failed());
    assert_eq!(
        (storm.attempts.duplicates, storm.attempts.unfinished),
        (0, 0)
    );
    let sum = |column: &[u32]| column.iter().map(|n| u64::from(*n)).sum::<u64>();
    assert_eq!(sum(&storm.series.attempts), storm.attempts.total);
    assert_eq!(sum(&storm.series.succeeded), 2000);
    assert_eq!(sum(&storm.series.failed), storm.failed());
    assert_eq!(storm.series.connected.last(), Some(&2000));
    storm
}

fn seconds(back: crate::result::storm::BackAfter) -> f64 {
    assert_eq!(back.now_s, back.ever_s, "nobody flaps");
    back.now_s.expect("they came back")
}

#[test]
fn a_fixed_period_is_lockstep() {
    let storm = outage("fixed");
    assert_eq!(storm.attempts.total, 6000);
    assert_eq!(storm.attempts.peak_100ms, 2000);
    assert_eq!(storm.attempts.peak_1s, 2000);
    let per_client = &storm.attempts;
    assert_eq!(
        (per_client.per_client_p99, per_client.per_client_max),
        (3, 3)
    );
    near("t50", seconds(storm.recovery.t50), 3.01, 0.1);
    near("t99", seconds(storm.recovery.t99), 3.02, 0.1);
    near("t100", seconds(storm.recovery.t100), 3.02, 0.1);
    let spread = storm.spread.unwrap();
    assert_eq!(spread.bins, 21);
    near("fano", spread.fano, 1714.0, 0.1);
    near("sync", spread.sync, 0.300, 0.1);
    assert!(spread.in_phase.unwrap() > 0.99, "{spread:?}");
    assert_eq!(storm.attempts.failed["refused"], 4000);
    // 2000 of them at a tenth of a handshake, and nothing wasted: (2000 + 400) / 2000.
    near("amplification", storm.work.amplification, 1.2, 0.001);
    near("floor", storm.recovery.floor_s.unwrap(), 4.0, 1.0);
    assert!(!storm.generator.limited);
}

#[test]
fn doubling_without_jitter_is_lockstep_too() {
    let storm = outage("exponential");
    assert_eq!(storm.attempts.total, 4000);
    assert_eq!(storm.attempts.peak_1s, 2000);
    near("t100", seconds(storm.recovery.t100), 3.02, 0.1);
    let spread = storm.spread.unwrap();
    near("fano", spread.fano, 1810.0, 0.1);
    near("sync", spread.sync, 0.475, 0.1);
}

#[test]
fn full_jitter_spreads_and_takes_its_time() {
    let storm = outage("full");
    near("attempts", storm.attempts.total as f64, 6847.0, 5.0);
    near("peak_100ms", storm.attempts.peak_100ms as f64, 307.0, 20.0);
    near("peak_1s", storm.attempts.peak_1s as f64, 2565.0, 5.0);
    near("t50", seconds(storm.recovery.t50), 4.65, 5.0);
    near("t99", seconds(storm.recovery.t99), 14.16, 15.0);
    let spread = storm.spread.unwrap();
    near("fano", spread.fano, 102.0, 20.0);
    near("sync", spread.sync, 0.015, 20.0);
}

#[test]
fn other_jitters_as_the_simulation_says() {
    let equal = outage("equal");
    near("attempts", equal.attempts.total as f64, 6000.0, 0.5);
    near("t50", seconds(equal.recovery.t50), 5.26, 5.0);
    near("t99", seconds(equal.recovery.t99), 6.65, 5.0);
    near("fano", equal.spread.unwrap().fano, 114.0, 15.0);
    let decorrelated = outage("decorrelated");
    near("attempts", decorrelated.attempts.total as f64, 4184.0, 5.0);
    near("t50", seconds(decorrelated.recovery.t50), 5.30, 5.0);
    near("t99", seconds(decorrelated.recovery.t99), 11.04, 10.0);
    near("fano", decorrelated.spread.unwrap().fano, 34.0, 20.0);
}

#[test]
fn how_the_events_arrive_does_not_matter() {
    let world = |shards, early| {
        let mut world = World::new(300, "full", 2 * SECOND);
        (world.shards, world.early) = (shards, early);
        world.run(60)
    };
    let alone = world(1, Duration::ZERO);
    assert_eq!(alone.len(), 1);
    assert_eq!(world(4, Duration::ZERO), alone);
    assert_eq!(world(3, SECOND / 3), alone);
}

#[test]
fn a_run_that_ends_in_a_storm_says_so() {
    let world = World::new(100, "fixed", 60 * SECOND);
    let storms = world.run(5);
    let [storm] = storms.as_slice() else {
        panic!("{storms:?}");
    };
    assert_eq!((storm.ended, storm.recovered), (StormEnd::RunEnded, false));
    assert_eq!((storm.away, storm.recovery.t50.now_s), (100, None));
    assert_eq!(storm.recovery.floor_s, None);
    let mut world = World::new(100, "fixed", 60 * SECOND);
    world.plan.max_attempts = Some(2);
    let storms = world.run(30);
    assert_eq!(
        (storms[0].ended, storms[0].gave_up),
        (StormEnd::SomeGone, 100)
    );
    assert_eq!(storms[0].attempts.total, 200);
    assert!(storms[0].length_s < 2.1, "it ended with the last of them");
}
