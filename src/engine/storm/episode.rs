//! One storm while it lasts, and a little longer: for the first messages after it.

use super::bins::{Bins, Counted};
use super::detector::{Begin, Entry};
use super::members::Members;
use super::tally::Tally;
use super::{LISTENS, Settings};
use crate::clock::Offset;
use crate::metrics::ConnectionStep as Step;
use crate::result::storm::StormEnd;

/// One storm.
#[derive(Debug)]
pub struct Episode {
    /// How it began.
    pub begin: Begin,
    /// Whom it took.
    pub members: Members,
    /// What they tried.
    pub tally: Tally,
    /// Both over time.
    pub bins: Bins,
    /// When and how it ended.
    pub end: Option<(Offset, StormEnd)>,
    /// Events that were not kept while it lasted.
    pub events_dropped: u64,
}

impl Episode {
    /// One that begins.
    pub fn new(begin: Begin, settings: &Settings) -> Self {
        Self {
            bins: Bins::new(begin.at, begin.level),
            members: Members::default(),
            tally: Tally::new(settings),
            end: None,
            events_dropped: 0,
            begin,
        }
    }

    /// Something happened to a client. `own`: the client was lost in this storm and in none since, so
    /// that its attempts count here.
    pub fn see(&mut self, entry: &Entry, own: bool) {
        let (at, client) = (entry.event.at, entry.event.client);
        if self.end.is_some() {
            self.listen(entry, own);
            return;
        }
        self.bins.connected(at, entry.level);
        match entry.event.what {
            Step::Lost if entry.storm == Some(self.begin.storm) => self.members.join(client, at),
            Step::Lost => self.members.lose(client, at),
            Step::Opened(_) => {
                let away = self.members.open(client, at);
                if let Some(away) = away.filter(|_| own) {
                    self.tally.reconnect_time.record(away);
                }
            }
            Step::GaveUp => self.members.give_up(client, at),
            Step::Left => self.members.leave(client, at),
            Step::Closed => self.members.stop_waiting(client),
            Step::FirstMessage { .. } => self.members.message(client),
            Step::Attempt { .. } | Step::Failed { .. } | Step::Abandoned => {}
        }
        if own {
            self.count(entry);
        }
    }

    /// Counts an attempt, or the end of one.
    fn count(&mut self, entry: &Entry) {
        let at = entry.event.at;
        match &entry.event.what {
            Step::Attempt { due } => {
                let after = at.since(self.begin.at);
                self.tally.attempt(at, after, *due, entry.duplicate);
                self.members.attempt(entry.event.client);
                self.bins.add(at, Counted::Attempt);
            }
            Step::Opened(dial) => {
                self.tally.success(at, dial);
                self.bins.add(at, Counted::Success);
            }
            Step::Failed { kind, dial } => {
                self.tally.failure(*kind, dial);
                self.bins.add(at, Counted::Failure);
            }
            Step::Abandoned => self.tally.abandoned += 1,
            Step::FirstMessage { after } => self.tally.first_message.record(*after),
            Step::Lost | Step::Closed | Step::GaveUp | Step::Left => {}
        }
    }

    /// After the end only first messages matter.
    fn listen(&mut self, entry: &Entry, own: bool) {
        let client = entry.event.client;
        match &entry.event.what {
            Step::FirstMessage { after } => {
                self.members.message(client);
                if own {
                    self.tally.first_message.record(*after);
                }
            }
            Step::Lost | Step::Closed | Step::Left => self.members.stop_waiting(client),
            _ => {}
        }
    }

    /// Everything before `now` has been seen; `gathers` says whether more clients may be lost in it.
    pub fn pass(&mut self, gathers: bool) {
        if self.end.is_none() && !gathers && self.members.away() == 0 && self.members.len() > 0 {
            self.end = Some((self.members.settled_at(), self.settled()));
        }
    }

    /// Ends it now, if it lasts still.
    pub fn stop(&mut self, now: Offset, reason: StormEnd) {
        self.pass(false);
        self.end.get_or_insert((now, reason));
    }

    /// Whether nothing more is to be learnt.
    pub fn is_complete(&self, now: Offset) -> bool {
        self.end
            .is_some_and(|(end, _)| self.members.waiting() == 0 || end + LISTENS <= now)
    }

    fn settled(&self) -> StormEnd {
        if self.members.gave_up() + self.members.left() == 0 {
            StormEnd::AllBack
        } else {
            StormEnd::SomeGone
        }
    }
}
