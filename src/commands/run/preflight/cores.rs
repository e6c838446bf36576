//! Cores: how many generator threads, and whether a server on this machine gets in their way.

use crate::scenario::Scenario;

/// Generator threads: what the scenario says, else the machine's cores, half of them when the
/// server under test runs on the same machine; never more than there are clients.
pub fn shards(scenario: &Scenario) -> u16 {
    let clients = scenario.load.max_clients().clamp(1, u32::from(u16::MAX)) as u16;
    let cores = cores();
    let share = if is_local(scenario) { cores / 2 } else { cores };
    scenario.load.shards.unwrap_or(share).clamp(1, clients)
}

/// Cores this process may use: affinity and cgroup limits included.
fn cores() -> u16 {
    std::thread::available_parallelism().map_or(1, |n| n.get().min(256) as u16)
}

fn is_local(scenario: &Scenario) -> bool {
    let target = &scenario.target;
    scenario.server.is_some() || target.urls.iter().any(|url| target.leads_here(url))
}

/// What is used of what there is.
pub fn fact(shards: u16) -> String {
    format!("cores: {shards} generator threads on {}", cores())
}

/// Says so when the server under test has no core of its own.
pub fn warning(scenario: &Scenario, shards: u16) -> Option<String> {
    is_local(scenario).then(|| shared(shards.min(cores()), cores()))?
}

fn shared(shards: u16, cores: u16) -> Option<String> {
    (shards >= cores).then(|| {
        format!(
            "the server under test runs on this machine, and the generator takes {shards} of its \
             {cores} cores: each is measured while it waits for the other; use more cores, \
             set load.shards lower, or test a server elsewhere"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_a_core_of_its_own_is_told() {
        for (shards, cores, expected) in [(1, 1, true), (1, 2, false), (2, 2, true), (4, 8, false)]
        {
            assert_eq!(
                shared(shards, cores).is_some(),
                expected,
                "{shards} {cores}"
            );
        }
    }
}
