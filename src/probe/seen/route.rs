//! From a name to an open, encrypted connection.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Millis;

/// What the resolver said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Resolved {
    /// `None` when no resolver was asked: the URL holds an address, or `--resolve` gave one.
    pub took_ms: Option<Millis>,
    /// In its order.
    pub addresses: Vec<String>,
    /// Its words, when it found none.
    pub error: Option<String>,
}

/// An open TCP connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TcpOpened {
    /// SYN to established.
    pub took_ms: Millis,
    /// SYNs that had to be sent again: a connect of 1, 3 or 7 s is a lost SYN.
    pub syn_resends: u32,
}

/// Why TLS did not come up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TlsProblem {
    /// A fatal alert, in the words of RFC 8446 6: `ProtocolVersion`, `UnrecognisedName`, ...
    Alert(String),
    /// The first bytes that came are not TLS; the bytes, escaped.
    NotTls(String),
    /// FIN.
    Closed,
    /// RST.
    Reset,
    /// No answer to the ClientHello in time.
    TimedOut,
    /// Anything else, in rustls' words.
    Other(String),
}

/// One certificate, as parsed by ourselves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Certificate {
    /// RFC 4514, escaped.
    pub subject: String,
    /// RFC 4514, escaped.
    pub issuer: String,
    /// The CN of the subject.
    pub common_name: Option<String>,
    /// DNS names and addresses of subjectAltName.
    pub names: Vec<String>,
    /// Seconds since 1970.
    pub not_before: i64,
    /// Seconds since 1970.
    pub not_after: i64,
    /// `RSA 2048`, `EC 256`, ...
    pub key: String,
    /// Bits of the key.
    pub key_bits: u32,
    /// `sha256WithRSAEncryption`, ...
    pub signature: String,
    /// basicConstraints say it may sign others.
    pub is_ca: bool,
    /// Subject and issuer are the same.
    pub self_issued: bool,
    /// Where its issuer can be fetched (authorityInfoAccess).
    pub issuer_url: Option<String>,
}

/// What TLS showed, as far as it came.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TlsSeen {
    /// ClientHello to Finished, or to the failure.
    pub took_ms: Millis,
    /// `TLS 1.2` or `TLS 1.3`.
    pub version: Option<String>,
    /// Name in the IANA registry.
    pub cipher: Option<String>,
    /// Chosen application protocol.
    pub alpn: Option<String>,
    /// The server asked for a certificate of ours.
    pub client_certificate_asked: bool,
    /// As sent; the server's own first.
    pub chain: Vec<Certificate>,
    /// A certificate of the chain that could not be parsed.
    pub unreadable: Option<String>,
    /// The first reason a verifier meets not to trust it; `None`: trusted.
    pub distrust: Option<String>,
    /// The reason that is left when dates and names are set aside; `None`: the chain leads to a
    /// trusted root.
    pub chain_distrust: Option<String>,
    /// That reason is that no trusted root signed it.
    pub unknown_issuer: bool,
    /// Why the server's signature over the handshake could not be checked.
    pub signature: Option<String>,
    /// Why it did not come up.
    pub problem: Option<TlsProblem>,
}

/// The way to one address.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Route {
    /// `address:port`.
    pub address: String,
    /// When TCP opened.
    pub tcp: Option<TcpOpened>,
    /// Why it did not: `refused`, `timeout`, `unreachable`, `local: ...`, or the system's words.
    pub fault: Option<String>,
    /// How long that took to know.
    pub took_ms: Millis,
    /// Of `wss://`.
    pub tls: Option<TlsSeen>,
}

impl Route {
    /// Whether a request can be sent on it.
    pub fn is_open(&self) -> bool {
        self.tcp.is_some() && self.tls.as_ref().is_none_or(|tls| tls.problem.is_none())
    }
}
