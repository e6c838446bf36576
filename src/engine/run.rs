//! A run from start to end: shards are started, moved from stage to stage, and their intervals
//! merged into one timeline.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::LocalOptions;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::plan::Plan;
use super::shard::{self, Lines, Message, REPORTS, Report};
use super::stage::Stage;
use super::stall::{Stalls, Watch};
use crate::clock::{Alarm, Offset};
use crate::metrics::{Blank, Interval, Total};
use crate::wire::Dialler;

/// Beyond the close timeout, how long shards get to end their connections.
const CLOSING_SLACK: Duration = Duration::from_millis(500);
/// How long shards get to book what was cut off; then the run ends without them.
const CUT_LIMIT: Duration = Duration::from_secs(2);
/// So many clients more take a second more to end, on a machine that is busy with them.
const CROWD: u32 = 5_000;
/// How often the coordinator looks whether the drain is over.
const LOOK: Duration = Duration::from_millis(5);

/// A wish to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// Ctrl-C.
    Interrupted,
    /// SIGTERM.
    Terminated,
}

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// As planned.
    Completed,
    /// Every client had ended before the stages did.
    NoClientsLeft,
    /// By a signal.
    Interrupted(Interrupt),
    /// By a threshold that says `abort_run`.
    Aborted(String),
}

/// Gets the timeline while it grows.
pub trait Observer {
    /// A complete interval and everything so far, itself included. `Break` ends the run early with
    /// that reason.
    fn interval(&mut self, interval: &Interval, total: &Total) -> ControlFlow<String>;

    /// Some shards were lost: why, in words.
    fn lost(&mut self, _why: &str) {}
}

/// What a run produced.
#[derive(Debug)]
pub struct Outcome {
    /// Everything recorded.
    pub total: Total,
    /// Why it ended.
    pub end: End,
    /// When the load ended: nothing new was sent from here on.
    pub load_ended: Offset,
    /// When it ended.
    pub ended: Offset,
    /// Connections that were still open when it was cut.
    pub open_at_end: u64,
    /// Shards that did not report their end: their last second is missing.
    pub lost_shards: u16,
    /// Why some of them did not, where that is known.
    pub lost: Vec<String>,
    /// What woke the shards at due times.
    pub pacing: Cow<'static, str>,
    /// When the generator stood still.
    pub stalls: Stalls,
}

/// Runs the plan on threads of its own and returns when everything has ended.
///
/// # Errors
/// When threads or runtimes cannot be made; nothing was dialled then.
pub fn run(
    plan: &Arc<Plan>,
    interrupts: mpsc::Receiver<Interrupt>,
    observer: &mut dyn Observer,
) -> std::io::Result<Outcome> {
    let (reports, inbox) = mpsc::channel(REPORTS);
    let (stage, stages) = watch::channel(Stage::Running);
    let mut blanks = Vec::new();
    let mut threads = Vec::new();
    for index in 0..plan.shards {
        let (blank, lines_blanks) = mpsc::channel(REPORTS);
        blanks.push(blank);
        let lines = Lines {
            reports: reports.clone(),
            blanks: lines_blanks,
            stage: stages.clone(),
        };
        threads.push(spawn(Arc::clone(plan), index, lines)?);
    }
    drop(reports);
    let coordinator = Coordinator::new(Arc::clone(plan), stage, blanks);
    let outcome = block_on(coordinator.coordinate(inbox, interrupts, observer))?;
    if outcome.lost_shards == 0 {
        for thread in threads {
            // It has reported its end; only the drop of its runtime is left.
            let _ = thread.join();
        }
    }
    Ok(outcome)
}

/// The same with shards that run elsewhere: `start` connects whoever runs them to the coordinator.
///
/// # Errors
/// When they cannot be started.
pub fn run_elsewhere(
    plan: &Arc<Plan>,
    interrupts: mpsc::Receiver<Interrupt>,
    observer: &mut dyn Observer,
    start: impl FnOnce(mpsc::Sender<Report>, watch::Receiver<Stage>) -> std::io::Result<()>,
) -> std::io::Result<Outcome> {
    let (reports, inbox) = mpsc::channel(REPORTS);
    let (stage, stages) = watch::channel(Stage::Running);
    start(reports, stages)?;
    let coordinator = Coordinator::new(Arc::clone(plan), stage, Vec::new());
    block_on(coordinator.coordinate(inbox, interrupts, observer))
}

fn block_on(run: impl Future<Output = Outcome>) -> std::io::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    Ok(runtime.block_on(run))
}

pub(super) fn spawn(plan: Arc<Plan>, index: u16, lines: Lines) -> std::io::Result<JoinHandle<()>> {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())
    };
    let named = std::thread::Builder::new().name(format!("shard-{index}"));
    named.spawn(move || match runtime() {
        Ok(runtime) => {
            runtime.block_on(async {
                let dialler = Dialler::new(plan.dial_settings());
                shard::run(plan, index, dialler, Alarm::exact(), lines).await;
            });
            // A resolver that hangs must not hold the results up.
            runtime.shutdown_background();
        }
        // Dropping the lines tells the coordinator.
        Err(_) => drop(lines),
    })
}

/// The state of a run as a whole.
#[derive(Debug)]
pub struct Coordinator {
    plan: Arc<Plan>,
    stage: watch::Sender<Stage>,
    blanks: Vec<mpsc::Sender<Blank>>,
    shards: Vec<ShardState>,
    pending: BTreeMap<u64, Interval>,
    total: Total,
    end: End,
    pacing: Cow<'static, str>,
    lost: Vec<String>,
    load_ended: Option<Offset>,
    stalls: Stalls,
    /// Whether this thread stood still.
    watch: Watch,
    /// When the next stage begins at the latest.
    deadline: Offset,
}

#[derive(Clone, Copy, Debug, Default)]
struct ShardState {
    /// Intervals below this index have come.
    complete: u64,
    quiet: bool,
    idle: bool,
    ended: bool,
    lost: bool,
    open: u64,
}

impl Coordinator {
    /// Of a run that starts now; `blanks` to give intervals back to shards that can reuse them.
    pub fn new(
        plan: Arc<Plan>,
        stage: watch::Sender<Stage>,
        blanks: Vec<mpsc::Sender<Blank>>,
    ) -> Self {
        Self {
            shards: vec![ShardState::default(); usize::from(plan.shards)],
            deadline: plan.phases.measure_end,
            plan,
            stage,
            blanks,
            pending: BTreeMap::new(),
            total: Total::default(),
            end: End::Completed,
            pacing: "unknown".into(),
            lost: Vec::new(),
            load_ended: None,
            stalls: Stalls::default(),
            watch: Watch::default(),
        }
    }

    /// Moves the run through its stages until every shard has ended.
    pub async fn coordinate(
        mut self,
        mut inbox: mpsc::Receiver<Report>,
        mut interrupts: mpsc::Receiver<Interrupt>,
        observer: &mut dyn Observer,
    ) -> Outcome {
        loop {
            let wait = match *self.stage.borrow() {
                Stage::Running => self.plan.epoch.instant(self.deadline),
                _ => Instant::now() + LOOK,
            };
            tokio::select! {
                biased;
                Some(interrupt) = interrupts.recv() => self.interrupt(interrupt),
                report = inbox.recv() => match report {
                    Some((shard, message)) => self.take(shard, message, observer),
                    None => break,
                },
                () = tokio::time::sleep_until(wait) => {}
            }
            let gone = self.look();
            if gone || self.shards.iter().all(|s| s.ended) {
                break;
            }
        }
        self.flush(u64::MAX, observer);
        Outcome {
            total: self.total,
            end: self.end,
            load_ended: self.load_ended.unwrap_or_else(|| self.plan.epoch.elapsed()),
            ended: self.plan.epoch.elapsed(),
            open_at_end: self.shards.iter().map(|s| s.open).sum(),
            lost_shards: self.shards.iter().filter(|s| !s.ended || s.lost).count() as u16,
            lost: self.lost,
            pacing: self.pacing,
            stalls: self.stalls,
        }
    }

    fn interrupt(&mut self, interrupt: Interrupt) {
        let again = matches!(self.end, End::Interrupted(_));
        let stage = *self.stage.borrow();
        let next = match stage {
            Stage::Running => Stage::Draining,
            // The load had ended by itself: now the drain is cut short.
            Stage::Draining if !again => Stage::Closing,
            _ => Stage::Cut,
        };
        self.end = End::Interrupted(interrupt);
        if next > stage {
            self.enter(next);
        }
    }

    fn take(&mut self, shard: u16, message: Message, observer: &mut dyn Observer) {
        let state = &mut self.shards[usize::from(shard)];
        match message {
            Message::Quiet(quiet) => state.quiet = quiet,
            Message::Idle => state.idle = true,
            Message::Stalled(stalls) => self.stalls.merge(&stalls),
            Message::Ended { open, pacing } => {
                self.pacing = pacing;
                state.ended = true;
                state.complete = u64::MAX;
                state.open = open;
            }
            Message::Lost(why) => {
                // What it reported stays; nobody waits for more.
                state.lost = true;
                state.ended = true;
                state.complete = u64::MAX;
                if !self.lost.contains(&why) {
                    observer.lost(&why);
                    self.lost.push(why);
                }
            }
            Message::Interval(interval) => {
                let index = interval.window.index;
                state.complete = index + 1;
                match self.pending.entry(index) {
                    std::collections::btree_map::Entry::Vacant(place) => {
                        place.insert(*interval);
                    }
                    std::collections::btree_map::Entry::Occupied(mut place) => {
                        place.get_mut().merge(&interval);
                        give_back(self.blanks.get(usize::from(shard)), *interval);
                    }
                }
            }
        }
        let complete = self.shards.iter().map(|s| s.complete).min();
        self.flush(complete.unwrap_or(0), observer);
    }

    /// Hands out the intervals below `complete`, in order.
    fn flush(&mut self, complete: u64, observer: &mut dyn Observer) {
        while let Some(entry) = self.pending.first_entry() {
            if *entry.key() >= complete {
                break;
            }
            let interval = entry.remove();
            self.total.add(&interval);
            if let ControlFlow::Break(reason) = observer.interval(&interval, &self.total)
                && *self.stage.borrow() == Stage::Running
            {
                self.end = End::Aborted(reason);
                self.enter(Stage::Draining);
            }
            give_back(self.blanks.first(), interval);
        }
    }

    /// Enters the next stage when it is time; true when the shards are given up.
    fn look(&mut self) -> bool {
        let now = self.plan.epoch.elapsed();
        let stage = *self.stage.borrow();
        // The end of the load is planned; what comes after it waits for others, and time in which
        // we could not look does not count. Before, there is no need to look often.
        if let Some(stall) = self.watch.look(now)
            && stage > Stage::Running
        {
            self.deadline = self.deadline + stall.length();
        }
        let late = now >= self.deadline;
        match stage {
            Stage::Running if self.shards.iter().all(|s| s.idle || s.ended) => {
                if !late {
                    self.end = End::NoClientsLeft;
                }
                self.enter(Stage::Closing);
            }
            Stage::Running if late => self.enter(Stage::Draining),
            Stage::Draining if late || self.is_drained() => self.enter(Stage::Closing),
            Stage::Closing if late => self.enter(Stage::Cut),
            Stage::Cut => return late,
            _ => {}
        }
        false
    }

    fn is_drained(&self) -> bool {
        let quiet = self.shards.iter().all(|s| s.quiet || s.idle || s.ended);
        quiet && self.plan.groups.outstanding() == 0
    }

    fn enter(&mut self, stage: Stage) {
        let limit = match stage {
            Stage::Running | Stage::Draining => self.plan.scenario.load.drain,
            Stage::Closing => {
                self.plan.scenario.target.close_timeout + CLOSING_SLACK + crowd(&self.plan)
            }
            Stage::Cut => cut_limit(&self.plan),
        };
        let now = self.plan.epoch.elapsed();
        // The wait before may have been a long one, and no stall.
        self.watch.look(now);
        self.load_ended.get_or_insert(now);
        self.deadline = now + limit;
        self.stage.send_replace(stage);
    }
}

/// What a crowd of clients needs beyond that.
fn crowd(plan: &Plan) -> Duration {
    Duration::from_secs(u64::from(plan.scenario.load.max_clients() / CROWD))
}

/// How long shards get to book what was cut off, in whichever process.
pub(super) fn cut_limit(plan: &Plan) -> Duration {
    CUT_LIMIT + crowd(plan)
}

/// Emptied intervals are used again, where there is room for them.
fn give_back(blanks: Option<&mpsc::Sender<Blank>>, interval: Interval) {
    if let Some(blanks) = blanks {
        let _ = blanks.try_send(interval.into_blank());
    }
}
