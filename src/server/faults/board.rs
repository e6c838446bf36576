//! How faults are switched on and off while the server works.
//!
//! Any thread leaves orders on the board; every server thread takes them in its own time and keeps a
//! list of what is active for itself, so that no message has to look behind a lock.

use std::cell::{Cell, Ref, RefCell};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::Active;

/// Faults that can be active at once.
pub const MOST_FAULTS: usize = 256;
/// Orders that can wait for one thread.
const MOST_ORDERS: usize = 1_024;

/// Why a fault was not switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// The number is taken.
    #[error(
        "starting fault {0}: a fault of this number is active\nhint: end it first, or count on"
    )]
    Taken(u64),
    /// Too many at once.
    #[error(
        "starting a fault: {MOST_FAULTS} faults are active\nhint: end some, or give them durations"
    )]
    TooMany,
    /// Threads do not keep up with the orders.
    #[error(
        "switching a fault: too many orders wait for the server's threads\nhint: switch faults less often"
    )]
    Behind,
}

/// What a server thread is told.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::server) enum Order {
    /// A fault begins.
    Start(Active),
    /// The fault of this number ends.
    End(u64),
    /// The server is stopped: nobody may sleep on.
    Stop,
}

/// Where orders wait for the server's threads.
#[derive(Debug)]
pub(in crate::server) struct Board {
    lines: Vec<Line>,
    /// The numbers of active faults, with their ends.
    known: Mutex<Vec<(u64, Option<Instant>)>>,
}

#[derive(Debug, Default)]
struct Line {
    waiting: Mutex<VecDeque<Order>>,
    arrived: Notify,
    /// For a thread that sleeps in a stall.
    stirred: Condvar,
}

impl Board {
    /// For so many threads.
    pub fn new(lanes: usize) -> Self {
        Self {
            lines: (0..lanes).map(|_| Line::default()).collect(),
            known: Mutex::default(),
        }
    }

    /// Tells every thread that a fault begins.
    pub fn start(&self, fault: &Active) -> Result<(), FaultError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        known.retain(|(_, until)| until.is_none_or(|until| until > now));
        if known.iter().any(|(id, _)| *id == fault.id) {
            return Err(FaultError::Taken(fault.id));
        }
        if known.len() >= MOST_FAULTS {
            return Err(FaultError::TooMany);
        }
        self.post(&Order::Start(fault.clone()))?;
        if !fault.is_instant() {
            known.push((fault.id, fault.until));
        }
        Ok(())
    }

    /// Tells every thread that a fault ends; nothing happens to one that has ended by itself.
    pub fn end(&self, id: u64) -> Result<(), FaultError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        self.post(&Order::End(id))?;
        known.retain(|(known, _)| *known != id);
        Ok(())
    }

    /// Wakes the threads that sleep in a stall, for ever.
    pub fn stop(&self) {
        // A full line holds orders that a sleeping thread will not miss: it looks when stirred.
        let _ = self.post(&Order::Stop);
    }

    fn post(&self, order: &Order) -> Result<(), FaultError> {
        let full = |line: &Line| line.lock().len() >= MOST_ORDERS && *order != Order::Stop;
        if self.lines.iter().any(full) {
            return Err(FaultError::Behind);
        }
        for line in &self.lines {
            line.lock().push_back(order.clone());
            line.arrived.notify_one();
            line.stirred.notify_all();
        }
        Ok(())
    }

    /// Waits for an order to the thread `lane`.
    pub async fn take(&self, lane: usize) -> Order {
        let line = &self.lines[lane];
        loop {
            if let Some(order) = line.lock().pop_front() {
                return order;
            }
            line.arrived.notified().await;
        }
    }

    /// Sleeps, the whole thread, until `until`, or until the fault `id` or the server is ended.
    pub fn stall(&self, lane: usize, id: u64, until: Instant) {
        let line = &self.lines[lane];
        let mut waiting = line.lock();
        let ends = |order: &Order| *order == Order::End(id) || *order == Order::Stop;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || waiting.iter().any(ends) {
                return;
            }
            let woken = line.stirred.wait_timeout(waiting, left);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Line {
    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Order>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is active in one thread.
#[derive(Debug)]
pub(in crate::server) struct Faults {
    any: Cell<bool>,
    active: RefCell<Vec<Active>>,
    /// The door (accepting) has to look again.
    pub changed: Notify,
}

impl Faults {
    /// With what is active from the start.
    pub fn new(active: Vec<Active>) -> Self {
        Self {
            any: Cell::new(!active.is_empty()),
            active: RefCell::new(active),
            changed: Notify::new(),
        }
    }

    /// The only question on the path of a message when all is well.
    pub fn any(&self) -> bool {
        self.any.get()
    }

    /// What is active.
    pub fn active(&self) -> Ref<'_, Vec<Active>> {
        self.active.borrow()
    }

    /// One more.
    pub fn add(&self, fault: Active) {
        self.active.borrow_mut().push(fault);
        self.note();
    }

    /// One less.
    pub fn remove(&self, id: u64) {
        self.active.borrow_mut().retain(|fault| fault.id != id);
        self.note();
    }

    /// Forgets those whose time is over.
    pub fn expire(&self, now: Instant) {
        let lasts = |fault: &Active| fault.until.is_none_or(|until| until > now);
        self.active.borrow_mut().retain(lasts);
        self.note();
    }

    /// When the next one ends by itself; far away when none does.
    pub fn next_end(&self) -> Instant {
        let active = self.active.borrow();
        let ends = active.iter().filter_map(|fault| fault.until);
        ends.min()
            .unwrap_or_else(|| Instant::now() + Duration::from_secs(86_400))
    }

    fn note(&self) {
        self.any.set(!self.active.borrow().is_empty());
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{ServerFault, ServerFaultPlan};

    fn fault(id: u64, fault: ServerFault) -> Active {
        let plan = ServerFaultPlan {
            fault,
            probability: 1.0,
            share: 1.0,
        };
        Active::new(1, id, plan, None)
    }

    #[test]
    fn numbers_are_taken_until_they_end_and_their_number_is_bounded() {
        let board = Board::new(1);
        let drops = |id| fault(id, ServerFault::DropPongs);
        for id in 0..MOST_FAULTS as u64 {
            assert_eq!(board.start(&drops(id)), Ok(()));
        }
        assert_eq!(board.start(&drops(3)), Err(FaultError::Taken(3)));
        assert_eq!(board.start(&drops(999)), Err(FaultError::TooMany));
        assert_eq!(board.end(3), Ok(()));
        assert_eq!(board.start(&drops(3)), Ok(()));
        let mut last = Ok(());
        for _ in 0..MOST_ORDERS {
            last = board.end(999);
        }
        assert_eq!(last, Err(FaultError::Behind), "nobody takes the orders");
        board.stop();
    }

    #[tokio::test]
    async fn every_thread_gets_every_order_in_order() {
        let board = Board::new(2);
        let fault = fault(1, ServerFault::DropPongs);
        board.start(&fault).expect("room");
        board.end(1).expect("room");
        for lane in 0..2 {
            assert_eq!(board.take(lane).await, Order::Start(fault.clone()));
            assert_eq!(board.take(lane).await, Order::End(1));
        }
    }

    #[test]
    fn a_stall_is_ended_by_its_end_and_by_the_servers() {
        for end in [true, false] {
            let board = Board::new(1);
            let far = Instant::now() + Duration::from_secs(3_600);
            std::thread::scope(|scope| {
                scope.spawn(|| board.stall(0, 5, far));
                if end {
                    board.end(4).expect("room");
                    board.end(5).expect("room");
                } else {
                    board.stop();
                }
            });
        }
    }
}
