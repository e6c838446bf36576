//! The worker's end: runs its shards, writes what they report, obeys the stages it reads.

use std::io::{Read, Write};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::frame::{FrameError, read_frame, write_frame};
use super::message::{FromWorker, ToWorker};
use crate::engine::plan::Plan;
use crate::engine::run;
use crate::engine::shard::{Lines, Message, REPORTS, Report};
use crate::engine::stage::Stage;
use crate::metrics::Blank;

/// Runs the shards `own` of the plan until they have ended, or until the parent has gone: the end of
/// `from` means that everything is cut.
///
/// # Errors
/// When threads or runtimes cannot be made.
pub fn work(
    plan: &Arc<Plan>,
    own: Range<u16>,
    from: impl Read + Send + 'static,
    to: impl Write,
) -> std::io::Result<()> {
    let (reports, inbox) = mpsc::channel(REPORTS);
    let (stage, stages) = watch::channel(Stage::Running);
    let mut blanks = Vec::new();
    for index in own.clone() {
        let (blank, lines_blanks) = mpsc::channel(REPORTS);
        blanks.push(blank);
        let lines = Lines {
            reports: reports.clone(),
            blanks: lines_blanks,
            stage: stages.clone(),
        };
        run::spawn(Arc::clone(plan), index, lines)?;
    }
    drop(reports);
    let named = std::thread::Builder::new().name("stages".to_owned());
    named.spawn(move || obey(from, &stage))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let desk = Desk {
        first: own.start,
        running: own.len(),
        cut_limit: run::cut_limit(plan),
        blanks,
        to: Some(to),
    };
    runtime.block_on(desk.report(inbox, stages));
    Ok(())
}

/// Reads stages until the last; whatever else comes is the end.
fn obey(mut from: impl Read, stage: &watch::Sender<Stage>) {
    loop {
        let next = match read_frame(&mut from) {
            Ok(Some(ToWorker::Stage(next))) => next,
            _ => Stage::Cut,
        };
        // Only forward, whatever comes.
        stage.send_if_modified(|now| {
            let later = next > *now;
            *now = next.max(*now);
            later
        });
        if next == Stage::Cut {
            return;
        }
    }
}

struct Desk<W> {
    first: u16,
    running: usize,
    /// How long shards get to end once they are cut; then the process ends without them.
    cut_limit: Duration,
    blanks: Vec<mpsc::Sender<Blank>>,
    /// `None` = nobody reads any more.
    to: Option<W>,
}

impl<W: Write> Desk<W> {
    async fn report(
        mut self,
        mut inbox: mpsc::Receiver<Report>,
        mut stages: watch::Receiver<Stage>,
    ) {
        let mut deadline = None;
        while self.running > 0 {
            let late = deadline.map(tokio::time::sleep_until);
            tokio::select! {
                report = inbox.recv() => match report {
                    Some(report) => self.write(report),
                    None => return,
                },
                Ok(()) = stages.changed(), if deadline.is_none() => {
                    if *stages.borrow_and_update() == Stage::Cut {
                        deadline = Some(Instant::now() + self.cut_limit);
                    }
                }
                () = async { late.expect("the branch has a condition").await }, if deadline.is_some() => return,
            }
        }
    }

    /// A reader that is slow makes us wait here, and nobody else.
    fn write(&mut self, (shard, message): Report) {
        if matches!(message, Message::Ended { .. }) {
            self.running -= 1;
        }
        let report = FromWorker::Report((shard, message));
        let written = self.to.as_mut().map(|to| write_frame(to, &report));
        let FromWorker::Report((_, Message::Interval(mut interval))) = report else {
            if written.is_some_and(|written| written.is_err()) {
                self.to = None;
            }
            return;
        };
        match written {
            // The events are what is large: without them the numbers are still right.
            Some(Err(FrameError::TooLong(_))) if !interval.events.list.is_empty() => {
                let events = &mut interval.events;
                events.dropped += events.list.len() as u64;
                events.list.clear();
                self.write((shard, Message::Interval(interval)));
                return;
            }
            Some(Err(_)) => self.to = None,
            Some(Ok(())) | None => {}
        }
        if let Some(blanks) = self.blanks.get(usize::from(shard - self.first)) {
            let _ = blanks.try_send(interval.into_blank());
        }
    }
}
