//! What a row of handshakes says: who refuses some of them, and by what rule.

use super::tries::{self, Try};
use crate::probe::checks::idle::moment;
use crate::probe::checks::idle::picture::{self, Picture};
use crate::probe::seen::{Seen, Why};

/// The rule behind refusals.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// All were good, or something else explains those that were not.
    Plain,
    /// One waited until another was closed: that many fit.
    Queue(u32),
    /// That many connections fit at once.
    Number(u32),
    /// So many per time.
    Rate,
    /// Some servers behind the address are bad: every so many-th handshake, when there is a rhythm.
    OneBad(Option<usize>),
    /// Only every so many-th is good.
    OneGood(usize),
    /// A single one of many was refused.
    Single,
    /// Refused from some moment on, and neither a pause nor a closing helped.
    Unclear,
}

/// Part of the refusals after which the very next handshake is good, when one of several is bad.
const NEXT_GOOD: f64 = 0.75;

/// What the handshakes of the watch and of the crowd say, with those that say it.
pub fn of(seen: &Seen) -> (Reading, Vec<Try<'_>>) {
    let elsewhere = matches!(
        picture::of(seen),
        Picture::Moment(_) | Picture::Frozen(_) | Picture::Replaced(_)
    );
    if elsewhere || !moment::gone(seen).is_empty() {
        return (Reading::Plain, Vec::new());
    }
    let crowd = tries::of_crowd(seen);
    let from_crowd = read(&crowd);
    if crowd.iter().any(|t| t.good) && from_crowd != Reading::Plain {
        return (from_crowd, crowd);
    }
    let watch = tries::of(seen);
    (read(&watch), watch)
}

/// Reads one row.
pub fn read(tries: &[Try<'_>]) -> Reading {
    let bad: Vec<_> = tries.iter().filter(|t| !t.good).collect();
    let good = || tries.iter().filter(|t| t.good);
    let most_good = good().map(|t| t.open).max();
    if let Some(room) = tries.iter().filter(|t| t.waited).map(|t| t.open).max() {
        return Reading::Queue(room);
    }
    let Some(most_good) = most_good.filter(|_| !bad.is_empty()) else {
        return Reading::Plain;
    };
    let waits = tries
        .last()
        .is_some_and(|t| !t.good && t.words == tries::NO_ANSWER);
    if bad.len() == 1 && tries.len() > 3 && !waits {
        return Reading::Single;
    }
    let above = bad.iter().filter(|t| t.open > most_good).count();
    let after = |why: Why| tries.iter().find(|t| t.why == why);
    let first_bad = bad[0].at;
    let fewer_later = good().any(|t| t.at > first_bad);
    // A good one later, with as many open as at a bad one, is above no bad one: then it is time.
    let number = match after(Why::AfterClosing).map(|t| t.good) {
        Some(true) => 2 * above >= bad.len(),
        Some(false) => false,
        None => 10 * above >= 9 * bad.len() && fewer_later,
    };
    if number {
        return Reading::Number(most_good + 1);
    }
    if let Some(rhythm) = rhythm(tries, &bad) {
        return rhythm;
    }
    let recovers = good().any(|t| t.at > first_bad);
    let says_so = bad.iter().any(|t| t.exchange.status() == Some(429));
    match recovers || says_so {
        true => Reading::Rate,
        false => Reading::Unclear,
    }
}

/// One of several servers is bad: the next handshake, which goes to another one, is good.
fn rhythm(tries: &[Try<'_>], bad: &[&Try<'_>]) -> Option<Reading> {
    let at = |wanted: bool| {
        let places = tries.iter().enumerate();
        let places = places.filter(move |(_, t)| t.good == wanted);
        places.map(|(place, _)| place).collect::<Vec<_>>()
    };
    let (good_at, bad_at) = (at(true), at(false));
    let next = |place: &&usize| tries.get(*place + 1).is_some_and(|t| t.good);
    let followed = bad_at.iter().filter(|p| **p + 1 < tries.len()).count();
    let good_next = bad_at.iter().filter(next).count();
    if followed > 0 && good_next as f64 >= NEXT_GOOD * followed as f64 && bad.len() > 1 {
        return Some(Reading::OneBad(period(&bad_at)));
    }
    let period = period(&good_at).filter(|_| good_at.len() > 3)?;
    (period > 1).then_some(Reading::OneGood(period))
}

/// The distance between places, when it is always the same, with one slip allowed for each four.
fn period(places: &[usize]) -> Option<usize> {
    let steps: Vec<_> = places.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let usual = *steps
        .iter()
        .max_by_key(|step| steps.iter().filter(|other| other == step).count())?;
    let slips = steps.iter().filter(|step| **step != usual).count();
    (slips <= steps.len() / 4).then_some(usual)
}
