//! What can become of a beat, of an answer and of a connection, and how often it did.

use std::time::Duration;

use crate::clock::Offset;

/// What became of a beat; each beat gets exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OutcomeKind {
    /// Acknowledged within the timeout.
    OnTime,
    /// Acknowledged, within its timeout, by the answer to a later beat (RFC 6455 5.5.3).
    Superseded,
    /// Its own answer came after the timeout.
    Late,
    /// Over its timeout and never answered.
    Missed,
    /// Within its timeout when the connection ended or was declared dead.
    Cut,
    /// Within its timeout when the run ended.
    Pending,
}

/// The end of one beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What became of it.
    pub kind: OutcomeKind,
    /// When it was sent: the phase it is counted in.
    pub sent: Offset,
    /// Answered - sent, for `OnTime` and `Late` only.
    pub rtt: Option<Duration>,
}

/// What an answer turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// In time; its outcome has been emitted.
    OnTime(Duration),
    /// After the timeout; its outcome has been emitted.
    Late(Duration),
    /// For a beat that was acknowledged before.
    Duplicate,
    /// Matches nothing (allowed by RFC 6455 5.5.3).
    Unsolicited,
    /// After the verdict or the end: only the grace watch sees it.
    Ignored,
}

/// Which rule declared the connection dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// `max_missed` misses in a row.
    Misses,
    /// Nothing received for `max_quiet`.
    Quiet,
}

/// The connection is dead by the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The instant the rule was fulfilled, however late it was looked at.
    pub at: Offset,
    /// `at` - last received byte (or the opening, when there was none).
    pub detection: Duration,
    /// Which rule.
    pub cause: Cause,
}

/// Counts of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Beats sent that want an answer.
    pub sent: u64,
    /// See [`OutcomeKind::OnTime`].
    pub on_time: u64,
    /// See [`OutcomeKind::Superseded`].
    pub superseded: u64,
    /// See [`OutcomeKind::Late`].
    pub late: u64,
    /// See [`OutcomeKind::Missed`].
    pub missed: u64,
    /// See [`OutcomeKind::Cut`].
    pub cut: u64,
    /// See [`OutcomeKind::Pending`].
    pub pending: u64,
    /// Beats not sent because the connection was not writable.
    pub blocked: u64,
    /// Answers that match nothing.
    pub unsolicited: u64,
    /// Answers for a beat acknowledged before.
    pub duplicate: u64,
    /// Beats sent that want no answer (`Acknowledges::Nothing`); not in `sent`.
    pub one_way: u64,
    /// Beats given up within their timeout because `BEATS_IN_FLIGHT` was reached; they are in `missed`.
    pub given_up: u64,
    /// Whether bytes came within the grace time after the verdict; `None` = not verified.
    pub false_dead: Option<bool>,
}

impl Tally {
    /// (late + missed) / (sent - cut - pending); `None` without a judged beat.
    pub fn miss_rate(&self) -> Option<f64> {
        self.ratio(self.late + self.missed)
    }

    /// missed / (sent - cut - pending); `None` without a judged beat.
    pub fn drop_rate(&self) -> Option<f64> {
        self.ratio(self.missed)
    }

    fn ratio(&self, part: u64) -> Option<f64> {
        let judged = self.sent - self.cut - self.pending;
        (judged > 0).then(|| part as f64 / judged as f64)
    }

    pub(super) fn count(&mut self, kind: OutcomeKind) {
        match kind {
            OutcomeKind::OnTime => self.on_time += 1,
            OutcomeKind::Superseded => self.superseded += 1,
            OutcomeKind::Late => self.late += 1,
            OutcomeKind::Missed => self.missed += 1,
            OutcomeKind::Cut => self.cut += 1,
            OutcomeKind::Pending => self.pending += 1,
        }
    }
}
