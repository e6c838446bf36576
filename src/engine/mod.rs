//! The engine: runs a scenario and measures it.

pub mod alarm;
pub mod due;
pub mod pacer;
