//! Known curves, and the laws of every curve.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::scenario::Stage;

const ALL: Shard = Shard { index: 0, of: 1 };

fn load(model: LoadModel, stages: &[(u64, f64)]) -> Load {
    let stage = |(millis, goal): &(u64, f64)| Stage {
        duration: Duration::from_millis(*millis),
        goal: *goal,
    };
    Load {
        model,
        stages: stages.iter().map(stage).collect(),
        warm_up: Duration::ZERO,
        drain: Duration::ZERO,
        shards: None,
    }
}

fn closed(stages: &[(u64, f64)]) -> LoadCurve {
    LoadCurve::new(&load(LoadModel::Closed, stages), 0)
}

fn open(stages: &[(u64, f64)], poisson: bool) -> LoadCurve {
    let model = LoadModel::Open {
        max_clients: 1000,
        poisson,
    };
    LoadCurve::new(&load(model, stages), 9)
}

fn ms(millis: u64) -> Offset {
    Offset::from(Duration::from_millis(millis))
}

#[test]
fn a_closed_ramp_reaches_its_goal_at_its_end_and_holds_it() {
    let curve = closed(&[(5000, 1000.0), (30_000, 1000.0)]);
    let starts: Vec<Change> = curve.changes(ALL).collect();
    assert_eq!(starts.len(), 1000);
    assert_eq!((starts[0].at, starts[999].at), (ms(5), ms(5000)));
    assert_eq!(curve.start(999), Some(ms(5000)));
    assert_eq!(curve.start(1000), None);
    assert_eq!(curve.total_arrivals(), 1000);
}

#[test]
fn a_falling_curve_stops_the_last_started_and_starts_it_again() {
    let curve = closed(&[(4000, 4.0), (4000, 2.0), (2000, 3.0)]);
    let tail = |change: &Change| (change.at.nanos(), change.client, change.direction);
    let changes: Vec<_> = curve.changes(ALL).skip(4).map(|c| tail(&c)).collect();
    let expected = [
        (4_000_000_001, 3, Direction::Stop),
        (6_000_000_001, 2, Direction::Stop),
        (10_000_000_000, 2, Direction::Start),
    ];
    assert_eq!(changes, expected);
    assert_eq!(curve.total_arrivals(), 5);
    assert_eq!(curve.start(2), Some(ms(3000)), "the first time");
}

#[test]
fn open_arrivals_lie_where_the_area_is_whole() {
    let hold = open(&[(1, 10.0), (10_000, 10.0)], false);
    let second = hold.start(19).unwrap();
    assert!(
        second.since(ms(2000)) < Duration::from_millis(1),
        "{second:?}"
    );
    let ramp = open(&[(10_000, 20.0)], false);
    // The area is t^2: arrival k is due at sqrt(k + 1) seconds.
    for (k, seconds) in [(0, 1.0), (3, 2.0), (98, 99_f64.sqrt()), (99, 10.0)] {
        let at = ramp.start(k).unwrap().secs_f64();
        assert!((at - seconds).abs() < 2e-9, "{k}: {at}");
    }
    assert_eq!((ramp.start(100), ramp.total_arrivals()), (None, 100));
    let down = open(&[(1, 20.0), (10_000, 0.0)], false);
    assert_eq!(down.total_arrivals(), 100);
    assert!(down.start(99).is_some_and(|at| at <= ms(10_001)));
}

#[test]
fn binary_fractions_lose_no_arrival() {
    let thirds = open(&[(1, 0.1), (30_000, 0.1)], false);
    assert_eq!(thirds.total_arrivals(), 3);
    assert_eq!(thirds.changes(ALL).count(), 3);
    // 0.29 x 100 is 28.999999999999996 to a computer.
    let short = open(&[(100_000, 0.58)], false);
    assert_eq!(short.total_arrivals(), 29);
    assert_eq!(short.start(28), Some(ms(100_000)));
    let stages: Vec<_> = (0..300).map(|_| (100, 0.1)).collect();
    let many = open(&stages, false);
    assert_eq!(many.total_arrivals(), many.changes(ALL).count() as u64);
}

#[test]
fn a_long_run_stays_exact() {
    let curve = open(&[(1, 100_000.0), (36_000_000, 100_000.0)], false);
    let last = 3_600_000_000;
    let (a, b) = (
        curve.start(last - 2).unwrap(),
        curve.start(last - 1).unwrap(),
    );
    let gap = b.since(a).as_nanos().abs_diff(10_000);
    assert!(gap <= 200, "{gap} ns off at ten hours");
    assert_eq!(curve.total_arrivals(), 3_600_000_050);
}

#[test]
fn a_curve_without_load_is_empty() {
    for curve in [
        closed(&[(1000, 0.0)]),
        open(&[(1000, 0.0)], false),
        open(&[(1000, 0.0)], true),
    ] {
        assert_eq!(curve.changes(ALL).count(), 0);
        assert_eq!((curve.start(0), curve.total_arrivals()), (None, 0));
    }
}

#[test]
fn poisson_arrivals_follow_the_rate() {
    let curve = open(&[(10_000, 2000.0)], true);
    let arrivals: Vec<Change> = curve.changes(ALL).collect();
    assert!(
        (9600..10_400).contains(&arrivals.len()),
        "{}",
        arrivals.len()
    );
    let early = arrivals
        .iter()
        .filter(|change| change.at < ms(5000))
        .count();
    // A quarter of a triangle's area lies in its first half.
    assert!((2300..2700).contains(&early), "{early}");
    assert_eq!(curve.total_arrivals(), arrivals.len() as u64);
    assert_eq!(curve.start(17), Some(arrivals[17].at));
    let areas = arrivals.iter().map(|change| curve.area(change.at));
    let areas: Vec<f64> = areas.collect();
    let long = areas
        .windows(2)
        .filter(|pair| pair[1] - pair[0] > 1.0)
        .count();
    let share = long as f64 / areas.len() as f64;
    assert!((share - 0.368).abs() < 0.02, "{share}");
}

fn stages() -> impl Strategy<Value = Vec<(u64, f64)>> {
    let stage = (1..5000_u64, (0..60_u32).prop_map(f64::from));
    proptest::collection::vec(stage, 1..6)
}

proptest! {
    #[test]
    fn arrivals_so_far_are_the_area_so_far(stages in stages(), part in 0.0..1.0_f64) {
        let curve = open(&stages, false);
        let end: u64 = stages.iter().map(|stage| stage.0).sum();
        let at = Offset::from_nanos((part * end as f64 * 1e6) as u64);
        let due = curve.changes(ALL).filter(|change| change.at <= at).count() as f64;
        let area = curve.area(at);
        // Arrivals are rounded to a nanosecond: the area of one more or less is the tolerance.
        let grain = 1e-6;
        prop_assert!((area - grain).floor() <= due && due <= (area + grain).floor(), "{due} {area}");
        prop_assert_eq!(curve.changes(ALL).count() as u64, curve.total_arrivals());
    }

    #[test]
    fn connected_clients_are_the_goal(stages in stages(), part in 0.0..1.0_f64) {
        let curve = closed(&stages);
        let end: u64 = stages.iter().map(|stage| stage.0).sum();
        let at = Offset::from_nanos((part * end as f64 * 1e6) as u64);
        let mut connected = Vec::new();
        for change in curve.changes(ALL).take_while(|change| change.at <= at) {
            match change.direction {
                Direction::Start => connected.push(change.client),
                Direction::Stop => prop_assert_eq!(connected.pop(), Some(change.client)),
            }
        }
        let goal = curve.goal(at);
        let count = connected.len() as f64;
        prop_assert!((goal - 1e-6).floor() <= count && count <= (goal + 1e-6).floor(), "{count} {goal}");
        prop_assert!(connected.iter().enumerate().all(|(i, client)| i as u64 == *client));
    }

    #[test]
    fn shards_lose_none_and_duplicate_none(stages in stages(), of in 1..9_u16, model in 0..3_u8) {
        let curve = match model { 0 => closed(&stages), m => open(&stages, m == 2) };
        let mut dealt = Vec::new();
        for index in 0..of {
            let shard = Shard { index, of };
            let own: Vec<Change> = curve.changes(shard).collect();
            prop_assert!(own.is_sorted_by_key(|change| change.at));
            prop_assert!(own.iter().all(|change| shard.holds(change.client)));
            dealt.extend(own);
        }
        let key = |change: &Change| (change.at, change.client, change.direction == Direction::Start);
        let mut all: Vec<Change> = curve.changes(ALL).collect();
        prop_assert!(all.is_sorted_by_key(|change| change.at));
        dealt.sort_by_key(key);
        all.sort_by_key(key);
        prop_assert_eq!(dealt, all);
    }
}
