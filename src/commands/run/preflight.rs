//! What the machine must have before the first connection; what does not fit is refused with the
//! arithmetic and the remedy.

use anyhow::bail;

use crate::commands::descriptors::raise_limit;
use crate::scenario::{Forecast, Scenario};

/// Descriptors of a relay beside its connections.
const RELAY_OWN: u64 = 32;

/// Generator threads: what the scenario says, else the machine's cores, half of them when the
/// server under test runs on the same machine; never more than there are clients.
pub fn shards(scenario: &Scenario) -> u16 {
    let clients = scenario.load.max_clients().clamp(1, u32::from(u16::MAX)) as u16;
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get().min(256) as u16);
    let local = scenario.server.is_some() || is_loopback(scenario);
    let share = if local { cores / 2 } else { cores };
    scenario.load.shards.unwrap_or(share).clamp(1, clients)
}

fn is_loopback(scenario: &Scenario) -> bool {
    scenario.target.urls.iter().any(|url| {
        let url = url.to_string();
        ["://127.", "://localhost", "://[::1]"]
            .iter()
            .any(|host| url.contains(host))
    })
}

/// Raises the soft descriptor limit to the hard one and refuses what does not fit.
pub fn check(scenario: &Scenario) -> anyhow::Result<()> {
    let clients = u64::from(scenario.load.max_clients());
    let needed = Forecast::of(scenario).descriptors;
    let own = needed - clients;
    let limit = raise_limit();
    let relayed = 2 * clients + RELAY_OWN;
    if scenario.relay.is_some() && relayed > limit {
        bail!(
            "the relay needs {relayed} descriptors for {clients} clients (two each), but a process may \
             open {limit}\n\
             hint: run fewer clients, or raise the hard limit (`ulimit -Hn`, systemd LimitNOFILE=)"
        );
    }
    if needed > limit {
        bail!(
            "{clients} clients need {needed} descriptors ({clients} + {own} of our own), \
             but this process may open {limit}\n\
             hint: run fewer clients, or raise the hard limit (`ulimit -Hn`, systemd LimitNOFILE=)"
        );
    }
    Ok(())
}
