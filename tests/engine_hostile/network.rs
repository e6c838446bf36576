//! What goes wrong before a request is read: TCP, TLS; and runs in which nothing connects.

use super::server::ports::{self, Authority, Fault};
use super::trial::{Case, HEALTHY, MANY, Trial, each, once_and_many};

/// Each URL fails for each client with its kind; the hint of one of them.
#[track_caller]
fn assert_kinds(urls: &[String], kinds: &[&str], clients: u64, target: &str) -> Trial {
    let mut case = Case::new(urls, clients);
    case.target = target.to_owned();
    let trial = case.sound();
    let kinds = kinds.iter().map(|kind| ((*kind).to_owned(), clients));
    assert_eq!(
        trial.tally("failures"),
        super::trial::sum(kinds),
        "{}",
        trial.name
    );
    assert_eq!(trial.count("connections_opened"), HEALTHY, "{}", trial.name);
    trial.assert_healthy_answered();
    trial
}

/// RELIABILITY 4.5 no. 13 to 15: one dead target holds up no client of another.
#[test]
fn ports_with_a_fate_fail_by_their_kind() {
    let table = [
        (ports::closed(), "refused"),
        (ports::full(), "connect_timeout"),
        (ports::mute(), "handshake_timeout"),
        (ports::fin(), "bad_upgrade{truncated}"),
        (ports::rst(), "reset"),
    ];
    once_and_many(&table, |rows, clients| {
        let urls: Vec<_> = rows
            .iter()
            .map(|(port, _)| format!("ws://{port}/"))
            .collect();
        let kinds: Vec<_> = rows.iter().map(|(_, kind)| *kind).collect();
        assert_kinds(&urls, &kinds, clients, "");
    });
}

/// No. 17 and 18.
#[test]
fn tls_that_goes_wrong_says_how() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).expect("written");
    let trusting = format!("tls = {{ ca = {ca:?} }}");
    let only_new = format!("tls = {{ ca = {ca:?}, min_version = \"1.3\" }}");
    let insecure = "tls = { insecure = true }".to_owned();
    // They read a request and go: that far, the handshake was good.
    let good = "bad_upgrade{truncated}";
    let table = [
        (Fault::None, &trusting, good, ""),
        (Fault::WrongName, &trusting, "tls", "name"),
        (Fault::Expired, &trusting, "tls", "expired"),
        (Fault::SelfSigned, &trusting, "tls", "UnknownIssuer"),
        (Fault::OldOnly, &only_new, "tls{70}", "ProtocolVersion"),
        (Fault::OldOnly, &trusting, good, ""),
        (
            Fault::WantsCertificate,
            &trusting,
            "tls{116}",
            "CertificateRequired",
        ),
        (
            Fault::WantsCertificate12,
            &trusting,
            "tls{116}",
            "CertificateRequired",
        ),
        (Fault::WrongName, &insecure, good, ""),
        (Fault::Expired, &insecure, good, ""),
        (Fault::SelfSigned, &insecure, good, ""),
    ];
    let table = table.map(|(fault, target, kind, says)| {
        (
            format!("wss://{}/", authority.serve(fault)),
            fault,
            target,
            kind,
            says,
        )
    });
    let cases: Vec<_> = table
        .iter()
        .flat_map(|row| [(row, 1), (row, MANY)])
        .collect();
    each(&cases, |((url, fault, target, kind, says), clients)| {
        let trial = assert_kinds(std::slice::from_ref(url), &[kind], *clients, target);
        let example = trial.example("failures", kind);
        assert!(example.contains(says), "{fault:?}: {example}");
    });
}

#[test]
fn tls_and_plain_mixed_up_are_told_apart() {
    let authority = Authority::new();
    let tls = format!("ws://{}/", authority.serve(Fault::None));
    let table = [
        (tls, "bad_upgrade{looks_like_tls}"),
        (format!("wss://{}/", ports::not_tls()), "tls"),
        (format!("wss://{}/", ports::fin_within_tls()), "tls"),
        (format!("wss://{}/", ports::mute()), "handshake_timeout"),
        (format!("wss://{}/", ports::rst()), "reset"),
        (format!("wss://{}/", ports::fin()), "tls"),
        (format!("wss://{}/", ports::closed()), "refused"),
    ];
    let table: Vec<_> = table
        .iter()
        .map(|(url, kind)| (url.as_str(), *kind))
        .collect();
    once_and_many(&table, |rows, clients| {
        let urls: Vec<_> = rows.iter().map(|(url, _)| (*url).to_owned()).collect();
        let kinds: Vec<_> = rows.iter().map(|(_, kind)| *kind).collect();
        let secure = urls.iter().any(|url| url.starts_with("wss"));
        let target = if secure {
            "tls = { insecure = true }"
        } else {
            ""
        };
        let trial = assert_kinds(&urls, &kinds, clients, target);
        if rows[0].0.starts_with("ws:") {
            let example = trial.example("failures", "bad_upgrade{looks_like_tls}");
            assert!(example.starts_with("answered with "), "{example}");
        }
    });
}

/// RELIABILITY 4.2 no. 16: a run in which nothing connected is no pass.
#[test]
fn a_run_that_connects_nowhere_says_so() {
    let table = [
        format!("ws://{}/", ports::closed()),
        format!("ws://{}/", ports::full()),
        format!("ws://{}/", ports::fin()),
        format!("ws://{}/", ports::rst()),
        "/before/status/503".to_owned(),
        "/before/redirect/302/elsewhere".to_owned(),
        "/before/wrong_accept".to_owned(),
        "/before/silent".to_owned(),
    ];
    let cases: Vec<_> = table
        .iter()
        .flat_map(|url| [(url, 1), (url, MANY)])
        .collect();
    each(&cases, |(url, clients)| {
        let mut case = Case::new([url], *clients);
        case.healthy = false;
        let trial = case.run();
        assert_eq!(trial.exit, Some(3), "{url}: {}", trial.stderr);
        assert_eq!(trial.result["end_reason"], "nothing_connected", "{url}");
        assert_ne!(trial.result["verdict"], "pass", "{url}");
        assert_eq!(trial.count("connections_failed"), *clients, "{url}");
        trial.assert_on_time();
        trial.assert_small();
    });
}
