//! Faults on the run's timeline: when each happens and which clients it hits. Pure; `driver` makes
//! a shard's clients feel those that are theirs.

mod driver;
mod effects;

use super::identity::mix;
use super::schedule::Phases;
use crate::clock::Offset;
use crate::scenario::{ClientFault, FaultKind, Scenario};

pub(super) use driver::{drive, inherit};
pub use effects::{Effects, Order};

/// One time at which a fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// Which of the scenario's faults.
    pub fault: usize,
    /// From when on.
    pub at: Offset,
    /// Until when; `None` = an instant, or to the end of the load.
    pub until: Option<Offset>,
}

/// Every time of every fault, in order of time.
pub fn occurrences(scenario: &Scenario, phases: &Phases) -> Vec<Occurrence> {
    let measure = phases.measure_end.since(phases.warm_up_end);
    let mut all = Vec::new();
    for (index, fault) in scenario.faults.iter().enumerate() {
        let seed = mix(scenario.seed ^ SEED, index as u64);
        all.extend(fault.times(measure, seed).into_iter().map(|time| {
            let at = phases.warm_up_end + time;
            Occurrence {
                fault: index,
                at,
                until: fault.duration.map(|duration| at + duration),
            }
        }));
    }
    all.sort_by_key(|occurrence| occurrence.at);
    all
}

/// Keeps the draws of faults apart from those of clients.
const SEED: u64 = 0xFA17;

/// The fraction of the square root of two in 2^64ths: its multiples are spread evenly, and not as
/// the phases of schedules are, so that those hit have phases of all kinds.
const SPREAD: u64 = 0x6A09_E667_F3BC_C909;

/// Whether occurrence number `occurrence` hits `client`: of any run of consecutive clients it hits
/// the share, give or take one or two, and each occurrence hits others.
pub fn hits(seed: u64, occurrence: usize, client: u64, share: f64) -> bool {
    if share >= 1.0 {
        return true;
    }
    let start = mix(seed ^ SEED, occurrence as u64);
    let place = client.wrapping_mul(SPREAD).wrapping_add(start);
    (place as f64) < share * 2_f64.powi(64)
}

/// What the client faults numbered in `on` mean to a client.
pub fn effects_of(
    scenario: &Scenario,
    occurrences: &[Occurrence],
    on: &[usize],
    client: u64,
) -> Effects {
    let mut effects = Effects::default();
    for number in on.iter().copied() {
        if let FaultKind::Client { fault, share } = &scenario.faults[occurrences[number].fault].kind
            && hits(scenario.seed, number, client, *share)
        {
            effects.add(fault);
        }
    }
    effects
}

/// Whether a fault is over as soon as it has happened.
pub const fn is_instant(fault: &ClientFault) -> bool {
    matches!(fault, ClientFault::Disconnect | ClientFault::Close { .. })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_clients_is_hit_evenly_and_anew_each_time() {
        for share in [0.01, 0.25, 0.5, 0.9] {
            for occurrence in 0..4 {
                for first in [0, 1_000, 123_456] {
                    let range = first..first + 1_000;
                    let hit = range.filter(|c| hits(7, occurrence, *c, share)).count();
                    let expected = 1_000.0 * share;
                    assert!((hit as f64 - expected).abs() <= 3.0, "{share}: {hit}");
                }
            }
        }
        let of = |occurrence| -> Vec<u64> {
            (0..100).filter(|c| hits(7, occurrence, *c, 0.2)).collect()
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert!((0..1_000).all(|c| hits(7, 0, c, 1.0)));
    }
}
