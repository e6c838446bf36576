//! TLS of a client: trust, its own certificate, versions, resumption.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, version};

/// The lowest version to accept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// TLS 1.2 and 1.3.
    #[default]
    Tls12,
    /// TLS 1.3 only.
    Tls13,
}

/// How to trust a server and what to show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// PEM bundle to trust instead of the system's roots.
    pub ca: Option<PathBuf>,
    /// PEM chain of our own certificate.
    pub cert: Option<PathBuf>,
    /// PEM key of `cert`.
    pub key: Option<PathBuf>,
    /// Verify nothing.
    pub insecure: bool,
    /// Lowest version.
    pub min_version: TlsVersion,
    /// Keep session tickets between dials.
    pub resumption: bool,
}

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file did not open or is not PEM.
    #[error("read {what} from {path}: {cause}\nhint: give a PEM file that can be read")]
    File {
        /// What it should hold.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What went wrong.
        cause: String,
    },
    /// The system has no trust roots.
    #[error(
        "load the system's trust roots: {0}\nhint: install ca-certificates, or give `tls.ca`, or `tls.insecure`"
    )]
    Roots(String),
    /// A certificate needs its key.
    #[error("`cert` and `key` go together\nhint: give both or neither")]
    CertWithoutKey,
    /// rustls refused.
    #[error("set up TLS: {0}")]
    Config(#[from] rustls::Error),
}

/// What every dial of a run shares for TLS: trust, certificate, versions, session tickets.
pub type ClientTls = Arc<ClientConfig>;

/// Builds a client's configuration; reads files, so it is done once a run.
pub fn client_tls(settings: &TlsSettings) -> Result<ClientTls, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let versions: &[_] = match settings.min_version {
        TlsVersion::Tls12 => &[&version::TLS13, &version::TLS12],
        TlsVersion::Tls13 => &[&version::TLS13],
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)?;
    let builder = if settings.insecure {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(NoVerification(provider)))
    } else {
        builder.with_root_certificates(roots(settings.ca.as_deref())?)
    };
    let mut config = match (&settings.cert, &settings.key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(cert), Some(key)) => {
            builder.with_client_auth_cert(chain(cert)?, private_key(key)?)?
        }
        _ => return Err(TlsError::CertWithoutKey),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = if settings.resumption {
        Resumption::in_memory_sessions(256)
    } else {
        Resumption::disabled()
    };
    Ok(Arc::new(config))
}

pub(super) fn roots(ca: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    let Some(path) = ca else {
        let found = rustls_native_certs::load_native_certs();
        store.add_parsable_certificates(found.certs);
        if store.is_empty() {
            let cause = found
                .errors
                .first()
                .map_or("none found".to_owned(), ToString::to_string);
            return Err(TlsError::Roots(cause));
        }
        return Ok(store);
    };
    for cert in chain(path)? {
        store.add(cert)?;
    }
    Ok(store)
}

fn file_error(what: &'static str, path: &Path, cause: impl ToString) -> TlsError {
    TlsError::File {
        what,
        path: path.to_owned(),
        cause: cause.to_string(),
    }
}

pub(super) fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let what = "a certificate chain";
    let bytes = std::fs::read(path).map_err(|e: io::Error| file_error(what, path, e))?;
    let certs: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match certs {
        Ok(certs) if !certs.is_empty() => Ok(certs),
        Ok(_) => Err(file_error(what, path, "no certificate in it")),
        Err(error) => Err(file_error(what, path, error)),
    }
}

pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let what = "a private key";
    let bytes = std::fs::read(path).map_err(|e: io::Error| file_error(what, path, e))?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|e| file_error(what, path, e))
}

/// `insecure`: any certificate passes, but signatures must still be well-formed.
#[derive(Debug)]
struct NoVerification(Arc<CryptoProvider>);

impl ServerCertVerifier for NoVerification {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
