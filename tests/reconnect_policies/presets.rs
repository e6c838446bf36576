//! The waits of every preset, in the order a client lives through them.

use std::time::Duration;

use wsbench::engine::reconnect::Backoff;
use wsbench::scenario::reconnect::preset;

/// The first waits in milliseconds of the clients that draw nothing.
#[test]
fn presets_without_jitter_wait_exactly() {
    let table: [(&str, &[u64]); 9] = [
        ("none", &[]),
        ("fixed", &[1000, 1000, 1000]),
        (
            "exponential",
            &[1000, 2000, 4000, 8000, 16_000, 30_000, 30_000],
        ),
        (
            "phoenix",
            &[
                10, 50, 100, 150, 200, 250, 500, 1000, 2000, 5000, 5000, 5000,
            ],
        ),
        ("signalr", &[0, 2000, 10_000, 30_000]),
        (
            "partysocket",
            &[3000, 3900, 5070, 6591, 8568, 10_000, 10_000],
        ),
        ("stompjs", &[5000, 5000, 5000]),
        ("mqtt", &[1000, 1000, 1000]),
        ("slack", &[5000, 10_000, 15_000, 20_000, 25_000]),
    ];
    for (name, expected) in table {
        let plan = preset(name).unwrap();
        let mut rng = fastrand::Rng::with_seed(1);
        let mut backoff = Backoff::default();
        for millis in expected {
            let wait = backoff.next(&plan, &mut rng).unwrap();
            assert_eq!(wait.as_millis(), u128::from(*millis), "{name}");
        }
        let over = ["none", "signalr"].contains(&name);
        assert_eq!(backoff.next(&plan, &mut rng).is_none(), over, "{name}");
    }
}

/// Bounds in seconds of the first waits of the clients that draw.
const BOUNDS: [(&str, &[(f64, f64)]); 11] = [
    ("fixed-jitter", &[(0.5, 1.5), (0.5, 1.5)]),
    (
        "full",
        &[
            (0.0, 1.0),
            (0.0, 2.0),
            (0.0, 4.0),
            (0.0, 8.0),
            (0.0, 16.0),
            (0.0, 30.0),
        ],
    ),
    (
        "equal",
        &[
            (0.5, 1.0),
            (1.0, 2.0),
            (2.0, 4.0),
            (4.0, 8.0),
            (8.0, 16.0),
            (15.0, 30.0),
        ],
    ),
    ("decorrelated", &[(1.0, 3.0), (1.0, 9.0)]),
    ("uniform", &[(0.0, 10.0), (0.0, 10.0)]),
    // The cap comes after the jitter: the fourth wait is 5 s for most, the fifth for all.
    (
        "socketio",
        &[
            (0.55, 1.5),
            (1.1, 3.0),
            (2.2, 5.0),
            (4.4, 5.0),
            (5.0, 5.0),
            (5.0, 5.0),
        ],
    ),
    (
        "reconnecting-websocket",
        &[(1.0, 5.0), (1.3, 6.5), (1.69, 8.45), (2.197, 10.0)],
    ),
    (
        "actioncable",
        &[(6.0, 12.0), (6.9, 7.935), (7.935, 9.12525)],
    ),
    (
        "graphql-ws",
        &[
            (1.3, 4.0),
            (2.3, 5.0),
            (4.3, 7.0),
            (8.3, 11.0),
            (16.3, 19.0),
        ],
    ),
    (
        "centrifuge",
        &[
            (0.5, 1.0),
            (0.5, 1.5),
            (0.5, 2.5),
            (0.5, 4.5),
            (0.5, 8.5),
            (0.5, 16.5),
            (0.5, 20.0),
        ],
    ),
    ("grpc", &[(0.8, 1.2), (1.28, 1.92), (2.048, 3.072)]),
];

/// No wait is outside its bounds, and both ends are reached (within 5 % of the way) by 4,000 clients.
#[test]
fn presets_with_jitter_keep_and_fill_their_bounds() {
    for (name, bounds) in BOUNDS {
        let plan = preset(name).unwrap();
        let mut seen = vec![(f64::MAX, 0.0_f64); bounds.len()];
        for client in 0..4000 {
            let mut rng = fastrand::Rng::with_seed(client);
            let mut backoff = Backoff::default();
            for (least, most) in &mut seen {
                let wait = backoff.next(&plan, &mut rng).unwrap().as_secs_f64();
                (*least, *most) = (least.min(wait), most.max(wait));
            }
            let over = name == "graphql-ws";
            assert_eq!(backoff.next(&plan, &mut rng).is_none(), over, "{name}");
        }
        for ((low, high), (least, most)) in bounds.iter().zip(seen) {
            let near = 0.05 * (high - low) + 1e-8;
            let fills = (low - 1e-8..=low + near).contains(&least)
                && (high - near..=high + 1e-8).contains(&most);
            assert!(fills, "{name}: {least} to {most}, not {low} to {high}");
        }
    }
}

/// Six times 1.15^10 is where Action Cable's growth ends.
#[test]
fn action_cable_grows_ten_times() {
    let plan = preset("actioncable").unwrap();
    let mut rng = fastrand::Rng::with_seed(1);
    let mut backoff = Backoff::default();
    let mut wait = || backoff.next(&plan, &mut rng).unwrap().as_secs_f64();
    let waits: Vec<_> = (0..14).map(|_| wait()).collect();
    for (n, wait) in waits.iter().enumerate().skip(1) {
        let base = 6.0 * 1.15_f64.powi(n.min(10) as i32);
        assert!(
            (base - 1e-6..=base * 1.15 + 1e-6).contains(wait),
            "{n}: {wait}"
        );
    }
}

#[test]
fn a_factor_drawn_once_stays_with_its_client_through_all_losses() {
    let plan = preset("reconnecting-websocket").unwrap();
    let mut rng = fastrand::Rng::with_seed(1);
    let mut firsts = Vec::new();
    for _ in 0..3 {
        let mut backoff = Backoff::default();
        let first = backoff.next(&plan, &mut rng).unwrap();
        let second = backoff.next(&plan, &mut rng).unwrap();
        assert!((second.as_secs_f64() / first.as_secs_f64() - 1.3).abs() < 1e-6);
        backoff.lost(&plan, Some(Duration::from_secs(5)));
        assert_eq!(backoff.next(&plan, &mut rng), Some(first), "starts over");
        firsts.push(first);
    }
    assert!(
        firsts[0] != firsts[1] && firsts[1] != firsts[2],
        "{firsts:?}"
    );
}
