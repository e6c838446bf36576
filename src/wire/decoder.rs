//! From bytes to messages: frames, fragments, control frames in between, every rule of RFC 6455
//! sections 5 and 8 checked. Works on memory only, so that it can be tested without sockets.

use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::frame::{Head, Role, apply_mask, is_valid_close_code, parse_head};
use crate::failure::Violation;

/// A message or a control frame; the payload is borrowed from the read buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole text message.
    Text(&'a str),
    /// A whole binary message.
    Binary(&'a [u8]),
    /// A ping; nobody has answered it yet.
    Ping(&'a [u8]),
    /// A pong.
    Pong(&'a [u8]),
    /// A close frame: its code and reason, or none. Whatever comes after it is ignored.
    Close(Option<(u16, &'a str)>),
}

/// The receiving half of a connection.
#[derive(Debug)]
pub struct Decoder {
    role: Role,
    max_message: usize,
    max_frame: usize,
    /// The beginning of a frame whose end has not come.
    partial: Vec<u8>,
    /// The fragments of an unfinished message.
    message: Option<Box<Fragments>>,
    /// So many bytes of an unfinished text frame's payload are known to be UTF-8.
    checked: usize,
    closed: bool,
}

#[derive(Debug)]
struct Fragments {
    is_text: bool,
    bytes: Vec<u8>,
    /// So many bytes are known to be UTF-8: text fails at the first bad fragment (RFC 6455 8.1).
    valid: usize,
}

impl Decoder {
    /// A decoder with its limits in bytes.
    pub fn new(role: Role, max_message: usize, max_frame: usize) -> Self {
        Self {
            role,
            max_message,
            max_frame,
            partial: Vec::new(),
            message: None,
            checked: 0,
            closed: false,
        }
    }

    /// Keeps bytes for the next [`Decoder::feed`].
    pub fn stash(&mut self, bytes: &[u8]) {
        self.partial.extend_from_slice(bytes);
    }

    /// Whether bytes of an unfinished frame or message are held.
    pub fn is_mid_message(&self) -> bool {
        !self.partial.is_empty() || self.message.is_some()
    }

    /// Decodes everything complete in what was kept plus `bytes` (which is unmasked in place) and
    /// calls `on` for each. Memory grows with what was received, never with what was announced.
    pub fn feed(
        &mut self,
        bytes: &mut [u8],
        on: &mut impl FnMut(Event<'_>),
    ) -> Result<(), Violation> {
        if self.partial.is_empty() {
            let used = self.decode(bytes, on)?;
            if used < bytes.len() && !self.closed {
                self.partial.extend_from_slice(&bytes[used..]);
            }
            return Ok(());
        }
        let mut joined = std::mem::take(&mut self.partial);
        joined.extend_from_slice(bytes);
        let used = self.decode(&mut joined, on)?;
        if used < joined.len() && !self.closed {
            joined.drain(..used);
            self.partial = joined;
        }
        Ok(())
    }

    fn decode(
        &mut self,
        bytes: &mut [u8],
        on: &mut impl FnMut(Event<'_>),
    ) -> Result<usize, Violation> {
        let mut used = 0;
        while !self.closed {
            let rest = &mut bytes[used..];
            let Some(head) = parse_head(rest, self.role, self.max_frame)? else {
                break;
            };
            self.check_order(&head)?;
            let length = head.header + head.payload;
            let Some(payload) = rest.get_mut(head.header..length) else {
                self.check_text(&head, &rest[head.header..])?;
                break;
            };
            self.checked = 0;
            if let Some(mask) = head.mask {
                apply_mask(payload, mask);
            }
            used += length;
            match head.opcode {
                OpCode::Control(control) => self.control(control, payload, on)?,
                OpCode::Data(_) => self.data(&head, payload, on)?,
            }
        }
        Ok(used)
    }

    /// Refuses a frame that may not come now, and a message that is too long, before its payload.
    fn check_order(&self, head: &Head) -> Result<(), Violation> {
        let OpCode::Data(data) = head.opcode else {
            return Ok(());
        };
        let held = self.message.as_ref().map(|m| m.bytes.len());
        match (data, held) {
            (Data::Continue, None) => Err(Violation::StrayContinuation),
            (Data::Text | Data::Binary, Some(_)) => Err(Violation::Interleaved),
            (Data::Reserved(_), _) => Err(Violation::Opcode),
            (_, held) if held.unwrap_or(0) + head.payload > self.max_message => {
                Err(Violation::TooLarge)
            }
            _ => Ok(()),
        }
    }

    /// Fails as soon as the beginning of a text frame cannot become UTF-8 any more (RFC 6455 8.1): its
    /// end may never come. Looks at each byte once; masked payloads are left until they are whole.
    fn check_text(&mut self, head: &Head, payload: &[u8]) -> Result<(), Violation> {
        let fragments = self.message.as_ref().filter(|m| m.is_text);
        let is_text = head.opcode == OpCode::Data(Data::Text)
            || head.opcode == OpCode::Data(Data::Continue) && fragments.is_some();
        if !is_text || head.mask.is_some() {
            return Ok(());
        }
        let cut = fragments.map_or(&[][..], |m| &m.bytes[m.valid..]);
        if self.checked == 0 && !cut.is_empty() {
            // A character that the fragment before began: at most four bytes.
            let start: Vec<u8> = cut.iter().chain(payload.iter().take(4)).copied().collect();
            let whole = valid_up_to(&start)?;
            if whole == 0 {
                return Ok(());
            }
            self.checked = whole - cut.len();
        }
        self.checked += valid_up_to(&payload[self.checked..])?;
        Ok(())
    }

    fn data(
        &mut self,
        head: &Head,
        payload: &[u8],
        on: &mut impl FnMut(Event<'_>),
    ) -> Result<(), Violation> {
        let is_text = head.opcode == OpCode::Data(Data::Text);
        if head.fin && self.message.is_none() {
            on(message(is_text, payload)?);
            return Ok(());
        }
        let fragments = self.message.get_or_insert_with(|| {
            Box::new(Fragments {
                is_text,
                bytes: Vec::new(),
                valid: 0,
            })
        });
        fragments.bytes.extend_from_slice(payload);
        if fragments.is_text {
            fragments.validate()?;
        }
        if head.fin
            && let Some(whole) = self.message.take()
        {
            on(message(whole.is_text, &whole.bytes)?);
        }
        Ok(())
    }

    fn control(
        &mut self,
        control: Control,
        payload: &[u8],
        on: &mut impl FnMut(Event<'_>),
    ) -> Result<(), Violation> {
        match control {
            Control::Ping => on(Event::Ping(payload)),
            Control::Pong => on(Event::Pong(payload)),
            Control::Reserved(_) => return Err(Violation::Opcode),
            Control::Close => {
                let close = parse_close(payload)?;
                self.closed = true;
                self.message = None;
                on(Event::Close(close));
            }
        }
        Ok(())
    }
}

impl Fragments {
    fn validate(&mut self) -> Result<(), Violation> {
        self.valid += valid_up_to(&self.bytes[self.valid..])?;
        Ok(())
    }
}

/// How many of these bytes are whole characters; one that is cut at the end may still be completed.
fn valid_up_to(bytes: &[u8]) -> Result<usize, Violation> {
    match std::str::from_utf8(bytes) {
        Ok(_) => Ok(bytes.len()),
        Err(error) if error.error_len().is_some() => Err(Violation::Utf8),
        Err(error) => Ok(error.valid_up_to()),
    }
}

fn message(is_text: bool, payload: &[u8]) -> Result<Event<'_>, Violation> {
    if !is_text {
        return Ok(Event::Binary(payload));
    }
    match std::str::from_utf8(payload) {
        Ok(text) => Ok(Event::Text(text)),
        Err(_) => Err(Violation::Utf8),
    }
}

fn parse_close(payload: &[u8]) -> Result<Option<(u16, &str)>, Violation> {
    match payload {
        [] => Ok(None),
        [_] => Err(Violation::CloseFrame(0)),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !is_valid_close_code(code) {
                return Err(Violation::CloseFrame(code));
            }
            let reason = std::str::from_utf8(reason).map_err(|_| Violation::Utf8)?;
            Ok(Some((code, reason)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `bytes` in pieces of `step` and lists what came out.
    fn decode(
        role: Role,
        limit: usize,
        bytes: &[u8],
        step: usize,
    ) -> (Vec<String>, Option<Violation>) {
        let mut decoder = Decoder::new(role, limit, limit);
        let mut events = Vec::new();
        for piece in bytes.chunks(step) {
            let fed = decoder.feed(&mut piece.to_vec(), &mut |event| {
                events.push(match event {
                    Event::Binary(bytes) => format!("Binary({})", bytes.len()),
                    other => format!("{other:?}"),
                });
            });
            if let Err(violation) = fed {
                return (events, Some(violation));
            }
        }
        (events, None)
    }

    type Case = (
        &'static str,
        &'static [u8],
        &'static [&'static str],
        Option<Violation>,
    );

    const TABLE: &[Case] = &[
        (
            "two in one read",
            b"\x81\x02hi\x82\x01\x00",
            &["Text(\"hi\")", "Binary(1)"],
            None,
        ),
        (
            "a ping between fragments",
            b"\x01\x02he\x89\x01p\x80\x03llo",
            &["Ping([112])", "Text(\"hello\")"],
            None,
        ),
        (
            "a character across fragments",
            b"\x01\x01\xc3\x80\x01\xa9",
            &["Text(\"é\")"],
            None,
        ),
        (
            "bad text fails at its fragment",
            b"\x01\x01\xff",
            &[],
            Some(Violation::Utf8),
        ),
        (
            "bad text fails before its frame has ended",
            b"\x81\x09hi\xff",
            &[],
            Some(Violation::Utf8),
        ),
        (
            "bad text fails within a fragment that ends a character",
            b"\x01\x01\xe2\x80\x09\x82\xac\xff",
            &[],
            Some(Violation::Utf8),
        ),
        (
            "a character that a fragment cannot end",
            b"\x01\x01\xe2\x80\x09\x28",
            &[],
            Some(Violation::Utf8),
        ),
        (
            "good text in two unfinished pieces",
            b"\x01\x01\xe2\x80\x04\x82\xac\xc3\xa9",
            &["Text(\"\u{20ac}\u{e9}\")"],
            None,
        ),
        (
            "binary is not looked at",
            b"\x02\x02\xff\xff\x00\x05\xff",
            &[],
            None,
        ),
        (
            "text cut within a character",
            b"\x01\x01\xc3\x80\x00",
            &[],
            Some(Violation::Utf8),
        ),
        (
            "a stray continuation",
            b"\x80\x00",
            &[],
            Some(Violation::StrayContinuation),
        ),
        (
            "a message within a message",
            b"\x01\x00\x81\x00",
            &[],
            Some(Violation::Interleaved),
        ),
        (
            "what came before a violation counts",
            b"\x81\x01a\xc1\x00",
            &["Text(\"a\")"],
            Some(Violation::ReservedBits),
        ),
        (
            "fragments beyond the limit",
            b"\x02\x05aaaaa\x00\x05aaaaa\x00\x01a",
            &[],
            Some(Violation::TooLarge),
        ),
        (
            "a close ends it",
            b"\x88\x00\x81\x01a",
            &["Close(None)"],
            None,
        ),
        (
            "close with a reason",
            b"\x88\x05\x0f\xa1bad",
            &["Close(Some((4001, \"bad\")))"],
            None,
        ),
        (
            "a close of one byte",
            b"\x88\x01\x03",
            &[],
            Some(Violation::CloseFrame(0)),
        ),
        (
            "a forbidden code keeps its number",
            b"\x88\x02\x03\xee",
            &[],
            Some(Violation::CloseFrame(1006)),
        ),
    ];

    #[test]
    fn messages_and_violations_do_not_depend_on_how_bytes_are_cut() {
        for (name, bytes, events, violation) in TABLE {
            for step in [1, 2, 3, 100] {
                let got = decode(Role::Client, 10, bytes, step);
                let expected: Vec<String> = events.iter().map(|e| (*e).to_owned()).collect();
                assert_eq!(
                    got,
                    (expected, *violation),
                    "{name}, {step} bytes at a time"
                );
            }
        }
    }

    #[test]
    fn a_server_unmasks() {
        let frame = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
        for step in [1, 4, 100] {
            assert_eq!(decode(Role::Server, 10, frame, step).0, ["Text(\"Hello\")"]);
        }
    }

    #[test]
    fn an_announced_length_reserves_nothing() {
        let mut decoder = Decoder::new(Role::Client, usize::MAX, usize::MAX);
        let mut head = *b"\x82\x7f\x00\x00\x00\x10\x00\x00\x00\x00";
        decoder
            .feed(&mut head, &mut |_| {})
            .expect("64 GiB announced is within this limit");
        assert!(decoder.partial.capacity() < 100);
    }

    #[test]
    fn nothing_is_kept_after_a_whole_message() {
        let mut decoder = Decoder::new(Role::Client, 1 << 20, 1 << 20);
        let mut frame = vec![0x82, 126, 0xff, 0xff];
        frame.resize(4 + 65535, 7);
        let mut count = 0;
        for piece in frame.chunks_mut(1000) {
            decoder
                .feed(piece, &mut |_| count += 1)
                .expect("a legal frame");
        }
        assert_eq!((count, decoder.partial.capacity()), (1, 0));
        assert!(!decoder.is_mid_message());
    }
}
