//! Server faults as one word: `delay,delay=20ms,jitter=5ms`. For flags, and between processes.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{Fault, FaultKind, ServerEnding, ServerFault, ServerFaultPlan};
use crate::units::{Ratio, TimeSpan};

/// Why a text is no fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FaultTextError(String);

/// A server fault and, perhaps, when it happens: `restart_server,at=5s,duration=1s`.
#[derive(Clone, Debug, PartialEq)]
pub enum TimedFault {
    /// From the start, as long as the server lives.
    Always(ServerFaultPlan),
    /// On a timeline.
    Timed(Fault),
}

/// Keys of the timeline; all others are the plan's.
const TIMELINE: [&str; 4] = ["at", "every", "count", "duration"];
const KINDS: &str = "restart_server, drop_connections, stall_server, delay, drop_pongs, drop_replies, \
                     reorder_replies, duplicate_replies, corrupt_replies, accept_rate, backlog, refuse, \
                     close_after";

/// The `key=value` parts that nobody has asked for yet.
struct Parts<'a> {
    kind: &'a str,
    left: Vec<(&'a str, &'a str)>,
}

impl<'a> Parts<'a> {
    fn split(text: &'a str) -> Result<Self, FaultTextError> {
        let mut words = text.split(',').map(str::trim);
        let kind = words.next().unwrap_or_default();
        let mut left: Vec<(&str, &str)> = Vec::new();
        for word in words {
            let Some((key, value)) = word.split_once('=') else {
                return Err(FaultTextError(format!("`{word}` is no key=value")));
            };
            if left.iter().any(|(known, _)| *known == key) {
                return Err(FaultTextError(format!("`{key}` stands twice")));
            }
            left.push((key, value));
        }
        Ok(Self { kind, left })
    }

    fn take<T: FromStr<Err: fmt::Display>>(
        &mut self,
        key: &str,
    ) -> Result<Option<T>, FaultTextError> {
        let Some(at) = self.left.iter().position(|(known, _)| *known == key) else {
            return Ok(None);
        };
        let (_, text) = self.left.remove(at);
        let read = text.parse::<T>();
        let value = read.map_err(|error| FaultTextError(format!("{key}={text}: {error}")))?;
        Ok(Some(value))
    }

    fn need<T: FromStr<Err: fmt::Display>>(&mut self, key: &str) -> Result<T, FaultTextError> {
        let kind = self.kind;
        let missing = || FaultTextError(format!("the fault {kind} needs {key}=..."));
        self.take(key)?.ok_or_else(missing)
    }

    fn time(&mut self, key: &str) -> Result<Option<Duration>, FaultTextError> {
        Ok(self.take::<TimeSpan>(key)?.map(|span| span.0))
    }

    /// A share above zero.
    fn share(&mut self, key: &str) -> Result<f64, FaultTextError> {
        let share = self.take::<Ratio>(key)?.map_or(1.0, Ratio::share);
        if share <= 0.0 {
            return Err(FaultTextError(format!("a {key} of zero hits nobody")));
        }
        Ok(share)
    }

    fn ending(&mut self) -> Result<ServerEnding, FaultTextError> {
        let ending: Option<String> = self.take("ending")?;
        let code: Option<u16> = self.take("code")?;
        match (ending.as_deref(), code) {
            (Some("fin"), None) => Ok(ServerEnding::Fin),
            (None | Some("reset"), None) => Ok(ServerEnding::Reset),
            (Some("close"), code) => {
                within("code", code.unwrap_or(1000), 1000, 4999).map(ServerEnding::Close)
            }
            (Some("fin" | "reset") | None, Some(_)) => {
                Err(FaultTextError("code goes with ending=close".to_owned()))
            }
            _ => Err(FaultTextError("ending is fin, reset or close".to_owned())),
        }
    }

    fn fault(&mut self) -> Result<ServerFault, FaultTextError> {
        Ok(match self.kind {
            "restart_server" => ServerFault::RestartServer,
            "drop_connections" => ServerFault::DropConnections {
                ending: self.ending()?,
            },
            "stall_server" => ServerFault::StallServer,
            "delay" => ServerFault::Delay {
                delay: self.need::<TimeSpan>("delay")?.0,
                jitter: self.time("jitter")?.unwrap_or_default(),
            },
            "drop_pongs" => ServerFault::DropPongs,
            "drop_replies" => ServerFault::DropReplies,
            "reorder_replies" => ServerFault::ReorderReplies,
            "duplicate_replies" => ServerFault::DuplicateReplies,
            "corrupt_replies" => ServerFault::CorruptReplies,
            "accept_rate" => ServerFault::AcceptRate {
                per_s: within("per_s", self.need("per_s")?, 0.001, 1e6)?,
            },
            "backlog" => ServerFault::Backlog {
                connections: within("connections", self.need("connections")?, 0, 65_535)?,
            },
            "refuse" => ServerFault::Refuse {
                status: within("status", self.take("status")?.unwrap_or(503), 400, 599)?,
                retry_after: self.time("retry_after")?,
            },
            "close_after" => self.close_after()?,
            other => {
                let message = format!("there is no server fault `{other}`; one of {KINDS}");
                return Err(FaultTextError(message));
            }
        })
    }

    fn close_after(&mut self) -> Result<ServerFault, FaultTextError> {
        let (after, messages) = (self.time("after")?, self.take("messages")?);
        if after.is_none() && messages.is_none() {
            let message = "the fault close_after needs after=... or messages=...";
            return Err(FaultTextError(message.to_owned()));
        }
        Ok(ServerFault::CloseAfter {
            after,
            messages,
            ending: self.ending()?,
        })
    }

    fn plan(mut self) -> Result<ServerFaultPlan, FaultTextError> {
        let plan = ServerFaultPlan {
            fault: self.fault()?,
            probability: self.share("probability")?,
            share: self.share("share")?,
        };
        match self.left.first() {
            None => Ok(plan),
            Some((key, _)) => Err(FaultTextError(format!(
                "`{key}` has no meaning with the fault {}",
                self.kind
            ))),
        }
    }
}

fn within<T: PartialOrd + fmt::Display>(
    key: &str,
    value: T,
    low: T,
    high: T,
) -> Result<T, FaultTextError> {
    if low <= value && value <= high {
        return Ok(value);
    }
    Err(FaultTextError(format!(
        "{key}={value}: from {low} to {high}"
    )))
}

impl FromStr for ServerFaultPlan {
    type Err = FaultTextError;

    fn from_str(text: &str) -> Result<Self, FaultTextError> {
        Parts::split(text)?.plan()
    }
}

impl FromStr for TimedFault {
    type Err = FaultTextError;

    fn from_str(text: &str) -> Result<Self, FaultTextError> {
        let mut parts = Parts::split(text)?;
        let timed = parts.left.iter().any(|(key, _)| TIMELINE.contains(key));
        let (at, every) = (parts.time("at")?, parts.time("every")?);
        let (count, duration): (Option<u32>, _) = (parts.take("count")?, parts.time("duration")?);
        let plan = parts.plan()?;
        let name = plan.fault.name();
        let stops = matches!(
            plan.fault,
            ServerFault::RestartServer | ServerFault::StallServer
        );
        let instant = matches!(plan.fault, ServerFault::DropConnections { .. });
        let refuse = |text: String| Err(FaultTextError(text));
        if stops && duration.is_none() {
            return refuse(format!("the fault {name} needs duration=..."));
        }
        if (stops || instant) && at.is_none() {
            return refuse(format!(
                "the fault {name} needs at=..., from the server's start"
            ));
        }
        if instant && duration.is_some() {
            return refuse(format!("`duration` has no meaning with the fault {name}"));
        }
        if every.is_some() && duration.is_none() && !instant {
            return refuse(format!(
                "the fault {name} with every=... needs duration=..."
            ));
        }
        if count.is_some() && every.is_none() {
            return refuse("count=... goes with every=...".to_owned());
        }
        if every.is_some_and(|every| every.is_zero()) || duration.is_some_and(|d| d.is_zero()) {
            return refuse("every and duration are longer than zero".to_owned());
        }
        Ok(if timed {
            Self::Timed(Fault {
                at: at.unwrap_or_default(),
                every,
                count,
                jitter: Duration::ZERO,
                duration,
                kind: FaultKind::Server(plan),
            })
        } else {
            Self::Always(plan)
        })
    }
}

impl fmt::Display for ServerFaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.fault.name())?;
        match &self.fault {
            ServerFault::DropConnections { ending } => write_ending(*ending, f)?,
            ServerFault::Delay { delay, jitter } => {
                write!(f, ",delay={}", TimeSpan(*delay))?;
                if !jitter.is_zero() {
                    write!(f, ",jitter={}", TimeSpan(*jitter))?;
                }
            }
            ServerFault::AcceptRate { per_s } => write!(f, ",per_s={per_s}")?,
            ServerFault::Backlog { connections } => write!(f, ",connections={connections}")?,
            ServerFault::Refuse {
                status,
                retry_after,
            } => {
                write!(f, ",status={status}")?;
                write_time("retry_after", *retry_after, f)?;
            }
            ServerFault::CloseAfter {
                after,
                messages,
                ending,
            } => {
                write_time("after", *after, f)?;
                if let Some(messages) = messages {
                    write!(f, ",messages={messages}")?;
                }
                write_ending(*ending, f)?;
            }
            _ => {}
        }
        // A share as a bare number is read back exactly.
        for (key, share) in [("probability", self.probability), ("share", self.share)] {
            if share < 1.0 {
                write!(f, ",{key}={share}")?;
            }
        }
        Ok(())
    }
}

fn write_time(key: &str, time: Option<Duration>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match time {
        Some(time) => write!(f, ",{key}={}", TimeSpan(time)),
        None => Ok(()),
    }
}

fn write_ending(ending: ServerEnding, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match ending {
        ServerEnding::Fin => f.write_str(",ending=fin"),
        ServerEnding::Reset => Ok(()),
        ServerEnding::Close(code) => write!(f, ",ending=close,code={code}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_reads_back() {
        for text in [
            "restart_server",
            "drop_connections,share=0.5",
            "drop_connections,ending=fin",
            "drop_connections,ending=close,code=1012",
            "stall_server",
            "delay,delay=20ms,jitter=5ms,probability=0.25,share=0.5",
            "delay,delay=1m30s",
            "drop_pongs,probability=0.1",
            "drop_replies",
            "reorder_replies",
            "duplicate_replies",
            "corrupt_replies",
            "accept_rate,per_s=0.5",
            "backlog,connections=0",
            "refuse,status=429,retry_after=2s",
            "close_after,after=5s,messages=10,ending=fin",
        ] {
            let plan: ServerFaultPlan = text.parse().expect(text);
            assert_eq!(plan.to_string(), text);
        }
        let short: ServerFaultPlan = "drop_pongs, probability=10%".parse().expect("percent");
        assert_eq!(short.probability, 0.1);
    }

    #[test]
    fn a_timeline_is_the_flags_alone() {
        let text = "drop_connections,at=5s,every=10s,count=3,share=50%,ending=fin";
        let Ok(TimedFault::Timed(fault)) = text.parse() else {
            panic!("on a timeline");
        };
        assert_eq!((fault.at, fault.count), (Duration::from_secs(5), Some(3)));
        assert_eq!(fault.every, Some(Duration::from_secs(10)));
        assert!(matches!("drop_pongs".parse(), Ok(TimedFault::Always(_))));
        let timed = "drop_pongs,duration=3s".parse::<TimedFault>();
        assert!(matches!(timed, Ok(TimedFault::Timed(f)) if f.at.is_zero()));
    }

    #[test]
    fn mistakes_are_explained() {
        for (text, part) in [
            ("", "there is no server fault ``"),
            ("freeze", "one of restart_server"),
            ("delay", "needs delay="),
            ("delay,delay=5", "needs a unit"),
            ("delay,delay=5s,delay=6s", "twice"),
            ("drop_pongs,delay=5s", "no meaning"),
            ("drop_pongs,probability=0", "hits nobody"),
            ("drop_pongs,probability", "no key=value"),
            ("refuse,status=200", "from 400 to 599"),
            ("accept_rate,per_s=0", "per_s"),
            ("accept_rate,per_s=NaN", "per_s"),
            ("close_after", "needs after"),
            ("close_after,after=1s,code=1000", "ending=close"),
            ("restart_server,at=1s", "needs duration"),
            ("stall_server,duration=1s", "needs at"),
            ("drop_connections,at=1s,duration=1s", "no meaning"),
            ("drop_pongs,count=3", "goes with every"),
            ("drop_pongs,every=1s", "needs duration"),
            ("drop_pongs,every=0s,duration=1s", "longer than zero"),
        ] {
            let error = text.parse::<TimedFault>().expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
