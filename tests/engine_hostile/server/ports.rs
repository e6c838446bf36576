//! Ports whose fate is decided before a request is read.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig, ServerConnection, Stream};
use socket2::{Domain, SockAddr, SockRef, Socket, Type};

use super::{Served, accept_on};

const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

fn bound() -> Socket {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SockAddr::from(LOCAL)).expect("a free port");
    socket
}

fn address(socket: &Socket) -> SocketAddr {
    let address = socket.local_addr().expect("bound");
    address.as_socket().expect("an address of a port")
}

/// A listener whose queue holds every client of a run.
pub fn listen() -> TcpListener {
    let socket = bound();
    socket.listen(4096).expect("bound");
    socket.into()
}

/// A listener whose connections hold little unread: a few messages fill them.
fn narrow() -> TcpListener {
    let socket = bound();
    socket.set_recv_buffer_size(4096).expect("a socket");
    // The sender's buffer grows with the size of its segments.
    socket.set_tcp_mss(536).expect("a socket");
    socket.listen(4096).expect("bound");
    socket.into()
}

/// Nothing listens, and nobody else can.
pub fn closed() -> SocketAddr {
    let socket = bound();
    let address = address(&socket);
    std::mem::forget(socket);
    address
}

/// Its accept queue is full: no SYN is answered any more.
pub fn full() -> SocketAddr {
    let socket = bound();
    socket.listen(0).expect("bound");
    let address = address(&socket);
    std::mem::forget(socket);
    let wait = Duration::from_millis(300);
    while let Ok(stream) = TcpStream::connect_timeout(&address, wait) {
        std::mem::forget(stream);
    }
    address
}

/// TCP opens, nobody is there.
pub fn mute() -> SocketAddr {
    let listener = listen();
    let address = listener.local_addr().expect("bound");
    std::mem::forget(listener);
    address
}

/// FIN as soon as it is accepted.
pub fn fin() -> SocketAddr {
    accept_on(listen(), |mut stream| {
        stream.shutdown(std::net::Shutdown::Write)?;
        drain(&mut stream)
    })
}

/// RST as soon as it is accepted.
pub fn rst() -> SocketAddr {
    accept_on(listen(), |stream| {
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))
    })
}

/// Opens, then reads nothing for a minute, with little room for what comes.
pub fn deaf() -> SocketAddr {
    accept_on(narrow(), super::serve_deaf)
}

/// Bytes that are no TLS, whatever comes.
pub fn not_tls() -> SocketAddr {
    accept_on(listen(), |mut stream| {
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")?;
        drain(&mut stream)
    })
}

/// Ends after the client's hello.
pub fn fin_within_tls() -> SocketAddr {
    accept_on(listen(), |mut stream| {
        let mut bytes = [0; 4096];
        let _ = stream.read(&mut bytes)?;
        stream.shutdown(std::net::Shutdown::Write)?;
        drain(&mut stream)
    })
}

/// Where nobody should be led: counts who comes.
pub fn trap() -> (SocketAddr, &'static AtomicU64) {
    static CAUGHT: AtomicU64 = AtomicU64::new(0);
    static TRAP: LazyLock<SocketAddr> = LazyLock::new(|| {
        accept_on(listen(), |_| {
            CAUGHT.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
    });
    (*TRAP, &CAUGHT)
}

fn drain(stream: &mut TcpStream) -> Served {
    let mut bytes = [0; 4096];
    while stream.read(&mut bytes)? > 0 {}
    Ok(())
}

/// What a TLS server has wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Nothing: its certificate is signed by the authority, for this address.
    None,
    /// Signed by the authority, but for another name.
    WrongName,
    /// Signed by the authority, but long over.
    Expired,
    /// Signed by nobody but itself.
    SelfSigned,
    /// TLS 1.2 only.
    OldOnly,
    /// Wants a certificate of the client, with TLS 1.3.
    WantsCertificate,
    /// The same with TLS 1.2, where the handshake itself fails.
    WantsCertificate12,
}

/// The authority of all certificates here, and its own certificate as PEM.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("signed");
        Self { issuer }
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A TLS server that reads a request and goes.
    pub fn serve(&self, fault: Fault) -> SocketAddr {
        let config = Arc::new(self.config(fault));
        let listener = listen();
        let address = listener.local_addr().expect("bound");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let config = Arc::clone(&config);
                super::spawn(move || shake_hands(stream, config));
            }
        });
        address
    }

    fn config(&self, fault: Fault) -> ServerConfig {
        let name = if fault == Fault::WrongName {
            "elsewhere.example"
        } else {
            "127.0.0.1"
        };
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        if fault == Fault::Expired {
            params.not_before = rcgen::date_time_ymd(2001, 1, 1);
            params.not_after = rcgen::date_time_ymd(2002, 1, 1);
        }
        // Or it would pass for a forgery of the authority's.
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "a server");
        let key = KeyPair::generate().expect("a key");
        let certificate = match fault {
            Fault::SelfSigned => params.self_signed(&key),
            _ => params.signed_by(&key, &self.issuer),
        };
        let chain = vec![CertificateDer::from(certificate.expect("signed"))];
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let versions: &[_] = match fault {
            Fault::OldOnly | Fault::WantsCertificate12 => &[&TLS12],
            _ => &[&TLS13],
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .expect("known versions");
        let builder = match fault {
            Fault::WantsCertificate | Fault::WantsCertificate12 => {
                let mut roots = RootCertStore::empty();
                roots.add(self.issuer.der().clone()).expect("a certificate");
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().expect("roots"))
            }
            _ => builder.with_no_client_auth(),
        };
        builder.with_single_cert(chain, key).expect("they fit")
    }
}

fn shake_hands(mut tcp: TcpStream, config: Arc<ServerConfig>) -> Served {
    let mut tls = ServerConnection::new(config).expect("a configuration that is valid");
    let mut request = [0; 1024];
    let read = Stream::new(&mut tls, &mut tcp).read(&mut request);
    // The alert that says why.
    let _ = tls.write_tls(&mut tcp);
    if read.is_ok() {
        tls.send_close_notify();
        let _ = tls.write_tls(&mut tcp);
    }
    tcp.shutdown(std::net::Shutdown::Write)?;
    drain(&mut tcp)
}
