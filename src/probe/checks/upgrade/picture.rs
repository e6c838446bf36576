//! What the answers to the handshake and to its variations say together.

use crate::probe::ask::compare::refusal::NO_PATH;
use crate::probe::ask::compare::silence::ENGINE_IO;
use crate::probe::checks::silence::words::span;
use crate::probe::seen::{Answer, Exchange, Seen, Variation};

/// A refused handshake, and what tells its causes apart.
pub struct Picture<'a> {
    /// Everything.
    pub seen: &'a Seen,
    /// The exchange of the handshake.
    pub exchange: &'a Exchange,
    /// Its answer, which is no 101.
    pub answer: &'a Answer,
    /// Status, reason and start of the body, in lower case.
    pub text: String,
    /// An ordinary GET of the same URL got the same answer.
    pub like_get: bool,
    /// Version 99 got the same answer.
    pub like_version: bool,
    /// Somebody complained about version 99: the headers of a handshake arrive there.
    pub arrives: bool,
}

impl<'a> Picture<'a> {
    /// `None` unless the handshake got an HTTP answer that is no 101.
    pub fn of(seen: &'a Seen) -> Option<Self> {
        let exchange = seen.handshake.as_ref()?;
        let answer = exchange.answer().filter(|answer| answer.status != 101)?;
        let like = |variation: &Variation| {
            let other = seen.to(variation).and_then(Exchange::answer);
            other.is_some_and(|other| other.same_as(answer))
        };
        let (like_get, like_version) = (like(&Variation::PlainGet), like(&Variation::Version99));
        Some(Self {
            seen,
            exchange,
            answer,
            text: text(answer),
            like_get,
            like_version,
            arrives: arrives(seen),
        })
    }

    /// The answer to a variation.
    pub fn to(&self, variation: &Variation) -> Option<&'a Answer> {
        self.seen.to(variation).and_then(Exchange::answer)
    }

    /// The variation opened a WebSocket.
    pub fn opens(&self, variation: &Variation) -> bool {
        self.seen.to(variation).is_some_and(Exchange::is_upgrade)
    }

    /// How long the answer took, in words.
    pub fn waited(&self) -> String {
        span(self.exchange.first_byte_ms.unwrap_or(self.exchange.took_ms))
    }

    /// One of these words stands in the answer (lower case).
    pub fn says(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.text.contains(word))
    }

    /// Handshake, GET and version 99 got one and the same answer.
    pub fn identical(&self) -> bool {
        self.like_get && self.like_version
    }

    /// A path that nobody serves got the same answer as the one asked for.
    pub fn like_any_path(&self) -> bool {
        let other = self.to(&Variation::Path(NO_PATH.to_owned()));
        other.is_some_and(|other| other.same_as(self.answer))
    }

    /// The origin that was left out or put in made it a 101.
    pub fn opens_with_other_origin(&self) -> Option<&'a Variation> {
        let mut compared = self.seen.compared.iter();
        let origin = |v: &Variation| matches!(v, Variation::Origin(_) | Variation::WithoutOrigin);
        compared
            .find(|e| origin(&e.asked) && e.is_upgrade())
            .map(|e| &e.asked)
    }

    /// Engine.IO answers at its own path, or answered here.
    pub fn is_engine_io(&self) -> bool {
        let polling = self.to(&Variation::GetPath(ENGINE_IO.to_owned()));
        let greets = polling.is_some_and(|a| {
            a.status == 200 && a.body.contains("\"sid\"") && a.body.contains("pingInterval")
        });
        let own_path = self.seen.asked.path.starts_with("/socket.io/") && self.answer.status == 400;
        greets
            || own_path
            || ENGINE_IO_ERRORS
                .iter()
                .any(|e| self.answer.body.contains(e))
    }

    /// Something of the user's may be what is refused: a header or the query.
    pub fn has_credentials(&self) -> bool {
        !self.seen.asked.credentials.is_empty() || self.seen.asked.query
    }
}

/// What Engine.IO says when it refuses (its `errorMessages`).
const ENGINE_IO_ERRORS: [&str; 4] = [
    "Transport unknown",
    "Session ID unknown",
    "Bad handshake method",
    "Unsupported protocol version",
];

/// In lower case: what the answer says in words.
pub fn text(answer: &Answer) -> String {
    format!("{} {}", answer.reason, answer.body).to_ascii_lowercase()
}

/// Whether somebody saw the version that no server has: its answer differs from that to a GET.
fn arrives(seen: &Seen) -> bool {
    let version = seen.to(&Variation::Version99).and_then(Exchange::answer);
    let Some(version) = version else {
        return false;
    };
    // RFC 6455 4.4: a server that does not know the version says which it knows.
    if version.header("sec-websocket-version").is_some() || text(version).contains("version") {
        return true;
    }
    let get = seen.to(&Variation::PlainGet).and_then(Exchange::answer);
    let handshake = seen.answer();
    let differs = |other: Option<&Answer>| other.is_some_and(|other| !other.same_as(version));
    differs(get) && differs(handshake)
}
