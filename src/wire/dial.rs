//! Dialling: resolve, TCP, TLS, upgrade, each timed, under one deadline.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::carrier::{Carrier, Transport};
use super::resolve::{Override, Resolver};
use super::response::{Judgement, MAX_HEAD, Refusal, judge, may_be_whole};
use super::tcp_info;
use super::tls::ClientTls;
use super::upgrade::UpgradeRequest;
use super::url::Url;
use crate::failure::{BadUpgrade, FailureKind};

/// How long the start of a refusal's body is waited for.
const BODY_WAIT: Duration = Duration::from_millis(200);

/// No SYN is sent again before, so that the kernel need not be asked: its first retransmission comes after
/// 1 s (RFC 6298 2.1), and this leaves room for systems tuned to less.
const SYN_RESEND: Duration = Duration::from_millis(200);

/// What all dials of a thread share.
#[derive(Clone, Debug)]
pub struct DialSettings {
    /// One deadline over everything.
    pub timeout: Duration,
    /// TCP_NODELAY.
    pub nodelay: bool,
    /// For `wss://`.
    pub tls: Option<ClientTls>,
    /// Name for SNI and verification instead of the URL's host.
    pub server_name: Option<String>,
    /// Addresses to use instead of resolving.
    pub overrides: Vec<Override>,
    /// Where every TCP connection goes instead of the URL's host, which is then not resolved: a relay.
    /// What is said on it (Host, SNI, path) stays the URL's.
    pub via: Option<SocketAddr>,
}

/// How long each phase took. A phase that was not needed is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Only when a resolver was asked for this dial.
    pub resolve: Option<Duration>,
    /// SYN to established.
    pub tcp_connect: Option<Duration>,
    /// Only `wss://`.
    pub tls_handshake: Option<Duration>,
    /// Request to a checked 101.
    pub upgrade: Option<Duration>,
    /// All of it.
    pub handshake: Duration,
    /// SYNs that had to be sent again; known once TCP is open, on Linux.
    pub syn_resends: u32,
    /// Bytes of the upgrade, both directions together, without TLS and TCP.
    pub bytes: u32,
}

/// An open connection's stream.
#[derive(Debug)]
pub struct Dialled<S = Transport> {
    /// Carries frames from here on.
    pub stream: S,
    /// What the peer said.
    pub answer: Answer,
}

/// What came with a 101.
#[derive(Debug)]
pub struct Answer {
    /// Bytes behind the head: the first frames.
    pub leftover: Vec<u8>,
    /// The subprotocol it chose.
    pub subprotocol: Option<String>,
    /// Phases.
    pub timings: Timings,
}

/// Why a dial failed.
#[derive(Debug)]
pub struct DialError {
    /// Counted.
    pub kind: FailureKind,
    /// For people: escaped, bounded, without our own request.
    pub detail: String,
    /// The phases that ended, and how long it took to fail.
    pub timings: Timings,
    /// How long a busy server asks to be left alone: Retry-After of a 429 or 503.
    pub retry_after: Option<Duration>,
}

/// Whatever can open connections: the network, or memory in simulations.
pub trait Dial {
    /// What carries the bytes.
    type Stream: Carrier + 'static;

    /// Dials once; `source` is the local address, or the system's choice.
    fn dial(
        &self,
        url: &Url,
        request: &UpgradeRequest,
        source: Option<IpAddr>,
    ) -> impl Future<Output = Result<Dialled<Self::Stream>, Box<DialError>>>;

    /// The thread stood still for `total` so far: dials that were under way get that much longer.
    fn stood_still(&self, total: Duration) {
        let _ = total;
    }
}

type Failure = (FailureKind, String);

/// What is known of an attempt whenever it ends, at its deadline too.
#[derive(Debug, Default)]
struct Progress {
    timings: Cell<Timings>,
    resolved: Cell<bool>,
    retry_after: Cell<Option<Duration>>,
}

/// Dials for all clients of one thread.
#[derive(Debug)]
pub struct Dialler {
    settings: DialSettings,
    resolver: Resolver,
    stood_still: Cell<Duration>,
}

impl Dialler {
    /// A dialler with an empty name cache.
    pub fn new(settings: DialSettings) -> Self {
        let resolver = Resolver::new(settings.overrides.clone());
        Self {
            settings,
            resolver,
            stood_still: Cell::default(),
        }
    }
}

impl Dial for Dialler {
    type Stream = Transport;

    async fn dial(
        &self,
        url: &Url,
        request: &UpgradeRequest,
        source: Option<IpAddr>,
    ) -> Result<Dialled, Box<DialError>> {
        let started = Instant::now();
        let progress = Progress::default();
        let attempt = self.attempt(url, request, source, &progress);
        let ended = self.within_deadline(started, attempt).await;
        let outcome = ended.unwrap_or_else(|| Err(self.timed_out(&progress, url)));
        let mut timings = progress.timings.get();
        timings.handshake = started.elapsed();
        match outcome {
            Ok((stream, leftover, subprotocol)) => Ok(Dialled {
                stream,
                answer: Answer {
                    leftover,
                    subprotocol,
                    timings,
                },
            }),
            Err((kind, detail)) => Err(Box::new(DialError {
                kind,
                detail,
                timings,
                retry_after: progress.retry_after.get(),
            })),
        }
    }

    fn stood_still(&self, total: Duration) {
        self.stood_still.set(total);
    }
}

impl Dialler {
    /// `None` when the time is over; what we stood still meanwhile does not count.
    async fn within_deadline<T>(
        &self,
        started: Instant,
        attempt: impl Future<Output = T>,
    ) -> Option<T> {
        let mut attempt = std::pin::pin!(attempt);
        let before = self.stood_still.get();
        let mut allowed = self.settings.timeout;
        loop {
            let ended = tokio::time::timeout_at(started + allowed, attempt.as_mut()).await;
            let more = self.stood_still.get().saturating_sub(before);
            match ended {
                Ok(ended) => return Some(ended),
                Err(_) if self.settings.timeout + more > allowed => {
                    allowed = self.settings.timeout + more;
                }
                Err(_) => return None,
            }
        }
    }

    fn timed_out(&self, progress: &Progress, url: &Url) -> Failure {
        let limit = self.settings.timeout;
        let timings = progress.timings.get();
        if !progress.resolved.get() {
            let detail = format!("the name did not resolve within {limit:?}");
            return (FailureKind::Dns, detail);
        }
        if timings.tcp_connect.is_some() {
            let phase = if url.secure && timings.tls_handshake.is_none() {
                "TLS"
            } else {
                "the upgrade"
            };
            let detail = format!("{phase} did not finish within {limit:?}");
            return (FailureKind::HandshakeTimeout, detail);
        }
        let detail = format!("TCP did not open within {limit:?}");
        (FailureKind::ConnectTimeout, detail)
    }

    async fn attempt(
        &self,
        url: &Url,
        request: &UpgradeRequest,
        source: Option<IpAddr>,
        progress: &Progress,
    ) -> Result<(Transport, Vec<u8>, Option<String>), Failure> {
        let mut lap = Lap::new(&progress.timings);
        let (addresses, asked) = match self.settings.via {
            Some(relay) => (Ok(vec![relay]), false),
            None => self.resolver.resolve(url).await,
        };
        lap.end(|t, took| t.resolve = asked.then_some(took));
        progress.resolved.set(true);
        let addresses = addresses.map_err(|e| (FailureKind::Dns, e))?;
        let tcp = self.connect(&addresses, source).await?;
        lap.end(|t, took| {
            t.tcp_connect = Some(took);
            if took >= SYN_RESEND {
                t.syn_resends = tcp_info::syn_resends(&tcp);
            }
        });
        let mut stream = if url.secure {
            let stream = self.secure(tcp, url).await?;
            lap.end(|t, took| t.tls_handshake = Some(took));
            stream
        } else {
            Transport::Plain(tcp)
        };
        let (leftover, subprotocol) = upgrade(&mut stream, request, progress).await?;
        lap.end(|t, took| t.upgrade = Some(took));
        Ok((stream, leftover, subprotocol))
    }

    /// Tries the addresses in the resolver's order; the last failure speaks for all.
    async fn connect(
        &self,
        addresses: &[SocketAddr],
        source: Option<IpAddr>,
    ) -> Result<TcpStream, Failure> {
        let mut failure = (FailureKind::Dns, "no address".to_owned());
        for address in addresses {
            let matching = source.filter(|s| s.is_ipv4() == address.is_ipv4());
            match self.connect_one(*address, matching).await {
                Ok(stream) => return Ok(stream),
                Err(error) => {
                    failure = (
                        connect_kind(&error),
                        format!("connect to {address}: {error}"),
                    );
                }
            }
        }
        Err(failure)
    }

    async fn connect_one(
        &self,
        address: SocketAddr,
        source: Option<IpAddr>,
    ) -> io::Result<TcpStream> {
        let socket = if address.is_ipv4() {
            TcpSocket::new_v4()?
        } else {
            TcpSocket::new_v6()?
        };
        if let Some(source) = source {
            // Without it a bind takes a port for all destinations at once.
            #[cfg(target_os = "linux")]
            nix::sys::socket::setsockopt(
                &socket,
                nix::sys::socket::sockopt::IpBindAddressNoPort,
                &true,
            )?;
            socket.bind(SocketAddr::new(source, 0))?;
        }
        let stream = socket.connect(address).await?;
        stream.set_nodelay(self.settings.nodelay)?;
        Ok(stream)
    }

    async fn secure(&self, tcp: TcpStream, url: &Url) -> Result<Transport, Failure> {
        let config = self.settings.tls.as_ref();
        let config = config.ok_or_else(|| (FailureKind::Tls(None), "not set up".to_owned()))?;
        let name = self.settings.server_name.as_ref().unwrap_or(&url.host);
        let name = ServerName::try_from(name.clone())
            .map_err(|e| (FailureKind::Tls(None), format!("server name `{name}`: {e}")))?;
        let connected = TlsConnector::from(Arc::clone(config))
            .connect(name, tcp)
            .await;
        let stream = connected.map_err(tls_failure)?;
        Ok(Transport::Tls(Box::new(stream.into())))
    }
}

/// Times phases one after another with one clock read each.
struct Lap<'a> {
    since: Instant,
    timings: &'a Cell<Timings>,
}

impl<'a> Lap<'a> {
    fn new(timings: &'a Cell<Timings>) -> Self {
        Self {
            since: Instant::now(),
            timings,
        }
    }

    fn end(&mut self, set: impl FnOnce(&mut Timings, Duration)) {
        let now = Instant::now();
        let mut timings = self.timings.get();
        set(&mut timings, now - self.since);
        self.timings.set(timings);
        self.since = now;
    }
}

async fn upgrade(
    stream: &mut Transport,
    request: &UpgradeRequest,
    progress: &Progress,
) -> Result<(Vec<u8>, Option<String>), Failure> {
    let count = |bytes: usize| {
        let mut so_far = progress.timings.get();
        so_far.bytes = so_far.bytes.saturating_add(bytes as u32);
        progress.timings.set(so_far);
    };
    let (bytes, accept) = request.with_fresh_key();
    count(bytes.len());
    let sent = async {
        stream.write_all(&bytes).await?;
        stream.flush().await
    };
    // A peer that refuses without reading may reset: what it said first is still worth reading.
    let write_error = sent.await.err();
    let mut answer = Vec::with_capacity(512);
    let (mut seen, mut received) = (0, 0);
    loop {
        let read = stream.read_buf(&mut answer).await;
        match read {
            // What kept the request from being sent says more than the end that followed.
            Ok(0) => {
                let end = io::Error::from(io::ErrorKind::UnexpectedEof);
                return Err(ended(&answer, write_error.unwrap_or(end)));
            }
            Ok(length) => {
                count(length);
                received += length;
            }
            Err(error) => return Err(ended(&answer, error)),
        }
        let worth_judging = may_be_whole(&answer, seen);
        seen = answer.len();
        if !worth_judging {
            continue;
        }
        match judge(&mut answer, &accept, &request.subprotocols) {
            // Interim answers may have been taken off.
            Judgement::Incomplete if received < MAX_HEAD => seen = answer.len(),
            Judgement::Incomplete => {
                let detail = format!("interim answers of more than {MAX_HEAD} bytes");
                return Err((FailureKind::BadUpgrade(BadUpgrade::HeadTooLarge), detail));
            }
            Judgement::Accepted { used, subprotocol } => {
                answer.drain(..used);
                answer.shrink_to_fit();
                return Ok((answer, subprotocol));
            }
            Judgement::Refused(refusal) => {
                progress.retry_after.set(refusal.retry_after);
                let refusal = with_body(stream, answer, refusal, &request.subprotocols).await;
                return Err((refusal.kind, refusal.detail));
            }
        }
    }
}

/// The stream ended before a whole answer.
fn ended(answer: &[u8], error: io::Error) -> Failure {
    use io::ErrorKind as E;
    match error.kind() {
        E::UnexpectedEof if answer.is_empty() => {
            let detail = "closed without an answer to the upgrade".to_owned();
            (FailureKind::BadUpgrade(BadUpgrade::Truncated), detail)
        }
        E::UnexpectedEof => {
            let detail = format!("closed after {} bytes of an answer", answer.len());
            (FailureKind::BadUpgrade(BadUpgrade::Truncated), detail)
        }
        E::ConnectionReset | E::ConnectionAborted | E::BrokenPipe => {
            (FailureKind::Reset, format!("during the upgrade: {error}"))
        }
        // With TLS 1.3 a server's verdict on our certificate comes only now.
        _ => tls_failure(error),
    }
}

/// Waits a moment for the start of a refusal's body, which often says why.
async fn with_body(
    stream: &mut Transport,
    mut answer: Vec<u8>,
    refusal: Refusal,
    offered: &[String],
) -> Refusal {
    if !refusal.has_body {
        return refusal;
    }
    let read = tokio::time::timeout(BODY_WAIT, stream.read_buf(&mut answer)).await;
    match (read, judge(&mut answer, "", offered)) {
        (Ok(Ok(1..)), Judgement::Refused(fuller)) => fuller,
        _ => refusal,
    }
}

fn connect_kind(error: &io::Error) -> FailureKind {
    use nix::libc;
    match error.raw_os_error() {
        Some(libc::ECONNREFUSED) => FailureKind::Refused,
        Some(libc::EADDRNOTAVAIL | libc::EADDRINUSE) => FailureKind::PortExhausted,
        Some(libc::EMFILE | libc::ENFILE) => FailureKind::FdExhausted,
        Some(libc::ETIMEDOUT) => FailureKind::ConnectTimeout,
        Some(libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EACCES | libc::EPERM) => {
            FailureKind::Unreachable
        }
        Some(libc::ECONNRESET) => FailureKind::Reset,
        other => FailureKind::Io(other.unwrap_or(0)),
    }
}

fn tls_failure(error: io::Error) -> Failure {
    let inner = error
        .get_ref()
        .and_then(|e| e.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::AlertReceived(alert)) => {
            let code = u8::from(*alert);
            (
                FailureKind::Tls(Some(code)),
                format!("the server sent alert {alert:?}"),
            )
        }
        Some(rustls::Error::InvalidMessage(_)) => {
            let detail = "the port does not speak TLS: try ws://".to_owned();
            (FailureKind::Tls(None), detail)
        }
        Some(error) => (FailureKind::Tls(None), error.to_string()),
        None if error.kind() == io::ErrorKind::UnexpectedEof => (
            FailureKind::Tls(None),
            "closed during the TLS handshake".to_owned(),
        ),
        None if error.kind() == io::ErrorKind::ConnectionReset => {
            (FailureKind::Reset, "during the TLS handshake".to_owned())
        }
        None => (
            FailureKind::Io(error.raw_os_error().unwrap_or(0)),
            error.to_string(),
        ),
    }
}

#[cfg(test)]
mod tests;
