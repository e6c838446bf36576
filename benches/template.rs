//! What rendering a payload costs: text without holes, numbers, random text, values of a data set.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wsbench::scenario::Template;
use wsbench::scenario::template::{Context, Names};

/// Name and text of each template.
const PAYLOADS: [(&str, &str); 6] = [
    (
        "64 bytes, no holes",
        "the quick brown fox jumps over the lazy dog, 64 bytes of it all.",
    ),
    ("seq", r#"{"id":{{seq}}}"#),
    (
        "chat",
        r#"{"type":"say","id":{{seq}},"sent":{{intended_us}},"text":"{{text 64}}"}"#,
    ),
    ("arithmetic", "room {{(client + 7) * 3 % 50}}"),
    ("uuid", "{{uuid}}"),
    ("row and capture", "{{row.name}}:{{token}}"),
];

fn render(criterion: &mut Criterion) {
    let (captures, columns) = (["token".to_owned()], ["name".to_owned()]);
    let names = Names {
        captures: &captures,
        columns: &columns,
        message: true,
    };
    let (token, row) = (["secret".to_owned()], ["alice".to_owned()]);
    let mut group = criterion.benchmark_group("template/render");
    for (name, text) in PAYLOADS {
        let template = Template::parse(text, &names).expect("a template that is right");
        let mut context = Context {
            client: 73,
            seq: 100_000,
            intended_us: 1_700_000_000_000_001,
            captures: &token,
            row: &row,
        };
        let (mut rng, mut out) = (fastrand::Rng::with_seed(7), Vec::new());
        template.render(&context, &mut rng, &mut out);
        group.throughput(Throughput::Bytes(out.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                context.seq += 1;
                out.clear();
                template.render(black_box(&context), &mut rng, &mut out);
                out.len()
            });
        });
    }
    group.finish();
}

fn parse(criterion: &mut Criterion) {
    let names = Names {
        captures: &[],
        columns: &[],
        message: true,
    };
    criterion.bench_function("template/parse chat, once a run", |bencher| {
        let (_, text) = PAYLOADS[2];
        bencher.iter(|| Template::parse(black_box(text), &names));
    });
}

criterion_group!(benches, render, parse);
criterion_main!(benches);
