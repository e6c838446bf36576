//! Questions about an HTTP answer that is no good 101.
//!
//! [`tree`] decides on one cause; each file below has the entries of a family of causes and turns the
//! one it owns into a finding.

mod access;
mod forwarding;
mod given;
mod picture;
mod place;
mod redirect;
mod request;
#[cfg(test)]
mod tests;
mod tree;
mod unknown;
mod upstream;

use super::Check;
use super::silence::words::{all_told, brief};
use crate::probe::entry::Entry;
use crate::probe::finding::Finding;
use crate::probe::seen::Seen;

use picture::Picture;

/// From the most to the least fundamental.
pub const ALL: &[&Check] = &[
    &upstream::CHECK,
    &forwarding::CHECK,
    &request::CHECK,
    &redirect::CHECK,
    &access::CHECK,
    &place::CHECK,
    &given::CHECK,
    &unknown::CHECK,
];

/// A finding about the refused handshake: what it was answered, in the server's own words, and all
/// that was asked to compare.
fn finding(entry: &'static Entry, picture: &Picture<'_>) -> Finding {
    let mut finding = Finding::new(entry);
    let body = picture.answer.body.trim();
    if !body.is_empty() {
        let body = body.replace("\\r", "").replace("\\n", " ");
        finding = finding.saw(format!("body: \"{}\"", brief(&body)));
    }
    for name in [
        "location",
        "www-authenticate",
        "retry-after",
        "via",
        "x-powered-by",
    ] {
        if let Some(value) = picture.answer.header(name) {
            finding = finding.saw(format!("header {name}: {}", brief(value)));
        }
    }
    finding.observed.extend(all_told(picture.seen));
    finding
}

/// `426 Upgrade Required`.
fn status(picture: &Picture<'_>) -> String {
    format!("{} {}", picture.answer.status, picture.answer.reason)
        .trim_end()
        .to_owned()
}

/// The cause, and what it rests on.
fn decided(seen: &Seen) -> Option<(tree::Cause, Picture<'_>)> {
    Some((tree::cause(seen)?, Picture::of(seen)?))
}
