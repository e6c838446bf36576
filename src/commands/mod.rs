//! One file a command: plain functions that the command line calls.

pub mod report;
