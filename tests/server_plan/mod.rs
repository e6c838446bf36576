//! What the tests of the reference server share: a request that opens a WebSocket.

/// The request of RFC 6455 1.3, and the head of its answer.
#[allow(dead_code, reason = "not every test file opens by hand")]
pub const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";
#[allow(dead_code, reason = "not every test file opens by hand")]
pub const ANSWER: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A masked frame, as a client sends it (mask 0, so that the payload can be read).
#[allow(dead_code, reason = "not every test file sends by hand")]
pub fn frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126, "short frames only");
    let head = [first_byte, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    [&head, payload].concat()
}
