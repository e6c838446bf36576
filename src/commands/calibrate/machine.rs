//! The machine itself: how late it wakes an idle thread, what its clock costs, who else uses it.

use std::fs;
use std::future::poll_fn;
use std::hint::black_box;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::Instant;

use crate::calibrate::{Lateness, Quantiles};
use crate::clock::Alarm;
use crate::metrics::{Histogram, Quantile};

/// Between two wake-ups of an idle thread.
const PAUSE: Duration = Duration::from_millis(1);
/// Readings over which the cost of one is taken.
const READINGS: u32 = 200_000;

/// What wakes a thread that has nothing else to do, and how late it did for `length`; ends earlier
/// when told to `stop`.
pub(super) fn timer(
    length: Duration,
    mut stop: impl FnMut() -> bool,
) -> anyhow::Result<(Lateness, String)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("watch the timer of an idle thread")?;
    let (late, kind) = runtime.block_on(async {
        let mut alarm = Alarm::exact();
        let mut late = Histogram::new();
        let end = Instant::now() + length;
        while Instant::now() < end && !stop() {
            late.record(one_wait(&mut alarm).await);
        }
        (late, alarm.name().to_owned())
    });
    let at = |q| match late.quantile(q, 0) {
        Quantile::Value(value) => value.as_secs_f64() * 1e3,
        Quantile::Censored { .. } | Quantile::None => 0.0,
    };
    let lateness = Lateness {
        count: late.count(),
        quantiles: Quantiles {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
        },
        max: at(1.0),
    };
    Ok((lateness, kind))
}

async fn one_wait(alarm: &mut Alarm) -> Duration {
    let start = Instant::now();
    let due = start + PAUSE;
    alarm.set(start, PAUSE);
    loop {
        poll_fn(|cx| alarm.poll(cx)).await;
        let now = Instant::now();
        if now >= due {
            return now - due;
        }
        alarm.set(now, due - now);
    }
}

/// Nanoseconds that one reading of the clock takes.
pub(super) fn clock_read_ns() -> f64 {
    let start = Instant::now();
    for _ in 0..READINGS {
        black_box(Instant::now());
    }
    start.elapsed().as_nanos() as f64 / f64::from(READINGS)
}

/// How the first processor chooses its clock; `None` where it does not say, as in most virtual machines.
pub(super) fn governor() -> Option<String> {
    let path = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().chars().take(32).collect())
}

/// Processor time of the whole machine and of ours, in the kernel's ticks, since the start of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Processors {
    all: u64,
    idle: u64,
    stolen: u64,
    /// This process and the servers that have ended.
    own: u64,
}

impl Processors {
    /// Now; `None` where the kernel does not say.
    pub fn read() -> Option<Self> {
        let machine = fs::read_to_string("/proc/stat").ok()?;
        let own = fs::read_to_string("/proc/self/stat").ok()?;
        Self::parse(&machine, &own)
    }

    fn parse(machine: &str, own: &str) -> Option<Self> {
        let line = machine.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks: Vec<u64> = numbers(line).take(8).collect();
        let [_, _, _, idle, waiting, _, _, stolen] = ticks[..] else {
            return None;
        };
        // A name may hold spaces and brackets; utime is the 12th after it, then stime, cutime, cstime.
        let (_, fields) = own.rsplit_once(')')?;
        let own: Vec<u64> = fields
            .split_whitespace()
            .skip(11)
            .take(4)
            .filter_map(|field| field.parse().ok())
            .collect();
        (own.len() == 4).then_some(Self {
            all: ticks.iter().sum(),
            idle: idle + waiting,
            stolen,
            own: own.iter().sum(),
        })
    }

    /// Shares since `earlier` of what the hypervisor took and what other programs used.
    pub fn shares_since(&self, earlier: &Self) -> Option<(f64, f64)> {
        let all = self.all.checked_sub(earlier.all).filter(|all| *all > 0)?;
        let since = |now: u64, then: u64| now.saturating_sub(then);
        let stolen = since(self.stolen, earlier.stolen);
        let known = since(self.idle, earlier.idle) + stolen + since(self.own, earlier.own);
        let others = all.saturating_sub(known);
        Some((stolen as f64 / all as f64, others as f64 / all as f64))
    }
}

fn numbers(line: &str) -> impl Iterator<Item = u64> + '_ {
    line.split_whitespace().map_while(|text| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_took_is_what_is_left() {
        let own = |ticks: u64| format!("7 (a (b) c) S 1 1 1 0 -1 0 0 0 0 0 {ticks} 10 5 5 20 0");
        let earlier = "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 2 3\n";
        let later = "cpu  300 0 150 1500 20 0 10 20 0 0\n";
        let earlier = Processors::parse(earlier, &own(10)).expect("whole");
        assert_eq!((earlier.own, earlier.idle), (30, 800));
        let later = Processors::parse(later, &own(110)).expect("whole");
        // Of 1,000 ticks 720 were idle, 20 stolen, 100 ours.
        assert_eq!(later.shares_since(&earlier), Some((0.02, 0.16)));
        assert_eq!(earlier.shares_since(&earlier), None);
        assert_eq!(earlier.shares_since(&later), None, "time goes back");
        for (machine, own) in [
            ("", "x"),
            ("cpu 1 2 3", "7 (a) S"),
            ("cpu  1 2 3 4 5 6 7 8", "7 (a) S 1"),
        ] {
            assert_eq!(Processors::parse(machine, own), None);
        }
    }

    #[test]
    fn an_idle_timer_is_watched_until_told_to_stop() {
        let mut looks = 0;
        let stop = || {
            looks += 1;
            looks > 20
        };
        let (late, kind) = timer(Duration::from_secs(600), stop).expect("a runtime");
        assert_eq!(late.count, 20);
        assert!(late.quantiles.p50 <= late.max && !kind.is_empty());
        assert!(clock_read_ns() > 0.0);
    }
}
