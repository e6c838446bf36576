//! URLs of WebSocket servers (RFC 6455 3): `ws://host:port/path?query`.

use std::fmt;
use std::net::Ipv6Addr;

/// A parsed `ws://` or `wss://` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// `wss://`
    pub tls: bool,
    /// Lower case; an IPv6 address without its brackets.
    pub host: String,
    /// From the URL, or 80 and 443.
    pub port: u16,
    /// Path and query as sent: starts with `/`.
    pub resource: String,
}

/// Why a text is not the URL of a WebSocket server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AddressError {
    /// What is wrong; does not repeat the URL.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

fn refuse<T>(message: impl Into<String>, hint: impl Into<String>) -> Result<T, AddressError> {
    Err(AddressError {
        message: message.into(),
        hint: hint.into(),
    })
}

const EXAMPLE: &str = "write for example ws://127.0.0.1:9001/chat";

impl Address {
    /// Parses and checks a URL. Nothing that passes can inject a line into the request.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        if let Some(bad) = text.chars().find(|c| c.is_control() || *c == ' ') {
            let message = format!("the URL holds the character {bad:?}");
            return refuse(
                message,
                "a URL has no spaces, line breaks or control characters; use %20 and the like",
            );
        }
        if text.is_empty() {
            return refuse("the URL is empty", EXAMPLE);
        }
        let (tls, rest) = scheme(text)?;
        if rest.contains('#') {
            return refuse(
                "a WebSocket URL has no fragment (RFC 6455 3)",
                "remove `#` and what follows, or write it as %23",
            );
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, resource) = rest.split_at(end);
        if authority.contains('@') {
            return refuse(
                "a WebSocket URL has no user name or password (RFC 6455 3)",
                "send them with headers = { Authorization = \"Basic ...\" }",
            );
        }
        let (host, port) = host_and_port(authority)?;
        if !resource.is_ascii() {
            return refuse(
                "the path or query holds a character outside ASCII",
                "percent-encode it, for example %C3%A9 for \u{e9}",
            );
        }
        if let Some(bad) = resource.chars().find(|c| "\"<>\\^`{|}".contains(*c)) {
            return refuse(
                format!("the path or query holds {bad:?}"),
                "percent-encode it (RFC 3986 2.1)",
            );
        }
        let resource = match resource {
            "" => "/".to_owned(),
            query if query.starts_with('?') => format!("/{query}"),
            path => path.to_owned(),
        };
        Ok(Self {
            tls,
            host: host.to_ascii_lowercase(),
            port: port.unwrap_or(if tls { 443 } else { 80 }),
            resource,
        })
    }

    /// Whether the host is this machine by name or address.
    pub fn is_local(&self) -> bool {
        let ip = self.host.parse::<std::net::IpAddr>();
        self.host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
    }
}

fn scheme(text: &str) -> Result<(bool, &str), AddressError> {
    let Some((scheme, rest)) = text.split_once("://") else {
        if text.starts_with("unix:") || text.starts_with(['/', '.']) {
            return refuse("Unix sockets are not supported", EXAMPLE);
        }
        return refuse("the URL has no scheme", "start it with ws:// or wss://");
    };
    match scheme.to_ascii_lowercase().as_str() {
        "ws" => Ok((false, rest)),
        "wss" => Ok((true, rest)),
        "http" => refuse(
            "http:// is not a WebSocket URL",
            "write ws:// instead of http://",
        ),
        "https" => refuse(
            "https:// is not a WebSocket URL",
            "write wss:// instead of https://",
        ),
        _ => refuse("unknown scheme of the URL", "start it with ws:// or wss://"),
    }
}

fn host_and_port(authority: &str) -> Result<(&str, Option<u16>), AddressError> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let Some((host, rest)) = rest.split_once(']') else {
            return refuse(
                "the bracket of the IPv6 address is not closed",
                "write for example ws://[::1]:9001/",
            );
        };
        if host.parse::<Ipv6Addr>().is_err() {
            return refuse(
                "no IPv6 address stands in the brackets",
                "write for example ws://[::1]:9001/",
            );
        }
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => {
                return refuse(
                    "something stands behind the bracket of the IPv6 address",
                    EXAMPLE,
                );
            }
        }
    } else {
        match authority.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return refuse(
                    "an IPv6 address needs brackets",
                    "write for example ws://[::1]:9001/",
                );
            }
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    if host.is_empty() {
        return refuse("the URL has no host", EXAMPLE);
    }
    if !host.is_ascii() {
        return refuse(
            "the host holds a character outside ASCII",
            "write its punycode form (xn--...)",
        );
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
    if let Some(bad) = host.bytes().find(|b| !allowed(*b)) {
        return refuse(format!("the host holds {:?}", char::from(bad)), EXAMPLE);
    }
    match port {
        None => Ok((host, None)),
        Some(port) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            match port.parse::<u16>() {
                Ok(port) if port > 0 => Ok((host, Some(port))),
                _ => refuse(
                    "the port is out of range",
                    "a port lies between 1 and 65535",
                ),
            }
        }
        Some(_) => refuse("the port is not a number", EXAMPLE),
    }
}

impl fmt::Display for Address {
    /// Normalised: lower-case host, explicit port, a path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "wss" } else { "ws" };
        let (open, close) = if self.host.contains(':') {
            ("[", "]")
        } else {
            ("", "")
        };
        write!(
            f,
            "{scheme}://{open}{}{close}:{}{}",
            self.host, self.port, self.resource
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_urls_are_shown_normalised() {
        for (text, shown) in [
            (
                "ws://127.0.0.1:9001/chat?token=x",
                "ws://127.0.0.1:9001/chat?token=x",
            ),
            ("wss://Example.COM", "wss://example.com:443/"),
            ("WS://host?x=1", "ws://host:80/?x=1"),
            ("ws://[::1]", "ws://[::1]:80/"),
            ("ws://[::1]:9001/a", "ws://[::1]:9001/a"),
            ("ws://a_b.svc:65535/", "ws://a_b.svc:65535/"),
        ] {
            let address = Address::parse(text).expect(text);
            assert_eq!(address.to_string(), shown);
            assert_eq!(Address::parse(shown), Ok(address), "{shown}");
        }
    }

    #[test]
    fn bad_urls_are_refused_with_the_reason() {
        for (text, reason) in [
            ("", "empty"),
            ("127.0.0.1:9001", "no scheme"),
            ("http://h/", "not a WebSocket URL"),
            ("https://h/", "not a WebSocket URL"),
            ("ftp://h/", "unknown scheme"),
            ("unix:/run/x.sock", "Unix sockets"),
            ("ws://", "no host"),
            ("ws://:80/", "no host"),
            ("ws://h:0/", "out of range"),
            ("ws://h:65536/", "out of range"),
            ("ws://h:/", "not a number"),
            ("ws://h:+1/", "not a number"),
            ("ws://me:pw@h/", "user name"),
            ("ws://h/#x", "fragment"),
            ("ws://h\u{e4}st/", "outside ASCII"),
            ("ws://h/\u{e4}", "outside ASCII"),
            ("ws://h/\r\nX: 1", "'\\r'"),
            ("ws://h/a b", "' '"),
            ("ws://::1/", "needs brackets"),
            ("ws://[::1/", "not closed"),
            ("ws://[::g]/", "no IPv6"),
            ("ws://[::1]x/", "behind the bracket"),
            ("ws://h%41/", "the host holds '%'"),
            ("ws://h/{x}", "holds '{'"),
        ] {
            let error = Address::parse(text).expect_err(text);
            assert!(error.message.contains(reason), "{text}: {error}");
        }
    }
}
