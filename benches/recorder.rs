//! What recording costs: a counter and a time for each message, a cut each second, a merge of shards.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use wsbench::clock::Offset;
use wsbench::metrics::{
    Counter, Gauges, Histogram, Interval, Metric, Origin, Phase, Recorder, Total, Window,
};

/// Messages in one interval of the benches below.
const MESSAGES: u64 = 10_000;

/// Times between 50 us and 50 ms, most of them short.
fn times() -> Vec<Duration> {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut draw = || Duration::from_nanos((50e3 * 1e3_f64.powf(rng.f64().powi(3))) as u64);
    (0..4096).map(|_| draw()).collect()
}

fn message(recorder: &mut Recorder, time: Duration) {
    let origin = Origin::Measured;
    recorder.count(origin, Counter::MessagesSent);
    recorder.count(origin, Counter::RepliesMatched);
    recorder.record(origin, Metric::RoundTrip, time);
    recorder.record(origin, Metric::ServiceTime, time);
}

fn window(index: u64) -> Window {
    let second = |n| Offset::from(Duration::from_secs(n));
    Window {
        index,
        start: second(index),
        end: second(index + 1),
        phase: Phase::Measure,
    }
}

/// A recorder with a second's worth of messages.
fn filled() -> Recorder {
    let mut recorder = Recorder::new();
    let times = times();
    for time in times.iter().cycle().take(MESSAGES as usize) {
        message(&mut recorder, *time);
    }
    recorder
}

fn interval() -> Interval {
    filled().cut(window(0), Gauges::default())
}

fn record(criterion: &mut Criterion) {
    let times = times();
    let mut times = times.iter().cycle();
    let mut next = move || *times.next().expect("a cycle has no end");
    let mut recorder = Recorder::new();
    criterion.bench_function("recorder/count", |bencher| {
        bencher.iter(|| recorder.count(black_box(Origin::Measured), Counter::MessagesSent));
    });
    criterion.bench_function("recorder/record a time", |bencher| {
        bencher.iter(|| recorder.record(Origin::Measured, Metric::RoundTrip, next()));
    });
    criterion.bench_function("recorder/a message: 2 counters, 2 times", |bencher| {
        bencher.iter(|| message(&mut recorder, next()));
    });
}

fn cut(criterion: &mut Criterion) {
    criterion.bench_function("recorder/cut an interval", |bencher| {
        bencher.iter_batched_ref(
            || {
                let mut recorder = filled();
                recorder.recycle(interval().into_blank());
                recorder
            },
            |recorder| recorder.cut(window(0), Gauges::default()),
            BatchSize::LargeInput,
        );
    });
    let part = interval();
    criterion.bench_function("recorder/merge two shards", |bencher| {
        bencher.iter_batched_ref(
            interval,
            |whole| whole.merge(black_box(&part)),
            BatchSize::LargeInput,
        );
    });
    criterion.bench_function("recorder/add an interval to the total", |bencher| {
        let mut total = Total::default();
        bencher.iter(|| total.add(black_box(&part)));
    });
}

fn histogram(criterion: &mut Criterion) {
    let mut histogram = Histogram::new();
    times().iter().for_each(|time| histogram.record(*time));
    criterion.bench_function("recorder/p99 of a histogram", |bencher| {
        bencher.iter(|| histogram.quantile(black_box(0.99), 0));
    });
    criterion.bench_function("recorder/encode a histogram", |bencher| {
        bencher.iter(|| histogram.encode());
    });
    let text = histogram.encode();
    criterion.bench_function("recorder/decode a histogram", |bencher| {
        bencher.iter(|| Histogram::decode(black_box(&text)));
    });
}

criterion_group!(benches, record, cut, histogram);
criterion_main!(benches);
