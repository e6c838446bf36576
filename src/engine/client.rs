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
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
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

/// One virtual WebSocket peer. In this order in memory: see [`Live`].
#[repr(C)]
pub struct Client<D: Dial> {
    pub(super) shard: Rc<Shard<D>>,
    pub(super) control: Rc<Control>,
    /// Messages sent so far: what `{{seq}}` counts.
    pub(super) seq: u64,
    /// Its connection replaced a lost one and no message has come on it yet.
    pub(super) returned: bool,
    pub(super) identity: Identity,
    /// Schedules that were started, by send; they outlive connections.
    pub(super) ticks: Vec<Option<Ticks>>,
    /// When it was told to leave; [`Offset::MAX`] = not yet.
    pub(super) left_at: Offset,
    backoff: Backoff,
    /// When its next dial is due: first its start, then as the reconnect policy says.
    due: Offset,
    /// When its connection was lost, until it has a new one.
    lost_at: Option<Offset>,
    /// Its URL could not be rendered: it fails like a dial would.
    broken: Option<Box<str>>,
}

/// A client's life: with a connection, or on the way to one.
///
/// A future by itself and not an `async fn`: what a client is while it has a connection lies in one piece,
/// and the way to a connection, which is large and short, in a box of its own.
#[expect(
    clippy::large_enum_variant,
    reason = "most clients have a connection most of the time, and need one box less then"
)]
pub enum Life<D: Dial> {
    /// It waits or dials.
    Away(Pin<Box<dyn Future<Output = Option<Arrived<D>>>>>),
    /// It has a connection.
    Here(Live<D>),
    /// It ended.
    Over,
}

/// What lies before a client's next dial.
#[derive(Clone, Copy)]
enum Wait {
    /// Its first: how late it starts is told first.
    Start,
    /// Nothing.
    Nothing,
    /// What the reconnect policy says.
    Policy {
        /// How long the lost connection was open, if there was one.
        open_for: Option<Duration>,
        /// How long a server asked to be left alone.
        asked: Option<Duration>,
    },
}

/// A client that got its connection, since when.
pub struct Arrived<D: Dial> {
    client: Client<D>,
    connection: Connection<D::Stream>,
    opened: Offset,
}

impl<D: Dial + 'static> Future for Life<D> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            *self = match &mut *self {
                Self::Here(live) => {
                    let ended = ready!(live.poll(cx));
                    let Self::Here(live) = std::mem::replace(&mut *self, Self::Over) else {
                        return Poll::Ready(());
                    };
                    let (mut client, opened) = live.into_client();
                    match client.lost(&ended, opened) {
                        Some(wait) => Self::Away(Box::pin(client.come_back(wait))),
                        None => {
                            client.leave();
                            Self::Over
                        }
                    }
                }
                Self::Away(way) => match ready!(way.as_mut().poll(cx)) {
                    Some(Arrived {
                        client,
                        connection,
                        opened,
                    }) => Self::Here(Live::new(client, connection, opened)),
                    None => Self::Over,
                },
                Self::Over => return Poll::Ready(()),
            };
        }
    }
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
    pub fn live(self) -> Life<D> {
        Life::Away(Box::pin(self.come_back(Wait::Start)))
    }

    /// What is before its next dial, after its connection ended; `None` = there is none.
    fn lost(&mut self, ended: &Ended, opened: Offset) -> Option<Wait> {
        self.let_go(ended, opened);
        let open_for = Some(ended.at.since(opened));
        match ended.next {
            Next::Leave => None,
            Next::Restart => {
                let plan = &self.shard.plan.scenario.reconnect;
                self.backoff.lost(plan, open_for);
                self.due = ended.at;
                Some(Wait::Nothing)
            }
            Next::Reconnect => {
                self.lost_at = Some(ended.at);
                let asked = None;
                Some(Wait::Policy { open_for, asked })
            }
        }
    }

    /// On the way to its next connection; `None` = there is none, and it has left.
    async fn come_back(mut self, wait: Wait) -> Option<Arrived<D>> {
        match self.connect(wait).await {
            Some((connection, opened)) => Some(Arrived {
                client: self,
                connection,
                opened,
            }),
            None => {
                self.leave();
                None
            }
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

    /// Waits and dials until it has a connection, with since when; `None` = the run ended, it was to
    /// leave, or the policy gave up.
    async fn connect(&mut self, mut wait: Wait) -> Option<(Connection<D::Stream>, Offset)> {
        if let Wait::Start = wait {
            let lag = self.shard.now().since(self.due);
            let origin = self.shard.plan.origin(self.due);
            self.shard.record(origin, Metric::ArrivalLag, lag);
        }
        loop {
            // Boxed: of those that wait few dial, and the other way round.
            if let Wait::Policy { open_for, asked } = wait
                && !Box::pin(self.back_off(open_for, asked)).await
            {
                return None;
            }
            if self.shard.stage.get() >= Stage::Draining || self.control.leave.get() {
                return None;
            }
            match Box::pin(self.dial()).await? {
                Ok(dialled) => return Some(self.take_up(dialled)),
                Err(asked) => {
                    let open_for = None;
                    wait = Wait::Policy { open_for, asked };
                }
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
            let door = &self.identity.door;
            let source = self.identity.source(&shard.plan);
            let attempt = shard.dialler.dial(&door.url, &door.request, source);
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

    /// Takes up a connection and says since when.
    fn take_up(&mut self, dialled: Dialled<D::Stream>) -> (Connection<D::Stream>, Offset) {
        let opened = self.shard.now();
        let shard = &self.shard;
        let limits = shard.plan.limits();
        let leftover = dialled.answer.leftover;
        let connection = Connection::new(dialled.stream, Role::Client, limits, &leftover);
        shard.connected.set(shard.connected.get() + 1);
        self.control.connected.set(true);
        self.control.order.take();
        (connection, opened)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Dialler;

    /// With the 104 bytes tokio adds for a task it is 896, a multiple of the 128 tasks are aligned to:
    /// a byte more costs 128.
    #[test]
    fn a_client_is_small() {
        let bytes = size_of::<Life<Dialler>>();
        assert!(bytes <= 792, "{bytes} bytes");
    }
}
