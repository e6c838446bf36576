//! Seeded draws that depend on nothing but their numbers: the same seed, the same victims.

/// A generator of its own for one question, e.g. "toxic 3, connection 17, frame 5".
pub(super) fn draw(numbers: &[u64]) -> fastrand::Rng {
    let seed = numbers
        .iter()
        .fold(0, |sum: u64, number| scatter(sum ^ scatter(*number)));
    fastrand::Rng::with_seed(seed)
}

/// Whether a chance came true.
pub(super) fn hits(chance: f64, numbers: &[u64]) -> bool {
    // A sure thing needs no draw.
    chance >= 1.0 || draw(numbers).f64() < chance
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): neighbours become strangers.
const fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_met_and_repeats() {
        let victims = |seed: u64| -> Vec<u64> {
            let all = 0..10_000;
            all.filter(|n| hits(0.25, &[seed, 1, *n])).collect()
        };
        let first = victims(7);
        assert!((2_300..2_700).contains(&first.len()), "{}", first.len());
        assert_eq!(first, victims(7));
        assert_ne!(first, victims(8));
        assert!(hits(1.0, &[1]));
    }
}
