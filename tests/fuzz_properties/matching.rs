//! Received messages against the matchers of a session. First the sessions as TOML, then messages,
//! each after a line of `---`. When the TOML is none, everything is a message to matchers of every kind.

use std::sync::Arc;

use wsbench::clock::Offset;
use wsbench::engine::matching::{Dispatch, Incoming, Matchers, Questions, Reader};
use wsbench::scenario::{Context, Scenario, Step};

use super::scenario::read;

const HEAD: &str = "name = \"x\"\ntarget.url = \"ws://127.0.0.1:9/\"\n\
    load.stages = [ { duration = \"1s\", clients = 1 } ]\n";
const SESSIONS: &str = r#"
[heartbeat]
style = "json"
interval = "1s"
timeout = "1s"
[[session]]
[[session.step]]
send = "{{seq}} {{intended_us}}"
reply = { json = { "/id" = "{{seq}}", "/a/0" = "x" }, capture = { token = "/token" } }
delivery = { json = { "/kind" = "d" }, sent = "/t" }
[[session.step]]
send = "a"
reply = { echo = true }
[[session.step]]
expect = { prefix = "a{{token}}" }
[[session.step]]
send = "b"
reply = { regex = "^[a-z]+\\d{2,}$" }
[[session.step]]
send = "c"
reply = { text = "hello" }
"#;

pub fn body(data: &[u8]) {
    let mut parts = parts(data);
    let head = String::from_utf8_lossy(parts.first().copied().unwrap_or_default());
    // Files are the business of another target.
    let own = (!head.contains("file")).then(|| read(&format!("{HEAD}{head}")));
    let scenario = match own {
        Some(Ok(scenario)) => {
            parts.remove(0);
            scenario
        }
        _ => read(&format!("{HEAD}{SESSIONS}")).unwrap_or_else(|problems| panic!("{problems}")),
    };
    for index in 0..scenario.sessions.len().min(4) {
        judge(&scenario, index, &parts);
    }
}

fn judge(scenario: &Scenario, session: usize, messages: &[&[u8]]) {
    let session = &scenario.sessions[session];
    let matchers = Arc::new(Matchers::compile(session, &scenario.heartbeat));
    let mut reader = Reader::new(matchers.clone());
    let mut rng = fastrand::Rng::with_seed(1);
    let mut captures = vec![String::new(); 64];
    let mut questions = Questions::new(&mut reader, &context(&captures), &mut rng);
    let mut waits = false;
    let sent = Incoming::Text("a");
    for step in session.steps.iter().take(100) {
        let Some(question) = matchers.question(step) else {
            continue;
        };
        // One step waits at a time: the first.
        let expects = matches!(step, Step::Expect(_));
        if expects && waits {
            continue;
        }
        waits |= expects;
        let key = reader.key(question, Some(sent.into()), &context(&captures), &mut rng);
        let now = Offset::from_nanos(0);
        let entry = matchers.entry(question, key, now, now, true);
        questions.ask(entry).expect("few are asked");
    }
    if let Some(key) = reader.beat_key(sent.into(), &context(&captures), &mut rng) {
        questions.beat_sent(1, key);
    }
    for message in messages {
        let message = match std::str::from_utf8(message) {
            Ok(text) => Incoming::Text(text),
            Err(_) => Incoming::Binary(message),
        };
        let before = questions.len();
        let dispatch = questions.dispatch(&mut reader, message, Offset::from_nanos(1));
        let answered = usize::from(matches!(dispatch, Dispatch::Reply { .. }));
        assert_eq!(questions.len() + answered, before, "{dispatch:?}");
        if let Dispatch::Reply { entry, .. } | Dispatch::Expected(entry) = dispatch {
            reader.captures(entry.question, message, |slot, text| {
                if let Some(kept) = captures.get_mut(slot) {
                    text.clone_into(kept);
                }
            });
            questions.refresh(&mut reader, &context(&captures), &mut rng);
        }
    }
    let mut left = 0;
    let outstanding = questions.len();
    questions.lose_all(|_| left += 1);
    assert!(left >= outstanding && questions.is_empty());
}

fn context(captures: &[String]) -> Context<'_> {
    Context {
        client: 1,
        seq: 2,
        intended_us: 3,
        captures,
        row: &[],
    }
}

/// What stands between the lines of `---`.
fn parts(data: &[u8]) -> Vec<&[u8]> {
    let (mut parts, mut start, mut at) = (Vec::new(), 0, 0);
    for line in data.split_inclusive(|byte| *byte == b'\n') {
        if line == b"---\n" {
            parts.push(&data[start..at]);
            start = at + line.len();
        }
        at += line.len();
    }
    parts.push(&data[start..]);
    parts
}
