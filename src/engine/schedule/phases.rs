//! Which part of a run an instant belongs to.

use crate::clock::Offset;
use crate::scenario::Load;

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Load, but not counted in totals.
    WarmUp,
    /// What totals, thresholds and reports are about.
    Measure,
    /// No new messages; outstanding replies are waited for.
    Drain,
    /// After the drain.
    Over,
}

/// The instants at which a run goes from one phase to the next; each belongs to the later phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phases {
    /// Start of the measured phase; faults are timed from here.
    pub warm_up_end: Offset,
    /// End of the stages.
    pub measure_end: Offset,
    /// The latest end of the run.
    pub drain_end: Offset,
}

impl Phases {
    /// Of a load that starts at the epoch.
    pub fn of(load: &Load) -> Self {
        let measure_end = Offset::from(load.duration());
        Self {
            warm_up_end: Offset::from(load.warm_up).min(measure_end),
            measure_end,
            drain_end: measure_end + load.drain,
        }
    }

    /// The phase at `at`.
    pub fn at(&self, at: Offset) -> Phase {
        if at < self.warm_up_end {
            Phase::WarmUp
        } else if at < self.measure_end {
            Phase::Measure
        } else if at < self.drain_end {
            Phase::Drain
        } else {
            Phase::Over
        }
    }

    /// Whether what was due at `at` enters totals.
    pub fn is_measured(&self, at: Offset) -> bool {
        self.at(at) == Phase::Measure
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::scenario::{LoadModel, Stage};

    #[test]
    fn a_boundary_belongs_to_the_later_phase() {
        let stage = Stage {
            duration: Duration::from_secs(10),
            goal: 5.0,
        };
        let phases = Phases::of(&Load {
            model: LoadModel::Closed,
            stages: vec![stage],
            warm_up: Duration::from_secs(2),
            drain: Duration::from_secs(3),
            shards: None,
        });
        let expected = [
            (0, Phase::WarmUp),
            (2, Phase::Measure),
            (9, Phase::Measure),
            (10, Phase::Drain),
            (13, Phase::Over),
        ];
        for (second, phase) in expected {
            let at = Offset::from(Duration::from_secs(second));
            assert_eq!(phases.at(at), phase, "{second} s");
            assert_eq!(phases.is_measured(at), phase == Phase::Measure);
        }
        let before = Offset::from_nanos(phases.warm_up_end.nanos() - 1);
        assert!(!phases.is_measured(before));
    }
}
