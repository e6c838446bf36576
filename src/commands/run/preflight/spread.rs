//! More clients than ports on loopback: the whole of 127.0.0.0/8 is this machine, so clients can be
//! spread over as many source addresses as it takes.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::ports;
use crate::report::view::count;
use crate::scenario::{Address, Forecast, Scenario, Template};

/// The share of the ports that is used. Linux looks for a free one among every second port first
/// (`__inet_hash_connect`); when those are taken, each dial goes through all of them in vain before
/// it tries the others, and dials get slower and slower from there on.
const HEADROOM: f64 = 0.45;
/// Addresses at most; with Linux's default range enough for 3 million clients.
const MOST: u8 = 250;

/// The scenario with the source addresses it takes, and what was done; as it is when it says some
/// itself, or when the target is not in 127.0.0.0/8.
pub fn spread(scenario: &Arc<Scenario>) -> (Arc<Scenario>, Option<String>) {
    let usable = ports::usable();
    let spread = usable.and_then(|usable| widen(scenario, usable));
    match spread {
        Some(scenario) => {
            let addresses = scenario.target.source_addresses.len();
            let fact = format!(
                "source addresses: 127.0.0.1 to 127.0.0.{addresses}, since {} clients take more than \
                 {:.0} % of one's {} ports",
                count(u64::from(scenario.load.max_clients())),
                HEADROOM * 100.0,
                count(usable.unwrap_or_default())
            );
            (Arc::new(scenario), Some(fact))
        }
        None => (Arc::clone(scenario), None),
    }
}

/// How many source addresses a run adds where one has so many ports; `None` = it adds none.
pub fn addresses_for(scenario: &Scenario, usable: u64) -> Option<usize> {
    widen(scenario, usable).map(|wide| wide.target.source_addresses.len())
}

fn widen(scenario: &Scenario, usable: u64) -> Option<Scenario> {
    let target = &scenario.target;
    let ours = target.urls.iter().all(is_loopback_v4);
    if !target.source_addresses.is_empty() || scenario.relay.is_some() || !ours {
        return None;
    }
    let clients = f64::from(scenario.load.max_clients());
    let room = |scenario: &Scenario| {
        let paths = Forecast::of(scenario).paths;
        usable as f64 * paths as f64 * HEADROOM
    };
    if clients <= room(scenario) {
        return None;
    }
    let mut wide = scenario.clone();
    for last in 1..=MOST {
        let address = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
        wide.target.source_addresses.push(address);
        if clients <= room(&wide) {
            return Some(wide);
        }
    }
    None
}

/// Only what is written as such an address: a name may stand for ::1.
fn is_loopback_v4(url: &Template) -> bool {
    // Holes may be in the port or behind; they cannot change a host that is written out.
    let text = url.to_string();
    let filled = text.find("{{").map_or(text.as_str(), |hole| &text[..hole]);
    let host = match Address::parse(&text) {
        Ok(address) => address.host,
        Err(_) => {
            let Some((_, rest)) = filled.split_once("://") else {
                return false;
            };
            let Some(end) = rest.find([':', '/', '?']) else {
                return false;
            };
            rest[..end].to_owned()
        }
    };
    host.parse::<Ipv4Addr>().is_ok_and(|a| a.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Overrides, Statistics};

    fn addresses(target: &str, clients: u32) -> Option<usize> {
        let statistics = Statistics {
            kind: &|_| None,
            names: &[],
        };
        let text = format!(
            "name = \"x\"\n[target]\n{target}\n[load]\nstages = [ {{ duration = \"1s\", clients = {clients} }} ]\n"
        );
        let none = Overrides::default();
        let read = Scenario::parse("x.toml", &text, &none, &|_| None, &statistics);
        let scenario = read.unwrap_or_else(|problems| panic!("{problems}"));
        addresses_for(&scenario, 1_000)
    }

    #[test]
    fn as_many_addresses_as_clients_take() {
        let ports = "url = \"ws://127.0.0.1:{{9000 + client % 4}}/\"";
        for (target, clients, expected) in [
            ("url = \"ws://127.0.0.1:9001/\"", 450, None),
            ("url = \"ws://127.0.0.1:9001/\"", 451, Some(2)),
            ("url = \"ws://127.0.0.1:9001/\"", 1_350, Some(3)),
            ("url = \"ws://127.0.0.1:9001/x?c={{client}}\"", 801, Some(2)),
            // Those dealt in step with the ports make no new pairs.
            (ports, 1_800, None),
            (ports, 1_801, Some(3)),
            ("url = \"ws://127.0.0.1:9001/\"", 900_000, None),
            ("url = \"ws://localhost:9001/\"", 801, None),
            ("url = \"ws://[::1]:9001/\"", 801, None),
            ("url = \"ws://10.0.0.1:9001/\"", 801, None),
            ("url = \"ws://127.0.0.{{1 + client}}:9001/\"", 801, None),
            (
                "url = \"ws://127.0.0.1:9001/\"\nsource_addresses = [\"127.0.0.9\"]",
                801,
                None,
            ),
        ] {
            assert_eq!(addresses(target, clients), expected, "{target} {clients}");
        }
    }
}
