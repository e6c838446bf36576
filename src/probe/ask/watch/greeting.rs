//! What names the server behind a balancer: a header of the answer, a field of its first message.

use serde_json::Value;

use crate::probe::seen::{Exchange, escaped};

/// Longest name that is kept: longer values are tokens, not names.
const LONGEST: usize = 64;

/// Headers that balancers and servers use for it.
const HEADERS: &[&str] = &[
    "x-served-by",
    "x-server",
    "x-server-id",
    "x-backend",
    "x-backend-server",
    "x-upstream",
    "x-node",
    "x-node-id",
    "x-instance",
    "x-instance-id",
    "x-pod",
    "x-pod-name",
    "x-hostname",
    "x-container",
];
/// Words in the name of a field that mean a server.
const FIELDS: &[&str] = &[
    "server",
    "node",
    "host",
    "instance",
    "pod",
    "backend",
    "worker",
    "replica",
    "machine",
    "container",
];

/// `NAME=VALUE`, escaped.
pub fn node(exchange: &Exchange, message: Option<&[u8]>) -> Option<String> {
    let answer = exchange.answer()?;
    let header = HEADERS
        .iter()
        .find_map(|name| Some((*name, answer.header(name)?)));
    if let Some((name, value)) = header.filter(|(_, value)| is_name(value)) {
        return Some(format!("{name}={value}"));
    }
    let Value::Object(fields) = serde_json::from_slice(message?).ok()? else {
        return None;
    };
    let named = fields.iter().find_map(|(name, value)| {
        let lower = name.to_ascii_lowercase();
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        let about = FIELDS.iter().any(|word| lower.contains(word));
        // `serverTime` is no server.
        let moment = ["time", "date", "version", "count"]
            .iter()
            .any(|word| lower.contains(word));
        (about && !moment && is_name(&value)).then_some((name, value))
    });
    let (name, value) = named?;
    let text = format!("{name}={value}");
    Some(escaped(text.as_bytes(), 2 * LONGEST))
}

fn is_name(value: &str) -> bool {
    !value.is_empty() && value.len() <= LONGEST
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::seen::{Answer, Millis, Outcome, Variation};

    #[test]
    fn servers_are_named_by_headers_and_fields() {
        let exchange = |headers: Vec<(String, String)>| Exchange {
            asked: Variation::Again,
            at_ms: Millis::default(),
            address: String::new(),
            first_byte_ms: None,
            took_ms: Millis::default(),
            outcome: Outcome::Answer(Answer {
                headers,
                ..Answer::default()
            }),
        };
        let plain = exchange(vec![]);
        let named = exchange(vec![("x-served-by".into(), "web-2".into())]);
        assert_eq!(node(&named, None).as_deref(), Some("x-served-by=web-2"));
        let table: [(&[u8], Option<&str>); 5] = [
            (br#"{"type":"hi","nodeId":7,"clients":3}"#, Some("nodeId=7")),
            (br#"{"hostname":"a\u001b"}"#, Some("hostname=a\\u{1b}")),
            (br#"{"serverTime":"12:00"}"#, None),
            (br#"{"clients":3}"#, None),
            (b"hello server", None),
        ];
        for (message, found) in table {
            assert_eq!(node(&plain, Some(message)).as_deref(), found);
        }
    }
}
