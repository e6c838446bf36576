//! A toxic at work on one direction of one connection.

use std::rc::Rc;

use super::draw::{draw, hits};
use crate::clock::Offset;
use crate::scenario::relay::{Direction, FrameKind, Toxic, ToxicKind};

/// Which way bytes go through a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Client to target.
    Up,
    /// Target to client.
    Down,
}

impl Way {
    /// Whether a toxic of this direction works here.
    pub const fn is_in(self, direction: Direction) -> bool {
        match direction {
            Direction::Both => true,
            Direction::Upstream => matches!(self, Self::Up),
            Direction::Downstream => matches!(self, Self::Down),
        }
    }
}

/// One toxic that hits this connection.
#[derive(Clone, Debug)]
pub(super) struct Toxin {
    /// By which it was started and is ended.
    pub id: u64,
    /// What it does.
    pub toxic: Rc<Toxic>,
    /// When it was started.
    pub since: Offset,
    /// Only connections that were open then are hit.
    pub once: bool,
    /// What all its draws on this connection have in common: the relay's seed, the toxic, the
    /// connection.
    pub seed: [u64; 3],
}

impl Toxin {
    /// Whether it looks at frames, so that headers have to be whole.
    pub fn is_framed(&self) -> bool {
        match self.toxic.kind {
            ToxicKind::DropFrames | ToxicKind::CutFrame => true,
            _ => !self.toxic.frames.is_empty(),
        }
    }

    /// Whether it hits a frame of this kind and number.
    pub fn hits_frame(&self, kind: Option<FrameKind>, way: Way, number: u64) -> bool {
        let frames = &self.toxic.frames;
        let meant = match kind {
            Some(kind) => frames.is_empty() || frames.contains(&kind),
            None => frames.is_empty(),
        };
        meant && self.hits(way, number)
    }

    /// Whether it hits piece or frame `number`.
    pub fn hits(&self, way: Way, number: u64) -> bool {
        hits(self.toxic.probability, &self.numbers(way, number))
    }

    /// Randomness for what it does to piece or frame `number`.
    pub fn draw(&self, way: Way, number: u64) -> fastrand::Rng {
        let [seed, id, connection, way, number] = self.numbers(way, number);
        draw(&[seed, id, connection, way, number, 1])
    }

    fn numbers(&self, way: Way, number: u64) -> [u64; 5] {
        let [seed, id, connection] = self.seed;
        [seed, id, connection, way as u64, number]
    }
}

/// `base` more or less U(0, `jitter`), never below zero.
pub(super) fn jittered(
    base: std::time::Duration,
    jitter: std::time::Duration,
    rng: &mut fastrand::Rng,
) -> std::time::Duration {
    if jitter.is_zero() {
        return base;
    }
    let moved = jitter.mul_f64(rng.f64());
    if rng.bool() {
        base + moved
    } else {
        base.saturating_sub(moved)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A toxic that hits everything both ways.
    pub fn toxin(id: u64, kind: ToxicKind, frames: &[FrameKind]) -> Toxin {
        Toxin {
            id,
            toxic: Rc::new(Toxic {
                kind,
                direction: Direction::Both,
                frames: frames.to_vec(),
                share: 1.0,
                probability: 1.0,
            }),
            since: Offset::ZERO,
            once: false,
            seed: [1, id, 0],
        }
    }
}
