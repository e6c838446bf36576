//! The plan of a run in time: when each client starts, when each message is due, what is measured.
//!
//! The schedule is the instrument: every number of a run is measured against it, so it is a pure function
//! of the scenario and its seed, and no answer of the server can move it. It starts nothing itself.

mod curve;
mod deal;
mod phases;
mod ticks;

pub use curve::{Change, Changes, Direction, LoadCurve, Shard};
pub use deal::Deal;
pub use phases::{Phase, Phases};
pub use ticks::{Ticks, phase};
