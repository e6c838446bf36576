//! The reference server within one thread, over memory: for simulations on a paused clock.

use std::rc::Rc;
use std::sync::Arc;

use tokio::io::DuplexStream;
use tokio::task::{AbortHandle, spawn_local};

use super::lane::{LINGER, Lane, Shared};
use super::meter::Totals;
use super::timer::Timer;
use super::{listen, session};
use crate::scenario::ServerPlan;
use crate::wire::Carrier;

/// What a connection's memory holds in each direction, as a socket's buffers would.
const BUFFER: usize = 64 * 1024;

/// A server that shares its clients' thread and clock. Ignores `threads`, `tls` and `stall` (which
/// stops a thread, not a clock).
#[derive(Debug)]
pub struct Local {
    lane: Rc<Lane>,
    alarms: AbortHandle,
}

impl Local {
    /// To be called within a `LocalSet` or a `LocalRuntime`.
    pub fn start(plan: ServerPlan) -> Self {
        let lane = Rc::new(Lane::new(Arc::new(Shared::new(plan, None, 1)), 0));
        let alarms = spawn_local(listen::ring_alarms(Rc::clone(&lane), Timer::runtime()));
        Self {
            lane,
            alarms: alarms.abort_handle(),
        }
    }

    /// A new connection; the upgrade is yet to be asked for.
    pub fn connect(&self) -> DuplexStream {
        let (near, far) = tokio::io::duplex(BUFFER);
        self.serve(far);
        near
    }

    /// Serves a stream until it ends.
    pub fn serve(&self, stream: impl Carrier + 'static) {
        spawn_local(session::serve(self.lane.seat(), stream));
    }

    /// What it has done so far.
    pub fn totals(&self) -> Totals {
        self.lane.shared.totals()
    }

    /// Closes every connection with 1001 and waits until they are gone, 1 s at most.
    pub async fn stop(&self) {
        self.lane.clear(LINGER).await;
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.alarms.abort();
    }
}
