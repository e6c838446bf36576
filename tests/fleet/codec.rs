//! Frames: whole values come back, whatever else comes is an error.

use std::time::Duration;

use fastrand::Rng;
use proptest::prelude::*;
use wsbench::clock::Offset;
use wsbench::engine::fleet::frame::LONGEST;
use wsbench::engine::fleet::{FrameError, FromWorker, ToWorker, read_frame, write_frame};
use wsbench::engine::shard::Message;
use wsbench::engine::stage::Stage;
use wsbench::engine::stall::{Stall, Stalls};
use wsbench::failure::{BadUpgrade, CloseCause, FailureKind, Violation};
use wsbench::metrics::event::{Dial, FaultHit};
use wsbench::metrics::{
    ConnectionEvent, ConnectionStep, Counter, Gauges, Interval, Metric, Origin, Phase, Recorder,
    Window,
};

fn offset(rng: &mut Rng) -> Offset {
    let bits = rng.u32(1..64);
    Offset::from_nanos(rng.u64(..1 << bits))
}

fn time(rng: &mut Rng) -> Duration {
    offset(rng).as_duration()
}

fn failure(rng: &mut Rng) -> FailureKind {
    match rng.u8(..9) {
        0 => FailureKind::Dns,
        1 => FailureKind::Tls(rng.bool().then(|| rng.u8(..))),
        2 => FailureKind::HttpStatus(rng.u16(..)),
        3 => FailureKind::BadUpgrade(BadUpgrade::WrongAccept),
        4 => FailureKind::CloseCode(rng.u16(..)),
        5 => FailureKind::Protocol(Violation::CloseFrame(rng.u16(..))),
        6 => FailureKind::Io(rng.i32(..)),
        7 => FailureKind::HeartbeatDead,
        _ => FailureKind::PortExhausted,
    }
}

fn dial(rng: &mut Rng) -> Dial {
    Dial {
        took: time(rng),
        tcp_connect: rng.bool().then(|| time(rng)),
        syn_resends: rng.u32(..),
        bytes: rng.u32(..),
    }
}

fn step(rng: &mut Rng) -> ConnectionStep {
    match rng.u8(..9) {
        0 => ConnectionStep::Attempt { due: offset(rng) },
        1 => ConnectionStep::Opened(dial(rng)),
        2 => ConnectionStep::Failed {
            kind: failure(rng),
            dial: dial(rng),
        },
        3 => ConnectionStep::Abandoned,
        4 => ConnectionStep::FirstMessage { after: time(rng) },
        5 => ConnectionStep::Lost,
        6 => ConnectionStep::Closed,
        7 => ConnectionStep::GaveUp,
        _ => ConnectionStep::Left,
    }
}

/// What a shard could have recorded.
fn interval(rng: &mut Rng) -> Interval {
    let mut recorder = Recorder::new();
    for _ in 0..rng.usize(..60) {
        let origin = [Origin::Measured, Origin::Other][rng.usize(..2)];
        match rng.u8(..7) {
            0 => recorder.add(
                origin,
                Counter::ALL[rng.usize(..Counter::COUNT)],
                rng.u64(..1 << 40),
            ),
            1 | 2 => {
                let metric = Metric::ALL[rng.usize(..Metric::COUNT)];
                // Beyond a minute the histogram grows, beyond 30 days it is full.
                let value = [Duration::ZERO, time(rng), Duration::MAX][rng.usize(..3)];
                recorder.record(origin, metric, value);
            }
            3 => recorder.censor(origin, Metric::ALL[rng.usize(..Metric::COUNT)]),
            4 => recorder.fail(origin, failure(rng), || "no ünit".to_owned()),
            5 => {
                let cause = [CloseCause::ByFault, CloseCause::Lost(failure(rng))][rng.usize(..2)];
                recorder.close(origin, cause, || "bye".to_owned());
            }
            _ => recorder.event(ConnectionEvent {
                at: offset(rng),
                client: rng.u64(..),
                what: step(rng),
            }),
        }
    }
    recorder.fault(FaultHit {
        occurrence: rng.usize(..),
        at: offset(rng),
        clients: rng.u64(..),
    });
    let window = Window {
        index: rng.u64(..),
        start: offset(rng),
        end: offset(rng),
        phase: [Phase::WarmUp, Phase::Measure, Phase::Drain][rng.usize(..3)],
    };
    let gauges = Gauges {
        connected: rng.u64(..1 << 32),
        clients: rng.u64(..1 << 32),
        outstanding: rng.u64(..1 << 32),
        busy: rng.f64(),
        cpu: time(rng),
    };
    recorder.cut(window, gauges)
}

fn message(rng: &mut Rng) -> Message {
    match rng.u8(..10) {
        0 => Message::Quiet(rng.bool()),
        1 => {
            let mut stalls = Stalls::default();
            for _ in 0..rng.usize(..5) {
                let start = offset(rng);
                let end = start + time(rng);
                stalls.add(Stall { start, end });
            }
            Message::Stalled(stalls)
        }
        2 => Message::Idle,
        3 => Message::Ended {
            open: rng.u64(..),
            pacing: "timerfd".into(),
        },
        4 => Message::Lost("gone".to_owned()),
        _ => Message::Interval(Box::new(interval(rng))),
    }
}

fn frames(values: &[FromWorker]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for value in values {
        write_frame(&mut bytes, value).expect("it fits");
    }
    bytes
}

fn report(rng: &mut Rng) -> FromWorker {
    FromWorker::Report((rng.u16(..), message(rng)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_goes_in_comes_out(seed: u64) {
        let mut rng = Rng::with_seed(seed);
        let mut values: Vec<_> = (0..rng.usize(1..4)).map(|_| report(&mut rng)).collect();
        values.push(FromWorker::Ready);
        values.push(FromWorker::Refused("why".to_owned()));
        let bytes = frames(&values);
        let mut rest = bytes.as_slice();
        for value in &values {
            let read = read_frame::<FromWorker>(&mut rest).expect("readable");
            prop_assert_eq!(read.as_ref(), Some(value));
        }
        prop_assert!(read_frame::<FromWorker>(&mut rest).expect("the end").is_none());
    }

    #[test]
    fn copies_merge_as_the_originals_do(seed: u64) {
        let mut rng = Rng::with_seed(seed);
        let originals = [interval(&mut rng), interval(&mut rng), interval(&mut rng)];
        let copies = originals.clone().map(|original| {
            let bytes = frames(&[FromWorker::Report((1, Message::Interval(original.into())))]);
            match read_frame(&mut bytes.as_slice()).expect("readable") {
                Some(FromWorker::Report((1, Message::Interval(copy)))) => *copy,
                other => panic!("{other:?}"),
            }
        });
        let merged = |[first, second, third]: [Interval; 3]| {
            let mut all = first;
            all.merge(&second);
            all.merge(&third);
            all
        };
        prop_assert_eq!(merged(originals), merged(copies));
    }

    #[test]
    fn a_frame_cut_anywhere_is_an_error(seed: u64) {
        let mut rng = Rng::with_seed(seed);
        let bytes = frames(&[report(&mut rng)]);
        let cut = rng.usize(1..bytes.len());
        let read = read_frame::<FromWorker>(&mut &bytes[..cut]);
        prop_assert!(matches!(read, Err(FrameError::Cut)), "{:?}", read);
    }

    #[test]
    fn noise_is_an_error_or_a_value_and_never_a_panic(seed: u64) {
        let mut rng = Rng::with_seed(seed);
        let mut bytes = frames(&[report(&mut rng)]);
        for _ in 0..rng.usize(1..4) {
            let at = rng.usize(4..bytes.len());
            bytes[at] = rng.u8(..);
        }
        let _ = read_frame::<FromWorker>(&mut bytes.as_slice());
        let _ = read_frame::<ToWorker>(&mut bytes.as_slice());
    }
}

#[test]
fn a_frame_that_is_too_long_is_not_waited_for() {
    let announced = (LONGEST as u32 + 1).to_le_bytes();
    let read = read_frame::<FromWorker>(&mut announced.as_slice());
    assert!(matches!(read, Err(FrameError::TooLong(_))), "{read:?}");
    // Announced, but not there: no memory is taken for it.
    let announced = (LONGEST as u32).to_le_bytes();
    let read = read_frame::<FromWorker>(&mut announced.as_slice());
    assert!(matches!(read, Err(FrameError::Cut)), "{read:?}");
}

#[test]
fn what_stands_behind_a_value_is_an_error() {
    let mut bytes = Vec::new();
    write_frame(&mut bytes, &(ToWorker::Stage(Stage::Cut), 7_u8)).expect("it fits");
    let read = read_frame::<ToWorker>(&mut bytes.as_slice());
    assert!(matches!(read, Err(FrameError::Broken(_))), "{read:?}");
}
