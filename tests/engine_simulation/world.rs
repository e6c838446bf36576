//! A run without sockets: shards, coordinator and the other side share a thread and its paused clock.

use std::cell::Cell;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::runtime::LocalOptions;
use tokio::sync::{mpsc, watch};
use wsbench::clock::Alarm;
use wsbench::engine::plan::Plan;
use wsbench::engine::run::{Coordinator, Interrupt, Observer, Outcome};
use wsbench::engine::shard::{self, Lines, REPORTS};
use wsbench::engine::stage::Stage;
use wsbench::engine::storm::Tracker;
use wsbench::failure::{CloseCause, FailureKind};
use wsbench::metrics::{
    AtEnd, ConnectionStep, Counter, Events, Gauges, Histogram, Interval, Metric, Quantile, Sheet,
    Total, conservation,
};
use wsbench::result::StormReport;
use wsbench::scenario::{Overrides, Scenario, Statistics};
use wsbench::wire::{Answer, Dial, DialError, Dialled, Timings, UpgradeRequest, Url};

/// What becomes of a dial.
pub enum Reaction {
    /// It opens, and this serves the other end.
    Serve(Pin<Box<dyn Future<Output = ()>>>, DuplexStream),
    /// It fails at once.
    Fail(FailureKind),
    /// It is refused, with Retry-After.
    Busy(Duration),
    /// Nobody ever answers.
    Never,
}

/// Serves a new connection with `serve`.
pub fn serve<F: Future<Output = ()> + 'static>(serve: impl FnOnce(DuplexStream) -> F) -> Reaction {
    let (near, far) = tokio::io::duplex(64 * 1024);
    Reaction::Serve(Box::pin(serve(far)), near)
}

/// The other side: decides by the number of the dial, from 0.
pub type Other = Rc<dyn Fn(u64) -> Reaction>;

/// The same for every dial.
pub fn always<F: Future<Output = ()> + 'static>(
    peer: impl Fn(DuplexStream) -> F + 'static,
) -> Other {
    Rc::new(move |_| serve(&peer))
}

struct Memory {
    other: Other,
    dials: Rc<Cell<u64>>,
}

impl Dial for Memory {
    type Stream = DuplexStream;

    async fn dial(
        &self,
        _: &Url,
        _: &UpgradeRequest,
        _: Option<IpAddr>,
    ) -> Result<Dialled<DuplexStream>, Box<DialError>> {
        let number = self.dials.replace(self.dials.get() + 1);
        match (self.other)(number) {
            Reaction::Serve(peer, stream) => {
                tokio::task::spawn_local(peer);
                let answer = Answer {
                    leftover: Vec::new(),
                    subprotocol: None,
                    timings: Timings::default(),
                };
                Ok(Dialled { stream, answer })
            }
            Reaction::Fail(kind) => Err(refusal(kind, None)),
            Reaction::Busy(wait) => Err(refusal(FailureKind::HttpStatus(503), Some(wait))),
            Reaction::Never => std::future::pending().await,
        }
    }
}

fn refusal(kind: FailureKind, retry_after: Option<Duration>) -> Box<DialError> {
    Box::new(DialError {
        kind,
        detail: "as told".to_owned(),
        timings: Timings::default(),
        retry_after,
    })
}

/// What a run left behind.
pub struct Run {
    pub outcome: Outcome,
    pub everything: Sheet,
    pub gauges: Vec<Gauges>,
    /// What happened to connections.
    pub events: Events,
    /// Mass disconnects.
    pub storms: Vec<StormReport>,
}

impl Run {
    /// Of the whole run.
    pub fn count(&self, counter: Counter) -> u64 {
        self.everything.counter(counter)
    }

    /// Of the measured phase.
    pub fn measured(&self, counter: Counter) -> u64 {
        self.outcome.total.measured.counter(counter)
    }

    /// Times of the measured phase.
    pub fn times(&self, metric: Metric) -> &Histogram {
        let histogram = self.outcome.total.measured.histogram(metric);
        histogram.unwrap_or_else(|| panic!("no {}", metric.name()))
    }

    /// A quantile of them, among all that were answered.
    pub fn quantile(&self, metric: Metric, q: f64) -> Duration {
        match self.times(metric).quantile(q, 0) {
            Quantile::Value(value) => value,
            other => panic!("{other:?} without censored samples"),
        }
    }

    /// The longest of them.
    pub fn longest(&self, metric: Metric) -> Duration {
        self.times(metric).max().expect("not empty")
    }

    /// The longest of the whole run.
    pub fn longest_of_all(&self, metric: Metric) -> Duration {
        let histogram = self.everything.histogram(metric).expect("not empty");
        histogram.max().expect("not empty")
    }

    pub fn closes(&self) -> Vec<(CloseCause, u64)> {
        let closes = self.everything.closes.iter();
        closes.map(|(cause, tally)| (*cause, tally.count)).collect()
    }

    pub fn failures(&self) -> Vec<(FailureKind, u64)> {
        let failures = self.everything.failures.iter();
        failures.map(|(kind, tally)| (*kind, tally.count)).collect()
    }

    /// When the run ended.
    pub fn ended(&self) -> Duration {
        self.outcome.ended.as_duration()
    }

    /// Every connection event was kept: as many as the counters say.
    #[track_caller]
    fn assert_events(&self) {
        let count = |is: fn(&ConnectionStep) -> bool| {
            let like = self.events.list.iter().filter(|event| is(&event.what));
            like.count() as u64
        };
        use ConnectionStep as S;
        let ended = self.count(Counter::ConnectionsClosed) + self.outcome.open_at_end;
        for (counted, expected) in [
            (
                count(|s| matches!(s, S::Attempt { .. })),
                self.count(Counter::ConnectionsAttempted),
            ),
            (
                count(|s| matches!(s, S::Opened(_))),
                self.count(Counter::ConnectionsOpened),
            ),
            (
                count(|s| matches!(s, S::Failed { .. })),
                self.count(Counter::ConnectionsFailed),
            ),
            (
                count(|s| matches!(s, S::Abandoned)),
                self.count(Counter::ConnectionsAbandoned),
            ),
            (count(|s| matches!(s, S::Lost | S::Closed)), ended),
            (
                count(|s| matches!(s, S::GaveUp)),
                self.count(Counter::GaveUp),
            ),
            (
                count(|s| matches!(s, S::Left)),
                self.count(Counter::ArrivalsStarted),
            ),
        ] {
            assert_eq!(counted, expected);
        }
        assert_eq!(self.events.dropped, 0);
    }

    /// Asserts several counters of the whole run at once.
    #[track_caller]
    pub fn assert(&self, expected: &[(Counter, u64)]) {
        let got: Vec<_> = expected.iter().map(|(c, _)| (*c, self.count(*c))).collect();
        assert_eq!(got, expected);
    }
}

#[derive(Default)]
struct Keeper {
    gauges: Vec<Gauges>,
    events: Events,
    tracker: Option<Tracker>,
}

impl Observer for Keeper {
    fn interval(&mut self, interval: &Interval, _: &Total) -> ControlFlow<String> {
        self.gauges.push(interval.gauges);
        self.events.merge(&interval.events);
        let tracker = self.tracker.as_mut().expect("made with the plan");
        tracker.take(&interval.events, interval.window.end);
        ControlFlow::Continue(())
    }
}

/// A load of `clients` that start within the first second, a warm-up of 2 s and a measured phase of
/// `seconds`; then what `rest` says.
pub fn closed(clients: u32, seconds: u32, rest: &str) -> String {
    let hold = seconds + 1;
    format!(
        r#"
name = "simulation"
[target]
url = "ws://127.0.0.1:1/"
[load]
warm_up = "2s"
drain = "2s"
stages = [ {{ duration = "1s", clients = {clients} }}, {{ duration = "{hold}s", clients = {clients} }} ]
{rest}
"#
    )
}

/// No heartbeats; one session whose steps follow.
pub const SESSION: &str = r#"
[heartbeat]
style = "none"
[[session]]
name = "only"
"#;

pub fn plan(toml: &str) -> Scenario {
    let kind = |_: &str| None;
    let statistics = Statistics {
        kind: &kind,
        names: &[],
    };
    let env = |_: &str| None;
    Scenario::parse("simulation", toml, &Overrides::default(), &env, &statistics)
        .unwrap_or_else(|problems| panic!("{}", problems.render(false)))
}

/// Runs a scenario against `other` on one shard, without interruption.
pub fn simulate(toml: &str, other: Other) -> Run {
    simulate_with(toml, 1, &[], other)
}

/// Runs a scenario on so many shards, with Ctrl-C at these times.
pub fn simulate_with(toml: &str, shards: u16, interrupts: &[Duration], other: Other) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build_local(LocalOptions::default())
        .expect("a runtime");
    let scenario = Arc::new(plan(toml));
    let mut keeper = Keeper::default();
    let outcome = runtime.block_on(async {
        let plan = Arc::new(Plan::new(scenario, shards).expect("no TLS"));
        keeper.tracker = Some(Tracker::of(&plan, 0));
        let (reports, inbox) = mpsc::channel(REPORTS);
        let (stage, stages) = watch::channel(Stage::Running);
        let dials = Rc::new(Cell::new(0));
        let mut blanks = Vec::new();
        for index in 0..shards {
            let (blank, lines_blanks) = mpsc::channel(REPORTS);
            blanks.push(blank);
            let lines = Lines {
                reports: reports.clone(),
                blanks: lines_blanks,
                stage: stages.clone(),
            };
            let memory = Memory {
                other: Rc::clone(&other),
                dials: Rc::clone(&dials),
            };
            let alarm = Alarm::simulated();
            tokio::task::spawn_local(shard::run(Arc::clone(&plan), index, memory, alarm, lines));
        }
        drop((reports, stages));
        let (press, pressed) = mpsc::channel(4);
        for at in interrupts.iter().copied() {
            let press = press.clone();
            tokio::task::spawn_local(async move {
                tokio::time::sleep(at).await;
                let _ = press.send(Interrupt::Interrupted).await;
            });
        }
        drop(press);
        let coordinator = Coordinator::new(plan, stage, blanks);
        coordinator.coordinate(inbox, pressed, &mut keeper).await
    });
    drop(runtime);
    balance(outcome, keeper)
}

/// Checks what is true of every run.
#[track_caller]
fn balance(mut outcome: Outcome, keeper: Keeper) -> Run {
    for sheet in [&mut outcome.total.measured, &mut outcome.total.other] {
        let expected = sheet.counter(Counter::DeliveriesExpected);
        let received = sheet.counter(Counter::DeliveriesReceived);
        sheet.add(Counter::DeliveriesMissing, expected - received);
    }
    let everything = outcome.total.everything();
    let at_end = AtEnd {
        open_connections: outcome.open_at_end,
    };
    assert_eq!(conservation::check(&everything, &at_end), []);
    assert_eq!(conservation::check_measured(&outcome.total.measured), []);
    assert_eq!(outcome.lost_shards, 0);
    let last = keeper.gauges.last().expect("at least the last interval");
    assert_eq!((last.connected, last.clients, last.outstanding), (0, 0, 0));
    let mut tracker = keeper.tracker.expect("made with the plan");
    let run = Run {
        storms: tracker.finish(outcome.ended),
        outcome,
        everything,
        gauges: keeper.gauges,
        events: keeper.events,
    };
    run.assert_events();
    run
}
