//! A run in several processes, when one process's descriptors do not suffice.
//!
//! ```text
//!   parent: coordinator  <- reports -  bridge <==== pipe ==== worker: shards 0..2
//!                        -- stages ->         ==== pipe ====>
//!                        <- reports -  bridge <==== pipe ==== worker: shards 2..4
//! ```
//!
//! A worker runs a contiguous range of the plan's shards and nothing else; the coordinator cannot
//! tell them from threads. Both have the same scenario and the same epoch, so a client has the same
//! schedule wherever it runs. A parent that is slow delays no shard: the pipe fills, then the channel,
//! then windows grow. A worker that ends early loses its own shards; a parent that ends ends its
//! workers. This room moves bytes and messages; commands start the processes.

pub mod bridge;
pub mod frame;
pub mod message;
pub mod worker;

pub use bridge::{Exchange, connect};
pub use frame::{FrameError, read_frame, write_frame};
pub use message::{Assignment, FromWorker, Start, ToWorker, VERSION};
pub use worker::work;
