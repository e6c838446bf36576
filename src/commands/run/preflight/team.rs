//! How many processes and threads generate the load.

use std::ops::Range;

use super::{cores, descriptors};
use crate::report::view::count;
use crate::scenario::{Forecast, Scenario};

/// More processes than this help nobody.
pub const MOST_PROCESSES: i64 = 256;

/// A process that can hold fewer clients is not worth its start.
const LEAST_ROOM: u64 = 500;

/// Who generates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Team {
    /// Processes; one = this one does it, more = others do.
    pub processes: u16,
    /// Threads of all of them together, equally many in each.
    pub shards: u16,
}

impl Team {
    /// The shards of one of the processes.
    pub fn own(self, number: u16) -> Range<u16> {
        let each = self.shards / self.processes;
        number * each..(number + 1) * each
    }
}

/// As many processes as were asked for, else as descriptors take.
pub fn team(scenario: &Scenario, asked: Option<u16>) -> Team {
    let forecast = Forecast::of(scenario);
    let clients = forecast.max_clients;
    let processes = asked.unwrap_or_else(|| needed(&forecast, descriptors::limit()));
    compose(processes, cores::shards(scenario), clients)
}

/// How many processes this machine's descriptors make of a run.
pub fn processes_for(scenario: &Scenario) -> u16 {
    team(scenario, None).processes
}

/// A process's share of the clients and its own descriptors have to fit.
fn needed(forecast: &Forecast, limit: u64) -> u16 {
    let clients = u64::from(forecast.max_clients);
    let own = forecast.descriptors.saturating_sub(clients);
    let room = limit.saturating_sub(own);
    if room < LEAST_ROOM {
        // So little is a mistake: it is refused with the arithmetic.
        return 1;
    }
    clients
        .div_ceil(room)
        .clamp(1, MOST_PROCESSES as u64)
        .try_into()
        .unwrap_or(u16::MAX)
}

/// Clients are dealt over shards: only equal numbers of them make equal processes.
fn compose(processes: u16, shards: u16, clients: u32) -> Team {
    let clients = u16::try_from(clients).unwrap_or(u16::MAX).max(1);
    let processes = processes.clamp(1, clients);
    let each = shards.div_ceil(processes);
    let most = (clients / processes).max(1);
    Team {
        processes,
        shards: processes * each.min(most).min(u16::MAX / processes),
    }
}

/// How many, and why.
pub fn fact(team: Team, forecast: &Forecast, limit: u64) -> String {
    let Team { processes, shards } = team;
    let most = u64::from(forecast.max_clients).div_ceil(u64::from(processes));
    let limit = count(limit);
    match processes {
        1 => "processes: 1".to_owned(),
        _ => format!(
            "processes: {processes} of {} threads, each with at most {} clients and its own {limit} descriptors",
            shards / processes,
            count(most)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::forecast;
    use super::*;

    #[test]
    fn as_many_processes_as_descriptors_take() {
        for (clients, limit, expected) in [
            (1, 1_024, 1),
            (896, 1_024, 1),
            (897, 1_024, 2),
            (60_000, 20_000, 4),
            (100_000, 20_000, 6),
            (60_000, u64::MAX, 1),
            (1_000_000, 627, 1),
            (1_000_000, 628, 256),
        ] {
            let needed = needed(&forecast(clients), limit);
            assert_eq!(needed, expected, "{clients} {limit}");
        }
    }

    #[test]
    fn processes_have_equally_many_shards() {
        for (processes, shards, clients, expected) in [
            (1, 3, 100, (1, 3)),
            (2, 3, 100, (2, 4)),
            (4, 1, 100, (4, 4)),
            (4, 1, 3, (3, 3)),
            (2, 8, 3, (2, 2)),
            (256, 256, 1_000_000, (256, 256)),
        ] {
            let team = compose(processes, shards, clients);
            assert_eq!((team.processes, team.shards), expected);
            let all: Vec<u16> = (0..team.processes).flat_map(|n| team.own(n)).collect();
            assert_eq!(all, (0..team.shards).collect::<Vec<_>>());
        }
    }
}
