//! Boundaries that the worked cases leave out, and the laws that hold for every sequence of events.

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn ms(millis: u64) -> Offset {
    Offset::from(Duration::from_millis(millis))
}

fn rule(acknowledges: Acknowledges) -> Rule {
    Rule {
        interval: SECOND,
        timeout: Duration::from_millis(500),
        acknowledges,
        max_missed: None,
        max_quiet: None,
        any_traffic: false,
        grace: Duration::ZERO,
        idle_only: false,
    }
}

fn drop_outcome(_: Outcome) {}

fn open(rule: Rule) -> Heartbeats {
    Heartbeats::new(Arc::new(rule), Offset::ZERO)
}

#[test]
fn a_deadline_has_not_passed_at_its_own_instant() {
    let mut end_of_run = open(rule(Acknowledges::UpTo));
    end_of_run.sent(ms(0), 0, &mut drop_outcome);
    end_of_run.run_ended(ms(500), &mut drop_outcome);
    assert_eq!(end_of_run.tally().pending, 1);

    let mut cut = open(rule(Acknowledges::UpTo));
    cut.sent(ms(0), 0, &mut drop_outcome);
    cut.connection_ended(ms(500), &mut drop_outcome);
    assert_eq!(cut.tally().cut, 1);

    let mut missed = open(rule(Acknowledges::UpTo));
    missed.sent(ms(0), 0, &mut drop_outcome);
    missed.connection_ended(ms(500) + STEP, &mut drop_outcome);
    assert_eq!(missed.tally().missed, 1);
}

#[test]
fn death_cuts_the_beats_within_their_timeout() {
    let mut beats = open(Rule {
        max_missed: Some(2),
        ..rule(Acknowledges::UpTo)
    });
    for (at, id) in [(0, 0), (200, 1), (700, 2), (700, 3)] {
        beats.sent(ms(at), id, &mut drop_outcome);
    }
    let verdict = beats.advance(ms(5000), &mut drop_outcome).unwrap();
    assert_eq!((verdict.at, verdict.cause), (ms(700), Cause::Misses));
    let tally = beats.tally();
    assert_eq!((tally.sent, tally.missed, tally.cut), (4, 2, 2));
    assert_eq!(
        beats.advance(ms(6000), &mut drop_outcome),
        None,
        "told once"
    );
    assert_eq!(beats.verdict(), Some(verdict));
}

#[test]
fn silence_kills_between_beats() {
    let mut beats = open(Rule {
        max_quiet: Some(Duration::from_millis(600)),
        ..rule(Acknowledges::UpTo)
    });
    beats.sent(ms(0), 0, &mut drop_outcome);
    beats.sent(ms(400), 1, &mut drop_outcome);
    let verdict = beats.advance(ms(601), &mut drop_outcome).unwrap();
    assert_eq!((verdict.at, verdict.cause), (ms(600), Cause::Quiet));
    assert_eq!((beats.tally().missed, beats.tally().cut), (1, 1));
}

#[test]
fn any_acknowledged_answer_ends_a_row_of_misses() {
    let mut beats = open(Rule {
        max_missed: Some(3),
        ..rule(Acknowledges::UpTo)
    });
    beats.sent(ms(0), 0, &mut drop_outcome);
    beats.sent(ms(100), 1, &mut drop_outcome);
    let late = beats.answered(ms(650), Some(0), &mut drop_outcome);
    assert_eq!(late, Answer::Late(Duration::from_millis(650)));
    beats.sent(ms(1000), 2, &mut drop_outcome);
    beats.sent(ms(1100), 3, &mut drop_outcome);
    assert_eq!(beats.advance(ms(1700), &mut drop_outcome), None);
    beats.sent(ms(2000), 4, &mut drop_outcome);
    let verdict = beats.advance(ms(3000), &mut drop_outcome);
    assert_eq!(verdict.map(|v| v.at), Some(ms(2500)));
}

#[test]
fn traffic_ends_a_row_of_misses_only_if_the_rule_says_so() {
    for (any_traffic, dead_at) in [(false, Some(ms(1500))), (true, None)] {
        let mut beats = open(Rule {
            max_missed: Some(2),
            any_traffic,
            ..rule(Acknowledges::UpTo)
        });
        for number in 0..5 {
            beats.sent(ms(1000 * number), number, &mut drop_outcome);
            beats.received(ms(1000 * number + 200), &mut drop_outcome);
        }
        beats.run_ended(ms(4400), &mut drop_outcome);
        assert_eq!(beats.verdict().map(|verdict| verdict.at), dead_at);
        let tally = beats.tally();
        assert_eq!(
            (tally.missed, tally.pending),
            if any_traffic { (4, 1) } else { (2, 0) }
        );
    }
}

#[test]
fn beats_over_at_the_instant_of_the_verdict_are_missed() {
    let mut beats = open(Rule {
        max_missed: Some(1),
        ..rule(Acknowledges::UpTo)
    });
    for (at, id) in [(0, 0), (0, 1), (1, 2)] {
        beats.sent(ms(at), id, &mut drop_outcome);
    }
    beats.advance(ms(501), &mut drop_outcome);
    assert_eq!((beats.tally().missed, beats.tally().cut), (2, 1));
}

#[test]
fn repeated_and_foreign_answers_acknowledge_nothing() {
    let mut beats = open(rule(Acknowledges::UpTo));
    beats.sent(ms(0), 0, &mut drop_outcome);
    beats.sent(ms(10), 1, &mut drop_outcome);
    beats.blocked(ms(20), &mut drop_outcome);
    let mut answer = |at, id| beats.answered(ms(at), id, &mut drop_outcome);
    assert_eq!(answer(30, Some(2)), Answer::Unsolicited, "blocked");
    assert_eq!(
        answer(40, Some(1)),
        Answer::OnTime(Duration::from_millis(30))
    );
    assert_eq!(answer(50, Some(0)), Answer::Duplicate, "superseded");
    assert_eq!(answer(60, Some(1)), Answer::Duplicate);
    assert_eq!(answer(70, Some(9)), Answer::Unsolicited);
    assert_eq!(answer(80, None), Answer::Unsolicited);
    let tally = beats.tally();
    assert_eq!((tally.duplicate, tally.unsolicited), (2, 3));
}

#[test]
fn an_exact_answer_leaves_earlier_beats_open() {
    let mut beats = open(rule(Acknowledges::Exact));
    beats.sent(ms(0), 0, &mut drop_outcome);
    beats.sent(ms(10), 1, &mut drop_outcome);
    beats.answered(ms(20), Some(1), &mut drop_outcome);
    assert_eq!((beats.tally().superseded, beats.open_beats()), (0, 1));
    let own = beats.answered(ms(30), Some(0), &mut drop_outcome);
    assert_eq!(own, Answer::OnTime(Duration::from_millis(30)));
}

#[test]
fn an_answer_without_a_name_is_for_the_latest_open_beat() {
    let mut beats = open(rule(Acknowledges::Any));
    let mut answers = Vec::new();
    answers.push(beats.answered(ms(0), None, &mut drop_outcome));
    beats.sent(ms(0), 0, &mut drop_outcome);
    beats.sent(ms(1000), 1, &mut drop_outcome);
    for at in [1010, 1020, 1030] {
        answers.push(beats.answered(ms(at), None, &mut drop_outcome));
    }
    assert_eq!(
        answers,
        [
            Answer::Unsolicited,
            Answer::OnTime(Duration::from_millis(10)),
            Answer::Late(Duration::from_millis(1020)),
            Answer::Duplicate,
        ]
    );
}

#[test]
fn the_grace_watch_says_true_false_or_unknown() {
    let watched = Rule {
        max_missed: Some(1),
        grace: Duration::from_millis(300),
        ..rule(Acknowledges::UpTo)
    };
    let ending = |bytes: Option<u64>, end: u64| {
        let mut beats = open(watched);
        beats.sent(ms(0), 0, &mut drop_outcome);
        if let Some(at) = bytes {
            beats.received(ms(at), &mut drop_outcome);
        }
        let untold = beats.connection_ended(ms(end), &mut drop_outcome);
        assert_eq!(untold.map(|v| v.at), Some(ms(500)));
        beats.tally().false_dead
    };
    assert_eq!(ending(Some(800), 2000), Some(true), "the last instant");
    assert_eq!(ending(Some(801), 2000), Some(false), "too late to count");
    assert_eq!(ending(None, 800), Some(false), "watched to the end");
    assert_eq!(ending(None, 799), None, "not watched to the end");
    let mut late = open(watched);
    late.sent(ms(0), 0, &mut drop_outcome);
    late.advance(ms(600), &mut drop_outcome);
    assert_eq!(late.next_deadline(), Some(ms(800) + STEP));
    late.advance(ms(800) + STEP, &mut drop_outcome);
    assert_eq!(
        (late.next_deadline(), late.tally().false_dead),
        (None, Some(false))
    );
}

#[test]
fn one_way_beats_are_not_judged() {
    let mut beats = open(Rule {
        max_missed: Some(1),
        ..rule(Acknowledges::Nothing)
    });
    beats.sent(ms(0), 0, &mut drop_outcome);
    assert_eq!(beats.advance(ms(9000), &mut drop_outcome), None);
    assert_eq!((beats.tally().one_way, beats.tally().sent), (1, 0));
}

#[test]
fn memory_is_bounded_and_what_goes_is_counted() {
    let mut mute = open(rule(Acknowledges::UpTo));
    let mut outcomes = 0;
    for id in 0..10_000 {
        mute.sent(ms(1000 * id), id, &mut |_| outcomes += 1);
    }
    assert_eq!(mute.open_beats(), BEATS_OVERDUE);
    assert_eq!(outcomes, 10_000 - BEATS_OVERDUE);
    assert_eq!(mute.tally().given_up, 0);

    let mut quick = open(rule(Acknowledges::UpTo));
    for id in 0..BEATS_IN_FLIGHT as u64 {
        assert!(!quick.is_full());
        quick.sent(Offset::from_nanos(id), id, &mut drop_outcome);
    }
    assert!(quick.is_full());
    quick.sent(ms(1), 5000, &mut drop_outcome);
    assert_eq!((quick.tally().given_up, quick.tally().missed), (1, 1));
}

#[test]
fn due_times_keep_to_their_grid() {
    let phase = Duration::from_millis(300);
    assert_eq!(due(ms(50), phase, SECOND, 0), ms(350));
    assert_eq!(due(ms(50), phase, SECOND, 1_000_000), ms(1_000_000_350));
    assert_eq!(due(ms(50), phase, Duration::MAX, u64::MAX), Offset::MAX);
    let idle = Rule {
        idle_only: true,
        ..rule(Acknowledges::UpTo)
    };
    assert_eq!(
        idle.due(ms(50), phase, 0, ms(50)),
        ms(350),
        "nothing so far"
    );
    assert_eq!(idle.due(ms(50), phase, 0, ms(200)), ms(1200), "postponed");
    assert_eq!(
        rule(Acknowledges::UpTo).due(ms(50), phase, 0, ms(200)),
        ms(350)
    );
    let mut rng = fastrand::Rng::with_seed(7);
    let phases: Vec<_> = (0..1000).map(|_| start_phase(SECOND, &mut rng)).collect();
    assert!(phases.iter().all(|phase| *phase < SECOND));
    let early = phases.iter().filter(|phase| **phase < SECOND / 2).count();
    assert!((400..600).contains(&early), "{early}");
}

#[derive(Clone, Debug)]
enum Event {
    Sent,
    Blocked,
    Answered(Option<u64>),
    Received,
    Advance,
}

fn events() -> impl Strategy<Value = Vec<(u64, Event)>> {
    let event = prop_oneof![
        4 => Just(Event::Sent),
        1 => Just(Event::Blocked),
        3 => proptest::option::of(0..40_u64).prop_map(Event::Answered),
        1 => Just(Event::Received),
        2 => Just(Event::Advance),
    ];
    proptest::collection::vec((0..400_u64, event), 0..120)
}

fn rules() -> impl Strategy<Value = Rule> {
    let acknowledges = prop_oneof![
        Just(Acknowledges::Exact),
        Just(Acknowledges::UpTo),
        Just(Acknowledges::Any)
    ];
    (
        acknowledges,
        proptest::option::of(1..5_u32),
        proptest::option::of(100..2000_u64),
        any::<bool>(),
        0..500_u64,
    )
        .prop_map(
            |(acknowledges, max_missed, quiet, any_traffic, grace)| Rule {
                max_missed,
                max_quiet: quiet.map(Duration::from_millis),
                any_traffic,
                grace: Duration::from_millis(grace),
                ..rule(acknowledges)
            },
        )
}

fn settled(tally: &Tally) -> u64 {
    tally.on_time + tally.superseded + tally.late + tally.missed + tally.cut + tally.pending
}

proptest! {
    #[test]
    fn nothing_is_lost_and_no_deadline_spins(rule in rules(), events in events(), cut in any::<bool>()) {
        let mut beats = open(rule);
        let (mut at, mut id, mut emitted) = (0, 0, 0);
        for (gap, event) in events {
            at += gap;
            let now = ms(at);
            let mut emit = |_| emitted += 1;
            match event {
                Event::Sent => { beats.sent(now, id, &mut emit); id += 1; }
                Event::Blocked => { beats.blocked(now, &mut emit); id += 1; }
                Event::Answered(id) => { beats.answered(now, id, &mut emit); }
                Event::Received => beats.received(now, &mut emit),
                Event::Advance => { beats.advance(now, &mut emit); }
            }
            prop_assert_eq!(beats.tally().sent, settled(beats.tally()) + beats.open_beats() as u64);
            if let Some(next) = beats.next_deadline() {
                let mut ahead = beats.clone();
                let fired = ahead.advance(next, &mut |_| ());
                let moved = ahead.next_deadline() != Some(next);
                prop_assert!(next >= now && (fired.is_some() || moved), "{next:?} fires nothing");
                if next > now {
                    let mut before = beats.clone();
                    let early = before.advance(next - STEP, &mut |_| ());
                    prop_assert!(early.is_none() && before.tally() == beats.tally());
                }
            }
        }
        let end = ms(at + 100);
        let mut emit = |_| emitted += 1;
        if cut { beats.connection_ended(end, &mut emit); } else { beats.run_ended(end, &mut emit); }
        prop_assert_eq!(beats.tally().sent, settled(beats.tally()));
        prop_assert_eq!(beats.tally().sent, emitted);
        prop_assert_eq!((beats.open_beats(), beats.next_deadline()), (0, None));
    }
}
