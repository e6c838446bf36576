//! What the schedule costs: the next due time of a message, the next start of a client, the phase of
//! one. Each is paid once a message or once a client.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use wsbench::clock::Offset;
use wsbench::engine::schedule::{LoadCurve, Shard, Ticks, phase};
use wsbench::scenario::{Load, LoadModel, Schedule, ScheduleKind, Stage};

/// Due times walked in one iteration, so that the loop around them does not show.
const STEPS: usize = 1_000;

fn ticks(kind: ScheduleKind) -> Ticks {
    let schedule = Schedule {
        period: Duration::from_millis(10),
        kind,
        skip_after: None,
        count: None,
    };
    Ticks::new(&schedule, Offset::ZERO, Duration::from_millis(3), 7)
}

/// A ramp of ten seconds to `goal`, then a minute of it.
fn load(model: LoadModel, goal: f64) -> Load {
    let stage = |seconds| Stage {
        duration: Duration::from_secs(seconds),
        goal,
    };
    Load {
        model,
        stages: vec![stage(10), stage(60)],
        warm_up: Duration::ZERO,
        drain: Duration::ZERO,
        shards: None,
    }
}

fn messages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("schedule/1000 due times");
    for (name, kind) in [
        ("fixed", ScheduleKind::Fixed),
        ("poisson", ScheduleKind::Poisson),
    ] {
        group.bench_function(name, |bencher| {
            let mut ticks = ticks(kind);
            bencher.iter(|| ticks.by_ref().take(STEPS).last());
        });
    }
    group.bench_function("skipped after a stall", |bencher| {
        let late = Offset::from(Duration::from_secs(10));
        bencher.iter_batched_ref(
            || ticks(ScheduleKind::Fixed),
            |ticks| ticks.skip_until(black_box(late)),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn clients(criterion: &mut Criterion) {
    let open = |poisson| LoadModel::Open {
        max_clients: 10_000,
        poisson,
    };
    let shard = Shard { index: 0, of: 2 };
    let mut group = criterion.benchmark_group("schedule/1000 starts of one shard of two");
    for (name, model) in [
        ("closed", LoadModel::Closed),
        ("open", open(false)),
        ("open, poisson", open(true)),
    ] {
        let curve = LoadCurve::new(&load(model, 10_000.0), 7);
        group.bench_function(name, |bencher| {
            bencher.iter(|| curve.changes(shard).take(STEPS).last());
        });
    }
    group.finish();
    criterion.bench_function("schedule/phase of a client", |bencher| {
        let mut client = 0;
        bencher.iter(|| {
            client += 1;
            phase(Duration::from_millis(10), black_box(client), 1)
        });
    });
}

criterion_group!(benches, messages, clients);
criterion_main!(benches);
