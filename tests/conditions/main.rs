//! Conditions of the machine that misbehave (RELIABILITY 4.5): the generator is stopped, starved or
//! interrupted; descriptors, ports, names, disk or the terminal are not what they should be. Each run
//! ends by itself, says what happened, and blames nobody else for it.
//!
//! A test that needs rights this machine does not give (namespaces, mounts) says so and passes.

#[path = "../cli_run/bench.rs"]
#[allow(dead_code, reason = "shared with cli_run, which uses more of it")]
mod bench;
mod disk;
mod interrupts;
mod limits;
mod names;
mod sandbox;
mod scenarios;
mod stops;
mod terminal;
