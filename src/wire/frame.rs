//! One frame: its header, its mask, its close code (RFC 6455 section 5).
//!
//! Opcodes are tungstenite's, and its header coding is what ours is tested against: it takes four times
//! as many instructions. Its connection cannot be told not to
//! answer pings, hides the forbidden close codes it received and sends no close frame on a violation,
//! all of which a load tester has to control and to report.

use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::failure::Violation;

/// Which side of a connection we are; decides who masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Masks what it sends.
    Client,
    /// Unmasks what it receives.
    Server,
}

/// A parsed header that passed every check that needs no payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub opcode: OpCode,
    pub fin: bool,
    pub mask: Option<[u8; 4]>,
    /// Bytes of the header.
    pub header: usize,
    /// Bytes of the payload; at most the frame limit.
    pub payload: usize,
}

/// Parses a header; `None` when more bytes are needed.
pub(super) fn parse_head(
    bytes: &[u8],
    role: Role,
    max_frame: usize,
) -> Result<Option<Head>, Violation> {
    let [first, second, rest @ ..] = bytes else {
        return Ok(None);
    };
    let (rest, length) = match second & 0x7f {
        126 => match rest.split_first_chunk() {
            Some((length, rest)) => (rest, u64::from(u16::from_be_bytes(*length))),
            None => return Ok(None),
        },
        127 => match rest.split_first_chunk() {
            Some((length, rest)) => (rest, u64::from_be_bytes(*length)),
            None => return Ok(None),
        },
        length => (rest, u64::from(length)),
    };
    let is_masked = second & 0x80 != 0;
    let (rest, mask) = match rest.split_first_chunk() {
        _ if !is_masked => (rest, None),
        Some((mask, rest)) => (rest, Some(*mask)),
        None => return Ok(None),
    };
    let (fin, opcode) = (first & 0x80 != 0, OpCode::from(first & 0x0f));
    if let OpCode::Data(Data::Reserved(_)) | OpCode::Control(Control::Reserved(_)) = opcode {
        return Err(Violation::Opcode);
    }
    if first & 0x70 != 0 {
        return Err(Violation::ReservedBits);
    }
    if is_masked != (role == Role::Server) {
        return Err(Violation::Masking);
    }
    if length >> 63 != 0 {
        return Err(Violation::Length);
    }
    if let OpCode::Control(_) = opcode {
        if !fin {
            return Err(Violation::FragmentedControl);
        }
        if length > 125 {
            return Err(Violation::LongControl);
        }
    }
    let payload = usize::try_from(length).map_err(|_| Violation::TooLarge)?;
    if payload > max_frame {
        return Err(Violation::TooLarge);
    }
    Ok(Some(Head {
        opcode,
        fin,
        mask,
        header: bytes.len() - rest.len(),
        payload,
    }))
}

/// Appends one final frame to `out`; `mask` for a client.
pub fn encode_frame(opcode: OpCode, payload: &[u8], mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    let mut head = [0x80 | u8::from(opcode), 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let length = payload.len();
    let used = match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..126), _) => {
            head[1] = masked | short;
            2
        }
        (_, Ok(medium)) => {
            head[1] = masked | 126;
            head[2..4].copy_from_slice(&medium.to_be_bytes());
            4
        }
        _ => {
            head[1] = masked | 127;
            head[2..].copy_from_slice(&(length as u64).to_be_bytes());
            10
        }
    };
    out.reserve(used + 4 + length);
    out.extend_from_slice(&head[..used]);
    if let Some(mask) = mask {
        out.extend_from_slice(&mask);
    }
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(mask) = mask {
        apply_mask(&mut out[start..], mask);
    }
}

/// XORs the payload with the mask (RFC 6455 5.3), eight bytes at a time.
pub(super) fn apply_mask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = payload.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip([a, b, c, d, a, b, c]) {
        *byte ^= key;
    }
}

/// Whether a peer may send this close code (RFC 6455 7.4 and the IANA registry).
pub const fn is_valid_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// Appends a close frame's payload; a reason is cut to 123 bytes on a character's boundary.
pub(super) fn close_payload(code: u16, reason: &str) -> ([u8; 125], usize) {
    let mut payload = [0; 125];
    payload[..2].copy_from_slice(&code.to_be_bytes());
    let end = reason.floor_char_boundary(123);
    payload[2..2 + end].copy_from_slice(&reason.as_bytes()[..end]);
    (payload, 2 + end)
}

pub(super) const CLOSE: OpCode = OpCode::Control(Control::Close);

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;
    use tokio_tungstenite::tungstenite::Error;
    use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;

    use super::*;

    const TEXT: OpCode = OpCode::Data(Data::Text);

    #[test]
    fn the_rfc_examples_encode_byte_for_byte() {
        // RFC 6455 5.7.
        let mut out = Vec::new();
        encode_frame(TEXT, b"Hello", None, &mut out);
        assert_eq!(out, [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
        out.clear();
        encode_frame(TEXT, b"Hello", Some([0x37, 0xfa, 0x21, 0x3d]), &mut out);
        assert_eq!(
            out,
            [
                0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58
            ]
        );
    }

    #[test]
    fn masking_twice_is_identity_at_every_length() {
        for length in 0..70 {
            let plain: Vec<u8> = (0..length).collect();
            let mut bytes = plain.clone();
            apply_mask(&mut bytes, [1, 2, 3, 4]);
            for (i, (&masked, &byte)) in bytes.iter().zip(&plain).enumerate() {
                assert_eq!(masked, byte ^ [1, 2, 3, 4][i % 4]);
            }
            apply_mask(&mut bytes, [1, 2, 3, 4]);
            assert_eq!(bytes, plain);
        }
    }

    #[test]
    fn heads_are_judged_before_their_payload_comes() {
        let client = |bytes: &[u8]| parse_head(bytes, Role::Client, 1 << 20).map(|h| h.is_some());
        let table: &[(&[u8], Result<bool, Violation>)] = &[
            (&[], Ok(false)),
            (&[0x81], Ok(false)),
            (&[0x81, 126, 0], Ok(false)),
            (&[0x81, 0x05], Ok(true)),
            (&[0xc1, 0x00], Err(Violation::ReservedBits)),
            (&[0x83, 0x00], Err(Violation::Opcode)),
            (&[0x8b, 0x00], Err(Violation::Opcode)),
            (&[0x81, 0x80, 1, 2, 3, 4], Err(Violation::Masking)),
            (&[0x09, 0x00], Err(Violation::FragmentedControl)),
            (&[0x89, 126, 0, 126], Err(Violation::LongControl)),
            (
                &[0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0],
                Err(Violation::Length),
            ),
            (
                &[0x82, 127, 0x7f, 255, 255, 255, 255, 255, 255, 255],
                Err(Violation::TooLarge),
            ),
            (
                &[0x82, 127, 0, 0, 0, 0, 0, 0x10, 0, 1],
                Err(Violation::TooLarge),
            ),
            (&[0x82, 127, 0, 0, 0, 0, 0, 0x10, 0, 0], Ok(true)),
        ];
        for (bytes, expected) in table {
            assert_eq!(client(bytes), *expected, "{bytes:02x?}");
        }
        assert_eq!(
            parse_head(&[0x81, 0x00], Role::Server, 10).err(),
            Some(Violation::Masking)
        );
    }

    /// What tungstenite reads: bytes of the header, the header, the payload's length.
    fn theirs(bytes: &[u8]) -> Result<Option<(usize, FrameHeader, u64)>, Error> {
        let mut cursor = Cursor::new(bytes);
        let parsed = FrameHeader::parse(&mut cursor)?;
        Ok(parsed.map(|(header, length)| (cursor.position() as usize, header, length)))
    }

    proptest! {
        #[test]
        fn heads_are_read_as_tungstenite_reads_them(
            // Few of all bytes begin a legal frame.
            first in prop_oneof![any::<u8>(), 0x80..0x83_u8, 0..3_u8, 0x88..0x8b_u8],
            second in prop_oneof![any::<u8>(), 124..128_u8, 252..=255_u8],
            rest in proptest::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..14),
        ) {
            let bytes = [&[first, second], &rest[..]].concat();
            let role = if second & 0x80 == 0 { Role::Client } else { Role::Server };
            let ours = parse_head(&bytes, role, usize::MAX);
            match theirs(&bytes) {
                Ok(None) => prop_assert!(matches!(ours, Ok(None)), "{:?}", ours),
                Err(_) => prop_assert_eq!(ours.err(), Some(Violation::Opcode)),
                Ok(Some((size, header, length))) => match ours {
                    Ok(Some(head)) => {
                        prop_assert_eq!(head.header, size);
                        prop_assert_eq!(head.payload as u64, length);
                        prop_assert_eq!(head.opcode, header.opcode);
                        prop_assert_eq!(head.mask, header.mask);
                        prop_assert_eq!(head.fin, header.is_final);
                    }
                    // It leaves these to its connection.
                    Err(Violation::ReservedBits) => prop_assert!(first & 0x70 != 0),
                    Err(Violation::Length) => prop_assert!(length >> 63 != 0),
                    Err(Violation::FragmentedControl) => prop_assert!(first & 0x88 == 0x08),
                    Err(Violation::LongControl) => prop_assert!(first & 0x08 != 0 && length > 125),
                    other => prop_assert!(false, "{:?}", other),
                },
            }
        }

        #[test]
        fn frames_begin_as_tungstenite_begins_them(
            length in prop_oneof![0..300_usize, 65_000..66_000_usize, 124..129_usize, 65_534..65_538_usize],
            mask in any::<Option<[u8; 4]>>(),
            code in prop_oneof![0..3_u8, 8..11_u8],
        ) {
            let opcode = OpCode::from(code);
            let mut ours = b"before".to_vec();
            encode_frame(opcode, &vec![7; length], mask, &mut ours);
            let header = FrameHeader { is_final: true, rsv1: false, rsv2: false, rsv3: false, opcode, mask };
            let mut expected = b"before".to_vec();
            header.format(length as u64, &mut expected).expect("memory");
            let start = expected.len();
            prop_assert_eq!(&ours[..start], &expected[..]);
            prop_assert_eq!(ours.len(), start + length);
        }
    }

    #[test]
    fn close_codes_follow_the_registry() {
        for good in [1000, 1003, 1007, 1011, 1014, 3000, 4999] {
            assert!(is_valid_close_code(good), "{good}");
        }
        for bad in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
            assert!(!is_valid_close_code(bad), "{bad}");
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let (payload, length) = close_payload(4000, &"é".repeat(100));
        assert_eq!(length, 2 + 122);
        assert!(std::str::from_utf8(&payload[2..length]).is_ok());
    }
}
