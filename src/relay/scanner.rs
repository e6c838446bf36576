//! Where WebSocket frames begin and end in a stream of bytes (RFC 6455 5.2), whatever pieces the
//! stream comes in.
//!
//! Payloads pass as they come, only headers (14 bytes at most) are put together. Nothing is refused:
//! a frame with a reserved opcode has no kind, and a stream that is no frames gives nonsense.

use bytes::{Buf as _, Bytes};

use crate::scenario::FrameKind;

/// The longest header: 2 bytes, 8 of length, 4 of mask.
const LONGEST_HEADER: usize = 14;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Of a continuation: that of its message. `None` = reserved, or a continuation of nothing.
    pub kind: Option<FrameKind>,
    /// Counts messages and control frames from 0; the frames of a message share it.
    pub number: u64,
    /// The last (or only) frame of its message.
    pub fin: bool,
    /// It continues a message that began before.
    pub continues: bool,
    /// In bytes.
    pub header: usize,
    /// In bytes, without the header.
    pub payload: u64,
}

impl Frame {
    /// Ping, pong, close: they may stand between the frames of a message.
    pub const fn is_control(&self) -> bool {
        matches!(
            self.kind,
            Some(FrameKind::Ping | FrameKind::Pong | FrameKind::Close)
        )
    }
}

/// A part of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The start of a header, let through before it was whole.
    Scrap(Bytes),
    /// A header is whole.
    Header {
        /// What it says.
        frame: Frame,
        /// What of it has not been let through as scrap.
        bytes: Bytes,
        /// Nothing of it has been let through yet.
        whole: bool,
    },
    /// Payload of the frame whose header came last.
    Payload {
        /// Of its first byte, from the start of the payload.
        offset: u64,
        /// At least one.
        bytes: Bytes,
        /// The frame ends with it.
        last: bool,
    },
}

/// Follows one direction of one connection.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    header: [u8; LONGEST_HEADER],
    have: usize,
    /// Bytes of the header that have been let through.
    passed: usize,
    /// Bytes of payload to come, and of the whole payload.
    left: u64,
    payload: u64,
    /// Kind and number of the fragmented message that is open.
    open: Option<(Option<FrameKind>, u64)>,
    next_number: u64,
}

impl Scanner {
    /// Takes the next part off `input`; `None` when there is no more. An `eager` reader gets the
    /// pieces of a split header at once, any other gets it whole.
    pub fn next(&mut self, input: &mut Bytes, eager: bool) -> Option<Part> {
        if input.is_empty() {
            return None;
        }
        if self.left > 0 {
            return Some(self.take_payload(input));
        }
        while self.have < self.needed() && !input.is_empty() {
            let missing = (self.needed() - self.have).min(input.len());
            self.header[self.have..self.have + missing].copy_from_slice(&input[..missing]);
            self.have += missing;
            input.advance(missing);
        }
        let whole = self.passed == 0;
        if self.have == self.needed() {
            let frame = self.understand();
            let bytes = self.unpassed();
            (self.have, self.passed) = (0, 0);
            (self.left, self.payload) = (frame.payload, frame.payload);
            return Some(Part::Header {
                frame,
                bytes,
                whole,
            });
        }
        eager.then(|| Part::Scrap(self.rest()))
    }

    /// What is held back of a header; for the end of the stream.
    pub fn rest(&mut self) -> Bytes {
        let bytes = self.unpassed();
        self.passed = self.have;
        bytes
    }

    /// Whether a part of a header has been let through and the rest not.
    pub const fn is_within_header(&self) -> bool {
        self.passed > 0
    }

    fn unpassed(&self) -> Bytes {
        Bytes::copy_from_slice(&self.header[self.passed..self.have])
    }

    fn take_payload(&mut self, input: &mut Bytes) -> Part {
        let length = usize::try_from(self.left).map_or(input.len(), |left| left.min(input.len()));
        let offset = self.payload - self.left;
        self.left -= length as u64;
        Part::Payload {
            offset,
            bytes: input.split_to(length),
            last: self.left == 0,
        }
    }

    /// How long the header is, as far as can be told.
    const fn needed(&self) -> usize {
        if self.have < 2 {
            return 2;
        }
        let mask = if self.header[1] & 0x80 == 0 { 0 } else { 4 };
        mask + match self.header[1] & 0x7f {
            126 => 4,
            127 => 10,
            _ => 2,
        }
    }

    fn understand(&mut self) -> Frame {
        let [first, second, ..] = self.header;
        let payload = match second & 0x7f {
            126 => self.header[2..4].iter().fold(0, big_endian),
            127 => self.header[2..10].iter().fold(0, big_endian),
            short => u64::from(short),
        };
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
        let continues = opcode == 0;
        let (kind, number) = match (opcode, self.open) {
            (0, Some(message)) => message,
            _ => {
                self.next_number += 1;
                (kind(opcode), self.next_number - 1)
            }
        };
        if opcode < 8 {
            self.open = (!fin).then_some((kind, number));
        }
        Frame {
            kind,
            number,
            fin,
            continues,
            header: self.have,
            payload,
        }
    }
}

const fn kind(opcode: u8) -> Option<FrameKind> {
    Some(match opcode {
        1 => FrameKind::Text,
        2 => FrameKind::Binary,
        8 => FrameKind::Close,
        9 => FrameKind::Ping,
        10 => FrameKind::Pong,
        _ => return None,
    })
}

fn big_endian(sum: u64, byte: &u8) -> u64 {
    sum << 8 | u64::from(*byte)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A frame on the wire, masked as clients do if `masked`; its payload counts up.
    pub fn encode(first: u8, payload: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut bytes = vec![first];
        match payload {
            0..=125 => bytes.push(mask | payload as u8),
            126..=0xffff => {
                bytes.push(mask | 126);
                bytes.extend((payload as u16).to_be_bytes());
            }
            _ => {
                bytes.push(mask | 127);
                bytes.extend((payload as u64).to_be_bytes());
            }
        }
        if masked {
            bytes.extend([1, 2, 3, 4]);
        }
        bytes.extend((0..payload).map(|index| index as u8));
        bytes
    }

    /// Frames with the payload bytes seen, and all bytes that came out.
    fn scan(pieces: &[Bytes], eager: bool) -> (Vec<(Frame, u64)>, Vec<u8>) {
        let mut scanner = Scanner::default();
        let (mut frames, mut all) = (Vec::new(), Vec::new());
        for piece in pieces {
            let mut piece = piece.clone();
            while let Some(part) = scanner.next(&mut piece, eager) {
                match part {
                    Part::Scrap(bytes) => all.extend(bytes),
                    Part::Header { frame, bytes, .. } => {
                        frames.push((frame, 0));
                        all.extend(bytes);
                    }
                    Part::Payload {
                        offset,
                        bytes,
                        last,
                    } => {
                        let (frame, seen) = frames.last_mut().expect("a header came first");
                        assert_eq!(offset, *seen);
                        *seen += bytes.len() as u64;
                        assert_eq!(last, *seen == frame.payload);
                        all.extend(bytes);
                    }
                }
            }
        }
        all.extend(scanner.rest());
        (frames, all)
    }

    #[test]
    fn headers_of_every_form_are_understood() {
        use FrameKind as K;
        // First byte, payload, masked -> kind, header.
        let table = [
            (0x81, 5, false, Some(K::Text), 2),
            (0x82, 125, true, Some(K::Binary), 6),
            (0x89, 0, false, Some(K::Ping), 2),
            (0x8a, 4, true, Some(K::Pong), 6),
            (0x88, 2, false, Some(K::Close), 2),
            (0xc1, 126, false, Some(K::Text), 4),
            (0x81, 65_535, true, Some(K::Text), 8),
            (0x82, 65_536, false, Some(K::Binary), 10),
            (0x82, 65_536, true, Some(K::Binary), 14),
            (0x83, 1, false, None, 2),
        ];
        for (first, payload, masked, kind, header) in table {
            let bytes = encode(first, payload, masked);
            let (frames, all) = scan(&[Bytes::from(bytes.clone())], false);
            assert_eq!(all, bytes);
            let [(frame, seen)] = frames[..] else {
                panic!("{first:x}: {frames:?}");
            };
            assert_eq!((frame.kind, frame.header), (kind, header), "{first:x}");
            assert_eq!((frame.payload, seen), (payload as u64, payload as u64));
        }
    }

    #[test]
    fn continuations_are_of_their_message_and_control_frames_between_are_not() {
        use FrameKind as K;
        let stream: Vec<u8> = [
            (0x01, 3),
            (0x8a, 1),
            (0x00, 2),
            (0x80, 0),
            (0x80, 1),
            (0x82, 1),
        ]
        .iter()
        .flat_map(|(first, payload)| encode(*first, *payload, false))
        .collect();
        let (frames, _) = scan(&[Bytes::from(stream)], false);
        let told: Vec<_> = frames
            .iter()
            .map(|(f, _)| (f.kind, f.number, f.fin))
            .collect();
        let expected = [
            (Some(K::Text), 0, false),
            (Some(K::Pong), 1, true),
            (Some(K::Text), 0, false),
            (Some(K::Text), 0, true),
            (None, 2, true),
            (Some(K::Binary), 3, true),
        ];
        assert_eq!(told, expected);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_frames(
            frames in prop::collection::vec((any::<u8>(), 0_usize..400, any::<bool>()), 1..12),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
            eager: bool,
        ) {
            let stream: Vec<u8> = frames
                .iter()
                .flat_map(|(first, payload, masked)| encode(*first, *payload, *masked))
                .collect();
            let stream = Bytes::from(stream);
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let pieces: Vec<Bytes> = cuts.windows(2).map(|w| stream.slice(w[0]..w[1])).collect();
            let whole = scan(std::slice::from_ref(&stream), false);
            prop_assert_eq!(whole.0.len(), frames.len());
            prop_assert_eq!(&whole.1[..], &stream[..]);
            prop_assert_eq!(scan(&pieces, eager), whole);
        }

        #[test]
        fn garbage_comes_out_as_it_went_in(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let (_, all) = scan(&[Bytes::from(bytes.clone())], true);
            prop_assert_eq!(all, bytes);
        }
    }
}
