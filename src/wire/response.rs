//! The answer to an upgrade: read with a limit, judged by RFC 6455 4.1, kept for diagnosis.
//!
//! Promises: a head is judged whole, so how its bytes were cut changes nothing; once [`MAX_HEAD`]
//! bytes are there it is judged in any case, so an answer that never ends takes no more memory.

use std::mem::MaybeUninit;
use std::time::Duration;

use crate::failure::{BadUpgrade, FailureKind};

/// Largest head we read: what common servers allow for theirs, several times over.
pub const MAX_HEAD: usize = 64 * 1024;
/// So many header lines at most.
const MAX_HEADERS: usize = 1024;
/// So many are nearly always enough.
const FEW_HEADERS: usize = 32;

/// A refused or broken answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What went wrong, to be counted.
    pub kind: FailureKind,
    /// The evidence in words, escaped and cut.
    pub detail: String,
    /// The body's start is worth waiting a moment for: its length is not in the buffer yet.
    pub has_body: bool,
    /// How long the server asks to be left alone.
    pub retry_after: Option<Duration>,
}

/// What the bytes read so far mean.
#[derive(Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Read on.
    Incomplete,
    /// A correct 101; so many bytes belong to its head.
    Accepted {
        /// Bytes of the head; whatever follows are frames.
        used: usize,
        /// What the server chose, one of those offered.
        subprotocol: Option<String>,
    },
    /// Not a WebSocket, and why.
    Refused(Refusal),
}

/// Whether an answer that was incomplete at `seen` bytes is worth judging again: so that a head that
/// comes in a thousand pieces is not parsed a thousand times.
pub fn may_be_whole(bytes: &[u8], seen: usize) -> bool {
    // Most come whole.
    if bytes.ends_with(b"\r\n\r\n") {
        return true;
    }
    // The first bytes may show that it is not HTTP; a line end may have come in part.
    let fresh = &bytes[seen.saturating_sub(3)..];
    let blank_line = fresh.contains(&b'\n')
        && (fresh.windows(2).any(|w| w == b"\n\n") || fresh.windows(3).any(|w| w == b"\n\r\n"));
    seen < 8 || blank_line || bytes.len() >= MAX_HEAD
}

/// Judges what has been read; skips interim answers (RFC 9110 15.2) by removing them. `accept` is what
/// Sec-WebSocket-Accept has to say, `offered` the subprotocols that were offered.
pub fn judge(bytes: &mut Vec<u8>, accept: &str, offered: &[String]) -> Judgement {
    loop {
        if let Some(what) = not_http(bytes) {
            let detail = format!("answered with {}", excerpt(bytes));
            return refused(FailureKind::BadUpgrade(what), detail);
        }
        let Some(end) = head_end(bytes) else {
            if bytes.len() >= MAX_HEAD {
                let detail = format!("the head is larger than {MAX_HEAD} bytes");
                return refused(FailureKind::BadUpgrade(BadUpgrade::HeadTooLarge), detail);
            }
            return Judgement::Incomplete;
        };
        let head = &bytes[..end];
        let (mut few, mut many) = ([const { MaybeUninit::uninit() }; FEW_HEADERS], Vec::new());
        let mut response = httparse::Response::new(&mut []);
        let mut parsed = parse(&mut response, head, &mut few);
        if matches!(parsed, Err(httparse::Error::TooManyHeaders)) {
            many.resize_with(MAX_HEADERS, MaybeUninit::uninit);
            response = httparse::Response::new(&mut []);
            parsed = parse(&mut response, head, &mut many);
        }
        match parsed {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return Judgement::Incomplete,
            Err(error) => {
                let detail = format!("{error}: {}", excerpt(bytes));
                return refused(FailureKind::BadUpgrade(BadUpgrade::NotHttp), detail);
            }
        }
        match response.code {
            Some(101) => return check_switch(&response, end, accept, offered),
            Some(100..=199) => {
                bytes.drain(..end);
            }
            code => return refuse_status(code.unwrap_or(0), &response, &bytes[end..]),
        }
    }
}

fn parse<'h, 'b>(
    response: &mut httparse::Response<'h, 'b>,
    head: &'b [u8],
    room: &'h mut [MaybeUninit<httparse::Header<'b>>],
) -> httparse::Result<usize> {
    httparse::ParserConfig::default().parse_response_with_uninit_headers(response, head, room)
}

fn refused(kind: FailureKind, detail: String) -> Judgement {
    Judgement::Refused(Refusal {
        kind,
        detail,
        has_body: false,
        retry_after: None,
    })
}

/// The first bytes already tell TLS and garbage from HTTP.
fn not_http(bytes: &[u8]) -> Option<BadUpgrade> {
    if let [0x15 | 0x16, 0x03, ..] = bytes {
        return Some(BadUpgrade::LooksLikeTls);
    }
    if let [0x15 | 0x16] = bytes {
        // The next byte tells.
        return None;
    }
    let start = &bytes[..bytes.len().min(5)];
    (!b"HTTP/".starts_with(start)).then_some(BadUpgrade::NotHttp)
}

/// Where the head ends: behind an empty line, with CRLF or bare LF (RFC 9112 2.2).
fn head_end(bytes: &[u8]) -> Option<usize> {
    let mut line_start = 0;
    for i in memchr::memchr_iter(b'\n', bytes) {
        let line = &bytes[line_start..i];
        if line_start > 0 && (line.is_empty() || line == b"\r") {
            return Some(i + 1);
        }
        line_start = i + 1;
    }
    None
}

fn check_switch(
    response: &httparse::Response<'_, '_>,
    used: usize,
    accept: &str,
    offered: &[String],
) -> Judgement {
    let bad = |what: BadUpgrade, detail: String| refused(FailureKind::BadUpgrade(what), detail);
    let shown = |name: &str| match joined(response, name) {
        Some(value) => format!("{name}: {}", excerpt(value.as_bytes())),
        None => format!("no {name} header"),
    };
    if response.version == Some(0) {
        return bad(BadUpgrade::HttpVersion, "101 with HTTP/1.0".to_owned());
    }
    if !has_token(response, "upgrade", "websocket") {
        return bad(BadUpgrade::NoUpgrade, shown("Upgrade"));
    }
    if !has_token(response, "connection", "upgrade") {
        return bad(BadUpgrade::NoConnection, shown("Connection"));
    }
    let mut accepts = values(response, "sec-websocket-accept");
    match (accepts.next(), accepts.next()) {
        (None, _) => return bad(BadUpgrade::NoAccept, shown("Sec-WebSocket-Accept")),
        (Some(value), None) if value == accept => {}
        _ => return bad(BadUpgrade::WrongAccept, shown("Sec-WebSocket-Accept")),
    }
    if joined(response, "sec-websocket-extensions").is_some_and(|v| !v.trim().is_empty()) {
        return bad(BadUpgrade::Extension, shown("Sec-WebSocket-Extensions"));
    }
    let subprotocol = joined(response, "sec-websocket-protocol");
    if let Some(chosen) = &subprotocol
        && !offered.iter().any(|o| o == chosen)
    {
        return bad(BadUpgrade::Subprotocol, shown("Sec-WebSocket-Protocol"));
    }
    Judgement::Accepted { used, subprotocol }
}

fn refuse_status(code: u16, response: &httparse::Response<'_, '_>, body: &[u8]) -> Judgement {
    let mut detail = format!("HTTP {code} {}", response.reason.unwrap_or("").trim());
    for name in [
        "server",
        "via",
        "location",
        "retry-after",
        "www-authenticate",
    ] {
        if let Some(value) = joined(response, name) {
            detail.push_str(&format!("; {name}: {}", excerpt(value.as_bytes())));
        }
    }
    let length: Option<usize> = joined(response, "content-length").and_then(|v| v.parse().ok());
    let has_body =
        length != Some(0) && body.len() < length.unwrap_or(BODY_EXCERPT).min(BODY_EXCERPT);
    // A 401's or 403's body may repeat what was sent to it.
    if !body.is_empty() && !matches!(code, 401 | 403 | 407) {
        detail.push_str(&format!("; body: {}", excerpt(body)));
    }
    Judgement::Refused(Refusal {
        kind: FailureKind::HttpStatus(code),
        detail,
        has_body,
        retry_after: matches!(code, 429 | 503)
            .then(|| retry_after(response))
            .flatten(),
    })
}

/// Retry-After in seconds (RFC 9110 10.2.3). Its other form, a date, needs both clocks to agree: what
/// cannot be known is not obeyed.
fn retry_after(response: &httparse::Response<'_, '_>) -> Option<Duration> {
    let value = joined(response, "retry-after")?;
    let is_number = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    // Beyond 64 bits it only says "never".
    is_number.then(|| Duration::from_secs(value.parse().unwrap_or(u64::MAX)))
}

/// So much of a refusal's body is kept.
pub(super) const BODY_EXCERPT: usize = 160;

/// Bytes from the peer, escaped and cut, fit for a terminal.
fn excerpt(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(BODY_EXCERPT)];
    let mut text: String = cut.escape_ascii().to_string();
    if bytes.len() > cut.len() {
        text.push_str("...");
    }
    format!("\"{text}\"")
}

fn values<'a>(
    response: &'a httparse::Response<'_, '_>,
    name: &'a str,
) -> impl Iterator<Item = &'a str> {
    response
        .headers
        .iter()
        .filter(move |h| h.name.eq_ignore_ascii_case(name))
        .map(|h| std::str::from_utf8(h.value).unwrap_or("").trim())
}

fn joined(response: &httparse::Response<'_, '_>, name: &str) -> Option<String> {
    let all: Vec<&str> = values(response, name).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// Header values are comma-separated lists, in any case (RFC 9110 5.6.1).
fn has_token(response: &httparse::Response<'_, '_>, name: &str, token: &str) -> bool {
    let is_it = |value: &str| value.trim().eq_ignore_ascii_case(token);
    values(response, name).any(|list| is_it(list) || list.split(',').any(is_it))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> Result<usize, Option<FailureKind>> {
        match judge(&mut text.as_bytes().to_vec(), "KEY=", &["a".to_owned()]) {
            Judgement::Accepted { used, .. } => Ok(used),
            Judgement::Refused(refusal) => Err(Some(refusal.kind)),
            Judgement::Incomplete => Err(None),
        }
    }

    const GOOD: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: KEY=\r\n\r\n";

    #[test]
    fn odd_but_legal_answers_are_accepted() {
        assert_eq!(kind(GOOD), Ok(GOOD.len()));
        let lower = GOOD.to_ascii_lowercase().replace("http/1.1", "HTTP/1.1");
        let lower = lower
            .replace("key=", "KEY=")
            .replace("connection: upgrade", "connection: keep-alive, upgrade");
        assert_eq!(kind(&lower), Ok(lower.len()));
        let bare = GOOD.replace("\r\n", "\n");
        assert_eq!(kind(&bare), Ok(bare.len()));
        let early = format!("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n{GOOD}");
        assert_eq!(kind(&early), Ok(GOOD.len()));
        let many = GOOD.replace("\r\n\r\n", &format!("\r\n{}\r\n", "X-Y: z\r\n".repeat(500)));
        assert_eq!(kind(&many), Ok(many.len()));
        let chosen = GOOD.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: a\r\n\r\n");
        assert_eq!(kind(&chosen), Ok(chosen.len()));
        let frames = format!("{GOOD}\u{1}\u{1}");
        assert_eq!(kind(&frames), Ok(GOOD.len()));
        for cut in 0..GOOD.len() {
            assert_eq!(kind(&GOOD[..cut]), Err(None), "cut at {cut}");
        }
    }

    #[test]
    fn a_head_in_pieces_is_judged_when_it_may_be_whole() {
        for step in 1..20 {
            let (mut bytes, mut seen) = (Vec::new(), 0);
            let mut judged = 0;
            let pieces = GOOD.as_bytes().chunks(step);
            let used = pieces.into_iter().find_map(|piece| {
                bytes.extend_from_slice(piece);
                let worth = may_be_whole(&bytes, seen);
                seen = bytes.len();
                judged += u32::from(worth);
                let verdict = worth.then(|| judge(&mut bytes, "KEY=", &[]))?;
                matches!(verdict, Judgement::Accepted { .. }).then_some(seen)
            });
            assert!(used >= Some(GOOD.len()), "{step} bytes at a time");
            assert!(judged < 10, "{step} bytes at a time: judged {judged} times");
        }
    }

    #[test]
    fn one_byte_of_tls_is_not_yet_told_from_garbage() {
        assert_eq!(kind("\u{15}"), Err(None));
        for (bytes, what) in [
            ("\u{15}\u{3}", BadUpgrade::LooksLikeTls),
            ("\u{15}x", BadUpgrade::NotHttp),
        ] {
            assert_eq!(kind(bytes), Err(Some(FailureKind::BadUpgrade(what))));
        }
    }

    #[test]
    fn wrong_answers_have_a_kind() {
        use BadUpgrade as B;
        let with = |from: &str, to: &str| GOOD.replace(from, to);
        let table = [
            (with("HTTP/1.1", "HTTP/1.0"), B::HttpVersion),
            (with("Upgrade: websocket\r\n", ""), B::NoUpgrade),
            (with("Upgrade: websocket", "Upgrade: h2c"), B::NoUpgrade),
            (
                with("Connection: Upgrade", "Connection: close"),
                B::NoConnection,
            ),
            (with("Sec-WebSocket-Accept: KEY=\r\n", ""), B::NoAccept),
            (with("KEY=", "NOPE"), B::WrongAccept),
            (
                with("\r\n\r\n", "\r\nSec-WebSocket-Accept: KEY=\r\n\r\n"),
                B::WrongAccept,
            ),
            (
                with(
                    "\r\n\r\n",
                    "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
                ),
                B::Extension,
            ),
            (
                with("\r\n\r\n", "\r\nSec-WebSocket-Protocol: b\r\n\r\n"),
                B::Subprotocol,
            ),
            ("SSH-2.0-OpenSSH".to_owned(), B::NotHttp),
            ("\u{15}\u{3}\u{3}".to_owned(), B::LooksLikeTls),
            (
                "HTTP/1.1 200 OK\r\nX: ".to_owned() + &"a".repeat(MAX_HEAD),
                B::HeadTooLarge,
            ),
        ];
        for (text, what) in table {
            assert_eq!(
                kind(&text),
                Err(Some(FailureKind::BadUpgrade(what))),
                "{text:.80}"
            );
        }
    }

    #[test]
    fn a_refusal_keeps_its_evidence() {
        let text = "HTTP/1.1 503 Service Unavailable\r\nServer: nginx\r\nRetry-After: 5\r\nContent-Length: 9\r\n\r\nbusy\u{1b}[2Jx";
        let Judgement::Refused(refusal) = judge(&mut text.as_bytes().to_vec(), "", &[]) else {
            panic!("refused");
        };
        assert_eq!(refusal.kind, FailureKind::HttpStatus(503));
        assert_eq!(
            refusal.detail,
            r#"HTTP 503 Service Unavailable; server: "nginx"; retry-after: "5"; body: "busy\x1b[2Jx""#
        );
        assert!(!refusal.has_body);
    }

    #[test]
    fn retry_after_is_read_where_a_server_is_busy() {
        let table = [
            (503, "Retry-After: 5", Some(5)),
            (429, "retry-after:  3600 ", Some(3600)),
            (503, "Retry-After: 0", Some(0)),
            (503, "Retry-After: 99999999999999999999999", Some(u64::MAX)),
            (500, "Retry-After: 5", None),
            (302, "Retry-After: 5", None),
            (503, "X: 5", None),
            (503, "Retry-After: ", None),
            (503, "Retry-After: -5", None),
            (503, "Retry-After: +5", None),
            (503, "Retry-After: 1.5", None),
            (503, "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT", None),
            (503, "Retry-After: 1\r\nRetry-After: 2", None),
        ];
        for (code, header, expected) in table {
            let text = format!("HTTP/1.1 {code} X\r\n{header}\r\n\r\n");
            let Judgement::Refused(refusal) = judge(&mut text.into_bytes(), "", &[]) else {
                panic!("refused");
            };
            let expected = expected.map(Duration::from_secs);
            assert_eq!(refusal.retry_after, expected, "{code} {header}");
        }
    }
}
