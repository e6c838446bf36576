//! Made-up probes for the tests of every page: nothing random, nothing from a network.

use crate::probe::entry::{Entry, Fix, Layer};
use crate::probe::fingerprint::Product;
use crate::probe::seen::{
    AcceptCheck, Answer, Asked, Certificate, Crowd, CrowdMember, Ended, Exchange, FrameSeen, Hold,
    HoldKind, Millis, Outcome, Reply, Resolved, Round, Route, Seen, Session, Step, StepKind, Tcp,
    TcpOpened, TlsSeen, Variation, Watch,
};
use crate::probe::{Diagnosis, Finding, Health, Severity};

/// 2026-01-02T03:04:05Z.
const NOW: i64 = 1_767_323_045;
const DAY: i64 = 86_400;

/// A probe: its name, what was seen, what is concluded.
pub type Probe = (&'static str, Seen, Diagnosis);

/// All of them.
pub fn all() -> Vec<Probe> {
    vec![
        healthy_ws(),
        healthy_wss(),
        not_forwarded(),
        certificate(),
        idle(),
        unknown(),
        refused(),
        hostile(),
        interrupted(),
        could_not(),
    ]
}

const NOT_FORWARDED: Entry = Entry {
    id: "upgrade-not-forwarded",
    layer: Layer::Upgrade,
    severity: Severity::Fault,
    title: "The proxy does not pass the Upgrade headers on",
    evidence: "the handshake, an ordinary GET and a handshake of version 99 get the same answer",
    expected: "101 Switching Protocols; a wrong version is refused in other words than a GET",
    causes: &[
        (
            "Upgrade is not passed on",
            "look at the lines of this location",
        ),
        (
            "Connection is not passed on, or emptied for keepalive",
            "as above",
        ),
        (
            "a proxy further in drops them",
            "ask the server directly, without the proxies",
        ),
    ],
    fixes: &[
        Fix {
            product: Product::Nginx,
            snippet: "location /ws {\n    proxy_http_version 1.1;\n    proxy_set_header Upgrade $http_upgrade;\n    proxy_set_header Connection $connection_upgrade;\n}",
        },
        Fix {
            product: Product::Apache,
            snippet: "ProxyPass \"/ws\" \"http://app:8080/ws\" upgrade=websocket",
        },
        Fix {
            product: Product::Haproxy,
            snippet: "# nothing: remove `http-request del-header Upgrade`",
        },
    ],
    limits: "which of the headers is missing, and which hop drops it",
};

const EXPIRED: Entry = Entry {
    id: "tls-expired",
    layer: Layer::Tls,
    severity: Severity::Fault,
    title: "The certificate expired",
    evidence: "notAfter of the server's own certificate lies before now",
    expected: "a certificate that is valid today",
    causes: &[(
        "it was not renewed, or the server was not reloaded since",
        "",
    )],
    fixes: &[Fix {
        product: Product::AnyProxy,
        snippet: "renew it, then reload whatever terminates TLS",
    }],
    limits: "",
};

const WRONG_HOST: Entry = Entry {
    id: "tls-wronghost",
    title: "The certificate is for another name",
    ..EXPIRED
};

const IDLE_CUT: Entry = Entry {
    id: "idle-cut",
    layer: Layer::Idle,
    severity: Severity::Fault,
    title: "Idle connections are ended",
    evidence: "a silent connection ended at N s, one with pings did not",
    expected: "a connection stays open until one end closes it",
    causes: &[
        ("a proxy's idle timer", "the configuration of each hop"),
        (
            "the server ends idle clients without a close frame",
            "its logs",
        ),
    ],
    fixes: &[Fix {
        product: Product::Nginx,
        snippet: "proxy_read_timeout 1h;",
    }],
    limits: "which hop: the smallest timer of the chain wins",
};

fn answer(status: u16, reason: &str, headers: &[(&str, &str)], body: &str) -> Outcome {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Outcome::Answer(Answer {
        version: "1.1".to_owned(),
        status,
        reason: reason.to_owned(),
        headers: headers.iter().map(own).collect(),
        body: body.to_owned(),
        body_bytes: body.len(),
        end: None,
        accept: match status {
            101 => AcceptCheck::Right,
            _ => AcceptCheck::Missing,
        },
    })
}

fn upgrade() -> Outcome {
    let headers = [
        ("upgrade", "websocket"),
        ("connection", "upgrade"),
        ("server", "nginx/1.22.1"),
    ];
    answer(101, "Switching Protocols", &headers, "")
}

fn exchange(asked: Variation, outcome: Outcome) -> Exchange {
    let silent = matches!(outcome, Outcome::NoBytes { .. });
    Exchange {
        asked,
        at_ms: Millis(2.5),
        address: "192.0.2.7:80".to_owned(),
        first_byte_ms: (!silent).then_some(Millis(3.25)),
        took_ms: Millis(if silent { 5_000.0 } else { 4.5 }),
        outcome,
    }
}

/// Resolved to two addresses, of which the second refuses; up to the handshake.
fn seen(handshake: Outcome) -> Seen {
    let route = |address: &str, open: bool| Route {
        address: address.to_owned(),
        tcp: open.then_some(TcpOpened {
            took_ms: Millis(0.75),
            syn_resends: 0,
        }),
        fault: (!open).then(|| "refused".to_owned()),
        took_ms: Millis(0.9),
        tls: None,
    };
    Seen {
        asked: Asked {
            url: "ws://chat.example.com/ws".to_owned(),
            host: "chat.example.com".to_owned(),
            port: 80,
            path: "/ws".to_owned(),
            timeout_ms: Millis(10_000.0),
            at: NOW,
            ..Asked::default()
        },
        resolved: Resolved {
            took_ms: Some(Millis(1.5)),
            addresses: vec!["192.0.2.7:80".to_owned(), "[2001:db8::7]:80".to_owned()],
            error: None,
        },
        routes: vec![route("192.0.2.7:80", true), route("[2001:db8::7]:80", true)],
        handshake: Some(exchange(Variation::Handshake, handshake)),
        ..Seen::default()
    }
}

fn step(kind: StepKind, reply: Reply) -> Step {
    Step {
        kind,
        at_ms: Millis(2_000.0),
        took_ms: Millis(if reply == Reply::Nothing {
            1_000.0
        } else {
            0.312
        }),
        reply,
        tcp: None,
    }
}

fn session() -> Session {
    Session {
        quiet_ms: Millis(2_000.0),
        steps: vec![
            step(StepKind::Ping, Reply::Pong),
            step(StepKind::Text, Reply::Echo),
            step(StepKind::Json, Reply::Nothing),
            step(StepKind::Close, Reply::Close),
        ],
        ..Session::default()
    }
}

fn hold(kind: HoldKind, held_ms: f64, ended: Option<Ended>) -> Hold {
    Hold {
        kind,
        opened_ms: Millis(1.0),
        refused: None,
        held_ms: Millis(held_ms),
        frames: 3,
        server_pings: 0,
        pongs: 3,
        pings: 3,
        last_pong_ms: Some(Millis(held_ms)),
        final_pong: ended.is_none().then_some(true),
        ended,
        tcp: Some(Tcp::default()),
    }
}

fn fin(at_ms: f64) -> Ended {
    Ended {
        at_ms: Millis(at_ms),
        idle_ms: Millis(at_ms),
        code: None,
        reason: String::new(),
        how: Some("FIN".to_owned()),
    }
}

fn diagnosis(health: Health, findings: Vec<Finding>, products: &[Product]) -> Diagnosis {
    Diagnosis {
        health,
        could_not: None,
        interrupted: false,
        findings,
        products: products.to_vec(),
    }
}

fn healthy_ws() -> Probe {
    let watch = Watch {
        planned_ms: Millis(4_400.0),
        lasted_ms: Millis(4_400.0),
        holds: vec![
            hold(HoldKind::Silent, 4_400.0, None),
            hold(HoldKind::Ping(Millis(1_000.0)), 4_400.0, None),
        ],
        ..Watch::default()
    };
    let seen = Seen {
        session: Some(session()),
        watch: Some(watch),
        ..seen(upgrade())
    };
    (
        "healthy ws",
        seen,
        diagnosis(Health::Healthy, Vec::new(), &[Product::Nginx]),
    )
}

fn tls(names: &[&str], days_left: i64) -> TlsSeen {
    let certificate = |subject: &str, issuer: &str| Certificate {
        subject: subject.to_owned(),
        issuer: issuer.to_owned(),
        names: names.iter().map(|&name| name.to_owned()).collect(),
        not_before: NOW - 90 * DAY,
        not_after: NOW + days_left * DAY,
        key: "EC 256".to_owned(),
        key_bits: 256,
        signature: "ecdsa-with-SHA256".to_owned(),
        ..Certificate::default()
    };
    TlsSeen {
        took_ms: Millis(12.5),
        version: Some("TLS 1.3".to_owned()),
        cipher: Some("TLS13_AES_256_GCM_SHA384".to_owned()),
        alpn: Some("http/1.1".to_owned()),
        chain: vec![
            certificate("CN=chat.example.com", "CN=Example R3,O=Example"),
            certificate("CN=Example R3,O=Example", "CN=Example Root"),
        ],
        ..TlsSeen::default()
    }
}

fn secure(mut seen: Seen, tls: &TlsSeen) -> Seen {
    seen.asked.url = "wss://chat.example.com/ws".to_owned();
    seen.asked.secure = true;
    for route in &mut seen.routes {
        route.tls = Some(tls.clone());
    }
    seen
}

fn healthy_wss() -> Probe {
    let mut session = session();
    session.unasked.push(FrameSeen {
        at_ms: Millis(0.4),
        opcode: "text".to_owned(),
        fin: true,
        bytes: 12,
        start: "hello, world".to_owned(),
    });
    session.subprotocol = Some("chat.v2".to_owned());
    session.pings_ms = [0.3, 0.2, 9.0].map(Millis).to_vec();
    let mut seen = secure(
        seen(upgrade()),
        &tls(&["chat.example.com", "*.example.com"], 60),
    );
    seen.session = Some(session);
    (
        "healthy wss",
        seen,
        diagnosis(Health::Healthy, Vec::new(), &[]),
    )
}

fn not_forwarded() -> Probe {
    let refusal = || {
        let headers = [("server", "nginx/1.22.1"), ("content-length", "16")];
        answer(426, "Upgrade Required", &headers, "Upgrade Required")
    };
    let mut seen = seen(refusal());
    seen.compared = vec![
        exchange(Variation::PlainGet, refusal()),
        exchange(Variation::Version99, refusal()),
        exchange(
            Variation::Path("/".to_owned()),
            answer(404, "Not Found", &[], "nothing here"),
        ),
        exchange(
            Variation::Garbage,
            Outcome::NoBytes {
                end: Some("RST".to_owned()),
            },
        ),
    ];
    let finding = Finding::new(&NOT_FORWARDED)
        .titled("The proxy does not pass the Upgrade headers on: the server saw an ordinary GET")
        .saw("handshake, GET and version 99: 426 Upgrade Required, body \"Upgrade Required\"")
        .saw("server: nginx/1.22.1");
    let diagnosis = diagnosis(Health::Faulty, vec![finding], &[Product::Nginx]);
    ("not forwarded", seen, diagnosis)
}

fn certificate() -> Probe {
    let mut tls = tls(&["*.example.org"], -3);
    tls.distrust = Some("expired".to_owned());
    let seen = secure(seen(upgrade()), &tls);
    let findings = vec![
        Finding::new(&EXPIRED)
            .titled("The certificate expired 3 days ago")
            .saw("not after 2025-12-30, now 2026-01-02"),
        Finding::new(&WRONG_HOST)
            .titled("The certificate is for *.example.org, not for chat.example.com")
            .saw("subjectAltName: *.example.org"),
    ];
    (
        "certificate",
        seen,
        diagnosis(Health::Faulty, findings, &[]),
    )
}

fn idle() -> Probe {
    let round = |at_ms: f64, outcome: Outcome| Round {
        at_ms: Millis(at_ms),
        exchange: exchange(Variation::Again, outcome),
        closed: None,
        reason: String::new(),
        node: None,
        open: 2,
    };
    let watch = Watch {
        planned_ms: Millis(75_000.0),
        lasted_ms: Millis(75_000.0),
        holds: vec![
            hold(HoldKind::Silent, 60_100.0, Some(fin(60_100.0))),
            hold(HoldKind::Ping(Millis(20_000.0)), 75_000.0, None),
            hold(HoldKind::OneWay(Millis(20_000.0)), 75_000.0, None),
            hold(
                HoldKind::KeepAlive(Millis(1_000.0)),
                60_100.0,
                Some(fin(60_100.0)),
            ),
        ],
        rounds: vec![
            round(500.0, upgrade()),
            round(2_300.0, answer(502, "Bad Gateway", &[], "")),
            round(4_000.0, upgrade()),
        ],
        reload: false,
    };
    let member = |outcome: Outcome| CrowdMember {
        exchange: exchange(Variation::Again, outcome),
        ended: None,
    };
    let mut seen = seen(upgrade());
    seen.session = Some(session());
    seen.watch = Some(watch);
    seen.crowd = Some(Crowd {
        planned: 3,
        members: vec![
            member(upgrade()),
            member(upgrade()),
            member(answer(503, "Busy", &[], "")),
        ],
        after_closing: None,
        after_pause: None,
    });
    let finding = Finding::new(&IDLE_CUT)
        .titled("A connection without traffic is ended after 60.1 s")
        .saw("silent: FIN without a close frame 60.1 s after the 101")
        .saw("a ping every 20.0 s: open after 75.0 s");
    let mut note = Finding::new(&EXPIRED)
        .titled("The certificate expires in 5 days")
        .severity(Severity::Warning);
    note.fixes.clear();
    let diagnosis = diagnosis(Health::Faulty, vec![finding, note], &[Product::Nginx]);
    ("idle", seen, diagnosis)
}

fn unknown() -> Probe {
    let seen = seen(Outcome::NotHttp {
        bytes: "HELLO\\r\\n".to_owned(),
        end: Some("FIN".to_owned()),
    });
    (
        "unknown",
        seen,
        diagnosis(Health::Undecided, Vec::new(), &[]),
    )
}

fn refused() -> Probe {
    let mut seen = seen(upgrade());
    seen.handshake = None;
    for route in &mut seen.routes {
        route.tcp = None;
        route.fault = Some("refused".to_owned());
    }
    (
        "refused",
        seen,
        diagnosis(Health::Undecided, Vec::new(), &[]),
    )
}

/// What a target may try: the pages get it as `escaped` and `printable` leave it, or worse.
pub const HOSTILE: &str =
    "\x1b[2J```</pre><script>alert(1)</script> [a](http://evil.example) @team |x| \u{202e}gpj";

fn hostile() -> Probe {
    let headers = [("server", HOSTILE), ("location", HOSTILE)];
    let mut seen = secure(
        seen(answer(302, HOSTILE, &headers, HOSTILE)),
        &tls(&[HOSTILE], 60),
    );
    seen.asked.url = format!("ws://{HOSTILE}/");
    seen.compared = vec![
        exchange(
            Variation::Path(HOSTILE.to_owned()),
            answer(404, HOSTILE, &headers, HOSTILE),
        ),
        exchange(
            Variation::Listen,
            Outcome::NotHttp {
                bytes: HOSTILE.to_owned(),
                end: None,
            },
        ),
    ];
    let mut session = session();
    session.ended = Some(Ended {
        code: Some(4001),
        reason: HOSTILE.to_owned(),
        ..fin(12.0)
    });
    session
        .steps
        .push(step(StepKind::Text, Reply::Message(HOSTILE.to_owned())));
    seen.session = Some(session);
    let finding = Finding::new(&NOT_FORWARDED)
        .titled(format!("It redirects to {HOSTILE}"))
        .saw(HOSTILE);
    (
        "hostile",
        seen,
        diagnosis(Health::Faulty, vec![finding], &[]),
    )
}

fn interrupted() -> Probe {
    let (_, mut seen, diagnosis) = idle();
    (seen.watch, seen.crowd) = (None, None);
    (
        "interrupted",
        seen,
        Diagnosis {
            findings: Vec::new(),
            ..diagnosis
        }
        .interrupted(),
    )
}

fn could_not() -> Probe {
    let (_, mut seen, mut diagnosis) = refused();
    for route in &mut seen.routes {
        route.fault = Some("local: Too many open files (os error 24)".to_owned());
    }
    diagnosis.health = Health::CouldNotProbe;
    diagnosis.could_not = Some("Too many open files (os error 24)".to_owned());
    ("could not", seen, diagnosis)
}
