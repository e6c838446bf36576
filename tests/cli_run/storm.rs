//! `wsbench storm`, and what faults of clients and stalls of the generator leave in a result.

use super::bench::{Bench, assert_exit, finish, text};

/// A scenario that loses half of its clients after 300 ms; they dial the bench's own server.
fn scenario(bench: &Bench) -> std::path::PathBuf {
    let toml = format!(
        r#"
name = "half"
[target]
url = "{}"
[load]
warm_up = "300ms"
drain = "1s"
stages = [ {{ duration = "100ms", clients = 20 }}, {{ duration = "3900ms", clients = 20 }} ]
[validity]
schedule_lag_p99 = "60s"
busy = "100%"
[reconnect]
policy = "none"
[[session]]
name = "echo"
[[session.step]]
every = "200ms"
send = "x"
reply = {{ echo = true, timeout = "1s" }}
[[fault]]
kind = "disconnect"
at = "300ms"
share = "50%"
"#,
        bench.url()
    );
    let path = bench.path("half.toml");
    std::fs::write(&path, toml).expect("written");
    path
}

#[test]
fn policies_are_compared_in_one_table() {
    let bench = Bench::new();
    let path = scenario(&bench);
    let mut command = bench.command();
    command.arg("storm").arg(&path).args([
        "--policies",
        "scenario,mqtt,uniform",
        "--format",
        "json",
        "--out",
        "storms",
    ]);
    let output = finish(&mut command);
    assert_exit(&output, 0);
    let table: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let rows = table["policies"].as_array().expect("a list");
    let row = |index: usize| (&rows[index]["policy"], &rows[index]["storm"]);
    let (name, storm) = row(0);
    assert_eq!(
        (name.as_str(), &storm["attempts"]["total"]),
        (Some("scenario"), &0.into())
    );
    assert_eq!(storm["recovered"], false);
    let lost = storm["clients_lost"].as_u64().expect("a number");
    assert!((9..=11).contains(&lost), "{storm}");
    assert_eq!(storm["fault"], "disconnect");
    // One second later, in step, all of them.
    let (name, storm) = row(1);
    assert_eq!(name, "mqtt");
    assert_eq!(storm["attempts"]["total"], lost);
    assert_eq!(
        (&storm["recovered"], &storm["gave_up"]),
        (&true.into(), &0.into())
    );
    let back = storm["recovery"]["t100"]["now_s"].as_f64().expect("back");
    assert!(back >= 1.0, "{back}");
    // Each has its own results; the fault is in them.
    for name in ["scenario", "mqtt", "uniform"] {
        let file = bench.path("storms").join(name).join("result.json");
        let result = std::fs::read_to_string(file).expect("saved");
        let result: serde_json::Value = serde_json::from_str(&result).expect("JSON");
        let fault = &result["faults"][0];
        assert_eq!(
            (&fault["kind"], &fault["by"]),
            (&"disconnect".into(), &"client".into())
        );
        assert_eq!(fault["clients"], lost);
    }
}

#[test]
fn a_policy_that_does_not_exist_is_a_usage_error_with_the_nearest() {
    let bench = Bench::new();
    let path = scenario(&bench);
    let mut command = bench.command();
    command
        .arg("storm")
        .arg(&path)
        .args(["--policies", "fixed,socket.io"]);
    let output = finish(&mut command);
    assert_exit(&output, 2);
    let said = text(&output.stderr);
    assert!(said.contains("did you mean socketio?"), "{said}");
}
