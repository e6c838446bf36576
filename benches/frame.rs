//! What the frame codec costs: a masked frame out, an unmasked one in, and the server's other way round.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use wsbench::wire::{Data, Decoder, Event, OpCode, Role, encode_frame};

/// Bytes of the payloads, text as well as binary.
const SIZES: [usize; 4] = [16, 64, 1024, 16 * 1024];
/// Limits of the decoder, in bytes.
const LIMIT: usize = 1 << 20;
const TEXT: OpCode = OpCode::Data(Data::Text);
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

fn payload(size: usize) -> Vec<u8> {
    (b'a'..=b'z').cycle().take(size).collect()
}

fn encode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame/encode masked");
    for size in SIZES {
        let (payload, mut out) = (payload(size), Vec::new());
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                out.clear();
                encode_frame(TEXT, black_box(&payload), Some(MASK), &mut out);
                out.len()
            });
        });
    }
    group.finish();
    let payload = payload(64);
    criterion.bench_function("frame/encode 64 bytes with a fresh mask", |bencher| {
        let (mut rng, mut out) = (fastrand::Rng::with_seed(7), Vec::new());
        bencher.iter(|| {
            out.clear();
            let mask = rng.u32(..).to_ne_bytes();
            encode_frame(TEXT, black_box(&payload), Some(mask), &mut out);
            out.len()
        });
    });
}

/// One frame, as the receiving side `role` gets it.
fn received(role: Role, size: usize) -> Vec<u8> {
    let mask = (role == Role::Server).then_some(MASK);
    let mut bytes = Vec::new();
    encode_frame(TEXT, &payload(size), mask, &mut bytes);
    bytes
}

/// Feeds copies of `bytes` (the decoder unmasks in place) and counts the bytes of whole messages.
fn feed(decoder: &mut Decoder, bytes: &mut [u8]) -> usize {
    let mut seen = 0;
    let mut on = |event: Event<'_>| {
        if let Event::Text(text) = event {
            seen += text.len();
        }
    };
    decoder.feed(bytes, &mut on).expect("frames that are right");
    seen
}

fn decode(criterion: &mut Criterion) {
    for (name, role) in [
        ("frame/decode as a client", Role::Client),
        ("frame/decode as a server, masked", Role::Server),
    ] {
        let mut group = criterion.benchmark_group(name);
        for size in SIZES {
            let bytes = received(role, size);
            let mut decoder = Decoder::new(role, LIMIT, LIMIT);
            group.throughput(Throughput::Bytes(size as u64));
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter_batched_ref(
                    || bytes.clone(),
                    |bytes| {
                        let seen = feed(&mut decoder, bytes);
                        assert_eq!(seen, size, "the whole message");
                    },
                    BatchSize::SmallInput,
                );
            });
        }
        group.finish();
    }
    criterion.bench_function(
        "frame/decode 64 frames of 64 bytes in one read",
        |bencher| {
            let bytes = received(Role::Client, 64).repeat(64);
            let mut decoder = Decoder::new(Role::Client, LIMIT, LIMIT);
            bencher.iter_batched_ref(
                || bytes.clone(),
                |bytes| feed(&mut decoder, bytes),
                BatchSize::SmallInput,
            );
        },
    );
}

criterion_group!(benches, encode, decode);
criterion_main!(benches);
