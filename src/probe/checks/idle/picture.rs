//! What the endings of held connections have in common.

use crate::probe::seen::{Ended, Hold, HoldKind, Seen, Watch};

/// Ends so close to each other that one event made them, in seconds.
const MOMENT: f64 = 0.4;
/// An ending so soon after a handshake is made by it, in seconds.
const NEXT: f64 = 0.15;
/// Opened at least so far apart that age and moment can be told apart, in seconds.
const APART: f64 = 0.3;
/// Ages that are the same, in seconds, and as a part of the age.
const SAME_AGE: (f64, f64) = (0.3, 0.05);

/// What the endings say. Each has one reading.
#[derive(Clone, Debug, PartialEq)]
pub enum Picture<'a> {
    /// Nothing, or nothing that is ours to judge.
    Plain,
    /// Each ended when the next one opened.
    Replaced(Vec<End<'a>>),
    /// Connections of different ages, with traffic too, ended at the same moment.
    Moment(Vec<End<'a>>),
    /// Connections ended at the same age, with traffic too.
    Age(Vec<End<'a>>),
    /// Silent ones ended, those with pings or messages did not.
    Idle(End<'a>),
    /// The silent one and those with pings ended at the same age, those with messages did not.
    Unheard(Vec<End<'a>>),
    /// The silent one carries nothing any more, one that pings does.
    Forgotten(&'a Hold),
    /// Pongs stopped while connections stayed open.
    Frozen(Vec<&'a Hold>),
    /// Some ended, and nothing says why.
    Lost(Vec<End<'a>>),
}

/// One connection that ended by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct End<'a> {
    /// Which.
    pub hold: &'a Hold,
    /// How.
    pub ended: &'a Ended,
}

impl End<'_> {
    /// Seconds since its 101.
    pub fn age(&self) -> f64 {
        self.ended.at_ms.seconds()
    }

    /// When, in seconds from the start of the watch.
    pub fn moment(&self) -> f64 {
        self.hold.opened_ms.seconds() + self.age()
    }
}

/// The held connections that say something: opened, and not ended by ourselves.
pub fn holds(watch: &Watch) -> Vec<&Hold> {
    let told = |hold: &&Hold| hold.refused.is_none() && !hold.freed;
    watch.holds.iter().filter(told).collect()
}

/// Those that ended by themselves.
pub fn ends<'a>(holds: &[&'a Hold]) -> Vec<End<'a>> {
    let end = |hold: &&'a Hold| {
        let ended = hold.ended.as_ref()?;
        Some(End { hold, ended })
    };
    holds.iter().filter_map(end).collect()
}

/// The picture of a probe.
pub fn of(seen: &Seen) -> Picture<'_> {
    let Some(watch) = &seen.watch else {
        return Picture::Plain;
    };
    let holds = holds(watch);
    let ends = ends(&holds);
    if replaced(watch, &ends) {
        return Picture::Replaced(ends);
    }
    let at_once = |end: &End<'_>| end.ended.code.is_some() && end.age() < 1.0;
    if holds.is_empty() || (ends.len() == holds.len() && ends.iter().all(at_once)) {
        return Picture::Plain;
    }
    // Refused with a close code (1013 ...) is a matter of number, not of time.
    let ends: Vec<_> = ends.into_iter().filter(|end| !at_once(end)).collect();
    if let Some(members) = same_moment(&ends) {
        return Picture::Moment(members);
    }
    let is_silent = |end: &&End<'_>| end.hold.kind == HoldKind::Silent;
    let Some(silent) = ends.iter().find(is_silent) else {
        return without_silent(&holds, ends);
    };
    let outlived =
        |hold: &&Hold| hold.ended.is_none() && hold.held_ms.seconds() > silent.age() * 1.05 + 0.1;
    let is_ping = |hold: &Hold| matches!(hold.kind, HoldKind::Ping(_));
    let is_text = |hold: &Hold| matches!(hold.kind, HoldKind::Text(_));
    if holds.iter().any(|hold| is_ping(hold) && outlived(hold)) {
        return Picture::Idle(*silent);
    }
    let members = same_age(silent, &ends);
    if members.iter().any(|end| is_ping(end.hold)) {
        return match holds.iter().any(|hold| is_text(hold) && outlived(hold)) {
            true => Picture::Unheard(members),
            false => Picture::Age(members),
        };
    }
    Picture::Idle(*silent)
}

/// At least three ended, each right after a handshake of its own, and none but the newest lives.
fn replaced(watch: &Watch, ends: &[End<'_>]) -> bool {
    let mut taken = Vec::new();
    let each = ends.iter().all(|end| {
        let just = |at: f64| (-0.05..NEXT).contains(&(end.moment() - at));
        let next = (watch.rounds.iter().enumerate()).find(|(place, round)| {
            let later = round.at_ms.seconds() > end.hold.opened_ms.seconds();
            later
                && round.exchange.is_upgrade()
                && just(round.at_ms.seconds())
                && !taken.contains(place)
        });
        taken.extend(next.map(|(place, _)| place));
        next.is_some()
    });
    each && ends.len() >= 3 && holds(watch).len() <= ends.len() + 1
}

/// The silent one lived, or there was none.
fn without_silent<'a>(holds: &[&'a Hold], ends: Vec<End<'a>>) -> Picture<'a> {
    let answers = holds
        .iter()
        .any(|h| h.pongs > 0 || h.final_pong == Some(true));
    let dead: Vec<&Hold> = (holds.iter().copied())
        .filter(|h| h.final_pong == Some(false) && h.ended.is_none())
        .collect();
    let silent_dead = dead.iter().find(|h| h.kind == HoldKind::Silent);
    if let Some(silent) = silent_dead.filter(|_| answers) {
        let lives = |h: &&Hold| h.final_pong == Some(true) && h.longest_gap_ms.0 > 0.0;
        if holds.iter().any(lives) {
            return Picture::Forgotten(silent);
        }
    }
    // A peer that never answered a ping is another matter.
    if answers && !dead.is_empty() && !holds.iter().any(|h| h.final_pong == Some(true)) {
        return Picture::Frozen(dead);
    }
    let traffic: Vec<_> = ends
        .iter()
        .filter(|end| speaks(end.hold))
        .copied()
        .collect();
    if let Some(first) = traffic.first() {
        let members = same_age(first, &traffic);
        if members.len() > 1 && spread(members.iter().map(End::moment)) >= APART {
            return Picture::Age(members);
        }
    }
    // An application may not like our message, or that nobody answers its pings.
    let odd = |end: &End<'_>| matches!(end.hold.kind, HoldKind::Text(_) | HoldKind::Deaf);
    let lost: Vec<_> = ends.into_iter().filter(|end| !odd(end)).collect();
    match lost.is_empty() {
        true => Picture::Plain,
        false => Picture::Lost(lost),
    }
}

/// Whether the connection carried something of ours.
fn speaks(hold: &Hold) -> bool {
    matches!(
        hold.kind,
        HoldKind::Ping(_) | HoldKind::OneWay(_) | HoldKind::Text(_)
    )
}

fn spread(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let most = values.clone().fold(f64::MIN, f64::max);
    most - values.fold(f64::MAX, f64::min)
}

/// The largest group that ended at one moment though its ages differ, with traffic in it.
fn same_moment<'a>(ends: &[End<'a>]) -> Option<Vec<End<'a>>> {
    let groups = ends.iter().map(|first| {
        let with = |end: &&End<'_>| {
            let later = end.moment() - first.moment();
            (0.0..=MOMENT).contains(&later)
        };
        ends.iter().filter(with).copied().collect::<Vec<_>>()
    });
    let group = groups.max_by_key(Vec::len)?;
    let ages = spread(group.iter().map(End::age));
    let moments = spread(group.iter().map(End::moment));
    let one_event = ages >= APART && moments < ages / 2.0;
    (one_event && group.iter().any(|end| speaks(end.hold))).then_some(group)
}

fn same_age<'a>(one: &End<'a>, ends: &[End<'a>]) -> Vec<End<'a>> {
    let near = SAME_AGE.0.max(SAME_AGE.1 * one.age());
    let same = |end: &&End<'_>| (end.age() - one.age()).abs() <= near;
    ends.iter().filter(same).copied().collect()
}
