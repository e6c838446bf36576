//! The relay: over memory on a paused clock, over loopback, and as a shell and a run see it.

mod command;
mod loopback;
mod paused;

use std::time::Duration;

use wsbench::relay::Relay;
use wsbench::scenario::{TimedToxic, Toxic};

/// A client's upgrade request and a server's answer: all that a relay looks at.
pub const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";
/// See [`REQUEST`].
pub const ANSWER: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";

/// As `--toxic` takes it.
pub fn toxic(text: &str) -> Toxic {
    let timed: TimedToxic = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
    timed.toxic
}

/// An unmasked frame with a payload of up to 125 bytes.
pub fn frame(first: u8, payload: &str) -> Vec<u8> {
    let mut bytes = vec![first, payload.len() as u8];
    bytes.extend(payload.as_bytes());
    bytes
}

/// A whole text message.
pub fn text(payload: &str) -> Vec<u8> {
    frame(0x81, payload)
}

/// A pong.
pub fn pong(payload: &str) -> Vec<u8> {
    frame(0x8a, payload)
}

/// Starts toxics for good, numbered from 0.
pub fn start(relay: &Relay, toxics: &[&str]) {
    for (id, text) in (0..).zip(toxics) {
        relay.start_fault(id, &toxic(text), None).expect("started");
    }
}

/// One millisecond.
pub const MS: Duration = Duration::from_millis(1);
