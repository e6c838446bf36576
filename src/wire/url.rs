//! Where a WebSocket lives: `ws://` and `wss://` URLs (RFC 6455 section 3).

use std::fmt;
use std::net::IpAddr;

use http::Uri;

/// A parsed target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// `wss`.
    pub secure: bool,
    /// Lower case; an IPv6 address without brackets.
    pub host: String,
    /// Given, or 80 and 443.
    pub port: u16,
    /// Path and query as sent in the request line; at least `/`.
    pub path: String,
}

/// Why a text is not a WebSocket URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a URL at all.
    #[error("not a URL: {0}")]
    Syntax(String),
    /// Another scheme.
    #[error("the scheme is `{0}`, not ws or wss")]
    Scheme(String),
    /// No host.
    #[error("the URL has no host")]
    Host,
    /// Port 0, or not a number up to 65535.
    #[error("the port is not a number from 1 to 65535")]
    Port,
    /// RFC 6455 3: fragments must not be used.
    #[error("a WebSocket URL has no fragment (`#`); write %23 for a literal one")]
    Fragment,
    /// `user:password@`, which RFC 6455 does not define; a header says the same.
    #[error("credentials in the URL are not sent; use an Authorization header")]
    Credentials,
}

impl Url {
    /// Parses a rendered URL. Nothing but visible ASCII passes, so no CR or LF reaches the wire.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.contains('#') {
            return Err(UrlError::Fragment);
        }
        let uri: Uri = text
            .parse()
            .map_err(|e: http::uri::InvalidUri| UrlError::Syntax(e.to_string()))?;
        let secure = match uri.scheme_str() {
            Some("ws") => false,
            Some("wss") => true,
            Some(other) => return Err(UrlError::Scheme(other.to_owned())),
            None => return Err(UrlError::Syntax("it has no scheme".to_owned())),
        };
        let authority = uri.authority().ok_or(UrlError::Host)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::Credentials);
        }
        let host = authority.host();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if bare.is_empty() {
            return Err(UrlError::Host);
        }
        let port = match (authority.port_u16(), &authority.as_str()[host.len()..]) {
            (Some(0), _) => return Err(UrlError::Port),
            (Some(port), _) => port,
            (None, "") if secure => 443,
            (None, "") => 80,
            (None, _) => return Err(UrlError::Port),
        };
        let path = uri.path_and_query().map_or("/", |p| p.as_str());
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        Ok(Self {
            secure,
            host: bare.to_ascii_lowercase(),
            port,
            path,
        })
    }

    /// The Host header: the port only when it is not the scheme's own (RFC 9110 7.2).
    pub fn host_header(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == if self.secure { 443 } else { 80 } {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    /// The host as an address, if it is one.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl fmt::Display for Url {
    /// Without the query, which may carry a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "wss" } else { "ws" };
        let path = self.path.split('?').next().unwrap_or("/");
        write!(f, "{scheme}://{}{path}", self.host_header())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_urls_are_normalised() {
        let table = [
            ("ws://Host", "ws://host/", 80),
            ("wss://host", "wss://host/", 443),
            ("wss://host:443/x", "wss://host/x", 443),
            ("ws://[::1]:9001/a?token=b", "ws://[::1]:9001/a", 9001),
            ("ws://127.0.0.1:9001?x=1", "ws://127.0.0.1:9001/", 9001),
        ];
        for (text, shown, port) in table {
            let url = Url::parse(text).expect(text);
            assert_eq!((url.to_string().as_str(), url.port), (shown, port));
        }
        assert_eq!(Url::parse("ws://h?x=1").expect("legal").path, "/?x=1");
    }

    #[test]
    fn bad_urls_say_why() {
        let table = [
            ("http://host/", UrlError::Scheme("http".to_owned())),
            ("ws://host/#a", UrlError::Fragment),
            ("ws://user:secret@host/", UrlError::Credentials),
            ("ws://host:0/", UrlError::Port),
        ];
        for (text, error) in table {
            assert_eq!(Url::parse(text), Err(error), "{text}");
        }
        for text in [
            "",
            "host",
            "ws://",
            "ws://host:65536/",
            "ws://host/\r\nX: y",
            "ws://hö/",
        ] {
            assert!(Url::parse(text).is_err(), "{text:?}");
        }
    }
}
