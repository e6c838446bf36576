//! More than anybody asked for.

use super::Served;
use super::peer::Peer;

/// Unread bytes of a flooded client, on our side: two hundred of them share the machine.
const BUFFER: usize = 64 * 1024;

/// Writes as fast as it can; what comes in is only logged.
pub fn flood(mut peer: Peer, what: &str) -> Served {
    socket2::SockRef::from(&peer.stream).set_send_buffer_size(BUFFER)?;
    let mut reader = peer.twin()?;
    super::spawn(move || reader.ignore());
    let (start, frame): (&[u8], Vec<u8>) = match what {
        "pings" => (b"", b"\x89\x08flooding".to_vec()),
        "long_pings" => (b"", [&b"\x89\x7d"[..], &[7; 125]].concat()),
        "pongs" => (b"", b"\x8a\x08flooding".to_vec()),
        "messages" => (b"", b"\x81\x08flooding".to_vec()),
        "empty_messages" => (b"", b"\x81\x00".to_vec()),
        "large_messages" => (b"", [&b"\x82\x7e\xff\xff"[..], &[7; 0xffff]].concat()),
        "endless_fragments" => (b"\x02\x00", [&b"\x00\x7e\x04\x00"[..], &[7; 1024]].concat()),
        "tiny_fragments" => (b"\x02\x00", b"\x00\x01.".to_vec()),
        "empty_fragments" => (b"\x02\x00", b"\x00\x00".to_vec()),
        "after_close" => (b"\x88\x02\x03\xe8", b"\x81\x08flooding".to_vec()),
        other => panic!("no behaviour {other}"),
    };
    peer.write(start)?;
    let many = frame.repeat(65_536 / frame.len() + 1);
    loop {
        peer.write(&many)?;
    }
}
