//! What the built-in server counted: the other side of the same run.

use serde::{Deserialize, Serialize};

/// What the built-in server has done when the run was over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerCounts {
    /// WebSockets it opened: those beyond the clients' own count were wasted on clients that had gone.
    pub upgrades: u64,
    /// Requests it refused with an HTTP status.
    pub refused: u64,
    /// Messages it received.
    pub messages_received: u64,
    /// Messages it queued for sending.
    pub messages_sent: u64,
    /// How often it had no descriptor for a connection.
    pub descriptor_shortages: u64,
    /// How often it could not listen again after a restart, because the port was taken.
    pub listen_failures: u64,
    /// CPU time of its process, in seconds.
    pub cpu_s: f64,
    /// Connections that found an accept queue full, on the whole host; `None` where unknown.
    pub listen_overflows: Option<u64>,
}

/// The share of an interval from which on a thread of the built-in server is called busy.
pub const BUSY_LIMIT: f64 = 0.9;
/// A thread that waited longer for a core shared it with somebody who needed it.
const SHARED: f64 = 0.1;

/// How busy the built-in server was in the measured phase: beyond its limit, the run measured the
/// server more than anything else.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServerLoad {
    /// Processes that shared the port.
    pub processes: usize,
    /// Its threads, process by process.
    pub threads: Vec<ThreadLoad>,
    /// Measured intervals that were looked at.
    pub intervals: u64,
    /// The share of an interval from which on a thread is called busy.
    pub busy_limit: f64,
    /// Intervals in which a thread ran or waited for a core for a larger share.
    pub busy_intervals: u64,
    /// The most memory it had, all processes together; 0 where unknown.
    pub memory_bytes: u64,
}

/// One thread: shares of an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ThreadLoad {
    /// The process it belongs to, from 0.
    pub process: usize,
    /// In which it ran, in the median interval (to a percent)...
    pub busy_p50: f64,
    /// ... and at most.
    pub busy_max: f64,
    /// In which it could have run, but had no core.
    pub waited_p50: f64,
    /// The same at most.
    pub waited_max: f64,
}

impl ServerLoad {
    /// The highest share of an interval in which a thread ran.
    pub fn busiest(&self) -> f64 {
        self.most(|thread| thread.busy_max)
    }

    fn most(&self, share: impl Fn(&ThreadLoad) -> f64) -> f64 {
        self.threads.iter().map(share).fold(0.0, f64::max)
    }

    /// Says so when the server was what the run measured.
    pub fn warning(&self) -> Option<String> {
        if self.busy_intervals == 0 {
            return None;
        }
        let waited = self.most(|thread| thread.waited_max);
        let (cause, remedy) = if waited > SHARED {
            let waited = waited * 100.0;
            let cause = format!(" (and waited for a core up to {waited:.0} %: it shares one)");
            (cause, "give it a core of its own")
        } else {
            (String::new(), "give it more threads (server.threads)")
        };
        Some(format!(
            "the built-in server was busy up to {:.0} % of an interval{cause}, beyond {:.0} % in {} of \
             {} measured intervals: what was measured is partly the built-in server; lower the load, \
             {remedy}, or test a server of your own",
            self.busiest() * 100.0,
            self.busy_limit * 100.0,
            self.busy_intervals,
            self.intervals,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_server_is_told_with_the_remedy_that_fits() {
        let mut load = ServerLoad {
            processes: 1,
            threads: vec![ThreadLoad {
                busy_max: 0.97,
                ..ThreadLoad::default()
            }],
            intervals: 30,
            busy_limit: BUSY_LIMIT,
            busy_intervals: 0,
            memory_bytes: 0,
        };
        assert_eq!(load.warning(), None);
        load.busy_intervals = 12;
        let text = load.warning().expect("busy");
        assert!(
            text.contains("up to 97 % of an interval, beyond 90 % in 12 of 30"),
            "{text}"
        );
        assert!(text.contains("server.threads"), "{text}");
        load.threads[0].waited_max = 0.4;
        let text = load.warning().expect("busy");
        assert!(text.contains("waited for a core up to 40 %"), "{text}");
        assert!(text.contains("a core of its own"), "{text}");
    }
}
