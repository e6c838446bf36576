//! How a live connection ends: by us, by the peer, or by an accident; and what was outstanding then.

use std::time::Duration;

use super::State;
use crate::clock::Offset;
use crate::engine::matching::QuestionKind;
use crate::engine::shard::Shard;
use crate::engine::stage::Stage;
use crate::failure::{CloseCause, FailureKind};
use crate::metrics::{Counter, Metric};
use crate::wire::{Carrier, Connection, Dial, Ending, Outbox, Scratch};

/// How long the close frame of a violation gets to reach the peer.
const LINGER: Duration = Duration::from_millis(200);

/// What a client does after its connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing any more.
    Leave,
    /// A new session at once.
    Restart,
    /// What the reconnect policy says.
    Reconnect,
}

/// The end of a connection.
#[derive(Clone, Debug)]
pub struct Ended {
    /// When.
    pub at: Offset,
    /// How.
    pub cause: CloseCause,
    /// What now.
    pub next: Next,
    /// What the peer said, for people.
    pub example: String,
    /// It was still open when the run was cut off: not closed, but open at the end.
    pub cut: bool,
    /// The peer did not end TCP in time.
    pub overdue: bool,
}

/// How far a close handshake is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// Nobody has closed.
    Open,
    /// Our close frame is out.
    Asked {
        deadline: Offset,
        next: Next,
        answered: bool,
    },
    /// The peer closed first and has our answer; it is to end TCP (RFC 6455 7.1.1).
    Answered {
        deadline: Offset,
        close: Box<PeerClose>,
    },
    /// The heartbeat rule declared it dead; watched until the grace is over.
    Dead { until: Offset },
}

/// The peer's close frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PeerClose {
    at: Offset,
    code: u16,
    reason: String,
}

impl<D: Dial + 'static> State<D> {
    /// Starts our side of a close handshake.
    pub(super) fn start_close(
        &mut self,
        shard: &Shard<D>,
        now: Offset,
        outbox: &mut Outbox,
        (code, reason): (u16, &str),
        next: Next,
    ) {
        self.leave_groups();
        self.settle(shard, now);
        outbox.close(Some(code), reason);
        self.closing = Closing::Asked {
            deadline: now + shard.plan.scenario.target.close_timeout,
            next,
            answered: false,
        };
    }

    /// The peer's close frame came.
    pub(super) fn peer_closed(
        &mut self,
        shard: &Shard<D>,
        now: Offset,
        outbox: &mut Outbox,
        close: Option<(u16, &str)>,
    ) {
        match &mut self.closing {
            Closing::Asked { answered, .. } => *answered = true,
            Closing::Answered { .. } => {}
            // The verdict stands; that it came after all shows as a sign of life.
            Closing::Dead { .. } => outbox.close(close.map(|(code, _)| code), ""),
            Closing::Open => {
                // 1005 says "no code" where a number is needed (RFC 6455 7.1.5).
                let (code, reason) = close.unwrap_or((1005, ""));
                outbox.close(close.map(|(code, _)| code), "");
                self.leave_groups();
                self.settle(shard, now);
                let (at, reason) = (now, reason.to_owned());
                self.closing = Closing::Answered {
                    deadline: now + shard.plan.scenario.target.close_timeout,
                    close: Box::new(PeerClose { at, code, reason }),
                };
            }
        }
    }

    /// The byte stream ended.
    pub(super) fn end_with(&mut self, shard: &Shard<D>, ending: Ending, now: Offset) -> Ended {
        match std::mem::replace(&mut self.closing, Closing::Open) {
            // Whatever comes after both closes is a clean end, a reset too.
            Closing::Asked { next, answered, .. } => {
                let clean = answered || ending == Ending::Eof;
                ended(now, closed_by_us(clean, next), next, String::new())
            }
            Closing::Answered { close, .. } => self.ended_by_peer(shard, &close),
            Closing::Dead { .. } => self.ended_dead(shard, now),
            Closing::Open => {
                self.leave_groups();
                self.settle(shard, now);
                let quiet = now.since(self.heard_at);
                let example = match ending {
                    Ending::Violation(violation) => format!("{violation:?}"),
                    _ if self.opened == now => "right after the upgrade".to_owned(),
                    _ => format!("{:.1} s after the last byte received", quiet.as_secs_f64()),
                };
                if !matches!(ending, Ending::Violation(_)) {
                    let mut recorder = shard.recorder.borrow_mut();
                    recorder.record(shard.plan.origin(now), Metric::QuietBeforeLoss, quiet);
                }
                let cause = CloseCause::Lost(FailureKind::from(ending));
                ended(now, cause, self.after_loss(shard), example)
            }
        }
    }

    /// The close handshake's time is over, or the grace of a dead connection.
    pub(super) fn close_timers(&mut self, shard: &Shard<D>, now: Offset) -> Option<Ended> {
        match &self.closing {
            Closing::Asked {
                deadline,
                next,
                answered,
            } if now >= *deadline => {
                let cause = closed_by_us(*answered, *next);
                Some(overdue(ended(now, cause, *next, String::new())))
            }
            Closing::Answered { deadline, close } if now >= *deadline => {
                Some(overdue(self.ended_by_peer(shard, close)))
            }
            Closing::Dead { until } if now >= *until => Some(self.ended_dead(shard, now)),
            _ => None,
        }
    }

    /// The run was cut off.
    pub(super) fn cut(&mut self, shard: &Shard<D>, now: Offset) -> Ended {
        if matches!(self.closing, Closing::Open) {
            self.leave_groups();
            self.settle(shard, now);
        }
        Ended {
            cut: true,
            ..ended(now, CloseCause::ByUsUnanswered, Next::Leave, String::new())
        }
    }

    fn ended_by_peer(&self, shard: &Shard<D>, close: &PeerClose) -> Ended {
        let PeerClose { at, code, reason } = close;
        let (at, code) = (*at, *code);
        let cause = match code {
            1000 | 1001 | 1005 => CloseCause::ByPeer(code),
            code => CloseCause::Lost(FailureKind::CloseCode(code)),
        };
        let example = if reason.is_empty() {
            format!("close {code} without a reason")
        } else {
            format!("close {code} \"{}\"", reason.escape_debug())
        };
        ended(at, cause, self.after_loss(shard), example)
    }

    fn ended_dead(&mut self, shard: &Shard<D>, now: Offset) -> Ended {
        if self.finish_watch(shard, now) {
            shard.count(shard.plan.origin(now), Counter::FalseDead);
        }
        let example = "no answer to heartbeats; ended with RST".to_owned();
        let cause = CloseCause::Lost(FailureKind::HeartbeatDead);
        ended(now, cause, self.after_loss(shard), example)
    }

    pub(super) fn after_loss(&self, shard: &Shard<D>) -> Next {
        if self.leaving || shard.stage.get() >= Stage::Draining {
            Next::Leave
        } else {
            Next::Reconnect
        }
    }

    /// Books everything that was outstanding on this connection.
    pub(super) fn settle(&mut self, shard: &Shard<D>, now: Offset) {
        let run_over = shard.stage.get() >= Stage::Closing;
        self.end_heart(shard, now, run_over);
        self.settle_messages(shard);
    }

    /// Books every message that was outstanding.
    pub(super) fn settle_messages(&mut self, shard: &Shard<D>) {
        let run_over = shard.stage.get() >= Stage::Closing;
        let mut recorder = shard.recorder.borrow_mut();
        for unsent in self.unsent.drain(..) {
            if let Some(measured) = unsent.is_message() {
                recorder.count(super::origin(measured), Counter::SendsSkipped);
            }
        }
        let mut outstanding = shard.outstanding.get();
        let counter = if run_over {
            Counter::RepliesOutstanding
        } else {
            Counter::RepliesLost
        };
        self.questions.lose_all(|entry| {
            if entry.kind != QuestionKind::Reply {
                return;
            }
            outstanding -= 1;
            if entry.sent == Offset::MAX {
                return;
            }
            let origin = super::origin(entry.measured);
            recorder.count(origin, counter);
            recorder.censor(origin, Metric::RoundTrip);
            recorder.censor(origin, Metric::ServiceTime);
        });
        shard.outstanding.set(outstanding);
    }

    pub(super) fn leave_groups(&mut self) {
        let Some(membership) = self.membership.take() else {
            return;
        };
        for group in membership.groups {
            group.leave(self.client.identity.number, membership.since);
        }
    }
}

/// Only a fault of ours closes a connection that is to be replaced.
fn closed_by_us(answered: bool, next: Next) -> CloseCause {
    match next {
        Next::Reconnect => CloseCause::ByFault,
        _ if answered => CloseCause::ByUs,
        _ => CloseCause::ByUsUnanswered,
    }
}

fn ended(at: Offset, cause: CloseCause, next: Next, example: String) -> Ended {
    Ended {
        at,
        cause,
        next,
        example,
        cut: false,
        overdue: false,
    }
}

fn overdue(ended: Ended) -> Ended {
    Ended {
        overdue: true,
        ..ended
    }
}

/// Lets go of a stream: with FIN where the peer took part in the end, with RST where it is silent
/// or does not let go itself (a FIN would sit in FIN_WAIT and eat ports), and after a violation only once our close frame had its chance.
pub(super) fn dispose<S: Carrier + 'static>(connection: Connection<S>, ended: &Ended) {
    match ended.cause {
        CloseCause::Lost(FailureKind::Protocol(_)) => {
            tokio::task::spawn_local(async move {
                let _ = tokio::time::timeout(LINGER, say_goodbye(connection)).await;
            });
        }
        CloseCause::ByUsUnanswered
        | CloseCause::ByFault
        | CloseCause::Lost(FailureKind::HeartbeatDead) => {
            connection.abort();
        }
        _ if ended.overdue => connection.abort(),
        _ => drop(connection),
    }
}

async fn say_goodbye<S: Carrier>(mut connection: Connection<S>) {
    let gone = std::future::poll_fn(|cx| connection.poll_flush(cx)).await;
    let shut = std::future::poll_fn(|cx| connection.poll_shutdown(cx)).await;
    if gone.is_err() || shut.is_err() {
        return;
    }
    // Dropping a socket with unread bytes resets it, and the reset destroys what we just sent.
    let mut scratch = Scratch::new();
    while std::future::poll_fn(|cx| connection.poll_discard(cx, &mut scratch))
        .await
        .is_ok()
    {}
}
