//! How busy the built-in server was while the run measured: whether it is what was measured.
//!
//! Asked once an interval for its threads' processor time; a difference between two answers is one
//! window. Pure: whoever asks says which windows count.

use crate::commands::control::{Load, ProcessLoad, ThreadTime};
use crate::result::served::{BUSY_LIMIT, ServerLoad, ThreadLoad};

/// A shorter window is too short to call a thread busy, as the timeline has it.
const SHORTEST_US: u64 = 500_000;

/// Collects windows.
#[derive(Debug, Default)]
pub struct Watch {
    last: Load,
    threads: Vec<Tally>,
    windows: u64,
    busy_windows: u64,
    memory_kib: u64,
}

/// Windows of one thread by whole percents.
#[derive(Debug)]
struct Tally {
    process: usize,
    busy: Shares,
    waited: Shares,
}

#[derive(Debug)]
struct Shares {
    by_percent: [u32; 101],
    most: f64,
}

impl Watch {
    /// What the server has just said; `measured` when the window since the last time counts.
    pub fn take(&mut self, load: Load, measured: bool) {
        let memory: u64 = load.processes.iter().map(|p| p.memory_kib).sum();
        self.memory_kib = self.memory_kib.max(memory);
        let last = std::mem::replace(&mut self.last, load);
        if !measured || shape(&last) != shape(&self.last) {
            return;
        }
        let pairs = last.processes.iter().zip(&self.last.processes);
        let shares: Option<Vec<_>> = pairs.map(|(then, now)| shares(then, now)).collect();
        let Some(shares) = shares.filter(|shares| !shares.is_empty()) else {
            return;
        };
        self.count(&shares);
    }

    fn count(&mut self, shares: &[Vec<(f64, f64)>]) {
        if self.threads.is_empty() {
            let of = |(process, threads): (usize, &Vec<_>)| {
                (0..threads.len()).map(move |_| Tally::new(process))
            };
            self.threads = shares.iter().enumerate().flat_map(of).collect();
        }
        self.windows += 1;
        let mut wanted: f64 = 0.0;
        for (tally, (busy, waited)) in self.threads.iter_mut().zip(shares.iter().flatten()) {
            tally.busy.add(*busy);
            tally.waited.add(*waited);
            wanted = wanted.max(busy + waited);
        }
        self.busy_windows += u64::from(wanted > BUSY_LIMIT);
    }

    /// For the result; none when no window counted.
    pub fn finish(&self) -> Option<ServerLoad> {
        let threads = self.threads.iter().map(|tally| ThreadLoad {
            process: tally.process,
            busy_p50: tally.busy.median(),
            busy_max: tally.busy.most,
            waited_p50: tally.waited.median(),
            waited_max: tally.waited.most,
        });
        (self.windows > 0).then(|| ServerLoad {
            processes: self.last.processes.len(),
            threads: threads.collect(),
            intervals: self.windows,
            busy_limit: BUSY_LIMIT,
            busy_intervals: self.busy_windows,
            memory_bytes: self.memory_kib << 10,
        })
    }
}

/// How many threads each process has: a server of another shape cannot be subtracted.
fn shape(load: &Load) -> Vec<usize> {
    load.processes.iter().map(|p| p.threads.len()).collect()
}

/// The shares of the window in which each thread ran and waited; none when it is too short.
fn shares(then: &ProcessLoad, now: &ProcessLoad) -> Option<Vec<(f64, f64)>> {
    let window = now.at_us.checked_sub(then.at_us)?;
    if window < SHORTEST_US {
        return None;
    }
    let share = |then: u64, now: u64| (now.saturating_sub(then) as f64 / window as f64).min(1.0);
    let of = |(then, now): (&ThreadTime, &ThreadTime)| (share(then.0, now.0), share(then.1, now.1));
    Some(then.threads.iter().zip(&now.threads).map(of).collect())
}

impl Tally {
    const fn new(process: usize) -> Self {
        Self {
            process,
            busy: Shares::new(),
            waited: Shares::new(),
        }
    }
}

impl Shares {
    const fn new() -> Self {
        Self {
            by_percent: [0; 101],
            most: 0.0,
        }
    }

    fn add(&mut self, share: f64) {
        let percent = (share * 100.0).round().clamp(0.0, 100.0) as usize;
        self.by_percent[percent] += 1;
        self.most = self.most.max(share);
    }

    /// The lower one, to a percent.
    fn median(&self) -> f64 {
        let all: u32 = self.by_percent.iter().sum();
        let mut seen = 0;
        let middle = self.by_percent.iter().position(|count| {
            seen += count;
            seen >= all.div_ceil(2)
        });
        middle.unwrap_or(0) as f64 / 100.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two processes of one thread after so many half seconds, with what their threads have had.
    fn load(halves: u64, first: (u64, u64), second: (u64, u64)) -> Load {
        let process = |(run, waited)| ProcessLoad {
            at_us: 7 + halves * 500_000,
            memory_kib: 1_000 * halves,
            threads: vec![ThreadTime(run, waited)],
        };
        Load {
            processes: vec![process(first), process(second)],
        }
    }

    #[test]
    fn windows_of_the_measured_phase_count_and_the_busiest_thread_decides() {
        let mut watch = Watch::default();
        assert_eq!(watch.finish(), None);
        watch.take(load(0, (0, 0), (0, 0)), true);
        assert_eq!(watch.finish(), None, "nothing to subtract from");
        // Warm-up: as busy as can be, and not counted.
        watch.take(load(2, (1_000_000, 0), (1_000_000, 0)), false);
        watch.take(load(4, (1_300_000, 0), (1_950_000, 0)), true);
        // Waiting for a core is no idleness.
        watch.take(load(6, (1_800_000, 450_000), (2_050_000, 0)), true);
        watch.take(load(8, (1_900_000, 450_000), (2_250_000, 0)), true);
        let found = watch.finish().expect("three windows");
        assert_eq!(
            (found.processes, found.intervals, found.busy_intervals),
            (2, 3, 2)
        );
        assert_eq!(found.memory_bytes, 16_000 << 10);
        let shown = found.threads.iter().map(|thread| {
            let percent = |share: f64| (share * 100.0).round() as u64;
            let (busy, waited) = (thread.busy_max, thread.waited_max);
            [thread.busy_p50, busy, thread.waited_p50, waited].map(percent)
        });
        let shown: Vec<_> = shown.collect();
        assert_eq!(shown, [[30, 50, 0, 45], [20, 95, 0, 0]]);
    }

    #[test]
    fn what_cannot_be_subtracted_is_no_window() {
        let mut watch = Watch::default();
        watch.take(load(0, (0, 0), (0, 0)), true);
        watch.take(Load::default(), true);
        watch.take(load(4, (9, 9), (9, 9)), true);
        let short = ProcessLoad {
            at_us: 2_000_007 + SHORTEST_US - 1,
            ..load(4, (9, 9), (9, 9)).processes[0].clone()
        };
        let both = Load {
            processes: vec![short.clone(), short],
        };
        watch.take(both, true);
        assert_eq!(watch.finish(), None);
    }
}
