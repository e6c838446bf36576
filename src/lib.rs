//! `wsbench`: WebSocket load tester and diagnostics tool.

pub mod clock;
pub mod commands;
pub mod exit;
pub mod failure;
pub mod metrics;
pub mod scenario;
pub mod units;
pub mod wire;
