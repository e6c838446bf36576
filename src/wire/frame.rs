//! One frame: its header, its mask, its close code (RFC 6455 section 5).
//!
//! The header's coding is tungstenite's. What is ours is everything around it: tungstenite's own
//! connection cannot be told not to answer pings, hides the forbidden close codes it received and
//! sends no close frame on a violation, all of which a load tester has to control and to report.

use std::io::Cursor;

use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, OpCode};

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
    let mut cursor = Cursor::new(bytes);
    let (header, length) = match FrameHeader::parse(&mut cursor) {
        Ok(Some(parsed)) => parsed,
        Ok(None) => return Ok(None),
        Err(Error::Protocol(_)) => return Err(Violation::Opcode),
        // Reading from memory cannot fail otherwise.
        Err(_) => return Err(Violation::Opcode),
    };
    if header.rsv1 || header.rsv2 || header.rsv3 {
        return Err(Violation::ReservedBits);
    }
    if header.mask.is_some() != (role == Role::Server) {
        return Err(Violation::Masking);
    }
    if length >> 63 != 0 {
        return Err(Violation::Length);
    }
    if let OpCode::Control(_) = header.opcode {
        if !header.is_final {
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
        opcode: header.opcode,
        fin: header.is_final,
        mask: header.mask,
        header: cursor.position() as usize,
        payload,
    }))
}

/// Appends one final frame to `out`; `mask` for a client.
pub fn encode_frame(opcode: OpCode, payload: &[u8], mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
    let header = FrameHeader {
        is_final: true,
        rsv1: false,
        rsv2: false,
        rsv3: false,
        opcode,
        mask,
    };
    out.reserve(payload.len() + 14);
    header
        .format(payload.len() as u64, out)
        .expect("writing to memory cannot fail");
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
    use super::*;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;

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
