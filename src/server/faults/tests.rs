use super::*;

fn plan(fault: ServerFault) -> ServerFaultPlan {
    ServerFaultPlan {
        fault,
        probability: 1.0,
        share: 1.0,
    }
}

fn active(seed: u64, plan: ServerFaultPlan) -> [Active; 1] {
    [Active::new(seed, 3, plan, None)]
}

#[test]
fn a_decision_depends_on_seed_fault_connection_and_message_only() {
    let half = ServerFaultPlan {
        probability: 0.5,
        ..plan(ServerFault::DropReplies)
    };
    let table = |seed: u64, id: u64| {
        let faults = [Active::new(seed, id, half.clone(), None)];
        let of = |connection, message| fate(&faults, connection, message).dropped;
        let messages = |connection| (0..50).map(move |message| (connection, message));
        let all = (1..20).flat_map(messages);
        all.map(|(connection, message)| of(connection, message))
            .collect::<Vec<_>>()
    };
    assert_eq!(table(7, 1), table(7, 1));
    assert_ne!(table(7, 1), table(8, 1), "another seed");
    assert_ne!(table(7, 1), table(7, 2), "another occurrence");
    let rows = table(7, 1);
    assert_ne!(rows[..50], rows[50..100], "another connection");
}

#[test]
fn shares_and_probabilities_are_kept() {
    for (share, probability, expected) in [
        (1.0, 1.0, 10_000),
        (0.25, 1.0, 2_500),
        (1.0, 0.1, 1_000),
        (0.5, 0.5, 2_500),
    ] {
        let fault = ServerFaultPlan {
            probability,
            share,
            ..plan(ServerFault::DropPongs)
        };
        let faults = active(1, fault);
        let connections = 1..=100;
        let lost: usize = connections
            .map(|connection| {
                let pings = 0..100;
                pings
                    .filter(|ping| loses_pong(&faults, connection, *ping))
                    .count()
            })
            .sum();
        // Of 100 connections a share is hit: 5 standard deviations are 25 of them.
        let slack = if share < 1.0 { 2_500 } else { 200 };
        assert!(
            lost.abs_diff(expected) <= slack,
            "{share} {probability}: {lost}"
        );
    }
}

#[test]
fn a_share_hits_whole_connections() {
    let fault = ServerFaultPlan {
        share: 0.5,
        ..plan(ServerFault::DropReplies)
    };
    let faults = active(1, fault);
    for connection in 1..100 {
        let dropped = (0..20).filter(|n| fate(&faults, connection, *n).dropped);
        let expected = if faults[0].hits(connection) { 20 } else { 0 };
        assert_eq!(dropped.count(), expected);
    }
}

#[test]
fn delays_add_up_and_jitter_only_adds() {
    let second = Duration::from_secs(1);
    let fault = |jitter| ServerFault::Delay {
        delay: second,
        jitter,
    };
    let fixed = plan(fault(Duration::ZERO));
    let both = [
        Active::new(1, 1, fixed, None),
        Active::new(1, 2, plan(fault(second)), None),
    ];
    let spans: Vec<_> = (0..200).map(|message| delay(&both, 5, message)).collect();
    assert!(spans.iter().all(|s| (2 * second..3 * second).contains(s)));
    let low = spans.iter().filter(|s| **s < second * 5 / 2).count();
    assert!((50..150).contains(&low), "{low}");
    assert_eq!(delay(&[], 5, 0), Duration::ZERO);
}

#[test]
fn connections_end_by_age_or_by_messages() {
    let second = Duration::from_secs(1);
    let faults = active(
        1,
        plan(ServerFault::CloseAfter {
            after: Some(5 * second),
            messages: Some(10),
            ending: ServerEnding::Close(1001),
        }),
    );
    let end = Some(ServerEnding::Close(1001));
    for (age, received, expected) in [(4, 9, None), (5, 0, end), (0, 10, end), (9, 99, end)] {
        assert_eq!(ending(&faults, 1, age * second, received), expected);
    }
    assert_eq!(longest_age(&faults, 1), Some(5 * second));
    let nobody = ServerFaultPlan {
        share: 0.0,
        ..faults[0].plan.clone()
    };
    assert_eq!(ending(&active(1, nobody.clone()), 1, 9 * second, 99), None);
    assert_eq!(longest_age(&active(1, nobody), 1), None);
}

#[test]
fn the_door_obeys_the_strictest() {
    let faults = [
        ServerFault::AcceptRate { per_s: 10.0 },
        ServerFault::AcceptRate { per_s: 4.0 },
        ServerFault::Backlog { connections: 9 },
        ServerFault::Backlog { connections: 0 },
    ]
    .map(|fault| Active::new(1, 1, plan(fault), None));
    assert_eq!(accept_gap(&faults), Some(Duration::from_millis(250)));
    assert_eq!(backlog(&faults), Some(0));
    assert!(!is_shut(&faults));
    assert!(is_shut(&active(1, plan(ServerFault::RestartServer))));
    assert_eq!((accept_gap(&[]), backlog(&[])), (None, None));
}

#[test]
fn one_byte_is_changed_and_text_stays_text() {
    for text in ["x", "ping", "é", "aé€😀z", "\u{7f}\u{0}", "😀😀", "€€€"] {
        for draw in 0..500 {
            let mut bytes = text.as_bytes().to_vec();
            corrupt(OpCode::Data(Data::Text), &mut bytes, mix(draw));
            let differing = bytes.iter().zip(text.bytes()).filter(|(a, b)| *a != b);
            assert_eq!(differing.count(), 1, "{text} {draw}");
            assert!(
                std::str::from_utf8(&bytes).is_ok(),
                "{text} {draw}: {bytes:?}"
            );
        }
    }
    let mut binary = [0xff; 4];
    corrupt(OpCode::Data(Data::Binary), &mut binary, 2);
    assert_eq!(binary.iter().filter(|byte| **byte != 0xff).count(), 1);
    corrupt(OpCode::Data(Data::Text), &mut [], 2);
}
