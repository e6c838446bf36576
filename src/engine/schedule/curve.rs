//! When clients start and stop: the load curve, turned round.
//!
//! Closed: the curve is a number of clients; at every nanosecond floor(goal) of them are to be connected.
//! Rising it starts clients 0, 1, 2 ...; falling it stops the one started last. Whole-number arithmetic.
//! Open: the curve is a rate; arrival k is due where the area under it reaches k + 1, in closed form, so
//! the arrivals up to t are floor(area up to t), however long the run. With Poisson arrivals the area
//! between two of them is an exponential draw of mean 1 instead of exactly 1.
//!
//! Nothing is materialised: [`Changes`] walks one shard's clients, a few words of state each.

use std::sync::Arc;

use crate::clock::Offset;
use crate::scenario::{Load, LoadModel};

use super::ticks::exponential;

/// One of the threads clients are dealt to: client k belongs to shard k % `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 0, below `of`.
    pub index: u16,
    /// How many there are, at least 1.
    pub of: u16,
}

impl Shard {
    /// Whether the client belongs to this shard.
    pub fn holds(self, client: u64) -> bool {
        client % u64::from(self.of.max(1)) == u64::from(self.index)
    }

    /// This shard's first client from `client` on.
    fn first_from(self, client: u64) -> u64 {
        let (of, index) = (u64::from(self.of.max(1)), u64::from(self.index));
        client + (index + of - client % of) % of
    }
}

/// What a client has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Dial.
    Start,
    /// Leave (closed loads only).
    Stop,
}

/// A client's start or stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// When it is due.
    pub at: Offset,
    /// Which client; in an open load, the number of the arrival.
    pub client: u64,
    /// What is due.
    pub direction: Direction,
}

/// A linear segment with what came before it.
#[derive(Clone, Copy, Debug)]
struct Segment {
    /// ns since the start of the load.
    start: u64,
    /// ns.
    length: u64,
    /// Goal at its start and at its end.
    from: f64,
    to: f64,
    /// Area under the curve at its start and at its end, in goal x seconds.
    area_from: f64,
    area_to: f64,
}

impl Segment {
    fn end(&self) -> u64 {
        self.start.saturating_add(self.length)
    }

    fn goal(&self, nanos: u64) -> f64 {
        let done = nanos.saturating_sub(self.start).min(self.length) as f64;
        self.from + (self.to - self.from) * (done / self.length as f64)
    }

    fn area(&self, nanos: u64) -> f64 {
        let done = nanos.saturating_sub(self.start).min(self.length) as f64 / 1e9;
        self.area_from + (self.from + self.goal(nanos)) / 2.0 * done
    }

    /// Where the area reaches `area`: the root of from t + slope t^2 / 2 = area, in the form that
    /// neither cancels nor divides by a slope of zero.
    fn reaches(&self, area: f64) -> u64 {
        let area = (area - self.area_from).max(0.0);
        let slope = (self.to - self.from) / (self.length as f64 / 1e9);
        let root = (self.from * self.from + 2.0 * slope * area).max(0.0).sqrt();
        let seconds = if area > 0.0 {
            2.0 * area / (self.from + root)
        } else {
            0.0
        };
        let nanos = (seconds * 1e9).round() as u64;
        self.start.saturating_add(nanos.min(self.length))
    }
}

/// The load curve of a scenario.
#[derive(Clone, Debug)]
pub struct LoadCurve {
    segments: Arc<[Segment]>,
    model: LoadModel,
    seed: u64,
}

impl LoadCurve {
    /// From a load that starts at the epoch; `seed` decides Poisson arrivals.
    pub fn new(load: &Load, seed: u64) -> Self {
        let (mut start, mut from, mut area) = (0_u64, 0.0, 0.0);
        let segments = load.stages.iter().map(|stage| {
            let length = Offset::from(stage.duration).nanos().max(1);
            let to = match load.model {
                LoadModel::Closed => stage.goal.max(0.0).floor(),
                LoadModel::Open { .. } => stage.goal.max(0.0),
            };
            let area_to = area + (from + to) / 2.0 * (length as f64 / 1e9);
            let segment = Segment {
                start,
                length,
                from,
                to,
                area_from: area,
                area_to,
            };
            (start, from, area) = (segment.end(), to, area_to);
            segment
        });
        Self {
            segments: segments.collect(),
            model: load.model,
            seed,
        }
    }

    /// The goal at an instant: clients, or arrivals per second; 0 after the last stage.
    pub fn goal(&self, at: Offset) -> f64 {
        let next = self.segments.partition_point(|s| s.end() < at.nanos());
        self.segments.get(next).map_or(0.0, |s| s.goal(at.nanos()))
    }

    /// The area under the curve up to an instant, in goal x seconds: arrivals due, if the load is open.
    pub fn area(&self, at: Offset) -> f64 {
        let next = self.segments.partition_point(|s| s.end() < at.nanos());
        let last = next.min(self.segments.len().saturating_sub(1));
        self.segments.get(last).map_or(0.0, |s| s.area(at.nanos()))
    }

    /// When a client starts for the first time; `None` when the curve never gets there.
    ///
    /// Walks the draws before it when arrivals are Poisson.
    pub fn start(&self, client: u64) -> Option<Offset> {
        match self.model {
            LoadModel::Closed => self.segments.iter().find_map(|s| {
                let rise = Rise::of(s);
                (rise.from <= client && client < rise.to).then(|| rise.start(s, client))
            }),
            LoadModel::Open { poisson: false, .. } => self.arrival((client as f64) + 1.0),
            LoadModel::Open { poisson: true, .. } => {
                let index = usize::try_from(client).ok()?;
                self.changes(Shard { index: 0, of: 1 })
                    .nth(index)
                    .map(|c| c.at)
            }
        }
    }

    /// How many starts there are in all (a client that starts again counts again). Draws them all when
    /// arrivals are Poisson.
    pub fn total_arrivals(&self) -> u64 {
        match self.model {
            LoadModel::Closed => {
                let rises = self.segments.iter().map(Rise::of);
                rises.map(|rise| rise.to.saturating_sub(rise.from)).sum()
            }
            LoadModel::Open { poisson: false, .. } => {
                let area = self.end_area();
                (area + slack(area)).floor() as u64
            }
            LoadModel::Open { poisson: true, .. } => {
                self.changes(Shard { index: 0, of: 1 }).count() as u64
            }
        }
    }

    /// One shard's starts and stops in order of time.
    pub fn changes(&self, shard: Shard) -> Changes {
        let state = match self.model {
            LoadModel::Closed => State::Closed {
                segment: 0,
                done: 0,
            },
            LoadModel::Open { poisson, .. } => State::Open {
                client: 0,
                area: 0.0,
                gaps: poisson.then(|| fastrand::Rng::with_seed(self.seed)),
            },
        };
        Changes {
            curve: self.clone(),
            shard,
            state,
        }
    }

    fn end_area(&self) -> f64 {
        self.segments.last().map_or(0.0, |s| s.area_to)
    }

    /// Where the area reaches `area`, if it does.
    fn arrival(&self, area: f64) -> Option<Offset> {
        let almost = area - slack(area);
        let segment = self.segments.partition_point(|s| s.area_to < almost);
        let segment = self.segments.get(segment)?;
        Some(Offset::from_nanos(segment.reaches(area)))
    }
}

/// Rounding of the areas: 0.1/s for 30 s is three arrivals, whatever binary fractions say.
fn slack(area: f64) -> f64 {
    1e-9 + area * 1e-12
}

/// A segment of a closed load in whole clients.
#[derive(Clone, Copy)]
struct Rise {
    from: u64,
    to: u64,
}

impl Rise {
    fn of(segment: &Segment) -> Self {
        Self {
            from: segment.from as u64,
            to: segment.to as u64,
        }
    }

    /// The first nanosecond at which a rising goal has reached client + 1.
    fn start(self, segment: &Segment, client: u64) -> Offset {
        let part = u128::from(client + 1 - self.from) * u128::from(segment.length);
        let nanos = part.div_ceil(u128::from(self.to - self.from)) as u64;
        Offset::from_nanos(segment.start + nanos)
    }

    /// The first nanosecond at which a falling goal is below client + 1.
    fn stop(self, segment: &Segment, client: u64) -> Offset {
        let part = u128::from(self.from - (client + 1)) * u128::from(segment.length);
        let nanos = (part / u128::from(self.from - self.to)) as u64 + 1;
        Offset::from_nanos(segment.start + nanos)
    }
}

/// One shard's starts and stops in order of time, computed as they are asked for.
#[derive(Clone, Debug)]
pub struct Changes {
    curve: LoadCurve,
    shard: Shard,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Closed {
        segment: usize,
        /// Changes of the segment already looked at, this shard's or not.
        done: u64,
    },
    Open {
        /// The next arrival of any shard.
        client: u64,
        /// Area at the arrival before it.
        area: f64,
        gaps: Option<fastrand::Rng>,
    },
}

impl Iterator for Changes {
    type Item = Change;

    fn next(&mut self) -> Option<Change> {
        match &mut self.state {
            State::Closed { segment, done } => {
                next_closed(&self.curve.segments, self.shard, segment, done)
            }
            State::Open { client, area, gaps } => {
                let own = self.shard.first_from(*client);
                match gaps {
                    None => *area = own as f64 + 1.0,
                    Some(rng) => (*client..=own).for_each(|_| *area += exponential(rng)),
                }
                let at = self.curve.arrival(*area)?;
                *client = own + 1;
                Some(Change {
                    at,
                    client: own,
                    direction: Direction::Start,
                })
            }
        }
    }
}

fn next_closed(
    segments: &[Segment],
    shard: Shard,
    index: &mut usize,
    done: &mut u64,
) -> Option<Change> {
    loop {
        let segment = segments.get(*index)?;
        let rise = Rise::of(segment);
        if rise.to > rise.from {
            let client = shard.first_from(rise.from + *done);
            if client < rise.to {
                *done = client + 1 - rise.from;
                return Some(Change {
                    at: rise.start(segment, client),
                    client,
                    direction: Direction::Start,
                });
            }
        } else {
            while *done < rise.from - rise.to {
                let client = rise.from - 1 - *done;
                *done += 1;
                if shard.holds(client) {
                    return Some(Change {
                        at: rise.stop(segment, client),
                        client,
                        direction: Direction::Stop,
                    });
                }
            }
        }
        (*index, *done) = (*index + 1, 0);
    }
}

#[cfg(test)]
mod tests;
