//! A shard: one thread, one runtime, its clients and its recorder.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

use super::client::Client;
use super::due::Slot;
use super::faults::{self, Effects, Order};
use super::gate::Gate;
use super::matching::Reader;
use super::pacer::{BATCH, Pacer};
use super::plan::{INTERVAL, Plan};
use super::schedule::{Change, Direction, Phase as PlanPhase, Shard as Share};
use super::stage::Stage;
use super::stall::{Stalls, TICK, Watch};
use crate::clock::{Alarm, Offset};
use crate::metrics::{Blank, Counter, Gauges, Interval, Metric, Origin, Phase, Recorder, Window};
use crate::wire::{Dial, Scratch};

/// What a shard tells the collector.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub enum Message {
    /// A window of its timeline (boxed: it is large).
    Interval(Box<Interval>),
    /// Nothing is outstanding any more, or it is again; sent while draining.
    Quiet(bool),
    /// It stood still since it last said so.
    Stalled(Stalls),
    /// It has no clients left and none will start.
    Idle,
    /// It ended; `open` connections were cut.
    Ended {
        /// Connections still open at the end.
        open: u64,
        /// What woke it at due times.
        pacing: Cow<'static, str>,
    },
    /// Nothing more will come from it: its process ended early, in words.
    Lost(String),
}

/// A message with the shard it came from.
pub type Report = (u16, Message);

/// Messages under way to the collector, at most; a shard whose channel is full merges two windows.
pub const REPORTS: usize = 64;

/// The ends of a shard's channels.
#[derive(Debug)]
pub struct Lines {
    /// To the collector.
    pub reports: mpsc::Sender<Report>,
    /// Emptied intervals back from it.
    pub blanks: mpsc::Receiver<Blank>,
    /// What everybody is to do.
    pub stage: watch::Receiver<Stage>,
}

/// State shared by a shard's clients; never by threads.
pub struct Shard<D: Dial> {
    /// Which of the plan's shards.
    pub index: u16,
    /// The run.
    pub plan: Arc<Plan>,
    /// Its pen.
    pub recorder: RefCell<Recorder>,
    /// Its read buffer.
    pub scratch: RefCell<Scratch>,
    /// Its render buffer.
    pub text: RefCell<Vec<u8>>,
    /// Its clock work.
    pub pacer: Pacer,
    /// Reads messages, by session.
    pub readers: RefCell<Vec<Reader>>,
    /// How it dials.
    pub dialler: D,
    /// When it may.
    pub gate: RefCell<Gate>,
    /// What its clients are to do.
    pub stage: Cell<Stage>,
    /// When clients were told to send nothing new; [`Offset::MAX`] = not yet.
    pub drain_began: Cell<Offset>,
    /// Open connections.
    pub connected: Cell<u64>,
    /// Questions without an answer yet.
    pub outstanding: Cell<u64>,
    /// Clients that have not ended.
    pub alive: Cell<u64>,
    /// Connections that the end of the run cut off.
    pub cut_open: Cell<u64>,
    /// Rises when a client is told something, the stage included: those that sleep or are busy need
    /// not look at their [`Control`] each time.
    pub told: Cell<u64>,
    /// The lasting client faults that are on, as positions in the plan's list.
    pub faults_on: RefCell<Vec<usize>>,
    /// Whether its own thread stood still.
    pub stall: Watch,
    /// Stalls the collector has not heard of.
    stalls: RefCell<Stalls>,
    clients: RefCell<HashMap<u64, Rc<Control>>>,
}

/// How the shard reaches one client.
#[derive(Debug)]
pub struct Control {
    /// The client is to leave: the load falls.
    pub leave: Cell<bool>,
    /// Where it waits.
    pub slot: Slot,
    /// It has an open connection.
    pub connected: Cell<bool>,
    /// What lasting faults do to it.
    pub effects: Cell<Effects>,
    /// What a fault tells it to do at once.
    pub order: RefCell<Option<Order>>,
}

/// Runs a shard until every client has ended and the run is closing. Needs a `LocalRuntime`.
pub async fn run<D: Dial + 'static>(
    plan: Arc<Plan>,
    index: u16,
    dialler: D,
    alarm: Alarm,
    mut lines: Lines,
) {
    let shard = Rc::new(Shard::new(
        plan,
        index,
        dialler,
        alarm,
        *lines.stage.borrow(),
    ));
    let driver = tokio::task::spawn_local({
        let shard = Rc::clone(&shard);
        async move { shard.pacer.drive().await }
    });
    let watcher = tokio::task::spawn_local(keep_looking(Rc::clone(&shard)));
    let arrivals = tokio::task::spawn_local(start_clients(Rc::clone(&shard)));
    let driven = tokio::task::spawn_local(faults::drive(Rc::clone(&shard)));
    let mut ticker = Ticker::new(Rc::clone(&shard), lines.reports.clone());
    loop {
        tokio::select! {
            changed = lines.stage.changed() => {
                // A coordinator that went away means: stop.
                let stage = changed.map_or(Stage::Cut, |()| *lines.stage.borrow_and_update());
                shard.stage.set(stage);
                shard.tell();
                if stage >= Stage::Draining {
                    shard.drain_began.set(shard.drain_began.get().min(shard.now()));
                }
                shard.pacer.wake_all();
            }
            () = ticker.tick() => {
                // Without room the window grows: a slow collector never delays a shard.
                if let Ok(permit) = lines.reports.try_reserve() {
                    let end = ticker.boundary();
                    permit.send(ticker.cut(&mut lines.blanks, end));
                }
                ticker.go_on();
            }
            () = ticker.look() => {}
        }
        ticker.report_state(arrivals.is_finished());
        if shard.stage.get() >= Stage::Closing && shard.alive.get() == 0 {
            break;
        }
    }
    arrivals.abort();
    driven.abort();
    driver.abort();
    watcher.abort();
    let last = ticker.cut(&mut lines.blanks, shard.now());
    report_end(&shard, &lines.reports, last).await;
}

/// The last messages of a shard, in order.
async fn report_end<D: Dial + 'static>(
    shard: &Shard<D>,
    reports: &mpsc::Sender<Report>,
    last: Report,
) {
    let (open, pacing) = (shard.cut_open.get(), shard.pacer.name().into());
    // The collector going away is the only way these can fail; then nobody is left to tell.
    let _ = reports.send(last).await;
    if let Some(stalls) = shard.take_stalls() {
        let stalled = Message::Stalled(stalls);
        let _ = reports.send((shard.index, stalled)).await;
    }
    let _ = reports
        .send((shard.index, Message::Ended { open, pacing }))
        .await;
}

impl<D: Dial + 'static> Shard<D> {
    fn new(plan: Arc<Plan>, index: u16, dialler: D, alarm: Alarm, stage: Stage) -> Self {
        Self {
            index,
            pacer: Pacer::new(plan.epoch, alarm),
            gate: RefCell::new(Gate::new(plan.scenario.limits.dials_per_s, plan.shards)),
            stall: Watch::new(plan.epoch.elapsed()),
            stalls: RefCell::default(),
            readers: RefCell::new(plan.matchers.iter().cloned().map(Reader::new).collect()),
            plan,
            recorder: RefCell::new(Recorder::new()),
            scratch: RefCell::new(Scratch::new()),
            text: RefCell::new(Vec::with_capacity(4096)),
            dialler,
            stage: Cell::new(stage),
            drain_began: Cell::new(Offset::MAX),
            connected: Cell::new(0),
            outstanding: Cell::new(0),
            alive: Cell::new(0),
            cut_open: Cell::new(0),
            told: Cell::new(1),
            faults_on: RefCell::default(),
            clients: RefCell::default(),
        }
    }

    /// Now, on the run's clock. Each look tells too whether this thread stood still since the last:
    /// whoever runs first after a stall notices it, before anything is judged by the time.
    pub fn now(&self) -> Offset {
        let now = self.plan.epoch.elapsed();
        if let Some(stall) = self.stall.look(now) {
            // Closing tens of thousands of connections at once is work of our own that takes longer than
            // that, after everything has been measured: time is given, but no doubt is cast.
            if self.stage.get() < Stage::Closing {
                self.stalls.borrow_mut().add(stall);
            }
            self.dialler.stood_still(self.stall.total());
            // All get their turn now, and with it more time.
            self.pacer.wake_all();
        }
        now
    }

    fn take_stalls(&self) -> Option<Stalls> {
        let mut stalls = self.stalls.borrow_mut();
        (!stalls.is_empty()).then(|| std::mem::take(&mut *stalls))
    }

    /// Counts one event.
    pub fn count(&self, origin: Origin, counter: Counter) {
        self.recorder.borrow_mut().count(origin, counter);
    }

    /// Records a time.
    pub fn record(&self, origin: Origin, metric: Metric, value: std::time::Duration) {
        self.recorder.borrow_mut().record(origin, metric, value);
    }

    /// Records a time from one instant to another, and whether it lasted through a stall of our own:
    /// the time is kept as it was, the stall is told beside it.
    pub fn span(
        &self,
        recorder: &mut Recorder,
        origin: Origin,
        metric: Metric,
        (from, to): (Offset, Offset),
    ) {
        recorder.record(origin, metric, to.since(from));
        if from < self.stall.until() {
            recorder.count(origin, Counter::SamplesInStall);
        }
    }

    /// Waits for `due`, or until the run's stage is `until` or later, or `control` says leave.
    pub async fn sleep(&self, slot: Slot, due: Offset, until: Stage, control: Option<&Control>) {
        poll_fn(|cx| {
            let leave = control.is_some_and(|c| c.leave.get());
            if leave || self.stage.get() >= until || self.now() >= due {
                return Poll::Ready(());
            }
            self.pacer.arm(slot, due, cx.waker());
            Poll::Pending
        })
        .await;
    }

    /// Some client was told something.
    pub fn tell(&self) {
        self.told.set(self.told.get() + 1);
    }

    /// A client ended.
    pub fn forget(&self, number: u64, control: &Rc<Control>) {
        let mut clients = self.clients.borrow_mut();
        if clients.get(&number).is_some_and(|c| Rc::ptr_eq(c, control)) {
            clients.remove(&number);
        }
        drop(clients);
        self.alive.set(self.alive.get() - 1);
        self.pacer.remove(control.slot);
    }

    /// Shows every client that lives.
    pub fn for_each_client(&self, mut show: impl FnMut(u64, &Control)) {
        for (number, control) in self.clients.borrow().iter() {
            show(*number, control);
        }
    }

    fn spawn(self: &Rc<Self>, number: u64, due: Offset) {
        let control = Rc::new(Control {
            leave: Cell::new(false),
            slot: self.pacer.add(),
            connected: Cell::new(false),
            effects: Cell::default(),
            order: RefCell::default(),
        });
        faults::inherit(self, number, &control);
        let client = Client::new(Rc::clone(self), Rc::clone(&control), number, due);
        self.clients.borrow_mut().insert(number, control);
        self.alive.set(self.alive.get() + 1);
        tokio::task::spawn_local(client.live());
    }

    fn apply(self: &Rc<Self>, change: Change) {
        let origin = self.plan.origin(change.at);
        match change.direction {
            Direction::Stop => {
                if let Some(control) = self.clients.borrow_mut().remove(&change.client) {
                    control.leave.set(true);
                    self.tell();
                    self.pacer.wake(control.slot);
                }
            }
            Direction::Start => {
                self.count(origin, Counter::ArrivalsScheduled);
                if self.alive.get() >= self.plan.slots(self.index) {
                    self.count(origin, Counter::ArrivalsDropped);
                    return;
                }
                self.count(origin, Counter::ArrivalsStarted);
                self.spawn(change.client, change.at);
            }
        }
    }
}

/// Looks at the clock every [`TICK`], so that a longer gap is a stall and not an idle moment.
async fn keep_looking<D: Dial + 'static>(shard: Rc<Shard<D>>) {
    let slot = shard.pacer.add();
    let mut due = Offset::ZERO;
    poll_fn(|cx| {
        let now = shard.now();
        if now >= due {
            due = now + TICK;
        }
        shard.pacer.arm(slot, due, cx.waker());
        Poll::<()>::Pending
    })
    .await;
}

/// Starts and stops clients by the load curve.
async fn start_clients<D: Dial + 'static>(shard: Rc<Shard<D>>) {
    let share = Share {
        index: shard.index,
        of: shard.plan.shards,
    };
    let slot = shard.pacer.add();
    let mut left = BATCH;
    for change in shard.plan.curve.changes(share) {
        shard.sleep(slot, change.at, Stage::Draining, None).await;
        left -= 1;
        if left == 0 {
            // Those that started go on first: what a late start costs is arrival_lag, not handshake.
            left = BATCH;
            tokio::task::yield_now().await;
        }
        if shard.stage.get() >= Stage::Draining {
            break;
        }
        shard.apply(change);
    }
    shard.pacer.remove(slot);
}

/// Cuts intervals on the second, whatever the traffic does.
struct Ticker<D: Dial> {
    shard: Rc<Shard<D>>,
    reports: mpsc::Sender<Report>,
    slot: Slot,
    next: u64,
    start: Offset,
    cpu: std::time::Duration,
    quiet: Option<bool>,
    idle: bool,
}

impl<D: Dial + 'static> Ticker<D> {
    fn new(shard: Rc<Shard<D>>, reports: mpsc::Sender<Report>) -> Self {
        Self {
            slot: shard.pacer.add(),
            shard,
            reports,
            next: 0,
            start: Offset::ZERO,
            cpu: thread_cpu(),
            quiet: None,
            idle: false,
        }
    }

    fn boundary(&self) -> Offset {
        Offset::ZERO + INTERVAL * u32::try_from(self.next + 1).unwrap_or(u32::MAX)
    }

    async fn tick(&self) {
        let shard = &self.shard;
        poll_fn(|cx| {
            if shard.now() >= self.boundary() {
                return Poll::Ready(());
            }
            shard.pacer.arm(self.slot, self.boundary(), cx.waker());
            Poll::Pending
        })
        .await;
    }

    /// While draining and closing the state is looked at often: a run should end when it is done.
    async fn look(&self) {
        let soon = match self.shard.stage.get() {
            Stage::Running => std::time::Duration::from_millis(100),
            _ => std::time::Duration::from_millis(5),
        };
        tokio::time::sleep(soon).await;
    }

    fn report_state(&mut self, started_all: bool) {
        let shard = &self.shard;
        if let Ok(permit) = self.reports.try_reserve()
            && let Some(stalls) = shard.take_stalls()
        {
            permit.send((shard.index, Message::Stalled(stalls)));
        }
        let quiet = shard.outstanding.get() == 0;
        if shard.stage.get() == Stage::Draining && self.quiet != Some(quiet) {
            let sent = self.reports.try_send((shard.index, Message::Quiet(quiet)));
            if sent.is_ok() {
                self.quiet = Some(quiet);
            }
        }
        if started_all && !self.idle && shard.alive.get() == 0 {
            self.idle = self.reports.try_send((shard.index, Message::Idle)).is_ok();
        }
    }

    /// To the next second that lies ahead.
    fn go_on(&mut self) {
        let passed = self.shard.now().nanos() / INTERVAL.as_nanos() as u64;
        self.next = passed.max(self.next + 1);
    }

    /// Hands the current window out.
    fn cut(&mut self, blanks: &mut mpsc::Receiver<Blank>, end: Offset) -> Report {
        let shard = Rc::clone(&self.shard);
        while let Ok(blank) = blanks.try_recv() {
            shard.recorder.borrow_mut().recycle(blank);
        }
        let cpu = thread_cpu();
        let spent = cpu.saturating_sub(self.cpu);
        let length = shard.now().since(self.start).as_secs_f64().max(1e-9);
        let gauges = Gauges {
            connected: shard.connected.get(),
            clients: shard.alive.get(),
            outstanding: shard.outstanding.get(),
            busy: (spent.as_secs_f64() / length).min(1.0),
            cpu: spent,
        };
        let window = Window {
            index: self.next,
            start: self.start,
            end,
            phase: phase(shard.plan.phases.at(self.start)),
        };
        let interval = shard.recorder.borrow_mut().cut(window, gauges);
        self.start = end;
        self.cpu = cpu;
        (shard.index, Message::Interval(Box::new(interval)))
    }
}

fn phase(phase: PlanPhase) -> Phase {
    match phase {
        PlanPhase::WarmUp => Phase::WarmUp,
        PlanPhase::Measure => Phase::Measure,
        PlanPhase::Drain | PlanPhase::Over => Phase::Drain,
    }
}

/// Processor time of this thread so far.
fn thread_cpu() -> std::time::Duration {
    use nix::time::{ClockId, clock_gettime};
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(std::time::Duration::ZERO, Into::into)
}
