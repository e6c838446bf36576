//! How much earlier than needed an alarm is set: by what waking up takes at least on this machine.
//!
//! An idle thread is woken some 5 us late on quiet hardware and 30 to 50 us late in a virtual machine,
//! every time. Setting the alarm earlier by the lower quartile of the last wake-ups takes most of that out
//! of the lag. Those that were quicker come some microseconds early and wait without sleeping; what is due
//! is still never done before its time. On a busy thread alarms ring while others have their turn, the
//! quartile falls, and the lead with it.

use std::time::Duration;

/// Wake-ups the quartile is taken of.
const WINDOW: usize = 64;

/// Learns from wake-ups how long they take.
#[derive(Debug)]
pub(super) struct Lead {
    lead: Duration,
    lates: [Duration; WINDOW],
    seen: usize,
}

impl Default for Lead {
    fn default() -> Self {
        Self {
            lead: Duration::ZERO,
            lates: [Duration::ZERO; WINDOW],
            seen: 0,
        }
    }
}

impl Lead {
    /// Never earlier than this: so long may be waited for without sleeping.
    pub const MAX: Duration = Duration::from_micros(50);

    /// A wake-up came so long after the alarm expired.
    pub fn learn(&mut self, late: Duration) {
        self.lates[self.seen] = late;
        self.seen += 1;
        if self.seen == WINDOW {
            self.seen = 0;
            let (_, quartile, _) = self.lates.select_nth_unstable(WINDOW / 4);
            self.lead = (*quartile).min(Self::MAX);
        }
    }

    /// How much earlier to set the next alarm.
    pub fn get(&self) -> Duration {
        self.lead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learnt(lates: impl IntoIterator<Item = u64>) -> u128 {
        let mut lead = Lead::default();
        for late in lates {
            lead.learn(Duration::from_micros(late));
        }
        lead.get().as_micros()
    }

    #[test]
    fn the_lower_quartile_of_a_whole_window_is_the_lead() {
        assert_eq!(learnt([]), 0);
        assert_eq!(learnt([30; WINDOW - 1]), 0, "not before a whole window");
        assert_eq!(learnt([30; WINDOW]), 30);
        assert_eq!(
            learnt([30; WINDOW].into_iter().chain([3; 40])),
            30,
            "nor before the next"
        );
        assert_eq!(learnt([20; WINDOW].into_iter().chain([40; WINDOW])), 40);
        assert_eq!(learnt([900; WINDOW]), 50, "bounded");
        let some_busy = [900; 20].into_iter().chain([2; 12]).chain([30; 32]);
        assert_eq!(learnt(some_busy), 30, "neither the slow nor the quick");
    }
}
