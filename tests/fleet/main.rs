//! Runs in several processes: what they tell each other comes out as it went in, a run is the same run
//! however many processes do it, and the end of one of them is noticed by the others.

#[path = "../cli_run/bench.rs"]
#[allow(dead_code, reason = "shared with cli_run, which uses more of it")]
mod bench;
mod bridge;
mod codec;
mod ends;
mod same;
