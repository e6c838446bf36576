//! What one probe is asked to do.

use std::net::IpAddr;
use std::time::Duration;

use crate::wire::inspect::InspectTls;
use crate::wire::{Override, Url};

/// A forward proxy that is asked to CONNECT (RFC 9110 9.3.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpProxy {
    /// Name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The value of Proxy-Authorization; never shown.
    pub authorization: Option<String>,
}

/// How long and how closely sessions are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watching {
    /// How long connections are held idle; zero holds none.
    pub idle: Duration,
    /// Hold with traffic and make new handshakes until this long has passed: a reload is to be seen.
    pub reload: Option<Duration>,
    /// Connections opened and held at the same time to find a limit; zero looks for none.
    pub clients: u32,
    /// Also sizes up to 1 MiB, fragments, forty pings.
    pub deep: bool,
}

/// Everything a probe needs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The target.
    pub url: Url,
    /// Headers of the user, in order; values may be secret.
    pub headers: Vec<(String, String)>,
    /// Origin, when given.
    pub origin: Option<String>,
    /// Offered subprotocols.
    pub subprotocols: Vec<String>,
    /// Trust.
    pub tls: InspectTls,
    /// The user gave a CA bundle: a self-made authority is expected.
    pub own_ca: bool,
    /// The user does not want certificates judged.
    pub insecure: bool,
    /// Addresses instead of the resolver's.
    pub overrides: Vec<Override>,
    /// Reach the target through this one.
    pub proxy: Option<HttpProxy>,
    /// From the first SYN to the last comparison; later steps have lengths of their own.
    pub timeout: Duration,
    /// The slow part.
    pub watching: Watching,
    /// Wall time at the start, seconds since 1970: certificates are judged by it.
    pub now: i64,
}

impl Settings {
    /// The fixed address of the target, if the user or the URL gives one.
    pub fn fixed_address(&self) -> Option<IpAddr> {
        self.overrides
            .iter()
            .find(|o| o.host == self.url.host && o.port == self.url.port)
            .map(|o| o.address)
            .or_else(|| self.url.address())
    }

    /// The same without what may be secret: for a server that is not trusted.
    #[must_use]
    pub fn without_secrets(&self) -> Self {
        let secret = self.credentials();
        let mut settings = self.clone();
        settings.headers.retain(|(name, _)| !secret.contains(name));
        if let Some(query) = settings.url.path.find('?') {
            settings.url.path.truncate(query);
        }
        settings
    }

    /// Headers that carry a credential, by name: what may be lost on the way.
    pub fn credentials(&self) -> Vec<String> {
        let is_one = |name: &str| {
            let name = name.to_ascii_lowercase();
            ["authorization", "cookie", "token", "api-key", "apikey"]
                .iter()
                .any(|word| name.contains(word))
        };
        (self.headers.iter())
            .filter(|(name, _)| is_one(name))
            .map(|(name, _)| name.clone())
            .collect()
    }
}
