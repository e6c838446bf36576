//! What it costs to know which question a received message answers: fingerprint, ask, dispatch.

use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use wsbench::clock::Offset;
use wsbench::engine::matching::{Dispatch, Incoming, Matchers, QuestionId, Questions, Reader};
use wsbench::scenario::template::{Context, Names};
use wsbench::scenario::{
    AnswerPings, Heartbeat, HeartbeatStyle, Matcher, Payload, Pointer, Reply, SendStep, Session,
    Step, Template,
};

/// What is sent and what comes back, for messages that are not told apart by their number.
const TEXT: &str = "the quick brown fox jumps over the lazy dog, 64 bytes of it all.";

fn template(text: &str) -> Template {
    let names = Names {
        captures: &[],
        columns: &[],
        message: true,
    };
    Template::parse(text, &names).expect("a template that is right")
}

fn no_heartbeat() -> Heartbeat {
    Heartbeat {
        style: HeartbeatStyle::None,
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        max_missed: None,
        max_quiet: None,
        any_traffic: false,
        idle_only: false,
        grace: Duration::ZERO,
        answer_pings: AnswerPings::AtOnce,
        expect_server_ping: None,
    }
}

/// One client that sends messages answered by `matcher`.
struct Client {
    reader: Reader,
    questions: Questions,
    question: QuestionId,
    rng: fastrand::Rng,
    seq: u64,
}

impl Client {
    fn new(matcher: Matcher) -> Self {
        let step = Step::Send(Arc::new(SendStep {
            payload: Payload::Text(template(TEXT)),
            schedule: None,
            reply: Some(Reply {
                matcher,
                timeout: Duration::from_secs(5),
                captures: Vec::new(),
            }),
            blocking: false,
            delivery: None,
        }));
        let session = Session {
            name: "s".into(),
            weight: 1,
            steps: vec![step],
        };
        let matchers = Matchers::compile(&session, &no_heartbeat());
        let question = matchers.question(&session.steps[0]);
        let mut reader = Reader::new(Arc::new(matchers));
        let mut rng = fastrand::Rng::with_seed(7);
        Self {
            questions: Questions::new(&mut reader, &Context::default(), &mut rng),
            question: question.expect("the step waits for a reply"),
            reader,
            rng,
            seq: 0,
        }
    }

    fn ask(&mut self) {
        let context = Context {
            seq: self.seq,
            ..Context::default()
        };
        self.seq += 1;
        let sent = Some(Incoming::Text(TEXT).into());
        let key = self
            .reader
            .key(self.question, sent, &context, &mut self.rng);
        let at = Offset::ZERO;
        let entry = self
            .reader
            .matchers()
            .entry(self.question, key, at, at, true);
        self.questions.ask(entry).expect("the table has room");
    }

    fn answer(&mut self, message: &str) -> Dispatch {
        let message = Incoming::Text(message);
        self.questions
            .dispatch(&mut self.reader, message, Offset::ZERO)
    }
}

fn json(value: &str) -> Matcher {
    let pointer = Pointer::parse("/ack").expect("a pointer that is right");
    Matcher::Json(vec![(pointer, template(value))])
}

/// Ask one question, get its answer: with so many others outstanding that were asked before it.
fn ask_and_answer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("matcher/ask and answer");
    for (name, matcher, message) in [
        ("echo", Matcher::Echo, TEXT),
        ("text", Matcher::Text(template(TEXT)), TEXT),
        ("prefix", Matcher::Prefix(template("the quick")), TEXT),
        (
            "json",
            json("yes"),
            r#"{"type":"ack","room":"r7","ack":"yes"}"#,
        ),
    ] {
        let mut client = Client::new(matcher);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                client.ask();
                let found = client.answer(message);
                assert!(matches!(found, Dispatch::Reply { .. }), "{found:?}");
            });
        });
    }
    group.finish();
}

/// Answers in the order of their questions, so many questions outstanding: the first one is found.
fn outstanding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("matcher/json by number, outstanding");
    for depth in [1_u64, 100, 10_000] {
        let mut client = Client::new(json("{{seq}}"));
        for _ in 1..depth {
            client.ask();
        }
        let mut answered = 0;
        group.bench_function(BenchmarkId::from_parameter(depth), |bencher| {
            bencher.iter(|| {
                client.ask();
                let found = client.answer(&format!(r#"{{"type":"ack","ack":{answered}}}"#));
                assert!(matches!(found, Dispatch::Reply { .. }), "{found:?}");
                answered += 1;
            });
        });
    }
    group.finish();
}

fn unexpected(criterion: &mut Criterion) {
    let mut client = Client::new(json("{{seq}}"));
    for _ in 0..100 {
        client.ask();
    }
    criterion.bench_function(
        "matcher/a message nobody asked for, 100 outstanding",
        |bencher| {
            bencher.iter(|| client.answer(r#"{"type":"said","text":"hello"}"#));
        },
    );
}

criterion_group!(benches, ask_and_answer, outstanding, unexpected);
criterion_main!(benches);
