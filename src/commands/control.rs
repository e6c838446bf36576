//! What `wsbench run` and the server it started say to each other: one JSON document a line, commands
//! into the server's stdin, answers out of its stdout.

use std::io::{self, BufRead, Read as _};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::scenario::ServerFaultPlan;
use crate::server::Totals;
use crate::units::TimeSpan;

/// Longest line that is read, in bytes; what many processes of many threads say of their load.
pub const MAX_LINE: usize = 32_768;

/// To the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Switch a fault on.
    Start {
        /// Its number: not that of an active one; its draws depend on it.
        id: u64,
        /// As the flag `--fault` has it.
        fault: String,
        /// For so long, e.g. `3s`; until it is ended if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        duration: Option<String>,
    },
    /// Switch it off.
    End {
        /// Its number.
        id: u64,
    },
    /// Count up.
    Totals,
    /// Say how busy the threads have been.
    Load,
}

/// From the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The fault of this number was switched.
    Done {
        /// Its number.
        id: u64,
    },
    /// It was not, or the line was no command.
    Error {
        /// The fault's number, where the line had one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        /// Why.
        error: String,
    },
    /// The sums so far.
    Totals(Counts),
    /// How busy the threads have been.
    Load(Load),
}

/// How busy a server has been since it started; differences tell how busy it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Its processes, always in the same order.
    pub processes: Vec<ProcessLoad>,
}

/// Of one process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessLoad {
    /// When, in microseconds of the machine's monotonic clock.
    pub at_us: u64,
    /// The most memory it has had, in KiB (VmHWM); 0 where unknown.
    pub memory_kib: u64,
    /// Its server threads, always in the same order.
    pub threads: Vec<ThreadTime>,
}

/// Microseconds that a thread has run, and that it has waited for a core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadTime(pub u64, pub u64);

/// What the server has done, and what it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Of all its threads.
    #[serde(flatten)]
    pub totals: Totals,
    /// CPU time of its process, in seconds.
    pub cpu_s: f64,
    /// Connections that found the accept queue full since it started, on the whole host (TcpExt
    /// ListenOverflows); `None` where the system does not tell.
    pub listen_overflows: Option<u64>,
}

impl Command {
    /// A start.
    pub fn start(id: u64, plan: &ServerFaultPlan, duration: Option<Duration>) -> Self {
        Self::Start {
            id,
            fault: plan.to_string(),
            duration: duration.map(|span| TimeSpan(span).to_string()),
        }
    }

    /// One line.
    pub fn line(&self) -> String {
        line(self)
    }
}

impl Answer {
    /// One line.
    pub fn line(&self) -> String {
        line(self)
    }
}

fn line(document: &impl Serialize) -> String {
    let mut text = serde_json::to_string(document).expect("keys are text, floats are finite");
    text.push('\n');
    text
}

/// What [`read_line`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A whole line without its end.
    Text(Vec<u8>),
    /// One of more than [`MAX_LINE`] bytes, skipped.
    TooLong,
    /// Nothing more comes.
    End,
}

/// The next line, whatever its length, in bounded memory.
///
/// # Errors
/// Those of the reader.
pub fn read_line(reader: &mut impl BufRead) -> io::Result<Line> {
    let mut line = Vec::new();
    let mut long = false;
    loop {
        let room = (MAX_LINE + 1).saturating_sub(line.len()).max(1);
        let count = reader
            .by_ref()
            .take(room as u64)
            .read_until(b'\n', &mut line)?;
        let ended = line.last() == Some(&b'\n');
        if ended && !long {
            line.pop();
            return Ok(Line::Text(line));
        }
        if ended {
            return Ok(Line::TooLong);
        }
        if count == 0 {
            return Ok(match (line.is_empty(), long) {
                (true, false) => Line::End,
                (_, true) => Line::TooLong,
                (false, false) => Line::Text(line),
            });
        }
        if line.len() > MAX_LINE {
            long = true;
            line.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_in_bounded_memory() {
        let long = "x".repeat(3 * MAX_LINE);
        let exact = "y".repeat(MAX_LINE);
        let text = format!("a\n\n{long}\n{exact}\nb");
        let mut reader = text.as_bytes();
        for expected in [
            Line::Text(b"a".to_vec()),
            Line::Text(Vec::new()),
            Line::TooLong,
            Line::Text(exact.into_bytes()),
            Line::Text(b"b".to_vec()),
            Line::End,
            Line::End,
        ] {
            assert_eq!(read_line(&mut reader).expect("memory"), expected);
        }
        assert_eq!(
            read_line(&mut long.as_bytes()).expect("memory"),
            Line::TooLong
        );
    }

    #[test]
    fn documents_survive_the_pipe() {
        let plan = "drop_pongs,probability=0.1".parse().expect("a fault");
        let start = Command::start(7, &plan, Some(Duration::from_millis(1500)));
        let text = start.line();
        assert_eq!(
            text,
            "{\"do\":\"start\",\"id\":7,\"fault\":\"drop_pongs,probability=0.1\",\"duration\":\"1s500ms\"}\n"
        );
        assert_eq!(serde_json::from_str::<Command>(&text).expect("JSON"), start);
        let answer = Answer::Totals(Counts {
            totals: Totals {
                upgrades: 5,
                ..Totals::default()
            },
            cpu_s: 0.5,
            listen_overflows: None,
        });
        let again = serde_json::from_str::<Answer>(&answer.line());
        assert_eq!(again.expect("JSON"), answer);
    }
}
