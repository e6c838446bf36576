//! The built-in server of a run: several processes, and whether it was what was measured.

use serde_json::Value;

use super::bench::{Bench, assert_exit, text};

/// A port below those that systems give to clients.
fn port(from: u16) -> u16 {
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (from..from + 200).find(free).expect("a free port")
}

/// Eight clients for 2.5 s, with the rest of [server] and the step.
fn scenario(port: u16, server: &str, step: &str) -> String {
    format!(
        r#"
name = "served"
[target]
url = "ws://127.0.0.1:{port}/"
[server]
{server}
[load]
shards = 1
warm_up = "300ms"
drain = "2s"
stages = [ {{ duration = "100ms", clients = 8 }}, {{ duration = "2400ms", clients = 8 }} ]
[validity]
schedule_lag_p99 = "60s"
busy = "100%"
longest_stall = "60s"
[[session]]
name = "one"
[[session.step]]
{step}
"#
    )
}

fn run(bench: &Bench, toml: &str) -> (Value, String) {
    let path = bench.path("served.toml");
    std::fs::write(&path, toml).expect("written");
    let output = bench.run(&path, &[]);
    assert_exit(&output, 0);
    (bench.result(), text(&output.stdout))
}

#[test]
fn a_server_that_cannot_keep_up_is_told_and_does_not_make_the_run_invalid() {
    let bench = Bench::new();
    // Each is parsed as JSON: far more work for the server than for whoever sends it.
    let message = format!(r#"{{"id":1,"pad":"{}"}}"#, "x".repeat(300_000));
    let step = format!(
        "[session.step.repeat]\nsteps = [ {{ send = '{message}', \
         expect = {{ prefix = '{{\"ack\"', timeout = \"2s\" }} }} ]"
    );
    let server = "behaviour = \"ack\"\nthreads = 1\n";
    let (result, page) = run(&bench, &scenario(port(22_300), server, &step));
    let load = &result["server_load"];
    let busy = load["busy_intervals"].as_u64().expect("a count");
    let intervals = load["intervals"].as_u64().expect("a count");
    assert!((1..=intervals).contains(&busy), "{load}");
    assert_eq!(load["processes"], 1);
    let threads = load["threads"].as_array().expect("a list");
    let [thread] = threads.as_slice() else {
        panic!("{load}");
    };
    let share = |name: &str| thread[name].as_f64().expect("a share");
    assert!(share("busy_p50") <= share("busy_max") + 0.01 && share("busy_max") <= 1.0);
    assert!(share("busy_max") + share("waited_max") > 0.9, "{thread}");
    assert!(load["memory_bytes"].as_u64() > Some(1 << 20), "{load}");
    let said = page.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("warning: the built-in server was busy"),
        "{page}"
    );
    assert!(said.contains("is partly the built-in server"), "{page}");
    assert_eq!(result["validity"]["valid"], true);
    let markdown = std::fs::read_to_string(bench.path("out/summary.md")).expect("saved");
    let page = std::fs::read_to_string(bench.path("out/report.html")).expect("saved");
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<svg id=\"clients\""));
    assert!(
        markdown.contains("partly the built-in server"),
        "{markdown}"
    );
}

#[test]
fn a_run_counts_its_server_over_all_processes() {
    let bench = Bench::new();
    let step = "every = \"50ms\"\nsend = \"{{client}}-{{seq}}\"\n\
                reply = { echo = true, timeout = \"2s\" }";
    let server = "processes = 3\nthreads = 1\n";
    let (result, page) = run(&bench, &scenario(port(22_500), server, step));
    let sum = |name: &str| {
        let both = [&result["counters"], &result["outside_measure"]["counters"]];
        let counts = both.into_iter().filter_map(|part| part[name].as_u64());
        counts.sum::<u64>()
    };
    let counts = &result["server_counts"];
    assert_eq!(counts["upgrades"], 8);
    assert_eq!(counts["upgrades"], sum("connections_opened"));
    assert_eq!(counts["messages_received"], sum("messages_sent"));
    let load = &result["server_load"];
    assert_eq!(load["processes"], 3, "{load}");
    let threads = load["threads"].as_array().expect("a list");
    let owners: Vec<_> = threads.iter().map(|t| t["process"].as_u64()).collect();
    assert_eq!(owners, [Some(0), Some(1), Some(2)]);
    assert!(page.contains("built-in, echo, 3 processes, busy"), "{page}");
}

#[test]
fn several_processes_of_a_chat_are_a_mistake_in_the_scenario() {
    let bench = Bench::new();
    let toml = scenario(
        port(22_700),
        "behaviour = \"chat\"\nprocesses = 2\n",
        "send = \"x\"",
    );
    let path = bench.path("chat.toml");
    std::fs::write(&path, toml).expect("written");
    let output = bench.run(&path, &[]);
    assert_exit(&output, 2);
    let said = text(&output.stderr);
    assert!(said.contains("`processes` is above 1, but"), "{said}");
    assert!(said.contains("use one process"), "{said}");
}
