//! Answers that come late: pauses of the server, frames held back, a constant delay.

use super::words::time;
use crate::probe::Severity;
use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::Finding;
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Millis, Reply, Seen, Session, Step, StepKind};

/// Pauses.
pub static LOOP_BLOCKED: Entry = Entry {
    id: "loop-blocked",
    layer: Layer::WebSocket,
    severity: Severity::Fault,
    title: "The server pauses: most pings are answered at once, some only after a long time (latency spikes)",
    evidence: "Pings at an even pace: most pongs come at once, others late and many at the same moment; TCP retransmits nothing",
    expected: "Pongs come after about one round trip, always.",
    causes: &[
        (
            "the server's event loop is blocked (long computation, synchronous I/O) or its process stands still for garbage collection",
            "profile it: node --prof, event loop lag (perf_hooks.monitorEventLoopDelay), GC logs; the spikes come with its work",
        ),
        (
            "the host of the server or of a proxy is short of processor time (overload, CPU limit of a container)",
            "throttling counters of the container (nr_throttled in cpu.stat), steal time",
        ),
        (
            "something on the path stops and resumes (a proxy that is blocked, wireless links)",
            "directly to the server the spikes are gone",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Server,
            snippet: "move computation off the event loop (worker threads, a queue), replace synchronous calls, and watch the event loop's delay",
        },
        Fix {
            product: Product::Server,
            snippet: "# container: raise or remove the CPU limit that throttles it\nresources: { limits: { cpu: \"2\" } }",
        },
    ],
    limits: "Whether the server, its host or a proxy pauses cannot be told from outside; lost packets are excluded, since TCP retransmitted nothing.",
};

/// Lumps.
pub static BUFFERING: Entry = Entry {
    id: "buffering",
    layer: Layer::WebSocket,
    severity: Severity::Fault,
    title: "Small frames are held back and come in lumps",
    evidence: "Pings at an even pace: the pongs come late and several at the same moment, none at once, while TCP's own round trip is short",
    expected: "A proxy passes frames on at once.",
    causes: &[
        (
            "a proxy or middle box on the path collects bytes for a while before it passes them on (buffering, inspection)",
            "directly to the server pongs come one by one and at once",
        ),
        (
            "the server or a gateway answers in batches (a timer flushes what has collected)",
            "directly to the server it is the same",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::AnyProxy,
            snippet: "switch off buffering, response inspection and compression for upgraded connections; let them pass as a tunnel",
        },
        Fix {
            product: Product::Server,
            snippet: "send without delay: TCP_NODELAY, no batching timer for small messages",
        },
    ],
    limits: "Which hop holds frames back cannot be seen from outside.",
};

/// Always late.
pub static DELAYED: Entry = Entry {
    id: "delayed",
    layer: Layer::WebSocket,
    severity: Severity::Warning,
    title: "Every answer is late although TCP's own round trip is short",
    evidence: "All pongs take about the same long time, many times TCP's round trip to the next hop",
    expected: "Pongs come after about one round trip.",
    causes: &[
        (
            "the server is far behind the proxy or CDN that ends TCP near this client",
            "directly to the server TCP's round trip is as long as the pong's",
        ),
        (
            "a proxy, middle box or the server adds a constant delay",
            "directly to the server the delay is gone, or not",
        ),
    ],
    fixes: &[Fix {
        product: Product::AnyProxy,
        snippet: "bring the proxy and the server closer together (same region), or look for added latency between them",
    }],
    limits: "What lies behind the hop that ends TCP cannot be seen from outside.",
};

/// Late answers to messages only.
pub static SLOW_ANSWERS: Entry = Entry {
    id: "slow-answers",
    layer: Layer::WebSocket,
    severity: Severity::Warning,
    title: "The server is slow to answer messages, while pings are answered at once",
    evidence: "Every small message is answered late, control pings on another connection are not",
    expected: "A small message is answered about as fast as a ping.",
    causes: &[
        (
            "the server does slow work for each message (a database, a computation) before it answers",
            "its own timing of the handler",
        ),
        (
            "messages wait in a queue between server and backend",
            "the length of that queue",
        ),
    ],
    fixes: &[Fix {
        product: Product::Server,
        snippet: "measure the message handler; answer first and do slow work behind it, off the event loop",
    }],
    limits: "What the server does meanwhile cannot be seen from outside.",
};

/// Of pings at an even pace.
pub static PACE: Check = Check {
    name: "pauses and delays",
    entries: &[&LOOP_BLOCKED, &BUFFERING, &DELAYED, &SLOW_ANSWERS],
    ask: pace,
};

/// Milliseconds a ping must take to be part of a pause.
const LONG: f64 = 250.0;
/// Milliseconds within which pongs came at the same moment.
const SAME: f64 = 15.0;
/// A single pause is told of from here.
const ONE_PAUSE: f64 = 600.0;
/// Least pings that a judgement is made from.
const LEAST: usize = 8;
/// A constant delay is told of from here, and when it is so many times TCP's round trip.
const DELAY: f64 = 150.0;
const TIMES: f64 = 8.0;

fn pace(seen: &Seen) -> Vec<Finding> {
    let Some(session) = &seen.session else {
        return Vec::new();
    };
    let pong = |s: &Step| s.reply == Reply::Pong;
    if session.ended.is_some() || !session.step(&StepKind::Ping).is_some_and(pong) {
        return Vec::new();
    }
    let mut answered = answered(session);
    if answered.len() < LEAST {
        // Pongs that come later than the series waits: the questions tell as much.
        answered = questions(session);
    }
    if answered.len() < LEAST / 2 {
        return Vec::new();
    }
    let least = answered
        .iter()
        .fold(f64::MAX, |least, (_, took)| least.min(*took));
    let found = if least >= DELAY {
        late(seen, session, &answered, least)
    } else {
        paused(session, &answered, least).or_else(|| slow_messages(session, least))
    };
    found.into_iter().collect()
}

/// (sent, took) of pings that were answered.
fn answered(session: &Session) -> Vec<(f64, f64)> {
    let pings = session.ping_series.iter();
    pings
        .filter_map(|p| Some((p.sent_ms.0, p.took_ms?.0)))
        .collect()
}

/// The same of small questions that were answered.
fn questions(session: &Session) -> Vec<(f64, f64)> {
    let small = session.steps.iter().filter(|s| {
        let small = !matches!(s.kind, StepKind::Size(_) | StepKind::Close);
        small && matches!(s.reply, Reply::Pong | Reply::Echo | Reply::Message(_))
    });
    small.map(|s| (s.at_ms.0, s.took_ms.0)).collect()
}

/// The moments at which pongs came, each with the longest wait that ended there.
fn moments(answered: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut moments: Vec<(f64, f64)> = Vec::new();
    for (sent, took) in answered {
        let came = sent + took;
        match moments
            .last_mut()
            .filter(|(at, _)| (came - *at).abs() < SAME)
        {
            Some((_, longest)) => *longest = longest.max(*took),
            None => moments.push((came, *took)),
        }
    }
    moments
}

fn paused(session: &Session, answered: &[(f64, f64)], least: f64) -> Option<Finding> {
    let quick = least.mul_add(5.0, 20.0);
    let quick = answered.iter().filter(|(_, took)| *took < quick).count();
    if quick * 4 < answered.len() || session.series_retransmits > 0 {
        return None;
    }
    let ours = session.own_lateness_ms.0;
    let mut pauses: Vec<f64> = moments(answered)
        .into_iter()
        .map(|(_, longest)| longest)
        .collect();
    // The first ping of the other connection waits for the same server.
    let ping = session
        .step(&StepKind::Ping)
        .filter(|s| s.reply == Reply::Pong);
    pauses.extend(ping.map(|s| s.took_ms.0));
    pauses.retain(|pause| *pause >= LONG && *pause > ours * 4.0);
    let longest = pauses.iter().fold(0.0_f64, |most, p| most.max(*p));
    let severity = match pauses.len() {
        0 => return None,
        1 if longest < ONE_PAUSE => return None,
        1 => Severity::Warning,
        _ => Severity::Fault,
    };
    let title = format!(
        "The server pauses for up to {:.0} ms (blocked event loop or garbage collection): most pings are answered within {}, some only after such a latency spike",
        longest,
        time(Millis(least.max(1.0)))
    );
    let slow = answered.iter().filter(|(_, took)| *took >= LONG).count();
    Some(
        Finding::new(&LOOP_BLOCKED)
            .titled(title)
            .severity(severity)
            .saw(format!(
                "{} of {} pings, 100 ms apart, took longer than {LONG:.0} ms: {}",
                slow, answered.len(), list(answered)
            ))
            .saw(format!("{} pauses seen, the longest {longest:.0} ms; TCP retransmitted nothing; this process was at most {ours:.0} ms late itself", pauses.len())),
    )
}

/// Messages take long, pings do not: the server works on each message.
fn slow_messages(session: &Session, least: f64) -> Option<Finding> {
    let messages = session.steps.iter().filter(|s| {
        let message = !matches!(s.kind, StepKind::Ping | StepKind::Close | StepKind::Size(_));
        message && matches!(s.reply, Reply::Echo | Reply::Message(_))
    });
    let took: Vec<f64> = messages.map(|s| s.took_ms.0).collect();
    let quickest = took.iter().fold(f64::MAX, |least, t| least.min(*t));
    let ours = session.own_lateness_ms.0 * 4.0;
    if took.len() < 3 || quickest < LONG || quickest < least * 10.0 || quickest < ours {
        return None;
    }
    let title = format!(
        "The server is slow to answer messages: each takes at least {}, while pings are answered within {}",
        time(Millis(quickest)),
        time(Millis(least.max(1.0)))
    );
    let took: Vec<String> = took.iter().map(|t| format!("{t:.0}")).collect();
    Some(Finding::new(&SLOW_ANSWERS).titled(title).saw(format!(
        "{} messages took {} ms",
        took.len(),
        took.join(" ")
    )))
}

fn late(seen: &Seen, session: &Session, answered: &[(f64, f64)], least: f64) -> Option<Finding> {
    let opened = seen
        .routes
        .iter()
        .filter_map(|r| r.tcp.as_ref())
        .map(|t| t.took_ms.0);
    let trip = session.round_trip_ms.map(|t| t.0).into_iter().chain(opened);
    let trip = trip.fold(f64::MAX, f64::min);
    if least < trip * TIMES || session.own_lateness_ms.0 * 4.0 > least {
        return None;
    }
    let lumps = moments(answered);
    let evidence = format!(
        "{} answers took {}; TCP's own round trip is {}",
        answered.len(),
        list(answered),
        time(Millis(trip))
    );
    if lumps.len() * 10 <= answered.len() * 7 {
        let title = format!(
            "Small frames are held back (buffering, added latency): {} pongs came in {}, each at least {} late",
            answered.len(),
            if lumps.len() == 1 {
                "one lump".to_owned()
            } else {
                format!("{} lumps", lumps.len())
            },
            time(Millis(least))
        );
        return Some(Finding::new(&BUFFERING).titled(title).saw(evidence));
    }
    let title = format!(
        "Every answer is delayed by {} or more (latency), although TCP's own round trip is {}",
        time(Millis(least)),
        time(Millis(trip))
    );
    Some(Finding::new(&DELAYED).titled(title).saw(evidence))
}

fn list(answered: &[(f64, f64)]) -> String {
    let times: Vec<String> = answered
        .iter()
        .map(|(_, took)| format!("{took:.0}"))
        .collect();
    format!("{} ms", times.join(" "))
}
