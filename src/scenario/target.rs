//! The URL under test and how to dial it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{Address, Template};

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

impl Target {
    /// Whether every URL leads to this machine, as far as can be told without resolving names: a
    /// host that is only known once its holes are filled is taken for another machine.
    pub fn is_loopback(&self) -> bool {
        self.urls.iter().all(|url| self.leads_here(url))
    }

    /// Whether one of its URLs leads to this machine; see [`Target::is_loopback`].
    pub fn leads_here(&self, url: &Template) -> bool {
        let Some((host, port)) = host_and_port(&url.to_string()) else {
            return false;
        };
        let overrides = self.resolve.iter();
        let mut overrides = overrides
            .filter(|known| known.host == host && port.is_none_or(|port| port == known.port))
            .peekable();
        if overrides.peek().is_some() {
            return overrides.all(|known| is_here(known.address));
        }
        host == "localhost" || host.parse().is_ok_and(is_here)
    }
}

/// Connecting to the unspecified address reaches this machine too.
fn is_here(address: IpAddr) -> bool {
    address.is_loopback() || address.is_unspecified()
}

/// The host of a URL whose other parts may have holes; the port when it has none.
fn host_and_port(url: &str) -> Option<(String, Option<u16>)> {
    if let Ok(address) = Address::parse(url) {
        return Some((address.host, Some(address.port)));
    }
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.find(['/', '?']).map_or(rest, |end| &rest[..end]);
    let (host, behind) = match authority.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if [scheme, host].iter().any(|part| part.contains("{{")) || host.is_empty() {
        return None;
    }
    // Behind the host stands nothing or a port: what a hole adds there cannot change the host.
    if !behind.is_empty() && !behind.starts_with(':') {
        return None;
    }
    let port = match (behind.strip_prefix(':'), scheme) {
        (Some(port), _) => port.parse().ok(),
        (None, "wss") => Some(443),
        (None, _) => Some(80),
    };
    Some((host.to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::super::{Overrides, Scenario, Statistics};

    fn is_loopback(target: &str) -> bool {
        let statistics = Statistics {
            kind: &|_| None,
            names: &[],
        };
        let text = format!(
            "name = \"x\"\n[load]\nstages = [ {{ duration = \"1s\", clients = 1 }} ]\n[target]\n{target}\n"
        );
        let none = Overrides::default();
        let read = Scenario::parse("x.toml", &text, &none, &|_| None, &statistics);
        let scenario = read.unwrap_or_else(|problems| panic!("{target}: {problems}"));
        scenario.target.is_loopback()
    }

    #[test]
    fn only_what_is_surely_this_machine_is_loopback() {
        for (url, expected) in [
            ("ws://127.0.0.1:9001/", true),
            ("ws://127.9.9.9/", true),
            ("wss://[::1]:8443/x?a=b", true),
            ("ws://LOCALHOST:1/", true),
            ("ws://0.0.0.0:9001/", true),
            ("ws://127.0.0.1:9001/{{client}}?t={{uuid}}", true),
            ("ws://127.0.0.1:{{9000 + client % 4}}/", true),
            ("ws://10.0.0.1/", false),
            ("ws://[::2]:1/{{client}}", false),
            ("ws://localhost.example.com/", false),
            ("ws://127.0.0.1.example.com/{{client}}", false),
            ("wss://example.com/127.0.0.1", false),
            ("ws://127.0.0.{{1 + client}}:9001/", false),
            ("ws://localhost{{client}}/", false),
        ] {
            assert_eq!(is_loopback(&format!("url = \"{url}\"")), expected, "{url}");
        }
    }

    #[test]
    fn overrides_decide_and_one_url_elsewhere_is_enough() {
        for (target, expected) in [
            (
                "url = \"ws://example.com/\"\nresolve = [\"example.com:80:127.0.0.1\"]",
                true,
            ),
            (
                "url = \"ws://example.com/\"\nresolve = [\"example.com:81:127.0.0.1\"]",
                false,
            ),
            (
                "url = \"ws://localhost/\"\nresolve = [\"localhost:80:10.0.0.1\"]",
                false,
            ),
            (
                "url = \"ws://a:{{80 + client}}/\"\nresolve = [\"a:80:127.0.0.1\", \"a:81:10.0.0.1\"]",
                false,
            ),
            ("urls = [\"ws://127.0.0.1/\", \"ws://[::1]/\"]", true),
            ("urls = [\"ws://127.0.0.1/\", \"ws://h/\"]", false),
        ] {
            assert_eq!(is_loopback(target), expected, "{target}");
        }
    }
}
