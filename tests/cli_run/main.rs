//! `wsbench run` and `report` as a shell sees them: exit codes, stdout, stderr, signals, files.

mod bench;
mod files;
mod outputs;
mod signals;
mod verdicts;
