//! The head of an HTTP/1 answer, taken as it is.

/// Longest head that is read, in bytes.
pub const MAX_HEAD: usize = 64 * 1024;
const MAX_HEADERS: usize = 128;

/// Status line and headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The minor version: 0 of HTTP/1.0, 1 of HTTP/1.1.
    pub minor: u8,
    /// 100 to 999.
    pub status: u16,
    /// As sent; may be empty.
    pub reason: String,
    /// Names as sent, values with invalid UTF-8 replaced.
    pub headers: Vec<(String, String)>,
    /// Bytes of the head; the body or the first frame starts there.
    pub length: usize,
}

/// Why bytes are not (yet) a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// A prefix of one.
    Incomplete,
    /// Something else.
    NotHttp,
}

/// Reads a head from the start of `bytes`.
///
/// # Errors
/// [`HeadError::Incomplete`] while more may come, [`HeadError::NotHttp`] when nothing can make it one.
pub fn parse_head(bytes: &[u8]) -> Result<Head, HeadError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => Ok(Head {
            minor: response.version.unwrap_or(1),
            status: response.code.unwrap_or(0),
            reason: response.reason.unwrap_or_default().to_owned(),
            headers: (response.headers.iter())
                .map(|h| {
                    let value = String::from_utf8_lossy(h.value).into_owned();
                    (h.name.to_owned(), value)
                })
                .collect(),
            length,
        }),
        Ok(httparse::Status::Partial) if bytes.len() < MAX_HEAD => Err(HeadError::Incomplete),
        Ok(httparse::Status::Partial) | Err(_) => Err(HeadError::NotHttp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_and_what_is_none() {
        let head = parse_head(b"HTTP/1.0 426 Upgrade Required\r\nServer: x\r\n\r\nbody").unwrap();
        assert_eq!((head.minor, head.status, head.length), (0, 426, 44));
        assert_eq!(head.headers, [("Server".to_owned(), "x".to_owned())]);
        let table: [(&[u8], HeadError); 4] = [
            (b"", HeadError::Incomplete),
            (b"HTTP/1.1 101 Swi", HeadError::Incomplete),
            (b"SSH-2.0-OpenSSH_9.2\r\n", HeadError::NotHttp),
            (b"-ERR wrong number", HeadError::NotHttp),
        ];
        for (bytes, error) in table {
            assert_eq!(parse_head(bytes), Err(error), "{bytes:?}");
        }
    }
}
