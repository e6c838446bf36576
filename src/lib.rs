//! `wsbench` measures WebSocket services: how fast they answer, whether every message and heartbeat
//! came back, and why connections failed.
//!
//! This library is the whole program; the binary only calls [`cli::main`]. Its shape is a stack of
//! rooms, and an import may only point down (`tests/tidy.rs` holds this picture against the code):
//!
//! ```text
//! cli
//! commands                          one file a verb
//! report                            renders what was saved
//! engine   server   relay   compare runs load; answers it; spoils its path; judges it
//! calibrate   probe                 judges the generator itself; says what is wrong with a path
//! scenario    result                what is asked for; what was measured
//! wire   metrics   stats            bytes on a path; counters and distributions; what noise allows to say
//! units       clock       exit      failure
//! ```
//!
//! Rooms of one row are strangers. A run is a [`scenario::Scenario`], made ready as an
//! [`engine::plan::Plan`], executed by [`engine::run`], kept second by second by a [`result::Store`],
//! judged by [`compare`] and shown by [`report`].
//!
//! It promises no stable Rust interface: the command line and the files of a result are the interface.
#![deny(clippy::disallowed_methods)]

pub mod calibrate;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod compare;
pub mod engine;
pub mod exit;
pub mod failure;
pub mod metrics;
pub mod probe;
pub mod relay;
pub mod report;
pub mod result;
pub mod scenario;
pub mod server;
pub mod stats;
pub mod units;
pub mod wire;
