//! Questions about more than one connection: balancers, limits, queues.

mod balance;
mod limits;
mod reading;
pub(super) mod tries;

#[cfg(test)]
pub(super) mod tests;

use super::Check;

/// From the most to the least fundamental.
pub const ALL: &[&Check] = &[
    &balance::SINGLE,
    &balance::ONE_BAD,
    &limits::LIMITS,
    &balance::NODES,
];
