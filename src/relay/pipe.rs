//! One direction of one connection, without a socket: bytes and ends in, bytes and ends out when due.
//!
//! A blackhole (`timeout`) swallows what comes in and lets nothing out, ends included. After the
//! upgrade it swallows whole frames, and keeps those that were under way: so the stream is sound when
//! the toxic ends. Before it, and on connections that are not understood, bytes are lost wherever they
//! stand.

use std::io::IoSlice;

use bytes::{Bytes, BytesMut};

use super::frames::{Frames, Tally};
use super::head::{Author, Head, Speaks};
use super::line::{End, Line};
use super::toxin::{Toxin, Way};
use crate::clock::Offset;
use crate::scenario::relay::ToxicKind;

/// A direction.
#[derive(Debug)]
pub(super) struct Pipe {
    speaks: Speaks,
    head: Head,
    frames: Frames,
    line: Line,
    toxins: Vec<Toxin>,
    frozen: bool,
    /// The far end is gone.
    discards: bool,
    /// The near end's end, while messages are held back before it.
    ending: Option<End>,
    /// Bytes swallowed, until somebody asks.
    swallowed: u64,
}

impl Pipe {
    /// Before the first byte.
    pub fn new(way: Way) -> Self {
        Self {
            speaks: Speaks::Unknown,
            head: Head::new(match way {
                Way::Up => Author::Client,
                Way::Down => Author::Server,
            }),
            frames: Frames::new(way),
            line: Line::new(way),
            toxins: Vec::new(),
            frozen: false,
            discards: false,
            ending: None,
            swallowed: 0,
        }
    }

    /// Puts these toxics to work and takes all others away.
    pub fn apply(&mut self, toxins: Vec<Toxin>, now: Offset) {
        let is_hole = |toxin: &Toxin| matches!(toxin.toxic.kind, ToxicKind::Timeout { .. });
        self.frozen = toxins.iter().any(is_hole);
        self.line.apply(&toxins);
        let mut out = BytesMut::new();
        self.frames.apply(&toxins, now, &mut out);
        self.line.push(out.freeze(), now);
        self.toxins = toxins;
    }

    /// Whether a toxic lets nothing through.
    pub const fn is_frozen(&self) -> bool {
        self.frozen
    }

    /// Whether frames are followed, cannot be, or may be later.
    pub const fn speaks(&self) -> Speaks {
        self.speaks
    }

    /// Whether a toxic here looks at frames.
    pub fn wants_frames(&self) -> bool {
        self.toxins.iter().any(Toxin::is_framed)
    }

    /// The other direction showed that there will be no frames.
    pub fn go_blind(&mut self, now: Offset) {
        if self.speaks == Speaks::Frames {
            let rest = self.frames.rest();
            self.line.push(rest, now);
        }
        self.speaks = Speaks::Blind;
    }

    /// Whether the near end may be read.
    pub fn has_room(&self) -> bool {
        let open = self.ending.is_none() && self.line.has_room() && self.frames.has_room();
        open || self.discards
    }

    /// Takes bytes in.
    pub fn push(&mut self, mut bytes: Bytes, now: Offset) {
        if self.discards {
            return;
        }
        if self.speaks == Speaks::Unknown {
            let (used, speaks) = self.head.look(&bytes);
            self.speaks = speaks;
            let head = bytes.split_to(used);
            self.pass(head, now);
        }
        match self.speaks {
            Speaks::Unknown => {}
            Speaks::Blind => self.pass(bytes, now),
            Speaks::Frames => {
                let (came, mut out) = (bytes.len(), BytesMut::with_capacity(bytes.len()));
                let cut = self
                    .frames
                    .feed(bytes, &self.toxins, self.frozen, now, &mut out);
                if self.frozen {
                    self.swallowed += came.saturating_sub(out.len()) as u64;
                }
                self.line.push(out.freeze(), now);
                if cut {
                    self.line.finish(End::Reset, now);
                }
            }
        }
    }

    fn pass(&mut self, bytes: Bytes, now: Offset) {
        if self.frozen {
            self.swallowed += bytes.len() as u64;
        } else {
            self.line.push(bytes, now);
        }
    }

    /// The near end has ended, or will not be heard any more.
    pub fn finish(&mut self, end: End, now: Offset) {
        self.frames.finish(now);
        self.ending = Some(match self.ending {
            Some(earlier) if end == End::Fin => earlier,
            _ => end,
        });
        self.advance(now);
    }

    /// Lets out what was held back until now.
    pub fn advance(&mut self, now: Offset) {
        let mut out = BytesMut::new();
        self.frames.release(now, &mut out);
        if !out.is_empty() {
            self.line.push(out.freeze(), now);
        }
        if self.frames.is_empty()
            && let Some(end) = self.ending.take()
        {
            let rest = self.frames.rest();
            self.line.push(rest, now);
            self.line.finish(end, now);
        }
    }

    /// The far end is gone: what is for it is for nobody.
    pub fn discard(&mut self) {
        self.discards = true;
        self.line.discard();
    }

    /// When to look again.
    pub fn next_due(&self) -> Option<Offset> {
        let line = self.line.next_due().filter(|_| !self.frozen);
        [line, self.frames.next_due()].into_iter().flatten().min()
    }

    /// Fills `slices` with what is due; how many.
    pub fn ready<'a>(&'a self, now: Offset, slices: &mut [IoSlice<'a>]) -> usize {
        if self.frozen {
            return 0;
        }
        self.line.ready(now, slices)
    }

    /// So many bytes have gone.
    pub fn written(&mut self, bytes: usize) {
        self.line.written(bytes);
    }

    /// The end, once it is due and everything before it has gone.
    pub fn ended(&self, now: Offset) -> Option<End> {
        self.line.ended(now).filter(|_| !self.frozen)
    }

    /// What has happened since the last time: bytes swallowed, frames, pieces with a changed byte.
    pub fn take_tally(&mut self) -> (u64, Tally, u64) {
        (
            std::mem::take(&mut self.swallowed),
            std::mem::take(&mut self.frames.tally),
            std::mem::take(&mut self.line.corrupted),
        )
    }
}
