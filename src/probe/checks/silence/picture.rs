//! What kind of silence it is. The kinds exclude each other, so one check speaks and no other.

use crate::probe::ask::compare::silence::ENGINE_IO;
use crate::probe::seen::{Exchange, Millis, Outcome, Seen, Variation};

/// Engine.IO destroys an upgrade that nobody took after a second (`destroyUpgradeTimeout`).
pub const DESTROY_MS: std::ops::RangeInclusive<f64> = 900.0..=1_600.0;

/// Kinds of handshakes that got no byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picture {
    /// Behind a PROXY protocol line it is answered.
    WantsProxyLine,
    /// Engine.IO lives at its own path and closed this one after its second.
    EngineIo,
    /// The same handshake opens at times.
    Unsteady,
    /// It hung, and opens every time since an ordinary GET was made.
    WorksAfterGet,
    /// A GET is answered by a gateway error: who takes upgrades has nobody behind.
    GatewayError,
    /// A GET is answered, the upgrade hangs.
    UpgradeHangs,
    /// A GET is answered, the upgrade is closed.
    UpgradeClosed,
    /// Requests are closed; a malformed line, another path or fewer headers are answered.
    ClosedByRule,
    /// Closed before anything is sent.
    ClosedAtAccept,
    /// Closed once a request came.
    ClosedAfterReading,
    /// Closed, at a time that tells nothing.
    Closed,
    /// Nothing is answered at all.
    Silent,
}

/// The kind of silence, if the handshake got no byte and no other layer explains it.
pub fn picture(seen: &Seen) -> Option<(&Exchange, Picture)> {
    let Some(handshake) = &seen.handshake else {
        let line = seen.to(&Variation::ProxyProtocol)?;
        let tls_up = line.spoke() || line.is_mute();
        return tls_up.then_some((line, Picture::WantsProxyLine));
    };
    let explained = seen.wants_tls() || about_certificates(handshake);
    if !handshake.is_mute() || explained {
        return None;
    }
    Some((handshake, kind(seen, handshake)))
}

/// An alert about our certificate is a matter of TLS.
fn about_certificates(handshake: &Exchange) -> bool {
    let alert = handshake.end().and_then(|end| end.strip_prefix("alert "));
    alert.is_some_and(|alert| {
        let alert = alert.to_ascii_lowercase();
        alert.contains("certificate") || alert.ends_with("ca") || alert.starts_with("access")
    })
}

fn kind(seen: &Seen, handshake: &Exchange) -> Picture {
    let spoke = |v: &Variation| seen.to(v).is_some_and(Exchange::spoke);
    let get = seen.to(&Variation::PlainGet);
    let repeats = || seen.all_to(&Variation::Again);
    if wants_proxy_line(seen) {
        return Picture::WantsProxyLine;
    }
    if repeats().any(Exchange::spoke) {
        let after_get = handshake.hangs() && get.is_some_and(Exchange::spoke);
        let always = repeats().count() > 1 && repeats().all(Exchange::is_upgrade);
        return match after_get && always {
            true => Picture::WorksAfterGet,
            false => Picture::Unsteady,
        };
    }
    if get.is_some_and(Exchange::spoke) {
        return answered_get(seen, handshake);
    }
    if handshake.hangs() && get.is_none_or(Exchange::hangs) {
        return Picture::Silent;
    }
    let root = Variation::GetPath("/".to_owned());
    if spoke(&Variation::WithoutHeaders) || spoke(&Variation::Garbage) || spoke(&root) {
        return Picture::ClosedByRule;
    }
    closed(seen, handshake)
}

/// Everything is silent, only behind the line comes an answer: one that is no complaint about it.
fn wants_proxy_line(seen: &Seen) -> bool {
    let Some(line) = seen.to(&Variation::ProxyProtocol) else {
        return false;
    };
    let others = [Variation::PlainGet, Variation::Garbage, Variation::Again];
    let others_spoke = others.iter().any(|v| seen.all_to(v).any(Exchange::spoke));
    let understood = line.is_upgrade() || line.status().is_some_and(|s| s != 400 && s != 501);
    understood && !others_spoke
}

fn answered_get(seen: &Seen, handshake: &Exchange) -> Picture {
    let status = seen.to(&Variation::PlainGet).and_then(Exchange::status);
    let destroyed = !handshake.hangs() && DESTROY_MS.contains(&handshake.took_ms.0);
    if destroyed && speaks_engine_io(seen) {
        return Picture::EngineIo;
    }
    match (status, handshake.hangs()) {
        (Some(502..=504), _) => Picture::GatewayError,
        (_, true) => Picture::UpgradeHangs,
        (_, false) => Picture::UpgradeClosed,
    }
}

/// The answer of Engine.IO's own path is one that only Engine.IO gives.
pub fn speaks_engine_io(seen: &Seen) -> bool {
    let asked = Variation::GetPath(ENGINE_IO.to_owned());
    let Some(answer) = seen.to(&asked).and_then(Exchange::answer) else {
        return false;
    };
    let opened = answer.body.contains("\"sid\"") && answer.body.contains("\"pingInterval\"");
    let complains = [
        "Transport unknown",
        "Session ID unknown",
        "Bad handshake method",
        "Unsupported protocol version",
    ];
    let complained = complains.iter().any(|words| answer.body.contains(words));
    opened || (answer.status >= 400 && complained)
}

/// Whether it closes connections on which nothing was sent tells who closes.
fn closed(seen: &Seen, handshake: &Exchange) -> Picture {
    match seen.to(&Variation::Listen).map(|e| (e, &e.outcome)) {
        Some((_, Outcome::NoBytes { end: Some(_) })) => Picture::ClosedAtAccept,
        Some((listened, Outcome::NoBytes { end: None })) => {
            // It was listened for long enough to see the same closing.
            let Millis(waited) = listened.took_ms;
            match waited > 2.0 * handshake.took_ms.0 + 200.0 {
                true => Picture::ClosedAfterReading,
                false => Picture::Closed,
            }
        }
        _ => Picture::Closed,
    }
}
