//! `[[session]]` and its steps.

use std::sync::Arc;

use super::super::problem::Place;
use super::super::session::{Schedule, ScheduleKind};
use super::super::{Delivery, SendStep, Session, Step};
use super::builder::{Builder, Scope};
use super::section::Section;
use super::tables;
use super::tree::Value;
use super::value;

/// Most steps of all sessions together.
const MAX_STEPS: usize = 10_000;
/// The keys that say what a step is.
const ACTIONS: [&str; 6] = ["send", "send_binary", "pause", "repeat", "ping", "close"];
/// Keys that only go with a send.
const SEND_ONLY: [&str; 6] = [
    "reply",
    "every",
    "arrivals",
    "skip_after",
    "count",
    "delivery",
];
/// Keys that only go with `every`.
const SCHEDULE_ONLY: [&str; 3] = ["arrivals", "skip_after", "count"];

/// What is known while a session's steps are read.
#[derive(Default)]
struct Progress {
    /// Captured so far, by slot.
    captures: Vec<String>,
    /// Captured anywhere.
    all_captures: Vec<String>,
    /// How many `repeat`s the step is in.
    depth: usize,
}

impl Builder<'_> {
    /// All sessions; without any, clients stay connected and beat.
    pub(super) fn sessions(&mut self, root: &Section<'_>) -> Vec<Session> {
        let tables = root.children("session", &tables::SESSION);
        let mut sessions: Vec<Session> = Vec::new();
        for (index, table) in tables.iter().enumerate() {
            let name = match table.optional_text("name") {
                Some(name) => name.to_owned(),
                None if tables.len() == 1 => "session".to_owned(),
                None => format!("session-{index}"),
            };
            if sessions.iter().any(|known| known.name == name) {
                let hint = "reports tell sessions apart by name: give each its own";
                self.findings.contradiction(
                    table.place("name"),
                    "two sessions of the same name",
                    hint,
                );
            }
            let mut progress = Progress::default();
            all_captures(
                &table.children("step", &tables::STEP),
                &mut progress.all_captures,
            );
            sessions.push(Session {
                name,
                weight: table.optional_u32("weight").unwrap_or(1),
                steps: self.steps(&table.children("step", &tables::STEP), &mut progress),
            });
        }
        if sessions.is_empty() {
            sessions.push(Session {
                name: "idle".to_owned(),
                weight: 1,
                steps: Vec::new(),
            });
        }
        if self.steps > MAX_STEPS {
            let message = format!("the scenario has {} steps", self.steps);
            let hint = format!("at most {MAX_STEPS} are allowed; use `repeat`");
            self.findings.value(root.place("session"), message, hint);
        }
        sessions
    }

    fn steps(&mut self, tables: &[Section<'_>], progress: &mut Progress) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut ended: Option<&str> = None;
        for table in tables {
            self.steps += 1;
            if self.steps > MAX_STEPS {
                continue;
            }
            if let Some(by) = ended {
                let hint = "remove it or move it up";
                let message = format!("this step is never reached: {by} comes before it");
                self.findings.contradiction(table.owner(), message, hint);
                ended = None;
            }
            let step = self.step(table, progress);
            match &step {
                Some(Step::Close { .. }) => ended = Some("`close`"),
                Some(Step::Repeat { times: None, .. }) => ended = Some("an endless `repeat`"),
                _ => {}
            }
            steps.extend(step);
        }
        steps
    }

    fn step(&mut self, table: &Section<'_>, progress: &mut Progress) -> Option<Step> {
        let actions: Vec<&str> = ACTIONS
            .into_iter()
            .filter(|action| table.get(action).is_some())
            .collect();
        if let [first, second, ..] = actions[..] {
            let message = format!("`{first}` and `{second}` in one step");
            let hint = "make two steps of it: each starts with [[session.step]]";
            self.findings
                .contradiction(table.key_place(second), message, hint);
        }
        let action = actions.first().copied().unwrap_or("expect");
        let sends = action == "send" || action == "send_binary";
        if !sends {
            let alone = actions.first().filter(|_| table.get("expect").is_some());
            let misplaced = SEND_ONLY.iter().filter(|key| table.get(key).is_some());
            for key in misplaced.chain(alone.map(|_| &"expect")) {
                let message = format!("`{key}` beside `{action}`");
                let hint = format!("`{key}` goes with a send; make two steps of it or remove it");
                self.findings
                    .contradiction(table.key_place(key), message, hint);
            }
        }
        match action {
            "send" | "send_binary" => self.send(table, action, progress),
            "expect" => {
                let reply = table.child("expect", &tables::REPLY);
                self.step_reply(&reply, false, progress)
                    .map(|reply| Step::Expect(Arc::new(reply)))
            }
            "pause" => self.pause(table),
            "repeat" => {
                let repeat = table.child("repeat", &tables::REPEAT);
                let children = repeat.children("steps", &tables::STEP);
                if children.is_empty() && repeat.get("steps").is_some() {
                    let hint = "write for example steps = [ { pause = \"1s\" } ]";
                    self.findings
                        .value(repeat.place("steps"), "`repeat` repeats nothing", hint);
                }
                progress.depth += 1;
                let steps = self.steps(&children, progress);
                progress.depth -= 1;
                Some(Step::Repeat {
                    times: repeat.optional_integer("times"),
                    steps,
                })
            }
            "ping" => Some(Step::Ping {
                timeout: table.child("ping", &tables::PING).time("timeout"),
            }),
            _ => self.close(&table.child("close", &tables::CLOSE)),
        }
    }

    fn step_reply(
        &mut self,
        section: &Section<'_>,
        echo: bool,
        progress: &mut Progress,
    ) -> Option<super::super::Reply> {
        let before = progress.captures.clone();
        let scope = Scope {
            captures: &before,
            all_captures: &progress.all_captures,
            message: echo,
        };
        let mut captures = std::mem::take(&mut progress.captures);
        let reply = self.reply(section, &scope, echo, &mut captures);
        progress.captures = captures;
        reply
    }

    fn send(&mut self, table: &Section<'_>, action: &str, progress: &mut Progress) -> Option<Step> {
        let payload = {
            let scope = Scope {
                captures: &progress.captures,
                all_captures: &progress.all_captures,
                message: true,
            };
            self.payload(table, action, &scope)
        };
        let delivery = self.delivery(table, payload.as_ref(), progress);
        let (expect, reply) = (table.get("expect").is_some(), table.get("reply").is_some());
        if expect && reply {
            let message = "`expect` and `reply` in one step";
            let hint =
                "`expect` waits for the answer, `reply` measures it without waiting: keep one";
            self.findings
                .contradiction(table.key_place("reply"), message, hint);
        }
        let every = table
            .get("every")
            .and_then(|node| value::every(&node.value).ok());
        if expect && table.get("every").is_some() {
            let message = "`expect` beside `every`: a schedule does not wait for answers";
            let hint = "write `reply` instead of `expect`";
            self.findings
                .contradiction(table.key_place("expect"), message, hint);
        }
        if progress.depth > 0 && table.get("every").is_some() {
            let message = "a schedule inside `repeat` would be started again and again";
            let hint = "remove `every` and pause between the rounds, or move the step out";
            self.findings
                .contradiction(table.key_place("every"), message, hint);
        }
        if table.get("every").is_none() {
            for key in SCHEDULE_ONLY.iter().filter(|key| table.get(key).is_some()) {
                let message = format!("`{key}` without `every`");
                let hint = "add every = \"1s\", or remove it";
                self.findings
                    .contradiction(table.key_place(key), message, hint);
            }
        }
        let answer = ["expect", "reply"]
            .into_iter()
            .find(|key| table.get(key).is_some());
        let reply = match answer {
            Some(key) => self.step_reply(&table.child(key, &tables::REPLY), true, progress),
            None => None,
        };
        Some(Step::Send(Arc::new(SendStep {
            payload: payload?,
            schedule: every.map(|period| Schedule {
                period,
                kind: match table.text("arrivals") {
                    "poisson" => ScheduleKind::Poisson,
                    _ => ScheduleKind::Fixed,
                },
                skip_after: table.optional_time("skip_after"),
                count: table.optional_integer("count"),
            }),
            blocking: expect,
            reply,
            delivery,
        })))
    }

    fn delivery(
        &mut self,
        table: &Section<'_>,
        payload: Option<&super::super::Payload>,
        progress: &Progress,
    ) -> Option<Delivery> {
        let section = table.child("delivery", &tables::DELIVERY);
        if !section.is_there() {
            return None;
        }
        let dated = match payload {
            Some(super::super::Payload::Text(template)) => template.uses_intended(),
            Some(_) => false,
            None => true,
        };
        if !dated {
            let message = "`delivery` needs {{intended_us}} in the message";
            let hint = "receivers compute the delivery time from it; put it into the `send`";
            self.findings
                .contradiction(table.key_place("delivery"), message, hint);
        }
        // Receivers judge with their own values: they do not know the sender's.
        let receiver = Scope::default();
        let group_scope = Scope {
            captures: &progress.captures,
            all_captures: &progress.all_captures,
            message: false,
        };
        let matcher = self.matcher(&section, &receiver, false);
        let sent = section.get("sent").and_then(|node| self.pointer(node));
        let group = section
            .get("group")
            .map(|node| self.template(node, &group_scope));
        Some(Delivery {
            matcher: matcher?,
            sent: sent?,
            group,
            includes_sender: section.flag("includes_sender"),
        })
    }

    fn pause(&mut self, table: &Section<'_>) -> Option<Step> {
        let node = table.get("pause")?;
        let (min, max) = match &node.value {
            Value::Array(bounds) => {
                let times: Vec<_> = bounds
                    .iter()
                    .filter_map(|bound| value::time(&bound.value, true).ok())
                    .collect();
                match times[..] {
                    [min, max] if min <= max && bounds.len() == 2 => (min, max),
                    _ => {
                        if times.len() == bounds.len() {
                            let hint =
                                "write the shortest and the longest: pause = [\"1s\", \"3s\"]";
                            self.findings
                                .value(&node.place, "not the bounds of a pause", hint);
                        }
                        return None;
                    }
                }
            }
            other => value::time(other, false).ok().map(|time| (time, time))?,
        };
        Some(Step::Pause { min, max })
    }

    fn close(&mut self, section: &Section<'_>) -> Option<Step> {
        let code = section.optional_u16("code")?;
        if code != 1_000 && code < 3_000 {
            let hint = "a client may close with 1000, or 3000 to 4999 (RFC 6455 7.4)";
            let place: &Place = section.place("code");
            self.findings.value(
                place,
                format!("a client must not close with the code {code}"),
                hint,
            );
        }
        Some(Step::Close {
            code,
            reason: section.text("reason").to_owned(),
        })
    }
}

/// The names captured by any of the steps.
fn all_captures(steps: &[Section<'_>], names: &mut Vec<String>) {
    for step in steps {
        for key in ["expect", "reply"] {
            let reply = step.child(key, &tables::REPLY);
            names.extend(
                reply
                    .entries("capture")
                    .iter()
                    .map(|entry| entry.key.clone()),
            );
        }
        let repeat = step.child("repeat", &tables::REPEAT);
        all_captures(&repeat.children("steps", &tables::STEP), names);
    }
}
