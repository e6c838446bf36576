//! The loop of a server thread: accept, freeze on schedule, take parcels, go away in order.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::spawn_local;
use tokio::time::Instant;

use super::faults::{self, Order};
use super::lane::{LINGER, Lane, Shared};
use super::session;
use super::timer::Timer;
use crate::scenario::server::Stall;
use crate::wire::Transport;
use crate::wire::listener::is_shortage;
use crate::wire::listener::{listen, set_backlog};

/// After a restart, the port is still another's: try again so often.
const LISTEN_PAUSE: Duration = Duration::from_millis(100);
/// No descriptor is free: wait for one instead of spinning.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(10);

/// Serves on one listener until the server is stopped. Tells through `ready` whether it could start.
pub(super) fn run(
    shared: Arc<Shared>,
    index: usize,
    listener: std::net::TcpListener,
    ready: impl FnOnce(io::Result<()>),
) {
    let built = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default());
    let runtime = match built {
        Ok(runtime) => runtime,
        Err(error) => return ready(Err(error)),
    };
    runtime.block_on(async {
        let lane = Rc::new(Lane::new(shared, index));
        let address = listener.local_addr();
        let (listener, address) = match (start(&lane, listener), address) {
            (Ok(listener), Ok(address)) => (listener, address),
            (Err(error), _) | (_, Err(error)) => return ready(Err(error)),
        };
        let mut stop = lane.shared.stop.subscribe();
        ready(Ok(()));
        tokio::select! {
            () = attend(&lane, listener, address) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
        lane.clear(LINGER).await;
    });
}

/// Starts what runs beside the listener.
fn start(lane: &Rc<Lane>, listener: std::net::TcpListener) -> io::Result<TcpListener> {
    let listener = TcpListener::from_std(listener)?;
    spawn_local(ring_alarms(Rc::clone(lane), Timer::precise()));
    spawn_local(take_parcels(Rc::clone(lane)));
    spawn_local(follow_faults(Rc::clone(lane)));
    if let Some(stall) = lane.plan().stall {
        spawn_local(freeze(stall, lane.shared.started, Timer::precise()));
    }
    Ok(listener)
}

/// Does what is due later, for ever.
pub(super) async fn ring_alarms(lane: Rc<Lane>, mut timer: Timer) {
    let mut ring = |bell, id| lane.ring(bell, id);
    std::future::poll_fn(|cx| lane.alarm.poll(cx, &mut timer, &mut ring).map(|_| ())).await;
}

/// Passes on what other threads publish, for ever.
async fn take_parcels(lane: Rc<Lane>) {
    loop {
        for parcel in lane.inbox().take().await {
            lane.deliver(parcel.room.as_deref(), &parcel.frames);
        }
    }
}

/// Switches faults as it is told, for ever; those with a duration end by themselves.
pub(super) async fn follow_faults(lane: Rc<Lane>) {
    loop {
        let end = lane.faults.next_end();
        tokio::select! {
            biased;
            order = lane.order() => match order {
                Order::Start(fault) => lane.begin(fault),
                Order::End(id) => lane.faults.remove(id),
                // The listening socket's task ends everything.
                Order::Stop => {}
            },
            () = tokio::time::sleep_until(end) => lane.faults.expire(Instant::now()),
        }
    }
}

/// Stops the whole thread at the end of every period, as a garbage collector's pause would.
#[expect(
    clippy::disallowed_methods,
    reason = "to stop everything is what it is for"
)]
async fn freeze(stall: Stall, started: Instant, mut timer: Timer) {
    let mut end = started;
    while let Some(next) = end.checked_add(stall.every) {
        end = next;
        timer.until(end - stall.duration).await;
        std::thread::sleep(end.saturating_duration_since(Instant::now()));
    }
}

/// Keeps the door: open, or shut by a fault, for ever.
async fn attend(lane: &Rc<Lane>, listener: TcpListener, address: SocketAddr) {
    let mut door = Some(listener);
    loop {
        let (shut, backlog) = {
            let active = lane.faults.active();
            (faults::is_shut(&active), faults::backlog(&active))
        };
        if shut {
            if door.take().is_some() {
                let wait = lane.shared.until_all_shut();
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                }
                lane.reset_all();
            }
            lane.faults.changed.notified().await;
            continue;
        }
        let listener = match door.take().map_or_else(|| listen_again(lane, address), Ok) {
            Ok(listener) => listener,
            Err(_) => {
                lane.meter().listen_failures.add(1);
                tokio::time::sleep(LISTEN_PAUSE).await;
                continue;
            }
        };
        // Failing, the queue stays as long as it was.
        let _ = set_backlog(&listener, backlog);
        tokio::select! {
            biased;
            () = lane.faults.changed.notified() => {}
            () = accept(lane, &listener) => {}
        }
        door = Some(listener);
    }
}

fn listen_again(lane: &Lane, address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::from_std(listen(address, lane.shared.shares_port())?)
}

async fn accept(lane: &Rc<Lane>, listener: &TcpListener) {
    let gap = faults::accept_gap(&lane.faults.active());
    loop {
        match listener.accept().await {
            Ok((tcp, _)) => {
                welcome(lane, tcp);
                if let Some(gap) = gap {
                    tokio::time::sleep_until(lane.shared.next_accept(gap)).await;
                }
            }
            Err(error) if is_shortage(&error) => {
                lane.meter().descriptor_shortages.add(1);
                tokio::time::sleep(SHORTAGE_PAUSE).await;
            }
            // A peer that gave up before it was accepted: nobody is there to be served.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

fn welcome(lane: &Rc<Lane>, tcp: TcpStream) {
    // Failing means the peer has gone; the handshake will find that out.
    let _ = tcp.set_nodelay(true);
    let seat = lane.seat();
    if lane.shared.tls.is_some() {
        spawn_local(serve_tls(seat, tcp));
    } else {
        spawn_local(session::serve(seat, Transport::Plain(tcp)));
    }
}

async fn serve_tls(seat: super::lane::Seat, tcp: TcpStream) {
    let shared = Arc::clone(&seat.lane.shared);
    let Some(tls) = &shared.tls else {
        return;
    };
    let handshake = Box::pin(tls.accept(tcp));
    // A failed handshake has already been answered with rustls's alert.
    if let Some(Ok(stream)) = session::unless_late(&seat.member, handshake).await {
        session::serve(seat, stream).await;
    }
}
