//! What servers written by hand need, and a probe of them.
#![allow(dead_code, reason = "not every test file uses all of it")]

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use wsbench::probe::seen::Seen;
use wsbench::probe::{self, Settings, Watching};
use wsbench::wire::inspect::InspectTls;
use wsbench::wire::{TlsSettings, Url, accept_key};

/// Longer heads are none.
const HEAD: usize = 64 * 1024;

/// The head of a client's request.
pub async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    // Byte by byte: what follows is a frame.
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// The answer that a request asks for.
pub fn good(request: &str) -> String {
    let mut lines = request.lines();
    let key = lines.find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
    let accept = accept_key(key.unwrap_or_default());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// The first byte and the payload of a client's frame.
pub async fn read(stream: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    let first = stream.read_u8().await.ok()?;
    let length = match stream.read_u8().await.ok()? & 0x7f {
        126 => usize::from(stream.read_u16().await.ok()?),
        127 => usize::try_from(stream.read_u64().await.ok()?).ok()?,
        short => usize::from(short),
    };
    let mut mask = [0; 4];
    stream.read_exact(&mut mask).await.ok()?;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await.ok()?;
    for (index, byte) in payload.iter_mut().enumerate() {
        *byte ^= mask[index % 4];
    }
    Some((first, payload))
}

/// One frame as a server writes it.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ ..126 => bytes.push(short as u8),
        length @ ..65_536 => {
            bytes.push(126);
            bytes.extend((length as u16).to_be_bytes());
        }
        length => {
            bytes.push(127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}

/// A probe of a server here, without any extra.
pub fn settings(address: SocketAddr) -> Settings {
    Settings {
        url: Url::parse(&format!("ws://{address}/")).expect("a URL"),
        headers: Vec::new(),
        origin: None,
        subprotocols: Vec::new(),
        tls: InspectTls::new(&TlsSettings::default()).expect("roots"),
        own_ca: false,
        insecure: false,
        overrides: Vec::new(),
        proxy: None,
        timeout: Duration::from_secs(20),
        watching: Watching {
            idle: Duration::ZERO,
            reload: None,
            clients: 0,
            deep: false,
        },
        now: 0,
    }
}

/// Probes and gives what was seen, and the names of what was found.
pub async fn look(settings: &Settings) -> (Seen, Vec<&'static str>) {
    let mut seen = Seen::default();
    probe::look(settings, &mut seen, &mut |_| {}).await;
    let found = probe::diagnose(&seen);
    let names = found.findings.iter().map(|f| f.id).collect();
    (seen, names)
}
