//! A small made-up run for tests: four intervals of one second, books balanced, nothing random.

use std::time::{Duration, SystemTime};

use super::storm::{
    BackAfter, StormAttempts, StormCost, StormEnd, StormGenerator, StormRecovery, StormSeries,
    StormSpread, StormSyn, StormSynStep, StormTimes, StormWork,
};
use super::{
    Caps, EndReason, Environment, Phases, RunFacts, RunResult, StormReport, Timeline,
    ValidityLimits,
};
use crate::clock::Offset;
use crate::failure::{CloseCause, FailureKind};
use crate::metrics::{
    AtEnd, Counter as C, Gauges, Interval, Metric, Origin, Phase, Recorder, Total, Window,
};

/// 2026-01-02T03:04:05.678Z.
pub fn started() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_323_045_678)
}

/// What the run command would know.
pub fn facts() -> RunFacts {
    let second = |n: u64| Offset::from_nanos(n * 1_000_000_000);
    RunFacts {
        name: "chat".to_owned(),
        description: "Clients talk, listen and heartbeat.".to_owned(),
        text: "name = \"chat\"\n".to_owned(),
        changes: [("load.drain".to_owned(), "2s s3cret".to_owned())].into(),
        seed: 7,
        targets: vec!["ws://127.0.0.1:9001/chat?token=s3cret".to_owned()],
        server: Some("chat".to_owned()),
        load: "12 clients".to_owned(),
        started: started(),
        phases: Phases {
            warm_up_end: second(1),
            measure_end: second(3),
            drain_end: second(4),
        },
        end_reason: EndReason::Completed,
        shards: 2,
        processes: 1,
        pacing: "timerfd".to_owned(),
        closed_loop: false,
        limits: ValidityLimits {
            shortest_period: Some(Duration::from_secs(1)),
            ..ValidityLimits::default()
        },
        caps: Caps {
            dials_per_s: 50_000,
            messages_per_s: None,
            clients: None,
        },
        stalls: Vec::new(),
        stalls_beyond: 0,
        unanswered_after: [Metric::RoundTrip, Metric::ServiceTime]
            .map(|metric| (metric, Duration::from_secs(5)))
            .into(),
    }
}

/// A machine that does not change from run to run.
pub fn environment() -> Environment {
    Environment {
        os: "Example Linux 1".to_owned(),
        kernel: "6.18.0".to_owned(),
        arch: "x86_64".to_owned(),
        cores: 2,
        cpu: "Example CPU".to_owned(),
        memory_bytes: 8 << 30,
        build_profile: "release".to_owned(),
    }
}

fn open(recorder: &mut Recorder, origin: Origin, clients: u64) {
    recorder.add(origin, C::ArrivalsScheduled, clients);
    recorder.add(origin, C::ArrivalsStarted, clients);
    recorder.add(origin, C::ConnectionsAttempted, clients);
    recorder.add(origin, C::ConnectionsOpened, clients);
    for n in 1..=clients {
        for (metric, us) in [
            (Metric::Handshake, 900),
            (Metric::TcpConnect, 300),
            (Metric::Upgrade, 600),
        ] {
            recorder.record(origin, metric, Duration::from_micros(us + n));
        }
    }
}

fn talk(recorder: &mut Recorder, messages: u64) {
    let o = Origin::Measured;
    recorder.add(o, C::MessagesSent, messages);
    recorder.add(o, C::RepliesMatched, messages);
    recorder.add(o, C::MessagesReceived, messages);
    recorder.add(o, C::BytesSent, 70 * messages);
    recorder.add(o, C::BytesReceived, 66 * messages);
    for n in 0..messages {
        let service = Duration::from_micros(200 + n);
        let lag = Duration::from_micros(n % 40);
        recorder.record(o, Metric::ServiceTime, service);
        recorder.record(o, Metric::ScheduleLag, lag);
        recorder.record(o, Metric::RoundTrip, service + lag);
    }
}

fn misfortune(recorder: &mut Recorder) {
    let o = Origin::Measured;
    recorder.add(o, C::MessagesSent, 12);
    recorder.add(o, C::RepliesTimedOut, 7);
    recorder.add(o, C::RepliesLost, 4);
    recorder.add(o, C::RepliesOutstanding, 1);
    for _ in 0..11 {
        recorder.censor(o, Metric::RoundTrip);
        recorder.censor(o, Metric::ServiceTime);
    }
    recorder.add(o, C::ConnectionsAttempted, 2);
    recorder.fail(o, FailureKind::HttpStatus(503), || {
        "HTTP/1.1 503 \x1b[31mbusy, token=s3cret".to_owned()
    });
    recorder.fail(o, FailureKind::Refused, || "connection refused".to_owned());
    recorder.close(o, CloseCause::Lost(FailureKind::Reset), String::new);
    for (counter, n) in [
        (C::HeartbeatsSent, 60),
        (C::HeartbeatsOnTime, 50),
        (C::HeartbeatsSuperseded, 3),
        (C::HeartbeatsLate, 2),
        (C::HeartbeatsMissed, 1),
        (C::HeartbeatsCut, 3),
        (C::HeartbeatsPending, 1),
        (C::HeartbeatsBlocked, 2),
        (C::DeliveriesExpected, 240),
        (C::DeliveriesReceived, 238),
        (C::DeliveriesMissing, 2),
    ] {
        recorder.add(o, counter, n);
    }
}

/// The four intervals: warm-up, two of measure, drain.
pub fn intervals() -> Vec<Interval> {
    let mut recorder = Recorder::new();
    let phases = [Phase::WarmUp, Phase::Measure, Phase::Measure, Phase::Drain];
    let cut = |(index, phase): (usize, Phase)| {
        match index {
            0 => open(&mut recorder, Origin::Other, 8),
            1 => {
                open(&mut recorder, Origin::Measured, 4);
                talk(&mut recorder, 1_000);
            }
            2 => {
                talk(&mut recorder, 500);
                misfortune(&mut recorder);
            }
            _ => (0..11).for_each(|_| recorder.close(Origin::Other, CloseCause::ByUs, String::new)),
        }
        let second = |n: usize| Offset::from_nanos(n as u64 * 1_000_000_000);
        let window = Window {
            index: index as u64,
            start: second(index),
            end: second(index + 1),
            phase,
        };
        let gauges = Gauges {
            connected: [8, 12, 11, 0][index],
            clients: 12,
            outstanding: [0, 3, 1, 0][index],
            busy: [0.1, 0.4, 0.5, 0.05][index],
            cpu: Duration::from_millis(100),
        };
        recorder.cut(window, gauges)
    };
    phases.into_iter().enumerate().map(cut).collect()
}

/// A warm-up in which the only dial was refused.
pub fn refused() -> Interval {
    let mut recorder = Recorder::new();
    recorder.add(Origin::Other, C::ConnectionsAttempted, 1);
    recorder.fail(Origin::Other, FailureKind::Refused, String::new);
    let window = Window {
        index: 0,
        start: Offset::ZERO,
        end: Offset::from_nanos(1_000_000_000),
        phase: Phase::WarmUp,
    };
    recorder.cut(window, Gauges::default())
}

/// Hides the fixture's secret.
pub fn redact(text: &str) -> String {
    text.replace("s3cret", "***")
}

/// Of [`intervals`], not yet judged.
pub fn result() -> RunResult {
    result_of(facts(), &intervals())
}

/// A result of any intervals, not yet judged.
pub fn result_of(facts: RunFacts, intervals: &[Interval]) -> RunResult {
    let mut total = Total::default();
    let mut timeline = Timeline::default();
    for interval in intervals {
        total.add(interval);
        timeline.add(interval, &facts.unanswered_after, facts.limits.busy, &[]);
    }
    let at_end = AtEnd::default();
    RunResult::new(facts, environment(), &total, timeline, at_end, &redact)
}

/// Eight of 12 clients lost in the second measured second; one of them gave up.
pub fn storm() -> StormReport {
    let back = |now_s, ever_s| BackAfter { now_s, ever_s };
    StormReport {
        number: 1,
        at_s: 2.25,
        measured: true,
        fault: Some("restart_server".to_owned()),
        connected_before: 12,
        clients_lost: 8,
        ended: StormEnd::SomeGone,
        length_s: 4.2,
        recovered: false,
        gave_up: 1,
        left: 0,
        away: 0,
        attempts: StormAttempts {
            total: 24,
            per_client_mean: 3.0,
            per_client_p99: 5,
            per_client_max: 5,
            succeeded: 8,
            failed: [
                ("http_status{503}".to_owned(), 2),
                ("refused".to_owned(), 13),
            ]
            .into(),
            failed_locally: [("fd_exhausted".to_owned(), 1)].into(),
            peak_100ms: 7,
            peak_1s: 9,
            ..StormAttempts::default()
        },
        recovery: StormRecovery {
            t50: back(Some(1.05), Some(1.05)),
            t90: back(None, None),
            t99: back(None, None),
            t100: back(None, None),
            outage_s: Some(1.0),
            best_1s: 4,
            floor_s: Some(3.0),
            efficiency: None,
        },
        spread: Some(StormSpread {
            fano: 2.5,
            sync: 0.125,
            bin_ms: 100.0,
            bins: 32,
            in_phase: Some(0.75),
            period_s: Some(1.0),
        }),
        ..storm_costs()
    }
}

fn storm_costs() -> StormReport {
    let times = |p50_ms: f64| StormTimes {
        count: 8,
        p50_ms,
        p90_ms: 2.0 * p50_ms,
        p99_ms: 3.0 * p50_ms,
        max_ms: 4.0 * p50_ms,
    };
    StormReport {
        syn: StormSyn {
            resends: 3,
            attempts: 2,
            steps: vec![StormSynStep {
                label: "1st resend (1 s)".to_owned(),
                from_s: 1.0,
                connects: 2,
            }],
        },
        work: StormWork {
            wasted: 2,
            lower_bound: true,
            refusals: 15,
            amplification: 1.4375,
        },
        cost: StormCost {
            reconnect_time: Some(times(1_000.0)),
            handshake: Some(times(1.5)),
            bytes_per_success: Some(412.0),
            first_message: Some(times(2.5)),
            without_message: 1,
        },
        generator: StormGenerator {
            lag: Some(times(0.5)),
            busiest: Some(0.25),
            ..StormGenerator::default()
        },
        series: StormSeries {
            bin_ms: 100.0,
            attempts: vec![0, 3, 2],
            succeeded: vec![0, 1, 0],
            failed: vec![0, 2, 2],
            connected: vec![4, 5, 5],
            cut: false,
        },
        ..StormReport::default()
    }
}
