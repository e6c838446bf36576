//! Parts and the whole: what several machines record apart is what one records together.

use proptest::prelude::*;

use super::*;
use crate::clock::Offset;
use crate::failure::{CloseCause, FailureKind};
use crate::metrics::{Counter as C, Gauges, Interval, Origin, Phase, Recorder, Window};
use crate::result::{fixture, hlog};

/// Things that happen, as (second, kind, size).
type Happenings = Vec<(usize, u8, u64)>;

const PHASES: [Phase; 4] = [Phase::WarmUp, Phase::Measure, Phase::Measure, Phase::Drain];

/// Four seconds of a machine on which these things happen.
fn intervals(happenings: &Happenings) -> Vec<Interval> {
    let mut recorder = Recorder::new();
    let mut intervals = Vec::new();
    for (index, phase) in PHASES.into_iter().enumerate() {
        let origin = match phase {
            Phase::Measure => Origin::Measured,
            _ => Origin::Other,
        };
        let mut now = happenings.iter().filter(|(second, ..)| *second == index);
        let mut connected = 0;
        for (_, kind, size) in now.by_ref() {
            connected += size % 7;
            happen(&mut recorder, origin, *kind, *size);
        }
        let second = |n: usize| Offset::from_nanos(n as u64 * 1_000_000_000);
        let window = Window {
            index: index as u64,
            start: second(index),
            end: second(index + 1),
            phase,
        };
        let gauges = Gauges {
            connected,
            clients: connected + 1,
            outstanding: connected / 2,
            busy: 0.25,
            cpu: Duration::from_millis(250),
        };
        intervals.push(recorder.cut(window, gauges));
    }
    intervals
}

fn happen(recorder: &mut Recorder, origin: Origin, kind: u8, size: u64) {
    let time = Duration::from_micros(50 + size * 17);
    match kind {
        0 => {
            recorder.add(origin, C::MessagesSent, 1);
            recorder.add(origin, C::RepliesMatched, 1);
            recorder.record(origin, Metric::RoundTrip, time);
            recorder.record(origin, Metric::ServiceTime, time / 2);
            recorder.record(origin, Metric::ScheduleLag, time / 9);
        }
        1 => {
            recorder.add(origin, C::MessagesSent, 1);
            recorder.add(origin, C::RepliesTimedOut, 1);
            recorder.censor(origin, Metric::RoundTrip);
            recorder.censor(origin, Metric::ServiceTime);
        }
        2 => {
            recorder.add(origin, C::ConnectionsAttempted, 1);
            let kind = [FailureKind::Refused, FailureKind::HttpStatus(503)][size as usize % 2];
            recorder.fail(origin, kind, || format!("example {}", size % 5));
        }
        3 => {
            recorder.add(origin, C::ConnectionsAttempted, 1);
            recorder.add(origin, C::ConnectionsOpened, 1);
            recorder.record(origin, Metric::Handshake, time);
            let cause = CloseCause::Lost(FailureKind::Reset);
            recorder.close(origin, cause, || format!("gone {size}"));
        }
        _ => recorder.record(origin, Metric::Delivery, time),
    }
}

fn part(name: &str, happenings: &Happenings) -> (Part, Vec<Interval>) {
    let intervals = intervals(happenings);
    let text = intervals.iter().map(hlog::lines);
    let text = hlog::header(fixture::started()) + &text.collect::<String>();
    let part = Part {
        name: name.to_owned(),
        result: fixture::result_of(fixture::facts(), &intervals),
        log: Log::parse(&text).expect("our own log"),
    };
    (part, intervals)
}

fn happenings() -> impl Strategy<Value = Happenings> {
    prop::collection::vec((0..4_usize, 0..5_u8, 0..100_000_u64), 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn the_union_of_parts_is_the_whole(all in prop::collection::vec(happenings(), 2..4)) {
        let (mut parts, mut whole) = (Vec::new(), Vec::<Interval>::new());
        for (number, happenings) in all.iter().enumerate() {
            let (part, intervals) = part(&format!("machine {number}"), happenings);
            parts.push(part);
            if whole.is_empty() {
                whole = intervals;
            } else {
                whole.iter_mut().zip(&intervals).for_each(|(all, one)| all.merge(one));
            }
        }
        let logs: String = whole.iter().map(hlog::lines).collect();
        let whole = fixture::result_of(fixture::facts(), &whole);
        let union = merge(parts).expect("they merge");
        prop_assert_eq!(&union.result.summary, &whole.summary);
        prop_assert_eq!(&union.result.outside_measure, &whole.outside_measure);
        prop_assert_eq!(union.result.phases, whole.phases);
        for (merged, one) in union.result.timeline.rows.iter().zip(&whole.timeline.rows) {
            let mut merged = merged.clone();
            prop_assert!((merged.cpu_s - one.cpu_s).abs() < 1e-9);
            merged.cpu_s = one.cpu_s;
            if merged.phase != Phase::Measure {
                // The log has measured samples only: such cells are the whole's, or empty.
                for (metric, quantiles) in rows::CELLS {
                    let mut wanted = one.clone();
                    let wanted = rows::cells(&mut wanted, metric).into_iter().map(|c| *c);
                    for ((cell, want), _) in rows::cells(&mut merged, metric).into_iter().zip(wanted).zip(quantiles) {
                        prop_assert!(cell.is_none() || *cell == want);
                        *cell = want;
                    }
                }
                merged.censored_from.clone_from(&one.censored_from);
            }
            prop_assert_eq!(&merged, one);
        }
        prop_assert_eq!(union.result.timeline.rows.len(), whole.timeline.rows.len());
        prop_assert_eq!(union.log.concat(), logs);
    }
}

/// Two machines with a little of everything.
fn two() -> Vec<Part> {
    let all: Happenings = (0..40)
        .map(|n| (n as usize % 4, (n % 5) as u8, n * 31))
        .collect();
    let (a, _) = part("a", &all);
    let (b, _) = part("b", &all.iter().map(|(s, k, n)| (*s, *k, n + 7)).collect());
    vec![a, b]
}

#[test]
fn later_starts_are_laid_by_the_clock_and_counts_stay_whole() {
    let mut parts = two();
    parts[1].result.started = "2026-01-02T03:04:08.078Z".to_owned();
    parts[1].result.storms = vec![fixture::storm()];
    let sent = |result: &RunResult| -> u64 {
        result
            .timeline
            .rows
            .iter()
            .map(|row| row.messages_sent)
            .sum()
    };
    let wanted = sent(&parts[0].result) + sent(&parts[1].result);
    let union = merge(parts).expect("they merge").result;
    assert_eq!(sent(&union), wanted);
    // 2.4 s later: its first row's middle lies in the third window; it lasts 2.4 s longer.
    let rows = &union.timeline.rows;
    assert!(
        rows.windows(2)
            .all(|pair| pair[0].end_s <= pair[1].start_s + 1e-9)
    );
    assert_eq!(rows.len(), 6);
    assert!(
        (union.phases.drain_end_s - 6.4).abs() < 1e-9,
        "{:?}",
        union.phases
    );
    let storm = &union.storms[0];
    assert!((storm.at_s - 4.65).abs() < 1e-9);
    assert_eq!(storm.source.as_deref(), Some("b"));
    let names = union
        .sources
        .iter()
        .map(|source| (source.name.as_str(), source.shift_s));
    assert_eq!(names.collect::<Vec<_>>(), [("a", 0.0), ("b", 2.4)]);
}

#[test]
fn one_part_that_cannot_be_believed_spoils_the_union() {
    let mut parts = two();
    let law = "a = b".to_owned();
    parts[1].result.validity.reasons = vec![InvalidReason::Unbalanced { law }];
    parts[1].result.end_reason = EndReason::Interrupted;
    let union = merge(parts).expect("they merge").result;
    assert!(!union.validity.valid);
    assert_eq!(union.end_reason, EndReason::Interrupted);
    assert_eq!(union.environment.cores, 4);
    assert_eq!(union.load, "2 x 12 clients");
}

#[test]
fn without_logs_quantiles_of_intervals_stay_empty_and_it_is_said() {
    let mut parts = two();
    parts[0].log = Log::default();
    let union = merge(parts).expect("they merge");
    let measured = union.result.timeline.rows.iter();
    let mut measured = measured.filter(|row| row.phase == Phase::Measure);
    assert!(measured.any(|row| row.replies_matched > 0 && row.round_trip_p50_ms.is_none()));
    assert!(
        union.notes[0].contains("quantiles cannot be merged"),
        "{:?}",
        union.notes
    );
}

#[test]
fn what_is_not_part_of_one_run_is_refused() {
    assert_eq!(refusals(&two()), [""; 0]);
    let with = |change: &dyn Fn(&mut RunResult)| {
        let mut parts = two();
        change(&mut parts[1].result);
        refusals(&parts).join("; ")
    };
    assert!(with(&|r| r.scenario.sha256 = "0".repeat(64)).contains("SHA-256"));
    assert!(with(&|r| r.load = "5 clients".to_owned()).contains("loads"));
    assert!(with(&|r| r.started = "2026-01-03T00:00:00Z".to_owned()).contains("had ended"));
    let mut twice = two();
    twice[1] = twice[0].clone();
    assert!(refusals(&twice).join("; ").contains("the same result"));
    assert!(matches!(
        merge(two()[..1].to_vec()),
        Err(MergeError::TooFew)
    ));
}

#[test]
fn a_damaged_log_is_told() {
    for bad in [
        "Tag=round_trip,0.000,1.000,5.0\n",
        "Tag=nope,0,1,1,x\n",
        "hello\n",
    ] {
        assert_eq!(Log::parse(bad).unwrap_err(), LogError { line: 1 });
    }
    // A last line that a killed run did not finish.
    assert!(Log::parse("Tag=round_trip,0.000,1.0").unwrap().is_empty());
}
