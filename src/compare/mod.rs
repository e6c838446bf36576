//! Judging a result: thresholds, validity, and the verdict that decides the exit code.
//!
//! Reads results only; measures and prints nothing.

pub mod course;
pub mod gate;
pub mod threshold;
pub mod validity;
pub mod verdict;

pub use verdict::{exit, judge};
