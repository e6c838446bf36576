//! `wsbench probe`: says what is wrong with one WebSocket path, in plain words, with the fix.
//!
//! Three steps, each of which can be used alone:
//!
//! ```text
//! ask       opens connections, makes the handshakes that decide, holds sessions: the only part
//!           that touches the network                            Settings -> Seen
//! checks    one file a question, pure                           &Seen    -> Vec<Finding>
//! entry     the catalogue: what each finding means and how it is fixed; documents are made of it
//! ```
//!
//! What was seen is plain data ([`seen::Seen`], JSON), so a check is tested from recorded
//! observations without a network. A check never names one cause as certain where the outside
//! cannot tell causes apart: it lists all that fit, with what would tell.
#![doc = include_str!("catalogue.md")]

pub mod ask;
pub mod certificate;
pub mod checks;
pub mod entry;
pub mod finding;
pub mod fingerprint;
pub mod seen;
mod settings;

pub use ask::look;
pub use checks::diagnose;
pub use finding::{Certainty, Diagnosis, Finding, Health, Severity};
pub use settings::{HttpProxy, Settings, Watching};
