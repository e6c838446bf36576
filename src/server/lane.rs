//! One thread of the server: its connections, its alarms, its hub.
//!
//! Nothing in a lane is locked. What lanes share ([`Shared`]) is the plan, counters and inboxes.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::alarm::{Alarm, Bell};
use super::faults::{self, Active, Board, FaultError, Faults};
use super::hub::{Hub, Inbox, Parcel};
use super::member::{Member, Order, Stage};
use super::meter::{Meter, Totals};
use super::part::Part;
use crate::scenario::{ServerEnding, ServerFault, ServerFaultPlan, ServerPlan};
use crate::wire::{Limits, OpCode, Scratch, TlsServer, encode_frame};

/// From accept to the end of the upgrade.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// For the peer's close frame and FIN after ours; also what connections get at shutdown.
pub(super) const LINGER: Duration = Duration::from_secs(1);
/// Most bytes waiting to be sent to one connection...
const MAX_OUTBOUND: usize = 1 << 20;
/// ... beside the largest message it may have to send back.
const OUTBOUND_MARGIN: usize = 256 * 1024;

/// Lets the other threads shut their doors too, before clients are sent away: they come right back.
const THREADS_SHUT: Duration = Duration::from_millis(2);
/// The same for other processes, which are told one after the other.
const PROCESSES_SHUT: Duration = Duration::from_millis(20);

/// What all lanes of a server share.
#[derive(Debug)]
pub(super) struct Shared {
    pub plan: ServerPlan,
    pub tls: Option<TlsServer>,
    meters: Vec<Meter>,
    inboxes: Vec<Inbox>,
    /// WebSockets open now, for `max_connections`.
    places_taken: AtomicU32,
    next_id: AtomicU64,
    part: Part,
    /// Where faults are switched.
    pub board: Board,
    /// When the next connection may be let in, as nanoseconds from `started`: for `accept_rate`.
    next_accept: AtomicU64,
    pub stop: watch::Sender<bool>,
    /// All lanes freeze by the same clock.
    pub started: Instant,
}

impl Shared {
    pub fn new(plan: ServerPlan, tls: Option<TlsServer>, lanes: usize, part: Part) -> Self {
        Self {
            plan,
            tls,
            meters: (0..lanes).map(|_| Meter::default()).collect(),
            inboxes: (0..lanes).map(|_| Inbox::default()).collect(),
            places_taken: AtomicU32::new(0),
            next_id: AtomicU64::new(part.first_id()),
            part,
            board: Board::new(lanes),
            next_accept: AtomicU64::new(0),
            stop: watch::Sender::new(false),
            started: Instant::now(),
        }
    }

    /// See [`super::Running::start_fault`].
    pub fn start_fault(
        &self,
        id: u64,
        plan: ServerFaultPlan,
        duration: Option<Duration>,
    ) -> Result<(), FaultError> {
        let until = duration.and_then(|span| Instant::now().checked_add(span));
        let fault = Active::new(self.plan.seed, id, plan, until);
        self.board.start(&fault)
    }

    /// Whether other sockets listen on the port: another thread's, or another process's.
    pub fn shares_port(&self) -> bool {
        self.meters.len() > 1 || self.part.is_shared()
    }

    /// How long the others may take to shut their doors too.
    pub fn until_all_shut(&self) -> Duration {
        match (self.part.is_shared(), self.meters.len()) {
            (true, _) => PROCESSES_SHUT,
            (false, 1) => Duration::ZERO,
            (false, _) => THREADS_SHUT,
        }
    }

    pub fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        for meter in &self.meters {
            totals.add(meter);
        }
        totals
    }

    /// When a connection that was just accepted may be let in: one a `gap`, over all lanes. Several
    /// processes share the rate alike, as the kernel deals connections to them.
    pub fn next_accept(&self, gap: Duration) -> Instant {
        let gap = gap.saturating_mul(u32::from(self.part.of()));
        let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let now = nanos(self.started.elapsed());
        let turn = |next: u64| Some(next.max(now).saturating_add(nanos(gap)));
        let next = self.next_accept.fetch_update(Relaxed, Relaxed, turn);
        let turn = next.unwrap_or_else(|next| next).max(now);
        self.started + Duration::from_nanos(turn)
    }

    fn take_id(&self) -> u64 {
        let step = u64::from(self.part.of());
        self.next_id.fetch_add(step, Relaxed)
    }

    /// Takes one of the places for open connections; `false` when there is none.
    fn take_place(&self) -> bool {
        let limit = self.plan.max_connections.unwrap_or(u32::MAX);
        let more = |taken: u32| (taken < limit).then_some(taken + 1);
        self.places_taken
            .fetch_update(Relaxed, Relaxed, more)
            .is_ok()
    }
}

/// One thread's state.
#[derive(Debug)]
pub(super) struct Lane {
    pub shared: Arc<Shared>,
    index: usize,
    pub hub: Hub,
    pub alarm: Alarm,
    pub scratch: RefCell<Scratch>,
    pub limits: Limits,
    pub faults: Faults,
    /// Where a broadcast is encoded.
    frame: RefCell<Vec<u8>>,
    /// The last connection has gone.
    emptied: Notify,
}

impl Lane {
    pub fn new(shared: Arc<Shared>, index: usize) -> Self {
        let plan = &shared.plan;
        let limits = Limits {
            max_message: plan.max_message,
            max_frame: plan.max_frame,
            max_outbound: MAX_OUTBOUND.max(plan.max_message.saturating_add(OUTBOUND_MARGIN)),
        };
        let alarm = Alarm::new(|bell| match bell {
            Bell::Handshake => HANDSHAKE,
            Bell::Ping => plan.ping_interval.unwrap_or(Duration::MAX),
            Bell::Linger => LINGER,
            Bell::Turn => plan.delay,
        });
        let active = Active::from_the_start(plan.seed, &plan.faults);
        Self {
            shared,
            index,
            hub: Hub::default(),
            alarm,
            scratch: RefCell::new(Scratch::new()),
            limits,
            faults: Faults::new(active),
            frame: RefCell::default(),
            emptied: Notify::new(),
        }
    }

    pub fn plan(&self) -> &ServerPlan {
        &self.shared.plan
    }

    pub fn meter(&self) -> &Meter {
        &self.shared.meters[self.index]
    }

    /// The next order to this thread.
    pub async fn order(&self) -> faults::Order {
        self.shared.board.take(self.index).await
    }

    /// Does what a fault does at its start.
    pub fn begin(&self, fault: Active) {
        match fault.plan.fault {
            ServerFault::DropConnections { ending } => self.hub.for_each(|member| {
                if member.stage.get() == Stage::Open && fault.hits(member.id) {
                    member.end(ending);
                }
            }),
            ServerFault::StallServer => {
                let until = fault.until.unwrap_or_else(Instant::now);
                self.shared.board.stall(self.index, fault.id, until);
            }
            ServerFault::CloseAfter { .. } => {
                self.faults.add(fault);
                self.hub.for_each(|member| self.watch_age(member));
            }
            _ => self.faults.add(fault),
        }
    }

    /// Gives a connection a turn when it has become as old as a fault lets it.
    fn watch_age(&self, member: &Member) {
        let longest = faults::longest_age(&self.faults.active(), member.id);
        if let (Some(opened), Some(age)) = (member.opened.get(), longest) {
            self.alarm.set_turn(opened + age, member.id);
        }
    }

    /// Ends every connection with RST, whatever it is doing.
    pub fn reset_all(&self) {
        self.hub.for_each(|member| member.end(ServerEnding::Reset));
    }

    pub fn inbox(&self) -> &Inbox {
        &self.shared.inboxes[self.index]
    }

    /// Registers a new connection, which has 10 s to become a WebSocket.
    pub fn seat(self: &Rc<Self>) -> Seat {
        let id = self.shared.take_id();
        let member = Rc::new(Member::new(id));
        self.hub.insert(Rc::clone(&member));
        self.alarm.set(Bell::Handshake, Instant::now(), id);
        Seat {
            lane: Rc::clone(self),
            member,
            holds_place: Cell::new(false),
        }
    }

    /// An alarm went off.
    pub fn ring(&self, bell: Bell, id: u64) {
        let Some(member) = self.hub.get(id) else {
            return;
        };
        match (bell, member.stage.get()) {
            (Bell::Handshake, Stage::Handshake) | (Bell::Linger, _) => member.order(Order::GiveUp),
            (Bell::Ping, Stage::Open) if member.awaiting_pong.replace(true) => {
                member.order(Order::Reset);
            }
            (Bell::Ping, Stage::Open) => {
                member.order(Order::Ping);
                self.alarm.set(Bell::Ping, Instant::now(), id);
            }
            (Bell::Turn, Stage::Open) => member.wake(),
            _ => {}
        }
    }

    /// Sends a message to a room, or to everybody, in all lanes.
    pub fn publish(&self, room: Option<&Arc<str>>, opcode: OpCode, payload: &[u8]) {
        let mut frame = self.frame.borrow_mut();
        frame.clear();
        encode_frame(opcode, payload, None, &mut frame);
        self.deliver(room.map(|name| &**name), &frame);
        if self.shared.inboxes.len() == 1 {
            return;
        }
        let parcel = Parcel {
            room: room.cloned(),
            frames: frame.as_slice().into(),
        };
        let inboxes = self.shared.inboxes.iter().enumerate();
        for (_, inbox) in inboxes.filter(|(index, _)| *index != self.index) {
            if !inbox.push(parcel.clone()) {
                self.meter().parcels_dropped.add(1);
            }
        }
    }

    /// Sends one encoded frame to members of this lane.
    pub fn deliver(&self, room: Option<&str>, frame: &[u8]) {
        let reached = self.hub.deliver(room, frame, self.limits.max_outbound);
        self.meter().messages_sent.add(reached);
    }

    /// Asks every connection to leave and waits until all have, at most `grace`.
    pub async fn clear(&self, grace: Duration) {
        self.hub.for_each(|member| {
            member.order(match member.stage.get() {
                Stage::Handshake => Order::GiveUp,
                _ => Order::GoAway,
            });
        });
        let all_gone = async {
            // A stored notification may be of an earlier emptiness: look again.
            while !self.hub.is_empty() {
                self.emptied.notified().await;
            }
        };
        // Whoever is left after the grace is dropped with the runtime.
        let _ = tokio::time::timeout(grace, all_gone).await;
    }
}

/// A connection's registration: given back when it is dropped, however the connection ends.
#[derive(Debug)]
pub(super) struct Seat {
    pub lane: Rc<Lane>,
    pub member: Rc<Member>,
    holds_place: Cell<bool>,
}

impl Seat {
    /// Takes one of the places for open connections; `false` when there is none.
    pub fn take_place(&self) -> bool {
        self.holds_place.set(self.lane.shared.take_place());
        self.holds_place.get()
    }

    /// The upgrade is done: messages flow.
    pub fn open(&self) {
        self.member.stage.set(Stage::Open);
        self.lane.meter().upgrades.add(1);
        let now = Instant::now();
        self.member.opened.set(Some(now));
        if self.lane.plan().ping_interval.is_some() {
            self.lane.alarm.set(Bell::Ping, now, self.member.id);
        }
        if self.lane.faults.any() {
            self.lane.watch_age(&self.member);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.holds_place.get() {
            self.lane.shared.places_taken.fetch_sub(1, Relaxed);
        }
        if self.member.stage.get() != Stage::Handshake {
            self.lane.meter().closed.add(1);
        }
        if self.lane.hub.remove(&self.member) {
            self.lane.emptied.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a rate, every process has its part; of the numbers, too.
    #[tokio::test(start_paused = true)]
    async fn processes_split_an_accept_rate_and_the_numbers_of_connections() {
        for (part, expected_ms, ids) in [("0/1", 10, [1, 2, 3]), ("1/3", 30, [2, 5, 8])] {
            let part = part.parse().expect("a part");
            let shared = Shared::new(crate::server::tests::plan(), None, 1, part);
            let gap = Duration::from_millis(10);
            let first = shared.next_accept(gap);
            for turn in 1..4 {
                let expected = first + turn * Duration::from_millis(expected_ms);
                assert_eq!(shared.next_accept(gap), expected, "{part}");
            }
            assert_eq!([0; 3].map(|_| shared.take_id()), ids);
        }
    }
}
