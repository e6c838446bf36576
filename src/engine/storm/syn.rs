//! When the kernel sends a SYN again: the steps in which connect times come when a SYN was lost or an
//! accept queue was full (RELIABILITY 3.2).
//!
//! Since Linux 6.5 the first `net.ipv4.tcp_syn_linear_timeouts` resends do not double their wait.

use std::time::Duration;

use crate::result::storm::StormSynStep;

/// Steps of one doubling each after the linear ones: with `tcp_syn_retries` at its default the
/// kernel is through by then.
const DOUBLINGS: u32 = 4;
/// Linear steps that are told apart, whatever the sysctl says.
const LINEAR: u32 = 15;

/// When the resends happen, from the first SYN, for a value of the sysctl; 0 where there is none.
pub fn steps(linear_timeouts: u32) -> Vec<Duration> {
    let linear = linear_timeouts.min(LINEAR) + 1;
    let waits = (0..linear)
        .map(|_| 1)
        .chain((1..=DOUBLINGS).map(|n| 1 << n));
    let mut at = 0;
    let sum = waits.map(|wait: u64| {
        at += wait;
        Duration::from_secs(at)
    });
    sum.collect()
}

/// Connect times counted by step.
#[derive(Clone, Debug)]
pub struct Connects {
    steps: Vec<Duration>,
    /// One more than the steps: the first is without a resend.
    counts: Vec<u64>,
}

impl Connects {
    /// None yet.
    pub fn new(linear_timeouts: u32) -> Self {
        let steps = steps(linear_timeouts);
        Self {
            counts: vec![0; steps.len() + 1],
            steps,
        }
    }

    /// A connect that took so long from SYN to established.
    pub fn add(&mut self, took: Duration) {
        let step = self.steps.partition_point(|step| *step <= took);
        self.counts[step] += 1;
    }

    /// The steps that were taken.
    pub fn taken(&self) -> Vec<StormSynStep> {
        let from = std::iter::once(Duration::ZERO).chain(self.steps.iter().copied());
        let counted = from.zip(&self.counts).enumerate();
        let taken = counted.filter(|(_, (_, connects))| **connects > 0);
        taken
            .map(|(resends, (from, connects))| StormSynStep {
                label: label(resends, from),
                from_s: from.as_secs_f64(),
                connects: *connects,
            })
            .collect()
    }
}

fn label(resends: usize, from: Duration) -> String {
    let ordinal = match resends {
        0 => return "first SYN".to_owned(),
        1 => "st",
        2 => "nd",
        3 => "rd",
        _ => "th",
    };
    format!("{resends}{ordinal} resend ({} s)", from.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_of_old_and_new_kernels() {
        for (linear, expected) in [
            (0, &[1, 3, 7, 15, 31][..]),
            (1, &[1, 2, 4, 8, 16, 32]),
            (4, &[1, 2, 3, 4, 5, 7, 11, 19, 35]),
        ] {
            let seconds: Vec<_> = steps(linear).iter().map(Duration::as_secs).collect();
            assert_eq!(seconds, expected, "{linear}");
        }
        assert_eq!(steps(u32::MAX).len(), 20);
    }

    #[test]
    fn measured_connect_times_fall_into_their_steps() {
        let mut connects = Connects::new(4);
        // RELIABILITY 3.2.
        for ms in [0, 1, 1030, 2060, 3080, 4110, 5130, 7140, 11_200, 19_400] {
            connects.add(Duration::from_millis(ms));
        }
        let taken: Vec<_> = connects.taken();
        let counts: Vec<_> = taken.iter().map(|step| step.connects).collect();
        assert_eq!(counts, [2, 1, 1, 1, 1, 1, 1, 1, 1]);
        assert_eq!(taken[0].label, "first SYN");
        assert_eq!(taken[2].label, "2nd resend (2 s)");
        assert_eq!(taken[8].label, "8th resend (19 s)");
        let mut old = Connects::new(0);
        old.add(Duration::from_millis(3080));
        assert_eq!(old.taken()[0].label, "2nd resend (3 s)");
    }
}
