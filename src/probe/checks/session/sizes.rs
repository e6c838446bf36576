//! Large messages: refused, cut, lost on the way, or slow.

use super::words::{self, ending, size, time};
use crate::probe::Severity;
use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::Finding;
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Provoked, Reply, Seen, Session, Step, StepKind};

const EXPECTED: &str = "Messages of the size that the application sends pass, and take about as long as their size needs.";

/// Refused by a code.
pub static CLOSE_1009: Entry = Entry {
    id: "close-1009",
    layer: Layer::WebSocket,
    severity: Severity::Fault,
    title: "Large messages are refused with 1009 (message too big)",
    evidence: "Close 1009 after a message above some size; smaller ones work. The size is searched for",
    expected: EXPECTED,
    causes: &[
        (
            "the server's own limit for a message (maxPayload, max_size, ws_max_size)",
            "its configuration names that number; directly to the server it is the same",
        ),
        (
            "the limit of a gateway that speaks WebSocket (AWS API Gateway: 32 KB a frame, 128 KB a message)",
            "directly to the server larger messages pass",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Server,
            snippet: "// npm ws\nnew WebSocketServer({ maxPayload: 1024 * 1024 })",
        },
        Fix {
            product: Product::Server,
            snippet: "# python websockets: serve(..., max_size=2**20)   aiohttp: WebSocketResponse(max_msg_size=4*2**20)   uvicorn: --ws-max-size 16777216",
        },
        Fix {
            product: Product::SocketIo,
            snippet: "new Server({ maxHttpBufferSize: 1e7 })   // default 1 MB",
        },
        Fix {
            product: Product::AwsApiGateway,
            snippet: "the limits are fixed (32 KB a frame, 128 KB a message): split messages, or send a link to the data",
        },
        Fix {
            product: Product::Client,
            snippet: "split large messages, or compress them",
        },
    ],
    limits: "Whether the server or a gateway before it refuses cannot be seen from outside.",
};

/// Cut without a word.
pub static SIZE_RESET: Entry = Entry {
    id: "size-reset",
    layer: Layer::WebSocket,
    severity: Severity::Fault,
    title: "Large messages end the connection without a close frame: a limit of a gateway or of the server",
    evidence: "RST or FIN without a close frame on a message above some size; smaller ones work. The size is searched for",
    expected: EXPECTED,
    causes: &[
        (
            "a gateway or filter on the path cuts connections with messages above its limit",
            "directly to the server larger messages pass",
        ),
        (
            "the server ends the connection, or fails, on messages above its limit",
            "directly to the server it is the same; its log",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::AnyProxy,
            snippet: "find the gateway's limit for WebSocket frames or messages and raise it",
        },
        Fix {
            product: Product::Server,
            snippet: "raise the limit for messages, and answer larger ones with close 1009",
        },
        Fix {
            product: Product::Client,
            snippet: "split messages below the limit",
        },
    ],
    limits: "Who cuts cannot be seen from outside.",
};

/// Read, and no answer.
pub static SIZE_UNANSWERED: Entry = Entry {
    id: "size-unanswered",
    layer: Layer::WebSocket,
    severity: Severity::Fault,
    title: "Large messages get no answer although TCP delivered them",
    evidence: "Smaller messages come back; a larger one does not in 6 s, and TCP has acknowledged all of it",
    expected: EXPECTED,
    causes: &[
        (
            "the server or a gateway takes the message and drops it",
            "a ping behind it is answered; directly to the server large messages come back",
        ),
        (
            "the server stopped reading, or is blocked by the message",
            "a ping behind it is not answered; its processor load",
        ),
        (
            "the large answer is lost on the way back (path MTU)",
            "a capture on the server shows retransmissions",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Server,
            snippet: "log messages that are dropped for their size, and close with 1009 instead",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "look for a limit of message or buffer size",
        },
    ],
    limits: "What happens behind the next hop that ends TCP cannot be seen from outside.",
};

/// Lost in the network.
pub static PMTU: Entry = Entry {
    id: "pmtu",
    layer: Layer::Tcp,
    severity: Severity::Fault,
    title: "Large packets are lost on the path (PMTU black hole): small messages work, large ones hang",
    evidence: "A small message comes back; a larger one is never acknowledged by TCP and is retransmitted (TCP_INFO)",
    expected: EXPECTED,
    causes: &[
        (
            "a link with a smaller MTU (tunnel, VPN, PPPoE, overlay network) drops full packets, and the ICMP message that says so is filtered (path MTU black hole)",
            "ping -M do -s 1472 HOST gets no answer, ping -M do -s 1300 HOST does",
        ),
        (
            "the path lost all packets just then",
            "small messages on a fresh connection fail as well",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Network,
            snippet: "let ICMP 'fragmentation needed' (type 3 code 4; ICMPv6 'packet too big', type 2) pass all firewalls",
        },
        Fix {
            product: Product::Network,
            snippet: "# or clamp the segment size on the router before the narrow link\nnft add rule inet filter forward tcp flags syn tcp option maxseg size set rt mtu\niptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu",
        },
        Fix {
            product: Product::Server,
            snippet: "# workarounds on one side\nip link set dev eth0 mtu 1400\nsysctl -w net.ipv4.tcp_mtu_probing=1",
        },
    ],
    limits: "Which link is the narrow one cannot be seen from here (tracepath HOST may show it).",
};

/// Slow.
pub static BANDWIDTH: Entry = Entry {
    id: "bandwidth",
    layer: Layer::WebSocket,
    severity: Severity::Fault,
    title: "The bandwidth is low: the time of a message grows with its size",
    evidence: "Small messages come back at once; the time of larger ones grows in proportion to their size",
    expected: EXPECTED,
    causes: &[
        (
            "a rate limit on the path (traffic shaping, a proxy's limit_rate, a plan's bandwidth)",
            "the rate is the same at all times and for other transfers along that path",
        ),
        (
            "a slow or busy link",
            "the rate changes with the time of day; a download from the same host is slow too",
        ),
        (
            "a server or proxy that works slowly on large messages",
            "its processor load; a download from the same host is fast",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Network,
            snippet: "raise the limit: look at tc qdisc show dev eth0, at the cloud instance's and the plan's bandwidth",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "remove or raise: filter bwlim-out / bwlim-in ... limit",
        },
        Fix {
            product: Product::Client,
            snippet: "send less: smaller messages, compression (permessage-deflate), binary instead of base64",
        },
    ],
    limits: "The rate is measured there and back; which direction is slow cannot be told from an echo.",
};

/// Of messages that grow.
pub static SIZES: Check = Check {
    name: "sizes",
    entries: &[
        &CLOSE_1009,
        &SIZE_RESET,
        &SIZE_UNANSWERED,
        &PMTU,
        &BANDWIDTH,
    ],
    ask: sizes,
};

fn sizes(seen: &Seen) -> Vec<Finding> {
    let Some(session) = &seen.session else {
        return Vec::new();
    };
    let ended = session.provoked.iter().filter_map(|p| match p.by {
        StepKind::Size(bytes) => Some((bytes, p)),
        _ => None,
    });
    let ended = ended.filter(|(_, p)| !words::is_common_moment(seen, &p.ended));
    let ended = ended.map(|(bytes, p)| too_large(session, bytes, p));
    let silent = session
        .steps
        .iter()
        .find_map(|step| unanswered(session, step));
    ended.chain(silent).chain(slow(session)).collect()
}

fn too_large(session: &Session, bytes: u64, provoked: &Provoked) -> Finding {
    let ended = &provoked.ended;
    let limit = limit(session);
    let (entry, what) = match ended.code {
        Some(code) => {
            let reason = words::quoted(&ended.reason);
            let name = if code == 1009 {
                " (message too big)"
            } else {
                ""
            };
            (&CLOSE_1009, format!("closed with {code}{name}{reason}"))
        }
        None => {
            let how = ended.how.as_deref().unwrap_or("an end");
            (
                &SIZE_RESET,
                format!("cut with {how} and without a close frame (1006)"),
            )
        }
    };
    let title = format!("A message of {} is {what}; {limit}", size(bytes));
    let mut finding = Finding::new(entry).titled(title).saw(ending(ended));
    let known = session.largest_answered.and_then(default_of);
    finding.observed.extend(known.map(str::to_owned));
    finding.observed.extend(words::afterwards(session));
    finding
}

/// What is known about the limit.
fn limit(session: &Session) -> String {
    match (session.largest_answered, session.smallest_unanswered) {
        (Some(good), Some(bad)) if bad == good + 1 => format!("the limit is {}", size(good)),
        (Some(good), Some(bad)) => {
            format!("{} pass, {} do not", size(good), size(bad))
        }
        _ => "smaller ones were not tried".to_owned(),
    }
}

/// Who has that limit by default.
fn default_of(limit: u64) -> Option<&'static str> {
    Some(match limit {
        8192 => "8 KiB is the default of Tomcat and Spring for a text message",
        32_768 => {
            "32 KiB is the limit for a frame of AWS API Gateway, and the default of ASP.NET SignalR"
        }
        65_536 => "64 KiB is the default of Netty, Vert.x (a frame) and Jetty (a text message)",
        131_072 => "128 KiB is the limit for a message of AWS API Gateway",
        1_000_000 => "1 MB is the default of Socket.IO (maxHttpBufferSize)",
        1_048_576 => "1 MiB is the default of python websockets (max_size)",
        _ => return None,
    })
}

fn unanswered(session: &Session, step: &Step) -> Option<Finding> {
    let StepKind::Size(bytes) = step.kind else {
        return None;
    };
    let tcp = step.tcp.unwrap_or_default();
    let silent = matches!(step.reply, Reply::Nothing | Reply::NotSent);
    let smaller = session.largest_answered.map(size);
    let smaller = smaller.map_or(String::new(), |s| format!(", while {s} pass"));
    let evidence = format!(
        "after {}: {} segments unacknowledged, {} retransmissions, timer doubled {} times (TCP_INFO)",
        time(step.took_ms),
        tcp.unacknowledged,
        tcp.retransmits,
        tcp.backoff
    );
    if silent && tcp.unacknowledged > 0 && tcp.retransmits > 0 && tcp.window_probes == 0 {
        let title = format!(
            "Large packets are lost on the path (PMTU black hole): a message of {} is never acknowledged{smaller}",
            size(bytes)
        );
        return Some(Finding::new(&PMTU).titled(title).saw(evidence));
    }
    // The answer of a server that echoed smaller ones is missing; others need not answer.
    let echoed = |s: &Step| s.reply == Reply::Echo;
    if session.largest_answered.is_none() || !session.steps.iter().any(echoed) {
        return None;
    }
    let (causes, what): (&[usize], _) = match step.reply {
        Reply::Pong => (&[0, 2], "no answer, though a ping behind it is answered"),
        Reply::Nothing => (&[1, 0, 2], "no answer, though TCP delivered it"),
        Reply::NotSent => (&[1], "not taken: the peer stopped reading"),
        _ => return None,
    };
    let title = format!("A message of {} gets {what}{smaller}", size(bytes));
    Some(
        Finding::new(&SIZE_UNANSWERED)
            .titled(title)
            .only(causes)
            .saw(evidence),
    )
}

/// Milliseconds that a large message must take at least to be called slow.
const SLOW: f64 = 350.0;
/// Round trips of a ping that it must take at least: TCP starts slowly on long ways.
const ROUND_TRIPS: f64 = 12.0;

fn slow(session: &Session) -> Option<Finding> {
    let ping = session.step(&StepKind::Ping)?.took_ms.0;
    let ping = session
        .pings_ms
        .iter()
        .fold(ping, |least, p| least.min(p.0));
    let echo = |step: &&Step| step.reply == Reply::Echo;
    let large = session
        .steps
        .iter()
        .filter(echo)
        .filter_map(|step| match step.kind {
            StepKind::Size(bytes) if bytes >= 8 * 1024 => Some((bytes, step.took_ms.0 - ping)),
            _ => None,
        });
    let mut large: Vec<(u64, f64)> = large.collect();
    large.sort_by_key(|(bytes, _)| *bytes);
    let [.., (small, short), (bytes, took)] = large.as_slice() else {
        return None;
    };
    let per_byte = |size: &u64, took: &f64| took / *size as f64;
    let growth = per_byte(bytes, took) / per_byte(small, short);
    // A busy machine makes small messages wait as long, now and then: it is not the size then.
    let longest = session
        .pings_ms
        .iter()
        .fold(0.0_f64, |most, p| most.max(p.0));
    let busy = *took < 4.0 * longest;
    if *took < SLOW || busy || *took < ping * ROUND_TRIPS || !(0.5..1.7).contains(&growth) {
        return None;
    }
    let rate = *bytes as f64 / took;
    let title = format!(
        "The bandwidth is low: {} need {} there and back, about {rate:.0} KB/s, while small messages need {}",
        size(*bytes),
        time(crate::probe::seen::Millis(*took)),
        time(crate::probe::seen::Millis(ping))
    );
    let mut finding = Finding::new(&BANDWIDTH).titled(title);
    for (bytes, took) in &large {
        let took = time(crate::probe::seen::Millis(*took));
        finding = finding.saw(format!("an echo of {} took {took}", size(*bytes)));
    }
    Some(finding.saw(format!(
        "if both directions are equally slow, each carries about {:.0} KB/s",
        2.0 * rate
    )))
}
