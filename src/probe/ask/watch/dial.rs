//! Handshakes of a watch, one after the other, so that their order means something.

use std::pin::pin;
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, timeout};

use super::board::Board;
use super::plan::{MAX_HOLDS, MAX_ROUNDS, Open, Plan};
use super::scan::Scan;
use super::{TICK, greeting};
use crate::probe::ask::exchange::{Path, Upgraded};
use crate::probe::seen::{Exchange, HoldKind, Millis, Outcome, Round, Session, Variation, Why};
use crate::wire::inspect::Read;
use crate::wire::{Control, OpCode, encode_frame};

/// How long a handshake may take at least, before it counts as waiting.
const PATIENCE: Duration = Duration::from_millis(1_500);
/// How long the first message, or a close, of a new connection is waited for.
const GREETING: Duration = Duration::from_millis(100);
/// Refusals in a row that start a trial.
const IN_ROW: u32 = 3;
/// Repetitions at once, in all.
const RETRIES: u32 = 12;
/// Connections of ours that are closed because another waits.
const MADE_ROOM: u32 = 2;
/// A rate limit lets something through after so long.
const PAUSE: f64 = 1.1;
/// The other side needs a moment to notice that a connection is gone.
const NOTICE: f64 = 0.25;

/// A hold that begins: its place, the place of its handshake, the connection.
pub type Begun = (usize, usize, Upgraded);

/// Makes the handshakes.
pub struct Dialler<'a> {
    path: &'a Path<'a>,
    board: &'a Board,
    plan: &'a Plan,
    give: Sender<Begun>,
    patience: Duration,
    in_row: u32,
    retries: u32,
    made_room: u32,
    tried: bool,
}

impl<'a> Dialler<'a> {
    /// `first` shows how long a good handshake takes here.
    pub fn new(
        path: &'a Path<'a>,
        board: &'a Board,
        plan: &'a Plan,
        first: &Exchange,
        give: Sender<Begun>,
    ) -> Self {
        let usual = Duration::from_secs_f64(first.took_ms.seconds().clamp(0.0, 60.0));
        Self {
            path,
            board,
            plan,
            give,
            patience: PATIENCE.max(3 * usual).min(path.settings.timeout),
            in_row: 0,
            retries: 0,
            made_room: 0,
            tried: false,
        }
    }

    /// Opens what is planned, then looks now and then, until the watch is over.
    pub async fn run(mut self) {
        for &(at, what) in &self.plan.opens {
            self.board.wait_until(at).await;
            if self.board.is_stopped() {
                return;
            }
            self.open(what).await;
        }
        while self.board.rounds.borrow().len() < MAX_ROUNDS {
            let next = {
                let holds = self.board.holds.borrow();
                self.plan.next_look(self.board.now(), &holds)
            };
            self.board.wait_until(next).await;
            if self.board.is_stopped() {
                return;
            }
            self.open(Open::Look).await;
        }
    }

    async fn open(&mut self, what: Open) {
        let (kind, why) = match what {
            Open::Hold(kind) => (Some(kind), Why::Hold),
            Open::Look => (None, Why::Look),
        };
        if kind.is_some() && self.board.holds.borrow().len() >= MAX_HOLDS {
            return;
        }
        let mut good = self.dial(kind, why).await;
        if !good && !self.was_silent() && self.retries < RETRIES && !self.board.is_stopped() {
            self.retries += 1;
            good = self.dial(kind, Why::Retry).await;
        }
        if good {
            return;
        }
        if let Some(kind) = kind {
            let last = self.board.rounds.borrow().last().cloned();
            let refused = last.map(|round| round.exchange);
            self.board.add(kind, self.board.now(), refused);
        }
        if self.in_row >= IN_ROW && !self.tried && self.board.open() > 0 {
            self.board.trying.set(true);
            self.find_out().await;
            self.board.trying.set(false);
        }
    }

    /// The last handshake had no answer: asking again would only wait again.
    fn was_silent(&self) -> bool {
        let rounds = self.board.rounds.borrow();
        let silent = |round: &Round| round.exchange.outcome == Outcome::NoBytes { end: None };
        rounds.last().is_some_and(silent)
    }

    /// Refused several times in a row while some are open: is it their number, or time?
    async fn find_out(&mut self) {
        self.tried = true;
        self.board.wait_until(self.board.now() + PAUSE).await;
        if self.dial(None, Why::AfterPause).await || !self.may_be_number() {
            return;
        }
        if let Some(kind) = self.board.free_one() {
            self.board.wait_until(self.board.now() + NOTICE).await;
            self.dial(Some(kind), Why::AfterClosing).await;
        }
    }

    /// Nothing was accepted while more connections were open than now.
    fn may_be_number(&self) -> bool {
        let now = self.board.open();
        let rounds = self.board.rounds.borrow();
        !rounds
            .iter()
            .any(|round| is_good(round) && round.open > now)
    }

    /// One handshake; says whether the connection is good. A good one is held when `kind` is given.
    async fn dial(&mut self, kind: Option<HoldKind>, why: Why) -> bool {
        let (at, open) = (self.board.now(), self.board.open());
        let place = self.board.rounds.borrow().len();
        self.board.begun.set(place + 1);
        let Some((exchange, upgraded, after)) = self.ask().await else {
            return true;
        };
        let mut round = Round {
            at_ms: Millis(at * 1e3),
            exchange,
            closed: None,
            reason: String::new(),
            node: None,
            open,
            why,
            answered_after_closing_ms: after,
        };
        let mut upgraded = upgraded.filter(|_| round.exchange.is_upgrade());
        if let Some(upgraded) = &mut upgraded {
            greet(upgraded, &mut round).await;
        }
        let good = is_good(&round);
        self.board.rounds.borrow_mut().push(round);
        self.in_row = if good { 0 } else { self.in_row + 1 };
        match (upgraded, kind) {
            (Some(upgraded), Some(kind)) if good => {
                let opened = (upgraded.since - self.board.started).as_secs_f64();
                let index = self.board.add(kind, opened, None);
                // As many places as holds: it cannot be full.
                let _ = self.give.try_send((index, place, upgraded));
            }
            (Some(mut upgraded), _) => finish(&mut upgraded).await,
            (None, _) => {}
        }
        good
    }

    /// Asks, and when no answer comes, makes room by closing one of ours. `None`: the watch is over.
    async fn ask(&mut self) -> Option<(Exchange, Option<Upgraded>, Option<Millis>)> {
        let deadline = Instant::now() + 2 * self.patience;
        let mut asking = pin!(self.path.ask_and_keep(Variation::Again, deadline));
        let waiting = Instant::now();
        let mut freed = None;
        loop {
            if let Ok((exchange, open)) = timeout(TICK, asking.as_mut()).await {
                let answered = exchange.answer().is_some();
                let after = freed.map(|at: Instant| Millis::from(at.elapsed()));
                return Some((exchange, open, after.filter(|_| answered)));
            }
            if self.board.is_stopped() {
                return None;
            }
            if freed.is_none() && waiting.elapsed() > self.patience && self.made_room < MADE_ROOM {
                self.made_room += 1;
                freed = self.board.free_one().map(|_| Instant::now());
            }
        }
    }
}

/// A connection that may be used.
fn is_good(round: &Round) -> bool {
    round.exchange.is_upgrade() && round.closed.is_none()
}

/// Waits a little for what the server says first; what came stays with the connection.
async fn greet(open: &mut Upgraded, round: &mut Round) {
    let until = Instant::now() + GREETING;
    let mut scan = Scan::default();
    let mut message = None;
    let mut seen = 0;
    loop {
        let mut fresh = open.leftover[seen..].to_vec();
        seen = open.leftover.len();
        for frame in scan.push(&mut fresh) {
            if let Some(code) = frame.close_code() {
                round.closed = Some(code);
                round.reason = Session::text(frame.reason());
            } else if matches!(frame.opcode, 1 | 2) && message.is_none() {
                message = Some(frame.start);
            }
        }
        if round.closed.is_some() {
            break;
        }
        match open.line.read(&mut open.leftover, until).await {
            Read::Bytes(_) => {}
            Read::Ended(_) | Read::TimedOut => break,
        }
    }
    round.node = greeting::node(&round.exchange, message.as_deref());
}

/// Closes at once with 1000.
pub async fn finish(open: &mut Upgraded) {
    let mut bytes = Vec::new();
    let mask = Some(fastrand::u32(..).to_ne_bytes());
    let code = 1000u16.to_be_bytes();
    encode_frame(OpCode::Control(Control::Close), &code, mask, &mut bytes);
    let until = Instant::now() + GREETING;
    // It may be gone already: then it is closed.
    let _ = open.line.send(&bytes, until).await;
    let _ = open.line.read(&mut open.leftover, until).await;
    open.line.finish(until).await;
}
