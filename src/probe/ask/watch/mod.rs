//! Connections held in several ways over the same time, and handshakes made meanwhile.

mod board;
mod dial;
mod greeting;
mod hold;
mod plan;
mod scan;

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

/// Holds and watches; ends early when nothing more can be learnt. `None` when nothing is to be held.
/// `first` is the handshake that was good.
pub async fn watch(path: &Path<'_>, first: &Exchange) -> Option<Watch> {
    let plan = plan::plan(&path.settings.watching)?;
    let board = Board::new(path.open.clone());
    let (give, mut take) = mpsc::channel(plan::MAX_HOLDS);
    let dialling = dial::Dialler::new(path, &board, &plan, first, give).run();
    let holding = async {
        let mut running = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some((index, round, open)) = take.recv() => {
                    running.push(hold::hold(&board, index, round, open));
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
    Some(Watch {
        planned_ms: Millis::from(Duration::from_secs_f64(plan.length)),
        lasted_ms: Millis::from(board.started.elapsed()),
        reload: plan.reload,
        holds: board.holds.into_inner(),
        rounds: board.rounds.into_inner(),
    })
}
