//! The questions, one file each: what was seen in, findings out. Pure.
//!
//! A check reports what it can prove and nothing else. [`diagnose`] asks them from the lowest layer
//! up; when a layer is at fault, those above it are not asked, since what they saw has that cause.

mod idle;
mod load;
mod route;
mod session;
mod silence;
mod tls;
mod upgrade;

use super::entry::{Entry, Layer};
use super::finding::{Diagnosis, Finding, Health, Severity};
use super::fingerprint;
use super::seen::{Exchange, Seen};

/// One question.
pub struct Check {
    /// For tests and documents.
    pub name: &'static str,
    /// What it can find.
    pub entries: &'static [&'static Entry],
    /// Asks it.
    pub ask: fn(&Seen) -> Vec<Finding>,
}

/// All of them, from the lowest layer up.
pub fn all() -> impl Iterator<Item = &'static Check> {
    let groups = [
        route::ALL,
        tls::ALL,
        silence::ALL,
        upgrade::ALL,
        session::ALL,
        idle::ALL,
        load::ALL,
    ];
    groups.into_iter().flatten().copied()
}

/// What all checks say together.
pub fn diagnose(seen: &Seen) -> Diagnosis {
    let products = fingerprint::products(seen);
    let mut findings: Vec<Finding> = Vec::new();
    for check in all() {
        let found = (check.ask)(seen);
        findings.extend(found.into_iter().map(|f| f.fixes_first_for(&products)));
    }
    findings.sort_by_key(|f| (std::cmp::Reverse(f.severity), f.layer));
    silence_upper_layers(&mut findings);
    let could_not = route::could_not(seen);
    let worst = findings.iter().map(|f| f.severity).max();
    let health = match worst {
        _ if could_not.is_some() => Health::CouldNotProbe,
        Some(Severity::Fault) => Health::Faulty,
        Some(Severity::Undecided) => Health::Undecided,
        // What no check understands is not well for that.
        _ if !opened(seen) => Health::Undecided,
        _ => Health::Healthy,
    };
    Diagnosis {
        health,
        could_not,
        interrupted: false,
        findings,
        products,
    }
}

/// A fault below the upgrade explains what the layers above it saw.
fn silence_upper_layers(findings: &mut Vec<Finding>) {
    let lowest = (findings.iter())
        .filter(|f| f.severity == Severity::Fault)
        .map(|f| f.layer)
        .min();
    if let Some(lowest) = lowest.filter(|layer| *layer <= Layer::Upgrade) {
        findings.retain(|f| f.layer <= lowest);
    }
}

/// Whether a WebSocket came up at all.
fn opened(seen: &Seen) -> bool {
    seen.handshake.as_ref().is_some_and(Exchange::is_upgrade)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::seen::Route;

    #[test]
    fn only_faults_of_our_own_on_every_way_keep_us_from_probing() {
        let table: [(&[Option<&str>], bool); 5] = [
            (&[], false),
            (&[Some("local: too many open files")], true),
            (&[Some("local: x"), Some("local: y")], true),
            (&[Some("local: x"), None], false),
            (&[Some("refused")], false),
        ];
        for (faults, expected) in table {
            let route = |fault: &Option<&str>| Route {
                fault: fault.map(str::to_owned),
                ..Route::default()
            };
            let seen = Seen {
                routes: faults.iter().map(route).collect(),
                ..Seen::default()
            };
            let diagnosis = diagnose(&seen);
            assert_eq!(diagnosis.could_not.is_some(), expected, "{faults:?}");
            assert_eq!(diagnosis.health == Health::CouldNotProbe, expected);
            // No WebSocket came up in any of them.
            assert_ne!(diagnosis.health, Health::Healthy, "{faults:?}");
        }
    }
}
