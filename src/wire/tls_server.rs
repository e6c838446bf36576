//! The server's side of TLS: a given certificate, or one made on the spot.
//!
//! A certificate made here is trusted by nobody (clients need `--insecure`), lives in memory only and
//! is valid for `localhost`, `127.0.0.1` and `::1`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::carrier::Transport;

/// Whom the server claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity<'a> {
    /// A certificate made on the spot.
    SelfSigned,
    /// PEM files.
    Files {
        /// The chain, leaf first.
        cert: &'a Path,
        /// The leaf's private key.
        key: &'a Path,
    },
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsServerError {
    /// A PEM file could not be read, or holds something else.
    #[error("reading {what} from {path}: {cause}", path = path.display())]
    Pem {
        /// `certificates` or `a private key`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What was wrong with it.
        cause: pem::Error,
    },
    /// Certificate and key do not fit together, or their kind is not supported.
    #[error("using the certificate and its key: {0}")]
    Config(#[from] rustls::Error),
    /// No certificate could be made.
    #[error("making a self-signed certificate: {0}")]
    Generate(#[from] rcgen::Error),
}

/// Accepts TLS; cheap to clone.
#[derive(Clone)]
pub struct TlsServer(TlsAcceptor);

impl TlsServer {
    /// TLS 1.2 and 1.3, session tickets, ALPN `http/1.1`.
    pub fn new(identity: Identity<'_>) -> Result<Self, TlsServerError> {
        let (chain, key) = match identity {
            Identity::SelfSigned => generate()?,
            Identity::Files { cert, key } => (read_chain(cert)?, read_key(key)?),
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Tickets hold their own state, so a resumption may arrive at any thread.
        config.ticketer = ring::Ticketer::new()?;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// The TLS handshake. No deadline of its own.
    pub async fn accept(&self, tcp: TcpStream) -> io::Result<Transport> {
        let tls = self.0.accept(tcp).await?;
        Ok(Transport::Tls(Box::new(tls.into())))
    }
}

impl std::fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsServer")
    }
}

type ChainAndKey = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn generate() -> Result<ChainAndKey, TlsServerError> {
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names)?;
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    Ok((vec![made.cert.der().clone()], key))
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsServerError> {
    let chain = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let chain: Vec<_> = chain.map_err(|cause| describe("certificates", path, cause))?;
    if chain.is_empty() {
        return Err(describe("certificates", path, pem::Error::NoItemsFound));
    }
    Ok(chain)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsServerError> {
    PrivateKeyDer::from_pem_file(path).map_err(|cause| describe("a private key", path, cause))
}

fn describe(what: &'static str, path: &Path, cause: pem::Error) -> TlsServerError {
    TlsServerError::Pem {
        what,
        path: path.to_owned(),
        cause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_and_their_faults_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (cert, key) = (
            folder.path().join("cert.pem"),
            folder.path().join("key.pem"),
        );
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
        std::fs::write(&cert, made.cert.pem()).expect("written");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
        let load = |cert, key| TlsServer::new(Identity::Files { cert, key });
        assert!(load(&cert, &key).is_ok());
        let swapped = load(&key, &cert).expect_err("a key is no certificate");
        assert!(swapped.to_string().contains("reading certificates from"));
        let missing = load(&cert, &folder.path().join("none")).expect_err("no such file");
        assert!(missing.to_string().contains("reading a private key from"));
    }

    #[test]
    fn a_self_signed_identity_is_made_on_the_spot() {
        assert!(TlsServer::new(Identity::SelfSigned).is_ok());
    }
}
