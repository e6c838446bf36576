//! Questions about names, connections and the forward proxy.

mod connect;
mod family;
mod proxy;
mod resolve;
mod slow;
#[cfg(test)]
mod tests;

use super::Check;
use crate::probe::seen::{Route, Seen};

/// From the most to the least fundamental.
pub const ALL: &[&Check] = &[
    &resolve::CHECK,
    &connect::CHECK,
    &proxy::CHECK,
    &family::CHECK,
    &slow::CHECK,
];

/// Why this machine could not probe: it could not even try any address.
pub fn could_not(seen: &Seen) -> Option<String> {
    let mut reasons = seen.routes.iter().map(local);
    let first = reasons.next()??;
    reasons.all(|reason| reason.is_some()).then(|| {
        let address = &seen.routes[0].address;
        format!("connect to {address}: {first}")
    })
}

/// What kept this machine from trying, of one address.
fn local(route: &Route) -> Option<&str> {
    route.fault.as_deref()?.strip_prefix("local: ")
}

/// `127.0.0.1:80 after 5.0 s` for each address whose fault is `fault`.
fn addresses<'a>(seen: &'a Seen, fault: &'a str) -> impl Iterator<Item = String> + 'a {
    let with = move |route: &&Route| route.fault.as_deref().is_some_and(|f| f.starts_with(fault));
    seen.routes.iter().filter(with).map(|route| {
        let took = route.took_ms;
        let time = if took.0 < 1_000.0 {
            format!("{:.1} ms", took.0)
        } else {
            format!("{:.1} s", took.seconds())
        };
        format!("{} after {time}", route.address)
    })
}

/// Who is connected to: the target, or the forward proxy.
fn peer(seen: &Seen) -> String {
    match &seen.asked.proxy {
        Some(proxy) => format!("the forward proxy {proxy}"),
        None => {
            let asked = &seen.asked;
            let host = if asked.host.contains(':') {
                format!("[{}]", asked.host)
            } else {
                asked.host.clone()
            };
            format!("{host}:{}", asked.port)
        }
    }
}
