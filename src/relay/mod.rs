//! A path that misbehaves as told: accepts connections, dials the target for each, and passes bytes
//! both ways through toxics.
//!
//! The words are [toxiproxy](https://github.com/Shopify/toxiproxy)'s. What differs:
//! - `timeout` with 0 lasts until the toxic ends, and what it swallows after an upgrade are whole
//!   frames, so that the stream is sound afterwards. Ends are not told either until then.
//! - `down` resets what is open and what comes; the listening socket stays, so a client sees a
//!   connection that is reset, never one that is refused.
//! - `bandwidth` is in bytes a second; `share` stands for toxicity, and which connections it hits
//!   depends on the seed and the connection's number alone.
//! - `latency` has a bounded queue behind it (256 KiB a direction): more than that within one latency
//!   waits at the sender. Times are kept to a millisecond or two.
//! - `corrupt`, `drop_frames`, `cut_frame`, and `frames` (with `latency`, too) are ours. They follow
//!   RFC 6455 frames after the HTTP upgrade; of TLS they understand nothing and do nothing
//!   ([`Totals::blind`] counts).
//! - `slow_close` delays FIN and RST alike. Two toxics of a kind add up.
//!
//! One thread is all it takes; everything is bounded but the number of connections, which the limit of
//! descriptors bounds (two each).

mod draw;
mod frames;
mod head;
mod line;
mod link;
mod pipe;
mod register;
mod scanner;
mod toxin;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::scenario::relay::{Toxic, ToxicKind};
use crate::wire::{Carrier, listener};
use link::{Link, Scratch};
use register::Register;

pub use register::{FaultError, Totals};

/// How long the target has to accept a connection.
const DIAL: Duration = Duration::from_secs(10);
/// No descriptor is free: wait for one instead of spinning.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(10);
/// The shortest toxic: until every open connection has heard of it.
const HEARD: Duration = Duration::from_millis(100);
/// Read from a socket at once.
const READ: usize = 16 * 1024;

/// A relay in this thread; it and all of its connections end when it is dropped.
#[derive(Debug)]
pub struct Relay {
    address: Option<SocketAddr>,
    shared: Rc<Shared>,
    accepting: Option<AbortHandle>,
}

#[derive(Debug)]
struct Shared {
    register: Rc<Register>,
    scratch: Scratch,
    next: Cell<u64>,
    open: RefCell<tokio::task::JoinSet<()>>,
}

impl Relay {
    /// Without a socket: for streams that are given to it. To be called within a `LocalRuntime`, or a
    /// `LocalSet`.
    pub fn detached(seed: u64) -> Self {
        let shared = Shared {
            register: Rc::new(Register::new(seed)),
            scratch: Rc::new(RefCell::new(vec![0; READ].into_boxed_slice())),
            next: Cell::new(0),
            open: RefCell::default(),
        };
        Self {
            address: None,
            shared: Rc::new(shared),
            accepting: None,
        }
    }

    /// Accepts on `listen` (port 0: a free one) for `target`. To be called within a `LocalRuntime`, or
    /// a `LocalSet`.
    ///
    /// # Errors
    /// The address is taken or is not ours.
    pub fn start(listen: SocketAddr, target: SocketAddr, seed: u64) -> io::Result<Self> {
        let socket: StdListener = listener::listen(listen, false)?;
        let socket = TcpListener::from_std(socket)?;
        let mut relay = Self::detached(seed);
        relay.address = Some(socket.local_addr()?);
        let shared = Rc::clone(&relay.shared);
        let accepting = spawn_local(async move { accept(&shared, &socket, target).await });
        relay.accepting = Some(accepting.abort_handle());
        Ok(relay)
    }

    /// Where it listens.
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Passes on between two streams, as the next connection.
    pub fn join(&self, client: impl Carrier + 'static, target: impl Carrier + 'static) {
        let number = self.shared.number();
        let link = self.shared.link(number, client, target);
        let register = Rc::clone(&self.shared.register);
        self.shared.spawn(async move {
            link.run().await;
            register.count(|t| t.closed += 1);
        });
    }

    /// What it has done so far.
    pub fn totals(&self) -> Totals {
        self.shared.register.totals.get()
    }

    /// Puts a toxic to work on open and new connections, for ever or for so long. `id` tells it from
    /// others and takes part in its draws. `reset_peer` for no time at all resets the connections that
    /// are open and none that come later.
    pub fn start_fault(
        &self,
        id: u64,
        toxic: &Toxic,
        duration: Option<Duration>,
    ) -> Result<(), FaultError> {
        // A reset at a time, not for a time, is for those that are open then.
        let is_instant =
            matches!(toxic.kind, ToxicKind::ResetPeer { timeout } if timeout.is_zero());
        let once = is_instant && duration.is_some_and(|duration| duration.is_zero());
        self.shared.register.start(id, toxic, once)?;
        if let Some(duration) = duration.map(|duration| duration.max(HEARD)) {
            let register = Rc::downgrade(&self.shared.register);
            let due = Instant::now() + duration;
            spawn_local(async move {
                sleep_until(due).await;
                // It may have been ended before.
                register.upgrade().map(|register| register.end(id))
            });
        }
        Ok(())
    }

    /// Takes a toxic away, from open connections too.
    pub fn end_fault(&self, id: u64) -> Result<(), FaultError> {
        self.shared.register.end(id)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
        self.shared.open.borrow_mut().abort_all();
    }
}

impl Shared {
    fn number(&self) -> u64 {
        self.register.count(|t| t.connections += 1);
        self.next.replace(self.next.get() + 1)
    }

    fn link<C: Carrier, T: Carrier>(&self, number: u64, client: C, target: T) -> Link<C, T> {
        let scratch = Rc::clone(&self.scratch);
        Link::new(Rc::clone(&self.register), scratch, number, client, target)
    }

    fn spawn(&self, connection: impl Future<Output = ()> + 'static) {
        let mut open = self.open.borrow_mut();
        // Those that are over make room.
        while open.try_join_next().is_some() {}
        open.spawn_local(connection);
    }
}

async fn accept(shared: &Rc<Shared>, socket: &TcpListener, target: SocketAddr) {
    loop {
        match socket.accept().await {
            Ok((client, _)) => {
                let number = shared.number();
                shared.spawn(connect(Rc::clone(shared), number, client, target));
            }
            Err(error) if listener::is_shortage(&error) => {
                shared.register.count(|t| t.descriptor_shortages += 1);
                sleep(SHORTAGE_PAUSE).await;
            }
            // A peer that gave up before it was accepted.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

/// Dials the target for a client and passes on between them.
async fn connect(shared: Rc<Shared>, number: u64, client: TcpStream, target: SocketAddr) {
    // Failing means the peer has gone; passing on will find that out.
    let _ = client.set_nodelay(true);
    let register = &shared.register;
    if is_down(register, number) {
        register.count(|t| t.reset += 1);
        client.abort_on_drop();
    } else {
        match timeout(DIAL, TcpStream::connect(target)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                shared.link(number, client, stream).run().await;
            }
            failed => {
                if let Ok(Err(error)) = failed
                    && listener::is_shortage(&error)
                {
                    register.count(|t| t.descriptor_shortages += 1);
                }
                register.count(|t| t.unreachable += 1);
                client.abort_on_drop();
            }
        }
    }
    register.count(|t| t.closed += 1);
}

fn is_down(register: &Register, number: u64) -> bool {
    let endings = register.endings(number);
    endings
        .iter()
        .any(|toxin| toxin.toxic.kind == ToxicKind::Down)
}
