//! What is seen of a run while it lasts: one line, or charts.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nix::sys::signal::{Signal, kill};

use crate::commands::screen::{Screen, Wish};
use crate::metrics::Total;
use crate::report::live::Board;
use crate::report::progress;
use crate::result::TimelineRow;

/// How long keys wait at most to be heard, and a new interval to be drawn.
const LOOK: Duration = Duration::from_millis(100);
/// How long the terminal may take to be given back.
const GIVE_BACK: Duration = Duration::from_secs(2);
const KEYS: &str = "q close the charts, the run goes on  Ctrl-C stop the run";
const STOPPING: &str = "stopping: waiting for outstanding answers (Ctrl-C again to stop at once)";

/// What the user of a run wants to see of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// Nothing.
    Nothing,
    /// A line on stderr, if that is a terminal.
    Line,
    /// Charts on the whole of the terminal.
    Charts,
}

/// Shows a run.
pub struct Display {
    bar: ProgressBar,
    show: Show,
    planned: Duration,
    charts: Option<Charts>,
}

impl Display {
    /// Of a run called `name` that is planned to take so long.
    pub fn new(show: Show, name: &str, planned: Duration) -> Self {
        let charts = match show {
            // Without them there is still the line.
            Show::Charts => Charts::start(name, planned)
                .inspect_err(|error| warn(&format!("no charts: {error}")))
                .ok(),
            Show::Line | Show::Nothing => None,
        };
        let is_line = charts.is_none() && show != Show::Nothing;
        Self {
            bar: bar(is_line, planned),
            show,
            planned,
            charts,
        }
    }

    /// The latest interval; `storm` is how many of how many lost clients are back.
    pub fn interval(&mut self, row: &TimelineRow, total: &Total, storm: Option<(u64, u64)>) {
        let storm = storm.map(|(back, lost)| progress::storm(back, lost));
        if let Some(charts) = &self.charts {
            if charts.add(row, storm.as_deref()) {
                return;
            }
            self.close_charts();
        }
        self.bar.set_position(row.end_s.min(1e9) as u64);
        let mut line = progress::line(row, total, Some(self.planned));
        if let Some(storm) = storm {
            line += &format!(", {storm}");
        }
        self.bar.set_message(line);
    }

    /// A warning, beside what is shown and not into it.
    pub fn warn(&mut self, why: &str) {
        if self.show == Show::Nothing {
            return;
        }
        match &self.charts {
            Some(charts) => charts.shared().warnings.push(why.to_owned()),
            None => self.bar.suspend(|| warn(why)),
        }
    }

    /// Nothing is to be seen any more.
    pub fn finish(self) {
        self.bar.finish_and_clear();
        let warnings = self.charts.map(Charts::stop).unwrap_or_default();
        warnings.iter().for_each(|why| warn(why));
    }

    /// Gives the terminal back to the line.
    fn close_charts(&mut self) {
        if let Some(charts) = self.charts.take() {
            let warnings = charts.stop();
            warnings.iter().for_each(|why| warn(why));
            self.bar = bar(true, self.planned);
        }
    }
}

fn warn(why: &str) {
    let _ = writeln!(anstream::stderr(), "warning: {why}");
}

/// A bar on stderr; nothing without a terminal.
fn bar(shown: bool, length: Duration) -> ProgressBar {
    if !shown || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let target = ProgressDrawTarget::stderr_with_hz(4);
    let bar = ProgressBar::with_draw_target(Some(length.as_secs().max(1)), target);
    let style = ProgressStyle::with_template("{bar:20.cyan/dim} {wide_msg}")
        .expect("the template names known fields only");
    bar.set_style(style.progress_chars("━━─"));
    bar.set_message("connecting");
    bar
}

/// Charts on a thread of their own: a slow terminal holds up nobody.
struct Charts {
    shared: Arc<Mutex<Shared>>,
    /// Says nothing, and is cut off when the terminal was given back.
    done: Receiver<()>,
}

struct Shared {
    board: Board,
    /// Drawn already.
    drawn: bool,
    /// No charts any more, by a key or because the run is over.
    closed: bool,
    /// Said when the screen is given back.
    warnings: Vec<String>,
}

impl Charts {
    fn start(name: &str, planned: Duration) -> io::Result<Self> {
        let screen = Screen::open()?;
        let board = Board::new(name, KEYS, Screen::has_color()).planned(planned);
        let shared = Arc::new(Mutex::new(Shared {
            board,
            drawn: false,
            closed: false,
            warnings: Vec::new(),
        }));
        let theirs = Arc::clone(&shared);
        let (working, done) = sync_channel(0);
        let thread = std::thread::Builder::new().name("charts".to_owned());
        thread.spawn(move || {
            let _working: SyncSender<()> = working;
            // A terminal that went away is no reason to stop the run.
            let _ = draw(screen, &theirs);
            lock(&theirs).closed = true;
        })?;
        Ok(Self { shared, done })
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }

    /// Adds an interval; false if nobody looks any more.
    fn add(&self, row: &TimelineRow, storm: Option<&str>) -> bool {
        let mut shared = self.shared();
        shared.board.add(row.clone());
        shared.board.note(storm.map(str::to_owned));
        shared.drawn = false;
        !shared.closed
    }

    /// Gives the terminal back; what was to be said meanwhile.
    fn stop(self) -> Vec<String> {
        let shared = Arc::clone(&self.shared);
        drop(self);
        std::mem::take(&mut lock(&shared).warnings)
    }
}

impl Drop for Charts {
    /// Gives the terminal back whichever way a run ends: the error of one that does not start has to
    /// be read.
    fn drop(&mut self) {
        self.shared().closed = true;
        // Whatever a terminal does, results are saved.
        let _ = self.done.recv_timeout(GIVE_BACK);
    }
}

/// What a panicking holder left is still good enough to look at.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Draws what is new and does what is wished for, until the charts are closed.
fn draw(mut screen: Screen, shared: &Mutex<Shared>) -> io::Result<()> {
    loop {
        let fresh = {
            let mut shared = lock(shared);
            if shared.closed {
                return Ok(());
            }
            let drawn = std::mem::replace(&mut shared.drawn, true);
            (!drawn).then(|| shared.board.clone())
        };
        if let Some(board) = fresh {
            screen.draw(&board)?;
        }
        let wish = screen.wish(LOOK)?;
        let mut shared = lock(shared);
        match wish {
            Some(Wish::Close) => shared.closed = true,
            Some(Wish::Zoom) => shared.board.zoom(),
            Some(Wish::Stop) => {
                shared.board.stopping(STOPPING);
                // As if it had come from outside: whoever listens for Ctrl-C does what it does.
                let _ = kill(nix::unistd::Pid::this(), Signal::SIGINT);
            }
            Some(Wish::Redraw) => screen.refresh()?,
            None => continue,
        }
        shared.drawn = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Charts whose thread gives the terminal back some time after it was told to.
    fn slow_to_leave() -> (Charts, Arc<Mutex<Shared>>) {
        let shared = Arc::new(Mutex::new(Shared {
            board: Board::new("trial", KEYS, false),
            drawn: false,
            closed: false,
            warnings: vec!["late".to_owned()],
        }));
        let (working, done) = sync_channel(0);
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            let _working: SyncSender<()> = working;
            while !lock(&theirs).closed {
                std::thread::yield_now();
            }
            lock(&theirs).drawn = true;
        });
        let charts = Charts {
            shared: Arc::clone(&shared),
            done,
        };
        (charts, shared)
    }

    #[test]
    fn whoever_lets_charts_go_has_the_terminal_back() {
        let (charts, shared) = slow_to_leave();
        drop(charts);
        assert!(lock(&shared).drawn, "the thread had not ended");
        let (charts, shared) = slow_to_leave();
        assert_eq!(charts.stop(), ["late"]);
        assert!(lock(&shared).drawn, "the thread had not ended");
    }
}
