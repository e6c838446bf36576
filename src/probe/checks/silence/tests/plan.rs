//! What is asked next.

use super::*;

/// Asks as a probe would, each answered by `peer`, and gives everything that was asked.
fn asked_of(mut seen: Seen, peer: fn(&Variation) -> Outcome) -> Vec<Variation> {
    for _ in 0..6 {
        let batch = planner::next(&seen);
        if batch.is_empty() {
            return seen.compared.into_iter().map(|e| e.asked).collect();
        }
        let answers = batch.into_iter().map(|v| {
            let outcome = peer(&v);
            exchange((v, outcome, 5.0))
        });
        seen.compared.extend(answers.collect::<Vec<_>>());
    }
    panic!("it never stops asking: {:?}", planner::next(&seen));
}

#[test]
fn only_what_decides_is_asked() {
    let closed = || seen(ends("FIN"), 1.0, vec![]);
    assert!(asked_of(seen(opens(), 3.0, vec![]), |_| opens()).is_empty());
    assert!(asked_of(seen(status(404), 3.0, vec![]), |_| opens()).is_empty());
    assert_eq!(
        asked_of(seen(opens(), 1_500.0, vec![]), |_| opens()),
        [Again]
    );

    // TLS answers: nothing more is to be known.
    let tls = asked_of(closed(), |v| match v {
        OtherScheme => opens(),
        _ => ends("FIN"),
    });
    assert!(!tls.contains(&Garbage), "{tls:?}");

    let dead = asked_of(closed(), |v| match v {
        OtherScheme => no_tls(),
        _ => ends("FIN"),
    });
    assert!(
        dead.contains(&Listen) && dead.contains(&Garbage),
        "{dead:?}"
    );
    assert_eq!(dead.iter().filter(|v| **v == Again).count(), 3);

    let half = asked_of(closed(), |v| match v {
        Again => opens(),
        OtherScheme => no_tls(),
        _ => ends("FIN"),
    });
    assert_eq!(half.iter().filter(|v| **v == Again).count(), 5);

    let only_upgrade = asked_of(closed(), |v| match v {
        PlainGet => status(404),
        OtherScheme => no_tls(),
        _ => ends("FIN"),
    });
    assert!(only_upgrade.contains(&GetPath(ENGINE_IO.into())));
    assert!(only_upgrade.contains(&Variation::Path("/".into())));
    assert!(!only_upgrade.contains(&Garbage), "{only_upgrade:?}");

    let hangs = asked_of(seen(HANGS, 0.0, vec![]), |v| match v {
        OtherScheme => Outcome::NoTls(TlsProblem::TimedOut),
        _ => HANGS,
    });
    assert!(
        hangs.contains(&PlainGet) && hangs.contains(&Garbage),
        "{hangs:?}"
    );
    assert!(!hangs.contains(&Listen), "{hangs:?}");
    for all in [tls, dead, half, only_upgrade, hangs] {
        assert!(all.len() <= 12, "{all:?}");
    }
}
