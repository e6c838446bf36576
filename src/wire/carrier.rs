//! What carries the bytes: plain TCP, TLS over it, or memory in tests.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, SendFlags};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, Interest, ReadBuf};
use tokio::net::TcpStream;

/// A byte stream that can also be cut.
pub trait Carrier: AsyncRead + AsyncWrite + Unpin {
    /// Makes dropping the stream send RST instead of FIN, where that exists.
    fn abort_on_drop(&self);
}

impl Carrier for TcpStream {
    fn abort_on_drop(&self) {
        // Failing means the socket is gone already: then there is nothing to cut.
        let _ = socket2::SockRef::from(self).set_linger(Some(Duration::ZERO));
    }
}

impl Carrier for DuplexStream {
    fn abort_on_drop(&self) {}
}

/// A dialled or accepted stream.
#[derive(Debug)]
pub enum Transport {
    /// `ws://`
    Plain(TcpStream),
    /// `wss://`; boxed, since a TLS session is a kilobyte and plain ones should not pay for it.
    Tls(Box<tokio_rustls::TlsStream<TcpStream>>),
}

impl Transport {
    /// The TCP socket beneath.
    pub fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }
}

impl Carrier for Transport {
    fn abort_on_drop(&self) {
        self.tcp().abort_on_drop();
    }
}

/// Reads what has come, as tokio's own stream does, but by the system call itself: in a process of
/// several threads libc makes each `recv` and `send` a point where a thread can be cancelled, which costs
/// as much as a look at the clock.
fn poll_receive(
    tcp: &TcpStream,
    cx: &mut Context<'_>,
    buf: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    let room = buf.initialize_unfilled();
    let receive = |room: &mut [u8]| {
        retry_on_intr(|| rustix::net::recv(tcp, &mut *room, RecvFlags::empty())).map(|(n, _)| n)
    };
    loop {
        ready!(tcp.poll_read_ready(cx))?;
        if let Some(count) = attempt(tcp, Interest::READABLE, room.len(), || receive(room))? {
            buf.advance(count);
            return Poll::Ready(Ok(()));
        }
    }
}

/// Writes what the kernel takes; by the system call itself: see [`poll_receive`].
fn poll_send(tcp: &TcpStream, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    let send = || retry_on_intr(|| rustix::net::send(tcp, bytes, SendFlags::NOSIGNAL));
    loop {
        ready!(tcp.poll_write_ready(cx))?;
        if let Some(count) = attempt(tcp, Interest::WRITABLE, bytes.len(), send)? {
            return Poll::Ready(Ok(count));
        }
    }
}

/// One call on a socket that is said to be ready; `None` = it was not. Less than was `wanted`, but
/// something, means that it is ready no more: with edge-triggered epoll that need not be asked again.
fn attempt(
    tcp: &TcpStream,
    interest: Interest,
    wanted: usize,
    mut call: impl FnMut() -> rustix::io::Result<usize>,
) -> io::Result<Option<usize>> {
    let mut done = None;
    let tried = tcp.try_io(interest, || {
        let count = call()?;
        done = Some(count);
        if 0 < count && count < wanted && cfg!(target_os = "linux") {
            // Makes tokio forget that it is ready.
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(())
    });
    match tried {
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        _ => Ok(done),
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => poll_receive(tcp, cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => poll_send(tcp, cx, buf),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (Transport, Transport) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let near = TcpStream::connect(address).await.expect("listens");
        let (far, _) = listener.accept().await.expect("connected");
        (Transport::Plain(near), Transport::Plain(far))
    }

    /// Far more than socket buffers hold, in pieces that fit neither them nor each other: both sides
    /// have to wait for the other many times.
    #[tokio::test]
    async fn everything_arrives_in_order_however_full_the_socket_is() {
        let (mut near, mut far) = pair().await;
        let sent: Vec<u8> = (0..20_000_000_u32).map(|i| (i % 251) as u8).collect();
        let expected = sent.clone();
        let sending = tokio::spawn(async move {
            for piece in sent.chunks(70_001) {
                near.write_all(piece).await.expect("the peer reads");
            }
            near.shutdown().await.expect("connected");
            let mut answer = String::new();
            near.read_to_string(&mut answer).await.expect("answered");
            answer
        });
        let mut received = Vec::new();
        let mut piece = vec![0; 33_333];
        loop {
            match far.read(&mut piece).await.expect("connected") {
                0 => break,
                count => received.extend_from_slice(&piece[..count]),
            }
        }
        assert!(received == expected);
        // After the peer's FIN our direction still works.
        far.write_all(b"all of it").await.expect("half open");
        drop(far);
        assert_eq!(sending.await.expect("no panic"), "all of it");
    }

    #[tokio::test]
    async fn a_reset_is_an_error_and_no_end() {
        let (near, mut far) = pair().await;
        near.abort_on_drop();
        drop(near);
        let error = far.read(&mut [0; 10]).await.expect_err("reset");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let error = far.write(b"x").await.expect_err("reset");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
