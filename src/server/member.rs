//! One connection as the rest of its thread sees it: a mailbox, orders and a bell.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::task::Waker;

use tokio::time::Instant;

use crate::scenario::ServerEnding;

/// Mailboxes above this are given back once they are empty, so that idle connections stay small.
const KEEP: usize = 1024;

/// What a connection can be told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Send a ping.
    Ping,
    /// End with RST: the peer does not answer.
    Reset,
    /// The deadline of the handshake, or of the closing, has passed.
    GiveUp,
    /// Close with 1001: the server goes away.
    GoAway,
    /// Close with 1008: the peer does not read what others send.
    Overflow,
    /// A fault ends it: see [`Member::end`].
    End,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// TLS or the upgrade is under way.
    Handshake,
    /// Messages flow.
    Open,
    /// It is being closed.
    Leaving,
}

/// The shared part of a connection.
#[derive(Debug)]
pub(super) struct Member {
    /// Unique within the server.
    pub id: u64,
    pub stage: Cell<Stage>,
    /// A server ping is out and no pong has come since.
    pub awaiting_pong: Cell<bool>,
    /// When it became a WebSocket.
    pub opened: Cell<Option<Instant>>,
    /// How a fault ends it; FIN as long as none does.
    pub ending: Cell<ServerEnding>,
    /// The chat room it is in.
    pub room: RefCell<Option<Arc<str>>>,
    orders: Cell<u8>,
    mail: RefCell<Vec<u8>>,
    running: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Member {
    pub fn new(id: u64) -> Self {
        Self {
            id,
            stage: Cell::new(Stage::Handshake),
            awaiting_pong: Cell::new(false),
            opened: Cell::new(None),
            ending: Cell::new(ServerEnding::Fin),
            room: RefCell::new(None),
            orders: Cell::new(0),
            mail: RefCell::new(Vec::new()),
            running: Cell::new(false),
            waker: RefCell::new(None),
        }
    }

    /// The connection starts a turn: it will look at its orders and its mail by itself.
    pub fn begin_turn(&self, waker: &Waker) {
        self.running.set(true);
        let mut known = self.waker.borrow_mut();
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }

    /// The turn is over: from now on it has to be woken.
    pub fn end_turn(&self) {
        self.running.set(false);
    }

    /// Gives the connection a turn.
    pub fn wake(&self) {
        if self.running.get() {
            return;
        }
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Tells the connection what to do in its next turn.
    pub fn order(&self, order: Order) {
        self.orders.set(self.orders.get() | 1 << order as u8);
        self.wake();
    }

    /// Tells the connection to end in this way.
    pub fn end(&self, ending: ServerEnding) {
        self.ending.set(ending);
        self.order(Order::End);
    }

    /// Whether it was told so since it last looked.
    pub fn take_order(&self, order: Order) -> bool {
        let bit = 1 << order as u8;
        let orders = self.orders.get();
        self.orders.set(orders & !bit);
        orders & bit != 0
    }

    /// Puts encoded frames into the mailbox; wakes once a batch. Beyond `limit` bytes the mail is
    /// refused and the connection told to close.
    pub fn deliver(&self, frames: &[u8], limit: usize) -> bool {
        let mut mail = self.mail.borrow_mut();
        let first = mail.is_empty();
        if !first && mail.len() + frames.len() > limit {
            drop(mail);
            self.order(Order::Overflow);
            return false;
        }
        mail.extend_from_slice(frames);
        drop(mail);
        if first {
            self.wake();
        }
        true
    }

    /// Hands the mail over, all of it.
    pub fn take_mail<R>(&self, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let mut mail = self.mail.borrow_mut();
        if mail.is_empty() {
            return None;
        }
        let result = read(&mail);
        if mail.capacity() > KEEP {
            *mail = Vec::new();
        } else {
            mail.clear();
        }
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_batch_wakes_once_and_never_a_running_connection() {
        let count = Arc::new(Count::default());
        let member = Member::new(1);
        let woken = || count.0.load(Ordering::Relaxed);
        member.begin_turn(&Waker::from(Arc::clone(&count)));
        assert!(member.deliver(b"a", 10));
        assert_eq!(woken(), 0);
        assert_eq!(member.take_mail(<[u8]>::len), Some(1));
        member.end_turn();
        assert!(member.deliver(b"b", 10));
        assert!(member.deliver(b"c", 10));
        assert_eq!(woken(), 1);
        assert_eq!(member.take_mail(<[u8]>::to_vec), Some(b"bc".to_vec()));
        assert_eq!(member.take_mail(<[u8]>::len), None);
    }

    #[test]
    fn a_full_mailbox_refuses_and_orders_the_end() {
        let member = Member::new(1);
        assert!(member.deliver(&[0; 20], 10), "one frame always fits");
        assert!(!member.deliver(b"x", 10));
        assert!(member.take_order(Order::Overflow));
        assert!(!member.take_order(Order::Overflow));
        assert!(!member.take_order(Order::Ping));
    }
}
