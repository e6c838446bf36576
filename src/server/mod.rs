//! The reference server: a known, fast, honest other side for tests and benchmarks.
//!
//! Promises: it answers by the book, or misbehaves exactly as told (delay, freezes); everything is
//! bounded (handshake 10 s and 64 KiB, outbox 1 MiB or one largest message, closing 1 s); a refused
//! or closed peer is told why. It never prints: counters are for whoever started it.
//!
//! One thread is one `current_thread` runtime with its own listening socket; see `lane`.

mod alarm;
mod answer;
mod desk;
mod faults;
mod gate;
mod hub;
mod lane;
mod lateness;
mod listen;
mod local;
mod member;
mod meter;
mod part;
mod reply;
mod session;
mod timer;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::result::LateReplies;
use crate::scenario::{ServerFaultPlan, ServerPlan};
use crate::wire::listener::listen;
use crate::wire::{Identity, TlsServer, TlsServerError};

pub use faults::{FaultError, MOST_FAULTS};
use lane::Shared;
pub use local::Local;
pub use meter::Totals;
pub use part::{Part, PartError};

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address is taken, or not ours.
    #[error("listening on {address}: {cause}\nhint: another address or port: --listen ADDR:PORT")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// The system's answer.
        cause: io::Error,
    },
    /// No certificate.
    #[error(transparent)]
    Tls(#[from] TlsServerError),
    /// `cert` without `key`, or the other way round.
    #[error(
        "serving TLS: a certificate and its key go together\nhint: give both, or neither for a self-signed one"
    )]
    HalfIdentity,
    /// A thread or its runtime.
    #[error("starting a server thread: {0}")]
    Thread(#[source] io::Error),
}

/// The reference server.
#[derive(Debug)]
pub struct Server;

/// A server that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Server {
    /// Listens on `address` (port 0: a free one) and serves in threads of its own; returns once
    /// connections are accepted. `plan.listen` is not looked at.
    pub fn start(plan: ServerPlan, address: SocketAddr) -> Result<Running, StartError> {
        Self::start_part(plan, address, Part::WHOLE)
    }

    /// The same for one of several processes that share the port.
    pub fn start_part(
        plan: ServerPlan,
        address: SocketAddr,
        part: Part,
    ) -> Result<Running, StartError> {
        let tls = identity(&plan)?.map(TlsServer::new).transpose()?;
        let lanes = plan.threads.unwrap_or_else(half_of_the_cores).max(1);
        let lanes = usize::from(lanes);
        let failed = |cause| StartError::Listen { address, cause };
        // A port that several sockets may share is also shared with a stranger's: ask for it alone
        // first, so that a server left running is an error and not half of the connections. For
        // several processes, whoever starts them has asked.
        if !part.is_shared() {
            drop(listen(address, false).map_err(failed)?);
        }
        let shared = lanes > 1 || part.is_shared();
        let mut listeners = vec![listen(address, shared).map_err(failed)?];
        let address = listeners[0].local_addr().map_err(failed)?;
        while listeners.len() < lanes {
            listeners.push(listen(address, true).map_err(failed)?);
        }
        let running = Running {
            address,
            shared: Arc::new(Shared::new(plan, tls, lanes, part)),
            threads: Mutex::default(),
        };
        let (tell, told) = mpsc::channel();
        for (index, listener) in listeners.into_iter().enumerate() {
            let (shared, tell) = (Arc::clone(&running.shared), tell.clone());
            let ready = move |started| drop(tell.send(started));
            let thread = thread::Builder::new()
                .name(format!("server-{index}"))
                .spawn(move || listen::run(shared, index, listener, ready))
                .map_err(StartError::Thread)?;
            running.keep(thread);
        }
        drop(tell);
        for started in told.iter().take(lanes) {
            started.map_err(StartError::Thread)?;
        }
        Ok(running)
    }
}

impl Running {
    fn keep(&self, thread: JoinHandle<()>) {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.push(thread);
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has done so far.
    pub fn totals(&self) -> Totals {
        self.shared.totals()
    }

    /// How late its delayed replies left; `None` when nothing was delayed.
    pub fn late_replies(&self) -> Option<LateReplies> {
        self.shared.late_replies()
    }

    /// Switches a fault on, for a time or until it is ended. `id` must not be that of an active
    /// fault; the draws depend on it. Does not wait for the server's threads to take notice.
    ///
    /// # Errors
    /// The number is taken, or there are too many.
    pub fn start_fault(
        &self,
        id: u64,
        plan: ServerFaultPlan,
        duration: Option<Duration>,
    ) -> Result<(), FaultError> {
        self.shared.start_fault(id, plan, duration)
    }

    /// Switches a fault off; no error if it has ended by itself.
    ///
    /// # Errors
    /// Too many orders wait already.
    pub fn end_fault(&self, id: u64) -> Result<(), FaultError> {
        self.shared.board.end(id)
    }

    /// Stops accepting, closes every connection with 1001 "going away" and returns when all are
    /// gone, after 1 s at most. Blocks: not to be called on the thread its clients run on.
    pub fn stop(&self) -> Totals {
        self.shared.stop.send_replace(true);
        self.shared.board.stop();
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            // A panic of a thread has been printed by it.
            let _ = thread.join();
        }
        self.totals()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Threads of a server that is not told how many.
pub fn half_of_the_cores() -> u16 {
    thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).clamp(1, 1 << 10) as u16)
}

fn identity(plan: &ServerPlan) -> Result<Option<Identity<'_>>, StartError> {
    match (plan.tls, &plan.cert, &plan.key) {
        (_, Some(cert), Some(key)) => Ok(Some(Identity::Files { cert, key })),
        (_, Some(_), None) | (_, None, Some(_)) => Err(StartError::HalfIdentity),
        (true, None, None) => Ok(Some(Identity::SelfSigned)),
        (false, None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Behaviour;

    /// An echo without any extra.
    pub(super) fn plan() -> ServerPlan {
        ServerPlan::plain(Behaviour::Echo)
    }

    #[test]
    fn a_taken_port_and_half_an_identity_are_explained() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let running = Server::start(plan(), any).expect("a free port");
        let error = Server::start(plan(), running.address()).expect_err("taken");
        assert!(
            error.to_string().contains("hint: another address"),
            "{error}"
        );
        let half = ServerPlan {
            cert: Some("cert.pem".into()),
            ..plan()
        };
        let error = Server::start(half, any).expect_err("no key");
        assert!(error.to_string().contains("go together"), "{error}");
        assert_eq!(running.stop(), Totals::default());
    }
}
