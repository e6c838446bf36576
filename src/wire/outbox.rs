//! What waits to be written: encoded frames of one connection, bounded.

use std::cell::Cell;

use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::frame::{CLOSE, Role, close_payload, encode_frame};

/// Buffers above this are given back once they are empty.
const KEEP: usize = 64 * 1024;
/// So many written bytes are cut off the front at once.
const COMPACT: usize = 64 * 1024;

thread_local! {
    /// The buffer of whoever writes next on this thread: a connection fills and empties it in one turn,
    /// mostly, so that one serves all of them. It stays in the processor's cache, and idle connections
    /// hold none.
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The outbox has no room for this frame; nothing was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the outbox is full: the peer does not read")]
pub struct Full;

/// Encoded frames that the kernel has not taken yet.
#[derive(Debug)]
pub struct Outbox {
    bytes: Vec<u8>,
    written: usize,
    limit: usize,
    masks: Option<fastrand::Rng>,
    close_queued: bool,
}

impl Outbox {
    /// An empty outbox of at most `limit` bytes (one frame may pass it when the box is empty, so
    /// that a large message can be sent at all).
    pub fn new(role: Role, limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            written: 0,
            limit,
            masks: (role == Role::Client).then(fastrand::Rng::new),
            close_queued: false,
        }
    }

    /// Queues a text message.
    pub fn text(&mut self, payload: &[u8]) -> Result<(), Full> {
        self.frame(OpCode::Data(Data::Text), payload)
    }

    /// Queues a binary message.
    pub fn binary(&mut self, payload: &[u8]) -> Result<(), Full> {
        self.frame(OpCode::Data(Data::Binary), payload)
    }

    /// Queues a ping; at most 125 bytes are sent.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Full> {
        let payload = &payload[..payload.len().min(125)];
        self.frame(OpCode::Control(Control::Ping), payload)
    }

    /// Queues a pong; at most 125 bytes are sent.
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), Full> {
        let payload = &payload[..payload.len().min(125)];
        self.frame(OpCode::Control(Control::Pong), payload)
    }

    /// Queues the close frame; everything queued after it is silently left out, as RFC 6455 5.5.1
    /// asks. A second close is left out too. Not bounded by the limit: it is the last frame.
    pub fn close(&mut self, code: Option<u16>, reason: &str) {
        if self.close_queued {
            return;
        }
        self.close_queued = true;
        let mask = self.mask();
        match code {
            Some(code) => {
                let (payload, length) = close_payload(code, reason);
                encode_frame(CLOSE, &payload[..length], mask, self.buffer());
            }
            None => encode_frame(CLOSE, &[], mask, self.buffer()),
        }
    }

    /// Queues bytes that are already frames (a broadcast encoded once; servers only, unmasked).
    pub fn encoded(&mut self, frames: &[u8]) -> Result<(), Full> {
        if self.close_queued {
            return Ok(());
        }
        self.check_room(frames.len())?;
        self.buffer().extend_from_slice(frames);
        Ok(())
    }

    /// Queues one frame.
    pub fn frame(&mut self, opcode: OpCode, payload: &[u8]) -> Result<(), Full> {
        if self.close_queued {
            return Ok(());
        }
        self.check_room(payload.len())?;
        let mask = self.mask();
        encode_frame(opcode, payload, mask, self.buffer());
        Ok(())
    }

    fn check_room(&self, more: usize) -> Result<(), Full> {
        let waiting = self.len();
        if waiting > 0 && waiting + more > self.limit {
            return Err(Full);
        }
        Ok(())
    }

    fn mask(&mut self) -> Option<[u8; 4]> {
        self.masks.as_mut().map(|rng| rng.u32(..).to_ne_bytes())
    }

    /// Bytes not written yet.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.written
    }

    /// Whether everything was written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a close frame was queued (and perhaps written).
    pub fn is_closing(&self) -> bool {
        self.close_queued
    }

    /// What to write next.
    pub(super) fn unwritten(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// The kernel took so many bytes.
    pub(super) fn advance(&mut self, count: usize) {
        self.written += count;
        if self.written < self.bytes.len() {
            // A box that never quite empties must not keep what has gone.
            if self.written >= COMPACT {
                self.bytes.drain(..self.written);
                self.written = 0;
            }
            return;
        }
        self.written = 0;
        let mut emptied = std::mem::take(&mut self.bytes);
        if emptied.capacity() <= KEEP {
            emptied.clear();
            // A thread that ends has no place for it any more.
            let _ = SPARE.try_with(|spare| spare.set(emptied));
        }
    }

    /// Where frames are added.
    fn buffer(&mut self) -> &mut Vec<u8> {
        if self.bytes.capacity() == 0 {
            self.bytes = SPARE.try_with(Cell::take).unwrap_or_default();
        }
        &mut self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_follows_a_close() {
        let mut outbox = Outbox::new(Role::Server, 100);
        outbox.close(Some(1000), "bye");
        let length = outbox.len();
        outbox.text(b"late").expect("left out, not full");
        outbox.close(Some(1001), "again");
        assert_eq!(outbox.len(), length);
        assert_eq!(outbox.unwritten(), b"\x88\x05\x03\xe8bye");
    }

    #[test]
    fn what_was_written_is_not_kept() {
        let mut outbox = Outbox::new(Role::Server, 1 << 20);
        for _ in 0..1000 {
            outbox.binary(&[0; 8190]).expect("room");
            // A slow reader: one byte always stays behind.
            outbox.advance(outbox.len() - 1);
        }
        let kept = outbox.bytes.capacity();
        assert!(kept < 4 * COMPACT, "{kept}");
    }

    #[test]
    fn an_empty_outbox_holds_no_memory_and_its_buffer_serves_the_next() {
        let [mut first, mut second] = [(); 2].map(|()| Outbox::new(Role::Server, 1 << 20));
        first.text(b"one").expect("room");
        let place = first.bytes.as_ptr();
        // Both have something to write at once.
        second.text(b"two").expect("room");
        assert_ne!(second.bytes.as_ptr(), place);
        assert_eq!(second.unwritten(), b"\x81\x03two");
        second.advance(second.len());
        assert_eq!(first.unwritten(), b"\x81\x03one");
        first.advance(first.len());
        assert_eq!(
            [&first, &second].map(|outbox| outbox.bytes.capacity()),
            [0, 0]
        );
        second.text(b"three").expect("room");
        assert_eq!(second.bytes.as_ptr(), place);
        assert_eq!(second.unwritten(), b"\x81\x05three");
    }

    #[test]
    fn the_limit_holds_except_for_one_frame_in_an_empty_box() {
        let mut outbox = Outbox::new(Role::Server, 10);
        assert_eq!(outbox.binary(&[0; 50]), Ok(()));
        assert_eq!(outbox.pong(b""), Err(Full));
        outbox.advance(outbox.len());
        assert!(outbox.is_empty());
        assert_eq!(outbox.pong(b""), Ok(()));
    }
}
