//! Thousands of points on a few hundred columns: the lowest and highest of each column stay.

/// Most columns of a chart.
pub const COLUMNS: usize = 600;

/// Points that share a column, as ranges of their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets(Vec<std::ops::Range<usize>>);

/// A line's values in columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Envelope {
    /// The lowest of each column.
    pub low: Vec<Option<f64>>,
    /// The highest.
    pub high: Vec<Option<f64>>,
}

impl Buckets {
    /// So many points in at most [`COLUMNS`] columns of equally many.
    pub fn of(points: usize) -> Self {
        let each = points.div_ceil(COLUMNS).max(1);
        let starts = (0..points).step_by(each);
        Self(
            starts
                .map(|start| start..(start + each).min(points))
                .collect(),
        )
    }

    /// Which points are in each column.
    pub fn ranges(&self) -> &[std::ops::Range<usize>] {
        &self.0
    }

    /// The envelope of a line.
    pub fn envelope(&self, values: &[Option<f64>]) -> Envelope {
        let mut envelope = Envelope::default();
        for range in &self.0 {
            let inside = values.get(range.clone()).unwrap_or_default();
            let found = || inside.iter().flatten().copied();
            envelope.low.push(found().reduce(f64::min));
            envelope.high.push(found().reduce(f64::max));
        }
        envelope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_peak_is_lost_and_no_column_too_many() {
        for points in [0, 1, 599, 600, 601, 3_600, 7_200] {
            let mut values = vec![Some(1.0); points];
            if points > 10 {
                values[points / 2] = Some(99.0);
                values[points / 3] = None;
            }
            let buckets = Buckets::of(points);
            assert!(buckets.ranges().len() <= COLUMNS);
            let covered: usize = buckets.ranges().iter().map(ExactSizeIterator::len).sum();
            assert_eq!(covered, points);
            let envelope = buckets.envelope(&values);
            let peaks = envelope.high.iter().filter(|v| **v == Some(99.0)).count();
            assert_eq!(peaks, usize::from(points > 10), "{points}");
        }
    }
}
