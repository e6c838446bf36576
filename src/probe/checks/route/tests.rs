//! Names, connections and forward proxies, from what was seen to findings.

use super::*;
use crate::probe::finding::{Certainty, Health, Severity};
use crate::probe::seen::{Answer, Exchange, Millis, Outcome, TcpOpened, Variation};
use crate::probe::{Diagnosis, diagnose};

fn seen() -> Seen {
    let mut seen = Seen::default();
    seen.asked.host = "ws.example.com".to_owned();
    seen.asked.port = 8080;
    seen
}

/// An open route without a fault, one that did not open with one.
fn route(address: &str, fault: Option<&str>) -> Route {
    let opened = TcpOpened {
        took_ms: Millis(1.0),
        syn_resends: 0,
    };
    Route {
        address: address.to_owned(),
        tcp: fault.is_none().then_some(opened),
        fault: fault.map(ToOwned::to_owned),
        took_ms: Millis(5_000.0),
        ..Route::default()
    }
}

fn with_routes(routes: &[(&str, Option<&str>)]) -> Seen {
    let mut seen = seen();
    seen.routes = routes.iter().map(|(a, fault)| route(a, *fault)).collect();
    seen
}

fn ids(seen: &Seen) -> Vec<&'static str> {
    let found = ALL.iter().flat_map(|check| (check.ask)(seen));
    found.map(|finding| finding.id).collect()
}

#[test]
fn a_resolver_is_taken_at_its_word() {
    let table = [
        (
            "failed to lookup address information: Name or service not known",
            "dns",
        ),
        ("Name does not resolve", "dns"),
        ("Temporary failure in name resolution", "dns-no-answer"),
        ("no answer in time", "dns-no-answer"),
        ("No address associated with hostname", "dns-no-address"),
    ];
    for (error, id) in table {
        let mut seen = seen();
        seen.resolved.error = Some(error.to_owned());
        assert_eq!(ids(&seen), [id], "{error}");
    }
    // A name that no DNS holds is missing, whatever a resolver without a network says.
    let mut seen = seen();
    seen.asked.host = "nowhere.invalid".to_owned();
    seen.resolved.error = Some("Temporary failure in name resolution".to_owned());
    assert_eq!(ids(&seen), ["dns"]);
}

#[test]
fn a_slow_look_up_is_a_warning_and_a_quick_one_nothing() {
    for (took, wanted) in [(12.0, &[][..]), (5_010.0, &["dns-slow"][..])] {
        let mut seen = seen();
        seen.resolved.took_ms = Some(Millis(took));
        seen.resolved.addresses = vec!["192.0.2.1:8080".to_owned()];
        assert_eq!(ids(&seen), wanted, "{took}");
    }
}

#[test]
fn an_address_that_does_not_open_is_named_with_all_causes() {
    let table = [
        ("refused", "refused", "accept queue"),
        ("timeout", "connect-timeout", "refuse"),
        ("unreachable: No route to host", "unreachable", "refuse"),
        ("Protocol not available", "connect-error", "refuse"),
    ];
    for (fault, id, foreign) in table {
        let seen = with_routes(&[("192.0.2.1:8080", Some(fault))]);
        assert_eq!(ids(&seen), [id]);
        let Diagnosis { findings, .. } = diagnose(&seen);
        let text = format!("{:?}", findings[0]).to_lowercase();
        assert!(!text.contains(foreign), "{id} speaks of {foreign}");
        if id != "connect-error" {
            assert_eq!(findings[0].certainty, Certainty::OneOf, "{id}");
        }
    }
}

#[test]
fn what_this_machine_could_not_try_is_no_fault_of_the_path() {
    let local = Some("local: Too many open files (os error 24)");
    let mut seen = with_routes(&[("192.0.2.1:80", local), ("[2001:db8::1]:80", local)]);
    let diagnosis = diagnose(&seen);
    assert_eq!(diagnosis.health, Health::CouldNotProbe);
    assert!(diagnosis.could_not.unwrap().contains("Too many open files"));
    seen.routes[0] = route("192.0.2.1:80", Some("refused"));
    assert_eq!(diagnose(&seen).health, Health::Faulty);
    assert_eq!(ids(&seen), ["refused"]);
}

#[test]
fn a_family_that_does_not_work_is_a_warning_unless_it_is_loopback_or_ours() {
    let (refused, local) = (Some("refused"), Some("local: no route from this machine"));
    type Row<'a> = (&'a [(&'a str, Option<&'a str>)], &'a [&'a str]);
    let table: [Row<'_>; 7] = [
        (&[("192.0.2.1:80", None), ("[2001:db8::1]:80", None)], &[]),
        (
            &[("192.0.2.1:80", None), ("[2001:db8::1]:80", refused)],
            &["address-family"],
        ),
        (
            &[
                ("192.0.2.1:80", Some("timeout")),
                ("[2001:db8::1]:80", None),
            ],
            &["address-family"],
        ),
        (
            &[("192.0.2.1:80", None), ("192.0.2.2:80", refused)],
            &["address-down"],
        ),
        (&[("192.0.2.1:80", None), ("[2001:db8::1]:80", local)], &[]),
        (&[("[::1]:80", refused), ("127.0.0.1:80", None)], &[]),
        (
            &[("127.0.0.1:80", refused), ("[::1]:80", None)],
            &["address-family"],
        ),
    ];
    for (routes, wanted) in table {
        let seen = with_routes(routes);
        assert_eq!(ids(&seen), wanted, "{routes:?}");
        assert_eq!(
            diagnose(&seen)
                .findings
                .iter()
                .filter(|f| f.severity > Severity::Warning)
                .count(),
            0
        );
    }
}

#[test]
fn a_syn_sent_again_is_said() {
    let mut seen = with_routes(&[("192.0.2.1:80", None)]);
    assert!(ids(&seen).is_empty());
    seen.routes[0].tcp = Some(TcpOpened {
        took_ms: Millis(3_020.0),
        syn_resends: 2,
    });
    assert_eq!(ids(&seen), ["connect-slow"]);
}

fn through_proxy(outcome: Outcome) -> Seen {
    let mut seen = with_routes(&[("192.0.2.9:3128", None)]);
    seen.asked.proxy = Some("proxy.example:3128".to_owned());
    seen.connect = Some(Exchange {
        asked: Variation::Connect,
        at_ms: Millis(0.0),
        address: "192.0.2.9:3128".to_owned(),
        first_byte_ms: None,
        took_ms: Millis(3.0),
        outcome,
    });
    seen
}

#[test]
fn the_forward_proxy_is_told_from_the_target() {
    let says = |status: u16| {
        Outcome::Answer(Answer {
            status,
            ..Answer::default()
        })
    };
    let silent = Outcome::NoBytes { end: None };
    let other = Outcome::NotHttp {
        bytes: "\\x05".to_owned(),
        end: None,
    };
    let table = [
        (says(200), &[][..], 0),
        (says(407), &["corp-proxy"][..], 1),
        (says(403), &["corp-proxy"][..], 1),
        (says(405), &["corp-proxy"][..], 2),
        (says(503), &["proxy-no-target"][..], 3),
        (says(301), &["proxy-not-http"][..], 3),
        (silent, &["proxy-not-http"][..], 3),
        (other, &["proxy-not-http"][..], 2),
    ];
    for (outcome, wanted, causes) in table {
        let seen = through_proxy(outcome.clone());
        assert_eq!(ids(&seen), wanted, "{outcome:?}");
        let findings = diagnose(&seen).findings;
        let kept = findings.first().map_or(0, |f| f.causes.len());
        assert_eq!(kept, causes, "{outcome:?}");
    }
}
