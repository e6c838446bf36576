//! Questions about encryption and certificates.

use super::Check;

/// From the most to the least fundamental.
pub const ALL: &[&Check] = &[];
