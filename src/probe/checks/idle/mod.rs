//! Questions about what happens when nothing happens, reloads, restarts, age.

use super::Check;

/// From the most to the least fundamental.
pub const ALL: &[&Check] = &[];
