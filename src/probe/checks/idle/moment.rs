//! What happens to all connections at one moment: reloads, restarts, a listener that is gone.

use super::picture::{self, End, Picture};
use super::words::{common_ending, lines, seconds};
use crate::probe::Severity;
use crate::probe::checks::Check;
use crate::probe::checks::load::tries::{self, Gap};
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::Finding;
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Outcome, Reply, Seen, StepKind, Watch, Why};

/// A service that goes and comes back.
pub static RESTART: Entry = Entry {
    id: "restart",
    layer: Layer::Reload,
    severity: Severity::Fault,
    title: "The server was restarted or stopped: all connections ended at the same moment, new ones were refused",
    evidence: "All held connections end at one moment; handshakes right after it are refused or get 502, 503",
    expected: "During a deployment connections are handed over, or closed with 1001 or 1012 while another instance takes new ones.",
    causes: &[
        (
            "a restart or deployment of the server, or of the proxy before it",
            "the deployment's log at that moment; a close frame with 1001 or 1012 came from an orderly shutdown",
        ),
        (
            "a crash (or kill, out of memory), and a supervisor that starts it again",
            "no close frame came; the process's exit status and the kernel's log",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Server,
            snippet: "on SIGTERM stop accepting, close connections with 1001 or 1012 over some seconds, then exit; start the new instance before the old one stops",
        },
        Fix {
            product: Product::Client,
            snippet: "reconnect after a random delay that grows (1 s, 2 s, 4 s ... with jitter)",
        },
        Fix {
            product: Product::AnyProxy,
            snippet: "run at least two instances and take one after the other out of service (rolling restart with draining)",
        },
    ],
    limits: "A crash without a close frame and a kill during a deployment look the same from outside.",
};

/// All closed by an orderly code, new ones fine.
pub static RELOAD_CLOSES: Entry = Entry {
    id: "reload-closes",
    layer: Layer::Reload,
    severity: Severity::Fault,
    title: "All connections were closed at the same moment with a close frame, while new handshakes worked",
    evidence: "Held connections of different ages get a close frame (1001, 1012) at one moment; new handshakes work all the time",
    expected: "A configuration reload keeps established connections.",
    causes: &[
        (
            "a proxy that speaks WebSocket closes all streams when its configuration is reloaded (Caddy: close 1001 without a reason)",
            "it happens at every reload; the close has no reason text",
        ),
        (
            "the server was restarted and was back at once, or another instance took over",
            "a reason text, or a new name of the server in its first message",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Caddy,
            snippet: "reverse_proxy app:8080 {\n    stream_close_delay 5m   # Caddy 2.7 and later\n}",
        },
        Fix {
            product: Product::Client,
            snippet: "reconnect after a random delay, so that not all come back at once",
        },
        Fix {
            product: Product::Server,
            snippet: "spread the closing over some seconds when shutting down",
        },
    ],
    limits: "Whether proxy or server sent the close frame cannot be seen from outside; reload only one of them while wsbench probe --reload 60s watches.",
};

/// All cut without a word, new ones fine.
pub static RELOAD_DEADLINE: Entry = Entry {
    id: "reload-deadline",
    layer: Layer::Reload,
    severity: Severity::Fault,
    title: "Established connections were cut at the same moment, while new handshakes worked all the time",
    evidence: "Held connections of different ages, with traffic too, end at one moment without a close frame; new handshakes work throughout",
    expected: "A reload keeps established connections until they end by themselves.",
    causes: &[
        (
            "a proxy was reloaded before, and its old process ends what is left after a deadline: nginx worker_shutdown_timeout, HAProxy hard-stop-after, Envoy --drain-time-s, ingress-nginx worker-shutdown-timeout (240 s)",
            "the connections end a constant time after each reload: reload once more while wsbench probe --reload 60s watches",
        ),
        (
            "a proxy or server process, or one node behind a balancer, was killed or replaced while others took the new connections",
            "its log at that moment",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Nginx,
            snippet: "worker_shutdown_timeout 4h;   # main context; without it old workers wait without end",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "global\n    hard-stop-after 4h",
        },
        Fix {
            product: Product::Envoy,
            snippet: "envoy --drain-time-s 14400 --parent-shutdown-time-s 15000 ...",
        },
        Fix {
            product: Product::IngressNginx,
            snippet: "# ConfigMap of the controller\nworker-shutdown-timeout: \"14400s\"",
        },
        Fix {
            product: Product::Client,
            snippet: "reconnect after a random delay: every reload ends connections some day",
        },
    ],
    limits: "The reload itself cannot be seen from outside, only the common end. A maximum age would end connections of different ages at different moments.",
};

/// Nobody takes new connections, old ones live.
pub static LISTENER_GONE: Entry = Entry {
    id: "listener-gone",
    layer: Layer::Reload,
    severity: Severity::Fault,
    title: "New connections are refused while established ones live on: the listener is draining or gone",
    evidence: "Handshakes work, then all fail, while connections opened before still answer pings",
    expected: "New handshakes work for as long as the service is in use.",
    causes: &[
        (
            "the proxy or server shuts down gracefully: its listening socket is closed, old connections may finish",
            "a deployment or `graceful-stop` at that moment; the old connections end later",
        ),
        (
            "a firewall or rate limit turned against this client",
            "connect from another address",
        ),
        (
            "behind the proxy no server takes new connections, the old one still serves its own",
            "the answer is 502, 503 or 504 instead of a refused connection",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::AnyProxy,
            snippet: "start the new instance before the old one stops listening (SO_REUSEPORT, socket activation, a rolling restart)",
        },
        Fix {
            product: Product::Apache,
            snippet: "apachectl graceful   # keeps listening; graceful-stop does not",
        },
        Fix {
            product: Product::Client,
            snippet: "try again after a random delay",
        },
    ],
    limits: "",
};

/// Whether all ended at one moment.
pub static MOMENT: Check = Check {
    name: "moment",
    entries: &[&RESTART, &RELOAD_CLOSES, &RELOAD_DEADLINE],
    ask: moment,
};

/// Whether new connections fail while old ones live.
pub static GONE: Check = Check {
    name: "listener-gone",
    entries: &[&LISTENER_GONE],
    ask: gone,
};

/// How far an event and what it causes are apart, in seconds.
const NEAR: f64 = 0.7;

fn moment(seen: &Seen) -> Vec<Finding> {
    let (Picture::Moment(ends), Some(watch)) = (picture::of(seen), &seen.watch) else {
        return Vec::new();
    };
    let at = ends.iter().map(End::moment).fold(f64::MAX, f64::min);
    let tries = tries::of(seen);
    let after: Vec<_> = tries.into_iter().filter(|t| t.at > at - NEAR).collect();
    let failed = after.iter().filter(|t| !t.good && t.at < at + 3.0).count();
    let gap = tries::gap(&tries::of(seen)).filter(|gap| (gap.from - at).abs() < 3.0);
    let how = common_ending(&ends);
    let coded = ends.iter().all(|end| end.ended.code.is_some());
    let (many, when) = (ends.len(), seconds(at));
    let (entry, title) = match gap {
        Some(gap) => (&RESTART, restart_title(many, &when, &how, &gap, at)),
        None if failed > 1 => (
            &RESTART,
            format!(
                "Restart: {many} held connections ended at the same moment ({when} into the watch, {how}) and {failed} new handshakes did not work"
            ),
        ),
        None if coded => (
            &RELOAD_CLOSES,
            format!(
                "A reload or restart closed all {many} held connections at the same moment ({when} into the watch) with {how}; new handshakes work all the time"
            ),
        ),
        None => (
            &RELOAD_DEADLINE,
            format!(
                "{many} held connections were cut at the same moment ({when} into the watch), with traffic or without ({how}), while new handshakes work all the time"
            ),
        ),
    };
    let mut finding = Finding::new(entry).titled(title);
    for line in evidence(watch, &ends, at)
        .into_iter()
        .chain(crash(seen, at))
    {
        finding = finding.saw(line);
    }
    for line in lines(&picture::holds(watch)) {
        finding = finding.saw(line);
    }
    vec![finding]
}

fn restart_title(many: usize, when: &str, how: &str, gap: &Gap, at: f64) -> String {
    let words = gap.words.join(", ");
    let back = match gap.back {
        Some(back) => format!("handshakes work again after {}", seconds(back - at)),
        None => "handshakes did not work again while the probe watched".to_owned(),
    };
    format!(
        "Restart or crash: {many} held connections ended at the same moment ({when} into the watch, {how}), new ones got {words}; {back}"
    )
}

/// What else was seen around the moment.
fn evidence(watch: &Watch, ends: &[End<'_>], at: f64) -> Vec<String> {
    let ages: Vec<_> = ends.iter().map(End::age).collect();
    let (least, most) = (
        ages.iter().copied().fold(f64::MAX, f64::min),
        ages.iter().copied().fold(0.0, f64::max),
    );
    let mut told = vec![format!(
        "{} connections between {least:.1} and {most:.1} s old ended within {:.1} s",
        ends.len(),
        ends.iter().map(End::moment).fold(0.0, f64::max) - at
    )];
    let living = picture::holds(watch)
        .into_iter()
        .filter(|h| h.ended.is_none() && h.final_pong != Some(false));
    let late = living
        .map(|h| h.opened_ms.seconds())
        .fold(f64::MAX, f64::min);
    if late < f64::MAX {
        told.push(format!(
            "a connection opened {} into the watch lives on",
            seconds(late)
        ));
    }
    let rounds = watch.rounds.iter();
    let good = rounds.clone().filter(|r| r.exchange.is_upgrade()).count();
    told.push(format!(
        "{good} of {} handshakes of the watch got a 101",
        rounds.count()
    ));
    told
}

/// A message of the probe itself, right before: it may be the reason.
fn crash(seen: &Seen, at: f64) -> Option<String> {
    let session = seen.session.as_ref()?;
    let ended = session.ended.as_ref()?;
    let step = session
        .steps
        .iter()
        .rev()
        .find(|s| s.reply == Reply::Ended)?;
    let message = !matches!(step.kind, StepKind::Ping | StepKind::Close);
    let near = (ended.at_ms.seconds() - at).abs() < NEAR;
    (message && near).then(|| {
        "the probe had sent a message on its first connection right before: it may have crashed the server".to_owned()
    })
}

/// New connections fail while old ones live, and no limit explains it.
pub fn gone(seen: &Seen) -> Vec<Finding> {
    let Some(watch) = &seen.watch else {
        return Vec::new();
    };
    if matches!(picture::of(seen), Picture::Moment(_) | Picture::Frozen(_)) {
        return Vec::new();
    }
    let all = tries::of(seen);
    let Some(gap) = tries::gap(&all).filter(|gap| gap.count > 2) else {
        return Vec::new();
    };
    let during = |at: f64| at >= gap.from && gap.back.is_none_or(|back| at < back);
    let stopped = |outcome: &Outcome| match outcome {
        Outcome::NotOpened(_) | Outcome::NoTls(_) | Outcome::NoBytes { .. } => true,
        Outcome::Answer(answer) => matches!(answer.status, 502 | 504),
        _ => false,
    };
    let failing: Vec<_> = all.iter().filter(|t| during(t.at)).collect();
    // A limit on their number lets through what was let through before.
    let most_good = all.iter().filter(|t| t.good).map(|t| t.open).max();
    let above = failing.iter().filter(|t| Some(t.open) > most_good).count();
    let room = (all.iter()).any(|t| t.why == Why::AfterClosing && t.good);
    let number = room || 2 * above >= failing.len();
    let alive = picture::holds(watch)
        .into_iter()
        .filter(|h| h.opened_ms.seconds() < gap.from && h.final_pong == Some(true))
        .count();
    let limit = failing.iter().any(|t| t.waited) || number;
    if alive == 0 || limit || !failing.iter().all(|t| stopped(&t.exchange.outcome)) {
        return Vec::new();
    }
    let back = match gap.back {
        Some(back) => format!("for {}", seconds(back - gap.from)),
        None => "from then on".to_owned(),
    };
    let title = format!(
        "New connections are refused {back} ({}, first {} into the watch), while {alive} established connections live on: the listener is draining or gone",
        gap.words.join(", "),
        seconds(gap.from)
    );
    let finding = Finding::new(&LISTENER_GONE).titled(title).saw(format!(
        "handshakes worked until {}, then {} in a row did not",
        seconds(gap.good_until),
        gap.count
    ));
    vec![
        lines(&picture::holds(watch))
            .into_iter()
            .fold(finding, Finding::saw),
    ]
}
