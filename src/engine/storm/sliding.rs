//! The most events in any window of a length, exactly: no bins whose edges could split a peak.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Offset;

/// Counts events that come in order; keeps the times of one window.
#[derive(Clone, Debug)]
pub struct Sliding {
    width: Duration,
    times: VecDeque<Offset>,
    peak: u64,
}

impl Sliding {
    /// Of windows [s, s + width).
    pub fn new(width: Duration) -> Self {
        Self {
            width,
            times: VecDeque::new(),
            peak: 0,
        }
    }

    /// An event, no earlier than the last.
    pub fn add(&mut self, at: Offset) {
        while self.times.front().is_some_and(|t| *t + self.width <= at) {
            self.times.pop_front();
        }
        self.times.push_back(at);
        self.peak = self.peak.max(self.times.len() as u64);
    }

    /// The most in any window that begins with an event.
    pub fn peak(&self) -> u64 {
        self.peak
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn peak(times: &[u64], width: u64) -> u64 {
        let mut sliding = Sliding::new(Duration::from_nanos(width));
        for at in times {
            sliding.add(Offset::from_nanos(*at));
        }
        sliding.peak()
    }

    #[test]
    fn windows_include_their_start_and_not_their_end() {
        for (times, expected) in [
            (&[][..], 0),
            (&[0, 99], 2),
            (&[0, 100], 1),
            (&[0, 0, 0], 3),
            // Split by any fixed bin of 100.
            (&[90, 95, 105, 110, 300], 4),
        ] {
            assert_eq!(peak(times, 100), expected, "{times:?}");
        }
    }

    proptest! {
        #[test]
        fn it_is_the_definition(mut times in prop::collection::vec(0u64..1000, 0..80), width in 1u64..300) {
            times.sort_unstable();
            let inside = |s: u64| times.iter().filter(|t| (s..s + width).contains(*t)).count();
            let expected = times.iter().map(|s| inside(*s)).max().unwrap_or(0);
            prop_assert_eq!(peak(&times, width), expected as u64);
        }
    }
}
