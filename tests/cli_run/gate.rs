//! A run against its baseline, in one step.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::bench::{Bench, GATE, assert_exit, finish, text};

/// `wsbench run trial.toml --out OUT ARGUMENTS`
fn run(bench: &Bench, out: &str, arguments: &[&str]) -> Command {
    let mut command = bench.command();
    command.args(["run", "trial.toml", "--out", out]);
    command.args(arguments);
    command
}

#[test]
fn a_missing_baseline_is_refused_before_the_load_and_says_how_to_make_one() {
    let bench = Bench::new();
    bench.scenario("500ms", GATE);
    for given in ["trial", "results/baseline/trial", "trial.toml/nowhere"] {
        let output = finish(&mut run(&bench, "out", &["--baseline", given]));
        assert_exit(&output, 2);
        let stderr = text(&output.stderr);
        assert!(
            stderr.contains(given) && stderr.contains("--save-baseline trial"),
            "{stderr}"
        );
    }
    assert!(!bench.path("out").exists() && !bench.path("results").exists());
    // A file that is no result is not the same as none.
    let output = finish(&mut run(&bench, "out", &["--baseline", "trial.toml"]));
    assert_exit(&output, 3);
    assert!(!bench.path("out").exists());
    for wrong in ["../x", "", ".x", "a b"] {
        let output = finish(&mut run(&bench, "out", &["--save-baseline", wrong]));
        assert_exit(&output, 2);
    }
}

#[test]
fn a_later_comparison_has_the_gate_that_flags_gave_the_run() {
    let bench = Bench::new();
    bench.scenario("500ms", GATE);
    for out in ["a", "b"] {
        let set = [
            "--set",
            "gate.min_effect=44%",
            "--set",
            "gate.statistics={ \"round_trip.p90\" = true }",
        ];
        assert_exit(&finish(&mut run(&bench, out, &set)), 0);
    }
    let output = finish(
        bench
            .command()
            .args(["compare", "a", "--format", "json", "--", "b"]),
    );
    let comparison: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let changes = comparison["changes"].as_array().expect("a list");
    let of = |name: &str| changes.iter().find(|change| change["statistic"] == name);
    let p90 = of("round_trip.p90").expect("compared");
    assert_eq!(
        (&p90["gated"], &p90["minimum"]),
        (&true.into(), &0.44.into())
    );
    // Another setting is another question.
    let other = ["--set", "session.0.step.0.every=40ms"];
    assert_exit(&finish(&mut run(&bench, "c", &other)), 0);
    let output = finish(bench.command().args(["compare", "a", "--", "c"]));
    assert_exit(&output, 2);
    assert!(
        text(&output.stderr).contains("settings by flags differ"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_secret_among_the_flags_does_not_make_another_question() {
    let bench = Bench::new();
    bench.scenario("500ms", GATE);
    let target = format!("{}?token=s3cret-s3cret", bench.url());
    let set = [
        "--target",
        &target,
        "--set",
        "session.0.step.0.send=s3cret-s3cret {{seq}}",
    ];
    let first = [&set[..], &["--save-baseline", "trial"]].concat();
    assert_exit(&finish(&mut run(&bench, "a", &first)), 0);
    let saved = std::fs::read_to_string(bench.path("a/result.json")).expect("saved");
    assert!(saved.contains("session.0.step.0.send") && !saved.contains("s3cret"));
    let second = [&set[..], &["--baseline", "trial"]].concat();
    let output = finish(&mut run(&bench, "b", &second));
    assert!(
        bench.path("b/result.json").exists(),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_set_grows_run_by_run_and_then_tells_a_regression() {
    let bench = Bench::new();
    bench.scenario("700ms", GATE);
    for number in 1..=4 {
        let mut flags = vec!["--save-baseline", "trial"];
        if number == 1 {
            // Nothing there yet, and this run is to change that.
            flags.extend(["--baseline", "trial"]);
        }
        let output = finish(&mut run(&bench, &format!("out{number}"), &flags));
        assert_exit(&output, 0);
        let stderr = text(&output.stderr);
        let said = format!("({number} of at most 20 runs)");
        assert!(stderr.contains(&said), "{stderr}");
    }
    let set = bench.path("results/baseline/trial");
    assert_eq!(std::fs::read_dir(&set).expect("a set").count(), 4);

    // The same again: whatever the machine does, the answer is one of the comparison and is saved.
    let output = finish(&mut run(&bench, "again", &["--baseline", "trial"]));
    let read = |file: &str| -> serde_json::Value {
        let text = std::fs::read_to_string(bench.path(file)).expect(file);
        serde_json::from_str(&text).expect("JSON")
    };
    let (result, comparison) = (read("again/result.json"), read("again/comparison.json"));
    assert_eq!(result["baseline"]["runs"], 4);
    assert_eq!(result["baseline"]["verdict"], comparison["verdict"]);
    assert_eq!(result["verdict"], comparison["verdict"]);
    let gated = comparison["changes"].as_array().expect("changes").iter();
    let gated: Vec<_> = gated.filter(|change| change["gated"] == true).collect();
    assert_eq!(gated.len(), 1, "as [gate] says: {gated:?}");
    assert_eq!(gated[0]["minimum"], 1.0);
    let shown = text(&output.stdout);
    assert!(shown.contains("what decides") && shown.contains("against trial: "));

    a_slow_server_regresses(&set);
}

/// Another server is another thing, and this one is slow.
fn a_slow_server_regresses(set: &Path) {
    let slow = Bench::with(|plan| plan.delay = Duration::from_millis(200));
    slow.scenario("700ms", GATE);
    let set = set.to_str().expect("UTF-8");
    let output = finish(&mut run(&slow, "out", &["--baseline", set]));
    assert_exit(&output, 2);
    assert!(text(&output.stderr).contains("scenarios differ"));
    assert!(!slow.path("out").exists());
    let flags = ["--baseline", set, "--force", "--save-baseline", "slow"];
    let mut command = run(&slow, "out", &flags);
    command.env("GITHUB_ACTIONS", "true");
    command.env("GITHUB_STEP_SUMMARY", slow.path("step.md"));
    let output = finish(&mut command);
    assert_exit(&output, 1);
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("::error title=wsbench trial::round_trip.p50 regressed"),
        "{stderr}"
    );
    assert!(stderr.contains("not kept: it regressed"), "{stderr}");
    assert!(!slow.path("results").exists());
    let step = std::fs::read_to_string(slow.path("step.md")).expect("a step summary");
    assert!(step.contains("## wsbench trial: fail") && step.contains("## wsbench compare: fail"));
    let tests = std::fs::read_to_string(slow.path("out/junit.xml")).expect("saved");
    assert!(tests.contains("wsbench.compare") && tests.contains("<failure"));
    // The same two again, from their folders; the gate comes from the scenario in the result.
    let mut command = slow.command();
    command.args(["compare", set, "out", "--force", "-f", "junit"]);
    command.env("GITHUB_ACTIONS", "true");
    let compared = finish(&mut command);
    assert_exit(&compared, 1);
    let said = text(&compared.stderr);
    assert!(said.starts_with("::error title=wsbench compare::round_trip.p50 regressed"));
    assert_eq!(said.lines().count(), 1, "one statistic decides: {said}");
    assert!(
        text(&compared.stdout).starts_with("<?xml"),
        "stdout is the document"
    );
    let shown = text(&output.stdout);
    let last = shown.trim_end().lines().last().expect("a verdict");
    assert!(last.starts_with("verdict: fail ("), "{last}");
}
