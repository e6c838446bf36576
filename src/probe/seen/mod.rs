//! What a probe saw: plain data, no judgement, no secrets. It is the `seen` of `probe --json`.
//!
//! Times are in milliseconds (`_ms`). Text from the target is escaped (`\r`, `\x1b`, ...) and
//! bounded when it is recorded, so that nobody downstream has to think of it.

mod exchange;
mod mute;
mod route;
mod session;
mod watch;

pub use exchange::{AcceptCheck, Answer, Exchange, Outcome, Variation};
pub use route::{Certificate, Resolved, Route, TcpOpened, TlsProblem, TlsSeen};
pub use session::{
    Ended, FrameSeen, PingSeen, Provoked, Reply, Session, Step, StepKind, Tcp, Violation,
};
pub use watch::{Crowd, CrowdMember, Hold, HoldKind, Round, Watch, Why};

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Milliseconds, with microseconds behind the point.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Millis(pub f64);

impl From<Duration> for Millis {
    fn from(took: Duration) -> Self {
        Self((took.as_secs_f64() * 1e6).round() / 1e3)
    }
}

impl Millis {
    /// In seconds.
    pub fn seconds(self) -> f64 {
        self.0 / 1e3
    }
}

/// The target and what the user gave with it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Asked {
    /// Without its query.
    pub url: String,
    /// `wss`.
    pub secure: bool,
    /// As in the URL.
    pub host: String,
    /// As in the URL, or the scheme's.
    pub port: u16,
    /// Without its query.
    pub path: String,
    /// The URL has a query (it may hold a token).
    pub query: bool,
    /// Origin sent.
    pub origin: Option<String>,
    /// Subprotocols offered.
    pub subprotocols: Vec<String>,
    /// Names of headers sent that carry credentials.
    pub credentials: Vec<String>,
    /// Names of all headers added by the user.
    pub headers: Vec<String>,
    /// Bytes of all values of those headers.
    pub header_bytes: usize,
    /// `host:port` of the forward proxy.
    pub proxy: Option<String>,
    /// A CA bundle was given.
    pub own_ca: bool,
    /// A client certificate was given.
    #[serde(default)]
    pub client_certificate: bool,
    /// The server's certificate is not trusted, so credentials and the query were not sent.
    #[serde(default)]
    pub withheld: bool,
    /// Certificates are not to be judged.
    pub insecure: bool,
    /// The limit for one probe without its slow part.
    pub timeout_ms: Millis,
    /// Wall time at the start, seconds since 1970.
    pub at: i64,
}

/// Everything seen, in the order it was looked for. What was not looked for is `None` or empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Seen {
    /// The question.
    pub asked: Asked,
    /// Names to addresses.
    pub resolved: Resolved,
    /// TCP and TLS to each address.
    pub routes: Vec<Route>,
    /// What the forward proxy said to CONNECT, when there is one.
    pub connect: Option<Exchange>,
    /// The handshake as asked for.
    pub handshake: Option<Exchange>,
    /// Other requests, made to compare, in order.
    pub compared: Vec<Exchange>,
    /// What happened on the open connection.
    pub session: Option<Session>,
    /// Holds, and handshakes made meanwhile.
    pub watch: Option<Watch>,
    /// Many connections at once.
    pub crowd: Option<Crowd>,
}

impl Seen {
    /// The answer to a variation that was tried; the last one when it was tried more than once.
    pub fn to(&self, asked: &Variation) -> Option<&Exchange> {
        self.compared.iter().rev().find(|e| e.asked == *asked)
    }

    /// The handshake as asked for, if an HTTP answer came.
    pub fn answer(&self) -> Option<&Answer> {
        self.handshake.as_ref()?.answer()
    }
}

/// Longest text kept of what a target sends, in characters before escaping.
pub const TEXT: usize = 512;

/// Text from a target, escaped and bounded: control characters, bidi marks and invalid UTF-8 become
/// `\u{..}` or `\x..`, so a terminal or a page shows it as text.
pub fn escaped(bytes: &[u8], limit: usize) -> String {
    let mut out = String::new();
    let cut = &bytes[..bytes.len().min(limit)];
    for chunk in cut.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\t' | '\r' | '\n' | '\\' => out.extend(c.escape_default()),
                c if c.is_control() || is_mark(c) => out.extend(c.escape_unicode()),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// Characters that reorder or hide others.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_a_target_become_harmless_text() {
        let table: [(&[u8], &str); 4] = [
            (b"a\r\n\x1b[31m", "a\\r\\n\\u{1b}[31m"),
            ("é\u{202e}".as_bytes(), "é\\u{202e}"),
            (b"\xff\xfeok", "\\xff\\xfeok"),
            (b"abcdef", "abcd"),
        ];
        for (bytes, text) in table {
            let limit = if bytes == b"abcdef" { 4 } else { 100 };
            assert_eq!(escaped(bytes, limit), text);
        }
    }

    #[test]
    fn what_was_seen_survives_json() {
        let seen = Seen::default();
        let text = serde_json::to_string(&seen).unwrap();
        assert_eq!(serde_json::from_str::<Seen>(&text).unwrap(), seen);
    }
}
