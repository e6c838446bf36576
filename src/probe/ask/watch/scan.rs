//! Frames, as far as a held connection needs them: no fault in them stops anything.

/// Longest control payload (RFC 6455 5.5), and all that is kept of a message.
const KEPT: usize = 2048;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// RFC 6455 5.2.
    pub opcode: u8,
    /// The start of the payload.
    pub start: Vec<u8>,
}

impl Frame {
    /// The code of a close frame; 1005 when it has none.
    pub fn close_code(&self) -> Option<u16> {
        (self.opcode == 8).then(|| match self.start.as_slice() {
            [high, low, ..] => u16::from_be_bytes([*high, *low]),
            _ => 1005,
        })
    }

    /// The reason of a close frame.
    pub fn reason(&self) -> &[u8] {
        self.start.get(2..).unwrap_or_default()
    }
}

/// Cuts a stream into frames.
#[derive(Debug, Default)]
pub struct Scan {
    /// Bytes of a header or a payload that is not whole.
    pending: Vec<u8>,
    /// Bytes of a payload that are not kept and still to come.
    skip: u64,
    /// What comes is no frame: nothing after it can be read.
    lost: bool,
}

impl Scan {
    /// Takes all of `bytes` and gives the frames that are whole now.
    pub fn push(&mut self, bytes: &mut Vec<u8>) -> Vec<Frame> {
        let mut frames = Vec::new();
        if self.lost {
            bytes.clear();
        }
        let skipped = usize::try_from(self.skip).map_or(bytes.len(), |n| n.min(bytes.len()));
        bytes.drain(..skipped);
        self.skip -= skipped as u64;
        self.pending.append(bytes);
        while let Some(frame) = self.next() {
            frames.push(frame);
        }
        frames
    }

    fn next(&mut self) -> Option<Frame> {
        let bytes = &self.pending;
        let (first, second) = (*bytes.first()?, *bytes.get(1)?);
        if first & 0x70 != 0 {
            self.lost = true;
            self.pending.clear();
            return None;
        }
        let masked = second & 0x80 != 0;
        let (wide, length) = match second & 0x7f {
            126 => (2, None),
            127 => (8, None),
            short => (0, Some(u64::from(short))),
        };
        let header = 2 + wide + if masked { 4 } else { 0 };
        if bytes.len() < header {
            return None;
        }
        let length = length.unwrap_or_else(|| {
            (bytes[2..2 + wide].iter()).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
        });
        let kept = usize::try_from(length).map_or(KEPT, |n| n.min(KEPT));
        if bytes.len() < header + kept {
            return None;
        }
        let mut start = bytes[header..header + kept].to_vec();
        if masked {
            let mask = &bytes[header - 4..header];
            (start.iter_mut().enumerate()).for_each(|(i, byte)| *byte ^= mask[i % 4]);
        }
        let whole = (header as u64).saturating_add(length);
        let here = usize::try_from(whole).map_or(bytes.len(), |n| n.min(bytes.len()));
        self.skip = whole - here as u64;
        self.pending.drain(..here);
        let opcode = first & 0x0f;
        Some(Frame { opcode, start })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_however_the_stream_is_cut() {
        let mut stream = vec![0x81, 2, b'h', b'i', 0x82, 126, 0x0c, 0x00];
        stream.extend([7; 3072]);
        stream.extend([0x89, 0x81, 1, 2, 3, 4, 0x40 ^ 1]); // masked by a server: not ours to judge
        stream.extend([0x88, 4, 0x03, 0xf5, b'm', b'a']);
        for size in [1, 3, 600, 5000] {
            let mut scan = Scan::default();
            let mut frames = Vec::new();
            for chunk in stream.chunks(size) {
                frames.extend(scan.push(&mut chunk.to_vec()));
            }
            let opcodes: Vec<_> = frames.iter().map(|f| f.opcode).collect();
            assert_eq!(opcodes, [1, 2, 9, 8], "{size}");
            assert_eq!(frames[1].start, [7; KEPT]);
            assert_eq!(frames[2].start, [0x40]);
            assert_eq!(frames[3].close_code(), Some(1013));
            assert_eq!(frames[3].reason(), b"ma");
        }
    }

    #[test]
    fn what_is_no_frame_yields_nothing() {
        let mut scan = Scan::default();
        assert!(scan.push(&mut b"<html>HTTP/1.1".to_vec()).is_empty());
        assert!(scan.push(&mut vec![0x81, 0]).is_empty());
        let bare = Frame {
            opcode: 8,
            start: vec![],
        };
        assert_eq!(bare.close_code(), Some(1005));
    }
}
