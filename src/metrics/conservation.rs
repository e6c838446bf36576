//! The laws the counters obey (DESIGN section 3), checked before any number is printed.
//!
//! A broken law is a bug of this tool, never of the target: it is shown with both sums, and the run
//! counts as invalid. Laws over messages, beats and dials hold for measured events alone, because
//! each outcome is booked where its origin was booked; the life of a connection crosses phases, so
//! that law holds only for the whole run.

use std::fmt;

use super::{Counter, Metric, Sheet};

/// Levels at the end of the run that the laws need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AtEnd {
    /// Connections still open when the books were closed.
    pub open_connections: u64,
}

/// A law that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The law in words, e.g. `messages_sent = replies_matched + ...`.
    pub law: String,
    /// The sum on its left.
    pub left: u64,
    /// The sum on its right.
    pub right: u64,
    /// Every term with its value.
    pub terms: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            law,
            left,
            right,
            terms,
        } = self;
        write!(f, "{law}: {left} against {right} ({terms})")
    }
}

/// A number that stands in a law.
#[derive(Clone, Copy)]
enum Term {
    Count(Counter),
    Samples(Metric),
    Unanswered(Metric),
    FailureTallies,
    CloseTallies,
    OpenAtEnd,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Relation {
    Equal,
    AtMost,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// For measured events alone, too.
    Origin,
    /// Only for measured and other events together.
    WholeRun,
}

/// `sum(left) relation sum(right)`.
struct Law {
    scope: Scope,
    left: &'static [Term],
    relation: Relation,
    right: &'static [Term],
}

use Counter as C;
use Relation::{AtMost, Equal};
use Term::{Count, Samples, Unanswered};

const LAWS: &[Law] = &[
    law(
        &[Count(C::MessagesSent)],
        Equal,
        &[
            Count(C::RepliesMatched),
            Count(C::RepliesTimedOut),
            Count(C::RepliesLost),
            Count(C::RepliesOutstanding),
        ],
    ),
    law(
        &[Count(C::HeartbeatsSent)],
        Equal,
        &[
            Count(C::HeartbeatsOnTime),
            Count(C::HeartbeatsSuperseded),
            Count(C::HeartbeatsLate),
            Count(C::HeartbeatsMissed),
            Count(C::HeartbeatsCut),
            Count(C::HeartbeatsPending),
        ],
    ),
    law(
        &[Count(C::ConnectionsAttempted)],
        Equal,
        &[
            Count(C::ConnectionsOpened),
            Count(C::ConnectionsFailed),
            Count(C::ConnectionsAbandoned),
        ],
    ),
    law(
        &[Count(C::ConnectionsFailed)],
        Equal,
        &[Term::FailureTallies],
    ),
    law(&[Count(C::ConnectionsClosed)], Equal, &[Term::CloseTallies]),
    Law {
        scope: Scope::WholeRun,
        left: &[Count(C::ConnectionsOpened)],
        relation: Equal,
        right: &[Count(C::ConnectionsClosed), Term::OpenAtEnd],
    },
    law(
        &[Count(C::ArrivalsScheduled)],
        Equal,
        &[Count(C::ArrivalsStarted), Count(C::ArrivalsDropped)],
    ),
    law(
        // Not equal: a server that delivers twice makes it more, and that is the server's affair.
        &[Count(C::DeliveriesExpected)],
        AtMost,
        &[Count(C::DeliveriesReceived), Count(C::DeliveriesMissing)],
    ),
    law(
        &[Count(C::Reconnected)],
        AtMost,
        &[Count(C::ReconnectsAttempted)],
    ),
    // No sample is lost and none invented: RELIABILITY 4.2 no. 1.
    law(
        &[Samples(Metric::RoundTrip)],
        Equal,
        &[Count(C::RepliesMatched)],
    ),
    law(
        &[Samples(Metric::ServiceTime)],
        Equal,
        &[Count(C::RepliesMatched)],
    ),
    law(
        &[Samples(Metric::Handshake)],
        Equal,
        &[Count(C::ConnectionsOpened)],
    ),
    // No unanswered message is left out of the quantiles; those still waiting may be in or out.
    law(
        &[Count(C::RepliesTimedOut), Count(C::RepliesLost)],
        AtMost,
        &[Unanswered(Metric::RoundTrip)],
    ),
    law(
        &[Unanswered(Metric::RoundTrip)],
        AtMost,
        &[
            Count(C::RepliesTimedOut),
            Count(C::RepliesLost),
            Count(C::RepliesOutstanding),
        ],
    ),
];

const fn law(left: &'static [Term], relation: Relation, right: &'static [Term]) -> Law {
    Law {
        scope: Scope::Origin,
        left,
        relation,
        right,
    }
}

/// The laws that `everything` (measured and other events of a whole run) breaks.
pub fn check(everything: &Sheet, at_end: &AtEnd) -> Vec<Broken> {
    let laws = LAWS.iter();
    laws.filter_map(|law| law.broken(everything, at_end))
        .collect()
}

/// The laws that the measured events break by themselves.
pub fn check_measured(measured: &Sheet) -> Vec<Broken> {
    let laws = LAWS.iter().filter(|law| law.scope == Scope::Origin);
    laws.filter_map(|law| law.broken(measured, &AtEnd::default()))
        .collect()
}

impl Law {
    fn broken(&self, sheet: &Sheet, at_end: &AtEnd) -> Option<Broken> {
        let sum = |terms: &[Term]| terms.iter().map(|term| term.value(sheet, at_end)).sum();
        let (left, right): (u64, u64) = (sum(self.left), sum(self.right));
        let holds = match self.relation {
            Equal => left == right,
            AtMost => left <= right,
        };
        let sign = match self.relation {
            Equal => "=",
            AtMost => "<=",
        };
        let values = self.left.iter().chain(self.right);
        (!holds).then(|| Broken {
            law: format!("{} {sign} {}", names(self.left), names(self.right)),
            left,
            right,
            terms: values
                .map(|term| format!("{} {}", term.name(), term.value(sheet, at_end)))
                .collect::<Vec<_>>()
                .join(", "),
        })
    }
}

impl Term {
    fn value(self, sheet: &Sheet, at_end: &AtEnd) -> u64 {
        match self {
            Count(counter) => sheet.counter(counter),
            Samples(metric) => sheet.samples(metric),
            Unanswered(metric) => sheet.censored(metric),
            Self::FailureTallies => sheet.failures.values().map(|tally| tally.count).sum(),
            Self::CloseTallies => sheet.closes.values().map(|tally| tally.count).sum(),
            Self::OpenAtEnd => at_end.open_connections,
        }
    }

    fn name(self) -> String {
        match self {
            Count(counter) => counter.name().to_owned(),
            Samples(metric) => format!("samples of {}", metric.name()),
            Unanswered(metric) => format!("unanswered in {}", metric.name()),
            Self::FailureTallies => "failures by kind".to_owned(),
            Self::CloseTallies => "closes by cause".to_owned(),
            Self::OpenAtEnd => "open at the end".to_owned(),
        }
    }
}

fn names(terms: &[Term]) -> String {
    let names: Vec<_> = terms.iter().map(|term| term.name()).collect();
    names.join(" + ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::clock::Offset;
    use crate::failure::{CloseCause, FailureKind};
    use crate::metrics::{Origin, Recorder, Window, interval::Phase};

    const ONE_OPEN: AtEnd = AtEnd {
        open_connections: 1,
    };

    /// A small run whose books balance with one connection open at the end.
    fn balanced() -> Sheet {
        let mut recorder = Recorder::new();
        let o = Origin::Measured;
        for (counter, n) in [
            (C::ArrivalsScheduled, 5),
            (C::ArrivalsStarted, 4),
            (C::ArrivalsDropped, 1),
            (C::ConnectionsAttempted, 4),
            (C::ConnectionsOpened, 2),
            (C::ConnectionsAbandoned, 1),
            (C::MessagesSent, 4),
            (C::RepliesMatched, 1),
            (C::RepliesTimedOut, 1),
            (C::RepliesLost, 1),
            (C::RepliesOutstanding, 1),
            (C::HeartbeatsSent, 6),
            (C::HeartbeatsOnTime, 1),
            (C::HeartbeatsSuperseded, 1),
            (C::HeartbeatsLate, 1),
            (C::HeartbeatsMissed, 1),
            (C::HeartbeatsCut, 1),
            (C::HeartbeatsPending, 1),
            (C::DeliveriesExpected, 3),
            (C::DeliveriesReceived, 2),
            (C::DeliveriesMissing, 1),
            (C::ReconnectsAttempted, 1),
            (C::Reconnected, 1),
        ] {
            recorder.add(o, counter, n);
        }
        let ms = Duration::from_millis(1);
        recorder.record(o, Metric::Handshake, ms);
        recorder.record(o, Metric::Handshake, ms);
        recorder.record(o, Metric::RoundTrip, ms);
        recorder.record(o, Metric::ServiceTime, ms);
        recorder.censor(o, Metric::RoundTrip);
        recorder.censor(o, Metric::RoundTrip);
        recorder.fail(o, FailureKind::Refused, String::new);
        recorder.close(o, CloseCause::ByUs, String::new);
        let window = Window {
            index: 0,
            start: Offset::ZERO,
            end: Offset::ZERO,
            phase: Phase::Measure,
        };
        recorder.cut(window, Default::default()).measured
    }

    #[test]
    fn balanced_books_pass() {
        assert_eq!(check(&balanced(), &ONE_OPEN), []);
        assert_eq!(check_measured(&balanced()), []);
        assert_eq!(check(&Sheet::default(), &AtEnd::default()), []);
    }

    #[test]
    fn one_event_too_many_breaks_a_law() {
        for counter in LAWS.iter().flat_map(|law| law.left.iter().chain(law.right)) {
            let mut sheet = balanced();
            match *counter {
                Count(C::ReconnectsAttempted | C::DeliveriesReceived | C::DeliveriesMissing) => {
                    continue;
                }
                Count(counter) => sheet.add(counter, 1),
                Samples(metric) => sheet.record(metric, Duration::ZERO),
                Unanswered(metric) => sheet.censor(metric, 2),
                Term::FailureTallies => sheet.failures.clear(),
                Term::CloseTallies => sheet.closes.clear(),
                Term::OpenAtEnd => continue,
            }
            assert_ne!(check(&sheet, &ONE_OPEN), [], "{}", counter.name());
        }
    }

    #[test]
    fn a_connection_unaccounted_for_is_shown_with_both_sums() {
        let broken = check(&balanced(), &AtEnd::default());
        assert_eq!(broken.len(), 1);
        assert_eq!(
            broken[0].to_string(),
            "connections_opened = connections_closed + open at the end: 2 against 1 \
             (connections_opened 2, connections_closed 1, open at the end 0)"
        );
    }
}
