//! The URL under test and how to dial it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Template;

/// How every client dials. All templates are rendered once per client, before its first dial.
#[derive(Clone, Debug)]
pub struct Target {
    /// At least one; dealt round-robin over clients.
    pub urls: Vec<Template>,
    /// Extra request headers in file order; names are valid tokens, none is one `wire` writes itself
    /// (`Host` may be given and replaces the default).
    pub headers: Vec<(String, Template)>,
    /// Offered in `Sec-WebSocket-Protocol`, in order.
    pub subprotocols: Vec<Template>,
    /// Used by `wss://` URLs.
    pub tls: TlsPlan,
    /// One deadline over resolve, TCP, TLS and upgrade.
    pub connect_timeout: Duration,
    /// How long to wait for the peer's close frame after ours.
    pub close_timeout: Duration,
    /// TCP_NODELAY.
    pub nodelay: bool,
    /// Local addresses, dealt round-robin over clients; empty = the kernel's choice.
    pub source_addresses: Vec<IpAddr>,
    /// Addresses to use instead of resolving, as curl's `--resolve`.
    pub resolve: Vec<ResolveOverride>,
    /// Largest incoming message in bytes (all fragments together).
    pub max_message: usize,
    /// Largest incoming frame in bytes.
    pub max_frame: usize,
}

/// `host:port:address`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveOverride {
    /// As written in the URL, lower case.
    pub host: String,
    /// The URL's port.
    pub port: u16,
    /// Where to connect instead.
    pub address: IpAddr,
}

/// TLS settings of a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsPlan {
    /// PEM bundle trusted instead of the system's roots.
    pub ca: Option<PathBuf>,
    /// PEM client certificate chain; goes with `key`.
    pub cert: Option<PathBuf>,
    /// PEM private key of `cert`.
    pub key: Option<PathBuf>,
    /// Name for SNI and verification instead of the URL's host.
    pub server_name: Option<String>,
    /// No verification at all; shown in every report.
    pub insecure: bool,
    /// Only TLS 1.3.
    pub tls13_only: bool,
    /// Session tickets kept between dials of a shard.
    pub resumption: bool,
}
