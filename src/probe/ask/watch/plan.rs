//! What is opened when, how often a hold speaks, and when nothing more is to be learnt. Pure.

use std::time::Duration;

use super::Seconds;
use crate::probe::Watching;
use crate::probe::seen::{Hold, HoldKind, Millis, Round};

/// Between two looks at whether handshakes work.
const LOOK: f64 = 0.5;
/// For that long; later more seldom, unless something ended.
const OFTEN: f64 = 4.0;
/// Between two looks in a long watch.
const SELDOM: f64 = 10.0;
/// Most handshakes of one watch.
pub const MAX_ROUNDS: usize = 2_000;
/// Most held connections of one watch.
pub const MAX_HOLDS: usize = 12;
/// The first silence that a hold with traffic leaves; it grows with its age.
const FIRST_GAP: f64 = 0.8;
/// The longest.
const LONGEST_GAP: f64 = 20.0;
/// How much longer than the cut of a silent connection one with traffic is watched, at most.
const PROOF: f64 = 30.0;
/// How long a service that is gone is waited for.
const COME_BACK: f64 = 6.0;
/// So many handshakes that all were closed at once mean that the application wants nobody.
const UNWANTED: usize = 3;
/// After the end of all connections: time for a handshake that shows whether new ones work.
const SETTLE: f64 = 0.7;

/// What is opened, from the start of the watch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Open {
    /// A connection to hold.
    Hold(HoldKind),
    /// One to look at.
    Look,
}

/// What is opened when.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// In the order of time.
    pub opens: Vec<(Seconds, Open)>,
    /// How long the first hold lasts.
    pub length: Seconds,
    /// A reload is watched: look often throughout.
    pub reload: bool,
}

/// The plan, or `None` when nothing is to be held.
///
/// The holds open one after the other: a cut at the same age then comes at different moments, and an
/// event at one moment finds different ages. The silent one is first, so that it is the longest.
pub fn plan(watching: &Watching) -> Option<Plan> {
    let every = Millis::from(Duration::from_secs_f64(FIRST_GAP));
    let second = Millis(1000.0);
    let (length, holds): (_, Vec<_>) = if let Some(reload) = watching.reload {
        let length = reload.max(watching.idle).as_secs_f64();
        let late = (1..6).map(|part| length * f64::from(part) / 6.0);
        let first = [0.0, 0.4, 0.8].into_iter();
        let holds = first.chain(late).map(|at| (at, HoldKind::Ping(second)));
        (length, holds.collect())
    } else {
        let holds = vec![
            (0.0, HoldKind::Silent),
            (0.35, HoldKind::Ping(every)),
            (0.6, HoldKind::Text(every)),
            (0.85, HoldKind::OneWay(every)),
            (1.1, HoldKind::KeepAlive(second)),
            (1.35, HoldKind::Deaf),
            (2.6, HoldKind::Ping(every)),
        ];
        (watching.idle.as_secs_f64(), holds)
    };
    if length <= 0.0 {
        return None;
    }
    let mut opens: Vec<_> = (holds.into_iter())
        .filter(|(at, _)| *at < length)
        .map(|(at, kind)| (at, Open::Hold(kind)))
        .collect();
    let mut at = LOOK / 4.0;
    while at < length.min(OFTEN) {
        opens.push((at, Open::Look));
        at += LOOK;
    }
    opens.sort_by(|one, other| one.0.total_cmp(&other.0));
    Some(Plan {
        opens,
        length,
        reload: watching.reload.is_some(),
    })
}

impl Plan {
    /// When to look next, after the planned ones.
    pub fn next_look(&self, now: Seconds, holds: &[Hold]) -> Seconds {
        let lately = |hold: &Hold| end(hold).is_some_and(|end| now - end < COME_BACK + SETTLE);
        let often = self.reload || now < OFTEN || holds.iter().any(lately);
        now + if often {
            LOOK
        } else {
            SELDOM.max(self.length / 20.0)
        }
    }

    /// Until when to watch, by what has happened so far; `others` are open connections that are not
    /// held here.
    pub fn until(&self, holds: &[Hold], rounds: &[Round], now: Seconds, others: u32) -> Seconds {
        let opened: Vec<_> = holds.iter().filter(|h| h.refused.is_none()).collect();
        let start = opened.first().map_or(0.0, |h| h.opened_ms.seconds());
        let planned = start + self.length;
        let alive: Vec<_> = (opened.iter())
            .filter(|h| h.ended.is_none() && !h.freed)
            .collect();
        let last_end = opened.iter().filter_map(|h| end(h)).fold(0.0, f64::max);
        // The application wants nobody; where it wants the others, a limit is looked for.
        let unwanted = rounds.len() > UNWANTED && rounds.iter().all(|r| r.closed.is_some());
        if unwanted && others == 0 {
            return now;
        }
        if last_end == 0.0 {
            return planned;
        }
        if alive.is_empty() {
            let back =
                (rounds.iter()).any(|r| r.at_ms.seconds() > last_end && r.exchange.is_upgrade());
            return match back {
                true => last_end + SETTLE,
                false if self.reload => planned.max(last_end + COME_BACK),
                false => last_end + COME_BACK,
            };
        }
        let cut = opened.iter().filter(|h| is_silent(h)).find_map(|h| {
            let ended = h.ended.as_ref()?;
            Some(ended.at_ms.seconds())
        });
        let Some(cut) = cut else { return planned };
        let mut first_ping = true;
        let proofs = alive.iter().filter_map(|hold| {
            let age = match hold.kind {
                HoldKind::Ping(_) if std::mem::take(&mut first_ping) => {
                    (2.0 * cut).min(cut + PROOF)
                }
                HoldKind::Ping(_) | HoldKind::OneWay(_) | HoldKind::Text(_) => {
                    (1.2 * cut + 0.3).min(cut + PROOF)
                }
                _ => return None,
            };
            Some(hold.opened_ms.seconds() + age)
        });
        let proof = proofs.fold(0.0, f64::max);
        if self.reload {
            planned
        } else {
            proof.max(last_end + SETTLE)
        }
    }
}

/// How long a connection of that age waits until it speaks again: at whatever age a silent one may
/// be cut, this one has never been silent for more than a quarter of it.
pub fn gap(kind: &HoldKind, age: Seconds) -> Seconds {
    match kind {
        HoldKind::Ping(first) | HoldKind::OneWay(first) | HoldKind::Text(first) => {
            (age / 4.0).min(LONGEST_GAP).max(first.seconds())
        }
        _ => f64::INFINITY,
    }
}

fn is_silent(hold: &Hold) -> bool {
    matches!(hold.kind, HoldKind::Silent)
}

/// When it ended, from the start of the watch.
fn end(hold: &Hold) -> Option<Seconds> {
    let ended = hold.ended.as_ref()?;
    Some(hold.opened_ms.seconds() + ended.at_ms.seconds())
}
