//! The server's side of the HTTP upgrade (RFC 6455 4.2): reads the request, refuses in words, or
//! switches protocols.
//!
//! Promises: a request is judged by its whole head, never by how its bytes were cut; every refusal
//! says what was wrong and how to mend it. Never accepts an extension. Has no deadline of its own:
//! the caller puts one over TLS, head and answer together.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::upgrade::accept_key;

/// Most bytes a request's head may have.
pub const MAX_HEAD: usize = 64 * 1024;
/// Most header lines a request may have.
const MAX_HEADERS: usize = 128;

/// A correct upgrade request: what a server needs to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The request target: path and query, undecoded.
    pub target: String,
    /// The browser's page, if it said so.
    pub origin: Option<String>,
    /// The credentials of `Authorization: Bearer`.
    pub bearer: Option<String>,
    /// Offered subprotocols in the client's order.
    pub subprotocols: Vec<String>,
    /// What Sec-WebSocket-Accept has to say.
    pub accept: String,
    /// Bytes of the head; whatever follows belongs to the codec.
    pub length: usize,
}

/// A request that will not become a WebSocket: an HTTP answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {text}")]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Why, for the person on the other side.
    pub text: &'static str,
    /// When to come again, in seconds.
    pub retry_after: Option<u32>,
}

/// Why no request came out of a stream.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// It is to be answered with this.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The stream ended, or failed, within the head.
    #[error("reading the upgrade request: {0}")]
    Io(#[from] io::Error),
}

impl Refusal {
    /// The whole answer, which also ends the connection.
    pub fn encode(&self) -> Vec<u8> {
        let (phrase, extra) = match self.status {
            400 => ("Bad Request", ""),
            401 => ("Unauthorized", "WWW-Authenticate: Bearer\r\n"),
            403 => ("Forbidden", ""),
            404 => ("Not Found", ""),
            405 => ("Method Not Allowed", "Allow: GET\r\n"),
            426 => (
                "Upgrade Required",
                "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
            ),
            429 => ("Too Many Requests", ""),
            431 => ("Request Header Fields Too Large", ""),
            500 => ("Internal Server Error", ""),
            502 => ("Bad Gateway", ""),
            503 => ("Service Unavailable", ""),
            504 => ("Gateway Timeout", ""),
            _ => ("Refused", ""),
        };
        let retry = match self.retry_after {
            Some(seconds) => format!("Retry-After: {seconds}\r\n"),
            None => String::new(),
        };
        // RFC 9110 7.8: a sender of Upgrade names it in Connection too.
        let connection = if self.status == 426 {
            "Upgrade, close"
        } else {
            "close"
        };
        format!(
            "HTTP/1.1 {} {phrase}\r\nConnection: {connection}\r\n{extra}{retry}Content-Type: text/plain; \
             charset=utf-8\r\nContent-Length: {}\r\n\r\n{}\n",
            self.status,
            self.text.len() + 1,
            self.text
        )
        .into_bytes()
    }
}

const fn refuse(status: u16, text: &'static str) -> Refusal {
    Refusal {
        status,
        text,
        retry_after: None,
    }
}

/// Reads a request's head into `head`, which then also holds whatever came behind it
/// (from [`Request::length`] on).
pub async fn receive_request<S: AsyncRead + Unpin>(
    stream: &mut S,
    head: &mut Vec<u8>,
) -> Result<Request, AcceptError> {
    loop {
        head.reserve(1024);
        let searched = head.len().saturating_sub(3);
        if stream.read_buf(head).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if head.first() == Some(&0x16) {
            return Err(refuse(
                400,
                "this port speaks plain HTTP, but a TLS handshake came; use ws:// instead of wss://",
            )
            .into());
        }
        // Empty lines before the request line are skipped (RFC 9112 2.2): they end nothing.
        let blank = head.iter().take_while(|b| matches!(b, b'\r' | b'\n'));
        let searched = searched.max(blank.count());
        let ends = head[searched..].windows(4).any(|w| w == b"\r\n\r\n");
        if ends {
            return Ok(parse_request(head)?);
        }
        if head.len() > MAX_HEAD {
            return Err(refuse(431, "the request's head is larger than 64 KiB").into());
        }
    }
}

/// Answers 101, with the chosen subprotocol.
pub async fn switch_protocols<S: AsyncWrite + Unpin>(
    stream: &mut S,
    request: &Request,
    subprotocol: Option<&str>,
) -> io::Result<()> {
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n",
        request.accept
    );
    if let Some(name) = subprotocol {
        answer.push_str("Sec-WebSocket-Protocol: ");
        answer.push_str(name);
        answer.push_str("\r\n");
    }
    answer.push_str("\r\n");
    stream.write_all(answer.as_bytes()).await?;
    stream.flush().await
}

/// Parses and judges a head that is complete.
fn parse_request(head: &[u8]) -> Result<Request, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(head) {
        Ok(httparse::Status::Complete(length)) => length,
        Err(httparse::Error::TooManyHeaders) => {
            return Err(refuse(431, "the request has more than 128 header lines"));
        }
        _ => return Err(refuse(400, "this is not an HTTP request")),
    };
    let (method, target) = (request.method.unwrap_or(""), request.path.unwrap_or(""));
    if method != "GET" {
        return Err(refuse(405, "a WebSocket is opened with GET"));
    }
    if request.version != Some(1) {
        return Err(refuse(400, "a WebSocket is opened with HTTP/1.1"));
    }
    let fields = Fields(request.headers);
    if fields.single("host")?.is_none() {
        return Err(refuse(400, "the Host header is missing"));
    }
    let accept = judge_upgrade(&fields)?;
    let bearer = fields.single("authorization")?.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        let fits = scheme.eq_ignore_ascii_case("bearer");
        fits.then(|| token.trim().to_owned())
    });
    Ok(Request {
        target: target.to_owned(),
        origin: fields.single("origin")?.map(str::to_owned),
        bearer,
        subprotocols: fields
            .list("sec-websocket-protocol")
            .map(str::to_owned)
            .collect(),
        accept,
        length,
    })
}

/// Checks the headers that make a request an upgrade; returns Sec-WebSocket-Accept.
fn judge_upgrade(fields: &Fields<'_, '_>) -> Result<String, Refusal> {
    if !fields.lists("upgrade", "websocket") {
        return Err(refuse(
            426,
            "this is a WebSocket server; the request has no \"Upgrade: websocket\". If a client did \
             send it, a proxy in between took it out",
        ));
    }
    if !fields.lists("connection", "upgrade") {
        return Err(refuse(
            400,
            "\"Connection: Upgrade\" is missing; a proxy in between may have taken it out",
        ));
    }
    if fields.single("sec-websocket-version")? != Some("13") {
        return Err(refuse(426, "only Sec-WebSocket-Version: 13 is spoken here"));
    }
    let Some(key) = fields.single("sec-websocket-key")? else {
        return Err(refuse(400, "Sec-WebSocket-Key is missing"));
    };
    if STANDARD.decode(key).map(|bytes| bytes.len()) != Ok(16) {
        return Err(refuse(
            400,
            "Sec-WebSocket-Key is not the base64 of 16 bytes",
        ));
    }
    Ok(accept_key(key))
}

/// Header lines, looked up by lower-case name.
struct Fields<'h, 'b>(&'h [httparse::Header<'b>]);

impl<'b> Fields<'_, 'b> {
    fn all(&self, name: &str) -> impl Iterator<Item = &'b str> {
        self.0
            .iter()
            .filter(move |h| h.name.eq_ignore_ascii_case(name))
            .filter_map(|h| std::str::from_utf8(h.value).ok())
            .map(str::trim)
    }

    /// A header that may stand there once only: two of them are how requests are smuggled.
    fn single(&self, name: &str) -> Result<Option<&'b str>, Refusal> {
        let mut values = self.all(name);
        let first = values.next();
        if values.next().is_some() {
            return Err(refuse(400, "a header that may stand once stands twice"));
        }
        Ok(first)
    }

    /// Members of a comma-separated list, which may be spread over several lines.
    fn list(&self, name: &str) -> impl Iterator<Item = &'b str> {
        self.all(name)
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|member| !member.is_empty())
    }

    fn lists(&self, name: &str, wanted: &str) -> bool {
        self.list(name).any(|m| m.eq_ignore_ascii_case(wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "GET /chat?token=a HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Version: 13\r\n\r\n";

    #[test]
    fn the_rfc_example_is_accepted() {
        let request = parse_request(GOOD.as_bytes()).expect("a correct request");
        assert_eq!(request.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(request.target, "/chat?token=a");
        assert_eq!(request.length, GOOD.len());
    }

    #[test]
    fn legal_variants_are_accepted() {
        for (from, to) in [
            ("Connection: Upgrade", "connection: keep-alive, UPGRADE"),
            (
                "Connection: Upgrade",
                "Connection: keep-alive\r\nConnection: upgrade",
            ),
            ("Upgrade: websocket", "UPGRADE: h2c, WebSocket"),
            ("Host: x", "Host:x\r\nSec-WebSocket-Extensions: nonsense"),
        ] {
            let text = GOOD.replacen(from, to, 1);
            assert!(parse_request(text.as_bytes()).is_ok(), "{to}");
        }
    }

    #[test]
    fn every_fault_has_its_status() {
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        let twice = format!("{key}\r\n{key}");
        for (from, to, status) in [
            ("GET", "POST", 405),
            ("HTTP/1.1", "HTTP/1.0", 400),
            ("HTTP/1.1", "SPDY/3", 400),
            ("Host: x\r\n", "", 400),
            ("Host: x", "Host: x\r\nHost: y", 400),
            ("Upgrade: websocket\r\n", "", 426),
            ("Upgrade: websocket", "Upgrade: websockets", 426),
            ("Connection: Upgrade", "Connection: close", 400),
            ("Version: 13", "Version: 8", 426),
            ("Sec-WebSocket-Version: 13\r\n", "", 426),
            (key, "X: y", 400),
            (key, twice.as_str(), 400),
            (key, "Sec-WebSocket-Key: c2hvcnQ=", 400),
            (key, "Sec-WebSocket-Key: not base64!", 400),
        ] {
            let text = GOOD.replacen(from, to, 1);
            let refused = parse_request(text.as_bytes()).expect_err(to);
            assert_eq!(refused.status, status, "{to}: {refused}");
        }
    }

    #[test]
    fn a_refusal_is_a_whole_answer() {
        let text = String::from_utf8(refuse(426, "no").encode()).expect("text");
        assert_eq!(
            text,
            "HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Length: 3\r\n\r\nno\n"
        );
    }

    #[tokio::test]
    async fn bytes_behind_the_head_are_kept_however_they_come() {
        let sent = [GOOD.as_bytes(), b"\x81\x80abcd"].concat();
        for step in [1, 7, 200, 4096] {
            let (mut near, mut far) = tokio::io::duplex(step);
            let write = async { far.write_all(&sent).await };
            let mut head = Vec::new();
            let read = async {
                let request = receive_request(&mut near, &mut head).await?;
                let mut rest = head.split_off(request.length);
                while rest.len() < 6 {
                    near.read_buf(&mut rest).await?;
                }
                Ok::<_, AcceptError>(rest)
            };
            let (written, rest) = tokio::join!(write, read);
            written.expect("the reader reads all");
            assert_eq!(rest.expect("a correct request"), b"\x81\x80abcd");
        }
    }

    #[tokio::test]
    async fn an_endless_head_and_a_cut_one_end() {
        let mut head = Vec::new();
        let endless = [b"GET / HTTP/1.1\r\nA: ".as_slice(), &[b'a'; MAX_HEAD]].concat();
        let error = receive_request(&mut endless.as_slice(), &mut head).await;
        assert!(matches!(error, Err(AcceptError::Refused(r)) if r.status == 431));
        head.clear();
        let error = receive_request(&mut &GOOD.as_bytes()[..50], &mut head).await;
        assert!(matches!(error, Err(AcceptError::Io(_))));
        head.clear();
        let error = receive_request(&mut b"\x16\x03\x01".as_slice(), &mut head).await;
        assert!(matches!(error, Err(AcceptError::Refused(r)) if r.text.contains("TLS")));
    }
}
