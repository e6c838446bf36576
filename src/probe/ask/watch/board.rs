//! What all parts of a watch know of each other. One thread, so cells are enough.

use std::cell::{Cell, RefCell};

use tokio::time::{Instant, sleep};

use super::plan::Plan;
use super::{Seconds, TICK};
use crate::probe::ask::exchange::OpenCount;
use crate::probe::seen::{Exchange, Hold, HoldKind, Millis, Round};

/// What was seen so far, and what is to be done.
#[derive(Debug)]
pub struct Board {
    /// The start of the watch.
    pub started: Instant,
    /// In the order of opening.
    pub holds: RefCell<Vec<Hold>>,
    /// In the order of dialling.
    pub rounds: RefCell<Vec<Round>>,
    open: OpenCount,
    stopped: Cell<bool>,
    /// Handshakes begun, with the one that has no outcome yet.
    pub begun: Cell<usize>,
    /// A trial is going on: it is worth its time.
    pub trying: Cell<bool>,
}

impl Board {
    /// Nothing seen yet.
    pub fn new(open: OpenCount) -> Self {
        Self {
            started: Instant::now(),
            holds: RefCell::default(),
            rounds: RefCell::default(),
            open,
            stopped: Cell::new(false),
            begun: Cell::new(0),
            trying: Cell::new(false),
        }
    }

    /// Since the start.
    pub fn now(&self) -> Seconds {
        self.started.elapsed().as_secs_f64()
    }

    /// Everybody comes to an end.
    pub fn stop(&self) {
        self.stopped.set(true);
    }

    /// Whether everybody is to come to an end.
    pub fn is_stopped(&self) -> bool {
        self.stopped.get()
    }

    /// Nothing more is to be learnt.
    pub fn over(&self, plan: &Plan, last: Seconds) -> bool {
        let now = self.now();
        let holds = self.holds.borrow();
        let open = |hold: &&Hold| hold.refused.is_none() && hold.ended.is_none();
        let held = u32::try_from(holds.iter().filter(open).count()).unwrap_or(u32::MAX);
        let others = self.open().saturating_sub(held);
        let until = plan.until(&holds, &self.rounds.borrow(), now, others);
        now >= last || (now >= until && !self.trying.get())
    }

    /// Waits until then, or until everything stops.
    pub async fn wait_until(&self, at: Seconds) {
        while !self.is_stopped() && self.now() < at {
            sleep(TICK).await;
        }
    }

    /// Connections of this probe that are open now, whoever opened them.
    pub fn open(&self) -> u32 {
        self.open.now()
    }

    /// Writes down a hold that begins, or that was refused; gives its place.
    pub fn add(&self, kind: HoldKind, opened: Seconds, refused: Option<Exchange>) -> usize {
        let mut holds = self.holds.borrow_mut();
        holds.push(Hold {
            kind,
            opened_ms: Millis(opened * 1e3),
            refused,
            held_ms: Millis::default(),
            frames: 0,
            server_pings: 0,
            pongs: 0,
            pings: 0,
            last_pong_ms: None,
            ended: None,
            final_pong: None,
            tcp: None,
            freed: false,
            longest_gap_ms: Millis::default(),
        });
        holds.len() - 1
    }

    /// Changes what is known of one hold.
    pub fn change(&self, index: usize, change: impl FnOnce(&mut Hold)) {
        if let Some(hold) = self.holds.borrow_mut().get_mut(index) {
            change(hold);
        }
    }

    /// Whether we end that one to make room.
    pub fn is_freed(&self, index: usize) -> bool {
        self.holds.borrow().get(index).is_some_and(|h| h.freed)
    }

    /// Ends the hold that is least worth; gives its kind. The silent one goes last.
    pub fn free_one(&self) -> Option<HoldKind> {
        let worth = |kind: &HoldKind| match kind {
            HoldKind::KeepAlive(_) => 0,
            HoldKind::Deaf => 1,
            HoldKind::OneWay(_) => 2,
            HoldKind::Text(_) => 3,
            HoldKind::Ping(_) => 4,
            HoldKind::Silent => 5,
        };
        let mut holds = self.holds.borrow_mut();
        let hold = (holds.iter_mut())
            .filter(|h| h.refused.is_none() && h.ended.is_none() && !h.freed)
            .min_by_key(|h| worth(&h.kind))?;
        hold.freed = true;
        Some(hold.kind)
    }
}
