//! Row 10: too few descriptors; row 11: too few ports.

use super::bench::{Bench, assert_exit, text};
use super::sandbox::{can_unshare, has, script};

#[test]
fn too_few_descriptors_are_refused_with_the_arithmetic() {
    if !has("prlimit") {
        return;
    }
    let bench = Bench::new();
    let scenario = bench.scenario("1s", "");
    let mut command = std::process::Command::new("prlimit");
    command
        .arg("--nofile=64:64")
        .arg(env!("CARGO_BIN_EXE_wsbench"));
    command.arg("run").arg(&scenario).args(["--out", "out"]);
    command.args([
        "--set",
        "load.stages.0.clients=100",
        "--set",
        "load.stages.1.clients=100",
    ]);
    command.current_dir(&bench.folder);
    let output = super::bench::finish(&mut command);
    assert_exit(&output, 3);
    let said = text(&output.stderr);
    assert!(said.contains("100 clients need"), "{said}");
    assert!(
        said.contains("may open 64") && said.contains("hint: "),
        "{said}"
    );
    assert!(!bench.path("out").exists(), "nothing was started");
    assert_eq!(bench.open(), 0);
}

#[test]
fn without_free_ports_it_is_our_own_failure_with_advice() {
    if !can_unshare(&["-n"]) || !has("ip") {
        return;
    }
    let bench = Bench::new();
    let scenario = bench.scenario("1500ms", "");
    let toml = std::fs::read_to_string(&scenario).expect("written");
    let toml = toml.replace(&bench.url(), "ws://127.0.0.1:9001/");
    let toml = toml.replace("clients = 10", "clients = 40");
    std::fs::write(&scenario, toml).expect("written");
    let run = |before: &str, more: &str, out: &str| {
        let lines = format!(
            "ip link set lo up
             echo '40000 40020' > /proc/sys/net/ipv4/ip_local_port_range
             $WSBENCH serve --listen 127.0.0.1:9001 > serving 2>&1 &
             server=$!
             for i in 1 2 3 4 5 6 7 8 9 10; do grep -q listening serving && break; sleep 0.1; done
             {before}
             $WSBENCH run trial.toml --no-test-dial --out {out} {more}
             code=$?
             kill $server
             exit $code"
        );
        let output = script(&["-n"], bench.folder.path(), &lines);
        let result = std::fs::read_to_string(bench.path(out).join("result.json"));
        let result: serde_json::Value = serde_json::from_str(&result.unwrap_or_else(|error| {
            panic!("{error}: {}{}", text(&output.stdout), text(&output.stderr))
        }))
        .expect("whole JSON");
        (text(&output.stdout), result)
    };
    let failures = |result: &serde_json::Value| {
        let lists = [&result["failures"], &result["outside_measure"]["failures"]];
        let rows = lists
            .into_iter()
            .flat_map(|list| list.as_array().expect("a list").clone());
        rows.map(|row| row["kind"].as_str().expect("a kind").to_owned())
            .collect::<Vec<_>>()
    };
    // As many as preflight lets pass, but somebody else takes half of the ports.
    let few = |clients: u32| {
        format!("--set load.stages.0.clients={clients} --set load.stages.1.clients={clients}")
    };
    let other = format!(
        "$WSBENCH run trial.toml --out other {} > other.txt 2>&1 & sleep 1",
        few(10)
    );
    let one = format!("{} --source-address 127.0.0.1", few(21));
    let (page, result) = run(&other, &one, "few");
    let kinds = failures(&result);
    assert!(
        !kinds.is_empty() && kinds.iter().all(|kind| kind == "port_exhausted"),
        "{kinds:?}"
    );
    assert!(page.contains("source_addresses"), "{page}");
    let (_, result) = run(
        "",
        "--set 'target.source_addresses=[\"127.0.0.2\", \"127.0.0.3\", \"127.0.0.4\"]'",
        "more",
    );
    assert_eq!(failures(&result), [""; 0]);
}
