//! Row 50: stdout closed, narrow, without colour, without a locale.

use super::bench::{Bench, assert_exit, finish, text};

#[test]
fn a_closed_stdout_does_not_lose_the_result() {
    let bench = Bench::new();
    let scenario = bench.scenario("500ms", "");
    let program = env!("CARGO_BIN_EXE_wsbench");
    for (out, closed) in [("a", ">&-"), ("b", "2>&-"), ("c", ">&- 2>&- <&-")] {
        let line = format!("{program} run {} --out {out} {closed}", scenario.display());
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &line]).current_dir(&bench.folder);
        let output = finish(&mut command);
        let code = output.status.code();
        // Where the page cannot be shown the run may say so, but what it measured is saved.
        assert!(
            matches!(code, Some(0 | 3)),
            "{closed}: {code:?} {}",
            text(&output.stderr)
        );
        let saved = std::fs::read_to_string(bench.path(out).join("result.json")).expect("saved");
        serde_json::from_str::<serde_json::Value>(&saved).expect("whole JSON");
        let rows = std::fs::read_to_string(bench.path(out).join("intervals.csv")).expect("saved");
        assert!(
            rows.starts_with("index,"),
            "{closed}: nothing else was written there"
        );
    }
}

#[test]
fn a_poor_terminal_gets_plain_text() {
    let bench = Bench::new();
    let scenario = bench.scenario("500ms", "");
    for (index, (name, value)) in [
        ("COLUMNS", "20"),
        ("NO_COLOR", "1"),
        ("LANG", "C"),
        ("LC_ALL", "C"),
        ("TERM", "dumb"),
    ]
    .into_iter()
    .enumerate()
    {
        let out = format!("out-{index}");
        let mut command = bench.command();
        command
            .arg("run")
            .arg(&scenario)
            .args(["--out", &out])
            .env(name, value);
        let output = finish(&mut command);
        assert_exit(&output, 0);
        let page = text(&output.stdout);
        assert!(!page.contains('\u{1b}') && !text(&output.stderr).contains('\u{1b}'));
        assert!(
            page.contains("round_trip") && page.contains("verdict"),
            "{page}"
        );
    }
}
