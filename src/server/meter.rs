//! What the server has done so far: counters one thread writes and anybody reads.

use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Counters of one thread. Only that thread adds, so adding is a load and a store, without a lock.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Meter {
    pub upgrades: Counter,
    pub refused: Counter,
    pub closed: Counter,
    pub messages_received: Counter,
    pub messages_sent: Counter,
    pub bytes_received: Counter,
    pub bytes_sent: Counter,
    pub descriptor_shortages: Counter,
    pub parcels_dropped: Counter,
    pub listen_failures: Counter,
}

/// A number that grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    /// Adds; for the owning thread only.
    pub fn add(&self, more: u64) {
        self.0
            .store(self.0.load(Relaxed).wrapping_add(more), Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The sums over all threads of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// WebSockets opened.
    pub upgrades: u64,
    /// Requests refused with an HTTP status.
    pub refused: u64,
    /// WebSockets that have ended since.
    pub closed: u64,
    /// Messages received (not control frames).
    pub messages_received: u64,
    /// Messages queued for sending (not control frames).
    pub messages_sent: u64,
    /// Bytes of frames received.
    pub bytes_received: u64,
    /// Bytes of frames sent.
    pub bytes_sent: u64,
    /// How often no descriptor was left for a connection (EMFILE, ENFILE).
    pub descriptor_shortages: u64,
    /// Broadcasts that did not reach another thread because it was too far behind.
    pub parcels_dropped: u64,
    /// How often the port could not be listened on again after a restart.
    pub listen_failures: u64,
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        // Taken apart, so that a new field cannot be forgotten.
        let Self {
            upgrades,
            refused,
            closed,
            messages_received,
            messages_sent,
            bytes_received,
            bytes_sent,
            descriptor_shortages,
            parcels_dropped,
            listen_failures,
        } = other;
        self.upgrades += upgrades;
        self.refused += refused;
        self.closed += closed;
        self.messages_received += messages_received;
        self.messages_sent += messages_sent;
        self.bytes_received += bytes_received;
        self.bytes_sent += bytes_sent;
        self.descriptor_shortages += descriptor_shortages;
        self.parcels_dropped += parcels_dropped;
        self.listen_failures += listen_failures;
    }
}

impl Totals {
    /// WebSockets that are open now.
    pub const fn open(&self) -> u64 {
        self.upgrades.saturating_sub(self.closed)
    }

    pub(super) fn add(&mut self, meter: &Meter) {
        self.upgrades += meter.upgrades.get();
        self.refused += meter.refused.get();
        self.closed += meter.closed.get();
        self.messages_received += meter.messages_received.get();
        self.messages_sent += meter.messages_sent.get();
        self.bytes_received += meter.bytes_received.get();
        self.bytes_sent += meter.bytes_sent.get();
        self.descriptor_shortages += meter.descriptor_shortages.get();
        self.parcels_dropped += meter.parcels_dropped.get();
        self.listen_failures += meter.listen_failures.get();
    }
}
