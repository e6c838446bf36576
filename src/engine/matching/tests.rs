//! Who gets a message, in which order, and that no question ends twice or never.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::scenario::{
    AnswerPings, Capture, Delivery, Heartbeat, HeartbeatStyle, Matcher, Payload, Pointer, Reply,
    SendStep, Session, Step, Template,
};

fn text(text: &str) -> Template {
    Template::literal(text)
}

fn pointer(text: &str) -> Pointer {
    Pointer {
        text: text.into(),
        tokens: text.split('/').skip(1).map(str::to_owned).collect(),
    }
}

fn json(pairs: &[(&str, &str)]) -> Matcher {
    let pair = |(at, value): &(&str, &str)| (pointer(at), text(value));
    Matcher::Json(pairs.iter().map(pair).collect())
}

fn reply(matcher: Matcher) -> Reply {
    Reply {
        matcher,
        timeout: Duration::from_millis(100),
        captures: Vec::new(),
    }
}

fn send(matcher: Matcher, delivery: Option<Delivery>) -> Step {
    Step::Send(Arc::new(SendStep {
        payload: Payload::Text(text("x")),
        schedule: None,
        reply: Some(reply(matcher)),
        blocking: false,
        delivery,
    }))
}

fn said(includes_sender: bool) -> Delivery {
    Delivery {
        matcher: json(&[("/type", "said")]),
        sent: pointer("/sent"),
        group: None,
        includes_sender,
    }
}

fn heartbeat(reply: Option<Matcher>) -> Heartbeat {
    let style = reply.map_or(HeartbeatStyle::None, |reply| HeartbeatStyle::Json {
        send: text("beat"),
        reply,
    });
    Heartbeat {
        style,
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

fn ms(millis: u64) -> Offset {
    Offset::from(Duration::from_millis(millis))
}

/// A session's reader and one client of it.
struct Client {
    steps: Vec<Step>,
    reader: Reader,
    questions: Questions,
    rng: fastrand::Rng,
}

impl Client {
    fn new(steps: Vec<Step>, beat: Option<Matcher>) -> Self {
        let session = Session {
            name: "s".into(),
            weight: 1,
            steps,
        };
        let matchers = Matchers::compile(&session, &heartbeat(beat));
        let mut reader = Reader::new(Arc::new(matchers));
        let mut rng = fastrand::Rng::with_seed(1);
        let questions = Questions::new(&mut reader, &Context::default(), &mut rng);
        Self {
            steps: session.steps,
            reader,
            questions,
            rng,
        }
    }

    fn ask(&mut self, step: usize, at: u64, payload: Incoming<'_>) -> Entry {
        let id = self.reader.matchers().question(&self.steps[step]).unwrap();
        let context = Context::default();
        let key = self
            .reader
            .key(id, Some(payload.into()), &context, &mut self.rng);
        let entry = self.reader.matchers().entry(id, key, ms(at), ms(at), true);
        self.questions.ask(entry).unwrap();
        entry
    }

    fn gets(&mut self, message: &str, at: u64) -> Dispatch {
        let message = Incoming::Text(message);
        self.questions.dispatch(&mut self.reader, message, ms(at))
    }

    fn gets_bytes(&mut self, message: &[u8], at: u64) -> Dispatch {
        let message = Incoming::Binary(message);
        self.questions.dispatch(&mut self.reader, message, ms(at))
    }
}

fn answered(entry: Entry) -> Dispatch {
    Dispatch::Reply {
        entry,
        delivery: None,
    }
}

#[test]
fn echoes_are_found_in_any_order_once_and_by_type() {
    let mut client = Client::new(vec![send(Matcher::Echo, None)], None);
    let a = client.ask(0, 0, Incoming::Text("a"));
    let b = client.ask(0, 1, Incoming::Text("b"));
    let binary = client.ask(0, 2, Incoming::Binary(b"a"));
    let twin = client.ask(0, 3, Incoming::Text("a"));
    assert_eq!(client.gets("b", 10), answered(b));
    assert_eq!(client.gets("b", 11), Dispatch::Unexpected, "twice");
    assert_eq!(client.gets_bytes(b"a", 12), answered(binary));
    assert_eq!(client.gets("a", 13), answered(a), "the older of two alike");
    assert_eq!(client.gets("a", 14), answered(twin));
    assert_eq!(client.gets("a", 15), Dispatch::Unexpected);
    assert!(client.questions.is_empty());
}

#[test]
fn json_compares_contents_at_every_pointer() {
    let matcher = json(&[("/ack", "7"), ("/ok", "true")]);
    for (message, matches) in [
        (r#"{"ack":7,"ok":true}"#, true),
        (r#"{"ok":"true", "ack":"7", "x":[1]}"#, true),
        (r#"{"ack":7.0,"ok":true}"#, false),
        (r#"{"ack":7}"#, false),
        (r#"{"ack":"true","ok":7}"#, false),
        (r#"{"ack":7,"ok":true"#, false),
        ("", false),
    ] {
        let mut client = Client::new(vec![send(matcher.clone(), None)], None);
        let entry = client.ask(0, 0, Incoming::Text("x"));
        let expected = if matches {
            answered(entry)
        } else {
            Dispatch::Unexpected
        };
        assert_eq!(client.gets(message, 1), expected, "{message}");
    }
}

#[test]
fn texts_prefixes_and_patterns_answer_in_order() {
    let pattern = Matcher::Regex(regex::Regex::new("^n[0-9]+$").unwrap());
    let steps = vec![
        send(Matcher::Text(text("pong")), None),
        send(Matcher::Prefix(text("ok é")), None),
        send(pattern, None),
    ];
    let mut client = Client::new(steps, None);
    let asked: Vec<Entry> = [0, 1, 2, 0]
        .iter()
        .map(|step| client.ask(*step, 0, Incoming::Text("")))
        .collect();
    assert_eq!(client.gets("pong ", 1), Dispatch::Unexpected);
    assert_eq!(
        client.gets("ok ", 1),
        Dispatch::Unexpected,
        "shorter than the prefix"
    );
    assert_eq!(client.gets("n17", 1), answered(asked[2]));
    assert_eq!(client.gets("ok é there", 1), answered(asked[1]));
    assert_eq!(client.gets_bytes(b"pong", 1), Dispatch::Unexpected);
    assert_eq!(client.gets("pong", 1), answered(asked[0]));
    assert_eq!(client.gets("pong", 1), answered(asked[3]));
}

#[test]
fn a_message_is_taken_by_the_first_that_wants_it() {
    let wanted = json(&[("/type", "said")]);
    let waits = Step::Expect(Arc::new(reply(wanted.clone())));
    let beat = json(&[("/beat", "1")]);
    let steps = vec![send(wanted, Some(said(false))), waits];
    let mut client = Client::new(steps, Some(beat));
    let message = r#"{"type":"said","sent":5,"beat":1}"#;
    let question = client.ask(0, 0, Incoming::Text("x"));
    let waiting = client.ask(1, 0, Incoming::Text(""));
    assert_eq!(client.gets(message, 1), answered(question));
    assert_eq!(client.gets(message, 1), Dispatch::Heartbeat { id: None });
    let delivered = client.gets(r#"{"type":"said","sent":5}"#, 1);
    assert!(matches!(
        delivered,
        Dispatch::Delivery(Arrival { sent_us: 5, .. })
    ));
    let untimed = client.gets(r#"{"type":"said","sent":"now"}"#, 1);
    assert_eq!(
        untimed,
        Dispatch::Expected(waiting),
        "no delivery without its time"
    );
    assert_eq!(client.gets(r#"{"type":"said"}"#, 1), Dispatch::Unexpected);
}

#[test]
fn a_senders_own_broadcast_is_reply_and_delivery() {
    let own = json(&[("/id", "1")]);
    let mut client = Client::new(vec![send(own, Some(said(true)))], None);
    let entry = client.ask(0, 0, Incoming::Text("x"));
    let delivery = client
        .reader
        .matchers()
        .delivery_of(&client.steps[0])
        .unwrap();
    let arrival = Arrival {
        delivery,
        sent_us: 42,
    };
    let got = client.gets(r#"{"type":"said","id":1,"sent":"42"}"#, 1);
    let delivery = Some(arrival);
    assert_eq!(got, Dispatch::Reply { entry, delivery });
}

#[test]
fn beats_with_answers_of_their_own_are_told_apart() {
    let mut client = Client::new(Vec::new(), Some(Matcher::Echo));
    for id in 0..=BEATS_LIMIT as u64 {
        let payload = id.to_string();
        let sent = Sent::Text(payload.as_bytes());
        let key = client
            .reader
            .beat_key(sent, &Context::default(), &mut client.rng);
        client.questions.beat_sent(id, key.unwrap());
    }
    assert_eq!(client.gets("7", 1), Dispatch::Heartbeat { id: Some(7) });
    assert_eq!(
        client.gets("7", 1),
        Dispatch::Heartbeat { id: Some(7) },
        "a duplicate to judge"
    );
    assert_eq!(client.gets("0", 1), Dispatch::Unexpected, "forgotten");
    client.questions.lose_all(|_| ());
    assert_eq!(
        client.gets("7", 1),
        Dispatch::Unexpected,
        "of the connection before"
    );
}

#[test]
fn deadlines_are_inclusive_and_late_answers_unexpected() {
    let mut client = Client::new(vec![send(Matcher::Echo, None)], None);
    let on_time = client.ask(0, 0, Incoming::Text("a"));
    assert_eq!(client.gets("a", 100), answered(on_time));
    let late = client.ask(0, 0, Incoming::Text("a"));
    let next = client.ask(0, 50, Incoming::Text("b"));
    assert_eq!(client.gets("a", 101), Dispatch::Unexpected);
    let mut expired = Vec::new();
    client
        .questions
        .expire(ms(100), |entry| expired.push(entry));
    assert!(expired.is_empty());
    let due = client.questions.next_deadline().unwrap();
    assert_eq!(due, ms(100) + Duration::from_nanos(1));
    client.questions.expire(due, |entry| expired.push(entry));
    assert_eq!(expired, [late]);
    assert_eq!(
        client.questions.next_deadline(),
        Some(next.deadline + Duration::from_nanos(1))
    );
    let mut lost = Vec::new();
    client.questions.lose_all(|entry| lost.push(entry));
    assert_eq!(lost, [next]);
    assert_eq!(client.questions.next_deadline(), None);
}

#[test]
fn captures_come_from_the_same_message() {
    let mut wanted = reply(Matcher::Prefix(text("{")));
    wanted.captures = vec![
        Capture {
            slot: 3,
            pointer: pointer("/token"),
        },
        Capture {
            slot: 4,
            pointer: pointer("/none"),
        },
    ];
    let mut client = Client::new(vec![Step::Expect(Arc::new(wanted))], None);
    let entry = client.ask(0, 0, Incoming::Text(""));
    let message = r#"{"token":"a\tb"}"#;
    assert_eq!(client.gets(message, 1), Dispatch::Expected(entry));
    let mut kept = Vec::new();
    let keep = |slot, value: &str| kept.push((slot, value.to_owned()));
    client
        .reader
        .captures(entry.question, Incoming::Text(message), keep);
    assert_eq!(kept, [(3, "a\tb".to_owned())]);
}

#[test]
fn the_table_is_bounded() {
    let mut client = Client::new(vec![send(Matcher::Echo, None)], None);
    let entry = client.ask(0, 0, Incoming::Text("a"));
    while !client.questions.is_full() {
        client.questions.ask(entry).unwrap();
    }
    assert_eq!(client.questions.len(), OUTSTANDING_LIMIT);
    assert_eq!(client.questions.ask(entry), Err(TableFull));
}

#[derive(Clone, Debug)]
enum Event {
    Ask(usize, u8),
    Get(u8),
    Expire,
    Lose,
}

proptest! {
    #[test]
    fn every_question_ends_once(
        events in proptest::collection::vec((0..40_u64, prop_oneof![
            6 => (0..2_usize, 0..8_u8).prop_map(|(step, payload)| Event::Ask(step, payload)),
            6 => (0..8_u8).prop_map(Event::Get),
            2 => Just(Event::Expire),
            1 => Just(Event::Lose),
        ]), 0..200),
    ) {
        let slow = Step::Send(Arc::new(SendStep {
            payload: Payload::Text(text("x")),
            schedule: None,
            reply: Some(Reply { timeout: Duration::from_millis(700), ..reply(Matcher::Echo) }),
            blocking: false,
            delivery: None,
        }));
        let mut client = Client::new(vec![send(Matcher::Echo, None), slow], None);
        let (mut now, mut asked, mut ended) = (0, 0, 0);
        for (gap, event) in events {
            now += gap;
            match event {
                Event::Ask(step, payload) => {
                    client.ask(step, now, Incoming::Text(&payload.to_string()));
                    asked += 1;
                }
                Event::Get(payload) => match client.gets(&payload.to_string(), now) {
                    Dispatch::Reply { entry, .. } => {
                        prop_assert!(ms(now) <= entry.deadline);
                        ended += 1;
                    }
                    other => prop_assert_eq!(other, Dispatch::Unexpected),
                },
                Event::Expire => {
                    client.questions.expire(ms(now), |entry| {
                        assert!(entry.deadline < ms(now));
                        ended += 1;
                    });
                    prop_assert!(client.questions.next_deadline().is_none_or(|due| due > ms(now)));
                }
                Event::Lose => client.questions.lose_all(|_| ended += 1),
            }
            prop_assert_eq!(asked, ended + client.questions.len());
        }
    }
}

/// Short payloads of one type are no others of the other: not one is mistaken.
#[test]
fn a_binary_message_never_answers_a_text() {
    let names: Vec<String> = (0..10).map(|n| format!("1-{n}")).collect();
    for asked in &names {
        let mut client = Client::new(vec![send(Matcher::Echo, None)], None);
        client.ask(0, 0, Incoming::Text(asked));
        for answer in &names {
            let heard = client.gets_bytes(answer.as_bytes(), 1);
            assert_eq!(heard, Dispatch::Unexpected, "{asked} by {answer}");
        }
    }
}
