//! A probe of peers that do their worst: it ends in time, keeps little, and says what it saw.

mod probe_peer;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use probe_peer::{good, request};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use wsbench::probe::seen::{Outcome, Seen, Variation};
use wsbench::probe::{self, Diagnosis, Health, Settings};
use wsbench::wire::Url;

/// The limit of each probe here.
const LIMIT: Duration = Duration::from_secs(3);
/// A test fails when a probe takes longer; generous, since the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(30);
/// More than any record of a probe may take as JSON, in bytes.
const RECORD: usize = 256 * 1024;

/// What a peer does with a connection, once a request came; it gets the 101 that would be right.
#[derive(Clone, Copy, Debug)]
enum Peer {
    EndlessHeader,
    EndlessHeaders,
    EndlessBody,
    Dripping,
    Binary,
    HugeLine,
    Interim,
    EndlessInterim,
    OnlyInterim,
    GarbageAfter101,
    EndlessAfter101,
    HalfHead,
    ResetInHead,
    ResetInBody,
    ResetAfter101,
    Silent,
    SilentAfter101,
}

/// Sends `bytes` until the other side has enough.
async fn for_ever(stream: &mut TcpStream, bytes: &[u8]) {
    while stream.write_all(bytes).await.is_ok() {}
}

async fn reset(stream: TcpStream) {
    // Closing with what came and was not read makes the kernel send a RST.
    tokio::time::sleep(Duration::from_millis(50)).await;
    stream.set_zero_linger().ok();
}

async fn serve(peer: Peer, mut stream: TcpStream) {
    let Some(request) = request(&mut stream).await else {
        return;
    };
    let good = good(&request);
    let lines = b"X-More: and more and more and more and more and more\r\n".repeat(64);
    let start: &[u8] = match peer {
        Peer::EndlessHeader => b"HTTP/1.1 200 OK\r\nX-Long: ",
        Peer::EndlessHeaders => b"HTTP/1.1 200 OK\r\n",
        Peer::EndlessBody | Peer::ResetInBody => b"HTTP/1.1 200 OK\r\n\r\nbody",
        Peer::HalfHead | Peer::ResetInHead => b"HTTP/1.1 101 Switching Protocols\r\nUpg",
        Peer::Interim => {
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        }
        Peer::GarbageAfter101 | Peer::EndlessAfter101 | Peer::ResetAfter101 => good.as_bytes(),
        Peer::SilentAfter101 => good.as_bytes(),
        Peer::OnlyInterim => b"HTTP/1.1 100 Continue\r\n\r\n",
        _ => b"",
    };
    if stream.write_all(start).await.is_err() {
        return;
    }
    match peer {
        Peer::EndlessHeader | Peer::EndlessBody => for_ever(&mut stream, &[b'x'; 8_192]).await,
        Peer::EndlessHeaders => for_ever(&mut stream, &lines).await,
        Peer::EndlessAfter101 => for_ever(&mut stream, &[0x82, 126, 0, 4, 1, 2, 3, 4]).await,
        Peer::EndlessInterim => for_ever(&mut stream, b"HTTP/1.1 100 Continue\r\n\r\n").await,
        Peer::HugeLine => for_ever(&mut stream, &[b'y'; 65_536]).await,
        Peer::Binary => {
            let bytes: Vec<u8> = (0..=255).rev().collect();
            stream.write_all(&bytes).await.ok();
        }
        Peer::GarbageAfter101 => {
            let bytes: Vec<u8> = (0..2_000_u32).map(|i| i.wrapping_mul(157) as u8).collect();
            stream.write_all(&bytes).await.ok();
        }
        Peer::Interim => {
            stream.write_all(good.as_bytes()).await.ok();
        }
        Peer::Dripping => {
            for byte in good.bytes() {
                tokio::time::sleep(Duration::from_millis(200)).await;
                if stream.write_all(&[byte]).await.is_err() {
                    return;
                }
            }
        }
        Peer::ResetInHead | Peer::ResetInBody | Peer::ResetAfter101 => {
            return reset(stream).await;
        }
        _ => {}
    }
    // Nothing more; it ends when the other side does.
    let mut rest = [0; 4_096];
    while stream.read(&mut rest).await.is_ok_and(|n| n > 0) {}
}

async fn listen(peer: Peer) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(peer, stream));
        }
    });
    address
}

/// With a path and a hold, which a probe of most servers has.
fn settings(address: SocketAddr) -> Settings {
    let mut settings = probe_peer::settings(address);
    settings.url = Url::parse(&format!("ws://{address}/ws")).expect("a URL");
    settings.timeout = LIMIT;
    settings.watching.idle = Duration::from_millis(300);
    settings.now = 1_700_000_000;
    settings
}

async fn probe(peer: Peer) -> (Seen, Diagnosis) {
    let address = listen(peer).await;
    let settings = settings(address);
    let started = Instant::now();
    let mut quiet = |_: &str| {};
    let mut seen = Seen::default();
    let looking = probe::look(&settings, &mut seen, &mut quiet);
    let looked = tokio::time::timeout(PATIENCE, looking).await;
    looked.unwrap_or_else(|_| panic!("{peer:?}: still looking after {PATIENCE:?}"));
    let text = serde_json::to_string(&seen).expect("plain data");
    assert!(text.len() < RECORD, "{peer:?}: {} bytes kept", text.len());
    let diagnosis = probe::diagnose(&seen);
    println!(
        "{peer:?} in {:?}, {} asked: {:?} {:?}",
        started.elapsed(),
        seen.compared.len(),
        diagnosis.health,
        diagnosis
            .findings
            .iter()
            .map(|f| f.title.as_str())
            .collect::<Vec<_>>()
    );
    (seen, diagnosis)
}

/// What a peer has to be called, among others: the name of a finding.
async fn finds(peer: Peer, id: &str) -> Seen {
    let (seen, diagnosis) = probe(peer).await;
    let found: Vec<_> = diagnosis.findings.iter().map(|f| f.id).collect();
    assert!(found.contains(&id), "{peer:?}: {found:?}");
    assert_ne!(diagnosis.health, Health::Healthy, "{peer:?}");
    seen
}

#[tokio::test]
async fn heads_without_end_are_cut() {
    finds(Peer::EndlessHeader, "unreadable-head").await;
    finds(Peer::EndlessHeaders, "unreadable-head").await;
    finds(Peer::HugeLine, "not-http").await;
}

#[tokio::test]
async fn heads_that_never_come_whole_are_waited_for_within_the_limit() {
    finds(Peer::HalfHead, "partial-head").await;
    let seen = finds(Peer::Dripping, "partial-head").await;
    let handshake = seen.handshake.expect("asked");
    assert!(handshake.took_ms.seconds() < 2.0 * LIMIT.as_secs_f64());
    let seen = finds(Peer::ResetInHead, "partial-head").await;
    let handshake = seen.handshake.expect("asked");
    assert_eq!(handshake.end(), Some("RST"));
}

#[tokio::test]
async fn silence_is_waited_for_within_the_limit() {
    let seen = finds(Peer::Silent, "no-answer").await;
    let handshake = seen.handshake.expect("asked");
    assert!(handshake.took_ms.seconds() < 2.0 * LIMIT.as_secs_f64());
    let last = seen.compared.last().expect("compared");
    assert!(last.at_ms.seconds() < 2.0 * LIMIT.as_secs_f64());
    assert!(seen.compared.iter().any(|e| e.asked == Variation::PlainGet));
}

#[tokio::test]
async fn bytes_that_are_no_http_are_shown_escaped() {
    let seen = finds(Peer::Binary, "not-http").await;
    let Some(Outcome::NotHttp { bytes, .. }) = seen.handshake.map(|h| h.outcome) else {
        panic!("not recorded as what it is");
    };
    assert!(bytes.is_ascii() && !bytes.contains('\n'), "{bytes}");
}

#[tokio::test]
async fn answers_before_the_answer_are_skipped() {
    let (seen, _) = probe(Peer::Interim).await;
    let handshake = seen.handshake.expect("asked");
    assert!(handshake.is_upgrade(), "{handshake:?}");
    finds(Peer::EndlessInterim, "partial-head").await;
    // Nothing behind them is no silence: bytes came.
    finds(Peer::OnlyInterim, "partial-head").await;
}

#[tokio::test]
async fn bodies_without_end_are_cut() {
    let (seen, _) = probe(Peer::EndlessBody).await;
    let answer = seen.answer().expect("an answer");
    assert!(answer.body_bytes <= 64 * 1024, "{}", answer.body_bytes);
    assert!(answer.body.len() < 8 * 1024);
    let (seen, _) = probe(Peer::ResetInBody).await;
    assert_eq!(seen.answer().and_then(|a| a.end.as_deref()), Some("RST"));
}

#[tokio::test]
async fn what_follows_a_101_ends_in_time() {
    for peer in [
        Peer::GarbageAfter101,
        Peer::EndlessAfter101,
        Peer::ResetAfter101,
        Peer::SilentAfter101,
    ] {
        let (seen, _) = probe(peer).await;
        assert!(seen.handshake.is_some_and(|h| h.is_upgrade()), "{peer:?}");
    }
}
