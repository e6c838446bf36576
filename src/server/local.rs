//! The reference server within one thread, over memory: for simulations on a paused clock.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::task::{AbortHandle, spawn_local};

use super::lane::{LINGER, Lane, Shared};
use super::meter::Totals;
use super::part::Part;
use super::timer::Timer;
use super::{FaultError, listen, session};
use crate::scenario::{ServerFault, ServerFaultPlan, ServerPlan};
use crate::wire::Carrier;

/// What a connection's memory holds in each direction, as a socket's buffers would.
const BUFFER: usize = 64 * 1024;

/// A server that shares its clients' thread and clock. Ignores `threads`, `tls` and whatever stops a
/// thread, not a clock (`stall`, the fault stall_server) or needs a listener (accept_rate, backlog);
/// of restart_server, it only drops the connections.
#[derive(Debug)]
pub struct Local {
    lane: Rc<Lane>,
    tasks: [AbortHandle; 2],
}

impl Local {
    /// To be called within a `LocalSet` or a `LocalRuntime`.
    pub fn start(plan: ServerPlan) -> Self {
        let lane = Rc::new(Lane::new(
            Arc::new(Shared::new(plan, None, 1, Part::WHOLE)),
            0,
        ));
        let alarms = spawn_local(listen::ring_alarms(Rc::clone(&lane), Timer::runtime()));
        let faults = spawn_local(listen::follow_faults(Rc::clone(&lane)));
        Self {
            lane,
            tasks: [alarms.abort_handle(), faults.abort_handle()],
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

    /// Switches a fault on; see [`super::Running::start_fault`]. It works from the next turn of the
    /// server's task on.
    ///
    /// # Errors
    /// The number is taken, or there are too many.
    pub fn start_fault(
        &self,
        id: u64,
        plan: ServerFaultPlan,
        duration: Option<Duration>,
    ) -> Result<(), FaultError> {
        match plan.fault {
            ServerFault::StallServer => return Ok(()),
            ServerFault::RestartServer => self.lane.reset_all(),
            _ => {}
        }
        self.lane.shared.start_fault(id, plan, duration)
    }

    /// Switches a fault off.
    ///
    /// # Errors
    /// Too many orders wait already.
    pub fn end_fault(&self, id: u64) -> Result<(), FaultError> {
        self.lane.shared.board.end(id)
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
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}
