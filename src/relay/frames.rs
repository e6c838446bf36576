//! What toxics do to frames: drop, hold back, change, cut; and the stream stays well-formed.
//!
//! A frame's fate is settled when its header is whole. The frames of one message share it: a dropped
//! fragment would make its successors nonsense. A frame that was under way when a toxic came is left
//! alone; one that is being dropped when a toxic goes is dropped to its end.
//!
//! A held message waits whole, and is let out between two frames only (a data message: between two
//! data messages). So others overtake it, but held ones never overtake each other.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::scanner::{Frame, Part, Scanner};
use super::toxin::{Toxin, Way, jittered};
use crate::clock::Offset;
use crate::scenario::relay::ToxicKind;

/// Most bytes of messages held back in one direction: a longer message passes at once, with all that
/// is held before it.
const MOST_HELD: usize = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Pass,
    Drop,
    Hold(Duration),
}

#[derive(Debug)]
struct Held {
    bytes: BytesMut,
    is_data: bool,
    /// `None` = not whole yet.
    due: Option<Offset>,
}

/// What has happened, until somebody asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Frames that vanished.
    pub dropped: u64,
    /// Frames with a changed byte.
    pub corrupted: u64,
    /// Frames cut.
    pub cut: u64,
}

/// One direction after the upgrade.
#[derive(Debug)]
pub(super) struct Frames {
    way: Way,
    scanner: Scanner,
    fate: Fate,
    is_data: bool,
    fin: bool,
    /// Of the fragmented message that is open.
    message: Option<Fate>,
    /// Some of the payload has yet to come.
    within: bool,
    /// Position in the payload and what to change there.
    spoil: Option<(u64, u8)>,
    cut: Option<u64>,
    held: VecDeque<Held>,
    held_bytes: usize,
    /// See there.
    pub tally: Tally,
}

impl Frames {
    /// Right behind the head.
    pub fn new(way: Way) -> Self {
        Self {
            way,
            scanner: Scanner::default(),
            fate: Fate::Pass,
            is_data: false,
            fin: true,
            message: None,
            within: false,
            spoil: None,
            cut: None,
            held: VecDeque::new(),
            held_bytes: 0,
            tally: Tally::default(),
        }
    }

    /// Whether the source may be read.
    pub const fn has_room(&self) -> bool {
        self.held_bytes < MOST_HELD
    }

    /// Takes bytes in and puts what passes into `out`. True: the connection is to be cut after that.
    pub fn feed(
        &mut self,
        mut input: Bytes,
        toxins: &[Toxin],
        frozen: bool,
        now: Offset,
        out: &mut BytesMut,
    ) -> bool {
        let eager = !frozen && !toxins.iter().any(Toxin::is_framed);
        while let Some(part) = self.scanner.next(&mut input, eager) {
            match part {
                Part::Scrap(bytes) => out.extend_from_slice(&bytes),
                Part::Header {
                    frame,
                    bytes,
                    whole,
                } => {
                    self.settle(frame, whole, toxins, frozen);
                    if self.cut == Some(0) {
                        out.extend_from_slice(&bytes[..1]);
                        return true;
                    }
                    self.deliver(&bytes, now, out);
                    if !self.within {
                        self.end_frame(now);
                    }
                }
                Part::Payload {
                    offset,
                    bytes,
                    last,
                } => {
                    if self.payload(offset, &bytes, now, out) {
                        return true;
                    }
                    if last {
                        self.end_frame(now);
                    }
                }
            }
            self.release(now, out);
        }
        false
    }

    /// Settles the fate of a frame whose header is whole.
    fn settle(&mut self, frame: Frame, whole: bool, toxins: &[Toxin], frozen: bool) {
        let inherited = frame.continues && frame.kind.is_some();
        self.is_data = !frame.is_control();
        self.fin = frame.fin;
        self.within = frame.payload > 0;
        (self.cut, self.spoil) = (None, None);
        self.fate = match self.message {
            Some(fate) if inherited => fate,
            _ if inherited || !whole => Fate::Pass,
            _ if frozen => Fate::Drop,
            _ => self.decide(frame, toxins),
        };
        if self.is_data {
            self.message = (!frame.fin).then_some(self.fate);
        }
        if let Fate::Hold(_) = self.fate
            && !(self.is_data && inherited)
        {
            self.held.push_back(Held {
                bytes: BytesMut::new(),
                is_data: self.is_data,
                due: None,
            });
        }
        if self.fate == Fate::Drop {
            self.tally.dropped += 1;
        } else if whole && !frozen {
            self.damage(frame, toxins);
        }
    }

    fn decide(&self, frame: Frame, toxins: &[Toxin]) -> Fate {
        let mut delay = None;
        for toxin in toxins.iter().filter(|toxin| toxin.is_framed()) {
            if !toxin.hits_frame(frame.kind, self.way, frame.number) {
                continue;
            }
            match toxin.toxic.kind {
                ToxicKind::DropFrames => return Fate::Drop,
                ToxicKind::Latency { latency, jitter } => {
                    let mut rng = toxin.draw(self.way, frame.number);
                    let late = jittered(latency, jitter, &mut rng);
                    delay = Some(delay.unwrap_or(Duration::ZERO) + late);
                }
                _ => {}
            }
        }
        delay.map_or(Fate::Pass, Fate::Hold)
    }

    /// Where the frame is cut and changed.
    fn damage(&mut self, frame: Frame, toxins: &[Toxin]) {
        for toxin in toxins.iter().filter(|toxin| toxin.is_framed()) {
            let spoils = toxin.toxic.kind == ToxicKind::Corrupt && frame.payload > 0;
            let cuts = toxin.toxic.kind == ToxicKind::CutFrame;
            if !(spoils || cuts) || !toxin.hits_frame(frame.kind, self.way, frame.number) {
                continue;
            }
            if cuts {
                self.cut = Some(frame.payload / 2);
                // A frame without a half of its payload is cut within its header.
                self.tally.cut += 1;
                self.fate = Fate::Pass;
                return;
            }
            let mut rng = toxin.draw(self.way, frame.number);
            self.spoil = Some((rng.u64(..frame.payload), rng.u8(1..)));
            self.tally.corrupted += 1;
        }
    }

    /// True: cut here.
    fn payload(&mut self, offset: u64, bytes: &Bytes, now: Offset, out: &mut BytesMut) -> bool {
        if let Some(cut) = self.cut
            && offset + bytes.len() as u64 >= cut
        {
            let most = usize::try_from(cut - offset).unwrap_or(bytes.len());
            out.extend_from_slice(&bytes[..most]);
            return true;
        }
        let place = self.spoil.and_then(|(at, mask)| {
            let at = usize::try_from(at.checked_sub(offset)?).ok()?;
            (at < bytes.len()).then_some((at, mask))
        });
        match place {
            Some((at, mask)) => {
                let mut copy = bytes.to_vec();
                copy[at] ^= mask;
                self.deliver(&copy, now, out);
            }
            None => self.deliver(bytes, now, out),
        }
        false
    }

    fn deliver(&mut self, bytes: &[u8], now: Offset, out: &mut BytesMut) {
        match self.fate {
            Fate::Pass => out.extend_from_slice(bytes),
            Fate::Drop => {}
            Fate::Hold(_) => {
                self.held_bytes += bytes.len();
                if let Some(held) = self.open_hold() {
                    held.bytes.extend_from_slice(bytes);
                }
                if self.held_bytes >= MOST_HELD && !self.has_whole() {
                    self.let_go(now, out);
                }
            }
        }
    }

    fn has_whole(&self) -> bool {
        self.held.iter().any(|held| held.due.is_some())
    }

    /// What the current frame is held in.
    fn open_hold(&mut self) -> Option<&mut Held> {
        let is_data = self.is_data;
        let mut held = self.held.iter_mut().rev();
        held.find(|held| held.due.is_none() && held.is_data == is_data)
    }

    fn end_frame(&mut self, now: Offset) {
        self.within = false;
        if let Fate::Hold(delay) = self.fate
            && (!self.is_data || self.fin)
            && let Some(held) = self.open_hold()
        {
            held.due = Some(now + delay);
        }
    }

    /// Lets out all that is held, whole or not; the rest of what is not whole passes.
    fn let_go(&mut self, _now: Offset, out: &mut BytesMut) {
        for held in self.held.drain(..) {
            out.extend_from_slice(&held.bytes);
        }
        self.held_bytes = 0;
        self.fate = Fate::Pass;
        if let Some(fate @ Fate::Hold(_)) = &mut self.message {
            *fate = Fate::Pass;
        }
    }

    /// Whether the far end is between two frames, or two data messages.
    fn is_free_for(&self, held: &Held) -> bool {
        let within_frame =
            (self.within && self.fate == Fate::Pass) || self.scanner.is_within_header();
        let within_message = self.message == Some(Fate::Pass);
        !(within_frame || held.is_data && within_message)
    }

    /// When something that is held can be let out.
    pub fn next_due(&self) -> Option<Offset> {
        let first = self.held.front()?;
        first.due.filter(|_| self.is_free_for(first))
    }

    /// Lets out what is due.
    pub fn release(&mut self, now: Offset, out: &mut BytesMut) {
        while self.next_due().is_some_and(|due| due <= now)
            && let Some(held) = self.held.pop_front()
        {
            self.held_bytes -= held.bytes.len();
            out.extend_from_slice(&held.bytes);
        }
    }

    /// Toxics have changed: nothing is held any longer once none of them holds.
    pub fn apply(&mut self, toxins: &[Toxin], now: Offset, out: &mut BytesMut) {
        let holds = |toxin: &Toxin| {
            toxin.is_framed() && matches!(toxin.toxic.kind, ToxicKind::Latency { .. })
        };
        if toxins.iter().any(holds) {
            return;
        }
        for held in &mut self.held {
            held.due = held.due.map(|due| due.min(now));
        }
        if self.within && matches!(self.fate, Fate::Hold(_)) {
            self.let_go(now, out);
        }
        self.release(now, out);
    }

    /// No more will come: what is not whole will not be.
    pub fn finish(&mut self, now: Offset) {
        for held in &mut self.held {
            held.due = held.due.or(Some(now));
        }
        (self.within, self.message) = (false, None);
    }

    /// Whether nothing is held back.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// What is left of a header at the end of the stream.
    pub fn rest(&mut self) -> Bytes {
        self.scanner.rest()
    }
}

#[cfg(test)]
mod tests;
