//! Everything a server thread has to do later, with one timer for all of its connections.
//!
//! Each kind of alarm has one span (10 s for a handshake, the ping interval, ...), so those of a
//! kind fall due in the order they were set: a queue each is enough, and setting one costs 24 bytes.
//! Only what faults do has spans of all lengths: those wait in a heap.
//! Nothing is cancelled: whoever is called looks whether it still matters.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::convert::Infallible;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::time::Instant;

use super::timer::Timer;

/// Stands for spans beyond what the clock can count.
const FAR: Duration = Duration::from_secs(30 * 365 * 86_400);

/// What an alarm is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bell {
    /// TCP, TLS and upgrade have to be done.
    Handshake,
    /// Time for the next server ping.
    Ping,
    /// The end of the closing handshake has to be there.
    Linger,
    /// A connection has something to do: a delayed message, or what a fault has in store.
    Turn,
}

const BELLS: [Bell; 4] = [Bell::Handshake, Bell::Ping, Bell::Linger, Bell::Turn];

/// The alarms of one thread.
#[derive(Debug)]
pub(super) struct Alarm {
    spans: [Duration; 4],
    queues: RefCell<[VecDeque<(Instant, u64)>; 4]>,
    /// Turns of any span.
    turns: RefCell<BinaryHeap<Reverse<(Instant, u64)>>>,
    waker: RefCell<Option<Waker>>,
}

impl Alarm {
    /// With the span of each kind.
    pub fn new(span: impl Fn(Bell) -> Duration) -> Self {
        Self {
            spans: BELLS.map(span),
            queues: RefCell::default(),
            turns: RefCell::default(),
            waker: RefCell::new(None),
        }
    }

    /// Rings for `id` one span from `now`; returns when.
    pub fn set(&self, bell: Bell, now: Instant, id: u64) -> Instant {
        let span = self.spans[bell as usize];
        let due = now.checked_add(span).unwrap_or(now + FAR);
        let queue = &mut self.queues.borrow_mut()[bell as usize];
        queue.push_back((due, id));
        // Only the first of a queue can be earlier than what the timer waits for.
        if queue.len() == 1
            && let Some(waker) = self.waker.take()
        {
            waker.wake();
        }
        due
    }

    /// Rings [`Bell::Turn`] for `id` at `due`.
    pub fn set_turn(&self, due: Instant, id: u64) {
        let mut turns = self.turns.borrow_mut();
        let earliest = turns.peek().is_none_or(|Reverse((first, _))| due < *first);
        turns.push(Reverse((due, id)));
        if earliest && let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Calls `ring` for everything due, for ever.
    pub fn poll(
        &self,
        cx: &mut Context<'_>,
        timer: &mut Timer,
        ring: &mut impl FnMut(Bell, u64),
    ) -> Poll<Infallible> {
        loop {
            let now = Instant::now();
            while let Some((bell, id)) = self.pop(now) {
                ring(bell, id);
            }
            self.waker.replace(Some(cx.waker().clone()));
            let Some(due) = self.next() else {
                return Poll::Pending;
            };
            ready!(timer.poll_until(cx, due));
        }
    }

    fn pop(&self, now: Instant) -> Option<(Bell, u64)> {
        let mut queues = self.queues.borrow_mut();
        for bell in BELLS {
            let queue = &mut queues[bell as usize];
            if let Some(&(due, id)) = queue.front()
                && due <= now
            {
                queue.pop_front();
                return Some((bell, id));
            }
        }
        let mut turns = self.turns.borrow_mut();
        let first = turns.peek_mut()?;
        if first.0.0 > now {
            return None;
        }
        let Reverse((_, id)) = std::collections::binary_heap::PeekMut::pop(first);
        Some((Bell::Turn, id))
    }

    fn next(&self) -> Option<Instant> {
        let queues = self.queues.borrow();
        let heads = queues.iter().filter_map(VecDeque::front);
        let turns = self.turns.borrow();
        let turn = turns.peek().map(|Reverse((due, _))| *due);
        heads.map(|(due, _)| *due).chain(turn).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    #[tokio::test(start_paused = true)]
    async fn kinds_ring_in_the_order_of_their_spans() {
        let alarm = Rc::new(Alarm::new(|bell| match bell {
            Bell::Handshake => Duration::from_secs(10),
            Bell::Ping => Duration::from_secs(3),
            Bell::Linger => Duration::from_secs(1),
            Bell::Turn => Duration::from_millis(20),
        }));
        let start = Instant::now();
        let rung = Rc::new(RefCell::new(Vec::new()));
        let (task_alarm, log) = (Rc::clone(&alarm), Rc::clone(&rung));
        let local = tokio::task::LocalSet::new();
        local.spawn_local(async move {
            let mut timer = Timer::runtime();
            let mut ring = |bell, id| {
                let at = start.elapsed().as_millis();
                log.borrow_mut().push((at, bell, id));
                if bell == Bell::Ping && id < 12 {
                    task_alarm.set(Bell::Ping, Instant::now(), id + 1);
                }
            };
            std::future::poll_fn(|cx| task_alarm.poll(cx, &mut timer, &mut ring)).await
        });
        alarm.set(Bell::Handshake, start, 1);
        alarm.set(Bell::Ping, start, 11);
        local
            .run_until(async {
                tokio::time::sleep(Duration::from_millis(500)).await;
                alarm.set(Bell::Linger, Instant::now(), 3);
                alarm.set(Bell::Turn, Instant::now(), 4);
                alarm.set_turn(start + Duration::from_secs(4), 6);
                alarm.set_turn(start + Duration::from_secs(2), 5);
                tokio::time::sleep(Duration::from_secs(20)).await;
            })
            .await;
        assert_eq!(
            *rung.borrow(),
            [
                (520, Bell::Turn, 4),
                (1500, Bell::Linger, 3),
                (2000, Bell::Turn, 5),
                (3000, Bell::Ping, 11),
                (4000, Bell::Turn, 6),
                (6000, Bell::Ping, 12),
                (10_000, Bell::Handshake, 1),
            ]
        );
    }
}
