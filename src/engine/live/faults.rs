//! What faults of our own do to a live connection: it is dropped or closed, freezes, reads slowly.

use std::time::Duration;

use super::State;
use super::ending::{Closing, Ended};
use crate::clock::Offset;
use crate::engine::faults::{Effects, Order};
use crate::engine::shard::Shard;
use crate::engine::stage::Stage;
use crate::failure::CloseCause;
use crate::wire::{Dial, Outbox, Scratch};

/// A slow reader reads so often: small pieces, but not a wake-up for each byte.
const TICK: Duration = Duration::from_millis(20);

impl<D: Dial + 'static> State<D> {
    /// Looks what it was told, by faults or by the load; the end of the connection, if a fault asks
    /// for that. Untold, it looks at nothing of its own.
    pub(super) fn listen(&mut self, shard: &Shard<D>, outbox: &mut Outbox) -> Option<Ended> {
        if shard.told.get() == self.told && self.frozen_at.is_none() {
            return None;
        }
        self.told = shard.told.get();
        let now = self.now(shard);
        if self.client.control.leave.get() {
            self.leaving = true;
            self.client.left_at = self.client.left_at.min(now);
        }
        // Faults end with the load: the drain asks what came of them.
        let over = shard.stage.get() >= Stage::Draining;
        let effects = if over {
            Effects::default()
        } else {
            self.client.control.effects.get()
        };
        if effects != self.felt {
            self.slowness.set(effects.slow_read, now);
            for ticks in self.client.ticks.iter_mut().flatten() {
                ticks.set_burst(effects.burst);
            }
            self.felt = effects;
        }
        match self.frozen_at {
            None if effects.frozen && self.closing == Closing::Open => self.frozen_at = Some(now),
            Some(since) if !effects.frozen => self.thaw(shard, since, now),
            _ => {}
        }
        let order = self.client.control.order.take()?;
        if over || self.closing != Closing::Open {
            return None;
        }
        self.frozen_at = None;
        match order {
            Order::Disconnect => {
                self.leave_groups();
                self.settle(shard, now);
                Some(Ended {
                    at: now,
                    cause: CloseCause::ByFault,
                    next: self.after_loss(shard),
                    example: "dropped by the fault disconnect".to_owned(),
                    cut: false,
                    overdue: false,
                })
            }
            Order::Close(code, reason) => {
                let next = self.after_loss(shard);
                self.start_close(shard, now, outbox, (code, &reason), next);
                None
            }
        }
    }

    /// What fell due while it was frozen is left out, as while it is disconnected; what it waits for
    /// gets the time it could not look.
    fn thaw(&mut self, shard: &Shard<D>, since: Offset, now: Offset) {
        self.frozen_at = None;
        for ticks in self.client.ticks.iter_mut().flatten() {
            super::skip(shard, ticks, now);
        }
        self.skip_beats(shard, now);
        self.postpone(shard, now.since(since));
    }
}

/// How many bytes may be read: all there are, or so many a second (a token bucket of one second).
#[derive(Debug, Default)]
pub(super) struct Slowness {
    bucket: Option<Box<Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    bytes_per_s: u64,
    tokens: f64,
    filled_at: Offset,
}

impl Slowness {
    /// Whether there is a limit.
    pub fn is_on(&self) -> bool {
        self.bucket.is_some()
    }

    /// Reads at most so many bytes a second from `now` on; `None` = without a limit.
    fn set(&mut self, bytes_per_s: Option<u64>, now: Offset) {
        if self.bucket.as_ref().map(|bucket| bucket.bytes_per_s) != bytes_per_s {
            self.bucket = bytes_per_s.map(|bytes_per_s| {
                Box::new(Bucket {
                    bytes_per_s,
                    tokens: 0.0,
                    filled_at: now,
                })
            });
        }
    }

    /// Bytes that may be read now.
    pub fn allowance(&mut self, now: Offset) -> usize {
        let Some(bucket) = &mut self.bucket else {
            return Scratch::SIZE;
        };
        bucket.fill(now);
        bucket.tokens as usize
    }

    /// So many were read.
    pub fn take(&mut self, bytes: u64) {
        if let Some(bucket) = &mut self.bucket {
            bucket.tokens -= bytes as f64;
        }
    }

    /// When to read again; [`Offset::MAX`] = whenever bytes come.
    pub fn next_due(&self) -> Offset {
        match &self.bucket {
            Some(bucket) if bucket.tokens < 1.0 => {
                let seconds = (1.0 - bucket.tokens) / bucket.bytes_per_s as f64;
                bucket.filled_at + Duration::from_secs_f64(seconds).max(TICK)
            }
            _ => Offset::MAX,
        }
    }
}

impl Bucket {
    fn fill(&mut self, now: Offset) {
        let rate = self.bytes_per_s as f64;
        let earned = now.since(self.filled_at).as_secs_f64() * rate;
        self.tokens = (self.tokens + earned).min(rate);
        self.filled_at = self.filled_at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_reader_never_reads_more_than_its_rate() {
        let mut slowness = Slowness::default();
        let at = |ms: u64| Offset::from_nanos(ms * 1_000_000);
        assert_eq!(slowness.allowance(at(0)), Scratch::SIZE);
        slowness.set(Some(100), at(0));
        let mut read = 0;
        for ms in (0..=10_000).step_by(7) {
            let allowed = slowness.allowance(at(ms));
            assert!(allowed <= 100, "{ms}: {allowed}");
            slowness.take(allowed as u64);
            read += allowed;
            if allowed == 0 {
                assert!(slowness.next_due() > at(ms), "{ms}");
            }
        }
        assert!((990..=1_000).contains(&read), "{read}");
        assert_eq!(slowness.allowance(at(60_000)), 100, "one second's worth");
        slowness.set(None, at(60_000));
        assert_eq!(slowness.allowance(at(60_000)), Scratch::SIZE);
        assert_eq!(slowness.next_due(), Offset::MAX);
    }
}
