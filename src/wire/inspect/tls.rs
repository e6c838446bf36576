//! TLS that always goes on: what would have stopped a careful client is noted, not obeyed.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme,
    version,
};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::wire::tls::{TlsError, TlsSettings, chain, private_key, roots};

/// Trust and our own certificate, read from files once.
#[derive(Clone, Debug)]
pub struct InspectTls {
    provider: Arc<CryptoProvider>,
    verifier: Arc<WebPkiServerVerifier>,
    client: Option<Arc<CertifiedKey>>,
}

/// What TLS showed, as far as it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSeen {
    /// `TLS 1.2` or `TLS 1.3`.
    pub version: Option<String>,
    /// In the words of the IANA registry.
    pub cipher: Option<String>,
    /// The application protocol chosen; `None` when the server chose none.
    pub alpn: Option<String>,
    /// DER certificates in the order sent, the server's own first.
    pub chain: Vec<Vec<u8>>,
    /// Why a careful client would not trust it: the first reason rustls meets. `None`: trusted.
    pub distrust: Option<String>,
    /// The server asked for a certificate of ours.
    pub client_certificate_asked: bool,
    /// Why the server's signature over the handshake could not be checked: a key too small or of a
    /// kind that is not supported.
    pub signature: Option<String>,
}

/// Why a chain is not trusted, its dates and names set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// No trusted root signed it.
    UnknownIssuer,
    /// Another reason, in rustls' words.
    Other(String),
}

/// Why TLS did not come up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsFault {
    /// A fatal alert from the peer, in the words of RFC 8446 6, e.g. `UnrecognisedName`.
    Alert(String),
    /// The peer spoke, but not TLS: the first bytes are no record (RFC 8446 5.1).
    NotTls(String),
    /// The peer closed: FIN.
    Closed,
    /// RST.
    Reset,
    /// No answer before the deadline.
    TimedOut,
    /// No version or cipher in common, or another protocol error, in rustls' words.
    Other(String),
}

impl InspectTls {
    /// Reads the files of `settings` (`ca`, `cert`, `key`; the rest is not used).
    ///
    /// # Errors
    /// A file that cannot be read or used; a system without trust roots.
    pub fn new(settings: &TlsSettings) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let trusted = Arc::new(roots(settings.ca.as_deref())?);
        let verifier =
            WebPkiServerVerifier::builder_with_provider(trusted, Arc::clone(&provider)).build();
        let verifier = verifier.map_err(|e| TlsError::Roots(e.to_string()))?;
        let client = match (&settings.cert, &settings.key) {
            (None, None) => None,
            (Some(cert), Some(key)) => Some(own_certificate(&provider, cert, key)?),
            _ => return Err(TlsError::CertWithoutKey),
        };
        Ok(Self {
            provider,
            verifier,
            client,
        })
    }

    /// Whether the server would be shown a certificate of ours.
    pub fn has_client_certificate(&self) -> bool {
        self.client.is_some()
    }

    /// Why the chain (DER, the server's own first) leads to no trusted root at `at` (seconds since
    /// 1970), whatever name the certificate is for. `None`: it does.
    pub fn distrust_of_chain(&self, chain: &[Vec<u8>], at: u64) -> Option<Distrust> {
        let certs: Vec<_> = (chain.iter())
            .map(|der| CertificateDer::from(der.as_slice()))
            .collect();
        let (own, others) = certs.split_first()?;
        // The name is checked last: an error about it means that the chain is good.
        let name = ServerName::try_from("name.invalid").ok()?;
        let now = UnixTime::since_unix_epoch(Duration::from_secs(at));
        let verdict = self
            .verifier
            .verify_server_cert(own, others, &name, &[], now);
        match verdict {
            Ok(_) => None,
            Err(rustls::Error::InvalidCertificate(error)) => match error {
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => None,
                CertificateError::UnknownIssuer => Some(Distrust::UnknownIssuer),
                error => Some(Distrust::Other(error.to_string())),
            },
            Err(other) => Some(Distrust::Other(other.to_string())),
        }
    }

    /// The bytes of a ClientHello for `name`, to see what answers it; empty for a name that cannot
    /// stand in one.
    pub fn client_hello(&self, name: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        let config = self.config(&Arc::new(Notes::default()));
        if let (Ok(config), Ok(name)) = (config, ServerName::try_from(name.to_owned()))
            && let Ok(mut hello) = rustls::ClientConnection::new(Arc::new(config), name)
        {
            // Writing into memory cannot fail.
            let _ = hello.write_tls(&mut bytes);
        }
        bytes
    }

    fn config(&self, notes: &Arc<Notes>) -> Result<ClientConfig, rustls::Error> {
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Onlooker {
                verifier: Arc::clone(&self.verifier),
                notes: Arc::clone(notes),
            }))
            .with_client_cert_resolver(Arc::new(OwnCertificate {
                key: self.client.clone(),
                notes: Arc::clone(notes),
            }));
        // Never h2: an upgrade is not possible on it.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::disabled();
        Ok(config)
    }
}

fn own_certificate(
    provider: &CryptoProvider,
    cert: &Path,
    key: &Path,
) -> Result<Arc<CertifiedKey>, TlsError> {
    let key = CertifiedKey::from_der(chain(cert)?, private_key(key)?, provider)?;
    Ok(Arc::new(key))
}

/// What the callbacks of one handshake noted.
#[derive(Debug, Default)]
struct Notes(Mutex<TlsSeen>);

impl Notes {
    fn note(&self, change: impl FnOnce(&mut TlsSeen)) {
        // A poisoned lock would mean that a note panicked: what it holds is still what was seen.
        let mut seen = self.0.lock().unwrap_or_else(|e| e.into_inner());
        change(&mut seen);
    }
}

pub(super) async fn start(
    tcp: TcpStream,
    settings: &InspectTls,
    name: &str,
    deadline: Instant,
) -> (
    Result<tokio_rustls::TlsStream<TcpStream>, TlsFault>,
    TlsSeen,
) {
    let notes = Arc::new(Notes::default());
    let connecting = async {
        let config = settings
            .config(&notes)
            .map_err(|e| TlsFault::Other(e.to_string()))?;
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| TlsFault::Other(format!("{name:?} is not a server name")))?;
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, tcp).await.map_err(|e| fault(&e))
    };
    let outcome = timeout_at(deadline, connecting)
        .await
        .unwrap_or(Err(TlsFault::TimedOut));
    if let Ok(stream) = &outcome {
        let session = stream.get_ref().1;
        notes.note(|seen| {
            seen.version = session.protocol_version().map(|v| match v {
                rustls::ProtocolVersion::TLSv1_3 => "TLS 1.3".to_owned(),
                rustls::ProtocolVersion::TLSv1_2 => "TLS 1.2".to_owned(),
                other => format!("{other:?}"),
            });
            seen.cipher = session
                .negotiated_cipher_suite()
                .map(|suite| format!("{:?}", suite.suite()));
            seen.alpn = session
                .alpn_protocol()
                .map(|alpn| String::from_utf8_lossy(alpn).into_owned());
        });
    }
    let mut seen = TlsSeen::default();
    notes.note(|noted| seen = noted.clone());
    (outcome.map(tokio_rustls::TlsStream::from), seen)
}

/// The alert inside an error, if a peer sent one.
pub(super) fn alert(error: &io::Error) -> Option<String> {
    let inner = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    match inner {
        rustls::Error::AlertReceived(alert) => Some(words(*alert)),
        _ => None,
    }
}

/// `UnrecognisedName`; an unknown number stays a number.
fn words(alert: AlertDescription) -> String {
    format!("{alert:?}")
}

fn fault(error: &io::Error) -> TlsFault {
    if let Some(alert) = alert(error) {
        return TlsFault::Alert(alert);
    }
    let inner = error.get_ref().and_then(|e| e.downcast_ref());
    match (inner, error.kind()) {
        (Some(rustls::Error::InvalidMessage(message)), _) => {
            TlsFault::NotTls(format!("{message:?}"))
        }
        (Some(other), _) => TlsFault::Other(other.to_string()),
        (None, io::ErrorKind::UnexpectedEof) => TlsFault::Closed,
        (None, io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => TlsFault::Reset,
        (None, _) => TlsFault::Other(error.to_string()),
    }
}

/// Asks the real verifier, notes its verdict, goes on.
#[derive(Debug)]
struct Onlooker {
    verifier: Arc<WebPkiServerVerifier>,
    notes: Arc<Notes>,
}

impl Onlooker {
    /// Goes on after a signature that does not satisfy a careful client, and notes why.
    fn noted(
        &self,
        verdict: Result<HandshakeSignatureValid, rustls::Error>,
    ) -> HandshakeSignatureValid {
        verdict.unwrap_or_else(|error| {
            self.notes
                .note(|seen| seen.signature = Some(error.to_string()));
            HandshakeSignatureValid::assertion()
        })
    }
}

impl ServerCertVerifier for Onlooker {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verdict = self.verifier.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        self.notes.note(|seen| {
            seen.chain = std::iter::once(end_entity)
                .chain(intermediates)
                .map(|der| der.to_vec())
                .collect();
            seen.distrust = verdict.err().map(|e| e.to_string());
        });
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let verdict = self.verifier.verify_tls12_signature(message, cert, dss);
        Ok(self.noted(verdict))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let verdict = self.verifier.verify_tls13_signature(message, cert, dss);
        Ok(self.noted(verdict))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// Our certificate, if there is one; notes that it was asked for.
#[derive(Debug)]
struct OwnCertificate {
    key: Option<Arc<CertifiedKey>>,
    notes: Arc<Notes>,
}

impl ResolvesClientCert for OwnCertificate {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.notes.note(|seen| seen.client_certificate_asked = true);
        self.key.clone()
    }

    fn has_certs(&self) -> bool {
        true
    }
}
