//! Where a run stands: one word that every client obeys.

use serde::{Deserialize, Serialize};

/// The stages of a run, in order; a run only moves forward.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum Stage {
    /// Clients start and work.
    #[default]
    Running,
    /// Nothing new is sent; outstanding answers are waited for.
    Draining,
    /// Every connection does its close handshake.
    Closing,
    /// Whatever is still open is cut.
    Cut,
}
