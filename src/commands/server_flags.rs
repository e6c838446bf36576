//! Every key of `[server]` as a flag of `wsbench serve`, and back: `wsbench run` starts its server
//! with the very flags a person would type.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::scenario::{Behaviour, Fault, MOST_PROCESSES, ServerPlan, Stall, TimedFault};
use crate::units::{ByteSize, Count, TimeSpan};

/// What the server does with messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BehaviourFlag {
    /// Sends every message back
    Echo,
    /// Rooms: join -> joined; say -> ack to the sender, said to the room
    Chat,
    /// Sends every message to all connections, the sender included
    Broadcast,
    /// {"id":x} -> {"ack":x}
    Ack,
}

/// Settings of the reference server.
#[derive(Args, Clone, Debug)]
pub struct ServerFlags {
    /// What the server does with messages
    #[arg(long, default_value = "echo")]
    pub behaviour: BehaviourFlag,
    /// Put before every echoed text
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub echo_prefix: String,
    /// A text message to every new connection
    #[arg(long, value_name = "TEXT")]
    pub greeting: Option<String>,
    /// Needed as ?token= or Authorization: Bearer; give it as WSBENCH_SERVER_TOKEN, since arguments
    /// can be read by everybody on the machine
    #[arg(
        long,
        value_name = "TOKEN",
        env = "WSBENCH_SERVER_TOKEN",
        hide_env_values = true
    )]
    pub token: Option<String>,
    /// Answer a wrong token with HTTP 401 instead of close 4001
    #[arg(long)]
    pub reject_with_401: bool,
    /// Allow this Origin; all others get 403. Repeatable; none = all are allowed
    #[arg(long, value_name = "ORIGIN")]
    pub origin: Vec<String>,
    /// Choose this subprotocol when it is offered. Repeatable, in order of preference
    #[arg(long, value_name = "NAME")]
    pub subprotocol: Vec<String>,
    /// Ping every connection so often, and end those that did not answer the last ping
    #[arg(long, value_name = "TIME")]
    pub ping_interval: Option<TimeSpan>,
    /// More connections get HTTP 503
    #[arg(long, value_name = "N")]
    pub max_connections: Option<Count>,
    /// A larger message is closed with 1009
    #[arg(long, value_name = "BYTES", default_value = "1MiB")]
    pub max_message: ByteSize,
    /// A larger frame is closed with 1009
    #[arg(long, value_name = "BYTES", default_value = "1MiB")]
    pub max_frame: ByteSize,
    /// Send every reply so long after its message was read
    #[arg(long, value_name = "TIME", default_value = "0s")]
    pub delay: TimeSpan,
    /// Freeze the whole server for so long
    #[arg(long, value_name = "TIME", requires = "stall_every")]
    pub stall: Option<TimeSpan>,
    /// How often to freeze: from one freeze's start to the next
    #[arg(long, value_name = "TIME", requires = "stall")]
    pub stall_every: Option<TimeSpan>,
    /// Do this wrong, e.g. drop_pongs,probability=10% or restart_server,at=5s,duration=1s (keys
    /// as of a fault in a scenario; at, every, count and duration count from the start). Repeatable
    #[arg(long, value_name = "KIND[,KEY=VALUE...]")]
    pub fault: Vec<TimedFault>,
    /// Seeds the draws of faults
    #[arg(long, value_name = "N", default_value = "1")]
    pub seed: u64,
    /// Serve wss://, with --cert and --key or with a certificate made on the spot
    #[arg(long)]
    pub tls: bool,
    /// PEM certificate chain
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// PEM private key
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Server threads, of all processes together [default: half of the machine's cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Processes that share the port (SO_REUSEPORT), for more connections than one process may have
    /// descriptors; not with chat, broadcast, --max-connections, --stall or the fault backlog
    /// [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(MOST_PROCESSES)))]
    pub processes: Option<u16>,
}

impl ServerFlags {
    /// Faults on a timeline, which the plan does not hold.
    pub fn timeline(&self) -> Vec<Fault> {
        let timed = self.fault.iter().filter_map(|fault| match fault {
            TimedFault::Always(_) => None,
            TimedFault::Timed(fault) => Some(fault.clone()),
        });
        timed.collect()
    }
}

impl From<ServerFlags> for ServerPlan {
    fn from(flags: ServerFlags) -> Self {
        let size = |size: ByteSize| usize::try_from(size.0).unwrap_or(usize::MAX);
        let stall = match (flags.stall, flags.stall_every) {
            (Some(duration), Some(every)) => Some(Stall {
                duration: duration.0,
                every: every.0,
            }),
            _ => None,
        };
        Self {
            listen: None,
            behaviour: match flags.behaviour {
                BehaviourFlag::Echo => Behaviour::Echo,
                BehaviourFlag::Chat => Behaviour::Chat,
                BehaviourFlag::Broadcast => Behaviour::Broadcast,
                BehaviourFlag::Ack => Behaviour::Ack,
            },
            echo_prefix: flags.echo_prefix,
            greeting: flags.greeting,
            token: flags.token,
            reject_with_401: flags.reject_with_401,
            origins: flags.origin,
            subprotocols: flags.subprotocol,
            ping_interval: flags.ping_interval.map(|span| span.0),
            max_connections: flags
                .max_connections
                .map(|n| u32::try_from(n.0).unwrap_or(u32::MAX)),
            max_message: size(flags.max_message),
            max_frame: size(flags.max_frame),
            delay: flags.delay.0,
            stall,
            faults: flags
                .fault
                .into_iter()
                .filter_map(|fault| match fault {
                    TimedFault::Always(plan) => Some(plan),
                    TimedFault::Timed(_) => None,
                })
                .collect(),
            seed: flags.seed,
            tls: flags.tls || flags.cert.is_some(),
            cert: flags.cert,
            key: flags.key,
            threads: flags.threads,
            processes: flags.processes,
        }
    }
}

/// The arguments of a `wsbench serve` that does what `plan` says; all but the token, which goes by
/// the environment.
pub fn arguments(plan: &ServerPlan, listen: SocketAddr) -> Vec<OsString> {
    let mut list: Vec<OsString> = vec!["serve".into()];
    let mut give = |flag: &str, value: OsString| {
        let mut argument = OsString::from(format!("--{flag}="));
        argument.push(value);
        list.push(argument);
    };
    let time = |span: Duration| TimeSpan(span).to_string().into();
    let bytes = |size: usize| ByteSize(size as u64).to_string().into();
    give("listen", listen.to_string().into());
    let behaviour = match plan.behaviour {
        Behaviour::Echo => "echo",
        Behaviour::Chat => "chat",
        Behaviour::Broadcast => "broadcast",
        Behaviour::Ack => "ack",
    };
    give("behaviour", behaviour.into());
    give("echo-prefix", plan.echo_prefix.clone().into());
    give("max-message", bytes(plan.max_message));
    give("max-frame", bytes(plan.max_frame));
    give("delay", time(plan.delay));
    give("seed", plan.seed.to_string().into());
    for fault in &plan.faults {
        give("fault", fault.to_string().into());
    }
    if let Some(greeting) = &plan.greeting {
        give("greeting", greeting.into());
    }
    for origin in &plan.origins {
        give("origin", origin.into());
    }
    for subprotocol in &plan.subprotocols {
        give("subprotocol", subprotocol.into());
    }
    if let Some(interval) = plan.ping_interval {
        give("ping-interval", time(interval));
    }
    if let Some(most) = plan.max_connections {
        give("max-connections", most.to_string().into());
    }
    if let Some(Stall { duration, every }) = plan.stall {
        give("stall", time(duration));
        give("stall-every", time(every));
    }
    if let (Some(cert), Some(key)) = (&plan.cert, &plan.key) {
        give("cert", cert.into());
        give("key", key.into());
    }
    if let Some(threads) = plan.threads {
        give("threads", threads.to_string().into());
    }
    if let Some(processes) = plan.processes {
        give("processes", processes.to_string().into());
    }
    for (set, flag) in [
        (plan.tls, "--tls"),
        (plan.reject_with_401, "--reject-with-401"),
    ] {
        if set {
            list.push(flag.into());
        }
    }
    list
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[arg(long)]
        listen: SocketAddr,
        #[command(flatten)]
        flags: ServerFlags,
    }

    /// What no flags give.
    pub fn plan() -> ServerPlan {
        Line::parse_from(["serve", "--listen=127.0.0.1:0"])
            .flags
            .into()
    }

    #[test]
    fn a_plan_survives_the_command_line() {
        let full = ServerPlan {
            listen: None,
            behaviour: Behaviour::Chat,
            echo_prefix: "--x=".to_owned(),
            greeting: Some("hello, \"you\"".to_owned()),
            token: None,
            reject_with_401: true,
            origins: vec!["https://a".to_owned(), "https://b".to_owned()],
            subprotocols: vec!["a".to_owned(), "b".to_owned()],
            ping_interval: Some(Duration::from_millis(1500)),
            max_connections: Some(7),
            max_message: 12_345,
            max_frame: 4096,
            delay: Duration::from_micros(20_500),
            stall: Some(Stall {
                duration: Duration::from_secs(1),
                every: Duration::from_secs(5),
            }),
            faults: [
                "drop_pongs,probability=10%",
                "refuse,status=429,retry_after=2s",
            ]
            .map(|text| text.parse().expect(text))
            .into(),
            seed: u64::MAX,
            tls: true,
            cert: Some("c.pem".into()),
            key: Some("k.pem".into()),
            threads: Some(3),
            processes: Some(2),
        };
        let listen: SocketAddr = "[::1]:9001".parse().expect("an address");
        let line = Line::parse_from(arguments(&full, listen));
        assert_eq!(line.listen, listen);
        assert_eq!(ServerPlan::from(line.flags), full);
    }
}
