//! One connection from its first byte to its last: upgrade, messages, closing.
//!
//! ```text
//!          our close queued                      the peer's close
//!   Open --------------------> Closing ----------------------------+
//!     |                                                            v
//!     +--- the peer's close, a violation, or its FIN ------> Finishing
//!                                                                  | all written, FIN sent
//!                                                                  v
//!                                                            Lingering --- its FIN ---> gone
//! ```
//! Lingering reads until the peer's FIN: to close a socket with unread bytes sends an RST, which
//! destroys the close frame on its way. All states but Open share one deadline.

use std::pin::pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::alarm::Bell;
use super::desk::{Desk, HIGH_WATER, Phase};
use super::faults;
use super::gate::{self, Admission};
use super::lane::Seat;
use super::member::{Member, Order, Stage};
use crate::scenario::ServerEnding;
use crate::wire::accept::{self, AcceptError, Refusal};
use crate::wire::{Carrier, Connection, Ending, Role, Scratch};

/// Serves one connection until it is gone.
pub(super) async fn serve<S: Carrier>(seat: Seat, stream: S) {
    // Boxed: its memory goes when it is done, and the next connection's upgrade takes it again.
    let Some(mut session) = Box::pin(open(&seat, stream)).await else {
        return;
    };
    let parting = std::future::poll_fn(|cx| session.poll(cx)).await;
    if parting == Parting::Abort {
        session.connection.abort();
    }
}

/// The upgrade, unless the connection is ended before.
async fn open<S: Carrier>(seat: &Seat, stream: S) -> Option<Session<S>> {
    let mut stream = Some(stream);
    let opened = unless_late(&seat.member, upgrade(seat, &mut stream)).await;
    if opened.is_none()
        && seat.member.ending.get() == ServerEnding::Reset
        && let Some(stream) = stream
    {
        stream.abort_on_drop();
    }
    opened.flatten()
}

/// Does something unless the connection's time is up before.
pub(super) async fn unless_late<F: Future>(member: &Member, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    std::future::poll_fn(|cx| {
        if member.take_order(Order::GiveUp) || member.take_order(Order::End) {
            return Poll::Ready(None);
        }
        member.begin_turn(cx.waker());
        let done = work.as_mut().poll(cx);
        member.end_turn();
        done.map(Some)
    })
    .await
}

/// Reads and judges the request, and answers it: with 101, or in words.
async fn upgrade<S: Carrier>(seat: &Seat, slot: &mut Option<S>) -> Option<Session<S>> {
    let mut head = Vec::new();
    let stream = slot.as_mut()?;
    let request = match accept::receive_request(stream, &mut head).await {
        Ok(request) => request,
        Err(AcceptError::Refused(refusal)) => return refuse(seat, stream, refusal).await,
        Err(AcceptError::Io(_)) => return None,
    };
    if let Some(refusal) = refused_by_fault(seat) {
        return refuse(seat, stream, refusal).await;
    }
    let (subprotocol, farewell) = match gate::admit(seat.lane.plan(), &request) {
        Admission::Refuse(refusal) => return refuse(seat, stream, refusal).await,
        Admission::Open(subprotocol) => (subprotocol, None),
        Admission::OpenThenClose(code, reason) => (None, Some((code, reason))),
    };
    if !seat.take_place() {
        return refuse(seat, stream, gate::FULL).await;
    }
    let switched = accept::switch_protocols(stream, &request, subprotocol).await;
    switched.ok()?;
    seat.open();
    let rest = &head[request.length..];
    let stream = slot.take()?;
    let connection = Connection::new(stream, Role::Server, seat.lane.limits, rest);
    let mut session = Session {
        connection,
        desk: Desk::new(seat.lane.clone(), seat.member.clone()),
    };
    let outbox = &mut session.connection.outbox;
    if let Some((code, reason)) = farewell {
        session.desk.close(outbox, code, reason);
    } else if let Some(greeting) = &seat.lane.plan().greeting {
        // An empty outbox takes any one message.
        let _ = outbox.text(greeting.as_bytes());
        seat.lane.meter().messages_sent.add(1);
    }
    Some(session)
}

fn refused_by_fault(seat: &Seat) -> Option<Refusal> {
    if !seat.lane.faults.any() {
        return None;
    }
    let (status, after) = faults::refusal(&seat.lane.faults.active(), seat.member.id)?;
    Some(gate::refused_by_fault(status, after))
}

/// Answers with an HTTP error and waits until the peer has read it.
async fn refuse<S: Carrier, T>(seat: &Seat, stream: &mut S, refusal: Refusal) -> Option<T> {
    seat.lane.meter().refused.add(1);
    seat.lane
        .alarm
        .set(Bell::Linger, Instant::now(), seat.member.id);
    stream.write_all(&refusal.encode()).await.ok()?;
    stream.shutdown().await.ok()?;
    let mut waste = vec![0; 512];
    while stream.read(&mut waste).await.ok()? > 0 {}
    None
}

/// How to let go of the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parting {
    /// FIN, if it has not been sent yet.
    Close,
    /// RST.
    Abort,
}

/// Why reading stopped for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    /// Nothing has come.
    Idle,
    /// The outbox has to empty first.
    Backlog,
    /// There will be nothing more.
    End,
}

/// An open connection; small, since there are thousands.
struct Session<S> {
    connection: Connection<S>,
    desk: Desk,
}

impl<S: Carrier> Session<S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Parting> {
        let member = self.desk.member.clone();
        member.begin_turn(cx.waker());
        let parting = self.work(cx);
        member.end_turn();
        let (received, sent) = self.connection.take_bytes();
        self.desk.lane.meter().bytes_received.add(received);
        self.desk.lane.meter().bytes_sent.add(sent);
        parting
    }

    /// One turn: orders, everything that can be read, then one write.
    fn work(&mut self, cx: &mut Context<'_>) -> Poll<Parting> {
        if let Some(parting) = self.obey() {
            return Poll::Ready(parting);
        }
        loop {
            self.desk.do_what_is_due(&mut self.connection.outbox);
            let Ok(pause) = self.receive(cx) else {
                return Poll::Ready(Parting::Close);
            };
            self.take_mail();
            if self.is_cut() {
                // What was answered before goes out first, as far as the kernel takes it.
                let _ = self.connection.poll_flush(cx);
                return Poll::Ready(Parting::Abort);
            }
            self.note_leaving();
            if ready!(self.connection.poll_flush(cx)).is_err() {
                return Poll::Ready(Parting::Close);
            }
            match self.desk.phase {
                Phase::Open | Phase::Closing if pause == Pause::Backlog => {}
                Phase::Open | Phase::Closing => return Poll::Pending,
                Phase::Finishing | Phase::Lingering => return self.finish(cx, pause),
            }
        }
    }

    fn obey(&mut self) -> Option<Parting> {
        let (member, outbox) = (self.desk.member.clone(), &mut self.connection.outbox);
        if member.take_order(Order::Reset) {
            return Some(Parting::Abort);
        }
        if member.take_order(Order::GiveUp) {
            // What the peer does not read would keep the socket: only RST lets go of it.
            return Some(if outbox.is_empty() {
                Parting::Close
            } else {
                Parting::Abort
            });
        }
        if member.take_order(Order::GoAway) {
            self.desk.close(outbox, 1001, "going away");
        }
        if member.take_order(Order::Overflow) {
            self.desk.give_up_on_slow(outbox);
        }
        if member.take_order(Order::Ping) {
            // Full: the peer does not read, so it will not answer and the next round ends it.
            let _ = outbox.ping(b"");
        }
        None
    }

    /// Reads until there is nothing, or too much to answer.
    fn receive(&mut self, cx: &mut Context<'_>) -> Result<Pause, Ending> {
        let Self { connection, desk } = self;
        let lane = desk.lane.clone();
        let mut scratch = lane.scratch.borrow_mut();
        loop {
            if matches!(desk.phase, Phase::Finishing | Phase::Lingering) {
                return Ok(Pause::Idle);
            }
            if connection.outbox.len() > HIGH_WATER {
                return Ok(Pause::Backlog);
            }
            if desk.is_full() {
                // The alarm of the oldest held message gives the next turn.
                return Ok(Pause::Idle);
            }
            let read =
                connection.poll_receive(cx, &mut scratch, Scratch::SIZE, &mut |event, outbox| {
                    desk.receive(event, outbox);
                });
            match read {
                Poll::Pending => return Ok(Pause::Idle),
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(Ending::Violation(_))) => desk.phase = Phase::Finishing,
                Poll::Ready(Err(Ending::Eof)) => {
                    desk.release(&mut connection.outbox);
                    desk.phase = Phase::Finishing;
                    return Ok(Pause::End);
                }
                Poll::Ready(Err(ending)) => return Err(ending),
            }
        }
    }

    /// Ends as a fault asks for; true = with RST.
    fn is_cut(&mut self) -> bool {
        if !self.desk.member.take_order(Order::End) {
            return false;
        }
        let ending = self.desk.member.ending.get();
        self.desk.end(&mut self.connection.outbox, ending);
        ending == ServerEnding::Reset
    }

    fn take_mail(&mut self) {
        let Self { connection, desk } = self;
        let outbox = &mut connection.outbox;
        let taken = desk.member.take_mail(|frames| outbox.encoded(frames));
        if taken.is_some_and(|result| result.is_err()) {
            desk.give_up_on_slow(outbox);
        }
    }

    /// From the first sign of an end on there is a deadline, and no more mail.
    fn note_leaving(&self) {
        let desk = &self.desk;
        if desk.phase == Phase::Open || desk.member.stage.get() == Stage::Leaving {
            return;
        }
        desk.member.stage.set(Stage::Leaving);
        desk.lane.hub.leave_room(&desk.member);
        desk.lane
            .alarm
            .set(Bell::Linger, Instant::now(), desk.member.id);
    }

    /// FIN, then read away what still comes.
    fn finish(&mut self, cx: &mut Context<'_>, pause: Pause) -> Poll<Parting> {
        if self.desk.phase == Phase::Finishing {
            let shut = ready!(self.connection.poll_shutdown(cx));
            if shut.is_err() || pause == Pause::End {
                return Poll::Ready(Parting::Close);
            }
            self.desk.phase = Phase::Lingering;
        }
        let mut scratch = self.desk.lane.scratch.borrow_mut();
        while ready!(self.connection.poll_discard(cx, &mut scratch)).is_ok() {}
        Poll::Ready(Parting::Close)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Part;
    use crate::server::lane::{Lane, Shared};
    use crate::wire::Transport;
    use std::rc::Rc;
    use std::sync::Arc;

    /// What tokio allocates for a connection; thousands of idle ones pay for every byte.
    #[tokio::test]
    async fn a_connection_is_small() {
        let shared = Shared::new(crate::server::tests::plan(), None, 1, Part::WHOLE);
        let lane = Rc::new(Lane::new(Arc::new(shared), 0));
        let open = |stream: Transport| serve(lane.seat(), stream);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let address = listener.local_addr().expect("bound");
        let tcp = tokio::net::TcpStream::connect(address)
            .await
            .expect("it listens");
        let future = size_of_val(&open(Transport::Plain(tcp)));
        assert!(
            future <= 640,
            "{future} bytes; session {}",
            size_of::<Session<Transport>>()
        );
    }
}
