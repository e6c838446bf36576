//! `wsbench watch RESULT`: a run in charts, read from its files while it writes them, or after.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, anyhow};

use crate::exit::Exit;
use crate::report::live::Board;
use crate::result::{Follower, RunResult, run};

use super::screen::{Screen, Wish};

/// How often the files are looked at, and keys are heard at the latest.
const LOOK: Duration = Duration::from_millis(200);
/// Read at once; more is read at the next look, so that keys are heard in between.
const PIECE: usize = 256 * 1024;
/// `results` holds folders of scenarios, they hold folders of runs.
const DEEPEST: usize = 2;
const TIMELINE: &str = "intervals.csv";
const KEYS: &str = "q quit";

/// Shows the run until somebody quits.
///
/// # Errors
/// For a path without a run, and for files that cannot be read.
pub fn watch(path: &Path) -> anyhow::Result<Exit> {
    let dir = folder(path)?;
    if !Screen::is_possible() {
        return Err(anyhow!(
            "draw charts: stderr is no terminal\n\
             hint: `wsbench report {}` prints a run that has ended",
            dir.display()
        ));
    }
    let mut source = Source::new(&dir);
    let mut board = Board::new(&dir.display().to_string(), KEYS, Screen::has_color());
    // What cannot be read is said before the screen is taken, if it can be known then.
    source.read(&mut board)?;
    let mut screen = Screen::open().context(
        "take the terminal\nhint: keys come from stdin or /dev/tty: run it in a terminal",
    )?;
    let mut changed = true;
    loop {
        if changed {
            screen.draw(&board).context("draw charts")?;
        }
        changed = match screen.wish(LOOK).context("read keys")? {
            Some(Wish::Close) => return Ok(Exit::Pass),
            Some(Wish::Stop) => return Ok(Exit::Interrupted),
            Some(Wish::Zoom) => {
                board.zoom();
                true
            }
            Some(Wish::Redraw) => {
                screen.refresh().context("draw charts")?;
                true
            }
            None => false,
        };
        changed |= source.read(&mut board)?;
    }
}

/// The folder of the run that is meant: the path itself, or the newest run below it.
fn folder(path: &Path) -> anyhow::Result<PathBuf> {
    let is_file = path
        .file_name()
        .is_some_and(|name| name == run::FILE_NAME || name == TIMELINE);
    let path = match path.parent() {
        Some(parent) if is_file && path.is_file() => parent,
        _ => path,
    };
    if changed_at(path).is_some() {
        return Ok(path.to_owned());
    }
    let none = || {
        format!(
            "watch {}: there is no run in it\n\
             hint: give the folder that `wsbench run` writes to (results/NAME/TIME, or results/NAME \
             for the newest)",
            path.display()
        )
    };
    std::fs::read_dir(path).with_context(none)?;
    let newest = newest(path, DEEPEST);
    newest.map(|(_, run)| run).with_context(none)
}

/// The run below `dir` that wrote last, at most so many folders down.
fn newest(dir: &Path, down: usize) -> Option<(SystemTime, PathBuf)> {
    let below = std::fs::read_dir(dir).ok()?;
    let runs = below.filter_map(|entry| {
        let run = entry.ok()?.path();
        match changed_at(&run) {
            Some(changed) => Some((changed, run)),
            None if down > 1 && run.is_dir() => newest(&run, down - 1),
            None => None,
        }
    });
    runs.max()
}

/// When a folder's run wrote last; `None` for a folder without a run.
fn changed_at(dir: &Path) -> Option<SystemTime> {
    let files = [TIMELINE, run::FILE_NAME].map(|name| dir.join(name));
    let changed = files
        .iter()
        .filter_map(|file| std::fs::metadata(file).ok()?.modified().ok());
    changed.max()
}

/// The files of a run, as far as they were read.
struct Source {
    dir: PathBuf,
    follower: Follower,
    read: u64,
    rows: u64,
    ended: bool,
}

impl Source {
    fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            follower: Follower::default(),
            read: 0,
            rows: 0,
            ended: false,
        }
    }

    /// Takes what is new; whether there was anything.
    fn read(&mut self, board: &mut Board) -> anyhow::Result<bool> {
        // Asked for first: a document that is there stands behind a whole timeline.
        let document = self.dir.join(run::FILE_NAME);
        let over = !self.ended && document.is_file();
        let bytes = self.piece()?;
        let rows = self.follower.feed(&bytes).with_context(|| self.place())?;
        self.rows += rows.len() as u64;
        let mut changed = !rows.is_empty();
        rows.into_iter().for_each(|row| board.add(row));
        if over && bytes.is_empty() {
            let result = RunResult::load(&document)?;
            if self.rows == 0 {
                // A document alone, e.g. of another machine.
                result
                    .timeline
                    .rows
                    .iter()
                    .for_each(|row| board.add(row.clone()));
            }
            board.end(&result);
            self.ended = true;
            changed = true;
        }
        Ok(changed)
    }

    /// The next bytes of the timeline; none when it is not there.
    fn piece(&mut self) -> anyhow::Result<Vec<u8>> {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = match File::open(self.dir.join(TIMELINE)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                opened => opened?,
            };
            file.seek(io::SeekFrom::Start(self.read))?;
            let mut bytes = Vec::new();
            file.take(PIECE as u64).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let bytes = read().with_context(|| self.place())?;
        self.read += bytes.len() as u64;
        Ok(bytes)
    }

    fn place(&self) -> String {
        format!("read {}", self.dir.join(TIMELINE).display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::timeline::COLUMNS;
    use crate::result::{csv, fixture};

    fn shown(board: &Board) -> String {
        let backend = ratatui::backend::TestBackend::new(160, 30);
        let mut terminal = ratatui::Terminal::new(backend).expect("it cannot fail");
        terminal
            .draw(|frame| board.draw(frame))
            .expect("it cannot fail");
        terminal.backend().to_string()
    }

    #[test]
    fn a_run_is_followed_while_it_writes_and_ends_with_its_verdict() {
        let dir = tempfile::tempdir().unwrap();
        let result = fixture::result();
        let (first, rest) = result.timeline.rows.split_first().unwrap();
        let timeline = dir.path().join(TIMELINE);
        let mut text = csv::heading(COLUMNS);
        std::fs::write(&timeline, &text).unwrap();
        let mut source = Source::new(dir.path());
        let mut board = Board::new("x", KEYS, false);
        assert!(!source.read(&mut board).unwrap());
        assert!(shown(&board).contains("waiting"));
        text += &csv::interval_line(first);
        std::fs::write(&timeline, &text).unwrap();
        assert!(source.read(&mut board).unwrap());
        assert!(shown(&board).contains("warm_up 1 s"), "{}", shown(&board));
        assert!(!source.read(&mut board).unwrap(), "nothing new");
        rest.iter().for_each(|row| text += &csv::interval_line(row));
        std::fs::write(&timeline, &text).unwrap();
        std::fs::write(dir.path().join(run::FILE_NAME), result.to_json()).unwrap();
        assert!(source.read(&mut board).unwrap());
        assert_eq!(source.rows, result.timeline.rows.len() as u64);
        assert!(source.read(&mut board).unwrap(), "the end");
        let verdict = format!("verdict: {}", result.verdict.name());
        assert!(shown(&board).contains(&verdict), "{}", shown(&board));
        assert!(!source.read(&mut board).unwrap(), "nothing comes after it");
    }

    #[test]
    fn what_was_read_from_the_timeline_is_not_added_again_from_the_document() {
        let dir = tempfile::tempdir().unwrap();
        let mut result = fixture::result();
        let mut text = csv::heading(COLUMNS);
        for row in &mut result.timeline.rows {
            row.failed = 3;
            text += &csv::interval_line(row);
        }
        std::fs::write(dir.path().join(TIMELINE), text).unwrap();
        std::fs::write(dir.path().join(run::FILE_NAME), result.to_json()).unwrap();
        let mut source = Source::new(dir.path());
        let mut board = Board::new("x", KEYS, false);
        while source.read(&mut board).unwrap() {}
        let failed = 3 * result.timeline.rows.len();
        assert!(shown(&board).contains(&format!("so far: {failed} failed dials")));
    }

    #[test]
    fn a_document_alone_is_shown_whole() {
        let dir = tempfile::tempdir().unwrap();
        let result = fixture::result();
        std::fs::write(dir.path().join(run::FILE_NAME), result.to_json()).unwrap();
        let dir = folder(&dir.path().join(run::FILE_NAME)).unwrap();
        let mut board = Board::new("x", KEYS, false);
        assert!(Source::new(&dir).read(&mut board).unwrap());
        let text = shown(&board);
        assert!(
            text.contains("verdict: ") && text.contains("round_trip"),
            "{text}"
        );
    }

    #[test]
    fn a_folder_of_runs_means_its_newest() {
        let root = tempfile::tempdir().unwrap();
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        for (name, seconds) in [("a", 2), ("b", 3), ("c", 1)] {
            let dir = root.path().join(name);
            std::fs::create_dir(&dir).unwrap();
            let file = File::create(dir.join(TIMELINE)).unwrap();
            file.set_modified(start + Duration::from_secs(seconds))
                .unwrap();
        }
        std::fs::create_dir(root.path().join("no run")).unwrap();
        assert_eq!(folder(root.path()).unwrap(), root.path().join("b"));
        let above = tempfile::tempdir().unwrap();
        let results = above.path().join("chat");
        std::fs::rename(root.path(), &results).unwrap();
        assert_eq!(folder(above.path()).unwrap(), results.join("b"));
        std::fs::rename(&results, root.path()).unwrap();
        assert_eq!(
            folder(&root.path().join("c")).unwrap(),
            root.path().join("c")
        );
        for nothing in ["no run", "nowhere"] {
            let error = folder(&root.path().join(nothing)).unwrap_err();
            let error = format!("{error:#}");
            assert!(
                error.contains("no run in it") && error.contains("hint: "),
                "{error}"
            );
        }
    }
}
