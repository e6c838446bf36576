//! Questions about frames and messages.

mod answers;
mod closed;
mod codes;
mod pace;
mod provoked;
mod sizes;
#[cfg(test)]
mod tests;
mod violation;
mod words;

use super::Check;

/// From the most to the least fundamental.
pub const ALL: &[&Check] = &[
    &violation::VIOLATIONS,
    &closed::EARLY,
    &answers::ANSWERS,
    &provoked::PROVOKED,
    &sizes::SIZES,
    &pace::PACE,
];
