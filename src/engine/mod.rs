//! The engine: runs a scenario and measures it.

pub mod alarm;
pub mod due;
pub mod groups;
pub mod heartbeat;
pub mod pacer;
pub mod program;
pub mod reconnect;
pub mod schedule;
pub mod stage;
