//! Questions about an HTTP answer that is no good 101.

use super::Check;

/// From the most to the least fundamental.
pub const ALL: &[&Check] = &[];
