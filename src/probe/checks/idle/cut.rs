//! Connections that end because nothing is said on them.

use super::picture::{self, Picture};
use super::words::{ending, held, lines, names, seconds};
use crate::probe::Severity;
use crate::probe::checks::Check;
use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::finding::Finding;
use crate::probe::fingerprint::Product;
use crate::probe::seen::{Hold, HoldKind, Seen};

/// A proxy's idle timeout.
pub static IDLE_CUT: Entry = Entry {
    id: "idle-cut",
    layer: Layer::Idle,
    severity: Severity::Fault,
    title: "Connections without traffic are cut by an idle timeout on the path",
    evidence: "A silent connection ends (FIN or close_notify, no close frame) after a constant time without traffic; one that pings lives on",
    expected: "An idle connection stays open for as long as the application wants, or something pings often enough.",
    causes: CAUSES,
    fixes: FIXES,
    limits: "Which of several proxies cuts is visible only from the number of seconds, and the smallest of their timeouts wins. A server application that ends silent connections without a close frame looks the same from outside.",
};

/// The device between sends a RST.
pub static IDLE_CUT_RST: Entry = Entry {
    id: "idle-cut-rst",
    layer: Layer::Idle,
    severity: Severity::Fault,
    title: "Connections without traffic are reset by an idle timeout on the path",
    evidence: "A silent connection ends with RST after a constant time without traffic; one that pings lives on",
    expected: "An idle connection stays open for as long as the application wants, or something pings often enough.",
    causes: &[
        (
            "a TLS terminator ends it: stunnel's TIMEOUTidle resets by default (reset = yes)",
            "the configuration of what holds the certificate",
        ),
        (
            "a layer 4 balancer, NAT gateway or firewall resets flows that are idle for so long (AWS NLB and NAT gateway: 350 s, Azure Load Balancer: 240 s): HTTP proxies end with FIN as a rule",
            "connect from a network without that device, or to the server directly",
        ),
        (
            "the server itself resets idle connections (SO_LINGER 0)",
            "connect to the server directly: if it still happens, it is the server",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Server,
            snippet: "send a WebSocket ping on every connection more often than that, e.g. every third of the time",
        },
        Fix {
            product: Product::Stunnel,
            snippet: "TIMEOUTidle = 43200",
        },
        Fix {
            product: Product::AwsAlb,
            snippet: "# NLB, TCP listener: 60 to 6000 s\naws elbv2 modify-listener-attributes --listener-arn ARN --attributes Key=tcp.idle_timeout.seconds,Value=6000",
        },
        Fix {
            product: Product::Azure,
            snippet: "az network lb rule update --lb-name LB --name RULE --resource-group GROUP --idle-timeout 30   # minutes",
        },
        Fix {
            product: Product::Network,
            snippet: "raise the idle timeout for established TCP connections on the firewall, NAT gateway or balancer",
        },
    ],
    limits: "Which device sent the RST cannot be seen from outside.",
};

/// The application's own idle rule.
pub static IDLE_APP: Entry = Entry {
    id: "idle-app",
    layer: Layer::Idle,
    severity: Severity::Fault,
    title: "The application closes idle connections",
    evidence: "A close frame with a code comes after a constant time without messages; pings may or may not count, text messages do",
    expected: "An idle connection stays open, or the client sends the heartbeat that the application asks for.",
    causes: &[
        (
            "the application ends clients from which it has heard no message for that long; WebSocket pings do not count for it",
            "the code and reason of the close frame are the application's own: its documentation or source says which message it wants",
        ),
        (
            "the application, or a gateway that speaks WebSocket, ends connections without any traffic for that long; pings count",
            "a close frame with a code comes from what speaks WebSocket, a plain proxy sends none",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Client,
            snippet: "send the application's own heartbeat message more often than that, e.g. {\"type\":\"ping\"} every third of the time",
        },
        Fix {
            product: Product::Server,
            snippet: "raise the idle time of the application, or let a pong count as a sign of life",
        },
    ],
    limits: "",
};

/// Connections that ended for no visible reason.
pub static HOLD_LOST: Entry = Entry {
    id: "connection-lost",
    layer: Layer::Idle,
    severity: Severity::Undecided,
    title: "A held connection ended by itself, others did not",
    evidence: "Endings that share neither the silence nor the age nor the moment",
    expected: "Held connections stay open.",
    causes: &[
        (
            "one of several servers or proxy processes behind the address went away",
            "watch longer: wsbench probe --reload 60s",
        ),
        (
            "the network lost that connection, or a limit of the application ended it",
            "the logs of the server at that moment",
        ),
    ],
    fixes: &[Fix {
        product: Product::Server,
        snippet: "look at the logs of server and proxies at that moment",
    }],
    limits: "One ending alone does not show its cause.",
};

const APP: usize = CAUSES.len() - 1;
const CONFIGURED: usize = CAUSES.len() - 2;

/// Well-known times in seconds, with the cause that they stand for.
const KNOWN: &[(f64, usize)] = &[
    (60.0, 0),
    (50.0, 1),
    (55.0, 2),
    (100.0, 3),
    (120.0, 3),
    (180.0, 4),
    (240.0, 5),
    (300.0, 6),
    (350.0, 7),
    (600.0, 8),
    (30.0, 9),
    (900.0, 10),
];

const WHICH: &str = "the number fits all of these; Server and Via headers or the configuration of each hop tell which";

const CAUSES: &[(&str, &str)] = &[
    (
        "the default of 60 s of nginx (proxy_read_timeout), ingress-nginx, AWS ALB and CLB, Apache's built-in Timeout, Varnish (pipe_timeout), nghttpx or lighttpd (61 s)",
        WHICH,
    ),
    (
        "50.0 s is what Debian's haproxy.cfg sets (timeout client/server 50000, no timeout tunnel)",
        WHICH,
    ),
    ("55 s is the limit of Heroku's router (H15)", WHICH),
    (
        "100 s, now 120 s, is Cloudflare's limit without data",
        WHICH,
    ),
    ("180 s is Traefik's idleTimeout", WHICH),
    ("4 minutes are the default of Azure's Load Balancer", WHICH),
    (
        "5 minutes are the default of Envoy and Istio (stream_idle_timeout, seen as 301 s), Azure Front Door, and Debian's apache2.conf (Timeout 300)",
        WHICH,
    ),
    ("350 s is the idle time of AWS NLB and NAT gateways", WHICH),
    (
        "10 minutes are the limit of AWS API Gateway and CloudFront",
        WHICH,
    ),
    ("30 s is the read timeout of some CDNs (Gcore)", WHICH),
    ("15 minutes are the default of Squid (read_timeout)", WHICH),
    (
        "a proxy or balancer on the path is set to that time: nginx proxy_read_timeout, HAProxy timeout tunnel (without it timeout client/server), Apache the larger of Timeout and ProxyTimeout, Varnish pipe_timeout, Envoy stream_idle_timeout (it ends 1 s later than set), Traefik idleTimeout, stunnel TIMEOUTidle, nghttpx --backend-read-timeout, lighttpd server.max-read-idle, AWS ALB idle_timeout",
        "Server and Via headers name a hop at best; several in a row: the smallest time wins",
    ),
    (
        "the server application ends silent connections without a close frame",
        "connect to the server without the proxies: if it still happens, it is the server",
    ),
];

const FIXES: &[Fix] = &[
    Fix {
        product: Product::Server,
        snippet: "send a WebSocket ping on every connection more often than that (a third of the time is safe)\n// npm ws: setInterval(() => wss.clients.forEach((c) => c.ping()), 20000)\n# python websockets: serve(..., ping_interval=20); uvicorn: --ws-ping-interval 20",
    },
    Fix {
        product: Product::Nginx,
        snippet: "proxy_read_timeout 3600s;\nproxy_send_timeout 3600s;",
    },
    Fix {
        product: Product::Haproxy,
        snippet: "defaults\n    timeout tunnel 1h   # replaces timeout client/server after the upgrade",
    },
    Fix {
        product: Product::Apache,
        snippet: "ProxyTimeout 3600   # the larger of Timeout and ProxyTimeout counts",
    },
    Fix {
        product: Product::Envoy,
        snippet: "# HttpConnectionManager (or idle_timeout of the route)\nstream_idle_timeout: 3600s",
    },
    Fix {
        product: Product::Traefik,
        snippet: "entryPoints:\n  web:\n    transport:\n      respondingTimeouts:\n        readTimeout: 0s\n        idleTimeout: 3600s",
    },
    Fix {
        product: Product::IngressNginx,
        snippet: "nginx.ingress.kubernetes.io/proxy-read-timeout: \"3600\"\nnginx.ingress.kubernetes.io/proxy-send-timeout: \"3600\"",
    },
    Fix {
        product: Product::Varnish,
        snippet: "varnishd -p pipe_timeout=3600 ...",
    },
    Fix {
        product: Product::Lighttpd,
        snippet: "server.max-read-idle = 3600",
    },
    Fix {
        product: Product::Nghttpx,
        snippet: "--backend-read-timeout=1h --backend-write-timeout=1h",
    },
    Fix {
        product: Product::Stunnel,
        snippet: "TIMEOUTidle = 43200",
    },
    Fix {
        product: Product::AwsAlb,
        snippet: "aws elbv2 modify-load-balancer-attributes --load-balancer-arn ARN --attributes Key=idle_timeout.timeout_seconds,Value=3600",
    },
    Fix {
        product: Product::Cloudflare,
        snippet: "cannot be raised on most plans: ping every 30 s",
    },
    Fix {
        product: Product::Heroku,
        snippet: "cannot be raised: ping at least every 50 s",
    },
];

/// Whether silent connections are cut while others live.
pub static CUT: Check = Check {
    name: "idle-cut",
    entries: &[&IDLE_CUT, &IDLE_CUT_RST],
    ask: cut,
};

/// Whether the application closes idle connections.
pub static APPLICATION: Check = Check {
    name: "idle-app",
    entries: &[&IDLE_APP],
    ask: application,
};

/// Endings without a pattern.
pub static LOST: Check = Check {
    name: "connection-lost",
    entries: &[&HOLD_LOST],
    ask: lost,
};

fn cut(seen: &Seen) -> Vec<Finding> {
    let (Picture::Idle(end), Some(watch)) = (picture::of(seen), &seen.watch) else {
        return Vec::new();
    };
    if end.ended.code.is_some() {
        return Vec::new();
    }
    let after = end.ended.idle_ms.seconds();
    let holds = picture::holds(watch);
    let reset = end.ended.how.as_deref() == Some("RST");
    let lives = survivor(&holds, end.age());
    let proof = match &lives {
        Some(hold) => format!("; one held {} lives on", held(hold)),
        None => String::new(),
    };
    let verb = if reset { "reset" } else { "cut" };
    let title = format!(
        "Idle timeout: a connection without traffic is {verb} after {} ({}){proof}",
        seconds(after),
        ending(end.ended)
    );
    let entry = if reset { &IDLE_CUT_RST } else { &IDLE_CUT };
    let mut finding = Finding::new(entry).titled(title);
    for line in lines(&holds).into_iter().chain(about(&holds, after)) {
        finding = finding.saw(line);
    }
    if let Some(names) = names(seen) {
        finding = finding.saw(names);
    }
    if reset {
        // Nothing terminates TLS where there is none.
        finding = finding.only(if seen.asked.secure {
            &[0, 1, 2]
        } else {
            &[1, 2]
        });
        if seen.asked.secure {
            finding = finding.fixes_first_for(&[Product::Stunnel]);
        }
    } else {
        finding = finding.only(&known(after));
        finding = finding.fixes_first_for(default_of(after));
    }
    vec![finding]
}

/// A connection with pings that outlived the cut.
fn survivor<'a>(holds: &[&'a Hold], cut: f64) -> Option<&'a Hold> {
    let ping = |hold: &&&Hold| matches!(hold.kind, HoldKind::Ping(_));
    let alive = |hold: &&&Hold| hold.ended.is_none() && hold.held_ms.seconds() > 1.05 * cut;
    holds.iter().filter(ping).find(|h| alive(h)).copied()
}

/// What the other kinds of holding tell about the timeout.
fn about(holds: &[&Hold], after: f64) -> Vec<String> {
    let mut told = Vec::new();
    let outlived = |hold: &Hold| hold.ended.is_none() && hold.held_ms.seconds() > 1.05 * after;
    for hold in holds {
        match hold.kind {
            HoldKind::OneWay(_) if hold.ended.is_some() => told.push(
                "bytes from the client alone do not help: only what the server sends counts, so let the server ping, or ping it and get pongs".to_owned(),
            ),
            HoldKind::KeepAlive(_) if hold.ended.is_some() => told.push(
                "TCP keepalive does not help: what cuts counts bytes, as proxies do".to_owned(),
            ),
            HoldKind::KeepAlive(_) if outlived(hold) => told.push(
                "TCP keepalive alone keeps it open: what cuts counts packets, as NAT and layer 4 devices do".to_owned(),
            ),
            _ => {}
        }
    }
    let pings: u64 = holds.iter().map(|h| h.server_pings).sum();
    if pings > 0 {
        told.push(format!(
            "the server pings too ({pings} pings on {} connections), but more seldom than every {}",
            holds.len(),
            seconds(after)
        ));
    }
    told
}

/// The causes for that time: who is known for it, whoever is set to it, the application.
fn known(after: f64) -> Vec<usize> {
    let near = |&&(time, _): &&(f64, usize)| after > time - 0.5 && after < time + 1.6;
    let known = KNOWN.iter().filter(near).map(|&(_, cause)| cause);
    known.chain([CONFIGURED, APP]).collect()
}

/// Whose default that time is.
fn default_of(after: f64) -> &'static [Product] {
    let table: [(f64, &[Product]); 5] = [
        (50.0, &[Product::Haproxy]),
        (55.0, &[Product::Heroku]),
        (100.0, &[Product::Cloudflare]),
        (120.0, &[Product::Cloudflare]),
        (180.0, &[Product::Traefik]),
    ];
    let near = |(time, _): &&(f64, &'static [Product])| (after - time).abs() < 1.0;
    table
        .iter()
        .find(near)
        .map_or(&[], |(_, products)| products)
}

fn application(seen: &Seen) -> Vec<Finding> {
    let Some(watch) = &seen.watch else {
        return Vec::new();
    };
    let holds = picture::holds(watch);
    let (title, causes): (String, &[usize]) = match picture::of(seen) {
        Picture::Idle(end) if end.ended.code.is_some() => (
            format!(
                "The application closes idle connections after {} with {}; one that pings lives on",
                seconds(end.ended.idle_ms.seconds()),
                ending(end.ended)
            ),
            &[1],
        ),
        Picture::Unheard(ends) => (
            format!(
                "The application closes idle connections after {} with {}: pings do not count, text messages do",
                seconds(ends.first().map_or(0.0, picture::End::age)),
                super::words::common_ending(&ends)
            ),
            &[0],
        ),
        _ => return Vec::new(),
    };
    let finding = Finding::new(&IDLE_APP).titled(title).only(causes);
    vec![lines(&holds).into_iter().fold(finding, Finding::saw)]
}

fn lost(seen: &Seen) -> Vec<Finding> {
    let (Picture::Lost(ends), Some(watch)) = (picture::of(seen), &seen.watch) else {
        return Vec::new();
    };
    let holds = picture::holds(watch);
    let after: Vec<_> = ends.iter().map(|end| seconds(end.age())).collect();
    let title = format!(
        "{} of {} held connections ended by themselves (after {}), the others live on",
        ends.len(),
        holds.len(),
        after.join(", ")
    );
    let finding = Finding::new(&HOLD_LOST).titled(title);
    vec![lines(&holds).into_iter().fold(finding, Finding::saw)]
}
