//! The built-in server: how many processes it needs, since every connection is a descriptor of its too.

use anyhow::bail;

use super::descriptors;
use crate::report::view::count;
use crate::scenario::{MOST_PROCESSES, Scenario, ServerPlan};

/// Descriptors of a server process beside its connections: streams, listeners, timers, runtimes.
const OWN: u64 = 64;
/// Of several processes, each is to have room for so much more than its share: connections that are
/// still closing while their clients are back, and...
const SPARE: f64 = 0.10;
/// ... the kernel's dealing by hash: standard deviations of the share of a process, which is binomial
/// (its deviation is below the root of its mean). Five are passed once in 3.5 million.
const DEVIATIONS: f64 = 5.0;

/// How many processes the built-in server is to have.
///
/// # Errors
/// When no number of them would do.
pub fn processes(scenario: &Scenario) -> anyhow::Result<u16> {
    Ok(judge(scenario, descriptors::limit())?.map_or(1, |(processes, _)| processes))
}

/// The processes with their arithmetic, or the refusal; none without a built-in server.
pub fn judge(scenario: &Scenario, limit: u64) -> anyhow::Result<Option<(u16, String)>> {
    let Some(plan) = &scenario.server else {
        return Ok(None);
    };
    let clients = connections(plan, scenario.load.max_clients());
    let processes = match plan.processes {
        Some(processes) if fits(clients, processes, limit) => processes,
        Some(processes) => bail!(
            "the built-in server's {processes} processes have no room for {clients} connections: \
             each may open {limit} descriptors\n\
             hint: leave server.processes out, or raise the hard limit (`ulimit -Hn`, systemd \
             LimitNOFILE=)"
        ),
        None => needed(clients, limit)?,
    };
    if let Some(single) = plan.single(&scenario.faults).filter(|_| processes > 1) {
        bail!(
            "{clients} connections need {processes} processes of the built-in server (each may open \
             {limit} descriptors), but {single}\n\
             hint: {}; or run fewer clients, or raise the hard limit (`ulimit -Hn`, systemd \
             LimitNOFILE=)",
            single.hint()
        );
    }
    let most = if processes == 1 {
        clients
    } else {
        share(clients, processes)
    };
    let (needed, limit) = (count(most + OWN), shown(limit));
    let fact = match processes {
        1 => format!("built-in server: {needed} descriptors of {limit}"),
        _ => format!(
            "built-in server: {processes} processes of at most {needed} descriptors each (the kernel \
             deals connections by chance) of {limit}"
        ),
    };
    Ok(Some((processes, fact)))
}

/// Says so when several processes change what reconnecting costs.
pub fn warning(scenario: &Scenario, processes: u16) -> Option<String> {
    let resumes = scenario.target.tls.resumption && scenario.server.as_ref()?.tls;
    (resumes && processes > 1).then(|| {
        format!(
            "the {processes} processes of the built-in server do not know each other's TLS sessions: \
             about one reconnect in {processes} resumes; set target.tls.resumption = false, or use one \
             process"
        )
    })
}

/// Connections at once: those beyond the server's own limit are let go with a 503.
fn connections(plan: &ServerPlan, clients: u32) -> u64 {
    u64::from(
        plan.max_connections
            .map_or(clients, |most| clients.min(most)),
    )
}

fn needed(clients: u64, limit: u64) -> anyhow::Result<u16> {
    let mut all = 1..=MOST_PROCESSES;
    let found = all.find(|processes| fits(clients, *processes, limit));
    let Some(processes) = found else {
        bail!(
            "{clients} connections need more than {MOST_PROCESSES} processes of the built-in server: \
             each may open {limit} descriptors\n\
             hint: run fewer clients, or raise the hard limit (`ulimit -Hn`, systemd LimitNOFILE=)"
        );
    };
    Ok(processes)
}

fn fits(clients: u64, processes: u16, limit: u64) -> bool {
    let most = if processes == 1 {
        clients
    } else {
        share(clients, processes)
    };
    most.saturating_add(OWN) <= limit
}

/// The most connections that one of several processes is reckoned with.
fn share(clients: u64, processes: u16) -> u64 {
    let mean = clients as f64 / f64::from(processes);
    let most = mean * (1.0 + SPARE) + DEVIATIONS * mean.sqrt();
    (most.ceil() as u64).min(clients)
}

fn shown(limit: u64) -> String {
    match limit {
        u64::MAX => "any number".to_owned(),
        limit => count(limit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Overrides, Statistics};

    fn scenario(clients: u32, rest: &str) -> Scenario {
        let statistics = Statistics {
            kind: &|_| None,
            names: &[],
        };
        let text = format!(
            "name = \"x\"\n[load]\nstages = [ {{ duration = \"10s\", clients = {clients} }} ]\n\
             [server]\n{rest}"
        );
        let none = Overrides::default();
        let read = Scenario::parse("x.toml", &text, &none, &|_| None, &statistics);
        read.unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn of(clients: u32, rest: &str, limit: u64) -> Result<u16, String> {
        let judged = judge(&scenario(clients, rest), limit);
        let judged = judged.map_err(|refused| refused.to_string())?;
        Ok(judged.expect("a server").0)
    }

    #[test]
    fn as_many_processes_as_the_descriptors_need() {
        for (clients, limit, expected) in [
            (200, 264, 1),
            (201, 264, 2),
            (300, 264, 3),
            (600, 300, 4),
            (20_000, 1_048_576, 1),
            (20_000, 20_000, 2),
            (100_000, 20_000, 6),
        ] {
            assert_eq!(of(clients, "", limit), Ok(expected), "{clients} of {limit}");
        }
        assert_eq!(of(300, "max_connections = 200", 264), Ok(1));
        assert_eq!(of(300, "processes = 5", 1_024), Ok(5));
    }

    #[test]
    fn sessions_that_another_process_does_not_know_are_told() {
        let url = "[target]\nurl = \"wss://127.0.0.1:1/\"\ntls = { resumption = ";
        for (server, resumption, processes, expected) in [
            ("tls = true", "true }", 3, true),
            ("tls = true", "true }", 1, false),
            ("tls = true", "false }", 3, false),
        ] {
            let scenario = scenario(10, &format!("{server}\n{url}{resumption}"));
            let told = warning(&scenario, processes);
            assert_eq!(
                told.is_some(),
                expected,
                "{resumption} {processes}: {told:?}"
            );
        }
        assert_eq!(warning(&scenario(10, ""), 3), None);
    }

    #[test]
    fn no_process_runs_out_whatever_the_hash_deals() {
        let mut rng = fastrand::Rng::with_seed(7);
        for (clients, limit) in [(600_u32, 300_u64), (3_000, 500), (100_000, 20_000)] {
            let processes = of(clients, "", limit).expect("fits");
            for _ in 0..20 {
                let mut dealt = vec![0_u64; usize::from(processes)];
                for _ in 0..clients {
                    dealt[rng.usize(..usize::from(processes))] += 1;
                }
                let most = dealt.iter().max().expect("some") + OWN;
                assert!(most <= limit, "{clients}: {most} of {limit}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_remedy() {
        for (clients, rest, expected) in [
            (300, "processes = 2", "2 processes have no room for 300"),
            (300, "behaviour = \"chat\"", "passes messages on"),
            (300, "max_connections = 250", "max_connections is counted"),
            (100_000, "", "more than 64 processes"),
        ] {
            let refused = of(clients, rest, 264).expect_err(rest);
            assert!(refused.contains(expected), "{refused}");
            assert!(refused.contains("\nhint: "), "{refused}");
        }
        let none = Scenario {
            server: None,
            ..scenario(1, "")
        };
        assert_eq!(judge(&none, 1).expect("nobody to judge"), None);
    }
}
