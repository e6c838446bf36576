//! A storm of 2,000 clients in a model, against the reference table of RELIABILITY 3.4 A.
//!
//! All are dropped within 20 ms; the server refuses for 3 s and then serves everybody at once. Each
//! client runs the [`Backoff`] that ships, with a generator of its own; the first attempt comes after
//! the first wait, counted from the client's own notice, and a refused attempt takes no time. So
//! attempts depend on the policy alone.

use std::time::Duration;

use wsbench::engine::reconnect::Backoff;
use wsbench::scenario::reconnect::preset;
use wsbench::scenario::{Jitter, Reconnect, ReconnectPolicy};

const CLIENTS: usize = 2000;
/// Seconds.
const NOTICE: f64 = 0.02;
const OUTAGE: f64 = 3.0;
/// Storms of each policy: their mean is compared. The table is one storm: it is off by chance as far
/// as these are from each other.
const STORMS: u64 = 40;

/// What is held against the table; times in seconds.
const COLUMNS: [&str; 8] = [
    "attempts",
    "peak 100 ms",
    "peak 1 s",
    "t50",
    "t99",
    "t100",
    "fano",
    "sync",
];

/// Table A.
const TABLE: [(&str, [f64; 8]); 12] = [
    (
        "fixed",
        [6000.0, 2000.0, 2000.0, 3.01, 3.02, 3.02, 1714.0, 0.300],
    ),
    (
        "fixed-jitter",
        [7093.0, 307.0, 2291.0, 3.51, 4.37, 4.46, 17.8, 0.003],
    ),
    (
        "exponential",
        [4000.0, 2000.0, 2000.0, 3.01, 3.02, 3.02, 1810.0, 0.475],
    ),
    (
        "full",
        [6847.0, 307.0, 2565.0, 4.65, 14.16, 18.83, 102.0, 0.015],
    ),
    (
        "equal",
        [6000.0, 397.0, 2000.0, 5.26, 6.65, 6.88, 114.0, 0.019],
    ),
    (
        "decorrelated",
        [4184.0, 148.0, 1193.0, 5.30, 11.04, 11.86, 34.0, 0.008],
    ),
    (
        "grpc",
        [5923.0, 495.0, 2000.0, 5.13, 5.92, 6.05, 175.0, 0.030],
    ),
    (
        "socketio",
        [4903.0, 228.0, 2000.0, 4.15, 7.96, 8.00, 53.0, 0.011],
    ),
    (
        "phoenix",
        [18000.0, 4000.0, 12000.0, 4.27, 4.28, 4.28, 2026.0, 0.115],
    ),
    (
        "signalr",
        [6000.0, 2000.0, 2000.0, 12.0, 12.0, 12.0, 1950.0, 0.328],
    ),
    (
        "reconnecting-websocket",
        [3138.0, 93.0, 842.0, 4.30, 6.77, 6.88, 11.0, 0.004],
    ),
    (
        "uniform",
        [2729.0, 42.0, 301.0, 6.66, 11.96, 12.85, 4.2, 0.002],
    ),
];

/// When clients dialled, and when each was served; both sorted, in seconds after the drop.
struct Storm {
    attempts: Vec<f64>,
    served: Vec<f64>,
    gave_up: usize,
}

fn storm(plan: &Reconnect, seed: u64) -> Storm {
    let mut seeds = fastrand::Rng::with_seed(seed);
    let mut storm = Storm {
        attempts: Vec::new(),
        served: Vec::new(),
        gave_up: 0,
    };
    for _ in 0..CLIENTS {
        let mut rng = seeds.fork();
        let mut backoff = Backoff::default();
        let mut now = rng.f64() * NOTICE;
        let mut open_for = Some(Duration::from_secs(60));
        loop {
            backoff.lost(plan, open_for.take());
            let Some(wait) = backoff.next(plan, &mut rng) else {
                storm.gave_up += 1;
                break;
            };
            now += wait.as_secs_f64();
            storm.attempts.push(now);
            if now >= OUTAGE {
                storm.served.push(now);
                break;
            }
        }
    }
    storm.attempts.sort_by(f64::total_cmp);
    storm.served.sort_by(f64::total_cmp);
    storm
}

/// Most attempts in any window `[s, s + width)` that starts with an attempt.
fn peak(attempts: &[f64], width: f64) -> usize {
    let mut first = 0;
    let window = |(last, at): (usize, &f64)| {
        while at - attempts[first] >= width {
            first += 1;
        }
        last + 1 - first
    };
    attempts
        .iter()
        .enumerate()
        .map(window)
        .max()
        .expect("attempts")
}

fn measure(storm: &Storm) -> [f64; 8] {
    let back = |share: f64| storm.served[(share * CLIENTS as f64).ceil() as usize - 1];
    // Bins of 100 ms from the first attempt to the one that holds t99.
    let bin = |at: f64| ((at - storm.attempts[0]) / 0.1) as usize;
    let mut bins = vec![0.0; bin(back(0.99)) + 1];
    for at in &storm.attempts {
        if let Some(count) = bins.get_mut(bin(*at)) {
            *count += 1.0;
        }
    }
    let (k, all) = (bins.len() as f64, bins.iter().sum::<f64>());
    let squares = bins.iter().map(|count| count * count).sum::<f64>();
    let fano = (squares / k - (all / k).powi(2)) / (all / k);
    let sync = (squares / (all * all) - 1.0 / k) / (1.0 - 1.0 / k);
    [
        storm.attempts.len() as f64,
        peak(&storm.attempts, 0.1) as f64,
        peak(&storm.attempts, 1.0) as f64,
        back(0.5),
        back(0.99),
        back(1.0),
        fano,
        sync,
    ]
}

/// How far the table's value may be from the model's: attempts 1 % (exact without jitter), peaks 10 %,
/// times 0.15 s or 3 %, Fano 15 %, sync half of its last digit more.
fn tolerance(column: usize, expected: f64, jitter: bool) -> f64 {
    match column {
        0 if !jitter => 0.0,
        0 => 0.01 * expected,
        1 | 2 => 0.1 * expected,
        3..=5 => 0.15_f64.max(0.03 * expected),
        6 => 0.15 * expected,
        _ => 0.15 * expected + 0.0005,
    }
}

#[test]
fn storms_are_those_of_the_reference_table() {
    let mut wrong = Vec::new();
    for (name, expected) in TABLE {
        let plan = preset(name).expect("a preset");
        let storms: Vec<_> = (0..STORMS).map(|seed| storm(&plan, seed)).collect();
        assert!(storms.iter().all(|storm| storm.gave_up == 0), "{name}");
        let measured: Vec<_> = storms.iter().map(measure).collect();
        let decorrelated = matches!(plan.policy, ReconnectPolicy::Decorrelated { .. });
        let jitter = decorrelated || plan.jitter != Jitter::NONE;
        let mut row = format!("{name:<22}");
        for (column, expected) in expected.into_iter().enumerate() {
            let values = measured.iter().map(|values| values[column]);
            let mean = values.clone().sum::<f64>() / STORMS as f64;
            let squares = values.map(|value| (value - mean).powi(2)).sum::<f64>();
            let deviation = (squares / (STORMS - 1) as f64).sqrt();
            row += &format!(" {mean:.5}+-{deviation:.2}");
            let allowed = tolerance(column, expected, jitter) + deviation;
            let allowed = allowed.max(3.0 * deviation);
            if (mean - expected).abs() > allowed {
                wrong.push(format!(
                    "{name}, {}: {mean} +- {deviation}, the table has {expected}",
                    COLUMNS[column]
                ));
            }
        }
        println!("{row}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
