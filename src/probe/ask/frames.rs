//! Frames as they come, right or wrong: headers are kept raw and judged by nobody here.
//!
//! The decoder of a run stops at the first breach of RFC 6455; a probe wants to see what comes, so
//! this reader goes on. It works on memory only and keeps a bounded part of each payload. Text in
//! place of a frame (an HTTP answer, a stack trace) ends the frames: what comes is kept as text.

use crate::probe::seen::Session;
use crate::wire::{Control, Data, OpCode, encode_frame};

/// Bytes of a payload that are kept; the rest is counted.
pub const KEPT: usize = 128 * 1024;
/// Bytes of a frame, header first, that are kept as evidence.
pub const FIRST: usize = 32;
/// Bytes of stray text that are kept.
const STRAY: usize = 1024;
/// Printable bytes in a row, the first of which has reserved bits set, that are text and no frame.
const LETTERS: usize = 5;

/// Opcodes (RFC 6455 5.2).
pub mod opcode {
    #![allow(missing_docs, reason = "the names of RFC 6455 5.2 need no other words")]
    pub const CONTINUATION: u8 = 0;
    pub const TEXT: u8 = 1;
    pub const BINARY: u8 = 2;
    pub const CLOSE: u8 = 8;
    pub const PING: u8 = 9;
    pub const PONG: u8 = 10;
}

/// One frame, whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The last of its message.
    pub fin: bool,
    /// RSV1, RSV2, RSV3 as 4, 2, 1.
    pub rsv: u8,
    /// 0 to 15.
    pub opcode: u8,
    /// Masked by the peer, with this key.
    pub mask: Option<[u8; 4]>,
    /// Announced bytes of payload.
    pub length: u64,
    /// The length could have been written in fewer bytes, or its highest bit is set.
    pub odd_length: bool,
    /// The first [`FIRST`] bytes as they came.
    pub first: Vec<u8>,
    /// The first [`KEPT`] bytes of the payload, unmasked.
    pub payload: Vec<u8>,
}

impl Frame {
    /// Close, ping, pong, or a reserved control frame.
    pub const fn is_control(&self) -> bool {
        self.opcode >= 8
    }

    /// `text`, `close`, `reserved 11`, ...
    pub fn name(&self) -> String {
        let name = match self.opcode {
            opcode::CONTINUATION => "continuation",
            opcode::TEXT => "text",
            opcode::BINARY => "binary",
            opcode::CLOSE => "close",
            opcode::PING => "ping",
            opcode::PONG => "pong",
            other => return format!("reserved {other}"),
        };
        name.to_owned()
    }

    /// Of a close frame: its code, 1005 when it has none, and its reason, escaped.
    pub fn close(&self) -> (u16, String) {
        match self.payload.as_slice() {
            [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), Session::text(reason)),
            _ => (1005, String::new()),
        }
    }
}

/// From bytes to frames.
#[derive(Debug, Default)]
pub struct FrameReader {
    /// The beginning of a header.
    head: Vec<u8>,
    /// A frame whose payload is coming, and how much of it is to come.
    open: Option<(Frame, u64)>,
    stray: Vec<u8>,
    lost: bool,
}

/// Longest header: two bytes, eight of length, four of mask.
const MAX_HEADER: usize = 14;

impl FrameReader {
    /// Takes bytes; gives the frames that are whole now.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Vec<Frame> {
        let mut frames = Vec::new();
        while !bytes.is_empty() {
            if self.lost {
                self.keep_stray(bytes);
                break;
            }
            if self.open.is_none() && !self.header(&mut bytes) {
                break;
            }
            let Some((frame, rest)) = &mut self.open else {
                continue;
            };
            take(frame, rest, &mut bytes);
            if *rest == 0 {
                frames.extend(self.open.take().map(|(frame, _)| frame));
            }
        }
        frames
    }

    /// Text that came where a frame should begin, as far as it is kept.
    pub fn stray(&self) -> Option<&[u8]> {
        (!self.stray.is_empty()).then_some(&self.stray)
    }

    /// Text came in place of a frame: no frame will be read any more.
    pub const fn is_lost(&self) -> bool {
        self.lost
    }

    /// Bytes of an unfinished frame, if one has begun: (of its payload came, announced).
    #[cfg(test)]
    fn unfinished(&self) -> Option<(u64, u64)> {
        match &self.open {
            Some((frame, rest)) => Some((frame.length - rest, frame.length)),
            None if self.head.is_empty() => None,
            None => Some((0, 0)),
        }
    }

    fn keep_stray(&mut self, bytes: &[u8]) {
        let room = STRAY.saturating_sub(self.stray.len());
        self.stray
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Collects a header from `bytes`. False: more bytes are needed.
    fn header(&mut self, bytes: &mut &[u8]) -> bool {
        while let Some((first, rest)) = bytes.split_first() {
            self.head.push(*first);
            *bytes = rest;
            if self.blank() {
                return true;
            }
            if self.may_be_text() {
                if self.head.len() == LETTERS {
                    self.lost = true;
                    let head = std::mem::take(&mut self.head);
                    self.keep_stray(&head);
                    return true;
                }
                // The fifth byte decides. A header that is whole before it waits for it.
                continue;
            }
            if let Some(used) = header_length(&self.head).filter(|used| *used <= self.head.len()) {
                self.begin(used);
                return true;
            }
        }
        false
    }

    /// A line end too many before a frame: noted and passed over.
    fn blank(&mut self) -> bool {
        let is_one = self.head == b"\r\n";
        if is_one {
            let head = std::mem::take(&mut self.head);
            self.keep_stray(&head);
        }
        is_one
    }

    /// Printable so far, the first byte being no valid one: every printable byte sets a reserved bit.
    fn may_be_text(&self) -> bool {
        let printable = |b: &u8| matches!(b, b' '..=b'~' | b'\r' | b'\n' | b'\t');
        self.head.len() <= LETTERS
            && self.head.first().is_some_and(|b| matches!(b, b' '..=b'~'))
            && self.head.iter().all(printable)
    }

    /// Starts the frame whose header is the first `used` bytes. What was read ahead is payload: only
    /// a printable length, 32 or more, made it wait.
    fn begin(&mut self, used: usize) {
        let head = std::mem::take(&mut self.head);
        let (header, mut payload) = head.split_at(used);
        let mut frame = parse(header);
        let mut rest = frame.length;
        take(&mut frame, &mut rest, &mut payload);
        self.open = Some((frame, rest));
    }
}

/// Moves payload from `bytes` to `frame`.
fn take(frame: &mut Frame, rest: &mut u64, bytes: &mut &[u8]) {
    let count = usize::try_from(*rest).map_or(bytes.len(), |rest| rest.min(bytes.len()));
    let (mine, others) = bytes.split_at(count);
    let room = FIRST.saturating_sub(frame.first.len());
    frame.first.extend_from_slice(&mine[..count.min(room)]);
    let at = frame.payload.len();
    let room = KEPT.saturating_sub(at);
    frame.payload.extend_from_slice(&mine[..count.min(room)]);
    if let Some(key) = frame.mask {
        for (index, byte) in frame.payload.iter_mut().enumerate().skip(at) {
            *byte ^= key[index % 4];
        }
    }
    *rest -= count as u64;
    *bytes = others;
}

/// Bytes of the header that begins so; `None` before its second byte.
fn header_length(head: &[u8]) -> Option<usize> {
    let second = *head.get(1)?;
    let length = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    Some(2 + length + mask)
}

/// A whole header.
fn parse(header: &[u8]) -> Frame {
    debug_assert!(header.len() <= MAX_HEADER && header.len() >= 2);
    let (first, second) = (header[0], header[1]);
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |n, b| n << 8 | u64::from(*b));
    let (length, odd, after) = match second & 0x7f {
        126 => {
            let length = number(&header[2..4]);
            (length, length < 126, 4)
        }
        127 => {
            let length = number(&header[2..10]);
            (length, length <= 0xffff || length >> 63 != 0, 10)
        }
        short => (u64::from(short), false, 2),
    };
    Frame {
        fin: first & 0x80 != 0,
        rsv: first >> 4 & 7,
        opcode: first & 15,
        mask: header[after..].first_chunk().copied(),
        length,
        odd_length: odd,
        first: header.to_vec(),
        payload: Vec::new(),
    }
}

/// A ping with that payload (at most 125 bytes).
pub fn ping(payload: &[u8]) -> Vec<u8> {
    encode(OpCode::Control(Control::Ping), payload, true)
}

/// A pong with that payload.
pub fn pong(payload: &[u8]) -> Vec<u8> {
    encode(OpCode::Control(Control::Pong), payload, true)
}

/// A text message.
pub fn text(payload: &str) -> Vec<u8> {
    encode(OpCode::Data(Data::Text), payload.as_bytes(), true)
}

/// A binary message.
pub fn binary(payload: &[u8]) -> Vec<u8> {
    encode(OpCode::Data(Data::Binary), payload, true)
}

/// A close frame; a reason of at most 123 bytes.
pub fn close(code: u16, reason: &str) -> Vec<u8> {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(reason.as_bytes());
    close_with(&payload)
}

/// A close frame with that payload, which may be empty.
pub fn close_with(payload: &[u8]) -> Vec<u8> {
    encode(OpCode::Control(Control::Close), payload, true)
}

/// One frame, masked with a fresh key as a client must (RFC 6455 5.3).
pub fn encode(opcode: OpCode, payload: &[u8], fin: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let mask = fastrand::u32(..).to_ne_bytes();
    encode_frame(opcode, payload, Some(mask), &mut out);
    if !fin {
        out[0] &= 0x7f;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> (Vec<Frame>, FrameReader) {
        let mut reader = FrameReader::default();
        let frames = reader.feed(bytes);
        (frames, reader)
    }

    #[test]
    fn headers_are_kept_right_or_wrong() {
        // (bytes, fin, rsv, opcode, masked, length, odd length)
        type Row<'a> = (&'a [u8], bool, u8, u8, bool, u64, bool);
        let table: &[Row<'_>] = &[
            (b"\x81\x02hi", true, 0, 1, false, 2, false),
            (b"\x01\x02hi", false, 0, 1, false, 2, false),
            (b"\xc1\x02hi", true, 4, 1, false, 2, false),
            (b"\x81\x82\0\0\0\0hi", true, 0, 1, true, 2, false),
            (b"\x83\x00", true, 0, 3, false, 0, false),
            (b"\x09\x01x", false, 0, 9, false, 1, false),
            (b"\x82\x7e\x00\x01x", true, 0, 2, false, 1, true),
            (b"\x82\x7f\0\0\0\0\0\0\0\x01x", true, 0, 2, false, 1, true),
        ];
        for (bytes, fin, rsv, opcode, masked, length, odd) in table {
            let (frames, reader) = read(bytes);
            assert_eq!(frames.len(), 1, "{bytes:02x?}");
            let f = &frames[0];
            let seen = (f.fin, f.rsv, f.opcode, f.mask.is_some(), f.length);
            assert_eq!(
                seen,
                (*fin, *rsv, *opcode, *masked, *length),
                "{bytes:02x?}"
            );
            assert_eq!(f.odd_length, *odd, "{bytes:02x?}");
            assert_eq!(f.payload.len() as u64, *length);
            assert!(reader.stray().is_none() && reader.unfinished().is_none());
        }
    }

    #[test]
    fn text_in_place_of_a_frame_is_kept_as_text() {
        let table: [&[u8]; 4] = [
            b"HTTP/1.1 500 Internal Server Error\r\n",
            b"<html><body>oops",
            b"Traceback (most recent call last)",
            b"\x81\x02okHTTP/1.1 502",
        ];
        for bytes in table {
            let (frames, reader) = read(bytes);
            let from = if bytes[0] == 0x81 { 4 } else { 0 };
            assert_eq!(frames.len(), from / 4);
            assert_eq!(reader.stray(), Some(&bytes[from..]));
        }
        // A compressed frame and a short one with a printable first byte stay frames.
        assert_eq!(read(b"\xc1\x05hello").0.len(), 1);
        assert_eq!(read(b"A\x01xB\x00").0.len(), 2);
        assert_eq!(read(b"A A").1.unfinished(), Some((0, 0)));
        // A line end too many is passed over.
        let (frames, reader) = read(b"\r\n\x81\x02ok");
        assert_eq!((frames.len(), reader.stray()), (1, Some(&b"\r\n"[..])));
    }

    #[test]
    fn close_frames_have_a_code_or_none() {
        let table: [(&[u8], u16, &str); 4] = [
            (b"\x88\x00", 1005, ""),
            (b"\x88\x01x", 1005, ""),
            (b"\x88\x02\x03\xe8", 1000, ""),
            (b"\x88\x05\x0f\xa1\x1bno", 4001, "\\u{1b}no"),
        ];
        for (bytes, code, reason) in table {
            assert_eq!(read(bytes).0[0].close(), (code, reason.to_owned()));
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut reader = FrameReader::default();
        reader.feed(b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff");
        for _ in 0..40 {
            assert!(reader.feed(&[b'x'; 16 * 1024]).is_empty());
        }
        let (frame, _) = reader.open.as_ref().unwrap();
        assert!(frame.odd_length && frame.payload.len() == KEPT && frame.first.len() == FIRST);
        let mut reader = FrameReader::default();
        for _ in 0..40 {
            reader.feed(&[b'x'; 16 * 1024]);
        }
        assert_eq!(reader.stray().map(<[u8]>::len), Some(STRAY));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn how_bytes_are_cut_does_not_matter(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
            cuts in prop::collection::vec(1_usize..20, 1..60),
        ) {
            let (whole, one) = read(&bytes);
            let mut reader = FrameReader::default();
            let mut frames = Vec::new();
            let (mut at, mut cuts) = (0, cuts.iter().cycle());
            while at < bytes.len() {
                let next = (at + cuts.next().unwrap()).min(bytes.len());
                frames.extend(reader.feed(&bytes[at..next]));
                at = next;
            }
            prop_assert_eq!(whole, frames);
            prop_assert_eq!(one.stray(), reader.stray());
            prop_assert_eq!(one.unfinished(), reader.unfinished());
        }

        #[test]
        fn what_is_encoded_is_read_back(
            payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..70_000), 0..2),
            fin in any::<bool>(),
        ) {
            let mut bytes = Vec::new();
            for payload in &payloads {
                bytes.extend(encode(OpCode::Data(Data::Binary), payload, fin));
            }
            let (frames, reader) = read(&bytes);
            prop_assert!(reader.unfinished().is_none());
            let read: Vec<_> = frames.iter().map(|f| (f.fin, f.payload.clone())).collect();
            let sent: Vec<_> = payloads.into_iter().map(|p| (fin, p)).collect();
            prop_assert_eq!(read, sent);
        }
    }
}
