//! `run --tui` and `watch` on a terminal of our own.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{Termios, tcgetattr};

use super::bench::{Bench, PATIENCE, assert_exit, finish, text, wait};

const ENTER: &str = "\x1b[?1049h";
const LEAVE: &str = "\x1b[?1049l";

/// Both sides of a terminal: ours, and that of a program. No program that any test starts inherits
/// one, or a terminal would never go away.
fn pair() -> (File, File) {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master = posix_openpt(flags).expect("a terminal");
    grantpt(&master).expect("ours");
    unlockpt(&master).expect("ours");
    let name = ptsname_r(&master).expect("a name");
    let mut slave = File::options();
    slave.read(true).write(true);
    slave.custom_flags(OFlag::O_NOCTTY.bits());
    let slave = slave.open(name).expect("a terminal");
    let master = master.as_fd().try_clone_to_owned().expect("a descriptor");
    (File::from(master), slave)
}

/// A terminal that remembers what was written to it.
struct Terminal {
    keys: File,
    ours: File,
    before: Termios,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    fn new() -> Self {
        let (keys, ours) = pair();
        let before = tcgetattr(&ours).expect("a terminal");
        let written = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&written);
        let mut reader = keys.try_clone().expect("a descriptor");
        // Ends with the last holder of the other side.
        std::thread::spawn(move || {
            let mut bytes = [0; 4_096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                seen.lock().expect("no panic").extend(&bytes[..count]);
            }
        });
        Self {
            keys,
            ours,
            before,
            written,
        }
    }

    /// Starts a command with its keys and its stderr here.
    fn start(&self, command: &mut Command) -> Child {
        let end = || Stdio::from(self.ours.try_clone().expect("a descriptor"));
        command.stdin(end()).stderr(end()).stdout(Stdio::piped());
        command.spawn().expect("started")
    }

    fn written(&self) -> String {
        let written = self.written.lock().expect("no panic");
        String::from_utf8_lossy(&written).into_owned()
    }

    fn wait_until(&self, what: &str, holds: impl Fn(&str) -> bool) {
        let started = Instant::now();
        while !holds(&self.written()) {
            let written = self.written();
            assert!(started.elapsed() < PATIENCE, "no {what}: {written:?}");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    fn press(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).expect("a terminal");
    }

    /// The screen was taken once and given back, and the keys echo again.
    fn assert_given_back(&self) {
        // What was written last may still be on its way.
        self.wait_until("end of the charts", |written| written.contains(LEAVE));
        let written = self.written();
        let count = |part: &str| written.matches(part).count();
        assert_eq!((count(ENTER), count(LEAVE)), (1, 1), "{written:?}");
        assert_eq!(tcgetattr(&self.ours).expect("a terminal"), self.before);
    }
}

#[test]
fn charts_of_a_run_are_drawn_until_its_end_and_its_summary_follows() {
    let bench = Bench::new();
    let terminal = Terminal::new();
    let scenario = bench.scenario("2s", "");
    let mut child = terminal.start(&mut bench.run_command(&scenario, &["--tui"]));
    assert_eq!(wait(&mut child), Some(0));
    terminal.assert_given_back();
    terminal.wait_until("chart", |written| {
        written.contains("round_trip") && written.contains("Ctrl-C stop the run")
    });
    let output = child.wait_with_output().expect("ended");
    assert!(text(&output.stdout).contains("verdict: pass"));
}

#[test]
fn ctrl_c_is_a_key_that_stops_the_run_and_saves_it() {
    let bench = Bench::new();
    let mut terminal = Terminal::new();
    let scenario = bench.scenario("60s", "");
    let mut child = terminal.start(&mut bench.run_command(&scenario, &["--tui"]));
    terminal.wait_until("interval", |written| written.contains("connected"));
    terminal.press(b"\x03");
    assert_eq!(wait(&mut child), Some(130));
    terminal.assert_given_back();
    assert_eq!(bench.result()["end_reason"], "interrupted");
}

#[test]
fn closing_the_charts_leaves_the_run_alone() {
    let bench = Bench::new();
    let mut terminal = Terminal::new();
    let scenario = bench.scenario("4s", "");
    let mut child = terminal.start(&mut bench.run_command(&scenario, &["--tui"]));
    terminal.wait_until("chart", |written| written.contains(ENTER));
    terminal.press(b"q");
    terminal.wait_until("end of the charts", |written| written.contains(LEAVE));
    assert!(child.try_wait().expect("our child").is_none(), "it goes on");
    assert_eq!(wait(&mut child), Some(0));
    terminal.assert_given_back();
    assert_eq!(bench.result()["end_reason"], "completed");
}

#[test]
fn a_run_is_watched_from_another_terminal() {
    let bench = Bench::new();
    let scenario = bench.scenario("60s", "");
    let mut run = bench.run_command(&scenario, &["--quiet"]);
    let mut run = run.spawn().expect("started");
    let rows = || std::fs::read_to_string(bench.path("out/intervals.csv")).unwrap_or_default();
    let started = Instant::now();
    while rows().lines().count() < 2 {
        assert!(started.elapsed() < PATIENCE, "no interval");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let mut terminal = Terminal::new();
    let mut watch = terminal.start(bench.command().args(["watch", "out"]));
    terminal.wait_until("interval", |written| written.contains("connected"));
    let pid = i32::try_from(run.id()).expect("a process id");
    let pid = nix::unistd::Pid::from_raw(pid);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).expect("still running");
    assert_eq!(wait(&mut run), Some(130));
    // Only what changes is written: a word that was not there before comes whole.
    terminal.wait_until("verdict", |written| written.contains("inconclusive"));
    terminal.press(b"q");
    assert_eq!(wait(&mut watch), Some(0));
    terminal.assert_given_back();
}

#[test]
fn a_terminal_that_goes_away_ends_the_watch_and_not_the_run() {
    let bench = Bench::new();
    let scenario = bench.scenario("3s", "");
    for (command, code) in [
        (&mut bench.run_command(&scenario, &["--tui"]), 0),
        (bench.command().args(["watch", "out"]), 3),
    ] {
        let (mut screen, ours) = pair();
        let end = || Stdio::from(ours.try_clone().expect("a descriptor"));
        command.stdin(end()).stderr(end()).stdout(Stdio::null());
        let mut child = command.spawn().expect("started");
        let (mut bytes, mut seen) = ([0; 4_096], Vec::new());
        while !String::from_utf8_lossy(&seen).contains(ENTER) {
            let count = screen.read(&mut bytes).expect("it is drawn on");
            seen.extend(&bytes[..count]);
        }
        drop(screen);
        assert_eq!(wait(&mut child), Some(code));
    }
}

#[test]
fn without_a_terminal_there_are_no_charts_but_a_hint() {
    let bench = Bench::new();
    let scenario = bench.scenario("1s", "");
    let refused = bench.run(&scenario, &["--tui"]);
    assert_exit(&refused, 2);
    assert!(text(&refused.stderr).contains("hint: "));
    assert!(!bench.path("out").exists(), "nothing was run");
    assert_exit(&bench.run(&scenario, &[]), 0);
    let refused = finish(bench.command().args(["watch", "out"]));
    assert_exit(&refused, 3);
    assert!(text(&refused.stderr).contains("wsbench report out"));
    let refused = finish(bench.command().args(["watch", "nowhere"]));
    assert_exit(&refused, 3);
    assert!(text(&refused.stderr).contains("no run in it"));
}
