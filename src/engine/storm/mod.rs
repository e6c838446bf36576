//! Reconnect storms: found by themselves, and taken apart (RELIABILITY 3.3).
//!
//! A storm is a tenth or more of the connected clients lost within a second, or what a commanded fault
//! drops. The tracker is fed with what happened to connections, interval by interval, and works on it
//! strictly in order of time:
//!
//! ```text
//! events -> inbox (order) -> detector (which losses are a storm) -> episodes (who tried what, who is
//! back) -> reports
//! ```
//!
//! An attempt belongs to the latest storm its client was lost in, as long as that lasts; a storm lasts
//! until every client it took is back, gave up or left. It reads no clock and holds no socket; memory
//! is bounded by the clients and by the limits below.

mod bins;
mod detector;
mod episode;
pub mod formulas;
mod inbox;
mod losses;
mod members;
mod plan;
mod report;
mod sliding;
pub mod syn;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

pub use detector::Commanded;
pub use report::count_wasted;

use crate::clock::Offset;
use crate::metrics::{ConnectionEvent, ConnectionStep, Events};
use crate::result::storm::{StormEnd, StormReport};
use detector::{Detector, Entry};
use episode::Episode;
use inbox::Inbox;

/// A storm is so many percent of the connected clients ..
pub const MASS_PERCENT: u64 = 10;
/// .. but never fewer clients than these ..
pub const FEWEST: u64 = 2;
/// .. lost within this time; a gap of it ends the gathering.
pub const WINDOW: Duration = Duration::from_secs(1);
/// Width of a bin: w.
pub const BIN: Duration = Duration::from_millis(100);
/// Bins kept of a storm: an hour.
pub const BINS: usize = 36_000;
/// Bins kept of all storms of a run.
pub const ALL_BINS: usize = 10 * BINS;
/// Storms kept; more are counted.
pub const STORMS: u64 = 1_000;
/// Storms that last at the same time; the oldest is cut off for one more.
pub const AT_ONCE: usize = 32;
/// First messages are waited for so long after a storm.
pub const LISTENS: Duration = Duration::from_secs(60);
/// Attempts this late at p99 make peaks lower bounds: w.
pub const GENERATOR_LAG: Duration = BIN;

/// What a tracker is told about the run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// net.ipv4.tcp_syn_linear_timeouts; 0 where there is none.
    pub syn_linear_timeouts: u32,
    /// The period of a reconnect policy that has a fixed one.
    pub fixed_period: Option<Duration>,
    /// The measured phase.
    pub measured: Range<Offset>,
}

/// A storm that is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Active {
    /// Clients lost.
    pub clients_lost: u64,
    /// Clients connected again.
    pub back: u64,
    /// Attempts so far.
    pub attempts: u64,
}

/// Finds the storms of a run and follows them.
#[derive(Debug)]
pub struct Tracker {
    settings: Settings,
    inbox: Inbox,
    detector: Detector,
    /// In order of their beginning.
    episodes: Vec<Episode>,
    /// The storm that a client was last lost in, while its attempts count there.
    owner: HashMap<u64, u64>,
    finished: Vec<StormReport>,
    bins_left: usize,
}

impl Tracker {
    /// Of a run that starts.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            inbox: Inbox::default(),
            detector: Detector::default(),
            episodes: Vec::new(),
            owner: HashMap::new(),
            finished: Vec::new(),
            bins_left: ALL_BINS,
        }
    }

    /// A fault that makes clients lose their connections is carried out; to be told before the events
    /// of its interval are. Ignored when a storm already takes members, or when fewer than two clients
    /// are lost in the second after it.
    pub fn fault(&mut self, fault: Commanded) {
        self.detector.fault(fault);
    }

    /// The events of an interval, all shards together, after which nothing from before
    /// `complete_until` is to come.
    pub fn take(&mut self, events: &Events, complete_until: Offset) {
        let ready = self.inbox.take(events, complete_until);
        for event in ready {
            self.see(event);
        }
        self.detector.pass(complete_until);
        self.drain();
        for episode in &mut self.episodes {
            // Whichever of them lasts may be missing something.
            episode.events_dropped += events.dropped;
        }
        self.settle(self.detector.released_until(complete_until));
    }

    /// The storms that are on, as one.
    pub fn active(&self) -> Option<Active> {
        let on = self.episodes.iter().filter(|episode| episode.end.is_none());
        on.map(|episode| Active {
            clients_lost: episode.members.len(),
            back: episode.members.back(),
            attempts: episode.tally.begun,
        })
        .reduce(|a, b| Active {
            clients_lost: a.clients_lost + b.clients_lost,
            back: a.back + b.back,
            attempts: a.attempts + b.attempts,
        })
    }

    /// The storms that are over so far.
    pub fn finished(&self) -> &[StormReport] {
        &self.finished
    }

    /// Storms that were found beyond [`STORMS`].
    pub fn omitted(&self) -> u64 {
        self.detector.omitted()
    }

    /// The run is over: all storms, in order of their beginning.
    pub fn finish(&mut self, now: Offset) -> Vec<StormReport> {
        self.take(&Events::default(), Offset::MAX);
        for episode in std::mem::take(&mut self.episodes) {
            self.put_away(episode, now);
        }
        let mut reports = std::mem::take(&mut self.finished);
        reports.sort_by_key(|report| report.number);
        reports
    }

    fn see(&mut self, event: ConnectionEvent) {
        self.detector.see(event);
        self.drain();
        for episode in &mut self.episodes {
            let gathers = self.detector.gathers(episode.begin.storm);
            episode.pass(gathers);
        }
    }

    /// Hands on every event whose storm is known.
    fn drain(&mut self) {
        while let Some(begin) = self.detector.begin() {
            if self.episodes.len() == AT_ONCE {
                let mut oldest = self.episodes.remove(0);
                oldest.stop(begin.at, StormEnd::CutOff);
                self.put_away(oldest, begin.at);
            }
            self.episodes.push(Episode::new(begin, &self.settings));
        }
        while let Some(entry) = self.detector.release() {
            self.attribute(&entry);
        }
    }

    fn attribute(&mut self, entry: &Entry) {
        let client = entry.event.client;
        if let Some(storm) = entry.storm {
            self.owner.insert(client, storm);
        }
        let owner = self.owner.get(&client).copied();
        for episode in &mut self.episodes {
            episode.see(entry, owner == Some(episode.begin.storm));
        }
        // A client that dials again after a planned end is no part of the storm.
        if matches!(
            entry.event.what,
            ConnectionStep::Closed | ConnectionStep::Left
        ) {
            self.owner.remove(&client);
        }
    }

    /// Puts away the storms of which nothing more is to be learnt.
    fn settle(&mut self, now: Offset) {
        for episode in &mut self.episodes {
            episode.pass(self.detector.gathers(episode.begin.storm));
        }
        let complete = |episode: &mut Episode| episode.is_complete(now);
        let complete: Vec<_> = self.episodes.extract_if(.., complete).collect();
        for episode in complete {
            self.put_away(episode, now);
        }
    }

    fn put_away(&mut self, episode: Episode, now: Offset) {
        let storm = episode.begin.storm;
        self.owner.retain(|_, owner| *owner != storm);
        let measured = self.settings.measured.contains(&episode.begin.at);
        let mut report = report::report(episode, now);
        report.measured = measured;
        let bins = report.series.attempts.len();
        if bins > self.bins_left {
            bins::cut(&mut report.series, self.bins_left);
            report.series.cut = true;
        }
        self.bins_left -= report.series.attempts.len();
        self.finished.push(report);
    }
}
