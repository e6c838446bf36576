//! The engine: runs a scenario and measures it.
//!
//! Pure rules first: `heartbeat`, `reconnect`, `schedule`, `extract`, `matching`, `faults`, `due`,
//! `gate`, `stall`, `storm` and `program` are functions of (event, offset); they read no clock and hold no socket, so their tests are
//! tables. Around them the loop: `run` moves `shard`s through their `stage`s, a shard's `pacer` wakes
//! its `client`s, and a client's `live` connection sends, receives and records.

pub mod client;
pub mod due;
mod events;
pub mod extract;
pub mod faults;
pub mod fleet;
pub mod gate;
pub mod groups;
pub mod heartbeat;
pub mod identity;
mod lead;
pub mod live;
pub mod matching;
pub mod pacer;
pub mod plan;
pub mod program;
pub mod reconnect;
pub mod run;
pub mod schedule;
pub mod shard;
mod spacing;
pub mod stage;
pub mod stall;
pub mod storm;
