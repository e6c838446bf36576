//! The parent's end: frames of a worker become reports of its shards, stages become frames.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::ops::Range;

use tokio::sync::{mpsc, watch};

use super::frame::{read_frame, write_frame};
use super::message::{FromWorker, Start, ToWorker};
use crate::engine::shard::{Message, Report};
use crate::engine::stage::Stage;

/// A worker that is ready to start.
pub struct Exchange {
    /// Its shards.
    pub own: Range<u16>,
    /// What it tells.
    pub from: Box<dyn Read + Send>,
    /// What it is told; it ends with us when this ends.
    pub to: Box<dyn Write + Send>,
    /// Ends it if need be, and says how it ended.
    pub end: Box<dyn FnOnce() -> String + Send>,
}

/// Starts the workers and passes on what they and the coordinator tell each other, on threads of its
/// own: one for each worker and one for the stages. The pipes to the workers are closed when the
/// coordinator has gone.
///
/// # Errors
/// When a thread cannot be made, or a worker has gone already.
pub fn connect(
    workers: Vec<Exchange>,
    start: Start,
    reports: &mpsc::Sender<Report>,
    stages: watch::Receiver<Stage>,
) -> std::io::Result<()> {
    let mut outs = Vec::new();
    for (number, worker) in workers.into_iter().enumerate() {
        let Exchange {
            own,
            from,
            mut to,
            end,
        } = worker;
        // One that has gone is noticed by its reader.
        let _ = write_frame(&mut to, &ToWorker::Start(start));
        outs.push(to);
        let reports = reports.clone();
        let named = std::thread::Builder::new().name(format!("worker-{number}"));
        named.spawn(move || listen(own, from, end, &reports))?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let named = std::thread::Builder::new().name("stages".to_owned());
    named.spawn(move || runtime.block_on(pass_on(stages, outs)))?;
    Ok(())
}

/// Few bytes a stage: no pipe is ever full of them.
async fn pass_on(mut stages: watch::Receiver<Stage>, mut outs: Vec<Box<dyn Write + Send>>) {
    while stages.changed().await.is_ok() {
        let stage = *stages.borrow_and_update();
        for out in &mut outs {
            let _ = write_frame(out, &ToWorker::Stage(stage));
        }
    }
}

/// Passes reports on until every shard of the worker has ended or the worker has.
fn listen(
    own: Range<u16>,
    mut from: Box<dyn Read + Send>,
    end: Box<dyn FnOnce() -> String + Send>,
    reports: &mpsc::Sender<Report>,
) {
    let mut running: BTreeSet<u16> = own.clone().collect();
    let broken = loop {
        if running.is_empty() {
            return;
        }
        let (shard, message) = match read_frame(&mut from) {
            Ok(Some(FromWorker::Report(report))) => report,
            Ok(None) => break None,
            Ok(Some(_)) => break Some("it sent what nobody asked for".to_owned()),
            Err(error) => break Some(format!("it sent {error}")),
        };
        if !running.contains(&shard) {
            break Some(format!("it reported shard {shard}, which is not its own"));
        }
        if matches!(message, Message::Ended { .. } | Message::Lost(_)) {
            running.remove(&shard);
        }
        if reports.blocking_send((shard, message)).is_err() {
            return;
        }
    };
    let how = end();
    let how = broken.map_or_else(|| how.clone(), |broken| format!("{broken} ({how})"));
    let why = format!(
        "the generator process of shards {} to {} ended early: {how}; what it had not reported is missing",
        own.start,
        own.end.saturating_sub(1)
    );
    for shard in running {
        if reports
            .blocking_send((shard, Message::Lost(why.clone())))
            .is_err()
        {
            return;
        }
    }
}
