//! Connections that stay open and carry nothing any more.

use super::picture::{self, Picture};
use super::words::{held, lines, seconds};
use crate::probe::Severity;
use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::Finding;
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Hold, HoldKind, Millis, Seen, Tcp};

/// The path forgot the connection.
pub static IDLE_SILENT_DROP: Entry = Entry {
    id: "idle-silent-drop",
    layer: Layer::Idle,
    severity: Severity::Fault,
    title: "The path forgets silent connections without telling anyone (NAT or firewall)",
    evidence: "After a silence the connection is still open, but a ping gets no answer; one that pings all the time lives",
    expected: "A ping after any silence is answered, or the connection is ended in a way that both sides see.",
    causes: &[
        (
            "a NAT gateway, firewall or layer 4 balancer on the path dropped the idle flow from its table and discards what comes now",
            "TCP gets no acknowledgement: segments stay unacknowledged and the retransmission timer doubles",
        ),
        (
            "a middle box or proxy that still acknowledges TCP, but no longer passes anything on",
            "TCP acknowledges everything; connecting from behind that box, or to the server directly, works",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Server,
            snippet: "send a WebSocket ping on every connection more often than that (a third of the time is safe), and end a connection whose pong does not come",
        },
        Fix {
            product: Product::Client,
            snippet: "ping, or send the application's heartbeat, as often; reconnect when no answer comes within a few seconds",
        },
        Fix {
            product: Product::Network,
            snippet: "raise the time for established TCP connections on the NAT gateway or firewall, e.g.\nsysctl -w net.netfilter.nf_conntrack_tcp_timeout_established=86400",
        },
        Fix {
            product: Product::Server,
            snippet: "# where only NAT is in the way, TCP keepalive helps too; the default of 7200 s is far too long\nsysctl -w net.ipv4.tcp_keepalive_time=60   # for sockets with SO_KEEPALIVE",
        },
    ],
    limits: "Where on the path it is forgotten cannot be seen from here. The time is known only as: not later than the silence that was tried; --idle with shorter times narrows it.",
};

/// Nothing answers any more.
pub static HALF_OPEN: Entry = Entry {
    id: "half-open",
    layer: Layer::Idle,
    severity: Severity::Fault,
    title: "Connections stay open, but nothing answers any more (half-open)",
    evidence: "Pongs came at first and then stopped on all connections, without FIN, RST or a close frame",
    expected: "A ping is answered for as long as the connection is open.",
    causes: &[
        (
            "the server process is frozen: blocked event loop, stopped, deadlock, out of memory; its kernel still acknowledges",
            "TCP acknowledges everything; its process list and stack show it",
        ),
        (
            "a proxy on the path acknowledges, but the server or the network behind it is gone",
            "a new handshake through the proxy then has no answer or 504; connect to the server directly",
        ),
        (
            "the network in between stopped carrying packets",
            "segments stay unacknowledged and the retransmission timer doubles; other connections to that host stop too",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Server,
            snippet: "find what blocks the process (a stack dump, event loop lag), restart it; let the supervisor restart it when a health check over WebSocket fails",
        },
        Fix {
            product: Product::Client,
            snippet: "ping every 20 to 30 s and reconnect when no pong comes within a few seconds",
        },
    ],
    limits: "Behind a proxy that acknowledges, a frozen server and a lost network look the same.",
};

/// The server's own heartbeat, and a client that does not answer it.
pub static HEARTBEAT_ENTRY: Entry = Entry {
    id: "server-heartbeat",
    layer: Layer::Idle,
    severity: Severity::Note,
    title: "The server pings, and says goodbye to clients that do not answer",
    evidence: "A connection that leaves the server's pings unanswered ends; those that answer live",
    expected: "Every client library answers pings by itself.",
    causes: &[("the server's heartbeat works as it should", "")],
    fixes: &[Fix {
        product: Product::Client,
        snippet: "nothing to do with a WebSocket library; a hand-written client has to answer pings with pongs",
    }],
    limits: "",
};

/// Whether open connections still carry something.
pub static SILENT: Check = Check {
    name: "silent-drop",
    entries: &[&IDLE_SILENT_DROP, &HALF_OPEN],
    ask: silent,
};

/// Whether the server minds clients that do not answer.
pub static HEARTBEAT: Check = Check {
    name: "server-heartbeat",
    entries: &[&HEARTBEAT_ENTRY],
    ask: heartbeat,
};

fn silent(seen: &Seen) -> Vec<Finding> {
    let Some(watch) = &seen.watch else {
        return Vec::new();
    };
    let holds = picture::holds(watch);
    let finding = match picture::of(seen) {
        Picture::Forgotten(hold) => forgotten(hold, &holds),
        Picture::Frozen(dead) => frozen(&dead),
        _ => return Vec::new(),
    };
    vec![lines(&holds).into_iter().fold(finding, Finding::saw)]
}

fn forgotten(silent: &Hold, holds: &[&Hold]) -> Finding {
    let ping = |hold: &&&Hold| matches!(hold.kind, HoldKind::Ping(_));
    let alive = holds
        .iter()
        .filter(ping)
        .find(|h| h.final_pong == Some(true));
    let proof = alive.map_or(String::new(), |h| format!("; one held {} lives", held(h)));
    let finding = Finding::new(&IDLE_SILENT_DROP).titled(format!(
        "After {} of silence the path has forgotten the connection: no FIN, no RST, no pong to a ping{proof}",
        seconds(silent.held_ms.seconds() - waited(silent))
    ));
    let tcp = silent.tcp.unwrap_or_default();
    let finding = finding.saw(acknowledged(&tcp));
    let keep_alive = holds
        .iter()
        .find(|h| matches!(h.kind, HoldKind::KeepAlive(_)));
    let finding = match keep_alive.and_then(|h| h.final_pong) {
        Some(true) => finding.saw("TCP keepalive probes alone kept a connection alive: what forgets counts packets, as NAT does"),
        Some(false) => finding.saw("TCP keepalive probes do not keep a connection alive here"),
        None => finding,
    };
    finding.only(if is_lost(&tcp) { &[0] } else { &[1, 0] })
}

fn frozen(dead: &[&Hold]) -> Finding {
    let last = dead.iter().filter_map(|h| {
        let pong = h.last_pong_ms?;
        Some(h.opened_ms.seconds() + pong.seconds())
    });
    let last = last.fold(0.0, f64::max);
    let tcp = dead.iter().filter_map(|h| h.tcp).max_by_key(|t| t.backoff);
    let tcp = tcp.unwrap_or_default();
    let since = match last > 0.0 {
        true => format!("the last pong came {} into the watch", seconds(last)),
        false => "no pong came to the last ping".to_owned(),
    };
    let state = if is_lost(&tcp) {
        "and TCP is not acknowledged either"
    } else {
        "though TCP still acknowledges"
    };
    Finding::new(&HALF_OPEN)
        .titled(format!(
            "Half-open: all {} held connections stay open, but nothing answers any more ({since}), {state}",
            dead.len()
        ))
        .saw(acknowledged(&tcp))
        .only(if is_lost(&tcp) { &[2] } else { &[0, 1] })
}

/// How long an answer to the last ping was waited for, in seconds.
fn waited(hold: &Hold) -> f64 {
    if hold.final_pong == Some(false) {
        2.0
    } else {
        0.0
    }
}

fn is_lost(tcp: &Tcp) -> bool {
    tcp.unacknowledged > 0 && (tcp.backoff > 0 || tcp.retransmits > 0)
}

fn acknowledged(tcp: &Tcp) -> String {
    if is_lost(tcp) {
        format!(
            "TCP_INFO: {} segments unacknowledged, retransmission timer doubled {} times: packets do not arrive",
            tcp.unacknowledged, tcp.backoff
        )
    } else {
        "TCP_INFO: everything we sent is acknowledged: something still answers for TCP".to_owned()
    }
}

fn heartbeat(seen: &Seen) -> Vec<Finding> {
    let Some(watch) = &seen.watch else {
        return Vec::new();
    };
    let holds = picture::holds(watch);
    let pings: u64 = holds.iter().map(|h| h.server_pings).sum();
    let deaf = holds.iter().find(|h| h.kind == HoldKind::Deaf);
    let silent = holds.iter().find(|h| h.kind == HoldKind::Silent);
    let lives = silent.is_some_and(|h| h.ended.is_none() && h.final_pong == Some(true));
    let Some(end) = deaf.and_then(|h| h.ended.as_ref()) else {
        return Vec::new();
    };
    if pings == 0 || !lives {
        return Vec::new();
    }
    let each = Millis(silent.map_or(0.0, |h| h.held_ms.0 / h.server_pings.max(1) as f64));
    vec![
        Finding::new(&HEARTBEAT_ENTRY)
            .titled(format!(
                "The server pings about every {} and ends connections that do not answer (after {}); those that answer live",
                seconds(each.seconds()),
                seconds(end.at_ms.seconds())
            ))
            .saw(format!("{pings} pings of the server on {} connections", holds.len())),
    ]
}
