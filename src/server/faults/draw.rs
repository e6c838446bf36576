//! Numbers from numbers: the same question always gets the same answer.

/// The finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators,
/// 2014) after its increment, so that zero is no fixed point.
pub(super) const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// From 0 (inclusive) to 1 (exclusive): the upper 53 bits, as many as a double holds.
pub(super) fn unit(draw: u64) -> f64 {
    (draw >> 11) as f64 / (1_u64 << 53) as f64
}

/// Whether a draw falls below a probability.
pub(super) fn chance(draw: u64, probability: f64) -> bool {
    unit(draw) < probability
}
