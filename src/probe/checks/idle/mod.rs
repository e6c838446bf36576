//! Questions about what happens when nothing happens, reloads, restarts, age.

mod age;
mod cut;
pub(super) mod moment;
pub(super) mod picture;
mod silent;
pub(super) mod words;

#[cfg(test)]
mod tests;

use super::Check;

/// From the most to the least fundamental.
pub const ALL: &[&Check] = &[
    &moment::MOMENT,
    &moment::GONE,
    &silent::SILENT,
    &age::AGE,
    &cut::CUT,
    &cut::APPLICATION,
    &silent::HEARTBEAT,
    &cut::LOST,
];
