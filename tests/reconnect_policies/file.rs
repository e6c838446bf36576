//! `[reconnect]` in a scenario: presets, their times changed, and the same waits in the user's own keys.

use std::time::Duration;

use wsbench::scenario::reconnect::{NAMES, preset};
use wsbench::scenario::{Overrides, Reconnect, ReconnectPolicy, Scenario, Statistics};

fn read(keys: &str) -> Reconnect {
    let text = format!(
        "name = \"x\"\n[target]\nurl = \"ws://127.0.0.1:9001/\"\n[load]\nstages = [ {{ duration = \"1s\", clients = 1 }} ]\n[reconnect]\n{keys}\n"
    );
    let statistics = Statistics {
        kind: &|_| None,
        names: &[],
    };
    let scenario = Scenario::parse(
        "x.toml",
        &text,
        &Overrides::default(),
        &|_| None,
        &statistics,
    );
    scenario
        .unwrap_or_else(|problems| panic!("{keys}: {problems}"))
        .reconnect
}

#[test]
fn every_preset_reads_as_its_plan() {
    for name in NAMES {
        let plan = read(&format!("preset = \"{name}\""));
        assert_eq!(Some(plan), preset(name), "{name}");
    }
}

/// The keys are enough to say everything a preset says.
#[test]
fn presets_can_be_written_out() {
    for (name, keys) in [
        ("none", ""),
        ("fixed", "policy = 'fixed'\njitter = 'none'"),
        ("fixed-jitter", "policy = 'fixed'\njitter = [0.5, 1.5]"),
        ("exponential", "policy = 'exponential'\njitter = 'none'"),
        ("full", "policy = 'exponential'"),
        ("equal", "policy = 'exponential'\njitter = [0.5, 1]"),
        (
            "decorrelated",
            "policy = 'exponential'\njitter = 'decorrelated'",
        ),
        (
            "uniform",
            "policy = 'fixed'\ndelay = '10s'\njitter = 'full'",
        ),
        (
            "phoenix",
            "policy = 'list'\njitter = 'none'\nstable_after = '0s'\ndelays = ['10ms', '50ms', '100ms', '150ms', '200ms', '250ms', '500ms', '1s', '2s', '5s']",
        ),
        (
            "signalr",
            "policy = 'list'\njitter = 'none'\nstable_after = '0s'\ndelays = ['0s', '2s', '10s', '30s']\nmax_attempts = 4",
        ),
        (
            "actioncable",
            "policy = 'exponential'\ninitial = '6s'\nfactor = 1.15\nmax_delay = '24s273ms346us414ns'\nfirst_jitter = [1, 2]\njitter = [1, 1.15]\nstable_after = '0s'",
        ),
        (
            "centrifuge",
            "policy = 'exponential'\ninitial = '500ms'\nmax_delay = '20s'\nadded = '500ms'\nmax_wait = '20s'\nstable_after = '0s'",
        ),
        (
            "slack",
            "policy = 'linear'\ndelay = '5s'\njitter = 'none'\nstable_after = '0s'",
        ),
        (
            "grpc",
            "policy = 'exponential'\nfactor = 1.6\nmax_delay = '2m'\njitter = [0.8, 1.2]\nstable_after = '0s'",
        ),
    ] {
        assert_eq!(Some(read(keys)), preset(name), "{name}");
    }
    // These three have no cap before jitter, only one after it; a file always has both.
    for (name, keys) in [
        (
            "socketio",
            "policy = 'exponential'\njitter = 'backo2'\nmax_wait = '5s'\nstable_after = '0s'",
        ),
        (
            "reconnecting-websocket",
            "policy = 'exponential'\nfactor = 1.3\njitter = [1, 5]\njitter_once = true\nmax_wait = '10s'\nstable_after = '5s'",
        ),
        (
            "graphql-ws",
            "policy = 'exponential'\njitter = 'none'\nadded = ['300ms', '3s']\nmax_attempts = 5\nstable_after = '0s'",
        ),
    ] {
        let mut own = read(keys);
        if let ReconnectPolicy::Exponential { max_delay, .. } = &mut own.policy {
            assert_eq!(*max_delay, Duration::from_secs(30));
            *max_delay = Duration::MAX;
        }
        assert_eq!(Some(own), preset(name), "{name}");
    }
}

#[test]
fn keys_change_the_times_of_a_preset() {
    for (keys, words) in [
        (
            "preset = 'socketio'\ninitial = '2s'\nfactor = 3\nmax_wait = '20s'\nmax_attempts = 7",
            "after 2s, then x 3, each +-50 % (backo2), never longer than 20s, at most 7 attempts in a row",
        ),
        ("preset = 'mqtt'\ndelay = '3s'", "after 3s"),
        (
            "preset = 'slack'\ndelay = '1s'",
            "after 1s, then 1s longer each time",
        ),
        (
            "preset = 'full'\nmax_delay = '1m'",
            "after 1s, then x 2 up to 1m, full jitter",
        ),
        (
            "preset = 'decorrelated'\ninitial = '100ms'",
            "after 100ms to 3 x the wait before, up to 30s (decorrelated)",
        ),
        (
            "preset = 'signalr'\nmax_attempts = 6",
            "after 0s, 2s, 10s, 30s, the last again and again, at most 6 attempts in a row",
        ),
    ] {
        assert_eq!(read(keys).to_string(), words, "{keys}");
    }
    let patient = read("preset = 'socketio'\nstable_after = '1m'");
    assert_eq!(patient.stable_after, Duration::from_secs(60));
}
