//! Exit codes: the contract with shells and CI (one table, used by every command).

use std::process::ExitCode;

/// How a command ended, in the order of DESIGN's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// 0: everything asked was answered with yes.
    Pass,
    /// 1: a threshold or a regression.
    Fail,
    /// 2: usage or scenario error; nothing was run.
    Usage,
    /// 3: could not run: target unreachable, limits too low, results not writable.
    CouldNotRun,
    /// 4: inconclusive or invalid: an unanswered question must not read as a pass.
    Unanswered,
    /// 130: Ctrl-C; what was measured is saved.
    Interrupted,
    /// 143: SIGTERM; what was measured is saved.
    Terminated,
}

impl Exit {
    /// The number the shell sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Fail => 1,
            Self::Usage => 2,
            Self::CouldNotRun => 3,
            Self::Unanswered => 4,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
