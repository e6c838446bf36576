//! `wsbench`: WebSocket load tester and diagnostics tool.

pub mod cli;
pub mod clock;
pub mod commands;
pub mod compare;
pub mod engine;
pub mod exit;
pub mod failure;
pub mod metrics;
pub mod report;
pub mod result;
pub mod scenario;
pub mod server;
pub mod units;
pub mod wire;
