//! Questions about no HTTP answer, a late one, or a broken one.

use super::Check;

/// From the most to the least fundamental.
pub const ALL: &[&Check] = &[];
