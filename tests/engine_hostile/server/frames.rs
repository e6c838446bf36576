//! Connections that open well and end badly.

use std::net::Shutdown;
use std::thread;
use std::time::Duration;

use super::Served;
use super::peer::Peer;

/// Writes what `what` names, and then does with the connection what it names.
pub fn misbehave(mut peer: Peer, what: &str) -> Served {
    let bytes = first_words(what);
    peer.write(&bytes)?;
    let moment = Duration::from_millis(20);
    match what {
        "fin" | "fin_within_a_frame" | "fin_within_a_message" => {
            // Dropped with bytes unread it would be a reset.
            peer.stream.shutdown(Shutdown::Write)?;
            peer.ignore()
        }
        "rst" | "rst_within_a_frame" => {
            // The reset would overtake what was written before it.
            thread::sleep(moment);
            peer.reset()
        }
        "flap" => {
            thread::sleep(Duration::from_millis(50));
            peer.stream.shutdown(Shutdown::Write)?;
            peer.ignore()
        }
        "deaf" => peer.sleep_through(),
        "close_then_fin" | "data_after_close_then_fin" => {
            peer.stream.shutdown(Shutdown::Write)?;
            peer.ignore()
        }
        "close_then_rst" => {
            thread::sleep(moment);
            peer.reset()
        }
        "close_answered_tcp_kept" => loop {
            let frame = peer.next()?;
            if frame.opcode == 8 {
                peer.frame(0x88, &frame.payload)?;
            }
        },
        "answers_close_with_garbage" => loop {
            if peer.next()?.opcode == 8 {
                peer.write(b"\xff\xff\xff\xff")?;
            }
        },
        "answers_close_with_rst" => loop {
            if peer.next()?.opcode == 8 {
                return peer.reset();
            }
        },
        "answers_close_with_fin" => loop {
            if peer.next()?.opcode == 8 {
                return peer.stream.shutdown(Shutdown::Write);
            }
        },
        _ => peer.ignore(),
    }
}

fn first_words(what: &str) -> Vec<u8> {
    if let Some(code) = number(what, "close/") {
        return [&[0x88, 2][..], &code.to_be_bytes()].concat();
    }
    if let Some(opcode) = number(what, "opcode/") {
        return vec![0x80 | opcode as u8, 0];
    }
    if let Some(bit) = number(what, "reserved/") {
        return vec![0x81 | 0x80 >> bit, 2, b'h', b'i'];
    }
    match what {
        "long_reason" => [&[0x88, 126, 1, 0, 3, 0xe8][..], &[b'x'; 254]].concat(),
        "reason_for_terminals" => close(4000, "\u{1b}[2J\u{202e}\"a\",\nb\r\n=cmd|' /C calc'!A0"),
        "full_reason" => close(4001, &"é".repeat(61)),
        other => fixed(other).to_vec(),
    }
}

fn close(code: u16, reason: &str) -> Vec<u8> {
    let length = 2 + reason.len() as u8;
    [&[0x88, length][..], &code.to_be_bytes(), reason.as_bytes()].concat()
}

fn number(what: &str, prefix: &str) -> Option<u16> {
    what.strip_prefix(prefix)?.parse().ok()
}

fn fixed(what: &str) -> &'static [u8] {
    match what {
        "length_2_63" => b"\x82\x7f\x80\0\0\0\0\0\0\0",
        "length_2_64_less_1" => b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff",
        "length_2_63_less_1" => b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff",
        "length_4_gib" => b"\x82\x7f\0\0\0\x01\0\0\0\0",
        "length_1_gib" => b"\x82\x7f\0\0\0\0\x40\0\0\0",
        "length_8_mib" => b"\x82\x7f\0\0\0\0\0\x80\0\0only this",
        "length_within_the_limit" => b"\x82\x7f\0\0\0\0\0\x0f\0\0only this",
        "length_beyond_by_one" => b"\x82\x7f\0\0\0\0\0\x10\0\x01",
        "fragments_beyond_by_one" => b"\x02\x01a\x80\x7f\0\0\0\0\0\x10\0\0",
        "masked" => b"\x81\x82\x01\x02\x03\x04xx",
        "masked_close" => b"\x88\x82\x01\x02\x03\x04\x02\xea",
        "stray_continuation" => b"\x80\x02hi",
        "stray_first_continuation" => b"\x00\x02hi",
        "continuation_after_a_message" => b"\x81\x02hi\x80\x02hi",
        "interleaved" => b"\x01\x02he\x81\x02hi",
        "interleaved_binary" => b"\x01\x02he\x02\x02hi",
        "long_ping" => b"\x89\x7e\x00\x7e",
        "long_pong" => b"\x8a\x7f\0\0\0\0\0\x01\0\0",
        "fragmented_ping" => b"\x09\x00",
        "fragmented_close" => b"\x08\x02\x03\xe8",
        "bad_utf8" => b"\x81\x02\xc3\x28",
        "utf8_overlong" => b"\x81\x02\xc0\xaf",
        "utf8_surrogate" => b"\x81\x03\xed\xa0\x80",
        "utf8_beyond_unicode" => b"\x81\x04\xf4\x90\x80\x80",
        "utf8_cut" => b"\x81\x03hi\xc3",
        "utf8_cut_at_the_last_fragment" => b"\x01\x01\xe2\x00\x01\x82\x80\x00",
        "utf8_second_fragment" => b"\x01\x02hi\x00\x01\xff",
        "utf8_across_fragments" => b"\x01\x01\xe2\x00\x01\x28",
        // The rest of the frame never comes.
        "utf8_within_a_frame" => b"\x81\x7e\x10\x00hi\xff",
        "utf8_within_a_fragment" => b"\x01\x01\xe2\x80\x7d\x82\xac\xff",
        "utf8_in_a_reason" => b"\x88\x04\x03\xe8\xc3\x28",
        "utf8_cut_in_a_reason" => b"\x88\x03\x03\xe8\xe2",
        "close_of_one_byte" => b"\x88\x01\x03",
        "close_of_nothing" => b"\x88\x00",
        "close_twice" => b"\x88\x02\x03\xe8\x88\x02\x03\xe9",
        "close_within_a_message" => b"\x01\x02he\x88\x02\x03\xe8",
        "data_after_close" | "data_after_close_then_fin" => {
            b"\x88\x02\x03\xe8\x81\x05hello\xff\xff\xff"
        }
        "close_then_fin" | "close_then_rst" | "close_tcp_kept" => b"\x88\x02\x03\xe8",
        "half_a_header" => b"\x82",
        "half_a_length" => b"\x82\x7f\0\0\0",
        "half_a_close" => b"\x88\x02\x03",
        "endless_message" => b"\x02\x00",
        "fin_within_a_frame" | "rst_within_a_frame" => b"\x81\x7dhalf of it",
        "fin_within_a_message" => b"\x01\x02he",
        "deaf" | "no_close_reply" | "fin" | "rst" | "flap" => b"",
        "close_answered_tcp_kept" => b"",
        "answers_close_with_garbage" | "answers_close_with_rst" | "answers_close_with_fin" => b"",
        other => panic!("no behaviour {other}"),
    }
}
