//! `storm.STATISTIC`: the worst of the storms that began in the measured phase.
//!
//! Without such a storm only `storm.count` has a value. A share of the clients that never came back
//! has no time, but a lower bound: it breaks every upper limit, like a quantile among unanswered
//! messages. A storm nobody recovered from is efficient by 0.

use super::{Kind, Statistic};
use crate::result::storm::{BackAfter, StormRecovery, StormReport};

/// How a statistic comes from one storm, and which storm is the worst.
#[derive(Clone, Copy)]
enum Source {
    /// The number of storms.
    Storms,
    /// The largest.
    Most(Kind, fn(&StormReport) -> f64),
    /// The smallest.
    Least(Kind, fn(&StormReport) -> f64),
    /// The latest, never being later than all.
    Back(fn(&StormRecovery) -> BackAfter),
}

use Source::{Back, Least, Most, Storms};

const NAMES: &[(&str, Source)] = &[
    ("storm.count", Storms),
    (
        "storm.clients_lost",
        Most(Kind::Count, |storm| storm.clients_lost as f64),
    ),
    (
        "storm.attempts",
        Most(Kind::Count, |storm| storm.attempts.total as f64),
    ),
    (
        "storm.attempts_per_client",
        Most(Kind::Number, |storm| storm.attempts.per_client_mean),
    ),
    ("storm.recovered_50", Back(|recovery| recovery.t50)),
    ("storm.recovered_90", Back(|recovery| recovery.t90)),
    ("storm.recovered_99", Back(|recovery| recovery.t99)),
    ("storm.recovered_100", Back(|recovery| recovery.t100)),
    (
        "storm.gave_up",
        Most(Kind::Count, |storm| storm.gave_up as f64),
    ),
    (
        "storm.peak_100ms",
        Most(Kind::Count, |storm| storm.attempts.peak_100ms as f64),
    ),
    (
        "storm.peak_1s",
        Most(Kind::Count, |storm| storm.attempts.peak_1s as f64),
    ),
    (
        "storm.amplification",
        Most(Kind::Number, |storm| storm.work.amplification),
    ),
    (
        "storm.efficiency",
        Least(Kind::Ratio, |storm| {
            storm.recovery.efficiency.unwrap_or(0.0)
        }),
    ),
];

/// Every name with its kind.
pub fn known() -> impl Iterator<Item = (&'static str, Kind)> {
    NAMES.iter().map(|(name, source)| (*name, source.kind()))
}

/// The statistic of that name; `None` when there is no such name.
pub fn lookup(storms: &[StormReport], name: &str) -> Option<Statistic> {
    let (_, source) = NAMES.iter().find(|(known, _)| *known == name)?;
    let measured = storms.iter().filter(|storm| storm.measured);
    let (value, censored) = match source {
        Storms => (Some(measured.count() as f64), false),
        Most(_, of) => (measured.map(of).reduce(f64::max), false),
        Least(_, of) => (measured.map(of).reduce(f64::min), false),
        Back(share) => latest(measured.map(|storm| back(storm, *share))),
    };
    Some(Statistic {
        value,
        censored,
        kind: source.kind(),
    })
}

/// When a share was back, or for how long it was not.
fn back(storm: &StormReport, share: fn(&StormRecovery) -> BackAfter) -> (f64, bool) {
    match share(&storm.recovery).now_s {
        Some(seconds) => (seconds, false),
        None => (storm.length_s, true),
    }
}

/// Of several times the latest; a lower bound when any of them is one.
fn latest(times: impl Iterator<Item = (f64, bool)>) -> (Option<f64>, bool) {
    times.fold((None, false), |(latest, censored), (seconds, bound)| {
        let latest = latest.map_or(seconds, |latest: f64| latest.max(seconds));
        (Some(latest), censored || bound)
    })
}

impl Source {
    const fn kind(self) -> Kind {
        match self {
            Storms => Kind::Count,
            Most(kind, _) | Least(kind, _) => kind,
            Back(_) => Kind::Time,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::fixture;

    fn value(storms: &[StormReport], name: &str) -> (Option<f64>, bool) {
        let statistic = lookup(storms, name).unwrap();
        (statistic.value, statistic.censored)
    }

    #[test]
    fn the_worst_storm_of_the_measured_phase_counts() {
        let never = fixture::storm();
        let mut mild = fixture::storm();
        mild.clients_lost = 9;
        mild.attempts.total = 9;
        mild.attempts.per_client_mean = 1.0;
        mild.recovery.t50.now_s = Some(0.5);
        mild.recovery.t99.now_s = Some(99.0);
        mild.recovery.efficiency = Some(0.8);
        let mut outside = fixture::storm();
        outside.measured = false;
        outside.attempts.peak_1s = 1_000;
        let storms = [never, mild, outside];
        for (name, expected) in [
            ("storm.count", (Some(2.0), false)),
            ("storm.clients_lost", (Some(9.0), false)),
            ("storm.attempts", (Some(24.0), false)),
            ("storm.attempts_per_client", (Some(3.0), false)),
            ("storm.recovered_50", (Some(1.05), false)),
            // One of them never was: more than the longest that is known.
            ("storm.recovered_99", (Some(99.0), true)),
            ("storm.recovered_100", (Some(4.2), true)),
            ("storm.gave_up", (Some(1.0), false)),
            ("storm.peak_1s", (Some(9.0), false)),
            ("storm.efficiency", (Some(0.0), false)),
        ] {
            assert_eq!(value(&storms, name), expected, "{name}");
        }
        assert_eq!(value(&storms[1..], "storm.efficiency"), (Some(0.8), false));
    }

    #[test]
    fn without_a_storm_only_their_number_is_known() {
        for (name, _) in known() {
            let expected = (name == "storm.count").then_some(0.0);
            assert_eq!(value(&[], name), (expected, false), "{name}");
        }
        assert_eq!(lookup(&[], "storm.p99"), None);
    }
}
