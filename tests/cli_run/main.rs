//! `wsbench run` and `report` as a shell sees them: exit codes, stdout, stderr, signals, files.

mod ab;
mod bench;
mod calibrate;
mod charts;
mod faults;
mod files;
mod gate;
mod merge;
mod outputs;
mod server;
mod signals;
mod storm;
mod verdicts;
