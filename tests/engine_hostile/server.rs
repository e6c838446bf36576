//! A TCP server that misbehaves as the path asks: written on plain sockets and threads, so that it
//! shares nothing with what it tests but the accept key.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use wsbench::wire::accept_key;

/// Serves for as long as the tests run; the path of a request names the behaviour.
pub fn start() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that went away ends its thread by an error: that is how it should be.
            thread::spawn(move || drop(serve(stream)));
        }
    });
    address
}

type Served = std::io::Result<()>;

/// A 101 in parts, so that a behaviour can bend one of them.
struct Request {
    path: String,
    accept: String,
}

fn serve(mut stream: TcpStream) -> Served {
    stream.set_nodelay(true)?;
    let request = read_request(&mut stream)?;
    let path = request.path.as_str();
    match path.strip_prefix("/before/") {
        Some(what) => before_open(&mut stream, what, &request),
        None => {
            let legal = path.strip_prefix("/legal/").unwrap_or("");
            open_legally(&mut stream, legal, &request)?;
            match path.strip_prefix("/after/") {
                Some(what) => after_open(stream, what),
                None => echo(stream, legal),
            }
        }
    }
}

fn read_request(stream: &mut TcpStream) -> std::io::Result<Request> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let key = head
        .lines()
        .find_map(|l| l.strip_prefix("Sec-WebSocket-Key: "));
    let path = head.split(' ').nth(1).unwrap_or("/").to_owned();
    Ok(Request {
        path,
        accept: accept_key(key.unwrap_or("").trim()),
    })
}

fn good(accept: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

fn before_open(stream: &mut TcpStream, what: &str, request: &Request) -> Served {
    let good = good(&request.accept);
    let bent = |from: &str, to: &str| good.replacen(from, to, 1);
    match what {
        "fin" => Ok(()),
        "rst" => reset(stream),
        "silent" => wait_for_the_end(stream),
        "endless_headers" => endless(stream, "HTTP/1.1 101 Ok\r\n", b"X-Filler: filler\r\n"),
        "huge_header" => endless(stream, "HTTP/1.1 101 Ok\r\nX: ", b"yyyyyyyyyyyyyyyy"),
        "endless_interim" => endless(stream, "", b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"),
        "endless_body" => endless(stream, "HTTP/1.1 200 OK\r\n\r\n", b"body body body \x1b[2J"),
        "slow_lines" => slowly(stream, "HTTP/1.1 101 Ok\r\n", b"X: y\r\n"),
        "slow_bytes" => slowly(stream, "HTTP/1.1 101 O", b"k"),
        "garbage" => say(stream, "SSH-2.0-OpenSSH_9.6\r\n"),
        "tls" => say(stream, "\x15\x03\x03\0\x02\x02\x28"),
        "http10" => say(stream, &bent("HTTP/1.1", "HTTP/1.0")),
        "wrong_accept" => say(stream, &bent(&request.accept, "dGhlIHNhbXBsZSBub25jZQ==")),
        "no_upgrade" => say(stream, &bent("Upgrade: websocket\r\n", "")),
        "two_accepts" => {
            let line = format!("Sec-WebSocket-Accept: {}\r\n", request.accept);
            say(stream, &bent(&line, &line.repeat(2)))
        }
        "extension" => say(
            stream,
            &bent(
                "\r\n\r\n",
                "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
            ),
        ),
        "busy" => say(
            stream,
            "HTTP/1.1 503 Busy\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n",
        ),
        "moved" => say(
            stream,
            "HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.2/\r\n\r\n",
        ),
        other => panic!("no behaviour {other}"),
    }
}

fn open_legally(stream: &mut TcpStream, what: &str, request: &Request) -> Served {
    let good = good(&request.accept);
    match what {
        "bytewise" => {
            for byte in good.as_bytes() {
                stream.write_all(&[*byte])?;
                thread::sleep(Duration::from_micros(200));
            }
            Ok(())
        }
        "lower_case" => say_raw(
            stream,
            &good
                .replace("Upgrade: websocket", "upgrade: WebSocket")
                .replace("Connection: Upgrade", "connection: keep-alive,upgrade"),
        ),
        "many_headers" => {
            let many = format!("\r\n{}\r\n", "X-Filler: filler\r\n".repeat(500));
            say_raw(stream, &good.replace("\r\n\r\n", &many))
        }
        "interim" => say_raw(
            stream,
            &format!("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n{good}"),
        ),
        "frames_with_the_101" => {
            let mut bytes = good.into_bytes();
            bytes.extend_from_slice(b"\x89\x05early");
            stream.write_all(&bytes)
        }
        _ => say_raw(stream, &good),
    }
}

/// Answers every text in an odd but legal way; a close is answered, too.
fn echo(mut stream: TcpStream, how: &str) -> Served {
    loop {
        let (opcode, payload) = read_frame(&mut stream)?;
        let length = payload.len() as u8;
        match (opcode, how) {
            (8, _) => {
                stream.write_all(&[0x88, length])?;
                return stream.write_all(&payload);
            }
            (1, "long_lengths") => {
                stream.write_all(&[0x81, 127, 0, 0, 0, 0, 0, 0, 0, length])?;
                stream.write_all(&payload)?;
            }
            (1, "fragments") => {
                stream.write_all(b"\x01\x00")?;
                for byte in &payload {
                    stream.write_all(&[0x00, 1, *byte])?;
                    stream.write_all(b"\x89\x02hi\x8a\x00")?;
                }
                stream.write_all(b"\x80\x00")?;
            }
            (1, "drip") => {
                for byte in [&[0x81, length], &payload[..]].concat() {
                    stream.write_all(&[byte])?;
                    thread::sleep(Duration::from_millis(1));
                }
            }
            (1, _) => stream.write_all(&[&[0x81, length], &payload[..]].concat())?,
            _ => {}
        }
    }
}

/// Short frames only: all that our clients send here.
fn read_frame(stream: &mut TcpStream) -> std::io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 6];
    stream.read_exact(&mut head)?;
    let mut payload = vec![0; usize::from(head[1] & 0x7f)];
    stream.read_exact(&mut payload)?;
    for (byte, key) in payload.iter_mut().zip(head[2..].iter().cycle()) {
        *byte ^= key;
    }
    Ok((head[0] & 0x0f, payload))
}

fn after_open(mut stream: TcpStream, what: &str) -> Served {
    let once: &[u8] = match what {
        "length_2_63" => b"\x82\x7f\x80\0\0\0\0\0\0\0",
        "length_2_63_less_1" => b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff",
        "length_4_gib" => b"\x82\x7f\0\0\0\x01\0\0\0\0",
        "length_within_the_limit" => b"\x82\x7f\0\0\0\0\0\x0f\0\0only this",
        "masked" => b"\x81\x82\x01\x02\x03\x04xx",
        "reserved_bit" => b"\xc1\x02hi",
        "reserved_opcode" => b"\x83\x00",
        "reserved_control" => b"\x8b\x00",
        "stray_continuation" => b"\x80\x02hi",
        "interleaved" => b"\x01\x02he\x81\x02hi",
        "long_ping" => b"\x89\x7e\x00\x7e",
        "fragmented_ping" => b"\x09\x00",
        "bad_utf8" => b"\x81\x02\xc3\x28",
        "close_of_one_byte" => b"\x88\x01\x03",
        "close_1005" => b"\x88\x02\x03\xed",
        "close_65535" => b"\x88\x02\xff\xff",
        "close_twice" => b"\x88\x02\x03\xe8\x88\x02\x03\xe9",
        "data_after_close" => b"\x88\x02\x03\xe8\x81\x05hello\xff\xff\xff",
        "half_a_header" => b"\x82",
        "deaf" | "no_close_reply" | "fin" | "rst" => b"",
        "fin_within_a_frame" | "rst_within_a_frame" => b"\x81\x7dhalf of it",
        flood => return endless_frames(stream, flood),
    };
    stream.write_all(once)?;
    match what {
        "fin" | "fin_within_a_frame" => {
            // Dropped with bytes unread it would be a reset.
            stream.shutdown(std::net::Shutdown::Write)?;
            wait_for_the_end(&mut stream)
        }
        "rst" | "rst_within_a_frame" => {
            // The reset would overtake what was written before it.
            thread::sleep(Duration::from_millis(20));
            reset(&mut stream)
        }
        "deaf" => loop {
            thread::sleep(Duration::from_secs(60));
        },
        _ => wait_for_the_end(&mut stream),
    }
}

fn endless_frames(mut stream: TcpStream, what: &str) -> Served {
    let mut reader = stream.try_clone()?;
    thread::spawn(move || drop(wait_for_the_end(&mut reader)));
    let (start, frame): (&[u8], Vec<u8>) = match what {
        "ping_flood" => (b"", b"\x89\x08flooding".to_vec()),
        "pong_flood" => (b"", b"\x8a\x08flooding".to_vec()),
        "message_flood" => (b"", b"\x81\x08flooding".to_vec()),
        "large_message_flood" => (b"", [&b"\x82\x7e\xff\xff"[..], &[7; 0xffff]].concat()),
        "endless_fragments" => (b"\x02\x00", [&b"\x00\x7e\x04\x00"[..], &[7; 1024]].concat()),
        "tiny_fragments" => (b"\x02\x00", b"\x00\x01.".to_vec()),
        "empty_fragments" => (b"\x02\x00", b"\x00\x00".to_vec()),
        other => panic!("no behaviour {other}"),
    };
    stream.write_all(start)?;
    let many = frame.repeat(65_536 / frame.len() + 1);
    loop {
        stream.write_all(&many)?;
    }
}

/// Says it, then waits for the client to go.
fn say(stream: &mut TcpStream, text: &str) -> Served {
    say_raw(stream, text)?;
    wait_for_the_end(stream)
}

fn say_raw(stream: &mut TcpStream, text: &str) -> Served {
    stream.write_all(text.as_bytes())
}

fn endless(stream: &mut TcpStream, start: &str, filler: &[u8]) -> Served {
    stream.write_all(start.as_bytes())?;
    let many = filler.repeat(4096 / filler.len());
    loop {
        stream.write_all(&many)?;
    }
}

fn slowly(stream: &mut TcpStream, start: &str, filler: &[u8]) -> Served {
    stream.write_all(start.as_bytes())?;
    loop {
        thread::sleep(Duration::from_millis(50));
        stream.write_all(filler)?;
    }
}

fn wait_for_the_end(stream: &mut TcpStream) -> Served {
    let mut bytes = [0; 4096];
    while stream.read(&mut bytes)? > 0 {}
    Ok(())
}

fn reset(stream: &mut TcpStream) -> Served {
    socket2::SockRef::from(&*stream).set_linger(Some(Duration::ZERO))
}
