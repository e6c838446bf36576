//! The stream itself: opened, written, read, ended, each with what exactly happened.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::tls::{self, InspectTls, TlsFault, TlsSeen};
use crate::wire::carrier::{Carrier, Transport};
use crate::wire::tcp_info;

/// Bytes taken from the socket at once.
const CHUNK: usize = 16 * 1024;

/// Why TCP did not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectFault {
    /// ECONNREFUSED: a RST answered the SYN.
    Refused,
    /// Nothing answered before the deadline, or ETIMEDOUT.
    TimedOut,
    /// ECONNRESET: it opened, and a RST came before anything else was done.
    Reset,
    /// EHOSTUNREACH or ENETUNREACH.
    Unreachable(String),
    /// This machine could not even try: descriptors, ports, permissions.
    Local(String),
    /// Anything else.
    Other(String),
}

/// How the peer ended the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// FIN; over TLS without a close_notify before it.
    Fin,
    /// TLS close_notify.
    CloseNotify,
    /// RST.
    Reset,
    /// A fatal TLS alert, in the words of RFC 8446 6.
    Alert(String),
    /// Anything else, in the system's words.
    Other(String),
}

/// One attempt to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// That many bytes were appended.
    Bytes(usize),
    /// Nothing more will come.
    Ended(End),
    /// Nothing came before the deadline.
    TimedOut,
}

/// What TCP knows about the way to the peer (`TCP_INFO`, tcp(7)). Zeros where the system does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpState {
    /// Segments sent and not acknowledged.
    pub unacknowledged: u32,
    /// Retransmissions of the oldest of them.
    pub retransmits: u32,
    /// Doublings of the retransmission timer.
    pub backoff: u32,
    /// Retransmissions since the connection opened.
    pub total_retransmits: u32,
    /// Unanswered probes of a window that the peer keeps closed.
    pub window_probes: u32,
    /// Smoothed round trip, in microseconds.
    pub round_trip_us: u32,
}

/// One connection.
#[derive(Debug)]
pub struct Line {
    stream: Transport,
    /// Read already and put back: what follows the head of an answer to CONNECT.
    pending: Vec<u8>,
}

impl Line {
    /// Opens TCP to `address`.
    ///
    /// # Errors
    /// Why it did not open.
    pub async fn connect(address: SocketAddr, deadline: Instant) -> Result<Self, ConnectFault> {
        match timeout_at(deadline, TcpStream::connect(address)).await {
            Err(_) => Err(ConnectFault::TimedOut),
            Ok(Err(error)) => Err(fault(&error, address)),
            Ok(Ok(tcp)) => {
                // A probe times small writes; if the option fails, only its timing suffers.
                let _ = tcp.set_nodelay(true);
                Ok(Self {
                    stream: Transport::Plain(tcp),
                    pending: Vec::new(),
                })
            }
        }
    }

    /// Starts TLS on a plain line for `name`; the second value is what was seen, however it ended.
    ///
    /// # Errors
    /// Why TLS did not come up. Trust is no reason: it is part of what was seen.
    pub async fn secure(
        self,
        settings: &InspectTls,
        name: &str,
        deadline: Instant,
    ) -> (Result<Self, TlsFault>, TlsSeen) {
        let Transport::Plain(tcp) = self.stream else {
            let fault = TlsFault::Other("TLS inside TLS".to_owned());
            return (Err(fault), TlsSeen::default());
        };
        if !self.pending.is_empty() {
            // The peer spoke before our ClientHello: no TLS server does.
            let bytes = String::from_utf8_lossy(&self.pending).into_owned();
            return (Err(TlsFault::NotTls(bytes)), TlsSeen::default());
        }
        let (outcome, seen) = tls::start(tcp, settings, name, deadline).await;
        let line = outcome.map(|stream| Self {
            stream: Transport::Tls(Box::new(stream)),
            pending: Vec::new(),
        });
        (line, seen)
    }

    /// Writes all of `bytes`. `None` means that the deadline came first.
    ///
    /// # Errors
    /// How the connection ended.
    pub async fn send(&mut self, bytes: &[u8], deadline: Instant) -> Result<Option<()>, End> {
        let sending = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match timeout_at(deadline, sending).await {
            Err(_) => Ok(None),
            Ok(Ok(())) => Ok(Some(())),
            Ok(Err(error)) => Err(end(&error)),
        }
    }

    /// Puts bytes back, to be read again before what comes next.
    pub fn put_back(&mut self, bytes: Vec<u8>) {
        self.pending = bytes;
    }

    /// Appends what comes next to `bytes`. Can be cancelled without loss.
    pub async fn read(&mut self, bytes: &mut Vec<u8>, deadline: Instant) -> Read {
        if !self.pending.is_empty() {
            let count = self.pending.len();
            bytes.append(&mut self.pending);
            return Read::Bytes(count);
        }
        bytes.reserve(CHUNK);
        match timeout_at(deadline, self.stream.read_buf(bytes)).await {
            Err(_) => Read::TimedOut,
            Ok(Ok(0)) if matches!(self.stream, Transport::Tls(_)) => Read::Ended(End::CloseNotify),
            Ok(Ok(0)) => Read::Ended(End::Fin),
            Ok(Ok(count)) => Read::Bytes(count),
            Ok(Err(error)) => Read::Ended(end(&error)),
        }
    }

    /// What TCP knows now.
    pub fn tcp(&self) -> TcpState {
        tcp_info::state(self.stream.tcp())
    }

    /// Makes the kernel probe an idle connection every `interval` (whole seconds, at least one).
    /// Says whether the system does it.
    pub fn keep_alive(&self, interval: Duration) -> bool {
        let keepalive = socket2::TcpKeepalive::new().with_time(interval);
        #[cfg(target_os = "linux")]
        let keepalive = keepalive.with_interval(interval);
        socket2::SockRef::from(self.stream.tcp())
            .set_tcp_keepalive(&keepalive)
            .is_ok()
    }

    /// Our own end of the connection.
    pub fn local(&self) -> Option<SocketAddr> {
        self.stream.tcp().local_addr().ok()
    }

    /// Ends our sending half: FIN, over TLS close_notify first.
    pub async fn finish(&mut self, deadline: Instant) {
        // The peer may be gone already: then there is nothing to finish.
        let _ = timeout_at(deadline, self.stream.shutdown()).await;
    }

    /// Ends with RST, so that nothing stays behind on either side.
    pub fn abort(self) {
        self.stream.abort_on_drop();
    }
}

/// EMFILE and ENFILE, EAFNOSUPPORT, ENOBUFS: the system's own shortage, without a kind of its own.
const SHORTAGES: [i32; 4] = [23, 24, 97, 105];

fn fault(error: &io::Error, address: SocketAddr) -> ConnectFault {
    let text = error.to_string();
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ConnectFault::Refused,
        io::ErrorKind::TimedOut => ConnectFault::TimedOut,
        io::ErrorKind::ConnectionReset => ConnectFault::Reset,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            if has_route(address) {
                ConnectFault::Unreachable(text)
            } else {
                ConnectFault::Local(format!("no route from this machine: {text}"))
            }
        }
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::PermissionDenied => {
            ConnectFault::Local(text)
        }
        _ if error.raw_os_error().is_some_and(|n| SHORTAGES.contains(&n)) => {
            ConnectFault::Local(text)
        }
        _ => ConnectFault::Other(text),
    }
}

/// Whether this machine knows a way to `address`. Connecting a UDP socket sends nothing: it only
/// looks up the route.
fn has_route(address: SocketAddr) -> bool {
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    UdpSocket::bind((any, 0)).is_ok_and(|socket| socket.connect(address).is_ok())
}

fn end(error: &io::Error) -> End {
    if let Some(alert) = tls::alert(error) {
        return End::Alert(alert);
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => End::Fin,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => End::Reset,
        _ => End::Other(error.to_string()),
    }
}
