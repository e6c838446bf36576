//! Upgrades that go wrong, and upgrades that only look odd.

use std::thread;
use std::time::Duration;

use super::peer::Peer;
use super::{Request, Served, ports};

fn good(accept: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// A good answer with one more header line.
fn with(good: &str, header: &str) -> String {
    good.replacen("\r\n\r\n", &format!("\r\n{header}\r\n\r\n"), 1)
}

/// Does not open.
pub fn bend(peer: &mut Peer, what: &str, request: &Request) -> Served {
    if let Some(code) = what.strip_prefix("status/") {
        return refuse(peer, code);
    }
    if let Some(redirect) = what.strip_prefix("redirect/") {
        return lead_astray(peer, redirect, request);
    }
    match what {
        "fin" => peer
            .stream
            .shutdown(std::net::Shutdown::Write)
            .and_then(|()| peer.wait()),
        "rst" => peer.reset(),
        "silent" => peer.wait(),
        "endless_headers" => endless(peer, "HTTP/1.1 101 Ok\r\n", b"X-Filler: filler\r\n"),
        "huge_header" => endless(peer, "HTTP/1.1 101 Ok\r\nX: ", b"yyyyyyyyyyyyyyyy"),
        "huge_reason" => endless(peer, "HTTP/1.1 503 ", b"reason reason "),
        "endless_newlines" => endless(peer, "", b"\r\n\r\n\r\n\r\n"),
        "endless_interim" => endless(peer, "", b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n"),
        "endless_body" => endless(peer, "HTTP/1.1 200 OK\r\n\r\n", b"body body body \x1b[2J"),
        "slow_status" => slowly(peer, "", b"HTTP/1.1 101 OK"),
        "slow_lines" => slowly(peer, "HTTP/1.1 101 Ok\r\n", b"X: y\r\n"),
        "slow_bytes" => slowly(peer, "HTTP/1.1 101 O", b"k"),
        "fin_within" | "rst_within" => {
            peer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: webs")?;
            thread::sleep(Duration::from_millis(20));
            if what == "rst_within" {
                return peer.reset();
            }
            peer.stream.shutdown(std::net::Shutdown::Write)?;
            peer.wait()
        }
        _ => {
            let bytes = wrong(what, request);
            peer.write(&bytes)?;
            peer.wait()
        }
    }
}

/// Answers that are whole, and wrong.
fn wrong(what: &str, request: &Request) -> Vec<u8> {
    let good = good(&request.accept);
    let bent = |from: &str, to: &str| good.replacen(from, to, 1);
    let accept = format!("Sec-WebSocket-Accept: {}\r\n", request.accept);
    let text = match what {
        "garbage" => "SSH-2.0-OpenSSH_9.6\r\n".to_owned(),
        "http09" => "<html>\x1b[31mno\x1b[0m</html>\n".to_owned(),
        "binary" => return [&[0, 255, 254][..], &[0xdb; 300]].concat(),
        "http2" => return b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64".to_vec(),
        "http2_status" => bent("HTTP/1.1 101", "HTTP/2 101"),
        "tls" => "\x15\x03\x03\0\x02\x02\x28".to_owned(),
        "http10" => bent("HTTP/1.1", "HTTP/1.0"),
        "wrong_accept" => bent(&request.accept, "dGhlIHNhbXBsZSBub25jZQ=="),
        "accept_of_another_case" => bent(&request.accept, &request.accept.to_lowercase()),
        "accept_is_the_key" => {
            let key = request.head.split("Sec-WebSocket-Key: ").nth(1);
            let key = key.and_then(|rest| rest.split("\r\n").next());
            bent(&request.accept, key.unwrap_or(""))
        }
        "empty_accept" => bent(&request.accept, ""),
        "two_accepts" => bent(&accept, &accept.repeat(2)),
        "no_accept" => bent(&accept, ""),
        "no_upgrade" => bent("Upgrade: websocket\r\n", ""),
        "upgrade_h2c" => bent("Upgrade: websocket", "Upgrade: h2c"),
        "upgrade_websocketx" => bent("Upgrade: websocket", "Upgrade: websocketx"),
        "no_connection" => bent("Connection: Upgrade\r\n", ""),
        "connection_close" => bent("Connection: Upgrade", "Connection: close"),
        "extension" => with(&good, "Sec-WebSocket-Extensions: permessage-deflate"),
        "extension_among_nothing" => with(
            &good,
            "Sec-WebSocket-Extensions:\r\nSec-WebSocket-Extensions: x-mux",
        ),
        "protocol" => with(&good, "Sec-WebSocket-Protocol: evil"),
        "two_protocols" => with(
            &good,
            "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: a",
        ),
        "two_in_one_protocol" => with(&good, "Sec-WebSocket-Protocol: a, b"),
        "folded" => with(&good, "X: one\r\n two"),
        "space_before_colon" => bent("Upgrade:", "Upgrade :"),
        "nul_in_a_header" => with(&good, "X: a\0b"),
        "bare_cr" => with(&good, "X: a\rSet-Cookie: evil"),
        "no_status_code" => bent(" 101", ""),
        "status_of_letters" => bent("101", "abc"),
        "no_colon" => with(&good, "just words"),
        "ok_with_all_headers" => bent("101 Switching Protocols", "200 OK"),
        "ok_then_101" => format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n{good}"),
        "newline_first" => format!("\r\n{good}"),
        other => panic!("no behaviour {other}"),
    };
    text.into_bytes()
}

/// A refusal whose body repeats a secret, as some gateways do.
fn refuse(peer: &mut Peer, code: &str) -> Served {
    let more = match code {
        "401" => "WWW-Authenticate: Bearer realm=\"x\"\r\n",
        "429" | "503" => "Retry-After: 3600\r\n",
        "426" => "Sec-WebSocket-Version: 7\r\n",
        "407" => "Proxy-Authenticate: Basic\r\n",
        "500" => {
            let chunked = "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nchunk-1\r\n";
            peer.write(chunked.as_bytes())?;
            return peer.wait();
        }
        "404" => "Content-Length: 99999999999999999999999\r\nContent-Length: -1\r\n",
        _ => "",
    };
    let body = "you sent Bearer my-own-secret";
    let text = format!("HTTP/1.1 {code} No\r\nServer: ev\u{202e}il\r\n{more}\r\n{body}");
    peer.write(text.as_bytes())?;
    peer.wait()
}

fn lead_astray(peer: &mut Peer, what: &str, request: &Request) -> Served {
    let (trap, _) = ports::trap();
    let (code, place) = what.split_once('/').expect("a code and a place");
    let location = match place {
        "elsewhere" => format!("ws://{trap}/"),
        "plain_http" => format!("http://{trap}/"),
        "relative" => "/legal/".to_owned(),
        _ => format!("ws://127.0.0.1{}?run={}", request.path, request.run),
    };
    let text =
        format!("HTTP/1.1 {code} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
    peer.write(text.as_bytes())?;
    peer.wait()
}

/// Opens, in an odd but legal way if `what` names one.
pub fn open(peer: &mut Peer, what: &str, request: &Request) -> Served {
    let good = good(&request.accept);
    let text = match what {
        "bytewise" => {
            for byte in good.as_bytes() {
                peer.write(&[*byte])?;
                thread::sleep(Duration::from_micros(200));
            }
            return Ok(());
        }
        "lower_case" => good
            .replace("Upgrade: websocket", "upgrade: WebSocket")
            .replace("Connection: Upgrade", "connection: keep-alive,upgrade"),
        "many_headers" => with(&good, "X-Filler: filler\r\n".repeat(500).trim_end()),
        "interim" => format!("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n{good}"),
        "bare_lf" => good.replace("\r\n", "\n"),
        "twice" => good.replace(
            "Connection: Upgrade",
            "Connection: close\r\nConnection: Upgrade\r\nUpgrade: websocket",
        ),
        "lengths" => with(&good, "Content-Length: 0\r\nTransfer-Encoding: chunked"),
        "no_reason" => good.replace(" Switching Protocols", ""),
        "spaces" => good
            .replace(": ", ": \t  ")
            .replace("\r\nSec", " \t\r\nSec"),
        "latin1" => {
            let mut bytes = good.into_bytes();
            bytes.splice(
                bytes.len() - 2..,
                b"X-Name: caf\xe9\r\n\r\n".iter().copied(),
            );
            return peer.write(&bytes);
        }
        "subprotocol" => with(&good, "Sec-WebSocket-Protocol: a"),
        "empty_extension" => with(&good, "Sec-WebSocket-Extensions: "),
        "frames_with_the_101" => {
            let mut bytes = good.into_bytes();
            bytes.extend_from_slice(b"\x89\x05early");
            return peer.write(&bytes);
        }
        "half_a_frame_with_the_101" => {
            let mut bytes = good.into_bytes();
            bytes.extend_from_slice(b"\x89\x05ea");
            peer.write(&bytes)?;
            thread::sleep(Duration::from_millis(30));
            return peer.write(b"rly");
        }
        _ => good,
    };
    peer.write(text.as_bytes())
}

fn endless(peer: &mut Peer, start: &str, filler: &[u8]) -> Served {
    peer.write(start.as_bytes())?;
    let many = filler.repeat(4096 / filler.len());
    loop {
        peer.write(&many)?;
    }
}

/// Goes on and on, slower than any idle timeout would notice.
fn slowly(peer: &mut Peer, start: &str, filler: &[u8]) -> Served {
    let mut twin = peer.twin()?;
    super::spawn(move || twin.wait());
    peer.write(start.as_bytes())?;
    // The status line comes byte by byte, and would take for ever.
    let pieces: Vec<&[u8]> = if start.is_empty() {
        filler.chunks(1).collect()
    } else {
        vec![filler]
    };
    let pause = Duration::from_millis(if start.is_empty() { 400 } else { 50 });
    for piece in pieces.iter().cycle() {
        thread::sleep(pause);
        peer.write(piece)?;
    }
    Ok(())
}
