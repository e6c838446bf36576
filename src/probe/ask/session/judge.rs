//! Breaches of RFC 6455, frame by frame. Pure.

use crate::probe::ask::frames::{Frame, opcode};
use crate::wire::is_valid_close_code;

/// Longest payload of a control frame (RFC 6455 5.5).
const MAX_CONTROL: u64 = 125;

/// What a peer's frames may be next.
#[derive(Debug, Default)]
pub struct Judge {
    /// A message has begun and has not ended.
    open: bool,
}

impl Judge {
    /// What is wrong with that frame, in the words of [`crate::probe::seen::Violation`].
    pub fn frame(&mut self, frame: &Frame) -> Vec<&'static str> {
        let mut found = Vec::new();
        let mut say = |wrong: bool, what| {
            if wrong {
                found.push(what);
            }
        };
        say(frame.mask.is_some(), "masked");
        // None of our handshakes offers an extension.
        say(frame.rsv != 0, "rsv");
        say(frame.odd_length, "length");
        let control = frame.is_control();
        say(matches!(frame.opcode, 3..=7 | 11..), "opcode");
        say(control && !frame.fin, "control fragmented");
        say(control && frame.length > MAX_CONTROL, "control too long");
        match frame.opcode {
            opcode::CONTINUATION => {
                say(!self.open, "continuation");
                self.open = self.open && !frame.fin;
            }
            opcode::TEXT | opcode::BINARY => {
                say(self.open, "continuation");
                self.open = !frame.fin;
            }
            opcode::CLOSE => {
                say(frame.length == 1, "close length");
                let (code, _) = frame.close();
                let coded = frame.payload.len() >= 2;
                say(coded && !is_valid_close_code(code), "close code");
                let reason = frame.payload.get(2..).unwrap_or_default();
                say(std::str::from_utf8(reason).is_err(), "utf8");
            }
            _ => {}
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::ask::frames::FrameReader;

    #[test]
    fn breaches_and_what_is_none() {
        let table: &[(&[u8], &[&str])] = &[
            (b"\x81\x02hi", &[]),
            (b"\x01\x01a\x89\x00\x80\x01b\x82\x00", &[]),
            (b"\x88\x02\x03\xe8", &[]),
            (b"\x88\x00", &[]),
            (b"\x81\x81\0\0\0\0a", &["masked"]),
            (b"\xc1\x05hello", &["rsv"]),
            (b"\x83\x05hello", &["opcode"]),
            (b"\x8b\x00", &["opcode"]),
            (b"\x09\x01x", &["control fragmented"]),
            (b"\x80\x01x", &["continuation"]),
            (b"\x01\x01a\x81\x01b", &["continuation"]),
            (b"\x82\x7e\x00\x01x", &["length"]),
            (b"\x88\x01x", &["close length"]),
            (b"\x88\x02\x03\xee", &["close code"]),
            (b"\x88\x03\x03\xe8\xff", &["utf8"]),
        ];
        for (bytes, expected) in table {
            let mut judge = Judge::default();
            let frames = FrameReader::default().feed(bytes);
            let found: Vec<_> = frames.iter().flat_map(|f| judge.frame(f)).collect();
            assert_eq!(found, *expected, "{bytes:02x?}");
        }
        let mut long = vec![0x89, 126, 0, 126];
        long.extend([b'x'; 126]);
        let frames = FrameReader::default().feed(&long);
        assert_eq!(Judge::default().frame(&frames[0]), ["control too long"]);
    }
}
