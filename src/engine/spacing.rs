//! How far apart wake-ups of the pacer are kept.
//!
//! Where they come densely, a least gap lets several due messages share one: that returns the
//! processor time exact alarms cost, for a lateness the gap bounds. Where they come rarely there is
//! nothing to share, and a gap would only be late.

use std::cell::Cell;
use std::time::Duration;

use crate::clock::Offset;

/// The least gap between dense wake-ups.
const GAP: Duration = Duration::from_micros(50);
/// Closer together than this, on average, wake-ups are dense. Above [`GAP`], so that keeping them apart
/// does not end the density it was for.
const DENSE: Duration = Duration::from_micros(60);
/// Wake-ups the average is taken of.
const WAKE_UPS: u32 = 64;

/// Watches how often the pacer wakes somebody.
#[derive(Debug, Default)]
pub(super) struct Spacing {
    dense: Cell<bool>,
    since: Cell<Offset>,
    seen: Cell<u32>,
}

impl Spacing {
    /// A wake-up at `now`.
    pub fn woke(&self, now: Offset) {
        self.seen.set(self.seen.get() + 1);
        if self.seen.get() == WAKE_UPS {
            let took = now.since(self.since.get());
            self.dense.set(took < DENSE * WAKE_UPS);
            self.since.set(now);
            self.seen.set(0);
        }
    }

    /// How long after a wake-up the next one comes at the earliest.
    pub fn gap(&self) -> Duration {
        if self.dense.get() {
            GAP
        } else {
            Duration::ZERO
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dense_wake_ups_are_kept_apart() {
        let spacing = Spacing::default();
        let mut now = Offset::ZERO;
        let mut run = |every_us: u64, count: u32| {
            for _ in 0..count {
                now = now + Duration::from_micros(every_us).max(spacing.gap());
                spacing.woke(now);
            }
            spacing.gap()
        };
        assert_eq!(run(100, 1_000), Duration::ZERO);
        assert_eq!(run(10, WAKE_UPS - 1), Duration::ZERO, "not known yet");
        assert_eq!(run(10, 2 * WAKE_UPS), GAP);
        assert_eq!(run(10, 1_000), GAP, "the gap itself does not end it");
        assert_eq!(run(70, 2 * WAKE_UPS), Duration::ZERO);
    }
}
