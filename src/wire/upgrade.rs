//! The request for an upgrade, written by ourselves (RFC 6455 section 4.1).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use super::url::Url;

/// RFC 6455 1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Sec-WebSocket-Accept for a key.
pub fn accept_key(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(GUID.as_bytes());
    STANDARD.encode(hash.finalize())
}

/// What one client asks for; rendered once, sent at every dial with a fresh key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpgradeRequest {
    /// Everything but the key: request line, Host, fixed headers, extra headers.
    head: String,
    /// Offered subprotocols, in order.
    pub subprotocols: Vec<String>,
}

impl UpgradeRequest {
    /// Builds the request. Values are taken as they are except that control characters other than
    /// a tab are left out: no rendered value can start another header.
    pub fn new(url: &Url, headers: &[(String, String)], subprotocols: Vec<String>) -> Self {
        let mut head = format!("GET {} HTTP/1.1\r\n", url.path);
        let mut line = |name: &str, value: &str| {
            head.push_str(name);
            head.push_str(": ");
            head.extend(value.chars().filter(|c| *c == '\t' || !c.is_control()));
            head.push_str("\r\n");
        };
        let own_host = headers.iter().find(|(n, _)| n.eq_ignore_ascii_case("host"));
        let host = own_host.map_or_else(|| url.host_header(), |(_, value)| value.clone());
        line("Host", &host);
        line("Upgrade", "websocket");
        line("Connection", "Upgrade");
        line("Sec-WebSocket-Version", "13");
        if !subprotocols.is_empty() {
            line("Sec-WebSocket-Protocol", &subprotocols.join(", "));
        }
        for (name, value) in headers {
            if !name.eq_ignore_ascii_case("host") {
                line(name, value);
            }
        }
        Self { head, subprotocols }
    }

    /// What it asks for beyond the headers of every upgrade, as rendered; Host where it was given.
    pub fn own_headers(&self, url: &Url) -> Vec<(String, String)> {
        let ours = [
            "Upgrade",
            "Connection",
            "Sec-WebSocket-Version",
            "Sec-WebSocket-Protocol",
        ];
        let lines = self.head.split("\r\n").skip(1);
        let pairs = lines.filter_map(|line| line.split_once(": "));
        let own = pairs.filter(|(name, value)| match *name {
            "Host" => *value != url.host_header(),
            name => !ours.contains(&name),
        });
        own.map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// The bytes to send, and the Sec-WebSocket-Accept they must be answered with.
    pub(super) fn with_fresh_key(&self) -> (Vec<u8>, String) {
        let key = STANDARD.encode(fastrand::u128(..).to_ne_bytes());
        let mut bytes = Vec::with_capacity(self.head.len() + 48);
        bytes.extend_from_slice(self.head.as_bytes());
        bytes.extend_from_slice(b"Sec-WebSocket-Key: ");
        bytes.extend_from_slice(key.as_bytes());
        bytes.extend_from_slice(b"\r\n\r\n");
        (bytes, accept_key(&key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rfc_example_key_is_accepted() {
        // RFC 6455 1.3.
        assert_eq!(
            accept_key("dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn a_rendered_value_cannot_start_a_header() {
        let url = Url::parse("ws://h:81/p?q=1").expect("a URL");
        let headers = [("X-A".to_owned(), "1\r\nX-B: 2".to_owned())];
        let (bytes, _) = UpgradeRequest::new(&url, &headers, vec![]).with_fresh_key();
        let text = String::from_utf8(bytes).expect("ASCII");
        assert!(
            text.starts_with("GET /p?q=1 HTTP/1.1\r\nHost: h:81\r\n"),
            "{text}"
        );
        assert!(text.contains("\r\nX-A: 1X-B: 2\r\n"), "{text}");
    }

    #[test]
    fn what_was_asked_for_beside_the_upgrade_can_be_read_back() {
        let url = Url::parse("ws://127.0.0.1:81/").expect("a URL");
        let own = |headers: &[(&str, &str)]| {
            let headers: Vec<_> = (headers.iter())
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect();
            UpgradeRequest::new(&url, &headers, vec!["a".into()]).own_headers(&url) == headers
        };
        assert!(own(&[]));
        assert!(own(&[("Host", "app.example"), ("X-A", "b: c")]));
    }

    #[test]
    fn host_can_be_replaced_but_stands_once() {
        let url = Url::parse("ws://127.0.0.1:81/").expect("a URL");
        let headers = [("Host".to_owned(), "app.example".to_owned())];
        let (bytes, _) =
            UpgradeRequest::new(&url, &headers, vec!["a".into(), "b".into()]).with_fresh_key();
        let text = String::from_utf8(bytes).expect("ASCII");
        assert_eq!(text.matches("Host: ").count(), 1);
        assert!(text.contains("Host: app.example\r\n"));
        assert!(text.contains("Sec-WebSocket-Protocol: a, b\r\n"));
    }
}
