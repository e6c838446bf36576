//! Servers that do their worst, each with one and with two hundred clients beside five healthy ones.
//!
//! Of every run: the right kind of failure is counted for each client, the server saw on the wire what
//! RFC 6455 asks of a client, the run ends on time, by itself and without a panic, its memory stays
//! small, and the healthy clients lose nothing.

mod endings;
mod floods;
mod handshakes;
mod heartbeats;
mod network;
mod replies;
mod server;
mod strings;
mod trial;
