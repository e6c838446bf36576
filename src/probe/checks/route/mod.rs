//! Questions about names and connections.

use super::Check;

/// From the most to the least fundamental.
pub const ALL: &[&Check] = &[];
