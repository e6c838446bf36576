//! One process or three: the same schedule, the same books.

use serde_json::Value;

use super::bench::{Bench, assert_exit, text};

/// Faults of clients, dials, answers, beats.
const MORE: &str = r#"
[heartbeat]
interval = "200ms"
timeout = "100ms"
[reconnect]
policy = "fixed"
delay = "50ms"
[[fault]]
kind = "disconnect"
at = "500ms"
share = "50%"
"#;

fn run(processes: u16, more: &str) -> (Value, String) {
    let bench = Bench::new();
    let scenario = bench.scenario("2s", more);
    let number = processes.to_string();
    // Two threads each, so that a shard is found by its number in another process.
    let mut flags = vec!["--processes", &number, "--set", "load.shards=6", "-v"];
    // All are connected by then, however busy the machine is.
    flags.extend(["--set", "load.warm_up=1s"]);
    let output = bench.run(&scenario, &flags);
    (bench.result(), text(&output.stderr))
}

fn counter(result: &Value, name: &str) -> u64 {
    let of = |value: &Value| value["counters"][name].as_u64().expect("a counter");
    of(result) + of(&result["outside_measure"])
}

#[test]
fn a_run_is_the_same_in_several_processes() {
    let (one, _) = run(1, "");
    let (three, said) = run(3, "");
    assert!(said.contains("processes: 3 of 2 threads"), "{said}");
    for (result, processes) in [(&one, 1), (&three, 3)] {
        let validity = &result["validity"];
        assert_eq!(validity["processes"], processes);
        assert_eq!(validity["shards"], 6);
        assert_eq!(validity["broken_laws"], Value::Array(Vec::new()));
        assert_eq!(result["end_reason"], "completed");
        assert_eq!(counter(result, "arrivals_scheduled"), 10);
        assert_eq!(counter(result, "connections_opened"), 10);
        assert_eq!(counter(result, "connections_closed"), 10);
    }
    // What was due while the numbers count, whether it could be sent or was too late.
    let due = |result: &Value| {
        let counter = |name: &str| result["counters"][name].as_u64().expect("a counter");
        counter("messages_sent") + counter("sends_skipped")
    };
    assert!(due(&one) > 100);
    assert_eq!(due(&one), due(&three));
}

#[test]
fn faults_of_clients_hit_the_same_clients_wherever_they_run() {
    let results = [1, 3].map(|processes| run(processes, MORE).0);
    for result in &results {
        assert_eq!(result["faults"][0]["clients"], 5, "{}", result["faults"]);
        assert_eq!(result["closes"][0]["kind"], "by_fault");
        assert_eq!(result["closes"][0]["count"], 5);
        let beats = [
            "sent",
            "on_time",
            "superseded",
            "late",
            "missed",
            "cut",
            "pending",
        ];
        let [sent, outcomes @ ..] = beats.map(|b| counter(result, &format!("heartbeats_{b}")));
        assert!(sent > 0);
        assert_eq!(outcomes.iter().sum::<u64>(), sent);
        assert_eq!(result["validity"]["broken_laws"], Value::Array(Vec::new()));
        assert_eq!(counter(result, "reconnected"), 5);
    }
}

#[test]
fn what_cannot_be_counted_apart_is_refused() {
    let bench = Bench::new();
    let more = "delivery = { prefix = \"x\", sent = \"/s\", group = \"all\" }\n";
    let scenario = bench.scenario("1s", "");
    let toml = std::fs::read_to_string(&scenario).expect("written");
    let toml = toml.replace("send = \"", "send = \"{{intended_us}} ");
    std::fs::write(&scenario, toml + more).expect("written");
    let output = bench.run(&scenario, &["--processes", "2"]);
    assert_exit(&output, 2);
    let said = text(&output.stderr);
    assert!(
        said.contains("delivery.group") && said.contains("hint: "),
        "{said}"
    );
    assert_eq!(bench.open(), 0);
}
