//! `[[fault]]` of the built-in server from the scenario to the files.

use super::bench::{Bench, assert_exit, text};

/// A port below those that systems give to clients.
fn port() -> u16 {
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (22_000..22_200).find(free).expect("a free port")
}

fn scenario(port: u16) -> String {
    format!(
        r#"
name = "restart"
[target]
url = "ws://127.0.0.1:{port}/"
[server]
threads = 1
[load]
warm_up = "200ms"
drain = "1s"
stages = [ {{ duration = "100ms", clients = 4 }}, {{ duration = "2900ms", clients = 4 }} ]
[validity]
schedule_lag_p99 = "60s"
busy = "100%"
[reconnect]
policy = "fixed"
delay = "100ms"
[[session]]
name = "echo"
[[session.step]]
every = "50ms"
send = "{{{{client}}}}-{{{{seq}}}}"
reply = {{ echo = true, timeout = "500ms" }}
[[fault]]
kind = "restart_server"
at = "500ms"
duration = "400ms"
[[fault]]
kind = "duplicate_replies"
at = "600ms"
duration = "1s"
"#
    )
}

#[test]
fn a_restarted_server_shows_in_every_file() {
    let bench = Bench::new();
    let toml = scenario(port());
    let path = bench.path("restart.toml");
    std::fs::write(&path, toml).expect("written");
    let output = bench.run(&path, &[]);
    assert_exit(&output, output.status.code().unwrap_or(-1));
    let result = bench.result();
    let faults = result["faults"].as_array().expect("a list");
    assert_eq!(faults.len(), 2, "{faults:?}");
    let restart = &faults[0];
    assert_eq!(restart["kind"], "restart_server");
    assert_eq!(restart["by"], "server");
    assert_eq!(restart["error"], serde_json::Value::Null);
    let number = |key: &str| restart[key].as_f64().expect("a number");
    assert!(
        (number("planned_s") - 0.7).abs() < 1e-9,
        "after the warm-up"
    );
    assert!(number("sent_s") >= number("planned_s"));
    assert!(number("acked_s") >= number("sent_s"));
    assert!((number("until_s") - number("sent_s") - 0.4).abs() < 1e-6);
    // They were opened in the warm-up, whose books are kept apart.
    let both = [&result["closes"], &result["outside_measure"]["closes"]];
    let rows = both
        .into_iter()
        .filter_map(|rows| rows.as_array())
        .flatten();
    let resets = rows.filter(|row| row["kind"] == "lost:reset");
    let resets: u64 = resets.filter_map(|row| row["count"].as_u64()).sum();
    assert_eq!(resets, 4, "all were dropped: {result:#}");
    let served = result["server_counts"]["upgrades"].as_u64();
    assert!(served >= Some(4), "{served:?}");
    let page = text(&output.stdout);
    let line = page.lines().find(|line| line.starts_with("faults "));
    assert!(
        line.is_some_and(|line| line.contains("restart_server at 0.")),
        "{page}"
    );
    let markdown = std::fs::read_to_string(bench.path("out/summary.md")).expect("saved");
    assert!(
        markdown.contains("faults: restart_server at 0."),
        "{markdown}"
    );
    let intervals = std::fs::read_to_string(bench.path("out/intervals.csv")).expect("saved");
    assert!(
        intervals
            .lines()
            .next()
            .is_some_and(|l| l.contains(",faults,"))
    );
    assert!(
        intervals.contains(",restart_server duplicate_replies,0\n"),
        "{intervals}"
    );
}
