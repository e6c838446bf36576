//! The results folder: rows appended as they come, documents renamed into place when whole.
//!
//! A killed run leaves every finished interval on disk. A failing disk does not end the run: the first
//! error is kept for the caller, and later rows are still tried. Existing results are never touched.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::metrics::Interval;

use super::timeline::{COLUMNS, TimelineRow};
use super::{RunResult, csv, hlog, run, storm};

/// Runs of one scenario started in the same second that still find a folder.
const SAME_SECOND: u32 = 100;

/// Hides secrets in a text before it is saved.
pub type Redactor = Box<dyn Fn(&str) -> String + Send>;

/// Results that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A folder could not be made or read.
    #[error("create results folder {path}: {error}\nhint: choose another place with --out DIR", path = path.display())]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// The folder holds something already.
    #[error("create results folder {path}: it is not empty\nhint: results are never overwritten; choose a new folder with --out DIR", path = path.display())]
    NotEmpty {
        /// Which folder.
        path: PathBuf,
    },
    /// A file could not be written.
    #[error("write {path}: {error}\nhint: is the disk full? the numbers on the terminal are complete; --out DIR writes elsewhere", path = path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
}

/// An open results folder.
pub struct Store {
    dir: PathBuf,
    intervals: Appender,
    histograms: Appender,
    failures: Appender,
    redact: Redactor,
    failure: Option<StoreError>,
}

impl Store {
    /// Makes `root/NAME/UTC-TIMESTAMP/`, with a number at the end when that is taken.
    pub fn create(
        root: &Path,
        name: &str,
        started: SystemTime,
        redact: Redactor,
    ) -> Result<Self, StoreError> {
        let parent = root.join(name);
        let folder_error = |path: &Path, error| StoreError::Folder {
            path: path.to_owned(),
            error,
        };
        fs::create_dir_all(&parent).map_err(|error| folder_error(&parent, error))?;
        let stamp = jiff::Timestamp::try_from(started).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let stamp = stamp.strftime("%Y-%m-%dT%H-%M-%SZ").to_string();
        for attempt in 1..=SAME_SECOND {
            let dir = match attempt {
                1 => parent.join(&stamp),
                _ => parent.join(format!("{stamp}-{attempt}")),
            };
            match fs::create_dir(&dir) {
                Ok(()) => return Self::open(dir, started, redact),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(folder_error(&dir, error)),
            }
        }
        Err(StoreError::NotEmpty {
            path: parent.join(stamp),
        })
    }

    /// Uses `dir`, made if missing; refuses one that holds anything.
    pub fn create_in(
        dir: &Path,
        started: SystemTime,
        redact: Redactor,
    ) -> Result<Self, StoreError> {
        let folder_error = |error| StoreError::Folder {
            path: dir.to_owned(),
            error,
        };
        fs::create_dir_all(dir).map_err(folder_error)?;
        if fs::read_dir(dir).map_err(folder_error)?.next().is_some() {
            return Err(StoreError::NotEmpty {
                path: dir.to_owned(),
            });
        }
        Self::open(dir.to_owned(), started, redact)
    }

    fn open(dir: PathBuf, started: SystemTime, redact: Redactor) -> Result<Self, StoreError> {
        // Made new: of two runs that were given the same empty folder, one is told so here.
        Ok(Self {
            intervals: Appender::create(dir.join("intervals.csv"), &csv::heading(COLUMNS))?,
            histograms: Appender::create(dir.join("histograms.hlog"), &hlog::header(started))?,
            failures: Appender::create(
                dir.join("failures.csv"),
                &csv::heading(csv::FAILURE_COLUMNS),
            )?,
            dir,
            redact,
            failure: None,
        })
    }

    /// Where the files are.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The first error since the folder was opened; what was written before it is whole.
    pub fn failure(&self) -> Option<&StoreError> {
        self.failure.as_ref()
    }

    /// Appends one interval (merged over the shards) and its row of the timeline. An error is kept,
    /// not returned: the run goes on.
    pub fn interval(&mut self, interval: &Interval, row: &TimelineRow) {
        let failed = csv::failure_lines(interval, &self.redact);
        let written = [
            self.intervals.append(&csv::interval_line(row)),
            self.histograms.append(&hlog::lines(interval)),
            self.failures.append(&failed),
        ];
        for outcome in written {
            self.keep(outcome);
        }
    }

    /// Writes the documents of a finished run; the first error of the whole run is returned.
    pub fn finish(mut self, result: &RunResult) -> Result<PathBuf, StoreError> {
        for file in [&self.intervals, &self.histograms, &self.failures] {
            let synced = file.sync();
            if self.failure.is_none() {
                self.failure = synced.err();
            }
        }
        for (name, text) in [
            (run::FILE_NAME, result.to_json()),
            ("summary.csv", csv::summary(&result.summary)),
            ("histograms.csv", csv::distributions(&result.summary)),
            ("storms.csv", storm::csv::storms(&result.storms)),
            ("storm_series.csv", storm::csv::series(&result.storms)),
        ] {
            let written = write_whole(&self.dir.join(name), text.as_bytes());
            self.keep(written);
        }
        match self.failure {
            Some(error) => Err(error),
            None => Ok(self.dir),
        }
    }

    fn keep(&mut self, outcome: Result<(), StoreError>) {
        if self.failure.is_none() {
            self.failure = outcome.err();
        }
    }
}

/// Writes a file that is either whole or not there: beside its place, synced, then renamed.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let write = || -> io::Result<()> {
        let dir = path.parent().unwrap_or(Path::new("."));
        let mut builder = tempfile::Builder::new();
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(dir)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        // The rename itself must survive a power cut, too.
        File::open(dir)?.sync_all()
    };
    write().map_err(|error| StoreError::Write {
        path: path.to_owned(),
        error,
    })
}

/// A file that only grows by whole lines.
struct Appender {
    path: PathBuf,
    file: File,
    whole: u64,
}

impl Appender {
    fn create(path: PathBuf, heading: &str) -> Result<Self, StoreError> {
        let opened = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = opened.map_err(|error| StoreError::Write {
            path: path.clone(),
            error,
        })?;
        let mut appender = Self {
            path,
            file,
            whole: 0,
        };
        appender.append(heading)?;
        Ok(appender)
    }

    /// Appends whole lines, or nothing: half a line of a full disk is taken back.
    fn append(&mut self, lines: &str) -> Result<(), StoreError> {
        match self.file.write_all(lines.as_bytes()) {
            Ok(()) => {
                self.whole += lines.len() as u64;
                Ok(())
            }
            Err(error) => {
                // If this fails too, the reader sees one broken line at the end: no more to do.
                let _ = self.file.set_len(self.whole);
                let _ = io::Seek::seek(&mut self.file, io::SeekFrom::Start(self.whole));
                Err(self.error(error))
            }
        }
    }

    fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_all().map_err(|error| self.error(error))
    }

    fn error(&self, error: io::Error) -> StoreError {
        StoreError::Write {
            path: self.path.clone(),
            error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Histogram, Metric, histogram::read_log};
    use crate::result::{Timeline, fixture};

    fn redactor() -> Redactor {
        Box::new(fixture::redact)
    }

    fn saved(mut store: Store) -> (PathBuf, RunResult) {
        let facts = fixture::facts();
        let mut timeline = Timeline::default();
        for interval in fixture::intervals() {
            let row = timeline.add(&interval, &facts.unanswered_after, facts.limits.busy, &[]);
            store.interval(&interval, &row);
        }
        assert!(store.failure().is_none());
        let result = fixture::result();
        (store.finish(&result).unwrap(), result)
    }

    fn read(dir: &Path, name: &str) -> String {
        fs::read_to_string(dir.join(name)).unwrap()
    }

    #[test]
    fn a_run_leaves_its_files() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::create(root.path(), "chat", fixture::started(), redactor()).unwrap();
        let (dir, result) = saved(store);
        assert_eq!(dir, root.path().join("chat/2026-01-02T03-04-05Z"));
        assert_eq!(RunResult::load(&dir).unwrap(), result);
        insta::assert_snapshot!("summary_csv", read(&dir, "summary.csv"));
        insta::assert_snapshot!("intervals_csv", read(&dir, "intervals.csv"));
        insta::assert_snapshot!("failures_csv", read(&dir, "failures.csv"));
        let distributions = read(&dir, "histograms.csv");
        assert!(distributions.lines().count() > 20);
        assert!(distributions.contains("round_trip,"));
        let mut names: Vec<_> = fs::read_dir(&dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            [
                "failures.csv",
                "histograms.csv",
                "histograms.hlog",
                "intervals.csv",
                "result.json",
                "storm_series.csv",
                "storms.csv",
                "summary.csv"
            ]
        );
    }

    #[test]
    fn the_sum_of_the_log_is_the_histogram_of_the_result() {
        let root = tempfile::tempdir().unwrap();
        let store = Store::create_in(root.path(), fixture::started(), redactor()).unwrap();
        let (dir, result) = saved(store);
        let log = read_log(&read(&dir, "histograms.hlog"));
        assert!(!log.is_empty());
        for metric in Metric::ALL.iter().copied() {
            let mut logged = Histogram::new();
            for (_, histogram) in log.iter().filter(|(tag, _)| tag == metric.name()) {
                logged.merge(histogram);
            }
            match result.summary.metrics.get(&metric) {
                Some(summary) => assert_eq!(summary.decode().unwrap(), logged),
                None => assert!(logged.is_empty()),
            }
        }
    }

    #[test]
    fn results_of_the_same_second_do_not_meet() {
        let root = tempfile::tempdir().unwrap();
        let make = || Store::create(root.path(), "x", fixture::started(), redactor()).unwrap();
        let (first, second) = (make(), make());
        assert_ne!(first.dir(), second.dir());
        assert!(second.dir().ends_with("2026-01-02T03-04-05Z-2"));
    }

    #[test]
    fn a_folder_that_holds_anything_is_refused() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("mine.txt"), "precious").unwrap();
        let refused = Store::create_in(root.path(), fixture::started(), redactor());
        assert!(matches!(refused, Err(StoreError::NotEmpty { .. })));
        let below_a_file = root.path().join("mine.txt/out");
        let refused = Store::create_in(&below_a_file, fixture::started(), redactor());
        assert!(matches!(refused, Err(StoreError::Folder { .. })));
        assert_eq!(read(root.path(), "mine.txt"), "precious");
    }

    #[test]
    fn a_failing_disk_is_kept_and_told() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("out");
        let mut store = Store::create_in(&dir, fixture::started(), redactor()).unwrap();
        // Every write to this device fails with "no space left".
        let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else {
            return;
        };
        store.intervals.file = full;
        let interval = &fixture::intervals()[1];
        let row = TimelineRow::new(interval, &Default::default());
        store.interval(interval, &row);
        let error = store.failure().unwrap().to_string();
        assert!(
            error.contains("intervals.csv") && error.contains("hint: "),
            "{error}"
        );
        let error = store.finish(&fixture::result()).unwrap_err();
        assert!(error.to_string().contains("intervals.csv"));
        assert!(RunResult::load(&dir).is_ok(), "the other files are whole");
    }

    #[test]
    fn a_vanished_folder_leaves_no_half_document() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("gone/result.json");
        let error = write_whole(&path, b"x").unwrap_err();
        assert!(matches!(error, StoreError::Write { .. }));
    }
}
