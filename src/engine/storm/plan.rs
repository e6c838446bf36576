//! What a tracker needs to know of a run's plan.

use std::time::Duration;

use super::{Commanded, Settings, Tracker};
use crate::engine::plan::Plan;
use crate::scenario::relay::ToxicKind;
use crate::scenario::{
    ClientFault, Fault, FaultKind, Jitter, Reconnect, ReconnectPolicy, ServerFault,
};

impl Tracker {
    /// Of a run that goes by this plan; `syn_linear_timeouts` as in [`Settings`].
    pub fn of(plan: &Plan, syn_linear_timeouts: u32) -> Self {
        let mut tracker = Self::new(Settings {
            syn_linear_timeouts,
            fixed_period: fixed_period(&plan.scenario.reconnect),
            measured: plan.phases.warm_up_end..plan.phases.measure_end,
        });
        for occurrence in &plan.faults {
            let fault = &plan.scenario.faults[occurrence.fault];
            if drops(&fault.kind) {
                tracker.fault(Commanded {
                    at: occurrence.at,
                    name: fault.kind.name(),
                    outage: outage(fault),
                });
            }
        }
        tracker
    }
}

/// With jitter there is no period to be in phase with.
fn fixed_period(reconnect: &Reconnect) -> Option<Duration> {
    let spread = reconnect.jitter != Jitter::NONE || reconnect.added.1 > Duration::ZERO;
    match reconnect.policy {
        ReconnectPolicy::Fixed { delay } if !spread => {
            Some(delay.min(reconnect.max_wait.unwrap_or(Duration::MAX)))
        }
        _ => None,
    }
}

/// Whether clients lose their connections by the fault itself, and not by what follows from it.
fn drops(kind: &FaultKind) -> bool {
    match kind {
        FaultKind::Client { fault, .. } => {
            matches!(fault, ClientFault::Disconnect | ClientFault::Close { .. })
        }
        FaultKind::Server(plan) => matches!(
            plan.fault,
            ServerFault::RestartServer | ServerFault::DropConnections { .. }
        ),
        FaultKind::Relay(toxic) => {
            matches!(toxic.kind, ToxicKind::Down | ToxicKind::ResetPeer { .. })
        }
    }
}

/// How long nobody can come back, when the fault says so.
fn outage(fault: &Fault) -> Option<Duration> {
    let refuses = match &fault.kind {
        FaultKind::Client { .. } => false,
        FaultKind::Server(plan) => plan.fault == ServerFault::RestartServer,
        FaultKind::Relay(toxic) => toxic.kind == ToxicKind::Down,
    };
    fault.duration.filter(|_| refuses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Factors;

    #[test]
    fn only_a_period_without_jitter_is_one() {
        let policy = |jitter| Reconnect {
            policy: ReconnectPolicy::Fixed {
                delay: Duration::from_secs(3),
            },
            jitter,
            added: (Duration::ZERO, Duration::ZERO),
            max_wait: None,
            max_attempts: None,
            stable_after: Duration::ZERO,
        };
        let period = Some(Duration::from_secs(3));
        assert_eq!(fixed_period(&policy(Jitter::NONE)), period);
        assert_eq!(fixed_period(&policy(Jitter::Each(Factors::EQUAL))), None);
    }
}
