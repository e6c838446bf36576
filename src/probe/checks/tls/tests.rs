//! Certificates, handshakes and schemes, from what was seen to findings.

use super::*;
use crate::probe::ask::compare::scheme;
use crate::probe::diagnose;
use crate::probe::seen::{Answer, Exchange, Millis, Outcome, TcpOpened, TlsProblem, Variation};

const NOW: i64 = 1_800_000_000;
const DAY: i64 = 86_400;

fn good() -> Certificate {
    Certificate {
        subject: "CN=ws.example.com".to_owned(),
        issuer: "CN=Some CA".to_owned(),
        common_name: Some("ws.example.com".to_owned()),
        names: vec!["ws.example.com".to_owned()],
        not_before: NOW - 30 * DAY,
        not_after: NOW + 60 * DAY,
        key: "RSA 2048".to_owned(),
        key_bits: 2048,
        signature: "sha256WithRSAEncryption".to_owned(),
        ..Certificate::default()
    }
}

fn seen_with(tls: TlsSeen) -> Seen {
    let mut seen = Seen::default();
    seen.asked.secure = true;
    seen.asked.host = "ws.example.com".to_owned();
    seen.asked.port = 443;
    seen.asked.at = NOW;
    seen.routes = vec![Route {
        address: "192.0.2.1:443".to_owned(),
        tcp: Some(TcpOpened::default()),
        tls: Some(tls),
        ..Route::default()
    }];
    seen
}

fn with_certificate(change: impl FnOnce(&mut TlsSeen)) -> Seen {
    let mut tls = TlsSeen {
        version: Some("TLS 1.3".to_owned()),
        chain: vec![good()],
        ..TlsSeen::default()
    };
    change(&mut tls);
    seen_with(tls)
}

fn ids(seen: &Seen) -> Vec<&'static str> {
    let found = ALL.iter().flat_map(|check| (check.ask)(seen));
    found.map(|finding| finding.id).collect()
}

fn exchange(asked: Variation, outcome: Outcome) -> Exchange {
    Exchange {
        asked,
        at_ms: Millis::default(),
        address: "192.0.2.1:443".to_owned(),
        first_byte_ms: None,
        took_ms: Millis::default(),
        outcome,
    }
}

fn says(status: u16, body: &str) -> Outcome {
    Outcome::Answer(Answer {
        status,
        body: body.to_owned(),
        ..Answer::default()
    })
}

/// What is done to a good certificate.
type Change = fn(&mut TlsSeen);
/// (name, change, what is found).
type Row = (&'static str, Change, &'static [&'static str]);

const OWN: &[Row] = &[
    ("nothing", |_| {}, &[]),
    (
        "expired",
        |t| t.chain[0].not_after = NOW - DAY,
        &["tls-expired"],
    ),
    (
        "early",
        |t| t.chain[0].not_before = NOW + DAY,
        &["tls-not-yet-valid"],
    ),
    (
        "soon",
        |t| t.chain[0].not_after = NOW + 3 * DAY,
        &["tls-expires-soon"],
    ),
    // A certificate of a week is renewed in its own rhythm.
    (
        "short-lived",
        |t| {
            (t.chain[0].not_before, t.chain[0].not_after) = (NOW - DAY, NOW + 5 * DAY);
        },
        &[],
    ),
    (
        "other host",
        |t| t.chain[0].names = vec!["*.example.org".to_owned()],
        &["tls-wronghost"],
    ),
    ("CN only", |t| t.chain[0].names.clear(), &["tls-cn-only"]),
];

const CHAIN: &[Row] = &[
    (
        "self-signed",
        |t| {
            t.chain[0].self_issued = true;
            t.chain_distrust = Some("no trusted root signed it".to_owned());
            t.unknown_issuer = true;
        },
        &["tls-selfsigned"],
    ),
    // Given with --ca: the user knows it.
    (
        "trusted self-signed",
        |t| t.chain[0].self_issued = true,
        &[],
    ),
    (
        "unknown issuer",
        |t| {
            t.chain_distrust = Some("no trusted root signed it".to_owned());
            t.unknown_issuer = true;
        },
        &["tls-chain"],
    ),
    (
        "SHA-1",
        |t| t.chain[0].signature = "sha1WithRSAEncryption".to_owned(),
        &["tls-weak"],
    ),
    (
        "small key",
        |t| (t.chain[0].key, t.chain[0].key_bits) = ("RSA 1024".to_owned(), 1024),
        &["tls-weak"],
    ),
    (
        "order",
        |t| {
            t.chain.push(Certificate {
                subject: "CN=Another CA".to_owned(),
                ..good()
            });
        },
        &["tls-chain-order"],
    ),
    (
        "a reason of its own",
        |t| t.distrust = Some("RequiredEkuNotFound".to_owned()),
        &["tls-untrusted"],
    ),
];

#[test]
fn each_fault_of_a_certificate_has_its_name() {
    for &(name, change, wanted) in OWN.iter().chain(CHAIN) {
        let mut seen = with_certificate(change);
        assert_eq!(ids(&seen), wanted, "{name}");
        seen.asked.insecure = true;
        let alarmed = diagnose(&seen).findings.into_iter();
        let alarms = alarmed.filter(|f| f.severity > Severity::Note);
        assert!(name == "order" || alarms.count() == 0, "{name}");
    }
}

#[test]
fn a_root_that_is_sent_along_leaves_no_missing_intermediate() {
    let mut seen = with_certificate(|tls| {
        tls.chain_distrust = Some("no trusted root signed it".to_owned());
        tls.unknown_issuer = true;
    });
    let causes = |seen: &Seen| diagnose(seen).findings[0].causes.len();
    assert_eq!(causes(&seen), 3);
    let root = Certificate {
        subject: "CN=Some CA".to_owned(),
        self_issued: true,
        ..good()
    };
    seen.routes[0].tls.as_mut().unwrap().chain.push(root);
    assert_eq!(causes(&seen), 2);
}

#[test]
fn a_client_certificate_is_asked_for_in_several_ways() {
    let alert = |name: &str| Outcome::NoBytes {
        end: Some(format!("alert {name}")),
    };
    let page = "400 No required SSL certificate was sent";
    let table = [
        (true, alert("CertificateRequired"), &["tls-client-cert"][..]),
        (true, alert("BadCertificate"), &["tls-client-cert"][..]),
        (true, says(400, page), &["tls-client-cert"][..]),
        (true, says(400, "Bad Request"), &[][..]),
        (true, says(426, ""), &[][..]),
        (false, says(400, page), &[][..]),
        (false, says(403, ""), &[][..]),
    ];
    for (asked, outcome, wanted) in table {
        let mut seen = with_certificate(|tls| tls.client_certificate_asked = asked);
        seen.handshake = Some(exchange(Variation::Handshake, outcome.clone()));
        assert_eq!(ids(&seen), wanted, "{asked} {outcome:?}");
        if wanted.is_empty() {
            continue;
        }
        seen.asked.client_certificate = true;
        assert_eq!(ids(&seen), ["tls-client-cert-refused"], "{outcome:?}");
    }
    // A 403 has other causes too: a remark, no blame.
    let mut seen = with_certificate(|tls| tls.client_certificate_asked = true);
    seen.handshake = Some(exchange(Variation::Handshake, says(403, "")));
    let found = (client::CHECK.ask)(&seen);
    assert_eq!(found[0].severity, Severity::Note);
}

#[test]
fn tls_that_does_not_come_up_says_why() {
    let alert = |name: &str| TlsProblem::Alert(name.to_owned());
    let old = TlsProblem::Other("peer is incompatible: ServerDoesNotSupportTls12Or13".to_owned());
    let table = [
        (alert("ProtocolVersion"), "tls-old"),
        (old, "tls-old"),
        (alert("UnrecognisedName"), "tls-sni"),
        (alert("HandshakeFailure"), "tls-no-common"),
        (alert("InternalError"), "tls-alert"),
        (TlsProblem::TimedOut, "tls-stall"),
        (TlsProblem::Closed, "tls-closed"),
        (TlsProblem::Reset, "tls-closed"),
        (
            TlsProblem::Other("peer misbehaved".to_owned()),
            "tls-protocol",
        ),
        (TlsProblem::NotTls("SSH-2.0-x".to_owned()), "tls-not-spoken"),
        (
            TlsProblem::NotTls("HTTP/1.1 400 Bad Request".to_owned()),
            "wss-on-plain-port",
        ),
    ];
    for (problem, id) in table {
        let seen = seen_with(TlsSeen {
            problem: Some(problem.clone()),
            ..TlsSeen::default()
        });
        assert_eq!(ids(&seen), [id], "{problem:?}");
    }
}

#[test]
fn an_alert_that_comes_only_with_the_name_is_about_the_name() {
    let mut seen = seen_with(TlsSeen {
        problem: Some(TlsProblem::Alert("InternalError".to_owned())),
        ..TlsSeen::default()
    });
    let nameless = scheme::next(&seen);
    assert_eq!(nameless.len(), 1);
    let nameless = exchange(nameless[0].clone(), says(404, ""));
    seen.compared.push(nameless);
    assert_eq!(ids(&seen), ["tls-sni"]);
    assert!(scheme::next(&seen).is_empty(), "asked once");
}

#[test]
fn the_other_scheme_decides_both_ways() {
    // Silent, closed or no TLS: only an HTTP answer without TLS proves a plain port.
    for problem in [TlsProblem::TimedOut, TlsProblem::Closed, TlsProblem::Reset] {
        let mut seen = seen_with(TlsSeen {
            problem: Some(problem),
            ..TlsSeen::default()
        });
        assert_eq!(scheme::next(&seen), [Variation::OtherScheme]);
        seen.compared = vec![exchange(Variation::OtherScheme, says(101, ""))];
        assert_eq!(ids(&seen), ["wss-on-plain-port"]);
        let mute = Outcome::NoBytes { end: None };
        seen.compared = vec![exchange(Variation::OtherScheme, mute)];
        assert!(!ids(&seen).contains(&"wss-on-plain-port"));
    }
    let fin = || Outcome::NoBytes {
        end: Some("FIN".to_owned()),
    };
    let alert = Outcome::NoTls(TlsProblem::Alert("UnrecognisedName".to_owned()));
    let page = "Client sent an HTTP request to an HTTPS server.";
    let table = [
        (fin(), says(101, ""), true),
        (fin(), alert, true),
        (fin(), Outcome::NoTls(TlsProblem::Closed), false),
        (says(400, page), says(404, ""), true),
        (says(400, page), Outcome::NoTls(TlsProblem::Reset), false),
        (says(400, "Bad Request"), says(101, ""), false),
        (says(426, ""), says(101, ""), false),
    ];
    for (plain, over_tls, wanted) in table {
        let mut seen = seen_with(TlsSeen::default());
        seen.asked.secure = false;
        seen.routes[0].tls = None;
        seen.handshake = Some(exchange(Variation::Handshake, plain.clone()));
        seen.compared = vec![exchange(Variation::OtherScheme, over_tls.clone())];
        let found = ids(&seen).contains(&"ws-on-tls-port");
        assert_eq!(found, wanted, "{plain:?} {over_tls:?}");
    }
}
