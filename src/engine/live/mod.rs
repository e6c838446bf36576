//! A live connection: everything between the 101 and the end of one connection.
//!
//! One future, one place to wait. Each time it is woken it reads, looks at the clock once, does what
//! is due by it, writes, until nothing is left, and arms the pacer for what is due next:
//!
//! ```text
//!   receive -> (answers queue more) -> on_time -> flush -> stamp what was sent -> again, or wait
//! ```
//!
//! Reading comes first: what has arrived by now is in time for every deadline of now, and one look at
//! the clock serves both.
//!
//! `timers` is what is due, `sending` what goes out and when it counts as sent, `receiving` what a
//! frame means, `steps` the session's program, `heart` the heartbeats, `ending` how it ends, `faults`
//! what faults of our own do to it.

mod ending;
mod faults;
mod heart;
mod receiving;
mod sending;
mod steps;
mod timers;

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use smallvec::SmallVec;

use super::client::Client;
use super::faults::Effects;
use super::groups::Group;
use super::matching::Questions;
use super::program::Program;
use super::shard::Shard;
use crate::clock::Offset;
use crate::metrics::{Counter, Origin};
use crate::wire::{Carrier, Connection, Dial, Ending, Event, Outbox, Scratch};

pub use ending::{Ended, Next};
pub use sending::StepQuestions;
pub(in crate::engine) use sending::skip;

use ending::Closing;
use faults::Slowness;
use heart::Heart;
use receiving::Pongs;
use sending::Unsent;
use steps::Waiting;

/// Reads one wake-up may do before others get their turn: 128 KiB.
const ROUNDS: usize = 4;

/// One open connection of a client.
///
/// In this order in memory, like the types within: what every message needs lies together, and what
/// few need behind it. From some hundred clients on each of them is out of the processor's cache when
/// its turn comes, and the cache lines it takes to get it back are a good part of what it costs.
#[repr(C)]
pub struct Live<D: Dial> {
    connection: Option<Connection<D::Stream>>,
    state: State<D>,
}

/// All of a live connection but its stream, so that a frame borrowed from the stream's decoder can
/// be handled.
#[repr(C)]
pub(super) struct State<D: Dial> {
    /// When the bytes being handled were read.
    received_at: Option<Offset>,
    /// What its shard had told all clients when it last looked what it was told itself.
    told: u64,
    /// Stalls of the shard it has been given time for.
    stalled: Duration,
    /// Since when a fault has kept it from doing anything.
    frozen_at: Option<Offset>,
    /// How a fault slows its reading.
    slowness: Slowness,
    /// When the last byte came.
    heard_at: Offset,
    /// When the heart has to be looked at.
    heart_due: Offset,
    /// The heart has not been told of the last byte.
    heart_unaware: bool,
    /// The kernel did not take everything at the last write.
    stuck: bool,
    /// Nothing new is sent: the load falls, or the run drains.
    leaving: bool,
    /// Whether it has reached any schedule.
    scheduled: bool,
    pongs: Option<Box<Pongs>>,
    questions: Questions,
    waiting: Waiting,
    program: Arc<Program>,
    /// Next instruction.
    cursor: usize,
    /// When the next step is due: the end of the one before, plus its pause.
    step_due: Offset,
    /// Queued, not yet taken by the kernel.
    unsent: SmallVec<[Unsent; 1]>,
    /// What the pacer was last armed with.
    armed: Offset,
    closing: Closing,
    client: Client<D>,
    // From here on what a message does not need.
    opened: Offset,
    /// Rounds done, by loop.
    counters: Box<[u64]>,
    /// Which schedules this connection has reached; they outlive connections, but a new one has to
    /// come to them again.
    started: Box<[bool]>,
    heart: Option<Box<Heart>>,
    /// The groups whose broadcasts it should get.
    membership: Option<Box<Membership>>,
    /// The faults it felt last.
    felt: Effects,
}

/// The groups of a client.
struct Membership {
    since: Offset,
    /// By position in the program.
    groups: Vec<Arc<Group>>,
}

impl<D: Dial + 'static> Live<D> {
    /// Takes over an open connection.
    pub fn new(mut client: Client<D>, connection: Connection<D::Stream>, opened: Offset) -> Self {
        let shard = Rc::clone(&client.shard);
        let plan = &shard.plan;
        let session = client.identity.session;
        let program = Arc::clone(&plan.programs[session]);
        client.ticks.resize(program.sends.len(), None);
        // A burst that another connection felt.
        for ticks in client.ticks.iter_mut().flatten() {
            ticks.set_burst(1);
        }
        let questions = {
            let mut readers = shard.readers.borrow_mut();
            let mut rng = client.identity.rng.clone();
            let context = client.identity.context(plan, 0, 0);
            Questions::new(&mut readers[session], &context, &mut rng)
        };
        let heart = Heart::new(plan, &mut client.identity.rng, opened);
        let pongs = Pongs::expected(&plan.scenario.heartbeat, opened);
        Self {
            connection: Some(connection),
            state: State {
                counters: vec![0; program.counters].into_boxed_slice(),
                started: vec![false; program.sends.len()].into_boxed_slice(),
                scheduled: false,
                program,
                opened,
                received_at: None,
                cursor: 0,
                waiting: Waiting::Go,
                step_due: opened,
                questions,
                heard_at: opened,
                heart_unaware: false,
                heart_due: heart.as_ref().map_or(Offset::MAX, |h| h.next_due()),
                heart,
                pongs,
                unsent: SmallVec::new(),
                stuck: false,
                membership: None,
                closing: Closing::Open,
                frozen_at: None,
                felt: Effects::default(),
                told: 0,
                slowness: Slowness::default(),
                leaving: false,
                armed: Offset::MAX,
                stalled: shard.stall.total(),
                client,
            },
        }
    }

    /// The client, whose connection has ended, and when that was opened.
    pub fn into_client(self) -> (Client<D>, Offset) {
        (self.state.client, self.state.opened)
    }

    /// Drives the connection until it ends.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let shard = Rc::clone(&self.state.client.shard);
        let Some(connection) = &mut self.connection else {
            return Poll::Pending;
        };
        let polled = self.state.poll(&shard, connection, cx);
        let (received, sent) = connection.take_bytes();
        if received + sent > 0 {
            let origin = shard.plan.origin(self.state.last_seen(&shard));
            let mut recorder = shard.recorder.borrow_mut();
            recorder.add(origin, Counter::BytesReceived, received);
            recorder.add(origin, Counter::BytesSent, sent);
        }
        if let Poll::Ready(ended) = &polled
            && let Some(connection) = self.connection.take()
        {
            ending::dispose(connection, ended);
        }
        polled
    }
}

impl<D: Dial + 'static> State<D> {
    fn poll<S: Carrier>(
        &mut self,
        shard: &Shard<D>,
        connection: &mut Connection<S>,
        cx: &mut Context<'_>,
    ) -> Poll<Ended> {
        if let Some(ended) = self.listen(shard, &mut connection.outbox) {
            return Poll::Ready(ended);
        }
        if self.frozen_at.is_some() {
            let now = self.now(shard);
            self.arm(shard, now, cx);
            return Poll::Pending;
        }
        // Nothing is left to do but what comes.
        let mut settled = false;
        for _ in 0..ROUNDS {
            let before = self.received_at.take();
            let received = self.read(shard, connection, cx);
            if let Poll::Ready(Err(ending)) = received {
                return Poll::Ready(self.stream_ended(shard, ending));
            }
            if received.is_pending() && settled {
                // Nothing came since the clock was read: it need not be read again.
                let now = before.unwrap_or_default();
                self.received_at = before;
                self.arm(shard, now, cx);
                return Poll::Pending;
            }
            // A part of a frame is a sign of life too.
            let unheard = received.is_ready() && self.received_at.is_none();
            let now = self.last_seen(shard);
            if unheard {
                self.heard(shard, now);
            }
            if let Some(ended) = self.on_time(shard, now, &mut connection.outbox) {
                return Poll::Ready(ended);
            }
            let flushed = connection.poll_flush(cx);
            self.stuck = flushed.is_pending();
            match flushed {
                Poll::Ready(Ok(())) => {
                    self.flushed(shard, &mut connection.outbox);
                    settled = connection.outbox.is_empty() && !self.is_runnable();
                }
                // What was sent to us before the stream broke is read first.
                Poll::Ready(Err(_)) if received.is_ready() => settled = false,
                Poll::Ready(Err(ending)) => {
                    return Poll::Ready(self.stream_ended(shard, ending));
                }
                Poll::Pending => settled = true,
            }
            if received.is_pending() && settled {
                self.arm(shard, now, cx);
                return Poll::Pending;
            }
        }
        let now = self.last_seen(shard);
        self.arm(shard, now, cx);
        yield_to_others(cx);
        Poll::Pending
    }

    /// Reads once, as much as a fault lets it.
    fn read<S: Carrier>(
        &mut self,
        shard: &Shard<D>,
        connection: &mut Connection<S>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Ending>> {
        let limit = if self.slowness.is_on() {
            let now = self.now(shard);
            self.slowness.allowance(now)
        } else {
            Scratch::SIZE
        };
        if limit == 0 {
            return Poll::Pending;
        }
        let mut scratch = shard.scratch.borrow_mut();
        let before = connection.bytes_received();
        let on = &mut |event: Event<'_>, outbox: &mut Outbox| self.receive(shard, event, outbox);
        let received = connection.poll_receive(cx, &mut scratch, limit, on);
        drop(scratch);
        self.slowness.take(connection.bytes_received() - before);
        received
    }

    /// The clock at the bytes being handled; read once a read call.
    fn last_seen(&mut self, shard: &Shard<D>) -> Offset {
        if let Some(at) = self.received_at {
            return at;
        }
        let now = self.now(shard);
        self.received_at = Some(now);
        now
    }

    /// The clock. If the shard stood still since this client last looked, everything it waits for
    /// gets that much more time first: what came meanwhile is read before it is judged.
    fn now(&mut self, shard: &Shard<D>) -> Offset {
        let now = shard.now();
        if self.stalled != shard.stall.total() {
            // The others had their turns before this one: that was not the peer's time either.
            let waited = now.since(shard.stall.until());
            let by = shard.stall.total() - self.stalled + waited;
            self.stalled = shard.stall.total();
            self.postpone(shard, by);
            self.leave_out_beats(shard, now);
        }
        now
    }

    fn stream_ended(&mut self, shard: &Shard<D>, ending: Ending) -> Ended {
        let now = self.now(shard);
        self.end_with(shard, ending, now)
    }
}

/// Runs this connection again once all others had their turn, those included whose bytes or due
/// times the reactor has not looked at yet. A task that just wakes itself keeps tokio from looking
/// for 61 turns; under a flood those are tens of milliseconds, blamed on innocent servers.
pub(in crate::engine) fn yield_to_others(cx: &mut Context<'_>) {
    // Always pending at first: its waker is kept until the reactor has been polled.
    let _ = pin!(tokio::task::yield_now()).poll(cx);
}

/// Where a thing is counted.
fn origin(measured: bool) -> Origin {
    if measured {
        Origin::Measured
    } else {
        Origin::Other
    }
}
