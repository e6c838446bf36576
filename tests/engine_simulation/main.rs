//! The real shards of a run, and servers that do exactly as told, on one thread and a paused clock:
//! every count is exact, and after every run the books balance.

mod caps;
mod endings;
mod faults;
mod heartbeats;
mod interrupts;
mod loads;
mod peer;
mod replies;
mod schedules;
mod stalls;
mod steps;
mod storms;
mod world;
