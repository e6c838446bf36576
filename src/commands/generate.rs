//! `wsbench generate`: some of the shards of a run whose coordinator is another process, at the other
//! ends of stdin and stdout. Not for people.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::descriptors::raise_limit;
use crate::clock::Epoch;
use crate::engine::fleet::{
    Assignment, FromWorker, ToWorker, VERSION, read_frame, work, write_frame,
};
use crate::engine::plan::Plan;
use crate::exit::Exit;
use crate::scenario::Statistics;

/// Does what the other process says, until it says stop or ends.
pub fn run(statistics: &Statistics<'_>) -> anyhow::Result<Exit> {
    let _deaf = ignore_signals()?;
    raise_limit();
    let mut from = std::io::stdin();
    let mut to = std::io::stdout();
    let Some(ToWorker::Assignment(assignment)) =
        read_frame(&mut from).context("read the assignment")?
    else {
        bail!("no assignment\nhint: `wsbench run` starts this command; it is of no use alone");
    };
    let own = assignment.own.clone();
    let mut plan = match prepare(*assignment, statistics) {
        Ok(plan) => plan,
        Err(why) => {
            write_frame(&mut to, &FromWorker::Refused(why)).context("refuse")?;
            return Ok(Exit::CouldNotRun);
        }
    };
    write_frame(&mut to, &FromWorker::Ready).context("say that we are ready")?;
    let start = match read_frame(&mut from).context("wait for the start")? {
        Some(ToWorker::Start(start)) => start,
        // It was not to be.
        _ => return Ok(Exit::Pass),
    };
    plan.epoch = Epoch::of(start.epoch);
    work(&Arc::new(plan), own, from, to).context("start the shards")?;
    Ok(Exit::Pass)
}

fn prepare(assignment: Assignment, statistics: &Statistics<'_>) -> Result<Plan, String> {
    if assignment.version != VERSION {
        let theirs = assignment.version;
        return Err(format!(
            "the processes of this run are of different builds: {VERSION}, {theirs}"
        ));
    }
    let scenario = assignment.scenario.scenario(statistics)?;
    let plan = Plan::new(Arc::new(scenario), assignment.shards);
    let mut plan = plan.map_err(|error| error.to_string())?;
    plan.via = assignment.via;
    Ok(plan)
}

/// A signal to all processes of a run is for the one that tells the others what to do; if it ends,
/// so do we. Signals that are listened to no longer end a process.
fn ignore_signals() -> anyhow::Result<(tokio::runtime::Runtime, Vec<Signal>)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .context("listen for signals")?;
    let signals = {
        let _inside = runtime.enter();
        let all = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ];
        all.into_iter().map(signal).collect::<Result<_, _>>()
    };
    Ok((runtime, signals.context("listen for signals")?))
}
