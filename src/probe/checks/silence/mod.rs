//! Questions about no HTTP answer, a late one, or a broken one.

mod bad_101;
mod closed;
mod not_http;
mod partial_head;
mod picture;
mod proxy_line;
mod silent;
mod slow;
#[cfg(test)]
mod tests;
mod unhandled;
mod unsteady;
pub(super) mod words;

use super::Check;
use crate::probe::entry::Layer;
use crate::probe::finding::Finding;
use crate::probe::seen::Seen;

/// From the most to the least fundamental.
pub const ALL: &[&Check] = &[
    &proxy_line::CHECK,
    &closed::CHECK,
    &silent::CHECK,
    &unsteady::CHECK,
    &not_http::CHECK,
    &partial_head::CHECK,
    &unhandled::CHECK,
    &bad_101::CHECK,
    &slow::CHECK,
];

/// With everything that was asked as evidence. Where TLS came up, what is silent stands above it.
fn with_all(mut finding: Finding, seen: &Seen) -> Finding {
    finding.observed.extend(words::all_told(seen));
    if seen.asked.secure {
        finding.layer = finding.layer.max(Layer::Upgrade);
    }
    finding
}
