//! One open connection: what is heard on it, and notes of what is worth keeping.

use std::collections::VecDeque;

use tokio::time::{Duration, Instant};

use super::judge::Judge;
use crate::probe::ask::exchange::{Counted, Upgraded, words};
use crate::probe::ask::frames::{self, FIRST, Frame, FrameReader, KEPT, opcode};
use crate::probe::seen::{Ended, FrameSeen, Millis, Session, Tcp, Violation, escaped};
use crate::wire::inspect::{Line, Read};

/// Most frames that came unasked that are kept.
const MAX_UNASKED: usize = 8;
/// Most breaches that are kept.
const MAX_VIOLATIONS: usize = 8;
/// Characters kept of a text inside the stream: enough for the head of an HTTP answer.
const STRAY: usize = 300;
/// How long the end of TCP is waited for behind a close frame.
const END_WAIT: Duration = Duration::from_millis(700);
/// How long one of our small frames may take to be written.
const WRITE: Duration = Duration::from_millis(700);

/// Something a peer did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A whole message: the start of it, and its length.
    Message {
        /// A text message.
        text: bool,
        /// At most [`KEPT`] bytes.
        bytes: Vec<u8>,
        /// In bytes.
        length: u64,
    },
    /// A pong and its payload.
    Pong(Vec<u8>),
    /// A close frame: its code and its reason, escaped.
    Close(u16, String),
    /// TCP ended.
    Ended(String),
}

/// What one connection showed besides answers.
#[derive(Debug, Default)]
pub struct Notes {
    unasked: Vec<FrameSeen>,
    violations: Vec<Violation>,
    server_pings: u32,
}

impl Notes {
    /// Adds them to a session's.
    pub fn add_to(self, session: &mut Session) {
        session.unasked.extend(self.unasked);
        session.unasked.truncate(MAX_UNASKED);
        for violation in self.violations {
            // The same breach on every connection is one breach.
            let known = |v: &Violation| v.what == violation.what;
            if !session.violations.iter().any(known) {
                session.violations.push(violation);
            }
        }
        session.server_pings += self.server_pings;
    }
}

/// A connection under our questions.
#[derive(Debug)]
pub struct Talk {
    line: Line,
    /// It counts as open while we have it.
    _counted: Counted,
    reader: FrameReader,
    judge: Judge,
    since: Instant,
    /// The last byte in either direction, and the one before the last read.
    last: [Instant; 2],
    /// Bytes that were read and not looked at yet.
    early: Vec<u8>,
    heard: VecDeque<Heard>,
    message: Option<(bool, Vec<u8>, u64)>,
    closed: bool,
    over: Option<String>,
    /// What comes is noted as unasked.
    pub quiet: bool,
    notes: Notes,
}

impl Talk {
    /// Right behind a 101.
    pub fn new(open: Upgraded) -> Self {
        Self {
            line: open.line,
            _counted: open.counted,
            reader: FrameReader::default(),
            judge: Judge::default(),
            since: open.since,
            last: [open.since; 2],
            early: open.leftover,
            heard: VecDeque::new(),
            message: None,
            closed: false,
            over: None,
            quiet: true,
            notes: Notes::default(),
        }
    }

    /// Since the 101.
    pub fn at(&self) -> Millis {
        Millis::from(self.since.elapsed())
    }

    /// When the 101 was whole.
    pub const fn since(&self) -> Instant {
        self.since
    }

    /// How TCP stands.
    pub fn tcp(&self) -> Tcp {
        let state = self.line.tcp();
        Tcp {
            unacknowledged: state.unacknowledged,
            backoff: state.backoff,
            retransmits: state.total_retransmits,
            window_probes: state.window_probes,
        }
    }

    /// TCP's own round trip, when the system tells.
    pub fn round_trip(&self) -> Option<Millis> {
        let us = self.line.tcp().round_trip_us;
        (us > 0).then(|| Millis(f64::from(us) / 1e3))
    }

    /// Writes; false when it was not whole in time. An end is heard, not told here.
    pub async fn say(&mut self, bytes: &[u8], deadline: Instant) -> bool {
        let sent = matches!(self.line.send(bytes, deadline).await, Ok(Some(())));
        if sent {
            self.last[0] = Instant::now();
        }
        sent
    }

    /// The next thing a peer does; pings are answered on the way. `None`: nothing before the deadline.
    pub async fn hear(&mut self, deadline: Instant) -> Option<Heard> {
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return Some(heard);
            }
            if let Some(how) = &self.over {
                return Some(Heard::Ended(how.clone()));
            }
            let mut bytes = std::mem::take(&mut self.early);
            if bytes.is_empty() {
                match self.line.read(&mut bytes, deadline).await {
                    Read::TimedOut => return None,
                    Read::Ended(end) => {
                        self.over = Some(words(&end));
                        continue;
                    }
                    Read::Bytes(_) => {}
                }
            }
            self.last = [Instant::now(), self.last[0]];
            for frame in self.reader.feed(&bytes) {
                self.frame(frame).await;
            }
            self.stray();
            // A peer that never stops must not hold us.
            if self.heard.is_empty() && Instant::now() >= deadline {
                return None;
            }
        }
    }

    /// The end that begins with what was heard last: a close frame is answered, and the end of TCP
    /// waited for.
    pub async fn end(&mut self, first: Heard) -> Ended {
        let idle = match first {
            // The frame itself was the last byte.
            Heard::Close(..) => Instant::now() - self.last[1],
            _ => self.last[0].elapsed(),
        };
        let mut ended = Ended {
            at_ms: self.at(),
            idle_ms: Millis::from(idle),
            code: None,
            reason: String::new(),
            how: None,
        };
        match first {
            Heard::Close(code, reason) => {
                let answer = if code == 1005 {
                    Vec::new()
                } else {
                    code.to_be_bytes().to_vec()
                };
                let until = Instant::now() + END_WAIT;
                self.say(&frames::close_with(&answer), until).await;
                (ended.code, ended.reason) = (Some(code), reason);
                ended.how = self.end_of_tcp(until).await;
            }
            Heard::Ended(how) => ended.how = Some(how),
            Heard::Message { .. } | Heard::Pong(_) => {}
        }
        ended
    }

    /// How TCP ends, whatever else still comes.
    pub async fn end_of_tcp(&mut self, until: Instant) -> Option<String> {
        while let Some(heard) = self.hear(until).await {
            if let Heard::Ended(how) = heard {
                return Some(how);
            }
        }
        None
    }

    /// Gives the notes, and the connection up: politely when it still works, at once when not.
    pub async fn leave(mut self, session: &mut Session) {
        let stuck = self.tcp().unacknowledged > 0;
        if self.over.is_none() && !stuck {
            let until = Instant::now() + WRITE;
            if !self.closed {
                self.say(&frames::close(1000, ""), until).await;
            }
            self.line.finish(until).await;
        }
        self.notes.add_to(session);
        if stuck {
            // Nothing may stay behind in its buffers.
            self.line.abort();
        }
    }

    async fn frame(&mut self, frame: Frame) {
        for what in self.judge.frame(&frame) {
            self.violation(what, escaped(&frame.first, FIRST));
        }
        if self.quiet && self.notes.unasked.len() < MAX_UNASKED {
            self.notes.unasked.push(FrameSeen {
                at_ms: self.at(),
                opcode: frame.name(),
                fin: frame.fin,
                bytes: frame.length,
                start: Session::text(&frame.payload),
            });
        }
        if self.closed {
            return;
        }
        match frame.opcode {
            opcode::PING => {
                self.notes.server_pings += 1;
                let payload = &frame.payload[..frame.payload.len().min(125)];
                self.say(&frames::pong(payload), Instant::now() + WRITE)
                    .await;
            }
            opcode::PONG => self.heard.push_back(Heard::Pong(frame.payload)),
            opcode::CLOSE => {
                let (code, reason) = frame.close();
                self.closed = true;
                self.heard.push_back(Heard::Close(code, reason));
            }
            opcode::TEXT | opcode::BINARY | opcode::CONTINUATION => self.data(frame),
            _ => {}
        }
    }

    fn data(&mut self, frame: Frame) {
        let text = frame.opcode == opcode::TEXT;
        let mut message = match self.message.take() {
            Some(begun) if frame.opcode == opcode::CONTINUATION => begun,
            _ => (text, Vec::new(), 0),
        };
        let room = KEPT
            .saturating_sub(message.1.len())
            .min(frame.payload.len());
        message.1.extend_from_slice(&frame.payload[..room]);
        message.2 = message.2.saturating_add(frame.length);
        if !frame.fin {
            self.message = Some(message);
            return;
        }
        let (text, bytes, length) = message;
        let whole = bytes.len() as u64 == length;
        // Under a reserved bit the payload may be anything, e.g. compressed.
        if text && whole && frame.rsv == 0 && std::str::from_utf8(&bytes).is_err() {
            self.violation("utf8", escaped(&frame.first, FIRST));
        }
        self.heard.push_back(Heard::Message {
            text,
            bytes,
            length,
        });
    }

    fn stray(&mut self) {
        let Some(text) = self.reader.stray() else {
            return;
        };
        let what = if text.starts_with(b"HTTP/") || text.starts_with(b"<") {
            "http in the stream"
        } else if text == b"\r\n" {
            "line end in the stream"
        } else {
            "text in the stream"
        };
        let text = readable(text);
        let known = (self.notes.violations.iter()).position(|v| v.what.ends_with("in the stream"));
        match known {
            None => {
                let bytes = escaped(text, STRAY);
                self.violation(what, bytes);
            }
            // More of the same text came.
            Some(at) => self.notes.violations[at].bytes = escaped(text, STRAY),
        }
    }

    /// Text came in place of frames: no more frames will.
    pub fn is_lost(&self) -> bool {
        self.reader.is_lost()
    }

    fn violation(&mut self, what: &str, bytes: String) {
        let known = |v: &Violation| v.what == what;
        if self.notes.violations.len() >= MAX_VIOLATIONS || self.notes.violations.iter().any(known)
        {
            return;
        }
        self.notes.violations.push(Violation {
            at_ms: self.at(),
            what: what.to_owned(),
            bytes,
        });
    }
}

/// The text at the start, without frames that came behind it.
fn readable(bytes: &[u8]) -> &[u8] {
    let text = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let plain = |c: char| matches!(c, '\t' | '\r' | '\n') || !c.is_control();
    let end = text.find(|c| !plain(c)).unwrap_or(text.len());
    &bytes[..end]
}
