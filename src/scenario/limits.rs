//! How hard a run may press its target: caps that hold whatever the load curve and the reconnect
//! policy ask for.

/// The caps of a run. Defaults depend on where the target is: a machine of one's own may be pressed
/// hard, anybody else's only on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Dials a second of all shards together, first dials and reconnects: those beyond it wait.
    pub dials_per_s: u64,
    /// Messages a second that a plan may ask for; `None` = any number.
    pub messages_per_s: Option<u64>,
    /// Clients at once that a plan may ask for; `None` = any number.
    pub clients: Option<u64>,
}

impl Limits {
    /// When every target is on this machine.
    pub const LOOPBACK: Self = Self {
        dials_per_s: 50_000,
        messages_per_s: None,
        clients: None,
    };
    /// When any target is elsewhere.
    pub const ELSEWHERE: Self = Self {
        dials_per_s: 1_000,
        messages_per_s: Some(10_000),
        clients: Some(10_000),
    };
}
