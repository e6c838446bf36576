//! The HTTP heads before the frames: whether, and from which byte on, a connection speaks WebSocket.

/// The longest head that is looked through; a longer one is no upgrade.
const LONGEST_HEAD: usize = 64 * 1024;
const END: &[u8; 4] = b"\r\n\r\n";
/// What of a head is looked at: `GET ` or `HTTP/1.1 101`.
const START: usize = 12;

/// Who wrote a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Author {
    /// Asks for the upgrade.
    Client,
    /// Grants it.
    Server,
}

/// What the bytes so far say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaks {
    /// Not told yet.
    Unknown,
    /// Frames from here on.
    Frames,
    /// TLS, or HTTP without an upgrade: nothing to understand.
    Blind,
}

/// Follows one direction until its head has passed.
#[derive(Debug)]
pub(super) struct Head {
    author: Author,
    start: [u8; START],
    length: usize,
    matched: usize,
}

impl Head {
    /// Before the first byte.
    pub const fn new(author: Author) -> Self {
        Self {
            author,
            start: [0; START],
            length: 0,
            matched: 0,
        }
    }

    /// Looks at more bytes: how many of them belong to the head, and what is known then.
    pub fn look(&mut self, bytes: &[u8]) -> (usize, Speaks) {
        for (index, byte) in bytes.iter().enumerate() {
            if self.length < START {
                self.start[self.length] = *byte;
            }
            self.length += 1;
            if !self.is_plausible() {
                return (index + 1, Speaks::Blind);
            }
            self.matched = if *byte == END[self.matched] {
                self.matched + 1
            } else {
                usize::from(*byte == END[0])
            };
            if self.matched < END.len() {
                continue;
            }
            if self.is_interim() {
                // 100 Continue, 103 Early Hints: another head follows.
                *self = Self::new(self.author);
                continue;
            }
            return (index + 1, Speaks::Frames);
        }
        (bytes.len(), Speaks::Unknown)
    }

    fn is_plausible(&self) -> bool {
        let seen = self.length.min(START);
        let is = |expected: &[u8]| {
            let shared = seen.min(expected.len());
            self.start[..shared] == expected[..shared]
        };
        let right = match self.author {
            Author::Client => is(b"GET "),
            // Any 1xx: the others are answers of their own.
            Author::Server => is(b"HTTP/1.1 1"),
        };
        right && self.length <= LONGEST_HEAD
    }

    fn is_interim(&self) -> bool {
        self.author == Author::Server && self.start != *b"HTTP/1.1 101"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_end_where_frames_begin_in_any_split() {
        use Author::{Client, Server};
        let table: &[(Author, &[u8], usize, Speaks)] = &[
            (
                Client,
                b"GET / HTTP/1.1\r\nA: b\r\n\r\n\x81",
                24,
                Speaks::Frames,
            ),
            (Client, b"\x16\x03\x01\x02", 1, Speaks::Blind),
            (Client, b"POST / HTTP/1.1\r\n\r\n", 1, Speaks::Blind),
            (Client, b"GET / HTTP/1.1\r\n", 16, Speaks::Unknown),
            (
                Server,
                b"HTTP/1.1 101 X\r\n\r\r\n\r\n\x81",
                21,
                Speaks::Frames,
            ),
            (Server, b"HTTP/1.1 503 X\r\n\r\n", 10, Speaks::Blind),
            (
                Server,
                b"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 101 X\r\n\r\n\x81",
                36,
                Speaks::Frames,
            ),
        ];
        for (author, bytes, end, speaks) in table {
            for size in 1..=bytes.len() {
                let mut head = Head::new(*author);
                let (mut used, mut known) = (0, Speaks::Unknown);
                for piece in bytes.chunks(size) {
                    let (more, then) = head.look(piece);
                    used += more;
                    known = then;
                    if known != Speaks::Unknown {
                        break;
                    }
                }
                let shown = String::from_utf8_lossy(bytes);
                assert_eq!((used, known), (*end, *speaks), "{shown} by {size}");
            }
        }
    }

    #[test]
    fn a_head_without_end_is_given_up() {
        let mut head = Head::new(Author::Client);
        head.look(b"GET /");
        let (_, speaks) = head.look(&vec![b'x'; LONGEST_HEAD]);
        assert_eq!(speaks, Speaks::Blind);
    }
}
