//! The bodies of the fuzz targets (tests/fuzz) on stable, for a few seconds: every seed, every input
//! that was once found to fail, seeds changed at random, and any bytes.

#[path = "fuzz_properties/mod.rs"]
mod properties;

use std::path::Path;

use properties::{TARGETS, check};
use proptest::prelude::*;

/// Every file of a folder; none when it is not there.
fn files(folder: &Path, extension: Option<&str>) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.expect("the folder can be listed").path());
    let mut paths: Vec<_> = paths
        .filter(|path| {
            path.is_file()
                && (extension.is_none() || path.extension().and_then(|e| e.to_str()) == extension)
        })
        .collect();
    paths.sort();
    let read = |path| std::fs::read(path).expect("readable");
    paths.into_iter().map(read).collect()
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut seeds = files(&Path::new("tests/fuzz/seeds").join(target), None);
    if target == "scenario" {
        for folder in ["scenarios", "tests/scenario_errors"] {
            seeds.extend(files(Path::new(folder), Some("toml")));
        }
    }
    assert!(seeds.len() > 1 || target == "result", "{target} has seeds");
    seeds
}

#[test]
fn seeds_and_past_failures_hold() {
    for (target, body) in TARGETS {
        for seed in seeds(target) {
            body(&seed);
        }
        for found in files(&Path::new("tests/fuzz/found").join(target), None) {
            check(target, &found);
        }
    }
}

/// A body that refuses everything would pass: the good seeds are read.
#[test]
fn good_seeds_are_not_refused() {
    let result = &seeds("result")[0];
    let text = std::str::from_utf8(result).expect("text");
    let result = wsbench::result::RunResult::parse(text, Path::new("x")).expect("a result");
    assert!(!result.summary.metrics.is_empty());
    for metric in result.summary.metrics.values() {
        assert!(!metric.decode().expect("a histogram").is_empty());
    }
}

/// Large and mean, each in a way of its own: an answer comes, where once it took minutes or all memory.
#[test]
fn hostile_sizes_come_to_an_end() {
    const HEAD: &str = "name = \"x\"\ntarget.url = \"ws://h/\"\n\
        load.stages = [ { duration = \"1s\", clients = 1 } ]\n";
    const STEP: &str = "[[session]]\n[[session.step]]\n";
    let large = 900_000;
    let regexes = "[[session.step]]\nexpect = { regex = \"\\\\pL{30}\" }\n".repeat(9_000);
    for text in [
        format!("{HEAD}[thresholds]\n\"{}\" = \"< 1s\"\n", "x".repeat(large)),
        format!("{HEAD}[[session]]\n{regexes}"),
        format!(
            "{HEAD}{STEP}expect = {{ regex = \"{}\" }}\n",
            "a|".repeat(large / 2)
        ),
        format!(
            "{HEAD}{STEP}send = \"{}\"\n",
            "{{text 16777216}}".repeat(50_000)
        ),
        format!("{HEAD}{STEP}send = \"{}\"\n", "{{seq}}".repeat(100_000)),
        format!(
            "{HEAD}{STEP}expect = {{ json = {{ \"{}\" = 1 }} }}\n",
            "/a".repeat(large / 2)
        ),
        format!("[{}]\n", vec!["a"; 10_000].join(".")),
        format!("a = {}", "[".repeat(large)),
    ] {
        check("scenario", text.as_bytes());
    }
    let nested = "{\"a\":".repeat(large / 5);
    check("extract", format!("/a/a\n---\n{nested}").as_bytes());
    check(
        "extract",
        format!("{}\n---\n{{\"a\":1}}", "/a".repeat(large / 2)).as_bytes(),
    );
    check("matching", format!("---\n{nested}").as_bytes());
}

/// One change of some bytes.
#[derive(Clone, Debug)]
enum Change {
    Flip(usize, u8),
    Insert(usize, Vec<u8>),
    Delete(usize, usize),
    /// A piece of another seed goes in.
    Splice(usize, usize, usize, usize),
    /// A piece comes many times.
    Repeat(usize, usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<usize>;
    prop_oneof![
        4 => (at(), any::<u8>()).prop_map(|(at, bits)| Change::Flip(at, bits)),
        2 => (at(), proptest::collection::vec(any::<u8>(), 1..8)).prop_map(|(at, new)| Change::Insert(at, new)),
        2 => (at(), 1_usize..40).prop_map(|(at, length)| Change::Delete(at, length)),
        2 => (at(), at(), at(), 1_usize..200).prop_map(|(at, seed, from, length)| Change::Splice(at, seed, from, length)),
        1 => (at(), 1_usize..20, 2_usize..200).prop_map(|(at, length, times)| Change::Repeat(at, length, times)),
    ]
}

fn apply(change: &Change, bytes: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let place = |at: usize| at % (bytes.len() + 1);
    let range = |at: usize, length: usize| place(at)..(place(at) + length).min(bytes.len());
    match change {
        Change::Flip(at, bits) => {
            let at = place(*at);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= bits;
            }
        }
        Change::Insert(at, new) => drop(bytes.splice(place(*at)..place(*at), new.iter().copied())),
        Change::Delete(at, length) => drop(bytes.drain(range(*at, *length))),
        Change::Splice(at, seed, from, length) => {
            let other = &seeds[seed % seeds.len()];
            let from = from % (other.len() + 1);
            let piece = &other[from..(from + length).min(other.len())];
            drop(bytes.splice(place(*at)..place(*at), piece.iter().copied()));
        }
        Change::Repeat(at, length, times) => {
            let range = range(*at, *length);
            let piece = bytes[range.clone()].repeat(*times);
            drop(bytes.splice(range, piece));
        }
    }
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    }
}

/// Runs a body on changed seeds and on bytes without any plan.
fn hold(target: &str, cases: u32) {
    let seeds = seeds(target);
    let changed = (any::<usize>(), proptest::collection::vec(change(), 1..5));
    proptest!(config(cases), |((seed, changes) in changed)| {
        let mut bytes = seeds[seed % seeds.len()].clone();
        for change in &changes {
            apply(change, &mut bytes, &seeds);
        }
        check(target, &bytes);
    });
    let any_bytes = proptest::collection::vec(any::<u8>(), 0..200);
    proptest!(config(cases), |(bytes in any_bytes)| check(target, &bytes));
}

#[test]
fn frames_and_close_payloads_hold() {
    hold("frames_client", 400);
    hold("frames_server", 400);
    hold("close", 400);
}

#[test]
fn upgrades_hold() {
    hold("upgrade_answer", 200);
    hold("upgrade_request", 400);
}

#[test]
fn messages_hold() {
    hold("extract", 400);
    hold("matching", 100);
}

#[test]
fn scenarios_and_templates_hold() {
    hold("scenario", 150);
    hold("template", 400);
}

#[test]
fn results_hold() {
    hold("histogram", 30);
    hold("result", 20);
}

/// Any value of a result replaced by any other: what byte flips hardly reach.
#[test]
fn results_with_other_values_hold() {
    let whole: serde_json::Value =
        serde_json::from_slice(&seeds("result")[0]).expect("the seed is JSON");
    let wrong = prop::sample::select(vec![
        "null",
        "-1",
        "0",
        "1e308",
        "-1e308",
        "18446744073709551615",
        "\"\"",
        "\"\\u001b[2J\"",
        "[]",
        "{}",
        "true",
        "[[]]",
    ]);
    proptest!(config(80), |(at in any::<usize>(), wrong in wrong)| {
        let mut value = whole.clone();
        let count = nodes(&mut value, usize::MAX, &serde_json::Value::Null);
        let wrong = serde_json::from_str(wrong).expect("JSON");
        nodes(&mut value, at % count, &wrong);
        check("result", value.to_string().as_bytes());
    });
}

/// Replaces the node of a number, counted in order; returns how many there are up to it.
fn nodes(value: &mut serde_json::Value, at: usize, by: &serde_json::Value) -> usize {
    if at == 0 {
        *value = by.clone();
        return 1;
    }
    let children: Box<dyn Iterator<Item = &mut serde_json::Value>> = match value {
        serde_json::Value::Array(items) => Box::new(items.iter_mut()),
        serde_json::Value::Object(entries) => Box::new(entries.iter_mut().map(|(_, v)| v)),
        _ => Box::new(std::iter::empty()),
    };
    let mut seen = 1;
    for child in children {
        if seen > at {
            break;
        }
        seen += nodes(child, at - seen, by);
    }
    seen
}
