//! What a scenario will do, computed before it runs: clients, messages, beats, deliveries, resources.
//!
//! Exact for schedules (areas under the load curve); it does not guess how fast a server answers, so
//! closed steps that repeat for ever are left out and said so.

use std::collections::{BTreeMap, BTreeSet};

use super::{Address, Context, HeartbeatStyle, Load, LoadModel, Scenario, Session, Step};

/// Expectations of a run in which nothing goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// Client starts: the sum of all ascents (closed), or the area under the curve (open).
    pub arrivals: f64,
    /// Connected at once at most; of an open load the limit.
    pub max_clients: u32,
    /// Messages from the start to the end of the stages, of steps with a schedule or a fixed number.
    pub messages: f64,
    /// Scheduled messages per second while most clients are connected; `None` for an open load.
    pub peak_rate: Option<f64>,
    /// Some session sends as fast as it is answered: `messages` does not count that.
    pub closed_loop: bool,
    /// Heartbeats per second while most clients are connected; `None` without heartbeats of our own.
    pub peak_beats: Option<f64>,
    /// Receivers of a message that is passed on, on average; `None` if no step says who they are.
    pub receivers: Option<f64>,
    /// Deliveries per second while most clients are connected.
    pub peak_deliveries: Option<f64>,
    /// Pairs of a source address and a target's address and port: each has ports of its own.
    pub paths: u64,
    /// File descriptors of the generator.
    pub descriptors: u64,
    /// Bytes of memory of the generator, the kernel's part included, roughly.
    pub memory: u64,
}

/// Bytes a client: connection, session, timers, buffers.
const CLIENT: u64 = 4 << 10;
/// Bytes more for TLS.
const TLS: u64 = 16 << 10;
/// Bytes a socket takes in the kernel while little is under way.
const SOCKET: u64 = 4 << 10;
/// Clients whose target and source address are looked at: both are dealt in turn.
const MAX_PATHS: u32 = 4_096;
/// Histograms and code.
const BASE: u64 = 24 << 20;
/// Standard streams, result files, timers, the runtimes.
const OWN_DESCRIPTORS: u64 = 128;
/// Clients beyond this are not dealt into groups one by one.
const MAX_GROUPED: u32 = 200_000;

impl Forecast {
    /// Descriptors of the generator beside those of its connections.
    pub const OWN_DESCRIPTORS: u64 = OWN_DESCRIPTORS;

    /// How many clients without TLS so many bytes are enough for.
    pub const fn plain_clients_in(bytes: u64) -> u64 {
        bytes.saturating_sub(BASE) / (CLIENT + SOCKET)
    }

    /// Computes the expectations.
    pub fn of(scenario: &Scenario) -> Self {
        let load = &scenario.load;
        let max_clients = load.max_clients();
        let open = matches!(load.model, LoadModel::Open { .. });
        let weights: u32 = scenario.sessions.iter().map(|session| session.weight).sum();
        let share = |session: &Session| f64::from(session.weight) / f64::from(weights.max(1));
        let arrivals = if open { area(load) } else { ascents(load) };
        let mut messages = 0.0;
        let mut rate = 0.0;
        for session in &scenario.sessions {
            let share = share(session);
            messages += share * arrivals * once(&session.steps);
            for (period, count) in schedules(&session.steps) {
                let expected = share * client_seconds(load) / period;
                let most = count.map_or(f64::INFINITY, |count| share * arrivals * count as f64);
                messages += expected.min(most);
                rate += share / period;
            }
        }
        let peak = f64::from(max_clients);
        let beats = !matches!(scenario.heartbeat.style, HeartbeatStyle::None);
        let (receivers, delivered) = deliveries(scenario, max_clients, share);
        let secure = scenario
            .target
            .urls
            .iter()
            .any(|url| url.to_string().starts_with("wss"));
        let tls = if secure { TLS } else { 0 };
        let client = CLIENT + tls + SOCKET;
        Self {
            arrivals,
            max_clients,
            messages,
            peak_rate: (!open).then_some(rate * peak),
            closed_loop: scenario
                .sessions
                .iter()
                .any(|session| loops(&session.steps)),
            peak_beats: beats.then(|| peak / scenario.heartbeat.interval.as_secs_f64()),
            receivers,
            peak_deliveries: receivers.map(|_| delivered * peak).filter(|_| !open),
            paths: paths(scenario, max_clients),
            descriptors: u64::from(max_clients) + OWN_DESCRIPTORS,
            memory: BASE + u64::from(max_clients) * client,
        }
    }
}

/// Pairs of a source address and a target that clients dial; names count as they are written.
fn paths(scenario: &Scenario, max_clients: u32) -> u64 {
    let target = &scenario.target;
    let rows: &[Vec<String>] = scenario.data.as_ref().map_or(&[], |data| &data.rows);
    let mut rng = fastrand::Rng::with_seed(scenario.seed);
    let mut seen = BTreeSet::new();
    for client in 0..max_clients.min(MAX_PATHS) as usize {
        let Some(url) = target.urls.get(client % target.urls.len().max(1)) else {
            break;
        };
        let row = rows.get(client % rows.len().max(1));
        let context = Context {
            client: client as u64,
            row: row.map_or(&[], Vec::as_slice),
            ..Context::default()
        };
        let mut text = Vec::new();
        url.render(&context, &mut rng, &mut text);
        let address = Address::parse(&String::from_utf8_lossy(&text));
        let place = address.map(|address| (address.host, address.port)).ok();
        let source = client.checked_rem(target.source_addresses.len());
        seen.insert((source, place));
    }
    seen.len().max(1) as u64
}

/// Integral of the curve: client-seconds of a closed load, arrivals of an open one.
fn area(load: &Load) -> f64 {
    let mut level = 0.0;
    let mut sum = 0.0;
    for stage in &load.stages {
        sum += (level + stage.goal) / 2.0 * stage.duration.as_secs_f64();
        level = stage.goal;
    }
    sum
}

/// Seconds that clients are there, summed; of an open load as if each stayed until the end.
fn client_seconds(load: &Load) -> f64 {
    if load.model == LoadModel::Closed {
        return area(load);
    }
    let mut left = load.duration().as_secs_f64();
    let mut level = 0.0;
    let mut sum = 0.0;
    for stage in &load.stages {
        let length = stage.duration.as_secs_f64();
        // Simpson's rule is exact: arrivals and the time left are both linear.
        let middle = 4.0 * (level + stage.goal) / 2.0 * (left - length / 2.0);
        sum += length / 6.0 * (level * left + middle + stage.goal * (left - length));
        left -= length;
        level = stage.goal;
    }
    sum
}

/// Clients started by a closed load.
fn ascents(load: &Load) -> f64 {
    let mut level = 0.0;
    let mut sum = 0.0;
    for stage in &load.stages {
        sum += (stage.goal - level).max(0.0);
        level = stage.goal;
    }
    sum
}

/// Messages that a client sends a fixed number of times.
pub(super) fn once(steps: &[Step]) -> f64 {
    let of = |step: &Step| match step {
        Step::Send(send) if send.schedule.is_none() => 1.0,
        Step::Repeat {
            times: Some(times),
            steps,
        } => *times as f64 * once(steps),
        _ => 0.0,
    };
    steps.iter().map(of).sum()
}

/// Period in seconds and number of each schedule.
pub(super) fn schedules(steps: &[Step]) -> impl Iterator<Item = (f64, Option<u64>)> + '_ {
    steps.iter().filter_map(|step| match step {
        Step::Send(send) => {
            let schedule = send.schedule.as_ref()?;
            Some((schedule.period.as_secs_f64(), schedule.count))
        }
        _ => None,
    })
}

/// Whether something is sent again and again without a schedule.
fn loops(steps: &[Step]) -> bool {
    let has_send = |steps: &[Step]| once(steps) > 0.0 || loops(steps);
    steps.iter().any(|step| match step {
        Step::Repeat { times: None, steps } => has_send(steps),
        Step::Repeat { steps, .. } => loops(steps),
        _ => false,
    })
}

/// Receivers a message on average, and deliveries per second for each client connected.
fn deliveries(
    scenario: &Scenario,
    max_clients: u32,
    share: impl Fn(&Session) -> f64,
) -> (Option<f64>, f64) {
    let mut receivers = None;
    let mut rate = 0.0;
    for session in &scenario.sessions {
        for step in &session.steps {
            let Step::Send(send) = step else { continue };
            let Some(delivery) = &send.delivery else {
                continue;
            };
            let (Some(group), 1..=MAX_GROUPED) = (&delivery.group, max_clients) else {
                continue;
            };
            let mut sizes: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
            let mut rng = fastrand::Rng::with_seed(scenario.seed);
            let rows: &[Vec<String>] = scenario.data.as_ref().map_or(&[], |data| &data.rows);
            for client in 0..max_clients {
                let row = rows.get(client as usize % rows.len().max(1));
                let context = Context {
                    client: u64::from(client),
                    row: row.map_or(&[], Vec::as_slice),
                    ..Context::default()
                };
                let mut name = Vec::new();
                group.render(&context, &mut rng, &mut name);
                *sizes.entry(name).or_default() += 1;
            }
            let pairs: f64 = sizes.values().map(|size| (size * size) as f64).sum();
            let own = if delivery.includes_sender { 0.0 } else { 1.0 };
            let mean = pairs / f64::from(max_clients) - own;
            receivers = Some(mean);
            if let Some(schedule) = &send.schedule {
                rate += share(session) * mean / schedule.period.as_secs_f64();
            }
        }
    }
    (receivers, rate)
}

#[cfg(test)]
mod tests {
    use super::super::{Overrides, Statistics};
    use super::*;

    fn forecast(text: &str) -> Forecast {
        let statistics = Statistics {
            kind: &|_| None,
            names: &[],
        };
        let text = format!("name = \"x\"\n[target]\nurl = \"ws://h/\"\n{text}");
        let read = Scenario::parse(
            "x.toml",
            &text,
            &Overrides::default(),
            &|_| None,
            &statistics,
        );
        Forecast::of(&read.unwrap_or_else(|problems| panic!("{problems}")))
    }

    #[test]
    fn a_closed_load_is_the_area_times_the_rate() {
        let forecast = forecast(
            "[load]\nstages = [ { duration = \"10s\", clients = 100 }, { duration = \"20s\", clients = 100 } ]\n\
             [[session]]\nname = \"a\"\nweight = 3\n[[session.step]]\nsend = \"hi\"\n[[session.step]]\nevery = \"2/s\"\n\
             send = \"{{intended_us}}\"\ndelivery = { prefix = \"x\", sent = \"/s\", group = \"{{client % 20}}\", includes_sender = false }\n\
             [[session]]\nname = \"b\"\nweight = 1\n",
        );
        // Area 500 + 2000 client-seconds, three quarters of them at 2/s, and 75 greetings.
        assert_eq!(forecast.messages, 2_500.0 * 0.75 * 2.0 + 75.0);
        assert_eq!(forecast.peak_rate, Some(150.0));
        assert_eq!(forecast.arrivals, 100.0);
        assert_eq!(forecast.receivers, Some(4.0));
        assert_eq!(forecast.peak_deliveries, Some(600.0));
        assert!(!forecast.closed_loop);
    }

    #[test]
    fn an_open_load_counts_arrivals() {
        let forecast = forecast(
            "[load]\nmodel = \"open\"\nmax_clients = 50\nstages = [ { duration = \"10s\", arrivals_per_s = 20 }, { duration = \"10s\", arrivals_per_s = 20 } ]\n\
             [[session]]\n[[session.step]]\nrepeat = { times = 3, steps = [ { send = \"x\" }, { send = \"y\" } ] }\n\
             [[session.step]]\nclose = {}\n",
        );
        assert_eq!(forecast.arrivals, 300.0);
        assert_eq!(forecast.messages, 1_800.0);
        assert_eq!(forecast.max_clients, 50);
        assert_eq!(forecast.peak_rate, None);
    }

    #[test]
    fn schedules_of_an_open_load_run_until_the_end() {
        let forecast = forecast(
            "[load]\nmodel = \"open\"\nmax_clients = 50\nstages = [ { duration = \"10s\", arrivals_per_s = 6 } ]\n\
             [[session]]\n[[session.step]]\nevery = \"1s\"\nsend = \"x\"\n",
        );
        // Integral of 0.6 t (10 - t) from 0 to 10.
        assert!(
            (forecast.messages - 100.0).abs() < 1e-9,
            "{}",
            forecast.messages
        );
    }

    #[test]
    fn paths_are_the_pairs_that_are_dealt() {
        let load = "[load]\nstages = [ { duration = \"1s\", clients = 100 } ]\n[target]\n";
        let two = "urls = [\"ws://a/x\", \"ws://b/{{client}}\"]\n";
        let ips = |n: u32| {
            let ips: Vec<_> = (1..=n).map(|n| format!("\"127.0.0.{n}\"")).collect();
            format!("source_addresses = [{}]\n", ips.join(", "))
        };
        for (target, expected) in [
            ("url = \"ws://a/{{uuid}}\"\n".to_owned(), 1),
            ("url = \"ws://a:{{9000 + client % 4}}/\"\n".to_owned(), 4),
            (two.to_owned(), 2),
            (two.to_owned() + &ips(3), 6),
            // In step: the first source only ever dials the first target.
            (two.to_owned() + &ips(2), 2),
        ] {
            let statistics = Statistics {
                kind: &|_| None,
                names: &[],
            };
            let text = format!("name = \"x\"\n{load}{target}");
            let none = Overrides::default();
            let read = Scenario::parse("x.toml", &text, &none, &|_| None, &statistics);
            let scenario = read.unwrap_or_else(|problems| panic!("{problems}"));
            assert_eq!(Forecast::of(&scenario).paths, expected, "{target}");
        }
    }
}
