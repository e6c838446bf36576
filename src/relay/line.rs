//! Bytes on their way: a queue of pieces, each with the offset at which it is due at the far end.
//!
//! What a toxic does to time is computed when a piece comes in, stage after stage, so a piece's due
//! offset is a function of what came before it and nothing waits but the far end's writer. When toxics
//! come or go, the pieces under way are timed anew from the offset at which they came in.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::Duration;

use bytes::{Buf as _, Bytes};

use super::toxin::{Toxin, Way, jittered};
use crate::clock::Offset;
use crate::scenario::relay::ToxicKind;

/// Most bytes under way in one direction of a connection; then its source is not read (one read more
/// may come in).
pub(super) const CAPACITY: usize = 256 * 1024;
/// What a piece costs beside its bytes, so that tiny slices count too.
const PIECE: usize = 64;
/// A limited bandwidth passes on so much time's worth at once.
const BANDWIDTH_SLICE: Duration = Duration::from_millis(50);
/// Between the last bytes and a RST, which would overtake them within the kernel.
const RESET_GRACE: Duration = Duration::from_millis(20);

/// How a direction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// FIN of this direction alone.
    Fin,
    /// FIN to both sides.
    Close,
    /// RST to both sides.
    Reset,
}

#[derive(Debug)]
struct Piece {
    bytes: Bytes,
    number: u64,
    came: Offset,
    due: Offset,
}

/// A toxic with what it remembers.
#[derive(Debug)]
struct Stage {
    toxin: Toxin,
    /// When the last piece left it.
    last: Option<Offset>,
    /// Of `limit_data`: bytes that may pass yet.
    left: u64,
}

#[derive(Debug)]
struct Ending {
    end: End,
    came: Offset,
    due: Offset,
}

/// One direction's queue.
#[derive(Debug)]
pub(super) struct Line {
    way: Way,
    pieces: VecDeque<Piece>,
    cost: usize,
    stages: Vec<Stage>,
    next_number: u64,
    ending: Option<Ending>,
    /// Pieces that `corrupt` changed, until somebody asks.
    pub corrupted: u64,
}

impl Line {
    /// An empty one.
    pub const fn new(way: Way) -> Self {
        Self {
            way,
            pieces: VecDeque::new(),
            cost: 0,
            stages: Vec::new(),
            next_number: 0,
            ending: None,
            corrupted: 0,
        }
    }

    /// Whether the source may be read.
    pub const fn has_room(&self) -> bool {
        self.cost < CAPACITY && self.ending.is_none()
    }

    /// Puts these toxics to work; one that stays keeps what it remembers.
    pub fn apply(&mut self, toxins: &[Toxin]) {
        let mut old = std::mem::take(&mut self.stages);
        for toxin in toxins.iter().filter(|toxin| !toxin.is_framed()) {
            let known = old.iter().position(|stage| stage.toxin.id == toxin.id);
            let left = match (known, &toxin.toxic.kind) {
                (Some(at), _) => old.swap_remove(at).left,
                (None, ToxicKind::LimitData { bytes }) => *bytes,
                (None, _) => 0,
            };
            self.stages.push(Stage {
                toxin: toxin.clone(),
                last: None,
                left,
            });
        }
        let mut pieces = std::mem::take(&mut self.pieces);
        let mut last = Offset::ZERO;
        for piece in &mut pieces {
            piece.due = self
                .due(piece.came, piece.bytes.len(), piece.number)
                .max(last);
            last = piece.due;
        }
        self.pieces = pieces;
        if let Some(Ending { end, came, .. }) = self.ending.take() {
            self.finish(end, came);
        }
    }

    /// Takes bytes in.
    pub fn push(&mut self, mut bytes: Bytes, now: Offset) {
        if bytes.is_empty() || self.ending.is_some() {
            return;
        }
        bytes = self.corrupt(bytes);
        let allowed = self.allowed(bytes.len());
        bytes.truncate(allowed.unwrap_or(bytes.len()));
        while !bytes.is_empty() {
            let number = self.next_number;
            self.next_number += 1;
            let piece = bytes.split_to(self.slice(number).min(bytes.len()));
            let last = self.pieces.back().map_or(Offset::ZERO, |piece| piece.due);
            let due = self.due(now, piece.len(), number).max(last);
            self.cost += piece.len() + PIECE;
            self.pieces.push_back(Piece {
                bytes: piece,
                number,
                came: now,
                due,
            });
        }
        if allowed.is_some() {
            self.finish(End::Close, now);
        }
    }

    /// The end follows the bytes that are under way. A RST replaces a FIN that has not come through.
    pub fn finish(&mut self, end: End, now: Offset) {
        let earlier = self.ending.as_ref().map(|ending| ending.end);
        if earlier.is_some_and(|earlier| earlier != End::Fin || end == End::Fin) {
            return;
        }
        let mut due = self.pieces.back().map_or(now, |piece| piece.due.max(now));
        for stage in &self.stages {
            if let ToxicKind::SlowClose { delay } = stage.toxin.toxic.kind {
                due = due + delay;
            }
        }
        if end == End::Reset && !self.pieces.is_empty() {
            due = due + RESET_GRACE;
        }
        self.ending = Some(Ending {
            end,
            came: now,
            due,
        });
    }

    /// Forgets everything: the far end is gone.
    pub fn discard(&mut self) {
        self.pieces.clear();
        self.cost = 0;
    }

    /// When the next thing is due.
    pub fn next_due(&self) -> Option<Offset> {
        match self.pieces.front() {
            Some(piece) => Some(piece.due),
            None => self.ending.as_ref().map(|ending| ending.due),
        }
    }

    /// Fills `slices` with what is due; how many.
    pub fn ready<'a>(&'a self, now: Offset, slices: &mut [IoSlice<'a>]) -> usize {
        let due = self.pieces.iter().take_while(|piece| piece.due <= now);
        let mut count = 0;
        for (slot, piece) in slices.iter_mut().zip(due) {
            *slot = IoSlice::new(&piece.bytes);
            count += 1;
        }
        count
    }

    /// So many bytes have gone.
    pub fn written(&mut self, mut bytes: usize) {
        while let Some(piece) = self.pieces.front_mut() {
            if bytes < piece.bytes.len() {
                piece.bytes.advance(bytes);
                self.cost -= bytes;
                return;
            }
            bytes -= piece.bytes.len();
            self.cost -= piece.bytes.len() + PIECE;
            self.pieces.pop_front();
        }
    }

    /// The end, once it is due and everything before it has gone.
    pub fn ended(&self, now: Offset) -> Option<End> {
        let ending = self.ending.as_ref()?;
        (self.pieces.is_empty() && ending.due <= now).then_some(ending.end)
    }

    /// Each toxic's part in a piece's time.
    fn due(&mut self, came: Offset, length: usize, number: u64) -> Offset {
        let mut due = came;
        for stage in &mut self.stages {
            let last = stage.last.unwrap_or(Offset::ZERO);
            due = match stage.toxin.toxic.kind {
                ToxicKind::Latency { latency, jitter } => {
                    let late = if stage.toxin.hits(self.way, number) {
                        jittered(latency, jitter, &mut stage.toxin.draw(self.way, number))
                    } else {
                        Duration::ZERO
                    };
                    (due + late).max(last)
                }
                ToxicKind::Bandwidth { bytes_per_s } => {
                    let seconds = length as f64 / bytes_per_s.max(1) as f64;
                    due.max(last) + Duration::from_secs_f64(seconds)
                }
                ToxicKind::Slicer { delay, .. } if stage.last.is_some() => due.max(last + delay),
                _ => due,
            };
            stage.last = Some(due);
        }
        due
    }

    /// How long the next piece may be.
    fn slice(&self, number: u64) -> usize {
        let lengths = self
            .stages
            .iter()
            .map(|stage| match stage.toxin.toxic.kind {
                ToxicKind::Slicer {
                    size, variation, ..
                } => {
                    let mut rng = stage.toxin.draw(self.way, number);
                    rng.usize(size.saturating_sub(variation)..=size.saturating_add(variation))
                }
                ToxicKind::Bandwidth { bytes_per_s } => {
                    (bytes_per_s as f64 * BANDWIDTH_SLICE.as_secs_f64()) as usize
                }
                _ => usize::MAX,
            });
        lengths.min().unwrap_or(usize::MAX).max(1)
    }

    /// How many of these bytes `limit_data` lets through before the connection is closed.
    fn allowed(&mut self, length: usize) -> Option<usize> {
        let mut allowed = None;
        for stage in &mut self.stages {
            if let ToxicKind::LimitData { .. } = stage.toxin.toxic.kind {
                let passes = stage.left.min(length as u64);
                stage.left -= passes;
                if stage.left == 0 {
                    let passes = usize::try_from(passes).unwrap_or(length);
                    allowed = Some(allowed.map_or(passes, |least: usize| least.min(passes)));
                }
            }
        }
        allowed
    }

    fn corrupt(&mut self, bytes: Bytes) -> Bytes {
        let number = self.next_number;
        let mut changed: Option<Vec<u8>> = None;
        for stage in &self.stages {
            if stage.toxin.toxic.kind == ToxicKind::Corrupt && stage.toxin.hits(self.way, number) {
                let mut rng = stage.toxin.draw(self.way, number);
                let copy = changed.get_or_insert_with(|| bytes.to_vec());
                let at = rng.usize(..copy.len());
                copy[at] ^= rng.u8(1..);
            }
        }
        self.corrupted += u64::from(changed.is_some());
        changed.map_or(bytes, Bytes::from)
    }
}

#[cfg(test)]
mod tests {
    use super::super::toxin::tests::toxin;
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(ms: u32) -> Offset {
        Offset::from(MS * ms)
    }

    fn line(kinds: &[ToxicKind]) -> Line {
        let mut line = Line::new(Way::Up);
        let toxins = kinds.iter().enumerate();
        let toxins: Vec<_> = toxins
            .map(|(id, kind)| toxin(id as u64, kind.clone(), &[]))
            .collect();
        line.apply(&toxins);
        line
    }

    /// Length and due time in milliseconds of every piece.
    fn dues(line: &Line) -> Vec<(usize, u64)> {
        let pieces = line.pieces.iter();
        pieces
            .map(|piece| (piece.bytes.len(), piece.due.micros() / 1000))
            .collect()
    }

    const LATENCY: ToxicKind = ToxicKind::Latency {
        latency: Duration::from_millis(50),
        jitter: Duration::ZERO,
    };

    #[test]
    fn stages_add_up() {
        let bandwidth = ToxicKind::Bandwidth { bytes_per_s: 1000 };
        let slicer = ToxicKind::Slicer {
            size: 30,
            variation: 0,
            delay: MS * 5,
        };
        // Toxics, then 100 bytes at 0 ms and 20 at 10 ms: each piece and when it is due.
        type Row = (Vec<ToxicKind>, Vec<(usize, u64)>);
        let table: [Row; 5] = [
            (vec![], vec![(100, 0), (20, 10)]),
            (vec![LATENCY, LATENCY], vec![(100, 100), (20, 110)]),
            (
                vec![bandwidth.clone()],
                vec![(50, 50), (50, 100), (20, 120)],
            ),
            (
                vec![bandwidth, LATENCY],
                vec![(50, 100), (50, 150), (20, 170)],
            ),
            (
                vec![LATENCY, slicer],
                vec![(30, 50), (30, 55), (30, 60), (10, 65), (20, 70)],
            ),
        ];
        for (kinds, expected) in table {
            let mut line = line(&kinds);
            line.push(Bytes::from(vec![0; 100]), at(0));
            line.push(Bytes::from(vec![0; 20]), at(10));
            assert_eq!(dues(&line), expected, "{kinds:?}");
        }
    }

    #[test]
    fn jitter_never_reorders() {
        let mut line = line(&[ToxicKind::Latency {
            latency: MS * 20,
            jitter: MS * 20,
        }]);
        for ms in 0..200 {
            line.push(Bytes::from_static(b"x"), at(ms));
        }
        let dues = dues(&line);
        assert!(dues.is_sorted_by_key(|(_, due)| *due), "{dues:?}");
        let late = dues.iter().zip(0..).map(|((_, due), came)| due - came);
        let (least, most) = (late.clone().min(), late.max());
        assert!(least < Some(30) && most > Some(30), "{least:?} {most:?}");
        assert!(most <= Some(40));
    }

    #[test]
    fn the_end_of_a_toxic_times_anew_what_is_under_way() {
        let mut line = line(&[LATENCY, ToxicKind::Bandwidth { bytes_per_s: 1 }]);
        line.push(Bytes::from(vec![0; 3]), at(0));
        line.finish(End::Fin, at(1));
        assert_eq!(line.next_due(), Some(at(1050)));
        line.apply(&[toxin(0, LATENCY, &[])]);
        assert_eq!(dues(&line), [(1, 50), (1, 50), (1, 50)]);
        line.written(3);
        assert_eq!(line.ended(at(50)), Some(End::Fin));
    }

    #[test]
    fn limited_data_ends_with_its_last_byte_and_the_end_can_be_slow() {
        let mut first = line(&[ToxicKind::LimitData { bytes: 5 }]);
        first.push(Bytes::from_static(b"abc"), at(0));
        first.push(Bytes::from_static(b"defg"), at(1));
        first.push(Bytes::from_static(b"h"), at(2));
        assert_eq!(dues(&first), [(3, 0), (2, 1)]);
        first.written(5);
        assert_eq!(first.ended(at(1)), Some(End::Close));
        let mut slow = line(&[ToxicKind::SlowClose { delay: MS * 7 }]);
        slow.finish(End::Fin, at(1));
        assert_eq!(
            (slow.ended(at(7)), slow.ended(at(8))),
            (None, Some(End::Fin))
        );
        slow.finish(End::Reset, at(8));
        assert_eq!(slow.ended(at(15)), Some(End::Reset));
    }

    #[test]
    fn room_is_bounded_even_for_slices_of_one_byte() {
        let mut line = line(&[ToxicKind::Slicer {
            size: 1,
            variation: 0,
            delay: MS,
        }]);
        let mut taken = 0;
        while line.has_room() {
            line.push(Bytes::from(vec![0; 1000]), at(0));
            taken += 1000;
        }
        assert!(taken < 6000, "{taken}");
        line.written(taken);
        assert_eq!((line.cost, line.has_room()), (0, true));
    }

    #[test]
    fn corruption_changes_one_byte_and_repeats() {
        let text = Bytes::from_static(b"nothing but the truth");
        let spoiled = || {
            let mut line = line(&[ToxicKind::Corrupt]);
            line.push(text.clone(), at(0));
            line.pieces[0].bytes.clone()
        };
        let differing = spoiled().iter().zip(&text).filter(|(a, b)| a != b).count();
        assert_eq!(differing, 1);
        assert_eq!(spoiled(), spoiled());
    }
}
