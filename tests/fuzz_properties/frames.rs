//! The frame decoder: the same events however the bytes are cut, nothing above the limits.

use wsbench::failure::Violation;
use wsbench::wire::{Decoder, Event, Role, is_valid_close_code};

/// Bytes of the largest message and frame.
const LIMIT: usize = 4_096;

type Heard = (Vec<String>, Option<Violation>);

pub fn client(data: &[u8]) {
    same_however_cut(Role::Client, data);
}

pub fn server(data: &[u8]) {
    same_however_cut(Role::Server, data);
}

fn same_however_cut(role: Role, data: &[u8]) {
    let whole = decode(role, data, usize::MAX);
    for step in [0, 1, 2, 3, 127] {
        assert_eq!(decode(role, data, step), whole, "{step} bytes at a time");
    }
}

fn decode(role: Role, data: &[u8], step: usize) -> Heard {
    let mut decoder = Decoder::new(role, LIMIT, LIMIT);
    let mut events = Vec::new();
    for piece in super::pieces(data, step) {
        let fed = decoder.feed(&mut piece.to_vec(), &mut |event| {
            let (length, limit) = match event {
                Event::Text(text) => (text.len(), LIMIT),
                Event::Binary(bytes) => (bytes.len(), LIMIT),
                Event::Ping(bytes) | Event::Pong(bytes) => (bytes.len(), 125),
                Event::Close(close) => (close.map_or(0, |(_, reason)| reason.len() + 2), 125),
            };
            assert!(length <= limit, "{length} bytes");
            events.push(format!("{event:?}"));
        });
        if let Err(violation) = fed {
            return (events, Some(violation));
        }
    }
    (events, None)
}

/// Any payload of a close frame, against the rules written down once more.
pub fn close(data: &[u8]) {
    let payload = &data[..data.len().min(125)];
    let mut frame = vec![0x88, payload.len() as u8];
    frame.extend_from_slice(payload);
    let (events, violation) = decode(Role::Client, &frame, usize::MAX);
    let expected = match payload {
        [] => Ok(None),
        [_] => Err(Violation::CloseFrame(0)),
        [high, low, reason @ ..] => {
            let code = u16::from(*high) * 256 + u16::from(*low);
            match std::str::from_utf8(reason) {
                _ if !is_valid_close_code(code) => Err(Violation::CloseFrame(code)),
                Ok(reason) => Ok(Some((code, reason))),
                Err(_) => Err(Violation::Utf8),
            }
        }
    };
    match expected {
        Ok(close) => assert_eq!(
            (events, violation),
            (vec![format!("{:?}", Event::Close(close))], None)
        ),
        Err(expected) => assert_eq!((events.len(), violation), (0, Some(expected))),
    }
}
