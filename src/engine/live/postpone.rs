//! Time in which we could not look is not the peer's fault: everything that waits for it is given
//! that much more.

use std::time::Duration;

use super::State;
use super::ending::Closing;
use super::steps::Waiting;
use crate::clock::Offset;
use crate::wire::Dial;

impl<D: Dial + 'static> State<'_, D> {
    /// We could not look for `by` until `now`: no deadline passes because of it.
    pub(super) fn postpone(&mut self, now: Offset, by: Duration) {
        self.heart.postpone(now, by);
        self.questions.postpone(by);
        self.pongs.postpone(by);
        if let Waiting::Pong { deadline, .. } = &mut self.waiting {
            *deadline = *deadline + by;
        }
        match &mut self.closing {
            Closing::Asked { deadline, .. } | Closing::Answered { deadline, .. } => {
                *deadline = *deadline + by;
            }
            Closing::Dead { until } => *until = *until + by,
            Closing::Open => {}
        }
    }
}
