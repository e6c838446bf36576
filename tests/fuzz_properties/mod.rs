//! What must hold for any bytes. The same bodies run under cargo-fuzz (tests/fuzz) for hours and in
//! `cargo test --test fuzz_properties` for seconds. A body returns or panics; it touches no network.

mod extract;
mod frames;
mod histogram;
mod matching;
mod result;
mod scenario;
mod template;
mod upgrade;

/// What one target does with its bytes.
type Body = fn(&[u8]);

/// Name (also of the seed folder) and body of every target.
pub const TARGETS: [(&str, Body); 11] = [
    ("close", frames::close),
    ("extract", extract::body),
    ("frames_client", frames::client),
    ("frames_server", frames::server),
    ("histogram", histogram::body),
    ("matching", matching::body),
    ("result", result::body),
    ("scenario", scenario::body),
    ("template", template::body),
    ("upgrade_answer", upgrade::answer),
    ("upgrade_request", upgrade::request),
];

/// Runs the body of one target.
pub fn check(target: &str, data: &[u8]) {
    let known = TARGETS.iter().find(|(name, _)| *name == target);
    known.expect("a known target").1(data);
}

/// Pieces of `step` bytes; for step 0 of lengths that depend on the bytes themselves.
fn pieces(data: &[u8], step: usize) -> Vec<&[u8]> {
    let mut rest = data;
    let mut pieces = Vec::new();
    let mut state = data.len();
    while !rest.is_empty() {
        state = state.wrapping_mul(31).wrapping_add(usize::from(rest[0]));
        let length = if step == 0 { 1 + state % 23 } else { step };
        let (piece, tail) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = tail;
    }
    pieces
}
