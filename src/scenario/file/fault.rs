//! `[[fault]]` and `[relay]`: every kind with the keys that mean something to it.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use super::super::address::Address;
use super::super::fault::{
    ClientFault, Fault, FaultKind, ServerEnding, ServerFault, ServerFaultPlan,
};
use super::super::relay::{Direction, FrameKind, RelayPlan, Toxic, ToxicKind};
use super::super::target::Target;
use super::builder::Builder;
use super::section::Section;
use super::tables::{self, CLIENT_FAULTS, SERVER_FAULTS};
use super::tree::Node;

/// Keys that every `[[fault]]` may have.
const TIMELINE: [&str; 5] = ["at", "kind", "every", "count", "jitter"];
/// Keys that toxics may have; the last two choose frames or pieces, where the kind does so.
const PATH: [&str; 4] = ["share", "direction", "probability", "frames"];

fn path(kind: &str) -> &'static [&'static str] {
    match kind {
        _ if !tables::TOXICS.contains(&kind) => &[],
        _ if ToxicKind::is_selective(kind) => &PATH,
        _ => &PATH[..2],
    }
}

/// The keys of a kind: those it needs, and those it may have beside the timeline's.
struct Keys {
    needs: &'static [&'static str],
    may: &'static [&'static str],
}

const fn keys(needs: &'static [&'static str], may: &'static [&'static str]) -> Keys {
    Keys { needs, may }
}

fn keys_of(kind: &str) -> Keys {
    match kind {
        "disconnect" => keys(&[], &["share"]),
        "close" => keys(&[], &["share", "code", "reason"]),
        "freeze" | "stop_heartbeats" => keys(&[], &["share", "duration"]),
        "slow_read" => keys(&["bytes_per_s"], &["share", "duration"]),
        "burst" => keys(&["factor"], &["share", "duration"]),
        "restart_server" | "stall_server" => keys(&["duration"], &[]),
        "drop_connections" => keys(&[], &["share", "ending", "code"]),
        "delay" => keys(
            &["delay"],
            &["share", "probability", "duration", "delay_jitter"],
        ),
        "drop_pongs" | "drop_replies" | "reorder_replies" | "duplicate_replies"
        | "corrupt_replies" => keys(&[], &["share", "probability", "duration"]),
        "accept_rate" => keys(&["per_s"], &["duration"]),
        "backlog" => keys(&["connections"], &["duration"]),
        "refuse" => keys(&[], &["probability", "duration", "status", "retry_after"]),
        "close_after" => keys(
            &[],
            &["share", "duration", "after", "messages", "ending", "code"],
        ),
        "latency" => keys(&["latency"], &["duration", "delay_jitter"]),
        "bandwidth" => keys(&["bytes_per_s"], &["duration"]),
        "timeout" | "reset_peer" => keys(&[], &["duration", "timeout"]),
        "slow_close" => keys(&["delay"], &["duration"]),
        "slicer" => keys(&["size"], &["duration", "size_variation", "delay"]),
        "limit_data" => keys(&["bytes"], &["duration"]),
        "drop_frames" => keys(&["frames"], &["duration"]),
        _ => keys(&[], &["duration"]),
    }
}

impl Builder<'_> {
    pub(super) fn faults(
        &mut self,
        root: &Section<'_>,
        measure: Duration,
        (server, relay): (bool, bool),
    ) -> Vec<Fault> {
        let sections = root.children("fault", &tables::FAULT);
        let faults = sections.iter().map(|section| {
            self.fault_keys(section, &TIMELINE);
            let kind = section.text("kind");
            if SERVER_FAULTS.contains(&kind) && !server {
                let message = format!("the fault {kind} needs the built-in server");
                let hint = "add [server], or use a fault of clients or of the relay";
                self.findings
                    .contradiction(section.place("kind"), message, hint);
            } else if !CLIENT_FAULTS.contains(&kind) && !SERVER_FAULTS.contains(&kind) && !relay {
                let message = format!("the fault {kind} needs a relay");
                let hint = "add a line [relay]: clients then reach the target through it";
                self.findings
                    .contradiction(section.place("kind"), message, hint);
            }
            self.fault(section, measure)
        });
        faults.collect()
    }

    pub(super) fn relay(&mut self, section: &Section<'_>, target: &Target) -> RelayPlan {
        let mut places = BTreeSet::new();
        for url in &target.urls {
            let noted: Result<(), Infallible> = self.samples(url, |text, _| {
                places.extend(Address::parse(text).map(|url| (url.host, url.port)));
                Ok(())
            });
            let Ok(()) = noted;
        }
        if places.len() > 1 {
            let message = "a relay has one target, but the URLs are of several hosts or ports";
            let hint = "keep the URLs of one host and port, or remove [relay]";
            self.findings.contradiction(section.owner(), message, hint);
        }
        let toxics = section.children("toxics", &tables::TOXIC);
        RelayPlan {
            listen: section
                .optional_text("listen")
                .and_then(|text| text.parse().ok()),
            toxics: toxics
                .iter()
                .map(|toxic| {
                    self.fault_keys(toxic, &["kind"]);
                    self.toxic(toxic, toxic.text("kind"))
                })
                .collect(),
        }
    }

    /// Those that last as long as the server.
    pub(super) fn server_faults(&mut self, server: &Section<'_>) -> Vec<ServerFaultPlan> {
        let sections = server.children("faults", &tables::SERVER_FAULT);
        let plans = sections.iter().map(|section| {
            self.fault_keys(section, &["kind"]);
            self.share(section, "share");
            self.server_plan(section, section.text("kind"))
        });
        plans.collect()
    }

    fn server_plan(&mut self, section: &Section<'_>, kind: &str) -> ServerFaultPlan {
        self.share(section, "probability");
        ServerFaultPlan {
            fault: self.server_fault(section, kind),
            probability: section.ratio("probability"),
            share: section.ratio("share"),
        }
    }

    /// Reports keys that mean nothing to the kind, and those it cannot do without.
    fn fault_keys(&mut self, section: &Section<'_>, common: &[&str]) {
        let kind = section.text("kind");
        let known = keys_of(kind);
        let path = path(kind);
        let means = |key: &str| {
            common.contains(&key)
                || known.needs.contains(&key)
                || known.may.contains(&key)
                || path.contains(&key)
        };
        for key in section.keys().filter(|key| !means(key)) {
            let all: Vec<&str> = known.needs.iter().chain(known.may).copied().collect();
            let all: Vec<&str> = all.into_iter().filter(|key| section.knows(key)).collect();
            let all = [all.as_slice(), path].concat().join(", ");
            let message = format!("`{key}` has no meaning with the fault {kind}");
            let hint = if all.is_empty() {
                "remove it".to_owned()
            } else {
                format!("remove it; {kind} knows {all}")
            };
            self.findings
                .contradiction(section.key_place(key), message, hint);
        }
        for key in known.needs.iter().filter(|key| section.get(key).is_none()) {
            let message = format!("the fault {kind} needs `{key}`");
            self.findings
                .contradiction(section.place("kind"), message, section.doc(key));
        }
    }

    fn fault(&mut self, section: &Section<'_>, measure: Duration) -> Fault {
        let (at, every) = (section.time("at"), section.optional_time("every"));
        if at >= measure {
            let message = "the fault comes after the load has ended";
            let hint = "fault.at counts from the start of the measured phase: make it earlier, or \
                        the stages longer";
            self.findings
                .contradiction(section.place("at"), message, hint);
        }
        if every.is_none() && section.get("count").is_some() {
            let hint = "add every, or remove count";
            self.findings.contradiction(
                section.key_place("count"),
                "`count` without `every`",
                hint,
            );
        }
        self.share(section, "share");
        let kind = section.text("kind");
        Fault {
            at,
            every,
            count: section.optional_u32("count"),
            jitter: section.time("jitter"),
            duration: section.optional_time("duration"),
            kind: if CLIENT_FAULTS.contains(&kind) {
                FaultKind::Client {
                    fault: self.client_fault(section, kind),
                    share: section.ratio("share"),
                }
            } else if SERVER_FAULTS.contains(&kind) {
                FaultKind::Server(self.server_plan(section, kind))
            } else {
                FaultKind::Relay(self.toxic(section, kind))
            },
        }
    }

    fn share(&mut self, section: &Section<'_>, key: &str) {
        if section.get(key).is_some() && section.ratio(key) <= 0.0 {
            let message = format!("a {key} of zero hits nobody");
            self.findings
                .contradiction(section.place(key), message, "write for example \"50%\"");
        }
    }

    fn client_fault(&mut self, section: &Section<'_>, kind: &str) -> ClientFault {
        let code = section.optional_u16("code").unwrap_or_default();
        if kind == "close" && code != 1000 && code < 3000 {
            let hint = "a client may close with 1000, or 3000 to 4999 (RFC 6455 7.4.2)";
            let message = "this close code is not for clients";
            self.findings
                .contradiction(section.place("code"), message, hint);
        }
        match kind {
            "close" => ClientFault::Close {
                code,
                reason: section.text("reason").to_owned(),
            },
            "freeze" => ClientFault::Freeze,
            "slow_read" => ClientFault::SlowRead {
                bytes_per_s: section.optional_bytes("bytes_per_s").unwrap_or(1) as u64,
            },
            "stop_heartbeats" => ClientFault::StopHeartbeats,
            "burst" => ClientFault::Burst {
                factor: section.optional_u32("factor").unwrap_or(2),
            },
            _ => ClientFault::Disconnect,
        }
    }

    fn server_fault(&mut self, section: &Section<'_>, kind: &str) -> ServerFault {
        match kind {
            "restart_server" => ServerFault::RestartServer,
            "drop_connections" => ServerFault::DropConnections {
                ending: ending(section),
            },
            "stall_server" => ServerFault::StallServer,
            "delay" => ServerFault::Delay {
                delay: section.time("delay"),
                jitter: section.time("delay_jitter"),
            },
            "drop_pongs" => ServerFault::DropPongs,
            "drop_replies" => ServerFault::DropReplies,
            "reorder_replies" => ServerFault::ReorderReplies,
            "duplicate_replies" => ServerFault::DuplicateReplies,
            "corrupt_replies" => ServerFault::CorruptReplies,
            "accept_rate" => ServerFault::AcceptRate {
                per_s: section.number("per_s"),
            },
            "backlog" => ServerFault::Backlog {
                connections: section.optional_u32("connections").unwrap_or_default(),
            },
            "refuse" => ServerFault::Refuse {
                status: section.optional_u16("status").unwrap_or(503),
                retry_after: section.optional_time("retry_after"),
            },
            _ => self.close_after(section),
        }
    }

    fn close_after(&mut self, section: &Section<'_>) -> ServerFault {
        let (after, messages) = (
            section.optional_time("after"),
            section.optional_integer("messages"),
        );
        if after.is_none() && messages.is_none() {
            let message = "the fault close_after needs `after` or `messages`";
            self.findings
                .contradiction(section.place("kind"), message, "add one of them");
        }
        ServerFault::CloseAfter {
            after,
            messages,
            ending: ending(section),
        }
    }

    fn toxic(&mut self, section: &Section<'_>, kind: &str) -> Toxic {
        self.share(section, "share");
        self.share(section, "probability");
        let bytes = |key| section.optional_bytes(key).unwrap_or_default();
        let size = bytes("size");
        let kind = match kind {
            "latency" => ToxicKind::Latency {
                latency: section.time("latency"),
                jitter: section.time("delay_jitter"),
            },
            "bandwidth" => ToxicKind::Bandwidth {
                bytes_per_s: bytes("bytes_per_s") as u64,
            },
            "timeout" => ToxicKind::Timeout {
                timeout: section.time("timeout"),
            },
            "reset_peer" => ToxicKind::ResetPeer {
                timeout: section.time("timeout"),
            },
            "slow_close" => ToxicKind::SlowClose {
                delay: section.time("delay"),
            },
            "slicer" => ToxicKind::Slicer {
                size,
                variation: bytes("size_variation").min(size.saturating_sub(1)),
                delay: section.time("delay"),
            },
            "limit_data" => ToxicKind::LimitData {
                bytes: bytes("bytes") as u64,
            },
            "corrupt" => ToxicKind::Corrupt,
            "drop_frames" => ToxicKind::DropFrames,
            "cut_frame" => ToxicKind::CutFrame,
            _ => ToxicKind::Down,
        };
        let frames = section.list("frames").iter().filter_map(Node::as_text);
        Toxic {
            kind,
            direction: match section.text("direction") {
                "upstream" => Direction::Upstream,
                "downstream" => Direction::Downstream,
                _ => Direction::Both,
            },
            frames: frames.filter_map(frame_kind).collect(),
            share: section.ratio("share"),
            probability: section.ratio("probability"),
        }
    }
}

fn frame_kind(text: &str) -> Option<FrameKind> {
    Some(match text {
        "text" => FrameKind::Text,
        "binary" => FrameKind::Binary,
        "ping" => FrameKind::Ping,
        "pong" => FrameKind::Pong,
        "close" => FrameKind::Close,
        _ => return None,
    })
}

fn ending(section: &Section<'_>) -> ServerEnding {
    match section.text("ending") {
        "fin" => ServerEnding::Fin,
        "close" => ServerEnding::Close(section.optional_u16("code").unwrap_or(1000)),
        _ => ServerEnding::Reset,
    }
}
