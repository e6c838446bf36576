//! The whole terminal for charts, given back as it was whatever ends the program.
//!
//! Charts go to stderr, as progress does: stdout stays free for what a command prints.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Stderr};
use std::mem::ManuallyDrop;
use std::os::fd::AsFd as _;
use std::sync::Once;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::crossterm::{execute, terminal};

use crate::report::live::Board;

/// What somebody at the keyboard wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// No charts any more.
    Close,
    /// Stop what is running: Ctrl-C, which is a key like others here.
    Stop,
    /// Another part of the run.
    Zoom,
    /// The terminal has another size now.
    Redraw,
}

/// The terminal while charts are on it.
pub struct Screen {
    /// Never dropped: it would write to a terminal that may be gone, and panic there.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<BufWriter<Stderr>>>>,
    /// Where keys come from when that is not stdin, as crossterm has it.
    keys: Option<File>,
}

impl Screen {
    /// Whether there is a terminal to draw on.
    pub fn is_possible() -> bool {
        io::stderr().is_terminal()
    }

    /// Whether colours are wanted there.
    pub fn has_color() -> bool {
        anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
    }

    /// Takes the terminal.
    ///
    /// # Errors
    /// The terminal's; it is as it was then.
    pub fn open() -> io::Result<Self> {
        give_back_when_panicking();
        let keys = match io::stdin().is_terminal() {
            true => None,
            false => Some(File::open("/dev/tty")?),
        };
        terminal::enable_raw_mode()?;
        // Nothing that asks the terminal a question: not every one answers.
        let all = terminal::Clear(terminal::ClearType::All);
        let opened = execute!(io::stderr(), terminal::EnterAlternateScreen, all)
            .and_then(|()| Terminal::new(CrosstermBackend::new(BufWriter::new(io::stderr()))));
        let opened = opened.and_then(|mut terminal| {
            terminal.hide_cursor()?;
            Ok(Self {
                terminal: ManuallyDrop::new(terminal),
                keys,
            })
        });
        opened.inspect_err(|_| give_back())
    }

    /// Draws a board.
    ///
    /// # Errors
    /// The terminal's.
    pub fn draw(&mut self, board: &Board) -> io::Result<()> {
        self.terminal.draw(|frame| board.draw(frame)).map(|_| ())
    }

    /// Draws everything at the next time, not what changed alone.
    ///
    /// # Errors
    /// The terminal's.
    pub fn refresh(&mut self) -> io::Result<()> {
        let size = self.terminal.size()?;
        self.terminal.resize(size.into())
    }

    /// What is wished for within `patience`.
    ///
    /// # Errors
    /// The terminal's.
    pub fn wish(&self, patience: Duration) -> io::Result<Option<Wish>> {
        self.wait(patience)?;
        // Also what is no key: another size of the terminal.
        if !event::poll(Duration::ZERO)? {
            return Ok(None);
        }
        Ok(match event::read()? {
            Event::Key(key) => wish_of(key),
            Event::Resize(..) => Some(Wish::Redraw),
            _ => None,
        })
    }
}

impl Screen {
    /// Waits for a key. A terminal that went away is an error: crossterm would read its end for ever.
    fn wait(&self, patience: Duration) -> io::Result<()> {
        let stdin = io::stdin();
        let fd = match &self.keys {
            Some(tty) => tty.as_fd(),
            None => stdin.as_fd(),
        };
        let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::ZERO);
        match poll(&mut fds, timeout) {
            // A signal, e.g. of another size.
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
        let is_gone = fds[0]
            .revents()
            .is_some_and(|events| events.intersects(gone));
        match is_gone {
            true => Err(io::Error::new(
                io::ErrorKind::BrokenPipe,
                "the terminal is gone",
            )),
            false => Ok(()),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Errors are of no use to anybody here: the terminal is gone, then.
fn give_back() {
    use ratatui::crossterm::cursor::Show;
    let _ = execute!(io::stderr(), terminal::LeaveAlternateScreen, Show);
    let _ = terminal::disable_raw_mode();
}

/// A panic's message must not vanish with the screen it was written on.
fn give_back_when_panicking() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            give_back();
            before(info);
        }));
    });
}

fn wish_of(key: KeyEvent) -> Option<Wish> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Wish::Stop),
        KeyCode::Char('q') | KeyCode::Esc => Some(Wish::Close),
        KeyCode::Char('z') => Some(Wish::Zoom),
        KeyCode::Char('l') if key.modifiers.contains(KeyModifiers::CONTROL) => Some(Wish::Redraw),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_mean_what_the_last_line_says() {
        let key = |code, modifiers| wish_of(KeyEvent::new(code, modifiers));
        let none = KeyModifiers::NONE;
        for (code, modifiers, wish) in [
            (KeyCode::Char('q'), none, Some(Wish::Close)),
            (KeyCode::Esc, none, Some(Wish::Close)),
            (KeyCode::Char('z'), none, Some(Wish::Zoom)),
            (KeyCode::Char('c'), KeyModifiers::CONTROL, Some(Wish::Stop)),
            (
                KeyCode::Char('l'),
                KeyModifiers::CONTROL,
                Some(Wish::Redraw),
            ),
            (KeyCode::Char('c'), none, None),
            (KeyCode::Enter, none, None),
        ] {
            assert_eq!(key(code, modifiers), wish, "{code:?}");
        }
    }
}
