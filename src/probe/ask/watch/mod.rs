//! Connections held in several ways over the same time, and handshakes made meanwhile.

mod board;
mod dial;
mod greeting;
mod hold;
mod plan;
mod scan;

use std::rc::Rc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::exchange::Path;
use crate::probe::seen::{Exchange, Millis, Watch};
use board::Board;

pub(super) use dial::finish;
pub(super) use scan::Scan;

/// From the start of the watch.
type Seconds = f64;

/// How often it is looked whether something has to be done.
const TICK: Duration = Duration::from_millis(40);
/// The longest of all watches beyond what was planned.
const MAX_EXTRA: f64 = 60.0;

/// Holds and watches; ends early when nothing more can be learnt. What was seen goes to `seen`, also
/// when this is dropped before its end; nothing when nothing is to be held. `first` is the handshake
/// that was good.
pub async fn watch(path: &Path<'_>, first: &Exchange, seen: &mut Option<Watch>) {
    let Some(plan) = plan::plan(&path.settings.watching) else {
        return;
    };
    let board = &Rc::new(Board::new(path.open.clone()));
    let _record = Record {
        board: Rc::clone(board),
        planned: plan.length,
        reload: plan.reload,
        seen,
    };
    let (give, mut take) = mpsc::channel(plan::MAX_HOLDS);
    let dialling = dial::Dialler::new(path, board, &plan, first, give).run();
    let holding = async {
        let mut running = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some((index, round, open)) = take.recv() => {
                    running.push(hold::hold(board, index, round, open));
                }
                Some(()) = running.next() => {}
                else => break,
            }
        }
    };
    let ending = async {
        let last = plan.length + MAX_EXTRA;
        while !board.over(&plan, last) {
            sleep(TICK).await;
        }
        board.stop();
    };
    tokio::join!(dialling, holding, ending);
}

/// Writes down what was seen when the watch ends, however it ends.
struct Record<'a> {
    board: Rc<Board>,
    planned: Seconds,
    reload: bool,
    seen: &'a mut Option<Watch>,
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        let lasted = Millis::from(self.board.started.elapsed());
        let mut holds = self.board.holds.take();
        // Of those that nobody ended: a signal did.
        let open = (holds.iter_mut()).filter(|hold| hold.refused.is_none() && hold.ended.is_none());
        for hold in open.filter(|hold| hold.held_ms == Millis::default()) {
            hold.held_ms = Millis(lasted.0 - hold.opened_ms.0);
        }
        *self.seen = Some(Watch {
            planned_ms: Millis::from(Duration::from_secs_f64(self.planned)),
            lasted_ms: lasted,
            reload: self.reload,
            holds,
            rounds: self.board.rounds.take(),
        });
    }
}
