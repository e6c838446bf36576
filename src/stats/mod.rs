//! What can be said of a difference when the numbers are noisy: pure, deterministic, with sources.
//!
//! The unit of all of it is the **run** (or a block of intervals so long that neighbours do not know
//! each other), never the message: messages of one run share its machine, its minute and its luck, so
//! a million of them are far from a million independent observations (Kalibera and Jones, *Rigorous
//! Benchmarking in Reasonable Time*, ISMM 2013; Georges et al., *Statistically Rigorous Java
//! Performance Evaluation*, OOPSLA 2007).
//!
//! Times and rates are compared as ratios, that is as differences of logarithms: noise of a busy
//! machine multiplies.
//!
//! - [`blocks`]: how far neighbouring intervals depend on each other, and the spread of a mean then.
//! - [`difference`]: the difference of two sets, its interval, its p-values.
//! - [`family`]: many questions at once.

pub mod blocks;
pub mod difference;
pub mod family;
