//! What speaks against a calibration: neighbours, late timers, contradictions.

use std::fmt;

use super::conclude::thousands;
use super::document::{Bottleneck, Calibration, Noise};

/// Processor time that others take without being told of: a cron job, an editor.
const TOLD_SHARE: f64 = 0.05;
/// From here on the figures are about the neighbours: with two processors, generator and server need
/// both, and of each a quarter is gone.
const GRAVE_SHARE: f64 = 0.25;
/// An idle thread that is woken later than this at p99, in ms, cannot send on time.
const GRAVE_TIMER_MS: f64 = 1.0;
/// From so many second attempts on they are told of.
const TOLD_DISTURBED: usize = 2;

impl Noise {
    /// Whether it keeps the question from being answered.
    pub fn is_grave(&self) -> bool {
        match self {
            Self::Stolen { share } | Self::Others { share } => *share > GRAVE_SHARE,
            Self::Timer { p99_ms } => *p99_ms > GRAVE_TIMER_MS,
            Self::NeverHonest => true,
            Self::Disturbed { .. }
            | Self::LateThoughIdle { .. }
            | Self::Unsteady { .. }
            | Self::DebugBuild => false,
        }
    }
}

impl fmt::Display for Noise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stolen { share } => write!(
                f,
                "the hypervisor gave {:.0} % of the processors' time to others",
                share * 100.0
            ),
            Self::Others { share } => write!(
                f,
                "other programs took {:.0} % of the processors' time; end them and calibrate again",
                share * 100.0
            ),
            Self::Timer { p99_ms } => write!(
                f,
                "an idle thread was woken {p99_ms:.3} ms late at p99: no generator can be on time here"
            ),
            Self::Disturbed { loads } => write!(
                f,
                "{loads} loads were sent late at the first of two attempts and on time at the second"
            ),
            Self::LateThoughIdle { shards, per_s } => write!(
                f,
                "at {} messages/s on {} neither generator nor server was busy, yet messages left \
                 late: the limit is this machine's disturbance, not the generator's",
                thousands(*per_s),
                shards_in_words(*shards)
            ),
            Self::Unsteady { shards, per_s } => write!(
                f,
                "at {} messages/s on {}, below the limit found, messages left late",
                thousands(*per_s),
                shards_in_words(*shards)
            ),
            Self::NeverHonest => f.write_str("messages left late under every load"),
            Self::DebugBuild => {
                f.write_str("this is a debug build: a release build is several times faster")
            }
        }
    }
}

fn shards_in_words(shards: u16) -> String {
    match shards {
        1 => "one shard".to_owned(),
        more => format!("{more} shards"),
    }
}

/// Everything found.
pub(super) fn of(calibration: &Calibration) -> Vec<Noise> {
    let machine = &calibration.machine;
    let mut found = Vec::new();
    let told = |share: &f64| *share > TOLD_SHARE;
    found.extend(
        machine
            .stolen
            .filter(told)
            .map(|share| Noise::Stolen { share }),
    );
    found.extend(
        machine
            .others
            .filter(told)
            .map(|share| Noise::Others { share }),
    );
    let p99_ms = machine.timer.quantiles.p99;
    if p99_ms > GRAVE_TIMER_MS {
        found.push(Noise::Timer { p99_ms });
    }
    let loads = calibration.knees.iter().map(|knee| knee.disturbed).sum();
    if loads >= TOLD_DISTURBED {
        found.push(Noise::Disturbed { loads });
    }
    for knee in &calibration.knees {
        if let (Some(Bottleneck::Machine), Some(per_s)) = (knee.bottleneck, knee.lying_per_s) {
            let shards = knee.shards;
            found.push(Noise::LateThoughIdle { shards, per_s });
        }
    }
    let late = calibration
        .truth
        .iter()
        .filter(|truth| !truth.point.is_honest());
    found.extend(late.map(|truth| Noise::Unsteady {
        shards: truth.point.shards,
        per_s: truth.point.asked_per_s,
    }));
    let knees = &calibration.knees;
    if !knees.is_empty() && knees.iter().all(|knee| knee.honest_per_s.is_none()) {
        found.push(Noise::NeverHonest);
    }
    if machine.environment.build_profile == "debug" {
        found.push(Noise::DebugBuild);
    }
    found
}
