//! One window of the timeline, and the sum of all windows.
//!
//! A shard hands out one interval a second; the same window of several shards is merged with
//! [`Interval::merge`], windows follow each other into a [`Total`]. The tick is independent of the
//! traffic: an interval in which nothing happened is an interval.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Offset;

use super::{Events, Metric, Sheet};

/// A part of a run; only `measure` enters totals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Before the numbers count.
    WarmUp,
    /// What the totals are about.
    Measure,
    /// No new messages; waiting for what is outstanding.
    Drain,
}

impl Phase {
    /// As in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WarmUp => "warm_up",
            Self::Measure => "measure",
            Self::Drain => "drain",
        }
    }
}

/// Which piece of the timeline an interval is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Position on the timeline, from 0; equal for all shards.
    pub index: u64,
    /// Its start.
    pub start: Offset,
    /// Its end.
    pub end: Offset,
    /// The phase its start lies in.
    pub phase: Phase,
}

/// Levels at the end of an interval (and the work done in it).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Gauges {
    /// Open connections.
    pub connected: u64,
    /// Clients that take part, connected or not.
    pub clients: u64,
    /// Messages waiting for an answer.
    pub outstanding: u64,
    /// The share of the interval in which the shard's thread was busy, 0 to 1; of several shards the
    /// busiest, since one overloaded shard spoils its own clients' numbers.
    pub busy: f64,
    /// CPU time of the generator in this interval, all shards together.
    pub cpu: Duration,
}

impl Gauges {
    /// Adds those of another shard.
    fn merge(&mut self, other: &Self) {
        self.connected += other.connected;
        self.clients += other.clients;
        self.outstanding += other.outstanding;
        self.busy = self.busy.max(other.busy);
        self.cpu += other.cpu;
    }
}

/// What was recorded in one window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Which.
    pub window: Window,
    /// Events whose origin (due time, dial, beat) lies in the measured phase.
    pub measured: Sheet,
    /// All other events: for the timeline and the conservation laws, not for totals.
    pub other: Sheet,
    /// Levels at the end.
    pub gauges: Gauges,
    /// What happened to connections, one by one.
    pub events: Events,
}

impl Interval {
    /// One without events.
    pub fn empty(window: Window) -> Self {
        Self {
            window,
            measured: Sheet::default(),
            other: Sheet::default(),
            gauges: Gauges::default(),
            events: Events::default(),
        }
    }

    /// Adds the same window of another shard; associative and commutative.
    pub fn merge(&mut self, other: &Self) {
        self.window.index = self.window.index.min(other.window.index);
        self.window.start = self.window.start.min(other.window.start);
        self.window.end = self.window.end.max(other.window.end);
        self.window.phase = self.window.phase.min(other.window.phase);
        self.measured.merge(&other.measured);
        self.other.merge(&other.other);
        self.gauges.merge(&other.gauges);
        self.events.merge(&other.events);
    }

    /// A counter over all events of the window.
    pub fn counter(&self, counter: super::Counter) -> u64 {
        self.measured.counter(counter) + self.other.counter(counter)
    }

    /// How many times of a metric were recorded in the window.
    pub fn samples(&self, metric: Metric) -> u64 {
        self.measured.samples(metric) + self.other.samples(metric)
    }
}

/// Everything recorded so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Total {
    /// The sum of the measured sheets: what results are made of.
    pub measured: Sheet,
    /// The sum of all other events.
    pub other: Sheet,
    /// Levels at the end of the last interval; `cpu` is the sum over the run.
    pub gauges: Gauges,
    /// How many intervals were added.
    pub intervals: u64,
}

impl Total {
    /// Adds the next interval (already merged over the shards).
    pub fn add(&mut self, interval: &Interval) {
        self.measured.merge(&interval.measured);
        self.other.merge(&interval.other);
        let cpu = self.gauges.cpu + interval.gauges.cpu;
        self.gauges = interval.gauges;
        self.gauges.cpu = cpu;
        self.intervals += 1;
    }

    /// Measured and other events together, for laws that span the whole run.
    pub fn everything(&self) -> Sheet {
        let mut sheet = self.measured.clone();
        sheet.merge(&self.other);
        sheet
    }
}
