//! What the reference server says to a message: pure functions from text to an [`Answer`].
//!
//! In every behaviour the text `ping` is answered `pong` and `{"type":"ping"}` is answered
//! `{"type":"pong"}` (an `id` comes back): heartbeats of applications work against any of them.
//! Values of `id`, `sent` and `text` come back exactly as they were written, whatever their type.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::scenario::Behaviour;

/// Longest room name in bytes.
const MAX_ROOM: usize = 128;
/// A JSON heartbeat is short; longer texts are not searched for one.
const MAX_HEARTBEAT: usize = 256;

/// What to do about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Send it back as it is.
    Echo,
    /// Pass it on to every connection.
    Everybody,
    /// Send this text back.
    Reply(Cow<'static, str>),
    /// Send this answer to a heartbeat back.
    Pong(Cow<'static, str>),
    /// Put the connection into a room, out of any other.
    Join(String),
    /// Take it out of its room.
    Leave,
    /// Acknowledge to the sender, then tell the room.
    Say {
        /// To the sender.
        ack: String,
        /// To everybody in the room, the sender included.
        said: String,
    },
    /// Close with this code and reason.
    Close(u16, &'static str),
}

/// The members of a message this server knows; all others are ignored.
#[derive(Default, Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    room: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    sent: Option<&'a RawValue>,
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
}

/// The answer to a text message of the connection `from`, which is in `room`.
pub fn answer_text(behaviour: Behaviour, text: &str, room: Option<&str>, from: u64) -> Answer {
    if let Some(pong) = answer_heartbeat(text) {
        return Answer::Pong(pong);
    }
    match behaviour {
        Behaviour::Echo => Answer::Echo,
        Behaviour::Broadcast => Answer::Everybody,
        Behaviour::Ack => answer_ack(text),
        Behaviour::Chat => answer_chat(text, room, from),
    }
}

/// The answer to a binary message.
pub const fn answer_binary(behaviour: Behaviour) -> Answer {
    match behaviour {
        Behaviour::Echo => Answer::Echo,
        Behaviour::Broadcast => Answer::Everybody,
        Behaviour::Ack | Behaviour::Chat => Answer::Close(1003, "only text is understood here"),
    }
}

fn answer_heartbeat(text: &str) -> Option<Cow<'static, str>> {
    if text == "ping" {
        return Some(Cow::Borrowed("pong"));
    }
    let bytes = text.as_bytes();
    // Echoed payloads pass here millions of times: parse only what can be a heartbeat.
    if bytes.first() != Some(&b'{') || bytes.len() > MAX_HEARTBEAT {
        return None;
    }
    if !bytes.windows(6).any(|w| w == b"\"ping\"") {
        return None;
    }
    let fields: Fields<'_> = serde_json::from_str(text).ok()?;
    if fields.kind.as_deref() != Some("ping") {
        return None;
    }
    Some(match fields.id {
        None => Cow::Borrowed(r#"{"type":"pong"}"#),
        Some(id) => format!(r#"{{"type":"pong","id":{id}}}"#).into(),
    })
}

/// The members, or the answer to a message that has none.
fn parse_fields(text: &str) -> Result<Fields<'_>, Answer> {
    serde_json::from_str(text).map_err(|error| match error.classify() {
        Category::Data => error_reply("not an object with known types"),
        _ => Answer::Close(4002, "Invalid JSON"),
    })
}

/// Every message gets exactly one acknowledgement, `null` for one without an `id`.
fn answer_ack(text: &str) -> Answer {
    let fields = match parse_fields(text) {
        Ok(fields) => fields,
        Err(close @ Answer::Close(..)) => return close,
        Err(_) => Fields::default(),
    };
    Answer::Reply(format!(r#"{{"ack":{}}}"#, raw(fields.id)).into())
}

fn answer_chat(text: &str, room: Option<&str>, from: u64) -> Answer {
    let fields = match parse_fields(text) {
        Ok(fields) => fields,
        Err(answer) => return answer,
    };
    match (fields.kind.as_deref(), room) {
        (Some("join"), _) => match fields.room {
            Some(name) if !name.is_empty() && name.len() <= MAX_ROOM => {
                Answer::Join(name.into_owned())
            }
            _ => error_reply("join needs a room of 1 to 128 bytes"),
        },
        (Some("leave"), Some(_)) => Answer::Leave,
        (Some("say"), Some(room)) => Answer::Say {
            ack: format!(r#"{{"ack":{}}}"#, raw(fields.id)),
            said: format!(
                r#"{{"type":"said","room":{},"id":{},"sent":{},"text":{},"from":{from}}}"#,
                quote(room),
                raw(fields.id),
                raw(fields.sent),
                raw(fields.text),
            ),
        },
        (Some("leave" | "say"), None) => error_reply("join a room first"),
        _ => error_reply("unknown type: join, say, leave or ping"),
    }
}

/// `{"type":"joined","room":...}` or `left`.
pub fn room_notice(kind: &str, room: &str) -> String {
    format!(r#"{{"type":"{kind}","room":{}}}"#, quote(room))
}

fn error_reply(reason: &str) -> Answer {
    Answer::Reply(format!(r#"{{"type":"error","reason":"{reason}"}}"#).into())
}

fn raw(value: Option<&RawValue>) -> &str {
    value.map_or("null", RawValue::get)
}

fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(behaviour: Behaviour, text: &str, room: Option<&str>) -> String {
        match answer_text(behaviour, text, room, 7) {
            Answer::Reply(reply) | Answer::Pong(reply) => reply.into_owned(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn heartbeats_are_answered_in_every_behaviour() {
        use Behaviour::{Ack, Broadcast, Chat, Echo};
        for behaviour in [Echo, Chat, Broadcast, Ack] {
            for (ping, pong) in [
                ("ping", "pong"),
                (r#"{"type":"ping"}"#, r#"{"type":"pong"}"#),
                (r#"{"type": "ping", "t": [1]}"#, r#"{"type":"pong"}"#),
                (
                    r#"{"id":{"a":1.50},"type":"ping"}"#,
                    r#"{"type":"pong","id":{"a":1.50}}"#,
                ),
            ] {
                assert_eq!(show(behaviour, ping, None), pong, "{behaviour:?}");
            }
        }
    }

    #[test]
    fn what_only_looks_like_a_heartbeat_is_echoed() {
        let long = format!(r#"{{"type":"ping","x":"{}"}}"#, "x".repeat(MAX_HEARTBEAT));
        for text in [
            "Ping",
            "ping ",
            "",
            r#"{"type":"x","y":"ping"}"#,
            r#"{"type":"ping""#,
            r#"["ping"]"#,
            long.as_str(),
        ] {
            assert_eq!(show(Behaviour::Echo, text, None), "Echo", "{text}");
        }
    }

    #[test]
    fn acks_carry_the_id_as_it_was_written() {
        for (text, expected) in [
            (r#"{"id":1}"#, r#"{"ack":1}"#),
            (r#"{"x":0,"id":"a\u0062"}"#, r#"{"ack":"a\u0062"}"#),
            (r#"{"id":1e400}"#, r#"{"ack":1e400}"#),
            (r#"{"id":[1, 2]}"#, r#"{"ack":[1, 2]}"#),
            ("{}", r#"{"ack":null}"#),
            ("[1]", r#"{"ack":null}"#),
            ("", r#"Close(4002, "Invalid JSON")"#),
            (r#"{"id":1"#, r#"Close(4002, "Invalid JSON")"#),
            ("{'id':1}", r#"Close(4002, "Invalid JSON")"#),
        ] {
            assert_eq!(show(Behaviour::Ack, text, None), expected, "{text}");
        }
    }

    #[test]
    fn chat_knows_join_say_and_leave() {
        let error = |reason: &str| format!(r#"{{"type":"error","reason":"{reason}"}}"#);
        for (text, room, expected) in [
            (
                r#"{"type":"join","room":"a\"b"}"#,
                None,
                r#"Join("a\"b")"#.to_owned(),
            ),
            (r#"{"type":"leave"}"#, Some("a"), "Leave".to_owned()),
            (r#"{"type":"leave"}"#, None, error("join a room first")),
            (r#"{"type":"say","id":1}"#, None, error("join a room first")),
            (
                r#"{"type":"join"}"#,
                None,
                error("join needs a room of 1 to 128 bytes"),
            ),
            (
                r#"{"type":"dance"}"#,
                None,
                error("unknown type: join, say, leave or ping"),
            ),
            ("3", None, error("not an object with known types")),
            (
                "nonsense",
                None,
                r#"Close(4002, "Invalid JSON")"#.to_owned(),
            ),
        ] {
            assert_eq!(show(Behaviour::Chat, text, room), expected, "{text}");
        }
    }

    #[test]
    fn said_is_json_whatever_the_room_is_called() {
        let text = r#"{"type":"say","id":5,"sent":1.5,"text":"hi"}"#;
        let Answer::Say { ack, said } = answer_text(Behaviour::Chat, text, Some("a\"\n"), 7) else {
            panic!("a say in a room");
        };
        assert_eq!(ack, r#"{"ack":5}"#);
        assert_eq!(
            said,
            r#"{"type":"said","room":"a\"\n","id":5,"sent":1.5,"text":"hi","from":7}"#
        );
    }
}
