//! The scenarios of a calibration: written as text and read like anybody's, so that what is saved can
//! be run again.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::{Context as _, anyhow};

use crate::scenario::{Overrides, Scenario, Statistics};
use crate::units::TimeSpan;

/// Connections are opened so fast at most, so that the load does not begin with a stampede.
const DIALS_PER_S: f64 = 5_000.0;
/// Between the last dial and the first measured message.
const SETTLE: Duration = Duration::from_millis(200);
/// Ports that are tried; all lie below Linux's ephemeral ports, from which clients get theirs.
const PORTS: std::ops::Range<u16> = 20_000..30_000;
/// Most ports that are tried.
const MOST_TRIED: usize = 100;

/// What the server is to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Load {
    /// Connections.
    pub clients: u32,
    /// What they do.
    pub traffic: Traffic,
    /// Generator threads.
    pub shards: u16,
    /// Threads of the server.
    pub server_threads: u16,
    /// Of every answer.
    pub delay: Duration,
    /// The measured part.
    pub measure: Duration,
    /// Of every draw.
    pub seed: u64,
}

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Traffic {
    /// So many messages a second, all clients together, on an open schedule.
    Messages(u64),
    /// Open, close, again.
    Handshakes,
}

impl Load {
    /// The scenario, against a server on `port`.
    pub fn scenario(&self, port: u16) -> anyhow::Result<Scenario> {
        let name = "the scenario of a calibration";
        let statistics = Statistics {
            kind: &|_| None,
            names: &[],
        };
        let text = self.text(port);
        Scenario::parse(name, &text, &Overrides::default(), &|_| None, &statistics)
            .map_err(|problems| anyhow!("{problems}"))
    }

    fn text(&self, port: u16) -> String {
        let ramp = Duration::from_secs_f64((f64::from(self.clients) / DIALS_PER_S).max(0.2));
        let (clients, shards, seed) = (self.clients, self.shards, self.seed);
        let hold = TimeSpan(SETTLE + self.measure);
        let (warm_up, ramp) = (TimeSpan(ramp + SETTLE), TimeSpan(ramp));
        let (threads, delay) = (self.server_threads, TimeSpan(self.delay));
        let steps = self.steps();
        format!(
            r#"name = "calibrate"
description = "A load of wsbench calibrate against the built-in server."
seed = {seed}

[target]
url = "ws://127.0.0.1:{port}/"

[server]
behaviour = "echo"
threads = {threads}
delay = "{delay}"

[load]
warm_up = "{warm_up}"
drain = "1s"
shards = {shards}
stages = [ {{ duration = "{ramp}", clients = {clients} }}, {{ duration = "{hold}", clients = {clients} }} ]

[heartbeat]
style = "none"

[[session]]
name = "calibrate"
[[session.step]]
{steps}
"#
        )
    }

    fn steps(&self) -> String {
        match self.traffic {
            Traffic::Handshakes => "close = { code = 1000 }".to_owned(),
            Traffic::Messages(per_s) => {
                let period = f64::from(self.clients) / per_s.max(1) as f64;
                let period = TimeSpan(Duration::from_secs_f64(period));
                format!(
                    "every = \"{period}\"\n\
                     send = \"{{{{10000000 + client}}}}-{{{{1000000000 + seq}}}} {{{{text 44}}}}\"\n\
                     reply = {{ echo = true, timeout = \"1s\" }}"
                )
            }
        }
    }
}

/// A port on which nobody listens; a new one for each load, so that nothing that lingers of the one
/// before is met.
pub(super) fn free_port(draw: &mut fastrand::Rng) -> anyhow::Result<u16> {
    let tried = std::iter::repeat_with(|| draw.u16(PORTS)).take(MOST_TRIED);
    let is_free = |port: &u16| {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
        TcpListener::bind(address).is_ok()
    };
    let mut free = tried.filter(is_free);
    free.next().with_context(|| {
        let (first, last) = (PORTS.start, PORTS.end - 1);
        format!(
            "find a port for the built-in server: {MOST_TRIED} of {first} to {last} are taken\n\
             hint: stop what listens there"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{ScheduleKind, Step};

    fn load(clients: u32, traffic: Traffic) -> Load {
        Load {
            clients,
            traffic,
            shards: 1,
            server_threads: 1,
            delay: Duration::from_millis(20),
            measure: Duration::from_millis(1_200),
            seed: 7,
        }
    }

    #[test]
    fn a_rate_is_an_open_schedule_over_all_clients() {
        for (clients, per_s, period) in [
            (1_000, 10_000, Duration::from_millis(100)),
            (1_000, 100, Duration::from_secs(10)),
            (1, 1_000_000, Duration::from_micros(1)),
            (20_000, 30_000, Duration::from_nanos(666_666_667)),
        ] {
            let load = load(clients, Traffic::Messages(per_s));
            let scenario = load.scenario(20_000).expect("good");
            let Step::Send(send) = &scenario.sessions[0].steps[0] else {
                panic!("a send");
            };
            let schedule = send.schedule.as_ref().expect("open");
            assert_eq!(
                (schedule.period, schedule.kind),
                (period, ScheduleKind::Fixed)
            );
            let server = scenario.server.as_ref().expect("built in");
            assert_eq!(server.delay, Duration::from_millis(20));
            let measured = scenario.load.duration() - scenario.load.warm_up;
            assert_eq!(measured, load.measure);
            assert!(scenario.warnings.is_empty(), "{:?}", scenario.warnings);
        }
    }

    #[test]
    fn handshakes_only_open_and_close() {
        let scenario = load(64, Traffic::Handshakes).scenario(20_000);
        let scenario = scenario.expect("good");
        assert!(matches!(
            scenario.sessions[0].steps[..],
            [Step::Close { .. }]
        ));
    }

    /// The same draws give the same port again until somebody listens there. A process that another
    /// test is just starting holds a copy of every socket of this one for a moment, that of the trial
    /// too: then a later try finds it free.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "no runtime and no clients here")]
    fn a_free_port_can_be_listened_on_and_a_taken_one_is_not_given() {
        let given = || free_port(&mut fastrand::Rng::with_seed(9)).expect("some are free");
        let tries = std::iter::repeat_with(|| {
            std::thread::sleep(Duration::from_millis(10));
            let port = given();
            Some((port, TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?))
        });
        let mut taken = tries.take(200).flatten();
        let (port, _listener) = taken.next().expect("one of the ports given is free");
        assert_ne!(port, given());
    }
}
