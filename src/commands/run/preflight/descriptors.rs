//! File descriptors: every connection is one.

use anyhow::bail;

use crate::commands::descriptors::raise_limit;
use crate::report::view::count;
use crate::scenario::Forecast;

/// What this process may open, once the soft limit is raised to the hard one.
pub fn limit() -> u64 {
    raise_limit()
}

/// The arithmetic of each process, or the refusal of what does not fit.
pub fn judge(forecast: &Forecast, processes: u16, limit: u64) -> anyhow::Result<String> {
    let all = u64::from(forecast.max_clients);
    let own = forecast.descriptors - all;
    let clients = all.div_ceil(u64::from(processes.max(1)));
    let needed = clients + own;
    if needed > limit {
        bail!(
            "{clients} clients need {needed} descriptors ({clients} + {own} of our own), \
             but this process may open {limit}\n\
             hint: run fewer clients, leave --processes out, or raise the hard limit \
             (`ulimit -Hn`, systemd LimitNOFILE=)"
        );
    }
    let limit = match limit {
        u64::MAX => "any number".to_owned(),
        limit => count(limit),
    };
    let (clients, needed) = (count(clients), count(needed));
    let each = if processes > 1 {
        " in each process"
    } else {
        ""
    };
    Ok(format!(
        "descriptors: {needed} ({clients} clients + {own} of our own) of {limit}{each}"
    ))
}

/// Descriptors of a relay beside its connections.
const RELAY_OWN: u64 = 32;

/// The same for the relay's process: a connection on each side for every client.
pub fn judge_relay(forecast: &Forecast, limit: u64) -> anyhow::Result<String> {
    let clients = u64::from(forecast.max_clients);
    let needed = 2 * clients + RELAY_OWN;
    if needed > limit {
        bail!(
            "the relay needs {needed} descriptors for {clients} clients (two each), but a process \
             may open {limit}\n\
             hint: run fewer clients, or raise the hard limit (`ulimit -Hn`, systemd LimitNOFILE=)"
        );
    }
    Ok(format!(
        "relay: {} descriptors (two for each client)",
        count(needed)
    ))
}

#[cfg(test)]
mod tests {
    use super::super::tests::forecast;
    use super::*;

    #[test]
    fn a_connection_more_than_the_limit_is_refused() {
        let needs = forecast(1_000);
        let fits = judge(&needs, 1, 1_128).expect("exactly");
        assert_eq!(
            fits,
            "descriptors: 1,128 (1,000 clients + 128 of our own) of 1,128"
        );
        let refused = judge(&needs, 1, 1_127)
            .expect_err("one too few")
            .to_string();
        assert!(refused.contains("may open 1127\nhint: "), "{refused}");
        assert!(judge(&needs, 2, 628).is_ok() && judge(&needs, 2, 627).is_err());
        assert!(judge_relay(&needs, 2_032).is_ok());
        let refused = judge_relay(&needs, 2_031).expect_err("one too few");
        assert!(refused.to_string().contains("needs 2032"), "{refused}");
        assert!(
            judge(&needs, 1, u64::MAX)
                .expect("unknown")
                .ends_with("any number")
        );
    }
}
