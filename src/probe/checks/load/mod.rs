//! Questions about more than one connection.

use super::Check;

/// From the most to the least fundamental.
pub const ALL: &[&Check] = &[];
