//! Which of several processes that share one port a server is.

use std::fmt;
use std::str::FromStr;

/// One process of several; written `0/3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    index: u16,
    of: u16,
}

/// A text that is no part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write INDEX/PROCESSES, e.g. 0/3")]
pub struct PartError;

impl Part {
    /// The only process of its server.
    pub const WHOLE: Self = Self { index: 0, of: 1 };

    /// Number `index`, from 0, of so many; `None` when there is no such process.
    pub fn new(index: u16, of: u16) -> Option<Self> {
        (index < of).then_some(Self { index, of })
    }

    /// Whether others listen on the port.
    pub const fn is_shared(self) -> bool {
        self.of > 1
    }

    /// `process 2 of 3 (pid 1234)`.
    pub fn in_words(self, pid: u32) -> String {
        format!("process {} of {} (pid {pid})", self.index + 1, self.of)
    }

    /// How many processes there are.
    pub(super) const fn of(self) -> u16 {
        self.of
    }

    /// The first number for a connection; with the next ones [`Part::of`] apart, no two processes give
    /// the same.
    pub(super) fn first_id(self) -> u64 {
        u64::from(self.index) + 1
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Part {
    type Err = PartError;

    fn from_str(text: &str) -> Result<Self, PartError> {
        let (index, of) = text.split_once('/').ok_or(PartError)?;
        let number = |text: &str| text.parse().map_err(|_| PartError);
        Self::new(number(index)?, number(of)?).ok_or(PartError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_survives_the_command_line_and_nonsense_is_none() {
        for text in ["0/1", "2/3", "63/64"] {
            let part: Part = text.parse().expect(text);
            assert_eq!(part.to_string(), text);
        }
        for text in ["", "1", "3/3", "0/0", "-1/2", "a/2", "1/2/3"] {
            assert_eq!(text.parse::<Part>(), Err(PartError), "{text}");
        }
    }

    #[test]
    fn numbers_of_connections_are_given_once() {
        let ids = |index| {
            let part = Part::new(index, 3).expect("one of three");
            (0..4).map(move |n| part.first_id() + n * u64::from(part.of()))
        };
        let mut all: Vec<u64> = (0..3).flat_map(ids).collect();
        all.sort_unstable();
        assert_eq!(all, (1..=12).collect::<Vec<_>>());
    }
}
