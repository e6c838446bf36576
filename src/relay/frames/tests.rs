use super::super::scanner::tests::encode;
use super::super::toxin::tests::toxin;
use super::*;
use crate::scenario::relay::FrameKind;
use std::rc::Rc;

const TEXT: u8 = 0x81;
const TEXT_START: u8 = 0x01;
const REST: u8 = 0x00;
const LAST: u8 = 0x80;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

fn at(ms: u64) -> Offset {
    Offset::from(Duration::from_millis(ms))
}

fn latency(ms: u64) -> ToxicKind {
    ToxicKind::Latency {
        latency: Duration::from_millis(ms),
        jitter: Duration::ZERO,
    }
}

fn feed(frames: &mut Frames, toxins: &[Toxin], ms: u64, list: &[(u8, usize)]) -> Vec<u8> {
    let mut out = BytesMut::new();
    for (first, payload) in list {
        let bytes = Bytes::from(encode(*first, *payload, false));
        frames.feed(bytes, toxins, false, at(ms), &mut out);
    }
    out.to_vec()
}

fn stream(list: &[(u8, usize)]) -> Vec<u8> {
    let frames = list.iter();
    frames
        .flat_map(|(first, payload)| encode(*first, *payload, false))
        .collect()
}

fn release(frames: &mut Frames, ms: u64) -> Vec<u8> {
    let mut out = BytesMut::new();
    frames.release(at(ms), &mut out);
    out.to_vec()
}

#[test]
fn only_the_kinds_that_are_meant_are_dropped_with_all_of_their_fragments() {
    let drop_text = toxin(1, ToxicKind::DropFrames, &[FrameKind::Text]);
    let mut frames = Frames::new(Way::Down);
    let list = [
        (TEXT_START, 3),
        (PONG, 1),
        (REST, 200),
        (PING, 0),
        (LAST, 1),
        (0x82, 4),
    ];
    let out = feed(&mut frames, &[drop_text], 0, &list);
    assert_eq!(out, stream(&[(PONG, 1), (PING, 0), (0x82, 4)]));
    assert_eq!(frames.tally.dropped, 3);
}

#[test]
fn a_toxic_that_comes_or_goes_within_a_message_leaves_it_whole() {
    let toxins = [toxin(1, ToxicKind::DropFrames, &[FrameKind::Text])];
    let mut frames = Frames::new(Way::Down);
    assert_eq!(
        feed(&mut frames, &[], 0, &[(TEXT_START, 3)]),
        stream(&[(TEXT_START, 3)])
    );
    let out = feed(&mut frames, &toxins, 0, &[(LAST, 3), (TEXT_START, 2)]);
    assert_eq!(out, stream(&[(LAST, 3)]));
    let out = feed(&mut frames, &[], 0, &[(LAST, 2), (TEXT, 1)]);
    assert_eq!(out, stream(&[(TEXT, 1)]));
}

#[test]
fn held_messages_are_overtaken_between_frames_only() {
    let toxins = [toxin(1, latency(50), &[FrameKind::Text])];
    let mut frames = Frames::new(Way::Up);
    let out = feed(
        &mut frames,
        &toxins,
        0,
        &[(TEXT_START, 3), (PONG, 1), (LAST, 2)],
    );
    assert_eq!(out, stream(&[(PONG, 1)]), "a held message waits whole");
    assert_eq!(frames.next_due(), Some(at(50)));
    // Half a binary frame is under way when the text falls due.
    let binary = encode(0x82, 10, false);
    let mut out = BytesMut::new();
    frames.feed(
        Bytes::copy_from_slice(&binary[..5]),
        &toxins,
        false,
        at(40),
        &mut out,
    );
    assert_eq!(frames.next_due(), None);
    assert_eq!(release(&mut frames, 60), b"");
    frames.feed(
        Bytes::copy_from_slice(&binary[5..]),
        &toxins,
        false,
        at(70),
        &mut out,
    );
    let expected = [binary, stream(&[(TEXT_START, 3), (LAST, 2)])].concat();
    assert_eq!(&out[..], expected);
    assert!(frames.is_empty() && frames.held_bytes == 0);
}

#[test]
fn held_control_frames_pass_between_fragments_and_held_data_does_not() {
    let toxins = [toxin(1, latency(50), &[FrameKind::Pong, FrameKind::Text])];
    let mut frames = Frames::new(Way::Up);
    let list = [(PONG, 1), (TEXT, 2), (0x02, 1)];
    assert_eq!(feed(&mut frames, &toxins, 0, &list), stream(&[(0x02, 1)]));
    assert_eq!(release(&mut frames, 50), stream(&[(PONG, 1)]));
    assert_eq!(frames.next_due(), None);
    let out = feed(&mut frames, &toxins, 60, &[(LAST, 1)]);
    assert_eq!(out, stream(&[(LAST, 1), (TEXT, 2)]));
}

#[test]
fn what_is_too_large_to_hold_passes_at_once_and_in_order() {
    let toxins = [toxin(1, latency(50), &[FrameKind::Text])];
    let mut frames = Frames::new(Way::Up);
    let large = MOST_HELD + 10;
    let out = feed(&mut frames, &toxins, 0, &[(TEXT, large)]);
    assert_eq!(out, stream(&[(TEXT, large)]));
    assert_eq!(feed(&mut frames, &toxins, 1, &[(TEXT, 3)]), b"");
    assert_eq!(release(&mut frames, 51), stream(&[(TEXT, 3)]));
}

#[test]
fn the_end_of_the_toxic_lets_out_what_is_held() {
    let toxins = [toxin(1, latency(50), &[FrameKind::Text])];
    let mut frames = Frames::new(Way::Up);
    let text = encode(TEXT, 9, false);
    let mut out = BytesMut::new();
    feed(&mut frames, &toxins, 0, &[(TEXT, 2)]);
    frames.feed(
        Bytes::copy_from_slice(&text[..4]),
        &toxins,
        false,
        at(1),
        &mut out,
    );
    assert!(out.is_empty());
    frames.apply(&[], at(2), &mut out);
    frames.feed(
        Bytes::copy_from_slice(&text[4..]),
        &[],
        false,
        at(3),
        &mut out,
    );
    assert_eq!(&out[..], stream(&[(TEXT, 2), (TEXT, 9)]));
}

#[test]
fn one_payload_byte_changes_and_no_header_byte() {
    let toxins = [toxin(1, ToxicKind::Corrupt, &[FrameKind::Text])];
    for masked in [false, true] {
        for size in [1, 5, 300] {
            let mut frames = Frames::new(Way::Up);
            let (sound, mut out) = (encode(TEXT, 300, masked), BytesMut::new());
            for piece in sound.chunks(size) {
                frames.feed(
                    Bytes::copy_from_slice(piece),
                    &toxins,
                    false,
                    at(0),
                    &mut out,
                );
            }
            let changed: Vec<usize> = (0..sound.len()).filter(|i| out[*i] != sound[*i]).collect();
            assert_eq!((changed.len(), out.len()), (1, sound.len()));
            assert!(changed[0] >= sound.len() - 300, "{changed:?}");
        }
    }
    let mut frames = Frames::new(Way::Up);
    let list = [(PONG, 5), (TEXT, 0)];
    assert_eq!(feed(&mut frames, &toxins, 0, &list), stream(&list));
}

#[test]
fn a_cut_leaves_half_a_frame() {
    let toxins = [toxin(1, ToxicKind::CutFrame, &[FrameKind::Text])];
    for (payload, left) in [(0, 1), (1, 1), (10, 2 + 5), (300, 4 + 150)] {
        for size in [1, 7, 1000] {
            let mut frames = Frames::new(Way::Down);
            let (bytes, mut out) = (stream(&[(PONG, 2), (TEXT, payload)]), BytesMut::new());
            let cut = bytes.chunks(size).any(|piece| {
                frames.feed(
                    Bytes::copy_from_slice(piece),
                    &toxins,
                    false,
                    at(0),
                    &mut out,
                )
            });
            assert!(cut, "{payload}");
            assert_eq!(&out[..], &bytes[..4 + left], "{payload} by {size}");
        }
    }
}

#[test]
fn half_of_the_pongs_are_the_same_half_again() {
    let mut toxic = toxin(1, ToxicKind::DropFrames, &[FrameKind::Pong]);
    Rc::make_mut(&mut toxic.toxic).probability = 0.5;
    let play = |toxic: &Toxin| {
        let mut frames = Frames::new(Way::Down);
        let fates = (0..400).map(|_| {
            let toxins = std::slice::from_ref(toxic);
            feed(&mut frames, toxins, 0, &[(PONG, 1)]).is_empty()
        });
        fates.collect::<Vec<bool>>()
    };
    let dropped = play(&toxic).iter().filter(|dropped| **dropped).count();
    assert!((150..250).contains(&dropped), "{dropped}");
    assert_eq!(play(&toxic), play(&toxic));
    let other = Toxin {
        seed: [2, 1, 0],
        ..toxic.clone()
    };
    assert_ne!(play(&toxic), play(&other));
}
