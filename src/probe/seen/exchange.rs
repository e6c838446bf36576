//! One request on a connection of its own, and what came back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Millis;

/// What was sent: the handshake asked for, or one that differs from it in one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Variation {
    /// The handshake as asked for.
    Handshake,
    /// The same once more, on a fresh connection.
    Again,
    /// An ordinary GET of the same URL with the same headers, without those of an upgrade.
    PlainGet,
    /// `Sec-WebSocket-Version: 99`.
    Version99,
    /// Without Sec-WebSocket-Key.
    NoKey,
    /// The same handshake for another path.
    Path(String),
    /// A plain GET of another path.
    GetPath(String),
    /// Without the Origin asked for.
    WithoutOrigin,
    /// With this Origin.
    Origin(String),
    /// Without the headers that carry credentials.
    WithoutCredentials,
    /// With those headers, their values made wrong.
    WrongCredentials,
    /// Without any header of the user.
    WithoutHeaders,
    /// Without subprotocols.
    WithoutSubprotocols,
    /// With this subprotocol.
    Subprotocol(String),
    /// The same handshake by the other scheme on the same port: TLS for `ws`, none for `wss`.
    OtherScheme,
    /// With this Host.
    Host(String),
    /// A PROXY protocol v1 line before the handshake.
    ProxyProtocol,
    /// A line that is no HTTP request: its error page names who reads first. It lands in logs.
    Garbage,
    /// Nothing: some protocols speak first.
    Listen,
    /// With this SNI and Host instead of the URL's host.
    ServerName(String),
    /// The handshake as HTTP/1.0.
    Http10,
    /// `CONNECT host:port` to the forward proxy.
    Connect,
}

/// Whether Sec-WebSocket-Accept fits the key (RFC 6455 4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AcceptCheck {
    /// No such header.
    #[default]
    Missing,
    /// It fits.
    Right,
    /// Another value.
    Wrong,
}

/// An HTTP answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// `1.0` or `1.1`.
    pub version: String,
    /// 100 to 999.
    pub status: u16,
    /// Escaped.
    pub reason: String,
    /// Names in lower case, values escaped; Set-Cookie without its value.
    pub headers: Vec<(String, String)>,
    /// The start of the body, escaped; empty after a 101.
    pub body: String,
    /// Bytes of the body that came.
    pub body_bytes: usize,
    /// How the peer ended the connection after it, if it did while we read.
    pub end: Option<String>,
    /// Of a 101.
    pub accept: AcceptCheck,
}

impl Answer {
    /// The first header of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Whether a header of that name (lower case) has this word in its list.
    pub fn has_token(&self, name: &str, word: &str) -> bool {
        let named = self.headers.iter().filter(|(n, _)| n == name);
        named
            .flat_map(|(_, value)| value.split(','))
            .any(|token| token.trim().eq_ignore_ascii_case(word))
    }

    /// A 101 that a client may accept.
    pub fn is_upgrade(&self) -> bool {
        self.status == 101
            && self.accept == AcceptCheck::Right
            && self.has_token("upgrade", "websocket")
            && self.has_token("connection", "upgrade")
    }

    /// The same status and the same body: what was different in the request did not matter.
    pub fn same_as(&self, other: &Self) -> bool {
        self.status == other.status && settled(&self.body) == settled(&other.body)
    }
}

/// A body without what changes from answer to answer: digits and long hexadecimal words (times,
/// request ids).
fn settled(body: &str) -> String {
    let word = |w: &str| {
        let hex = w.len() >= 8 && w.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        let digits = w.chars().any(|c| c.is_ascii_digit());
        if hex || (digits && w.len() >= 6) {
            "#".to_owned()
        } else {
            w.to_owned()
        }
    };
    body.split(|c: char| !c.is_alphanumeric() && c != '-')
        .map(word)
        .collect::<Vec<_>>()
        .join(" ")
}

/// What came of a request. Ends are `FIN`, `RST`, `close_notify`, `alert NAME`, or the system's words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// TCP did not open: `refused`, `timeout`, `unreachable`, or the system's words.
    NotOpened(String),
    /// TLS did not come up.
    NoTls(super::TlsProblem),
    /// Not one byte; how the peer ended it, or `None` when time was up.
    NoBytes {
        /// `None`: it stayed open and silent.
        end: Option<String>,
    },
    /// Bytes that are not HTTP, escaped.
    NotHttp {
        /// The first of them.
        bytes: String,
        /// `None`: it stayed open.
        end: Option<String>,
    },
    /// The start of an HTTP head, never finished.
    PartialHead {
        /// The first bytes, escaped.
        bytes: String,
        /// `None`: it stayed open.
        end: Option<String>,
    },
    /// A whole head, and what came of a body.
    Answer(Answer),
}

/// One request and its outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Exchange {
    /// What was sent.
    pub asked: Variation,
    /// When, from the start of the probe.
    pub at_ms: Millis,
    /// `address:port` it went to.
    pub address: String,
    /// From the sent request to the first byte.
    pub first_byte_ms: Option<Millis>,
    /// From the SYN to the outcome.
    pub took_ms: Millis,
    /// What came of it.
    pub outcome: Outcome,
}

impl Exchange {
    /// The HTTP answer, if one came.
    pub fn answer(&self) -> Option<&Answer> {
        match &self.outcome {
            Outcome::Answer(answer) => Some(answer),
            _ => None,
        }
    }

    /// The status, if an HTTP answer came.
    pub fn status(&self) -> Option<u16> {
        self.answer().map(|a| a.status)
    }

    /// A 101 that a client may accept.
    pub fn is_upgrade(&self) -> bool {
        self.answer().is_some_and(Answer::is_upgrade)
    }

    /// The same answer, or the same silence or ending.
    pub fn same_as(&self, other: &Self) -> bool {
        match (&self.outcome, &other.outcome) {
            (Outcome::Answer(one), Outcome::Answer(another)) => one.same_as(another),
            (one, another) => one == another,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status,
            body: body.to_owned(),
            ..Answer::default()
        }
    }

    #[test]
    fn answers_are_compared_without_what_changes_each_time() {
        let one = answer(404, "not found, id 4f2a9c0012ab at 12:00:01");
        assert!(one.same_as(&answer(404, "not found, id 77aa00bc91fe at 12:00:01")));
        assert!(!one.same_as(&answer(400, "not found, id 4f2a9c0012ab at 12:00:01")));
        assert!(!one.same_as(&answer(404, "unsupported version 99")));
    }

    #[test]
    fn a_101_needs_its_headers() {
        let mut good = answer(101, "");
        good.accept = AcceptCheck::Right;
        good.headers = vec![
            ("upgrade".into(), "WebSocket".into()),
            ("connection".into(), "keep-alive, Upgrade".into()),
        ];
        assert!(good.is_upgrade());
        for spoil in 0..3 {
            let mut bad = good.clone();
            match spoil {
                0 => bad.accept = AcceptCheck::Wrong,
                1 => bad.headers.remove(0).0.clear(),
                _ => bad.status = 200,
            }
            assert!(!bad.is_upgrade(), "{spoil}");
        }
    }
}
