//! One clock: monotonic offsets from the start of a run.
//!
//! Everything that is measured is an [`Offset`] from an [`Epoch`]. Wall time is read once, when the
//! epoch is made, so a jump of the system clock cannot reach a duration.

mod alarm;

use std::ops::{Add, Sub};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

pub use alarm::Alarm;

/// Nanoseconds since the epoch of a run; never negative, enough for 584 years.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Offset(u64);

impl Offset {
    /// The start of the run.
    pub const ZERO: Self = Self(0);
    /// Later than every offset of a run.
    pub const MAX: Self = Self(u64::MAX);

    /// From nanoseconds since the epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Microseconds since the epoch, rounded down.
    pub const fn micros(self) -> u64 {
        self.0 / 1_000
    }

    /// Seconds since the epoch.
    pub fn secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The time from `earlier` to `self`; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The time from the epoch to `self`.
    pub const fn as_duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }
}

impl From<Duration> for Offset {
    fn from(value: Duration) -> Self {
        // Not `as_nanos`, which multiplies in 128 bits.
        let seconds = value.as_secs().saturating_mul(1_000_000_000);
        Self(seconds.saturating_add(value.subsec_nanos().into()))
    }
}

impl Add<Duration> for Offset {
    type Output = Self;
    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(Self::from(rhs).0))
    }
}

impl Sub<Duration> for Offset {
    type Output = Self;
    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(Self::from(rhs).0))
    }
}

/// The start of a run: one monotonic instant and the wall time that belongs to it.
#[derive(Clone, Copy, Debug)]
pub struct Epoch {
    instant: Instant,
    unix: Duration,
}

impl Epoch {
    /// Reads both clocks once.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one reading of the wall clock"
    )]
    pub fn now() -> Self {
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            instant: Instant::now(),
            unix,
        }
    }

    /// How long the run has lasted.
    pub fn elapsed(&self) -> Offset {
        Offset::from(self.instant.elapsed())
    }

    /// The offset of an instant; zero for one before the epoch.
    pub fn offset(&self, instant: Instant) -> Offset {
        Offset::from(instant.saturating_duration_since(self.instant))
    }

    /// The instant of an offset.
    pub fn instant(&self, offset: Offset) -> Instant {
        self.instant + offset.as_duration()
    }

    /// Unix time in microseconds of an offset: start + monotonic, never the wall clock again.
    pub fn unix_micros(&self, offset: Offset) -> u64 {
        // Not `as_micros`, which multiplies in 128 bits.
        Offset::from(self.unix)
            .micros()
            .saturating_add(offset.micros())
    }

    /// The offset of a Unix time in microseconds; `None` before the epoch.
    pub fn from_unix_micros(&self, micros: u64) -> Option<Offset> {
        let since = micros.checked_sub(Offset::from(self.unix).micros())?;
        Some(Offset(since.saturating_mul(1_000)))
    }

    /// The offset as its Unix time in microseconds tells it: rounded down.
    pub fn in_micros(&self, offset: Offset) -> Offset {
        Offset(offset.micros().saturating_mul(1_000))
    }

    /// Wall time at the start of the run, since 1970-01-01T00:00:00Z.
    pub const fn unix(&self) -> Duration {
        self.unix
    }
}

/// An epoch as other processes of this machine understand it: by the kernel's monotonic clock, which
/// all of them share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedEpoch {
    /// What the monotonic clock showed at the start of the run.
    monotonic: Duration,
    /// See [`Epoch::unix`].
    unix: Duration,
}

impl Epoch {
    /// For another process.
    pub fn share(&self) -> SharedEpoch {
        let (monotonic, instant) = both_clocks();
        SharedEpoch {
            monotonic: monotonic.saturating_sub(instant.saturating_duration_since(self.instant)),
            unix: self.unix,
        }
    }

    /// That of another process, to well below a microsecond.
    pub fn of(shared: SharedEpoch) -> Self {
        let (monotonic, instant) = both_clocks();
        let since = monotonic.saturating_sub(shared.monotonic);
        Self {
            instant: instant.checked_sub(since).unwrap_or(instant),
            unix: shared.unix,
        }
    }
}

/// The same moment on the kernel's clock and on ours; of several looks the closest, since we may be
/// put aside between the two.
fn both_clocks() -> (Duration, Instant) {
    let look = || {
        let before = Instant::now();
        let monotonic = monotonic();
        let after = Instant::now();
        (after - before, monotonic, before + (after - before) / 2)
    };
    let mut best = look();
    for _ in 1..LOOKS {
        let again = look();
        if again.0 < best.0 {
            best = again;
        }
    }
    (best.1, best.2)
}

/// Looks at both clocks; one of them is undisturbed.
const LOOKS: usize = 8;

fn monotonic() -> Duration {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_micros_round_trip_to_a_microsecond() {
        let epoch = Epoch::now();
        let offset = Offset::from_nanos(12_345_678);
        let micros = epoch.unix_micros(offset);
        assert_eq!(
            epoch.from_unix_micros(micros),
            Some(Offset::from_nanos(12_345_000))
        );
        assert_eq!(epoch.from_unix_micros(1), None);
    }

    #[test]
    fn a_shared_epoch_is_the_same_moment() {
        let epoch = Epoch::now();
        let other = Epoch::of(epoch.share());
        assert_eq!(other.unix(), epoch.unix());
        let (ours, theirs) = (epoch.instant(Offset::ZERO), other.instant(Offset::ZERO));
        let apart = ours.max(theirs) - ours.min(theirs);
        // As many reads of a clock lie between the two; a machine that is busy may make it more.
        assert!(apart < Duration::from_millis(5), "{apart:?}");
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Offset::ZERO - Duration::from_secs(1), Offset::ZERO);
        assert_eq!(Offset::MAX + Duration::from_secs(1), Offset::MAX);
        assert_eq!(Offset::ZERO.since(Offset::MAX), Duration::ZERO);
    }
}
