//! Our decoder against tungstenite's: random frames, cut at random places. Both must say the same.
//!
//! Intended differences, left out or translated here:
//! - tungstenite reports a forbidden close code as if the peer had sent 1002; ours is a violation that
//!   keeps the code.
//! - Of text cut into fragments, ours fails at the first bad fragment, as RFC 6455 8.1 allows;
//!   tungstenite too, but it may have taken a later control frame first. Only that it fails is compared.
//! - Ours refuses a frame as soon as its header is there, tungstenite some of them only once the whole
//!   frame is.
//! - Ours checks the length of a frame when its header is there, tungstenite before the masking bit: of
//!   a frame that breaks two rules only the failure is compared, never which rule.

use std::io::{Cursor, Read, Write};

use proptest::prelude::*;
use tokio_tungstenite::tungstenite::protocol::{Role as TheirRole, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, WebSocket};
use wsbench::wire::{Decoder, Event, Role, is_valid_close_code};

/// Bytes of the largest message and frame.
const LIMIT: usize = 200;

/// What came out, in words that both can say.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
    /// A violation.
    Failed,
}

fn ours(role: Role, bytes: &[u8], cuts: &[usize]) -> Vec<Said> {
    let mut decoder = Decoder::new(role, LIMIT, LIMIT);
    let mut said = Vec::new();
    for piece in pieces(bytes, cuts) {
        let fed = decoder.feed(&mut piece.to_vec(), &mut |event| {
            said.push(match event {
                Event::Text(text) => Said::Text(text.to_owned()),
                Event::Binary(bytes) => Said::Binary(bytes.to_owned()),
                Event::Ping(payload) => Said::Ping(payload.to_owned()),
                Event::Pong(payload) => Said::Pong(payload.to_owned()),
                Event::Close(close) => {
                    Said::Close(close.map(|(code, reason)| (code, reason.to_owned())))
                }
            });
        });
        if fed.is_err() {
            said.push(Said::Failed);
            return said;
        }
    }
    said
}

fn theirs(role: Role, bytes: &[u8]) -> Vec<Said> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(LIMIT))
        .max_frame_size(Some(LIMIT));
    let role = match role {
        Role::Client => TheirRole::Client,
        Role::Server => TheirRole::Server,
    };
    let stream = Recorded(Cursor::new(bytes.to_vec()));
    let mut socket = WebSocket::from_raw_socket(stream, role, Some(config));
    let mut said = Vec::new();
    loop {
        said.push(match socket.read() {
            Ok(Message::Text(text)) => Said::Text(text.as_str().to_owned()),
            Ok(Message::Binary(bytes)) => Said::Binary(bytes.to_vec()),
            Ok(Message::Ping(payload)) => Said::Ping(payload.to_vec()),
            Ok(Message::Pong(payload)) => Said::Pong(payload.to_vec()),
            Ok(Message::Close(close)) => {
                let close = close.map(|frame| (frame.code.into(), frame.reason.to_string()));
                said.push(Said::Close(close));
                return said;
            }
            Ok(Message::Frame(_)) => unreachable!("never read"),
            Err(tokio_tungstenite::tungstenite::Error::Io(error)) => {
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                return said;
            }
            Err(_) => {
                said.push(Said::Failed);
                return said;
            }
        });
    }
}

/// Bytes that came; there are no more so far.
struct Recorded(Cursor<Vec<u8>>);

impl Read for Recorded {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(into)? {
            0 => Err(std::io::ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }
}

impl Write for Recorded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|w| &bytes[w[0]..w[1]]).collect()
}

/// A frame, mostly legal.
#[derive(Clone, Debug)]
struct Frame {
    head: u8,
    masked: bool,
    key: [u8; 4],
    payload: Vec<u8>,
    /// Bytes of the extended length: 0, 2 or 8 where the length allows.
    wide: u8,
}

impl Frame {
    fn write(&self, out: &mut Vec<u8>) {
        let mask = if self.masked { 0x80 } else { 0 };
        let length = self.payload.len();
        out.push(self.head);
        match self.wide {
            0 if length < 126 => out.push(mask | length as u8),
            8 => {
                out.push(mask | 127);
                out.extend_from_slice(&(length as u64).to_be_bytes());
            }
            _ => {
                out.push(mask | 126);
                out.extend_from_slice(&(length as u16).to_be_bytes());
            }
        }
        if !self.masked {
            return out.extend_from_slice(&self.payload);
        }
        out.extend_from_slice(&self.key);
        let keys = self.key.iter().cycle();
        out.extend(self.payload.iter().zip(keys).map(|(byte, key)| byte ^ key));
    }

    /// Whether it is a close frame with a code that may not be sent: an intended difference.
    fn forbidden_close(&self) -> bool {
        let code = self
            .payload
            .first_chunk::<2>()
            .map(|c| u16::from_be_bytes(*c));
        self.head == 0x88 && code.is_some_and(|code| !is_valid_close_code(code))
    }
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-zé€😀]{0,12}".prop_map(String::into_bytes),
        2 => proptest::collection::vec(any::<u8>(), 0..20),
        1 => proptest::collection::vec(Just(b'x'), 100..260),
        // Text with a character cut off.
        1 => Just(b"ab\xe2\x82".to_vec()),
        1 => Just(vec![0x03, 0xe8, b'o', b'k']),
        1 => Just(vec![0x0f, 0xa1]),
    ]
}

fn frame(server: bool) -> impl Strategy<Value = Frame> {
    // Text, binary, continuation, ping and pong, final or not; now and then anything.
    let legal = prop_oneof![
        6 => Just(0x81_u8), 4 => Just(0x82), 3 => Just(0x01), 2 => Just(0x02),
        4 => Just(0x00), 4 => Just(0x80), 2 => Just(0x89), 2 => Just(0x8a), 1 => Just(0x88),
    ];
    let head = prop_oneof![30 => legal, 1 => any::<u8>()];
    let masked = prop_oneof![60 => Just(server), 1 => Just(!server)];
    let wide = prop_oneof![8 => Just(0_u8), 1 => Just(2), 1 => Just(8)];
    (head, masked, any::<[u8; 4]>(), payload(), wide).prop_map(
        |(head, masked, key, payload, wide)| Frame {
            head,
            masked,
            key,
            payload,
            wide,
        },
    )
}

fn compare(server: bool, frames: &[Frame], cuts: &[usize], tail: usize) {
    let mut bytes = Vec::new();
    for frame in frames {
        if frame.forbidden_close() {
            break;
        }
        frame.write(&mut bytes);
    }
    bytes.truncate(bytes.len() - tail.min(bytes.len()));
    let role = if server { Role::Server } else { Role::Client };
    let mut expected = theirs(role, &bytes);
    let got = ours(role, &bytes, cuts);
    if tail > 0 && got.len() > expected.len() {
        // Refused by its header; tungstenite waits for the rest of the frame first.
        expected.push(Said::Failed);
    }
    assert_eq!(got, expected, "{bytes:02x?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1_500) })]

    #[test]
    fn a_client_reads_what_tungstenite_reads(
        frames in proptest::collection::vec(frame(false), 0..10),
        cuts in proptest::collection::vec(0_usize..2_000, 0..12),
        tail in 0_usize..4,
    ) {
        compare(false, &frames, &cuts, tail);
    }

    #[test]
    fn a_server_reads_what_tungstenite_reads(
        frames in proptest::collection::vec(frame(true), 0..10),
        cuts in proptest::collection::vec(0_usize..2_000, 0..12),
        tail in 0_usize..4,
    ) {
        compare(true, &frames, &cuts, tail);
    }

    /// Nothing at all makes it panic, whatever the limits.
    #[test]
    fn any_bytes_are_messages_or_a_violation(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        cuts in proptest::collection::vec(0_usize..300, 0..12),
        server: bool,
    ) {
        compare_bytes(server, &bytes, &cuts);
    }
}

/// How bytes are cut does not matter.
fn compare_bytes(server: bool, bytes: &[u8], cuts: &[usize]) {
    let role = if server { Role::Server } else { Role::Client };
    assert_eq!(ours(role, bytes, cuts), ours(role, bytes, &[]));
}
