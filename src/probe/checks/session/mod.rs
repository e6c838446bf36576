//! Questions about frames and messages.

use super::Check;

/// From the most to the least fundamental.
pub const ALL: &[&Check] = &[];
