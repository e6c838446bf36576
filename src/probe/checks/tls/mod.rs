//! Questions about encryption and certificates.

mod chain;
mod client;
mod dates;
mod handshake;
mod name;
mod port;
#[cfg(test)]
mod tests;
mod weak;

use super::Check;
use crate::probe::finding::{Finding, Severity};
use crate::probe::seen::{Certificate, Route, Seen, TlsSeen};

/// From the most to the least fundamental.
pub const ALL: &[&Check] = &[
    &port::CHECK,
    &handshake::CHECK,
    &client::CHECK,
    &dates::CHECK,
    &name::CHECK,
    &chain::CHECK,
    &weak::CHECK,
];

/// Where certificates are judged: the first address that showed one, and each that showed another.
fn shown(seen: &Seen) -> Vec<(&Route, &TlsSeen)> {
    let mut shown: Vec<(&Route, &TlsSeen)> = Vec::new();
    for route in &seen.routes {
        let Some(tls) = route.tls.as_ref().filter(|tls| !tls.chain.is_empty()) else {
            continue;
        };
        if shown.iter().all(|(_, known)| known.chain != tls.chain) {
            shown.push((route, tls));
        }
    }
    shown
}

/// A fault of a certificate, unless the user does not want certificates judged.
fn judged(finding: Finding, seen: &Seen, severity: Severity) -> Finding {
    if seen.asked.insecure {
        return finding.severity(Severity::Note);
    }
    finding.severity(severity)
}

/// `subject CN=..., issuer CN=...` with its address.
fn described(route: &Route, certificate: &Certificate) -> String {
    format!(
        "certificate at {}: subject {}, issuer {}, valid from {} until {}",
        route.address,
        quoted(&certificate.subject),
        quoted(&certificate.issuer),
        date(certificate.not_before),
        date(certificate.not_after),
    )
}

fn quoted(name: &str) -> String {
    if name.is_empty() {
        "(empty)".to_owned()
    } else {
        format!("\"{name}\"")
    }
}

/// `2024-04-01 00:00 UTC`.
fn date(seconds: i64) -> String {
    let Ok(stamp) = jiff::Timestamp::from_second(seconds) else {
        return format!("second {seconds} of the epoch");
    };
    let text = stamp.to_string();
    // RFC 3339 to the minute.
    text.get(..16)
        .map_or_else(|| text.clone(), |minute| minute.replace('T', " ") + " UTC")
}

/// Names for a title: the first few.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 6;
    let mut text = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN {
        text += &format!(" and {} more", names.len() - SHOWN);
    }
    text
}
