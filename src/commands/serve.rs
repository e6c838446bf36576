//! `wsbench serve`: the reference server alone, until it is told to stop.
//!
//! Prints `listening on ADDR` on stdout once connections are accepted, everything else on stderr.
//! Ends on Ctrl-C, SIGTERM or (for `wsbench run`, whose child it is) when stdin ends.

mod control;
mod fleet;
mod load;
mod served;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::commands::descriptors::raise_limit;
use crate::exit::Exit;
use crate::scenario::{Fault, FaultKind, ServerPlan};
use crate::server::{Part, Server, Totals};

use fleet::Fleet;
use served::Served;

/// Where the token comes from when the plan has none: arguments can be read by every process.
pub const TOKEN_VARIABLE: &str = "WSBENCH_SERVER_TOKEN";

/// Between two lines of `--metrics`, and two looks for shortages.
const PERIOD: Duration = Duration::from_secs(1);

/// What `serve` needs beside the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeOptions {
    /// Where to listen; port 0 = a free one.
    pub listen: SocketAddr,
    /// A line on stderr each second: connections, messages, bytes.
    pub metrics: bool,
    /// Stop when stdin ends, and leave Ctrl-C to the parent, which gets it too.
    pub stop_on_stdin_eof: bool,
    /// Obey commands from stdin, and answer on stdout.
    pub control: bool,
    /// Which of several processes that share the port this is.
    pub part: Part,
    /// No warnings on stderr.
    pub quiet: bool,
}

/// Serves until it is told to stop.
///
/// # Errors
/// The server could not be started, or a process of it ended, or stdout is gone.
pub fn run(
    mut plan: ServerPlan,
    timeline: &[Fault],
    options: ServeOptions,
) -> anyhow::Result<Exit> {
    let seed = plan.seed;
    let processes = plan.processes.unwrap_or(1);
    if let Some(single) = plan.single(timeline).filter(|_| processes > 1) {
        let hint = single.hint();
        let text = format!("error: --processes is above 1, but {single}\nhint: {hint}\n");
        let _ = io::stderr().write_all(text.as_bytes());
        return Ok(Exit::Usage);
    }
    if plan.token.is_none() {
        plan.token = std::env::var(TOKEN_VARIABLE).ok();
    }
    raise_limit();
    // Held: as long as nobody can say that a process ended, none has.
    let (notice, ended) = mpsc::channel(1);
    let served: Arc<dyn Served> = if processes > 1 {
        Arc::new(Fleet::start(&plan, options.listen, processes, &notice)?)
    } else {
        Arc::new(Server::start_part(plan, options.listen, options.part)?)
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let exit = runtime.block_on(async {
        tokio::select! {
            exit = watch(&served, ended, options) => exit,
            error = misbehave(&*served, timeline, seed) => Err(error),
        }
    });
    // The thread that reads stdin may hold the server too, but it ends with the process.
    served.stop();
    exit
}

/// The line that tells a parent that, and where, it can connect.
fn announce(address: SocketAddr) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on {address}")
        .and_then(|()| stdout.flush())
        .context("writing to stdout")
}

/// Waits for the end, talking meanwhile.
async fn watch(
    served: &Arc<dyn Served>,
    mut ended: mpsc::Receiver<String>,
    options: ServeOptions,
) -> anyhow::Result<Exit> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut stdin_end = watch_stdin(served, options)?;
    // After the handlers: whoever has read this may already send a signal.
    announce(served.address())?;
    let mut talk = Talk::new(options);
    let mut ticks = interval_at(Instant::now() + PERIOD, PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = interrupt.recv() => {
                if !options.stop_on_stdin_eof {
                    return Ok(Exit::Interrupted);
                }
            }
            _ = terminate.recv() => return Ok(Exit::Terminated),
            _ = &mut stdin_end => return Ok(Exit::Pass),
            Some(notice) = ended.recv() => anyhow::bail!(
                "{notice}; the server has ended with it\n\
                 hint: out of memory? the kernel's log says so: dmesg"
            ),
            // A process that did not say is asked again.
            at = ticks.tick() => if let Ok(totals) = served.totals() {
                talk.report(at, totals);
            },
        }
    }
}

/// Resolves when stdin ends; never, if nobody asked.
fn watch_stdin(
    served: &Arc<dyn Served>,
    options: ServeOptions,
) -> anyhow::Result<impl Future<Output = ()> + Unpin + use<>> {
    let (ended, end) = oneshot::channel::<()>();
    let held = if options.stop_on_stdin_eof || options.control {
        let controlled = options.control.then(|| Arc::clone(served));
        // A thread of its own, since a read of stdin cannot be cancelled; it ends with the process.
        std::thread::Builder::new()
            .name("stdin".to_owned())
            .spawn(move || {
                let mut stdin = io::stdin().lock();
                if let Some(served) = controlled {
                    // An error is nobody to talk to any more: only the end is waited for.
                    let _ = control::obey(&*served, &mut stdin, &mut io::stdout());
                }
                let _ = io::copy(&mut stdin, &mut io::sink());
                drop(ended);
            })
            .context("starting a thread for stdin")?;
        None
    } else {
        Some(ended)
    };
    Ok(Box::pin(async move {
        // Held as long as this future: an end nobody waits for must not come.
        let _held = held;
        let _ = end.await;
    }))
}

/// Switches the faults of the timeline, for ever; an error only when a fault cannot be switched.
async fn misbehave(served: &dyn Served, timeline: &[Fault], seed: u64) -> anyhow::Error {
    let start = Instant::now();
    let mut due = Vec::new();
    for (index, fault) in timeline.iter().enumerate() {
        let times = fault.times(Duration::MAX, seed.wrapping_add(index as u64));
        due.extend(times.into_iter().map(|time| (time, fault)));
    }
    due.sort_by_key(|(time, _)| *time);
    for (id, (time, fault)) in (1..).zip(due) {
        tokio::time::sleep_until(start + time).await;
        if let FaultKind::Server(plan) = &fault.kind
            && let Err(error) = served.start_fault(id, plan.clone(), fault.duration)
        {
            return anyhow::Error::msg(error);
        }
    }
    std::future::pending().await
}

/// What is said on stderr.
struct Talk {
    options: ServeOptions,
    last: Totals,
    last_at: Instant,
}

impl Talk {
    fn new(options: ServeOptions) -> Self {
        Self {
            options,
            last: Totals::default(),
            last_at: Instant::now(),
        }
    }

    fn report(&mut self, at: Instant, now: Totals) {
        let seconds = at.duration_since(self.last_at).as_secs_f64();
        let lines = lines(self.options, self.last, now, seconds);
        // Nobody reads stderr any more: that is no reason to stop serving.
        let _ = io::stderr().write_all(lines.as_bytes());
        (self.last, self.last_at) = (now, at);
    }
}

/// What there is to say about the time between two looks.
fn lines(options: ServeOptions, last: Totals, now: Totals, seconds: f64) -> String {
    let mut lines = String::new();
    let begins = |was: u64, is: u64| was == 0 && is > 0 && !options.quiet;
    if begins(last.descriptor_shortages, now.descriptor_shortages) {
        lines.push_str(
            "warning: accepting a connection: no file descriptor is free; those that are open are \
             served, new ones wait\nhint: raise the limit: ulimit -n\n",
        );
    }
    if begins(last.parcels_dropped, now.parcels_dropped) {
        lines.push_str(
            "warning: passing a broadcast to another thread: it is too far behind, so its members \
             miss messages\nhint: fewer messages, or one thread: --threads 1\n",
        );
    }
    if options.metrics {
        let rate = |was: u64, is: u64| is.saturating_sub(was) as f64 / seconds.max(1e-9);
        lines.push_str(&format!(
            "{} open, {:.0} opened/s, {:.0} messages/s in, {:.0} out, {:.0} bytes/s in, {:.0} out\n",
            now.open(),
            rate(last.upgrades, now.upgrades),
            rate(last.messages_received, now.messages_received),
            rate(last.messages_sent, now.messages_sent),
            rate(last.bytes_received, now.bytes_received),
            rate(last.bytes_sent, now.bytes_sent),
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: ServeOptions = ServeOptions {
        listen: SocketAddr::V4(std::net::SocketAddrV4::new(
            std::net::Ipv4Addr::LOCALHOST,
            0,
        )),
        metrics: false,
        stop_on_stdin_eof: false,
        control: false,
        part: Part::WHOLE,
        quiet: false,
    };

    #[test]
    fn rates_are_per_second_and_warnings_come_once() {
        let metrics = ServeOptions {
            metrics: true,
            ..OPTIONS
        };
        let now = Totals {
            upgrades: 10,
            closed: 4,
            messages_received: 200,
            descriptor_shortages: 3,
            ..Totals::default()
        };
        let said = lines(metrics, Totals::default(), now, 2.0);
        assert!(said.starts_with("warning: accepting"), "{said}");
        assert!(
            said.ends_with("6 open, 5 opened/s, 100 messages/s in, 0 out, 0 bytes/s in, 0 out\n"),
            "{said}"
        );
        assert_eq!(lines(OPTIONS, now, now, 2.0), "");
        let quiet = ServeOptions {
            quiet: true,
            ..OPTIONS
        };
        assert_eq!(lines(quiet, Totals::default(), now, 2.0), "");
    }
}
