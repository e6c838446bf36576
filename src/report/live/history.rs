//! A run of any length in bounded memory: when there are too many points, neighbours become one.

use crate::result::TimelineRow;

use super::plan::CHARTS;

/// Most points that are kept: twice what a wide terminal has columns for, at its finest.
const MOST: usize = 2_048;

/// One interval, or several that follow each other.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Point {
    /// From the start of the run, in seconds.
    pub start_s: f64,
    /// Likewise.
    pub end_s: f64,
    /// A fault was active.
    pub faulty: bool,
    /// A figure of `round_trip` is only a lower bound.
    pub censored: bool,
    /// The value of every line of every chart, the highest of the intervals.
    pub values: Vec<Option<f64>>,
}

impl Point {
    fn new(row: &TimelineRow) -> Self {
        let lines = CHARTS.iter().flat_map(|chart| chart.lines);
        Self {
            start_s: row.start_s,
            end_s: row.end_s,
            faulty: !row.faults.is_empty(),
            censored: row.censored_from.is_some(),
            values: lines.map(|line| (line.of)(row)).collect(),
        }
    }

    /// Joins the next point to it.
    fn merge(&mut self, next: &Self) {
        self.end_s = next.end_s;
        self.faulty |= next.faulty;
        self.censored |= next.censored;
        for (value, other) in self.values.iter_mut().zip(&next.values) {
            *value = match (*value, *other) {
                (Some(a), Some(b)) => Some(a.max(b)),
                (one, another) => one.or(another),
            };
        }
    }
}

/// The points of a run.
#[derive(Clone, Debug)]
pub(super) struct History {
    points: Vec<Point>,
    /// How many intervals a point is; doubles when there are too many.
    each: usize,
    /// How many intervals the last point holds.
    last: usize,
}

impl Default for History {
    fn default() -> Self {
        Self {
            points: Vec::new(),
            each: 1,
            last: 0,
        }
    }
}

impl History {
    /// Adds the next interval.
    pub fn add(&mut self, row: &TimelineRow) {
        let point = Point::new(row);
        match self.points.last_mut() {
            Some(last) if self.last < self.each => {
                last.merge(&point);
                self.last += 1;
            }
            _ => {
                if self.points.len() == MOST {
                    self.points = joined(&self.points, 2);
                    self.each *= 2;
                }
                self.points.push(point);
                self.last = 1;
            }
        }
    }

    /// The points of the last `seconds` (all without), joined until they are `most` at most.
    pub fn seen(&self, seconds: Option<f64>, most: usize) -> Vec<Point> {
        let end = self.points.last().map_or(0.0, |point| point.end_s);
        let from = seconds.map_or(f64::NEG_INFINITY, |seconds| end - seconds);
        let first = self.points.partition_point(|point| point.end_s <= from);
        let seen = self.points.get(first..).unwrap_or_default();
        joined(seen, seen.len().div_ceil(most.max(1)).max(1))
    }
}

/// Every `each` points as one.
fn joined(points: &[Point], each: usize) -> Vec<Point> {
    let join = |chunk: &[Point]| {
        let (first, rest) = chunk.split_first()?;
        let mut all = first.clone();
        rest.iter().for_each(|point| all.merge(point));
        Some(all)
    };
    points.chunks(each).filter_map(join).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::fixture;

    fn rows(count: usize) -> impl Iterator<Item = TimelineRow> {
        let row = fixture::result().timeline.rows[1].clone();
        (0..count).map(move |n| TimelineRow {
            index: n as u64,
            start_s: n as f64,
            end_s: n as f64 + 1.0,
            lost: u64::from(n == 100) * 7,
            faults: (if n == 101 { "stall" } else { "" }).to_owned(),
            censored_from: (n == 103).then(|| "p99".to_owned()),
            ..row.clone()
        })
    }

    fn lost(point: &Point) -> Option<f64> {
        let lines = CHARTS.iter().flat_map(|chart| chart.lines);
        let at = lines
            .enumerate()
            .find(|(_, l)| l.name == "lost connections");
        point.values[at.expect("there is one").0]
    }

    #[test]
    fn memory_is_bounded_and_no_single_trouble_is_lost() {
        let mut history = History::default();
        for row in rows(20_000) {
            history.add(&row);
            assert!(history.points.len() <= MOST);
        }
        let (first, last) = (&history.points[0], history.points.last().unwrap());
        assert_eq!((first.start_s, last.end_s), (0.0, 20_000.0));
        // Without a gap, equally long, and the seven are still there, once.
        for pair in history.points.windows(2) {
            assert_eq!(pair[0].end_s, pair[1].start_s);
            assert_eq!(pair[0].end_s - pair[0].start_s, first.end_s);
        }
        let marked = |is: fn(&Point) -> bool| history.points.iter().filter(|p| is(p)).count();
        assert_eq!((marked(|p| p.faulty), marked(|p| p.censored)), (1, 1));
        let troubles: Vec<_> = history.points.iter().filter_map(lost).collect();
        assert_eq!(troubles.iter().filter(|n| **n > 0.0).count(), 1);
        assert!(troubles.contains(&7.0));
    }

    #[test]
    fn a_window_shows_its_seconds_in_as_many_points_as_fit() {
        let mut history = History::default();
        rows(300).for_each(|row| history.add(&row));
        let seen = history.seen(Some(60.0), 100);
        assert_eq!((seen.len(), seen[0].start_s), (60, 240.0));
        let seen = history.seen(Some(60.0), 25);
        assert_eq!((seen.len(), seen[0].start_s), (20, 240.0));
        assert_eq!(history.seen(None, 1_000).len(), 300);
        assert_eq!(history.seen(None, 0).len(), 1);
        assert!(History::default().seen(None, 10).is_empty());
    }
}
