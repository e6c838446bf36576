//! The machines that make load: pure rules first, the loop around them elsewhere.
//!
//! `heartbeat`, `reconnect`, `schedule`, `extract` and `matching` are functions of (event, offset):
//! they read no clock and hold no socket, so their tests are tables.

pub mod extract;
pub mod heartbeat;
pub mod matching;
pub mod reconnect;
pub mod schedule;
