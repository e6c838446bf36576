//! An open WebSocket connection: one stream, a decoder for what comes, an outbox for what goes.
//!
//! Driven by polling, so that a client is one small future with one place to wait. It answers
//! nothing by itself: pings and closes are events, and what to do with them is the caller's.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::ReadBuf;

use super::carrier::Carrier;
use super::decoder::{Decoder, Event};
use super::frame::Role;
use super::outbox::Outbox;
use crate::failure::{FailureKind, Violation};

/// How the byte stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// FIN.
    Eof,
    /// RST.
    Reset,
    /// The peer broke RFC 6455; the matching close frame is in the outbox.
    Violation(Violation),
    /// TLS broke down; the alert the peer sent, if it sent one.
    Tls(Option<u8>),
    /// Another error of the operating system (errno, 0 = unknown).
    Io(i32),
}

impl From<io::Error> for Ending {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as E;
        match error.kind() {
            // rustls says this when a peer ends TCP without close_notify.
            // A write says "broken pipe" where a FIN had come before the RST it provoked.
            E::UnexpectedEof | E::BrokenPipe => Self::Eof,
            E::ConnectionReset | E::ConnectionAborted => Self::Reset,
            _ => match error.get_ref().and_then(|e| e.downcast_ref()) {
                Some(rustls::Error::AlertReceived(alert)) => Self::Tls(Some(u8::from(*alert))),
                Some(_) => Self::Tls(None),
                None => Self::Io(error.raw_os_error().unwrap_or(0)),
            },
        }
    }
}

impl From<Ending> for FailureKind {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Eof => Self::EofWithoutClose,
            Ending::Reset => Self::Reset,
            Ending::Violation(violation) => Self::Protocol(violation),
            Ending::Tls(alert) => Self::Tls(alert),
            Ending::Io(errno) => Self::Io(errno),
        }
    }
}

/// Bounds of one connection, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest incoming message, all fragments together.
    pub max_message: usize,
    /// Largest incoming frame.
    pub max_frame: usize,
    /// Most bytes waiting to be written.
    pub max_outbound: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message: 1 << 20,
            max_frame: 1 << 20,
            max_outbound: 1 << 20,
        }
    }
}

/// A read buffer shared by all connections of a thread: an idle connection needs none of its own.
#[derive(Debug)]
pub struct Scratch {
    bytes: Box<[u8]>,
}

impl Scratch {
    /// 32 KiB: one read empties a busy socket, and the most frames one read can bring (16,384 empty
    /// ones) hold the thread up for a fraction of a millisecond only.
    pub const SIZE: usize = 32 * 1024;

    /// Allocates the buffer.
    pub fn new() -> Self {
        Self {
            bytes: vec![0; Self::SIZE].into_boxed_slice(),
        }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

/// An open connection.
#[derive(Debug)]
pub struct Connection<S> {
    stream: S,
    decoder: Decoder,
    /// What is to be sent; see [`Connection::poll_flush`].
    pub outbox: Outbox,
    undecoded: bool,
    /// The stream (TLS) may hold bytes of its own that the kernel has not taken.
    unflushed: bool,
    /// Why a write failed: the kernel tells it once, and reads then only say EOF.
    broken: Option<Ending>,
    received: u64,
    sent: u64,
}

impl<S: Carrier> Connection<S> {
    /// Takes over a stream after its upgrade; `leftover` = bytes that came behind the upgrade's head.
    pub fn new(stream: S, role: Role, limits: Limits, leftover: &[u8]) -> Self {
        let mut decoder = Decoder::new(role, limits.max_message, limits.max_frame);
        decoder.stash(leftover);
        Self {
            stream,
            decoder,
            outbox: Outbox::new(role, limits.max_outbound),
            undecoded: !leftover.is_empty(),
            unflushed: false,
            broken: None,
            received: leftover.len() as u64,
            sent: 0,
        }
    }

    /// Reads once, at most `limit` bytes (at least 1; [`Scratch::SIZE`] is as good as any more), and
    /// calls `on` for everything that is complete, with the outbox to answer into.
    ///
    /// `Ready(Ok)` means bytes came: poll again, or yield and poll again. On a violation the fitting
    /// close frame is queued before it is returned.
    pub fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
        limit: usize,
        on: &mut impl FnMut(Event<'_>, &mut Outbox),
    ) -> Poll<Result<(), Ending>> {
        let fresh = if self.undecoded {
            self.undecoded = false;
            &mut [][..]
        } else {
            let limit = limit.clamp(1, Scratch::SIZE);
            let mut buffer = ReadBuf::new(&mut scratch.bytes[..limit]);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            let length = buffer.filled().len();
            if length == 0 {
                return Poll::Ready(Err(self.broken.unwrap_or(Ending::Eof)));
            }
            self.received += length as u64;
            &mut scratch.bytes[..length]
        };
        let outbox = &mut self.outbox;
        let fed = self.decoder.feed(fresh, &mut |event| on(event, outbox));
        if let Err(violation) = fed {
            outbox.close(Some(violation.close_code()), violation.name());
            return Poll::Ready(Err(Ending::Violation(violation)));
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once and throws it away: for what a peer still sends after we stopped listening.
    pub fn poll_discard(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
    ) -> Poll<Result<(), Ending>> {
        let mut buffer = ReadBuf::new(&mut scratch.bytes);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        match buffer.filled().len() {
            0 => Poll::Ready(Err(Ending::Eof)),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// Writes the outbox; `Ready(Ok)` = the kernel has taken everything. After an error there may
    /// still be something to read.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ending>> {
        if let Some(ending) = self.broken {
            return Poll::Ready(Err(ending));
        }
        let flushed = ready!(self.poll_write_out(cx));
        self.broken = flushed.err();
        Poll::Ready(flushed)
    }

    fn poll_write_out(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ending>> {
        if self.outbox.is_empty() && !self.unflushed {
            return Poll::Ready(Ok(()));
        }
        while !self.outbox.is_empty() {
            let stream = Pin::new(&mut self.stream);
            let count = ready!(stream.poll_write(cx, self.outbox.unwritten()))?;
            if count == 0 {
                return Poll::Ready(Err(Ending::Reset));
            }
            self.sent += count as u64;
            self.outbox.advance(count);
            self.unflushed = true;
        }
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }

    /// Sends FIN (and close_notify on TLS).
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ending>> {
        Pin::new(&mut self.stream)
            .poll_shutdown(cx)
            .map_err(Ending::from)
    }

    /// Ends the connection with RST, so that no FIN_WAIT state is left behind.
    pub fn abort(self) {
        self.stream.abort_on_drop();
    }

    /// The stream beneath.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Whether the peer stopped within a message.
    pub fn is_mid_message(&self) -> bool {
        self.decoder.is_mid_message()
    }

    /// Bytes received since the last [`Connection::take_bytes`].
    pub const fn bytes_received(&self) -> u64 {
        self.received
    }

    /// Bytes received and sent since the last call, frame headers included.
    pub fn take_bytes(&mut self) -> (u64, u64) {
        (
            std::mem::take(&mut self.received),
            std::mem::take(&mut self.sent),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// Writes until that fails, then reads to the end.
    async fn end_of(mut connection: Connection<TcpStream>) -> (usize, Ending) {
        let mut scratch = Scratch::new();
        let mut messages = 0;
        while poll_fn(|cx| connection.poll_flush(cx)).await.is_ok() {
            connection.outbox.text(b"more").expect("there is room");
            tokio::task::yield_now().await;
        }
        loop {
            let received = poll_fn(|cx| {
                let limit = Scratch::SIZE;
                connection.poll_receive(cx, &mut scratch, limit, &mut |_, _| messages += 1)
            });
            if let Err(ending) = received.await {
                return (messages, ending);
            }
        }
    }

    /// The kernel reports a reset once: when a write has had it, reads say EOF.
    #[tokio::test]
    async fn a_reset_that_a_write_ran_into_is_no_eof() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        for (reset, expected) in [(true, Ending::Reset), (false, Ending::Eof)] {
            let near = TcpStream::connect(address).await.expect("listens");
            let (mut far, _) = listener.accept().await.expect("connected");
            far.write_all(b"\x81\x02hi\x81\x02ho").await.expect("open");
            if reset {
                far.abort_on_drop();
            }
            drop(far);
            let connection = Connection::new(near, Role::Client, Limits::default(), b"");
            let (messages, ending) = end_of(connection).await;
            assert_eq!(ending, expected);
            assert!(reset || messages == 2, "what came before the FIN is read");
        }
    }
}
