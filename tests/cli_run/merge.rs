//! Two runs at the same time, as one result.

use std::process::Stdio;

use serde_json::Value;

use super::bench::{Bench, PATIENCE, assert_exit, finish, text, wait_for};

#[test]
fn two_runs_at_the_same_time_are_one_result_that_reports_and_compares() {
    let bench = Bench::new();
    bench.scenario("900ms", "[thresholds]\n\"messages.sent\" = \"> 250\"\n");
    let start = |out: &str| {
        let mut command = bench.command();
        command.args(["run", "trial.toml", "--quiet", "--out", out]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("started")
    };
    let mut runs = [start("parts/a"), start("parts/b")];
    for run in &mut runs {
        wait_for(run, PATIENCE);
    }
    let read = |file: &str| -> Value {
        let text = std::fs::read_to_string(bench.path(file)).expect(file);
        serde_json::from_str(&text).expect("JSON")
    };
    let merge = |arguments: &[&str]| finish(bench.command().arg("merge").args(arguments));

    assert_exit(&merge(&["parts/a", "--out", "x"]), 3);
    let twice = merge(&["parts/a", "parts/a", "--out", "x"]);
    assert_exit(&twice, 2);
    assert!(text(&twice.stderr).contains("the same result"));
    assert!(!bench.path("x").exists());

    // 10 clients x 20/s for less than a second: only both together pass the threshold.
    let output = merge(&["parts", "--out", "all"]);
    assert_exit(&output, 0);
    let (a, b, all) = (
        read("parts/a/result.json"),
        read("parts/b/result.json"),
        read("all/result.json"),
    );
    assert_eq!(
        (&a["verdict"], &b["verdict"]),
        (&"fail".into(), &"fail".into())
    );
    for pointer in [
        "/counters/messages_sent",
        "/counters/connections_opened",
        "/metrics/round_trip/count",
        "/outside_measure/counters/connections_opened",
    ] {
        let number = |value: &Value| value.pointer(pointer).and_then(Value::as_u64);
        let sum = number(&a).expect(pointer) + number(&b).expect(pointer);
        assert_eq!(number(&all), Some(sum), "{pointer}");
    }
    assert_eq!(all["sources"].as_array().map(Vec::len), Some(2));
    assert_eq!(all["load"], "2 x 10 clients");
    // As any other result.
    let output = finish(bench.command().args(["report", "all"]));
    assert_exit(&output, 0);
    assert!(text(&output.stdout).contains("2 x 10 clients"));
    let output = finish(
        bench
            .command()
            .args(["compare", "all", "all", "-f", "json"]),
    );
    let compared: Value = serde_json::from_str(&text(&output.stdout)).expect("JSON");
    assert!(!compared["changes"].as_array().expect("changes").is_empty());
    // Not the same thing as one of its parts.
    assert_exit(
        &finish(bench.command().args(["compare", "all", "parts/a"])),
        2,
    );
    // Never over something.
    assert_exit(&merge(&["parts", "--out", "all"]), 3);
}
