//! A client's life: dial, hold the connection, wait, dial again.
//!
//! ```text
//!        +--------- wait (reconnect policy) <---------+
//!        v                                            |
//!  start -> dial --ok--> live connection --lost-------+
//!             |                |  closed by its own step: dial again at once (closed load)
//!           failed             +--told to leave, or the run ends--> end
//!             +--> wait, or give up
//! ```

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use super::events::{connection_ended, dial_ended};
use super::identity::Identity;
use super::live::{Ended, Live, Next, skip};
use super::reconnect::{Backoff, respecting};
use super::schedule::Ticks;
use super::shard::{Control, Shard};
use super::stage::Stage;
use crate::clock::Offset;
use crate::failure::FailureKind;
use crate::metrics::{ConnectionStep, Counter, Metric, Origin};
use crate::scenario::{ReconnectPolicy, redact};
use crate::wire::{Connection, Dial, DialError, Dialled, Role, Timings};

/// What became of an attempt; a failure tells how long the server asks to be left alone.
type DialEnd<S> = Result<Dialled<S>, Option<Duration>>;

/// A connection and since when it is open; or as [`DialEnd`].
type TakenUp<'c, D> = Result<(Live<'c, D>, Offset), Option<Duration>>;

/// One virtual WebSocket peer.
pub struct Client<D: Dial> {
    pub(super) shard: Rc<Shard<D>>,
    pub(super) control: Rc<Control>,
    pub(super) identity: Identity,
    /// Schedules that were started, by send; they outlive connections.
    pub(super) ticks: Vec<Option<Ticks>>,
    /// Messages sent so far: what `{{seq}}` counts.
    pub(super) seq: u64,
    /// When it was told to leave; [`Offset::MAX`] = not yet.
    pub(super) left_at: Offset,
    backoff: Backoff,
    /// When its next dial is due: first its start, then as the reconnect policy says.
    due: Offset,
    /// When its connection was lost, until it has a new one.
    lost_at: Option<Offset>,
    /// Its connection replaced a lost one and no message has come on it yet.
    pub(super) returned: bool,
    /// Its URL could not be rendered: it fails like a dial would.
    broken: Option<Box<str>>,
}

impl<D: Dial + 'static> Client<D> {
    /// A client that was to start at `due`.
    pub fn new(shard: Rc<Shard<D>>, control: Rc<Control>, number: u64, due: Offset) -> Self {
        let plan = Rc::clone(&shard);
        let (identity, broken) = match Identity::new(&plan.plan, number) {
            Ok(identity) => (identity, None),
            Err(error) => (Identity::nowhere(number), Some(error.to_string().into())),
        };
        Self {
            shard,
            control,
            identity,
            ticks: Vec::new(),
            seq: 0,
            left_at: Offset::MAX,
            backoff: Backoff::default(),
            due,
            lost_at: None,
            returned: false,
            broken,
        }
    }

    /// Lives until the run ends, the load falls, or the policy gives up.
    #[expect(
        clippy::manual_async_fn,
        reason = "an async fn would hold the client twice: as argument and as variable"
    )]
    pub fn run(mut self) -> impl Future<Output = ()> {
        async move {
            self.live().await;
            self.leave();
        }
    }

    fn leave(&mut self) {
        let over = self.shard.drain_began.get().min(self.shard.now());
        let over = over.min(self.left_at);
        for ticks in self.ticks.iter_mut().flatten() {
            skip(&self.shard, ticks, over);
        }
        self.happened(self.shard.now(), ConnectionStep::Left);
        self.shard.forget(self.identity.number, &self.control);
    }

    async fn live(&mut self) {
        let lag = self.shard.now().since(self.due);
        let origin = self.shard.plan.origin(self.due);
        self.shard.record(origin, Metric::ArrivalLag, lag);
        while self.shard.stage.get() < Stage::Draining && !self.control.leave.get() {
            // In steps, and the connection by reference in a block of its own: what a future has matched
            // on, or lent, it holds as long as what it waits for next.
            // Boxed: a dial is large and short, a client small and long.
            let dialled = Box::pin(self.dial()).await;
            let ended = {
                let mut held = match self.take_up(dialled) {
                    None => return,
                    Some(held) => held,
                };
                match &mut held {
                    Ok((live, opened)) => Ok((live.await, *opened)),
                    Err(retry_after) => Err(*retry_after),
                }
            };
            let (open_for, asked) = match ended {
                Err(retry_after) => (None, retry_after),
                Ok((ended, opened)) => {
                    self.let_go(&ended, opened);
                    match ended.next {
                        Next::Leave => return,
                        Next::Restart => {
                            let plan = &self.shard.plan.scenario.reconnect;
                            self.backoff.lost(plan, Some(ended.at.since(opened)));
                            self.due = ended.at;
                            continue;
                        }
                        Next::Reconnect => {}
                    }
                    self.lost_at = Some(ended.at);
                    (Some(ended.at.since(opened)), None)
                }
            };
            if !Box::pin(self.back_off(open_for, asked)).await {
                return;
            }
        }
    }

    /// One attempt; `None` when the run ended, or the client was to leave, first. A failure tells how
    /// long the server asks to be left alone.
    async fn dial(&mut self) -> Option<DialEnd<D::Stream>> {
        let shard = Rc::clone(&self.shard);
        if !shard.admit(self.due, &self.control).await {
            return None;
        }
        let begun = shard.now();
        let origin = shard.plan.origin(begun);
        shard.count(origin, Counter::ConnectionsAttempted);
        self.happened(begun, ConnectionStep::Attempt { due: self.due });
        let again = self.lost_at.is_some();
        if again {
            shard.count(origin, Counter::ReconnectsAttempted);
        }
        if let Some(error) = &self.broken {
            let text = format!("the rendered URL is wrong: {error}");
            let kind = FailureKind::Dns;
            let dial = Default::default();
            self.happened(begun, ConnectionStep::Failed { kind, dial });
            let mut recorder = shard.recorder.borrow_mut();
            recorder.fail(origin, kind, || text);
            return Some(Err(None));
        }
        let ended = {
            let Identity { door, source, .. } = &self.identity;
            let attempt = shard.dialler.dial(&door.url, &door.request, *source);
            // Its own box: many may wait to be admitted, few are under way.
            let mut attempt = Box::pin(attempt);
            let slot = self.control.slot;
            poll_fn(|cx| {
                if shard.stage.get() >= Stage::Draining {
                    return Poll::Ready(None);
                }
                shard.pacer.arm(slot, Offset::MAX, cx.waker());
                // After a stall the dialler has to know of it before it judges its deadline.
                shard.now();
                attempt.as_mut().poll(cx).map(Some)
            })
            .await
        };
        let Some(result) = ended else {
            shard.count(origin, Counter::ConnectionsAbandoned);
            self.happened(shard.now(), ConnectionStep::Abandoned);
            return None;
        };
        self.happened(shard.now(), dial_ended(&result));
        Some(self.book_dial(origin, result, again))
    }

    fn book_dial(
        &mut self,
        origin: Origin,
        result: Result<Dialled<D::Stream>, Box<DialError>>,
        again: bool,
    ) -> DialEnd<D::Stream> {
        let mut recorder = self.shard.recorder.borrow_mut();
        let timings = match &result {
            Ok(dialled) => dialled.answer.timings,
            Err(error) => error.timings,
        };
        let Timings {
            resolve,
            tcp_connect,
            tls_handshake,
            upgrade,
            handshake,
            ..
        } = timings;
        let phases = [
            (Metric::Resolve, resolve),
            (Metric::TcpConnect, tcp_connect),
            (Metric::TlsHandshake, tls_handshake),
            (Metric::Upgrade, upgrade),
            (Metric::Handshake, result.is_ok().then_some(handshake)),
        ];
        for (metric, took) in phases {
            if let Some(took) = took {
                recorder.record(origin, metric, took);
            }
        }
        match result {
            Ok(dialled) => {
                recorder.count(origin, Counter::ConnectionsOpened);
                if let (true, Some(lost)) = (again, self.lost_at.take()) {
                    recorder.count(origin, Counter::Reconnected);
                    let took = self.shard.now().since(lost);
                    recorder.record(origin, Metric::ReconnectTime, took);
                    self.returned = true;
                }
                Ok(dialled)
            }
            Err(error) => {
                let DialError {
                    kind,
                    detail,
                    retry_after,
                    ..
                } = *error;
                // Before it is cut to length: half a secret would pass unseen.
                let secrets = &self.shard.plan.scenario.secrets;
                recorder.fail(origin, kind, || redact(&detail, secrets).into_owned());
                Err(retry_after)
            }
        }
    }

    /// Takes up a connection and says since when; its future ends with it.
    fn take_up(&mut self, dialled: Option<DialEnd<D::Stream>>) -> Option<TakenUp<'_, D>> {
        let dialled = match dialled? {
            Ok(dialled) => dialled,
            Err(retry_after) => return Some(Err(retry_after)),
        };
        let opened = self.shard.now();
        let shard = &self.shard;
        let limits = shard.plan.limits();
        let leftover = dialled.answer.leftover;
        let connection = Connection::new(dialled.stream, Role::Client, limits, &leftover);
        shard.connected.set(shard.connected.get() + 1);
        self.control.connected.set(true);
        self.control.order.take();
        Some(Ok((Live::new(self, connection, opened), opened)))
    }

    /// Books the end of a connection.
    fn let_go(&mut self, ended: &Ended, opened: Offset) {
        let shard = &self.shard;
        shard.connected.set(shard.connected.get() - 1);
        self.control.connected.set(false);
        self.returned = false;
        self.happened(ended.at, connection_ended(ended));
        let origin = shard.plan.origin(ended.at);
        if ended.cut {
            shard.cut_open.set(shard.cut_open.get() + 1);
            return;
        }
        let mut recorder = shard.recorder.borrow_mut();
        let secrets = &shard.plan.scenario.secrets;
        recorder.close(origin, ended.cause, || {
            redact(&ended.example, secrets).into_owned()
        });
        recorder.record(origin, Metric::SessionTime, ended.at.since(opened));
    }

    /// Waits as the policy says, and as long as a busy server `asked` for within its limits; false when
    /// it gives up or the run is over.
    async fn back_off(&mut self, open_for: Option<Duration>, asked: Option<Duration>) -> bool {
        let shard = Rc::clone(&self.shard);
        let plan = &shard.plan.scenario.reconnect;
        self.backoff.lost(plan, open_for);
        let Some(delay) = self.backoff.next(plan, &mut self.identity.rng) else {
            if plan.policy != ReconnectPolicy::None {
                let now = shard.now();
                shard.count(shard.plan.origin(now), Counter::GaveUp);
                self.happened(now, ConnectionStep::GaveUp);
            }
            return false;
        };
        self.due = shard.now() + respecting(delay, asked, plan);
        let (slot, until) = (self.control.slot, Stage::Draining);
        let control = Some(&*self.control);
        shard.sleep(slot, self.due, until, control).await;
        true
    }
}
