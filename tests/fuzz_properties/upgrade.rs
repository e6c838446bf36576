//! Both heads of the HTTP upgrade: judged alike however the bytes are cut, and judged at all.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, ReadBuf};
use wsbench::wire::accept::{AcceptError, MAX_HEAD as MAX_REQUEST, receive_request};
use wsbench::wire::response::{Judgement, MAX_HEAD, judge, may_be_whole};

/// The accept value of RFC 6455 1.3, which the seeds use.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The client reads an answer.
pub fn answer(data: &[u8]) {
    // A head that is at the limit is refused at the piece that passes it, wherever that ends.
    let data = &data[..data.len().min(MAX_HEAD - 1)];
    let whole = read_answer(data, usize::MAX);
    for step in [0, 1, 7] {
        assert_eq!(read_answer(data, step), whole, "{step} bytes at a time");
    }
    let mut endless = data.to_vec();
    endless.resize(data.len() + MAX_HEAD, b'a');
    let verdict = judge(&mut endless, ACCEPT, &[]);
    assert_ne!(verdict, Judgement::Incomplete, "{} bytes", endless.len());
}

/// As `wire::dial` reads it: what it was and how many bytes are frames.
fn read_answer(data: &[u8], step: usize) -> String {
    let offered = ["chat".to_owned(), "superchat".to_owned()];
    let mut bytes = Vec::new();
    let (mut seen, mut come) = (0, 0);
    for piece in super::pieces(data, step) {
        bytes.extend_from_slice(piece);
        come += piece.len();
        let worth_judging = may_be_whole(&bytes, seen);
        seen = bytes.len();
        if !worth_judging {
            continue;
        }
        match judge(&mut bytes, ACCEPT, &offered) {
            Judgement::Incomplete => seen = bytes.len(),
            Judgement::Accepted { used, subprotocol } => {
                assert!(used <= bytes.len());
                let frames = data.len() - come + bytes.len() - used;
                return format!("{subprotocol:?}, {frames} bytes of frames");
            }
            Judgement::Refused(refusal) => {
                assert!(refusal.detail.len() < 20_000, "{}", refusal.detail.len());
                let printable = |c: char| !c.is_control();
                assert!(refusal.detail.chars().all(printable), "{}", refusal.detail);
                return refusal.kind.to_string();
            }
        }
    }
    "incomplete".to_owned()
}

/// The server reads a request.
pub fn request(data: &[u8]) {
    let data = &data[..data.len().min(MAX_REQUEST)];
    let whole = read_request(data, usize::MAX);
    for step in [0, 1, 7] {
        assert_eq!(read_request(data, step), whole, "{step} bytes at a time");
    }
}

fn read_request(data: &[u8], step: usize) -> String {
    let mut stream = Pieces(super::pieces(data, step));
    stream.0.reverse();
    let mut head = Vec::new();
    let mut reading = pin!(receive_request(&mut stream, &mut head));
    let Poll::Ready(read) = reading
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    else {
        panic!("memory is always ready");
    };
    match read {
        Ok(request) => {
            assert!(request.length <= data.len());
            format!("{request:?}")
        }
        Err(AcceptError::Io(error)) => error.to_string(),
        Err(AcceptError::Refused(refusal)) => {
            let answer = refusal.encode();
            assert!(answer.starts_with(b"HTTP/1.1 ") && answer.ends_with(b"\n"));
            refusal.to_string()
        }
    }
}

/// Gives out one piece at a time, last first.
struct Pieces<'a>(Vec<&'a [u8]>);

impl AsyncRead for Pieces<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if let Some(piece) = self.0.pop() {
            let (now, later) = piece.split_at(piece.len().min(into.remaining()));
            into.put_slice(now);
            if !later.is_empty() {
                self.0.push(later);
            }
        }
        Poll::Ready(Ok(()))
    }
}
