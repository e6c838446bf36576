//! What the machine must have before the first connection, one file a question; what does not fit is
//! refused with the arithmetic and the remedy.
//!
//! Each file keeps the arithmetic (pure, tested as a table) apart from reading the machine. What
//! cannot be read is not refused: the exhaustion itself is reported when it comes.

mod cores;
mod descriptors;
mod memory;
mod ports;
mod server;
mod spread;
mod team;
mod test_dial;

use crate::calibrate::Capacity;
use crate::scenario::{Forecast, Scenario};

pub use server::processes as server_processes;
pub use spread::{addresses_for, spread};
pub use team::{MOST_PROCESSES, Team, processes_for, team};
pub use test_dial::test_dial;

/// Bytes a process takes before its first client.
const PROCESS: u64 = 24 << 20;

/// What was found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The arithmetic of what fits, one line a question; shown with `-v`.
    pub facts: Vec<String>,
    /// What does not keep the run from starting, but may spoil it.
    pub warnings: Vec<String>,
    /// What a probe says of a target that did not open.
    pub advice: Option<String>,
}

/// Asks the machine; the error says what does not fit.
pub fn check(scenario: &Scenario, team: Team) -> anyhow::Result<Findings> {
    let mut forecast = Forecast::of(scenario);
    forecast.memory += PROCESS * u64::from(team.processes - 1);
    let mut facts = vec![
        descriptors::judge(&forecast, team.processes, descriptors::limit())?,
        ports::judge(&forecast, ports::usable())?,
        memory::judge(&forecast, memory::available())?,
        cores::fact(team.shards),
    ];
    if team.processes > 1 {
        facts.push(team::fact(team, &forecast, descriptors::limit()));
    }
    if scenario.relay.is_some() {
        facts.push(descriptors::judge_relay(&forecast, descriptors::limit())?);
    }
    let server = server::judge(scenario, descriptors::limit())?;
    let mut warnings: Vec<_> = cores::warning(scenario, team.shards).into_iter().collect();
    if let Some((processes, fact)) = server {
        facts.push(fact);
        warnings.extend(server::warning(scenario, processes));
    }
    Ok(Findings {
        facts,
        warnings,
        advice: None,
    })
}

/// How many idle clients the machine has room for, on plain connections from one address to one
/// target.
pub fn capacity() -> Capacity {
    let memory = memory::available();
    Capacity {
        descriptors: Some(descriptors::limit().saturating_sub(Forecast::OWN_DESCRIPTORS)),
        ports: ports::usable(),
        memory: memory.map(Forecast::plain_clients_in),
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::Forecast;

    /// Of so many clients that only stay connected.
    pub fn forecast(clients: u32) -> Forecast {
        Forecast {
            arrivals: f64::from(clients),
            max_clients: clients,
            messages: 0.0,
            peak_rate: None,
            closed_loop: false,
            peak_beats: None,
            receivers: None,
            peak_deliveries: None,
            paths: 1,
            descriptors: u64::from(clients) + 128,
            memory: 0,
        }
    }
}
