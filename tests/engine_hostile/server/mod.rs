//! A TCP server that misbehaves as the path asks: written on plain sockets and threads, so that it
//! shares nothing with what it tests but the accept key.

mod echoes;
mod floods;
mod frames;
mod handshake;
pub mod log;
mod peer;
pub mod ports;

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

pub use echoes::PINGS;

use log::Entry;
use peer::Peer;
use wsbench::wire::accept_key;

type Served = std::io::Result<()>;

/// So many bytes of stack suffice: two hundred connections are two hundred threads and more.
const STACK: usize = 128 * 1024;

/// Serves for as long as the tests run; the path of a request names the behaviour, its query the run.
pub fn start() -> SocketAddr {
    accept_on(ports::listen(), serve)
}

/// One thread a connection.
fn accept_on(listener: TcpListener, serve: fn(TcpStream) -> Served) -> SocketAddr {
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that went away ends its thread by an error: that is how it should be.
            spawn(move || serve(stream));
        }
    });
    address
}

fn spawn(work: impl FnOnce() -> Served + Send + 'static) {
    let thread = thread::Builder::new().stack_size(STACK);
    thread.spawn(move || drop(work())).expect("a thread");
}

/// What a client asked.
struct Request {
    /// Without its query.
    path: String,
    run: u64,
    accept: String,
    head: String,
}

fn serve(mut stream: TcpStream) -> Served {
    let accepted = Instant::now();
    stream.set_nodelay(true)?;
    let request = read_request(&mut stream)?;
    let entry = Entry::new(request.run, &request.path, &request.head, accepted);
    let mut peer = Peer::new(stream, entry);
    let path = request.path.as_str();
    if let Some(what) = path.strip_prefix("/before/") {
        return handshake::bend(&mut peer, what, &request);
    }
    let (group, what) = path[1..].split_once('/').unwrap_or(("", ""));
    let oddity = if group == "legal" { what } else { "" };
    handshake::open(&mut peer, oddity, &request)?;
    match group {
        "after" => frames::misbehave(peer, what),
        "flood" => floods::flood(peer, what),
        "echo" => echoes::echo_wrongly(peer, what),
        "beat" => echoes::beat(peer, what),
        "pings" => echoes::ping(peer),
        _ => echoes::echo(peer, what),
    }
}

/// Opens, and then reads nothing for longer than a run lasts.
fn serve_deaf(mut stream: TcpStream) -> Served {
    let accepted = Instant::now();
    let request = read_request(&mut stream)?;
    let entry = Entry::new(request.run, &request.path, &request.head, accepted);
    let mut peer = Peer::new(stream, entry);
    handshake::open(&mut peer, "", &request)?;
    thread::sleep(Duration::from_secs(20));
    Ok(())
}

fn read_request(stream: &mut TcpStream) -> std::io::Result<Request> {
    let mut head = Vec::new();
    let mut bytes = [0; 2048];
    // Nothing may follow the head before it is answered.
    while !head.ends_with(b"\r\n\r\n") {
        let count = stream.read(&mut bytes)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(&bytes[..count]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let key = head
        .lines()
        .find_map(|l| l.strip_prefix("Sec-WebSocket-Key: "));
    let target = head.split(' ').nth(1).unwrap_or("/");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let run = query.strip_prefix("run=").and_then(|run| run.parse().ok());
    Ok(Request {
        path: path.to_owned(),
        run: run.unwrap_or(0),
        accept: accept_key(key.unwrap_or("").trim()),
        head,
    })
}
