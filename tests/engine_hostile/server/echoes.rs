//! Servers that answer: oddly but well, wrongly, with pings of their own, with pongs of all sorts.

use std::thread;
use std::time::Duration;

use super::Served;
use super::peer::{Frame, Peer};

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Between two pings of the server.
const BETWEEN_PINGS: Duration = Duration::from_millis(50);
/// Pings the server sends to each client.
pub const PINGS: u64 = 20;

/// The next frame that is no close; a close is answered, and then it is over.
fn next(peer: &mut Peer) -> std::io::Result<Frame> {
    let frame = peer.next()?;
    if frame.opcode == CLOSE {
        peer.frame(0x88, &frame.payload)?;
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(frame)
}

/// Answers every text in an odd but legal way.
pub fn echo(mut peer: Peer, how: &str) -> Served {
    loop {
        let Frame { opcode, payload } = next(&mut peer)?;
        let length = payload.len() as u8;
        match (opcode, how) {
            (TEXT, "long_lengths") => {
                peer.write(&[0x81, 127, 0, 0, 0, 0, 0, 0, 0, length])?;
                peer.write(&payload)?;
            }
            (TEXT, "middle_lengths") => {
                peer.write(&[0x81, 126, 0, length])?;
                peer.write(&payload)?;
            }
            (TEXT, "fragments") => {
                peer.write(b"\x01\x00")?;
                for byte in &payload {
                    peer.write(&[0x00, 1, *byte])?;
                    peer.write(b"\x89\x02hi\x8a\x00")?;
                }
                peer.write(b"\x80\x00")?;
            }
            (TEXT, "drip") => {
                for byte in [&[0x81, length], &payload[..]].concat() {
                    peer.write(&[byte])?;
                    thread::sleep(Duration::from_millis(1));
                }
            }
            (TEXT, "pings_of_125") => {
                peer.frame(0x89, &[0xff; 125])?;
                peer.frame(0x81, &payload)?;
            }
            (TEXT, "unasked_pongs") => {
                peer.frame(0x8a, b"")?;
                peer.frame(0x8a, &[0; 24])?;
                peer.frame(0x81, &payload)?;
            }
            (TEXT, _) => peer.frame(0x81, &payload)?,
            (PING, _) => peer.frame(0x8a, &payload)?,
            _ => {}
        }
    }
}

/// Answers texts in a way that is no echo.
pub fn echo_wrongly(mut peer: Peer, how: &str) -> Served {
    let mut before: Option<Vec<u8>> = None;
    let mut count = 0;
    loop {
        let Frame { opcode, payload } = next(&mut peer)?;
        if opcode != TEXT {
            continue;
        }
        count += 1;
        match how {
            "twice" => {
                peer.frame(0x81, &payload)?;
                peer.frame(0x81, &payload)?;
            }
            "dropped" if count % 2 == 0 => {}
            "corrupt" => {
                let mut payload = payload;
                payload[0] ^= 1;
                peer.frame(0x81, &payload)?;
            }
            "truncated" => peer.frame(0x81, &payload[1..])?,
            "longer" => peer.frame(0x81, &[&payload[..], b"!"].concat())?,
            "empty" => peer.frame(0x81, b"")?,
            "other_type" => peer.frame(0x82, &payload)?,
            "swapped" => match before.take() {
                None => before = Some(payload),
                Some(first) => {
                    peer.frame(0x81, &payload)?;
                    peer.frame(0x81, &first)?;
                }
            },
            "previous" => {
                if let Some(previous) = before.replace(payload) {
                    peer.frame(0x81, &previous)?;
                }
            }
            "late" => {
                thread::sleep(Duration::from_millis(20));
                peer.frame(0x81, &payload)?;
            }
            "dropped" => peer.frame(0x81, &payload)?,
            other => panic!("no behaviour {other}"),
        }
    }
}

/// Answers heartbeats as `how` says; texts are echoed.
pub fn beat(mut peer: Peer, how: &str) -> Served {
    let mut count = 0;
    let mut held: Vec<Vec<u8>> = Vec::new();
    loop {
        let Frame { opcode, payload } = next(&mut peer)?;
        if opcode == TEXT {
            peer.frame(0x81, &payload)?;
        }
        if opcode != PING {
            continue;
        }
        count += 1;
        match how {
            "none" => {}
            "then_silent" if count > 2 => return peer.ignore(),
            "every_third" if count % 3 != 0 => {}
            "wrong" => peer.frame(0x8a, b"not what you sent")?,
            "empty" => peer.frame(0x8a, b"")?,
            "twice" => {
                peer.frame(0x8a, &payload)?;
                peer.frame(0x8a, &payload)?;
            }
            "late" => {
                thread::sleep(Duration::from_millis(700));
                peer.frame(0x8a, &payload)?;
            }
            "latest_only" => {
                held.push(payload);
                if held.len() == 2 {
                    peer.frame(0x8a, &held[1])?;
                    held.clear();
                }
            }
            _ => peer.frame(0x8a, &payload)?,
        }
    }
}

/// Pings its client, echoes, and checks the pongs.
pub fn ping(mut peer: Peer) -> Served {
    let mut writer = peer.twin()?;
    super::spawn(move || {
        for number in 0..PINGS {
            writer.frame(0x89, &number.to_be_bytes())?;
            thread::sleep(BETWEEN_PINGS);
        }
        Ok(())
    });
    let mut expected = 0_u64;
    loop {
        let Frame { opcode, payload } = next(&mut peer)?;
        match opcode {
            TEXT => peer.frame(0x81, &payload)?,
            PONG => {
                let right = payload == expected.to_be_bytes();
                expected += 1;
                peer.entry
                    .change(|log| log.strange_pongs += u64::from(!right));
            }
            _ => {}
        }
    }
}
