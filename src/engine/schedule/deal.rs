//! Which session a client plays: weighted, even, and the same in every run.
//!
//! In every full cycle of (sum of weights) clients each session gets exactly its weight, and within a
//! cycle the sessions are interleaved. No table: client numbers walk through the cycle in golden-ratio
//! steps, which is a permutation because the step has no factor in common with the cycle.

/// Deals sessions to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deal {
    /// Exclusive upper ends of the sessions' shares of the cycle, rising.
    ends: Vec<u64>,
    /// Clients in a cycle.
    cycle: u64,
    /// Coprime to `cycle`, close to 0.618 of it.
    step: u64,
}

impl Deal {
    /// From the sessions' weights. Weights without a sum deal everything to the first session.
    pub fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let weights: Vec<u64> = weights.into_iter().map(u64::from).collect();
        let shared = weights.iter().copied().fold(0, common_factor).max(1);
        let mut cycle = 0;
        let ends = weights.iter().map(|weight| {
            cycle += weight / shared;
            cycle
        });
        let ends = ends.collect();
        let cycle = cycle.max(1);
        let mut step = ((u128::from(cycle) * 618_034) / 1_000_000).max(1) as u64;
        while common_factor(step, cycle) != 1 {
            step += 1;
        }
        Self { ends, cycle, step }
    }

    /// Clients after which the proportions are exact again.
    pub fn cycle(&self) -> u64 {
        self.cycle
    }

    /// The session of a client.
    ///
    /// Each cycle starts one place further than the one before: otherwise a number of shards (or of rooms)
    /// that divides the cycle would hand a whole session to one of them.
    pub fn session_for(&self, client: u64) -> usize {
        let shifted = u128::from(client) + u128::from(client / self.cycle);
        let cycle = u128::from(self.cycle);
        let place = (shifted % cycle * u128::from(self.step) % cycle) as u64;
        let session = self.ends.partition_point(|end| *end <= place);
        session.min(self.ends.len().saturating_sub(1))
    }
}

/// The greatest common divisor; of 0 and n it is n.
fn common_factor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common_factor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn first(weights: &[u32], clients: u64) -> Vec<usize> {
        let deal = Deal::new(weights.iter().copied());
        (0..clients)
            .map(|client| deal.session_for(client))
            .collect()
    }

    #[test]
    fn sessions_are_interleaved() {
        assert_eq!(first(&[5], 3), [0, 0, 0]);
        assert_eq!(first(&[3, 1], 4), [0, 1, 0, 0]);
        assert_eq!(
            first(&[2, 2], 4),
            [0, 1, 1, 0],
            "no session for one shard of two"
        );
        let long = first(&[500, 1500], 4000);
        let runs = long.chunk_by(|a, b| a == b).map(<[usize]>::len).max();
        assert!(runs <= Some(6), "{runs:?}");
    }

    #[test]
    fn two_shards_get_the_same_mix() {
        let deal = Deal::new([1, 1]);
        let even = (0..1000).step_by(2).filter(|c| deal.session_for(*c) == 0);
        assert_eq!(even.count(), 250);
    }

    proptest! {
        #[test]
        fn every_cycle_is_exact(weights in proptest::collection::vec(1..40_u32, 1..6), nth in 0..50_u64) {
            let deal = Deal::new(weights.iter().copied());
            let mut dealt = vec![0_u64; weights.len()];
            for client in nth * deal.cycle()..(nth + 1) * deal.cycle() {
                dealt[deal.session_for(client)] += 1;
            }
            let shared = weights.iter().sum::<u32>() as u64 / deal.cycle();
            let expected: Vec<u64> = weights.iter().map(|w| u64::from(*w) / shared).collect();
            prop_assert_eq!(dealt, expected);
        }

        #[test]
        fn huge_weights_and_clients_do_not_overflow(weights in proptest::collection::vec(1_u32.., 1..5), client: u64) {
            prop_assert!(Deal::new(weights.iter().copied()).session_for(client) < weights.len());
        }
    }
}
