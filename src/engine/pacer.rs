//! The pacer of a shard: one alarm over one queue of due times, for everything a client does by
//! the clock: sends, heartbeats, timeouts, pauses, reconnects.
//!
//! ```text
//!  client --arm(due)--> queue --earliest--> alarm --rings--> all that are due --wake--> clients
//! ```

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};
use std::time::Duration;

use super::due::{DueQueue, Slot};
use super::lead::Lead;
use super::live::yield_to_others;
use super::spacing::Spacing;
use crate::clock::{Alarm, Epoch, Offset};

/// So many are woken before the reactor is asked again what has arrived: of many that are due at one
/// instant, the first gets its answer read before the last sends, and is not blamed for the others.
pub const BATCH: usize = 64;

/// Wakes clients at their due times.
#[derive(Debug)]
pub struct Pacer {
    epoch: Epoch,
    queue: RefCell<DueQueue>,
    wakers: RefCell<Vec<Option<Waker>>>,
    alarm: RefCell<Alarm>,
    /// When the alarm is to have woken us; [`Offset::MAX`] = not set. It is set earlier than that by
    /// what waking up takes.
    rings: Cell<Offset>,
    /// What the alarm was set to.
    expires: Cell<Offset>,
    lead: RefCell<Lead>,
    /// It woke us before that time, which is only microseconds away: too little to sleep again.
    early: Cell<bool>,
    last_wake: Cell<Offset>,
    spacing: Spacing,
    /// The last wake-up left some for the next one.
    unfinished: Cell<bool>,
    /// The alarm's task, to be polled again when a tokio timer is set anew.
    driver: RefCell<Option<Waker>>,
}

impl Pacer {
    /// A pacer with nothing due.
    pub fn new(epoch: Epoch, alarm: Alarm) -> Self {
        Self {
            epoch,
            queue: RefCell::default(),
            wakers: RefCell::default(),
            alarm: RefCell::new(alarm),
            rings: Cell::new(Offset::MAX),
            expires: Cell::new(Offset::MAX),
            lead: RefCell::default(),
            early: Cell::new(false),
            last_wake: Cell::new(Offset::ZERO),
            spacing: Spacing::default(),
            unfinished: Cell::new(false),
            driver: RefCell::new(None),
        }
    }

    /// Which alarm is used, for reports.
    pub fn name(&self) -> &'static str {
        self.alarm.borrow().name()
    }

    /// A place in the queue for a client.
    pub fn add(&self) -> Slot {
        let slot = self.queue.borrow_mut().add();
        let mut wakers = self.wakers.borrow_mut();
        if wakers.len() <= DueQueue::index(slot) {
            wakers.resize(DueQueue::index(slot) + 1, None);
        }
        slot
    }

    /// Gives a place back.
    pub fn remove(&self, slot: Slot) {
        self.queue.borrow_mut().remove(slot);
        self.wakers.borrow_mut()[DueQueue::index(slot)] = None;
    }

    /// Wakes `waker` once at `due` (at once if that has passed); replaces the slot's earlier due
    /// time. [`Offset::MAX`] = never; the waker is still kept for [`Pacer::wake_all`].
    pub fn arm(&self, slot: Slot, due: Offset, waker: &Waker) {
        let mut wakers = self.wakers.borrow_mut();
        match &mut wakers[DueQueue::index(slot)] {
            Some(kept) => kept.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        let due_or_none = (due < Offset::MAX).then_some(due);
        self.queue.borrow_mut().set(slot, due_or_none);
        if due.max(self.last_wake.get() + self.spacing.gap()) < self.rings.get() {
            self.set_alarm(self.epoch.elapsed());
        }
    }

    /// Wakes whoever waits at `slot`, whatever it waits for.
    pub fn wake(&self, slot: Slot) {
        if let Some(waker) = &self.wakers.borrow()[DueQueue::index(slot)] {
            waker.wake_by_ref();
        }
    }

    /// Wakes every client: the run's stage changed.
    pub fn wake_all(&self) {
        for waker in self.wakers.borrow().iter().flatten() {
            waker.wake_by_ref();
        }
    }

    /// Drives the alarm; never ends.
    pub async fn drive(&self) {
        poll_fn(|cx| {
            let mut driver = self.driver.borrow_mut();
            if !driver.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
                *driver = Some(cx.waker().clone());
            }
            drop(driver);
            loop {
                if !self.early.replace(false) && self.alarm.borrow_mut().poll(cx).is_pending() {
                    return Poll::<()>::Pending;
                }
                if self.woke_early() {
                    yield_to_others(cx);
                    return Poll::Pending;
                }
                let idle = self.queue.borrow().earliest().is_none();
                if idle && matches!(*self.alarm.borrow(), Alarm::Tokio(_)) {
                    // It rang and stays ready; arming sets it anew and wakes us. A timerfd's edge is
                    // used up by having been seen, so it is polled again until it is pending.
                    self.rings.set(Offset::MAX);
                    return Poll::Pending;
                }
                self.wake_due();
            }
        })
        .await;
    }

    /// Learns how long waking up took; true when it took less than the alarm was set earlier by.
    fn woke_early(&self) -> bool {
        let (now, rings) = (self.epoch.elapsed(), self.rings.get());
        if rings == Offset::MAX {
            return false;
        }
        if let Some(late) = self.woken_after(now) {
            self.lead.borrow_mut().learn(late);
        }
        let early = now < rings && rings.since(now) <= Lead::MAX;
        self.early.set(early);
        early
    }

    /// How long after its expiry the alarm woke us; once for each expiry that was worth a sleep.
    fn woken_after(&self, now: Offset) -> Option<Duration> {
        let expires = self.expires.replace(Offset::MAX);
        (expires <= now).then(|| now.since(expires))
    }

    fn wake_due(&self) {
        let now = self.epoch.elapsed();
        self.last_wake.set(now);
        self.spacing.woke(now);
        let mut queue = self.queue.borrow_mut();
        let wakers = self.wakers.borrow();
        for _ in 0..BATCH {
            let Some(slot) = queue.pop_due(now) else {
                break;
            };
            if let Some(waker) = &wakers[DueQueue::index(slot)] {
                waker.wake_by_ref();
            }
        }
        let unfinished = queue.earliest().is_some_and(|due| due <= now);
        self.unfinished.set(unfinished);
        drop(queue);
        self.set_alarm(now);
    }

    fn set_alarm(&self, now: Offset) {
        let Some(due) = self.queue.borrow().earliest() else {
            self.rings.set(Offset::MAX);
            return;
        };
        let gap = if self.unfinished.get() {
            Duration::ZERO
        } else {
            self.spacing.gap()
        };
        let rings = due.max(self.last_wake.get() + gap);
        self.rings.set(rings);
        // Dense wake-ups leave no time to wait in without sleeping.
        let lead = if self.spacing.gap().is_zero() {
            self.lead.borrow().get()
        } else {
            Duration::ZERO
        };
        let expires = (rings - lead).max(now);
        let mut alarm = self.alarm.borrow_mut();
        alarm.set(self.epoch.instant(now), expires.since(now));
        // tokio's timer is exact in simulations, and without hope elsewhere.
        let asleep = expires.since(now) >= Lead::MAX && !matches!(*alarm, Alarm::Tokio(_));
        self.expires.set(if asleep { expires } else { Offset::MAX });
        if let (Alarm::Tokio(_), Some(driver)) = (&*alarm, &*self.driver.borrow()) {
            driver.wake_by_ref();
        }
    }
}
