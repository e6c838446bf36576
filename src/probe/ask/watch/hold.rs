//! One connection, held in one way until it ends or the watch does.

use std::time::Duration;

use tokio::time::Instant;

use super::board::Board;
use super::scan::{Frame, Scan};
use super::{TICK, plan};
use crate::probe::ask::exchange::{Upgraded, words};
use crate::probe::seen::{Ended, HoldKind, Millis, Session, Tcp};
use crate::wire::inspect::Read;
use crate::wire::{Control, Data, OpCode, encode_frame};

/// How long an answer to the ping at the end of a hold is waited for.
const FINAL_WAIT: Duration = Duration::from_millis(2_000);
/// How long TCP may stay open after a close frame of the peer, or after ours.
const CLOSE_WAIT: Duration = Duration::from_millis(200);
/// A write that takes longer is not waited for.
const SEND_WAIT: Duration = Duration::from_millis(200);
/// What a client application may say: the most common form of an own heartbeat.
const HEARTBEAT: &[u8] = br#"{"type":"ping"}"#;
/// The payload of the ping at the end.
const FINAL: &[u8] = b"wsbench final";

/// Holds `open` as `board` says at `index`; `round` is the handshake it came from.
pub async fn hold(board: &Board, index: usize, round: usize, open: Upgraded) {
    let kind = board.holds.borrow()[index].kind;
    let held = Held {
        board,
        index,
        round,
        kind,
        buffer: open.leftover.clone(),
        active: open.since,
        spoke: open.since,
        open,
        scan: Scan::default(),
        ended: None,
        answered: None,
    };
    if let HoldKind::KeepAlive(every) = kind {
        // Where the system cannot, the hold is one more silent one.
        held.open
            .line
            .keep_alive(Duration::from_secs_f64(every.seconds()));
    }
    held.run().await;
}

struct Held<'a> {
    board: &'a Board,
    index: usize,
    round: usize,
    kind: HoldKind,
    open: Upgraded,
    buffer: Vec<u8>,
    scan: Scan,
    /// The last byte in either direction, without closing and the final ping.
    active: Instant,
    /// The last of our own.
    spoke: Instant,
    ended: Option<Ended>,
    /// When the final ping was answered.
    answered: Option<Instant>,
}

impl Held<'_> {
    async fn run(mut self) {
        self.take().await;
        // What was in the buffer came with the 101, or right after it.
        self.active = self.open.since;
        while self.ended.is_none() && !self.told_to_end() {
            let age = self.open.since.elapsed().as_secs_f64();
            let gap = plan::gap(&self.kind, age);
            if self.spoke.elapsed().as_secs_f64() >= gap {
                self.speak().await;
            }
            self.read(Instant::now() + TICK).await;
        }
        if self.ended.is_none() && !self.board.is_freed(self.index) {
            self.ask_once_more().await;
        }
        let age = Millis::from(self.open.since.elapsed());
        let ended = self.ended.take();
        let close = ended.is_none();
        self.board.change(self.index, |hold| {
            hold.held_ms = ended.as_ref().map_or(age, |end| end.at_ms);
            hold.ended = ended;
        });
        if close {
            self.close().await;
        }
    }

    fn told_to_end(&self) -> bool {
        self.board.is_stopped() || self.board.is_freed(self.index)
    }

    /// What this kind of hold says.
    async fn speak(&mut self) {
        let (opcode, payload): (_, &[u8]) = match self.kind {
            HoldKind::Ping(_) => (OpCode::Control(Control::Ping), b"wsbench"),
            HoldKind::OneWay(_) => (OpCode::Control(Control::Pong), b"wsbench"),
            HoldKind::Text(_) => (OpCode::Data(Data::Text), HEARTBEAT),
            _ => return,
        };
        let gap = Millis::from(self.spoke.elapsed());
        self.spoke = Instant::now();
        self.active = self.spoke;
        let ping = matches!(self.kind, HoldKind::Ping(_));
        self.board.change(self.index, |hold| {
            hold.pings += u64::from(ping);
            if gap.seconds() > hold.longest_gap_ms.seconds() {
                hold.longest_gap_ms = gap;
            }
        });
        self.send(opcode, payload).await;
    }

    async fn send(&mut self, opcode: OpCode, payload: &[u8]) {
        let mut bytes = Vec::new();
        let mask = Some(fastrand::u32(..).to_ne_bytes());
        encode_frame(opcode, payload, mask, &mut bytes);
        let soon = Instant::now() + SEND_WAIT;
        // An ending shows when reading too, with what came before it.
        let _ = self.open.line.send(&bytes, soon).await;
    }

    /// Reads once, and handles what came.
    async fn read(&mut self, until: Instant) {
        match self.open.line.read(&mut self.buffer, until).await {
            Read::Bytes(_) => self.take().await,
            Read::Ended(end) => {
                let how = Some(words(&end));
                self.end(None, String::new(), how, Instant::now());
            }
            Read::TimedOut => {}
        }
    }

    /// Handles the frames that are whole.
    async fn take(&mut self) {
        for frame in self.scan.push(&mut self.buffer) {
            self.board.change(self.index, |hold| hold.frames += 1);
            if let Some(code) = frame.close_code() {
                return self.closed(code, frame.reason()).await;
            }
            self.active = Instant::now();
            self.note(&frame);
            if frame.opcode == 9 && !matches!(self.kind, HoldKind::Deaf) {
                self.send(OpCode::Control(Control::Pong), &frame.start)
                    .await;
            }
        }
    }

    fn note(&mut self, frame: &Frame) {
        let at = Millis::from(self.open.since.elapsed());
        match frame.opcode {
            9 => self.board.change(self.index, |hold| hold.server_pings += 1),
            10 if frame.start == FINAL => self.answered = Some(Instant::now()),
            10 => self.board.change(self.index, |hold| {
                hold.pongs += 1;
                hold.last_pong_ms = Some(at);
            }),
            _ => {}
        }
    }

    /// A close frame came: it is answered, and TCP is watched a little longer.
    async fn closed(&mut self, code: u16, reason: &[u8]) {
        let at = Instant::now();
        let payload = match code {
            1005 => Vec::new(),
            code => code.to_be_bytes().to_vec(),
        };
        self.send(OpCode::Control(Control::Close), &payload).await;
        let until = Instant::now() + CLOSE_WAIT;
        let mut rest = Vec::new();
        let how = loop {
            match self.open.line.read(&mut rest, until).await {
                Read::Bytes(_) => rest.clear(),
                Read::Ended(end) => break Some(words(&end)),
                Read::TimedOut => break None,
            }
        };
        let reason = Session::text(reason);
        if at - self.open.since < Duration::from_secs(1) {
            let mut rounds = self.board.rounds.borrow_mut();
            // A newer handshake may be the reason: then this one was not refused.
            let newest = self.round + 1 == self.board.begun.get();
            if let Some(round) = rounds.get_mut(self.round).filter(|_| newest) {
                round.closed = Some(code);
                round.reason.clone_from(&reason);
            }
        }
        self.end(Some(code), reason, how, at);
    }

    fn end(&mut self, code: Option<u16>, reason: String, how: Option<String>, at: Instant) {
        let ended = Ended {
            at_ms: Millis::from(at - self.open.since),
            idle_ms: Millis::from(at.saturating_duration_since(self.active)),
            code,
            reason,
            how,
        };
        // Others look at it while we are not yet done.
        (self.board).change(self.index, |hold| hold.ended = Some(ended.clone()));
        self.ended = Some(ended);
    }

    /// A ping at the end: does the path still carry anything?
    async fn ask_once_more(&mut self) {
        let active = self.active;
        self.send(OpCode::Control(Control::Ping), FINAL).await;
        let until = Instant::now() + FINAL_WAIT;
        while self.ended.is_none() && self.answered.is_none() && Instant::now() < until {
            self.read(until).await;
            if self.answered.is_none() && self.ended.is_none() {
                continue;
            }
            if let Some(ended) = &mut self.ended {
                // The silence before that ping counts.
                let silent = (active - self.open.since).as_secs_f64() * 1e3;
                ended.idle_ms = Millis(ended.at_ms.0 - silent);
            }
        }
        let answered = self.answered.is_some();
        let state = self.open.line.tcp();
        self.board.change(self.index, |hold| {
            hold.final_pong = Some(answered);
            hold.tcp = (!answered).then_some(Tcp {
                unacknowledged: state.unacknowledged,
                backoff: state.backoff,
                retransmits: state.total_retransmits,
                window_probes: state.window_probes,
            });
        });
    }

    /// Ends the connection politely.
    async fn close(&mut self) {
        let code = 1000u16.to_be_bytes();
        self.send(OpCode::Control(Control::Close), &code).await;
        let until = Instant::now() + CLOSE_WAIT;
        let mut rest = Vec::new();
        while let Read::Bytes(_) = self.open.line.read(&mut rest, until).await {
            // The answer, or what was still on its way.
            let done = self.scan.push(&mut rest);
            if done.iter().any(|frame| frame.opcode == 8) {
                break;
            }
        }
        self.open.line.finish(until).await;
    }
}
