//! Row 12: names that do not resolve, and names with several addresses.

use std::time::Instant;

use super::bench::{Bench, text};
use super::sandbox::{can_unshare, script};

/// Runs the trial against `host` with an own /etc/hosts and resolv.conf; what came out.
fn run(bench: &Bench, host: &str, out: &str, hosts: &str) -> (i32, String, serde_json::Value) {
    let scenario = bench.scenario("2500ms", "");
    let toml = std::fs::read_to_string(&scenario).expect("written");
    let toml = toml.replace("127.0.0.1:", &format!("{host}:"));
    std::fs::write(&scenario, toml).expect("written");
    std::fs::write(bench.path("hosts"), hosts).expect("written");
    let resolver = "nameserver 127.0.0.99\noptions timeout:30 attempts:1\n";
    std::fs::write(bench.path("resolv.conf"), resolver).expect("written");
    let lines = format!(
        "mount --bind hosts /etc/hosts && mount --bind resolv.conf /etc/resolv.conf || exit 99
         $WSBENCH run trial.toml --no-test-dial --out {out} --set target.connect_timeout=1s \
            --set reconnect.policy=none"
    );
    let output = script(&["-m"], bench.folder.path(), &lines);
    let code = output.status.code().expect("an exit code");
    let said = text(&output.stdout) + &text(&output.stderr);
    let result = std::fs::read_to_string(bench.path(out).join("result.json"));
    let result = result.map_or(serde_json::Value::Null, |result| {
        serde_json::from_str(&result).expect("whole JSON")
    });
    (code, said, result)
}

fn failures(result: &serde_json::Value) -> Vec<(String, u64)> {
    let lists = [&result["failures"], &result["outside_measure"]["failures"]];
    let rows = lists
        .into_iter()
        .filter_map(|list| list.as_array())
        .flatten();
    rows.map(|row| {
        let kind = row["kind"].as_str().expect("a kind").to_owned();
        (kind, row["count"].as_u64().expect("a count"))
    })
    .collect()
}

#[test]
fn a_mute_resolver_is_counted_as_dns_within_the_deadline() {
    if !can_unshare(&["-m"]) {
        return;
    }
    let bench = Bench::new();
    // Somebody takes the questions and says nothing.
    let Ok(mute) = std::net::UdpSocket::bind("127.0.0.99:53") else {
        return println!("skipped: 127.0.0.99:53 is taken");
    };
    let started = Instant::now();
    let (code, said, result) = run(&bench, "mute.example.test", "out", "127.0.0.1 localhost\n");
    if code == 99 {
        return println!("skipped: {said}");
    }
    assert_eq!(code, 3, "{said}");
    assert!(
        started.elapsed().as_secs() < 20,
        "the resolver's 30 s are not waited for"
    );
    let failures = failures(&result);
    assert!(
        failures.iter().all(|(kind, _)| kind == "dns"),
        "{failures:?}"
    );
    let failed: u64 = failures.iter().map(|(_, count)| count).sum();
    assert_eq!(failed, 10, "{said}");
    // A and AAAA of the name (and of the name under a search domain), for all clients together.
    mute.set_nonblocking(true).expect("a socket");
    let mut asked = 0;
    while mute.recv(&mut [0; 512]).is_ok() {
        asked += 1;
    }
    assert!(
        (1..=8).contains(&asked),
        "asked {asked} times for 10 clients"
    );
}

#[test]
fn an_unknown_name_is_counted_as_dns() {
    if !can_unshare(&["-m"]) {
        return;
    }
    // Nobody listens at the resolver's address: the answer is no.
    let bench = Bench::new();
    let (code, said, result) = run(&bench, "nowhere.invalid", "out", "127.0.0.1 localhost\n");
    if code == 99 {
        return println!("skipped: {said}");
    }
    assert_eq!(code, 3, "{said}");
    let failures = failures(&result);
    assert!(
        !failures.is_empty() && failures.iter().all(|(kind, _)| kind == "dns"),
        "{failures:?}"
    );
    assert!(said.contains("nowhere.invalid"), "{said}");
}

#[test]
fn the_next_address_is_tried_when_the_first_refuses() {
    if !can_unshare(&["-m"]) {
        return;
    }
    let bench = Bench::new();
    let hosts = "127.0.0.77 several.test\n127.0.0.1 several.test\n";
    let (code, said, result) = run(&bench, "several.test", "out", hosts);
    if code == 99 {
        return println!("skipped: {said}");
    }
    assert_eq!(code, 0, "{said}");
    assert_eq!(failures(&result), []);
}
