//! `intervals.csv` while it grows: the bytes that came since, as rows.

use super::timeline::TimelineRow;

/// Longer lines are none of ours.
const LONGEST_LINE: usize = 64 * 1024;

/// A file that is not the timeline of a run.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// A line could not be read as a row.
    #[error(
        "read line {line} of intervals.csv: {error}\nhint: was it written by another version of wsbench, or changed by hand?"
    )]
    Line {
        /// Counted from 1, the heading.
        line: u64,
        /// What the reader says.
        error: csv::Error,
    },
    /// No line ends for too long.
    #[error(
        "read line {line} of intervals.csv: it is longer than {LONGEST_LINE} bytes\nhint: this is not the timeline of a run"
    )]
    TooLong {
        /// Counted from 1, the heading.
        line: u64,
    },
}

/// Reads rows from the bytes of a file in pieces of any size.
#[derive(Debug, Default)]
pub struct Follower {
    heading: Option<csv::StringRecord>,
    lines: u64,
    /// The beginning of a line whose end is not there yet.
    begun: Vec<u8>,
}

impl Follower {
    /// The rows that `bytes` complete. Half a line waits for its other half. Rows of an older or
    /// newer version are read as far as they have the columns of this one.
    ///
    /// # Errors
    /// For a line that is no row; nothing more is to be read then.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<TimelineRow>, FollowError> {
        let mut rows = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(piece);
            if self.begun.ends_with(b"\n") {
                let line = std::mem::take(&mut self.begun);
                rows.extend(self.line(&line)?);
            } else if self.begun.len() > LONGEST_LINE {
                let line = self.lines + 1;
                return Err(FollowError::TooLong { line });
            }
        }
        Ok(rows)
    }

    /// A whole line; the first is the heading. No cell of this file holds a line end.
    fn line(&mut self, line: &[u8]) -> Result<Option<TimelineRow>, FollowError> {
        self.lines += 1;
        let at = |error| FollowError::Line {
            line: self.lines,
            error,
        };
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(line);
        let Some(record) = reader.records().next().transpose().map_err(at)? else {
            return Ok(None);
        };
        match &self.heading {
            None => {
                self.heading = Some(record);
                Ok(None)
            }
            heading => record.deserialize(heading.as_ref()).map(Some).map_err(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::timeline::COLUMNS;
    use crate::result::{csv as files, fixture};

    /// The file of the fixture's run, and its rows as they can be read back (cells are rounded).
    fn file() -> (String, usize) {
        let result = fixture::result();
        let rows = &result.timeline.rows;
        let lines: String = rows.iter().map(files::interval_line).collect();
        (files::heading(COLUMNS) + &lines, rows.len())
    }

    #[test]
    fn rows_come_back_as_they_were_written_however_the_bytes_are_cut() {
        let (text, count) = file();
        for size in [1, 7, 100, text.len()] {
            let mut follower = Follower::default();
            let mut again = files::heading(COLUMNS);
            let mut seen = 0;
            for piece in text.as_bytes().chunks(size) {
                for row in follower.feed(piece).unwrap() {
                    again += &files::interval_line(&row);
                    seen += 1;
                }
            }
            assert_eq!((again.as_str(), seen), (text.as_str(), count), "{size}");
        }
    }

    #[test]
    fn half_a_row_waits_for_its_end() {
        let (text, count) = file();
        let mut follower = Follower::default();
        let cut = text.len() - 3;
        assert_eq!(
            follower.feed(&text.as_bytes()[..cut]).unwrap().len(),
            count - 1
        );
        assert_eq!(follower.feed(b"").unwrap().len(), 0);
        assert_eq!(follower.feed(&text.as_bytes()[cut..]).unwrap().len(), 1);
    }

    #[test]
    fn columns_to_come_do_not_disturb_and_missing_ones_are_named() {
        let (text, count) = file();
        let wider: String = (text.lines().enumerate())
            .map(|(n, line)| format!("{line},{}\n", if n == 0 { "to_come" } else { "7" }))
            .collect();
        assert_eq!(
            Follower::default().feed(wider.as_bytes()).unwrap().len(),
            count
        );
        let error = Follower::default()
            .feed(b"index,start_s\n0,0.0\n")
            .unwrap_err();
        let error = error.to_string();
        assert!(
            error.contains("line 2") && error.contains("end_s"),
            "{error}"
        );
        assert!(error.contains("hint: "), "{error}");
    }

    #[test]
    fn what_is_no_timeline_ends_the_reading() {
        let mut follower = Follower::default();
        let endless = vec![b'x'; LONGEST_LINE / 2];
        assert!(follower.feed(&endless).is_ok());
        follower.feed(&endless).unwrap();
        let error = follower.feed(b"x").unwrap_err().to_string();
        assert!(error.contains("longer than"), "{error}");
        assert!(Follower::default().feed(b"\xff\xfe\n\xff\n").is_err());
    }
}
