//! Which toxics are at work, and which connections they hit.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use tokio::sync::watch;

use super::draw::hits;
use super::toxin::{Toxin, Way};
use crate::clock::{Epoch, Offset};
use crate::scenario::relay::{Toxic, ToxicKind};

/// Most toxics at work at once.
const MOST: usize = 1_000;

/// Why a toxic was not started or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// The number is taken.
    #[error(
        "starting toxic {0}: this number is at work already\nhint: end it first, or give another"
    )]
    Taken(u64),
    /// There are enough.
    #[error("starting toxic {0}: {MOST} are at work already\nhint: end some first")]
    Full(u64),
    /// Nothing has this number.
    #[error("ending toxic {0}: it is not at work\nhint: it may have ended by itself")]
    Unknown(u64),
}

/// What all connections of a relay share.
#[derive(Debug)]
pub(super) struct Register {
    /// Where offsets count from.
    pub epoch: Epoch,
    seed: u64,
    entries: RefCell<Vec<Entry>>,
    version: watch::Sender<u64>,
    /// Counts.
    pub totals: Cell<Totals>,
}

/// A toxic at work.
#[derive(Debug)]
struct Entry {
    id: u64,
    toxic: Rc<Toxic>,
    since: Offset,
    once: bool,
}

/// What a relay has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Totals {
    /// Connections accepted.
    pub connections: u64,
    /// Of them: over.
    pub closed: u64,
    /// Of them: the target could not be reached, so they were reset.
    pub unreachable: u64,
    /// Of them: reset by a toxic.
    pub reset: u64,
    /// Of them: not understood (TLS, no upgrade) although a toxic looks at frames.
    pub blind: u64,
    /// Passed on to the target.
    pub bytes_up: u64,
    /// Passed on to clients.
    pub bytes_down: u64,
    /// Swallowed by `timeout`.
    pub bytes_swallowed: u64,
    /// Dropped by `drop_frames` or, whole, swallowed by `timeout`.
    pub frames_dropped: u64,
    /// With a changed byte; pieces of connections without frames count here too.
    pub frames_corrupted: u64,
    /// Connections cut within a frame.
    pub frames_cut: u64,
    /// Times no descriptor was free.
    pub descriptor_shortages: u64,
}

/// One line for people.
impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} connections ({} reset, {} cut in a frame, {} without target), {} bytes up, {} down, \
             {} swallowed, {} frames dropped, {} changed",
            self.connections,
            self.reset,
            self.frames_cut,
            self.unreachable,
            self.bytes_up,
            self.bytes_down,
            self.bytes_swallowed,
            self.frames_dropped,
            self.frames_corrupted,
        )
    }
}

impl Register {
    /// Without toxics.
    pub fn new(seed: u64) -> Self {
        Self {
            epoch: Epoch::now(),
            seed,
            entries: RefCell::default(),
            version: watch::Sender::new(0),
            totals: Cell::default(),
        }
    }

    /// Counts something.
    pub fn count(&self, count: impl FnOnce(&mut Totals)) {
        let mut totals = self.totals.get();
        count(&mut totals);
        self.totals.set(totals);
    }

    /// Tells of every change.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Puts a toxic to work on open and new connections, or on open ones alone.
    pub fn start(&self, id: u64, toxic: &Toxic, once: bool) -> Result<(), FaultError> {
        let mut entries = self.entries.borrow_mut();
        if entries.iter().any(|entry| entry.id == id) {
            return Err(FaultError::Taken(id));
        }
        if entries.len() >= MOST {
            return Err(FaultError::Full(id));
        }
        entries.push(Entry {
            id,
            toxic: Rc::new(toxic.clone()),
            since: self.epoch.elapsed(),
            once,
        });
        self.version.send_modify(|version| *version += 1);
        Ok(())
    }

    /// Takes a toxic away.
    pub fn end(&self, id: u64) -> Result<(), FaultError> {
        let mut entries = self.entries.borrow_mut();
        let at = entries.iter().position(|entry| entry.id == id);
        entries.remove(at.ok_or(FaultError::Unknown(id))?);
        self.version.send_modify(|version| *version += 1);
        Ok(())
    }

    /// The toxics that hit a connection one way, in the order they were started.
    pub fn toxins(&self, connection: u64, way: Way) -> Vec<Toxin> {
        self.hitting(connection, |toxic| way.is_in(toxic.direction))
    }

    /// The toxics that end a connection, each with the end and the time it leaves.
    pub fn endings(&self, connection: u64) -> Vec<Toxin> {
        self.hitting(connection, |toxic| {
            matches!(
                toxic.kind,
                ToxicKind::Down | ToxicKind::ResetPeer { .. } | ToxicKind::Timeout { .. }
            )
        })
    }

    fn hitting(&self, connection: u64, wanted: impl Fn(&Toxic) -> bool) -> Vec<Toxin> {
        let entries = self.entries.borrow();
        let hit = entries.iter().filter(|entry| {
            let numbers = [self.seed, entry.id, connection];
            wanted(&entry.toxic) && hits(entry.toxic.share, &numbers)
        });
        hit.map(|entry| Toxin {
            id: entry.id,
            toxic: Rc::clone(&entry.toxic),
            since: entry.since,
            once: entry.once,
            seed: [self.seed, entry.id, connection],
        })
        .collect()
    }
}
