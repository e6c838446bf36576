//! A connection through the relay: two streams and a pipe each way.

use std::cell::RefCell;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::ReadBuf;

use super::head::Speaks;
use super::line::End;
use super::pipe::Pipe;
use super::register::Register;
use super::toxin::{Toxin, Way};
use crate::clock::Offset;
use crate::scenario::relay::ToxicKind;
use crate::wire::Carrier;

/// Most pieces written at once.
const SLICES: usize = 16;
const WAYS: [Way; 2] = [Way::Up, Way::Down];

/// Read into by all connections of a thread, one at a time.
pub(super) type Scratch = Rc<RefCell<Box<[u8]>>>;

/// How it went on.
enum Next {
    Over(End),
    /// Something is due at another time than before.
    Rearm,
}

/// What a stream has told.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// FIN or an error: reading is over.
    end: bool,
    /// FIN has been sent to it.
    fin: bool,
}

/// Client, relay, target.
pub(super) struct Link<C, T> {
    register: Rc<Register>,
    scratch: Scratch,
    number: u64,
    opened: Offset,
    client: C,
    target: T,
    /// Of the client, of the target.
    seen: [Seen; 2],
    /// Up, down.
    pipes: [Pipe; 2],
    /// A toxic's end of all of it.
    deadline: Option<(Offset, End)>,
    armed: Option<Offset>,
    /// Counted as one that is not understood.
    is_blind: bool,
}

impl<C: Carrier, T: Carrier> Link<C, T> {
    /// Between two open streams.
    pub fn new(
        register: Rc<Register>,
        scratch: Scratch,
        number: u64,
        client: C,
        target: T,
    ) -> Self {
        Self {
            opened: register.epoch.elapsed(),
            register,
            scratch,
            number,
            client,
            target,
            seen: Default::default(),
            pipes: WAYS.map(Pipe::new),
            deadline: None,
            armed: None,
            is_blind: false,
        }
    }

    /// Passes on until both ends have ended, or a toxic ends it.
    pub async fn run(mut self) {
        let mut changes = self.register.watch();
        let mut alarm = pin!(tokio::time::sleep_until(
            self.register.epoch.instant(self.opened)
        ));
        self.apply();
        let end = loop {
            let armed = self.armed;
            if let Some(due) = armed {
                // Offsets of years are "never": the alarm's clock does not reach there.
                let most = self.register.epoch.elapsed() + std::time::Duration::from_secs(86_400);
                alarm
                    .as_mut()
                    .reset(self.register.epoch.instant(due.min(most)));
            }
            tokio::select! {
                next = std::future::poll_fn(|cx| self.step(cx)) => match next {
                    Next::Over(end) => break end,
                    Next::Rearm => {}
                },
                changed = changes.changed() => match changed {
                    Ok(()) => self.apply(),
                    Err(_) => break End::Close,
                },
                () = &mut alarm, if armed.is_some() => self.armed = None,
            }
        };
        self.tally();
        if end == End::Reset {
            self.client.abort_on_drop();
            self.target.abort_on_drop();
        }
    }

    /// Toxics have come or gone.
    fn apply(&mut self) {
        let now = self.register.epoch.elapsed();
        for (way, pipe) in WAYS.into_iter().zip(&mut self.pipes) {
            pipe.apply(self.register.toxins(self.number, way), now);
        }
        let endings = self.register.endings(self.number);
        let meant = |toxin: &&Toxin| !toxin.once || toxin.since >= self.opened;
        let ends = endings.iter().filter(meant).filter_map(|toxin| {
            let since = toxin.since.max(self.opened);
            match toxin.toxic.kind {
                ToxicKind::Down => Some((now, End::Reset)),
                ToxicKind::ResetPeer { timeout } => Some((since + timeout, End::Reset)),
                ToxicKind::Timeout { timeout } if !timeout.is_zero() => {
                    Some((since + timeout, End::Close))
                }
                _ => None,
            }
        });
        self.deadline = ends.min_by_key(|(due, _)| *due);
    }

    /// Does all that can be done now.
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        loop {
            let now = self.register.epoch.elapsed();
            if let Some((due, end)) = self.deadline
                && due <= now
            {
                self.register
                    .count(|t| t.reset += u64::from(end == End::Reset));
                return Poll::Ready(Next::Over(end));
            }
            let mut moved = false;
            for way in [0, 1] {
                moved |= self.read(way, cx, now);
                self.pipes[way].advance(now);
                moved |= self.write(way, cx, now);
            }
            if let Some(end) = self.over(cx, now) {
                return Poll::Ready(Next::Over(end));
            }
            if !moved {
                break;
            }
        }
        let dues = self.pipes.iter().filter_map(Pipe::next_due);
        let due = dues.chain(self.deadline.map(|(due, _)| due)).min();
        // What is due already waits for its writer, which will wake us.
        let due = due.filter(|due| *due > self.register.epoch.elapsed());
        if due != self.armed {
            self.armed = due;
            return Poll::Ready(Next::Rearm);
        }
        Poll::Pending
    }

    fn read(&mut self, way: usize, cx: &mut Context<'_>, now: Offset) -> bool {
        if self.seen[way].end || !self.pipes[way].has_room() {
            return false;
        }
        let mut scratch = self.scratch.borrow_mut();
        let mut buffer = ReadBuf::new(&mut scratch);
        let polled = if way == 0 {
            Pin::new(&mut self.client).poll_read(cx, &mut buffer)
        } else {
            Pin::new(&mut self.target).poll_read(cx, &mut buffer)
        };
        match polled {
            Poll::Pending => return false,
            Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                self.seen[way].end = true;
                self.pipes[way].finish(End::Fin, now);
            }
            Poll::Ready(Ok(())) => {
                let bytes = Bytes::copy_from_slice(buffer.filled());
                drop(scratch);
                self.pipes[way].push(bytes, now);
                self.look_for_blindness(now);
            }
            Poll::Ready(Err(_)) => {
                self.seen[way].end = true;
                self.pipes[way].finish(End::Reset, now);
            }
        }
        true
    }

    /// An answer that is no upgrade, or a first byte that is no request, settles it for both ways.
    fn look_for_blindness(&mut self, now: Offset) {
        let blind = self.pipes.iter().any(|p| p.speaks() == Speaks::Blind);
        if !blind {
            return;
        }
        self.pipes.iter_mut().for_each(|pipe| pipe.go_blind(now));
        if !self.is_blind && self.pipes.iter().any(Pipe::wants_frames) {
            self.is_blind = true;
            self.register.count(|t| t.blind += 1);
        }
    }

    fn write(&mut self, way: usize, cx: &mut Context<'_>, now: Offset) -> bool {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = self.pipes[way].ready(now, &mut slices);
        if count == 0 {
            return false;
        }
        let polled = if way == 0 {
            Pin::new(&mut self.target).poll_write_vectored(cx, &slices[..count])
        } else {
            Pin::new(&mut self.client).poll_write_vectored(cx, &slices[..count])
        };
        match polled {
            Poll::Pending => false,
            Poll::Ready(Ok(written)) if written > 0 => {
                self.pipes[way].written(written);
                self.register.count(|t| match way {
                    0 => t.bytes_up += written as u64,
                    _ => t.bytes_down += written as u64,
                });
                true
            }
            Poll::Ready(_) => {
                self.lose(way, now);
                true
            }
        }
    }

    /// The far end of a way is gone: that is the news for its near end.
    fn lose(&mut self, way: usize, now: Offset) {
        let back = 1 - way;
        self.pipes[way].discard();
        self.seen[back].end = true;
        self.pipes[back].finish(End::Reset, now);
    }

    /// Passes on ends; whether it is all over.
    fn over(&mut self, cx: &mut Context<'_>, now: Offset) -> Option<End> {
        self.tally();
        for way in [0, 1] {
            let far = 1 - way;
            match self.pipes[way].ended(now) {
                Some(End::Fin) if !self.seen[far].fin => {
                    let closed = self.shut(far, cx);
                    self.seen[far].fin = closed.is_ready();
                    if let Poll::Ready(Err(_)) = closed {
                        self.lose(way, now);
                    }
                }
                Some(end @ (End::Close | End::Reset)) => return Some(end),
                _ => {}
            }
        }
        let ended = self.seen[0].end && self.seen[1].end;
        // Behind a blackhole an end is not passed on: but when both sides have given up, nobody waits.
        let settled = |way: usize| self.seen[1 - way].fin || self.pipes[way].is_frozen();
        (ended && settled(0) && settled(1)).then_some(End::Close)
    }

    fn shut(&mut self, side: usize, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if side == 0 {
            Pin::new(&mut self.client).poll_shutdown(cx)
        } else {
            Pin::new(&mut self.target).poll_shutdown(cx)
        }
    }

    fn tally(&mut self) {
        for pipe in &mut self.pipes {
            let (swallowed, frames, pieces) = pipe.take_tally();
            if swallowed + frames.dropped + frames.corrupted + frames.cut + pieces == 0 {
                continue;
            }
            self.register.count(|t| {
                t.bytes_swallowed += swallowed;
                t.frames_dropped += frames.dropped;
                t.frames_corrupted += frames.corrupted + pieces;
                t.frames_cut += frames.cut;
            });
        }
    }
}
