//! `[heartbeat]`: style, times, presets.

use std::time::Duration;

use super::super::template::Names;
use super::super::{AnswerPings, Heartbeat, HeartbeatStyle, Matcher, Pointer, Template, Warning};
use super::builder::{Builder, Scope};
use super::preset::{PRESETS, Preset};
use super::section::Section;
use super::tables;
use super::tree::Value;
use super::value;

/// Beats more often than this are refused: shorter than any round trip worth the name.
const SHORTEST: Duration = Duration::from_millis(1);
/// Beats more often than this are odd.
const FREQUENT: Duration = Duration::from_millis(100);

const BEAT: Scope<'_> = Scope {
    captures: &[],
    all_captures: &[],
    message: true,
};

impl Builder<'_> {
    pub(super) fn heartbeat(&mut self, section: &Section<'_>) -> Heartbeat {
        let named = section.optional_text("preset");
        let preset = PRESETS.iter().find(|preset| Some(preset.name) == named);
        let style = match preset {
            Some(preset) => {
                for key in ["style", "send", "reply", "empty"] {
                    if section.get(key).is_some() {
                        let message = format!("`heartbeat.{key}` beside a preset");
                        let hint =
                            "a preset fixes what is sent and awaited; only times can be changed";
                        self.findings
                            .contradiction(section.key_place(key), message, hint);
                    }
                }
                preset_style(preset)
            }
            None => self.style(section),
        };
        let millis =
            |key: &str, preset: Option<u64>| match preset.filter(|_| section.get(key).is_none()) {
                Some(millis) => Some(Duration::from_millis(millis)).filter(|time| !time.is_zero()),
                None => section.optional_time(key),
            };
        let interval = millis("interval", preset.map(|p| p.interval)).unwrap_or_default();
        let timeout = millis("timeout", preset.map(|p| p.timeout)).unwrap_or_default();
        let silent = matches!(style, HeartbeatStyle::OneWay { .. } | HeartbeatStyle::None);
        let max_missed = match preset.filter(|_| section.get("max_missed").is_none()) {
            Some(preset) => Some(preset.max_missed),
            None => section.optional_u32("max_missed"),
        };
        let heartbeat = Heartbeat {
            interval,
            timeout,
            max_missed: max_missed.filter(|missed| *missed > 0 && !silent),
            max_quiet: millis("max_quiet", preset.map(|p| p.max_quiet)),
            any_traffic: section.flag("any_traffic"),
            idle_only: match preset.filter(|_| section.get("idle_only").is_none()) {
                Some(preset) => preset.idle_only,
                None => section.flag("idle_only"),
            },
            grace: section.time("grace"),
            answer_pings: answer_pings(section),
            expect_server_ping: section.optional_time("expect_server_ping"),
            style,
        };
        self.check_heartbeat(section, &heartbeat);
        heartbeat
    }

    fn style(&mut self, section: &Section<'_>) -> HeartbeatStyle {
        let style = section.text("style");
        let unused: &[&str] = match style {
            "text" | "json" => &["empty"],
            "one_way" => &["empty", "reply", "timeout", "max_missed"],
            "none" => &[
                "empty",
                "send",
                "reply",
                "interval",
                "timeout",
                "max_missed",
                "idle_only",
            ],
            _ => &["send", "reply"],
        };
        for key in unused.iter().filter(|key| section.get(key).is_some()) {
            let message = format!("`heartbeat.{key}` has no meaning with the style {style}");
            let hint = match style {
                "one_way" => "nobody answers such a beat: silence is judged by max_quiet",
                "none" => "remove it, or choose another style",
                _ => "choose another style (text and json have `send` and `reply`), or remove it",
            };
            self.findings
                .contradiction(section.key_place(key), message, hint);
        }
        if style == "one_way" && section.get("send").is_none() {
            let hint = "write for example send = \"\\n\"";
            let message = "a one_way heartbeat needs `send`";
            self.findings
                .contradiction(section.place("style"), message, hint);
        }
        match style {
            "text" => HeartbeatStyle::Text {
                send: self.beat(section, "ping"),
                reply: self.beat_reply(section, Matcher::Text(Template::literal("pong"))),
            },
            "json" => HeartbeatStyle::Json {
                send: self.beat(section, r#"{"type":"ping","id":{{seq}}}"#),
                reply: self.beat_reply(
                    section,
                    Matcher::Json(vec![
                        (Pointer::known("/type"), Template::literal("pong")),
                        (Pointer::known("/id"), own("{{seq}}")),
                    ]),
                ),
            },
            "one_way" => HeartbeatStyle::OneWay {
                send: self.beat(section, ""),
            },
            "none" => HeartbeatStyle::None,
            _ => HeartbeatStyle::Ping {
                empty: section.flag("empty"),
            },
        }
    }

    fn beat(&mut self, section: &Section<'_>, default: &str) -> Template {
        match section.get("send") {
            Some(node) => self.template(node, &BEAT),
            None => own(default),
        }
    }

    fn beat_reply(&mut self, section: &Section<'_>, default: Matcher) -> Matcher {
        match section.get("reply") {
            Some(node) if node.as_table().is_some() => {
                let table = section.child("reply", &tables::MATCHER);
                self.matcher(&table, &BEAT, true).unwrap_or(Matcher::Echo)
            }
            Some(node) => Matcher::Text(self.template(node, &BEAT)),
            None if section.get("send").is_some() => {
                let message = "`heartbeat.send` without `heartbeat.reply`";
                let hint = "say what the answer is, for example reply = \"pong\"";
                self.findings
                    .contradiction(section.key_place("send"), message, hint);
                default
            }
            None => default,
        }
    }

    fn check_heartbeat(&mut self, section: &Section<'_>, heartbeat: &Heartbeat) {
        let Heartbeat {
            interval, timeout, ..
        } = *heartbeat;
        if matches!(heartbeat.style, HeartbeatStyle::None) {
            return;
        }
        if interval < SHORTEST && section.get("interval").is_some() {
            let message = "heartbeats more often than once a millisecond";
            let hint = "a heartbeat cannot be faster than a round trip; write for example interval = \"5s\"";
            self.findings
                .value(section.place("interval"), message, hint);
        } else if interval < FREQUENT {
            self.findings
                .warnings
                .push(Warning::HeartbeatFrequent { interval });
        }
        let answered = !matches!(heartbeat.style, HeartbeatStyle::OneWay { .. });
        if answered && timeout > interval {
            self.findings
                .warnings
                .push(Warning::HeartbeatOverlaps { timeout, interval });
        }
        if let Some(quiet) = heartbeat.max_quiet
            && heartbeat.idle_only
            && quiet <= interval
        {
            let message = "`heartbeat.max_quiet` ends a connection before its first beat";
            let hint = "with idle_only, max_quiet must be longer than interval";
            self.findings
                .contradiction(section.place("max_quiet"), message, hint);
        }
    }
}

fn answer_pings(section: &Section<'_>) -> AnswerPings {
    match section.get("answer_pings").map(|node| &node.value) {
        Some(Value::Bool(false)) => AnswerPings::Never,
        Some(text @ Value::Text(_)) => {
            AnswerPings::After(value::time(text, false).unwrap_or_default())
        }
        _ => AnswerPings::AtOnce,
    }
}

fn preset_style(preset: &Preset) -> HeartbeatStyle {
    let send = own(preset.send);
    match preset.style {
        "json" => {
            let pairs = preset.reply.iter();
            let pairs = pairs.map(|(pointer, text)| (Pointer::known(pointer), own(text)));
            HeartbeatStyle::Json {
                send,
                reply: Matcher::Json(pairs.collect()),
            }
        }
        "one_way" => HeartbeatStyle::OneWay { send },
        "none" => HeartbeatStyle::None,
        _ => HeartbeatStyle::Ping {
            empty: preset.empty,
        },
    }
}

/// A template of this file's own.
fn own(text: &str) -> Template {
    let names = Names {
        message: true,
        ..Names::default()
    };
    Template::parse(text, &names).unwrap_or_else(|_| Template::literal(text))
}
