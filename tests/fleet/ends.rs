//! One of the processes ends before the others, or all are told to stop.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::bench::{Bench, PATIENCE, text, wait};

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a process id"))
}

/// The generator processes of a run: its children of that name.
fn workers(run: &Child) -> Vec<Pid> {
    let folder = std::fs::read_dir("/proc").expect("procfs");
    let numbers = folder.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_ours = |number: &i32| {
        let read = |name: &str| std::fs::read_to_string(format!("/proc/{number}/{name}"));
        let stat = read("stat").unwrap_or_default();
        // Behind the name in brackets: state, parent.
        let parent = stat.rsplit(") ").next().and_then(|rest| {
            let mut words = rest.split(' ');
            words.nth(1)?.parse::<u32>().ok()
        });
        let asked = read("cmdline").is_ok_and(|line| line.split('\0').nth(1) == Some("generate"));
        asked && parent == Some(run.id())
    };
    let ours: Vec<i32> = numbers.filter(is_ours).collect();
    ours.into_iter().map(Pid::from_raw).collect()
}

fn is_there(worker: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{worker}/stat")).unwrap_or_default();
    // One that has ended and that nobody has waited for is gone as well.
    !stat.is_empty() && !stat.contains(") Z ")
}

/// A run in three processes, with its clients connected and some seconds measured.
fn start(bench: &Bench, seconds: &str) -> (Child, Vec<Pid>) {
    let scenario = bench.scenario(seconds, "");
    let mut command = bench.run_command(&scenario, &["--processes", "3"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("started");
    let started = Instant::now();
    while bench.open() < 10 {
        assert!(started.elapsed() < PATIENCE, "never connected");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(2_300));
    let workers = workers(&child);
    assert_eq!(workers.len(), 3);
    (child, workers)
}

fn count(result: &Value, name: &str) -> u64 {
    result["counters"][name].as_u64().expect("a counter")
}

#[test]
fn a_process_that_is_killed_loses_its_shards_and_no_other() {
    let bench = Bench::new();
    let (mut child, workers) = start(&bench, "6s");
    kill(workers[1], Signal::SIGKILL).expect("still running");
    let code = wait(&mut child);
    let output = child.wait_with_output().expect("ended");
    let said = text(&output.stderr);
    // Numbers that are not whole are not believed.
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("the generator process of shards"), "{said}");
    assert!(said.contains("signal: 9"), "{said}");
    let result = bench.result();
    assert_eq!(result["end_reason"], "completed");
    assert_eq!(result["verdict"], "invalid");
    let laws = result["validity"]["lost"].as_array().expect("a list");
    assert!(!text(&output.stdout).contains("a bug of wsbench"));
    let told = |law: &Value| law.as_str().is_some_and(|l| l.contains("ended early"));
    assert!(laws.iter().any(told), "{laws:?}");
    // The others went on to the end: 10 clients x 20/s, a third of them for a third of the time.
    let sent = count(&result, "messages_sent");
    assert!(sent > 600, "{sent}");
    let rows = std::fs::read_to_string(bench.path("out/intervals.csv")).expect("written");
    assert!(rows.lines().count() >= 6, "{rows}");
    assert!(!workers.into_iter().any(is_there));
}

#[test]
fn workers_do_not_survive_their_parent() {
    let bench = Bench::new();
    let (mut child, workers) = start(&bench, "60s");
    kill(pid(&child), Signal::SIGKILL).expect("still running");
    let _ = wait(&mut child);
    let killed = Instant::now();
    while workers.iter().any(|worker| is_there(*worker)) {
        assert!(killed.elapsed() < PATIENCE, "still there: {workers:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(bench.open(), 0);
}

#[test]
fn ctrl_c_drains_all_processes_and_nothing_is_lost() {
    for to_all in [false, true] {
        let bench = Bench::new();
        let (mut child, workers) = start(&bench, "60s");
        if to_all {
            // As a service manager does.
            for worker in &workers {
                kill(*worker, Signal::SIGTERM).expect("still running");
            }
        }
        kill(pid(&child), Signal::SIGINT).expect("still running");
        assert_eq!(wait(&mut child), Some(130));
        let result = bench.result();
        assert_eq!(result["end_reason"], "interrupted");
        assert_eq!(result["validity"]["broken_laws"], Value::Array(Vec::new()));
        assert_eq!(result["open_at_end"], 0);
        assert!(count(&result, "messages_sent") > 0);
        assert_eq!(
            count(&result, "replies_matched"),
            count(&result, "messages_sent")
        );
        assert!(!workers.into_iter().any(is_there));
    }
}
