//! Row 48: no room for the results; row 49: folders that cannot take them.

use std::os::unix::fs::symlink;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::bench::{Bench, PATIENCE, assert_exit, text, wait};
use super::sandbox::{can_unshare, script};

#[test]
fn a_full_disk_is_named_and_earlier_rows_stay() {
    if !can_unshare(&["-m"]) {
        return;
    }
    let bench = Bench::new();
    bench.scenario("2500ms", "");
    let lines = "mkdir small kept && mount -t tmpfs -o size=64k none small || exit 99
         head -c 50000 /dev/zero > small/filler
         $WSBENCH run trial.toml --out small/out; code=$?
         cp -r small/out kept/
         exit $code";
    let output = script(&["-m"], bench.folder.path(), lines);
    if output.status.code() == Some(99) {
        return println!("skipped: no tmpfs here");
    }
    assert_exit(&output, 3);
    let said = text(&output.stderr);
    assert!(
        said.contains("error: ") && said.contains("No space left"),
        "{said}"
    );
    let kept = bench.path("kept/out");
    let whole = std::fs::read_to_string(kept.join("result.json"));
    if let Ok(json) = whole {
        serde_json::from_str::<serde_json::Value>(&json).expect("whole JSON or none");
    }
    let rows = std::fs::read_to_string(kept.join("intervals.csv")).expect("saved");
    assert!(rows.lines().count() >= 2, "{rows}");
    assert!(
        text(&output.stdout).contains("verdict"),
        "the page is still shown"
    );
}

#[test]
fn a_read_only_folder_is_refused_before_the_load() {
    if !can_unshare(&["-m"]) {
        return;
    }
    let bench = Bench::new();
    bench.scenario("60s", "");
    let lines =
        "mkdir fixed && mount --bind fixed fixed && mount -o remount,ro,bind fixed || exit 99
         $WSBENCH run trial.toml --out fixed/out";
    let output = script(&["-m"], bench.folder.path(), lines);
    if output.status.code() == Some(99) {
        return println!("skipped: no bind mounts here");
    }
    assert_exit(&output, 3);
    let said = text(&output.stderr);
    assert!(said.contains("fixed") && said.contains("hint: "), "{said}");
    assert_eq!(bench.open(), 0);
}

#[test]
fn an_earlier_result_is_not_overwritten_unseen() {
    let bench = Bench::new();
    let scenario = bench.scenario("500ms", "");
    assert_exit(&bench.run(&scenario, &[]), 0);
    let before = std::fs::read(bench.path("out/result.json")).expect("saved");
    let second = bench.run(&scenario, &[]);
    assert_exit(&second, 3);
    assert!(
        text(&second.stderr).contains("hint: "),
        "{}",
        text(&second.stderr)
    );
    assert_eq!(
        std::fs::read(bench.path("out/result.json")).expect("kept"),
        before
    );
}

#[test]
fn a_file_in_the_way_and_a_dangling_link_are_refused() {
    let bench = Bench::new();
    let scenario = bench.scenario("60s", "");
    std::fs::write(bench.path("out"), "a file").expect("written");
    assert_exit(&bench.run(&scenario, &[]), 3);
    std::fs::remove_file(bench.path("out")).expect("removed");
    symlink(bench.path("nowhere/at/all"), bench.path("out")).expect("linked");
    assert_exit(&bench.run(&scenario, &[]), 3);
    assert_eq!(bench.open(), 0);
}

#[test]
fn a_link_to_a_folder_is_followed() {
    let bench = Bench::new();
    let scenario = bench.scenario("500ms", "");
    std::fs::create_dir(bench.path("elsewhere")).expect("made");
    symlink(bench.path("elsewhere"), bench.path("out")).expect("linked");
    assert_exit(&bench.run(&scenario, &[]), 0);
    assert!(bench.path("elsewhere/result.json").exists());
}

#[test]
fn a_folder_removed_meanwhile_is_an_error_and_the_page_is_shown() {
    let bench = Bench::new();
    let scenario = bench.scenario("1500ms", "");
    let mut command = bench.run_command(&scenario, &[]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("started");
    let started = Instant::now();
    while bench.open() < 10 {
        assert!(started.elapsed() < PATIENCE, "never connected");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::fs::remove_dir_all(bench.path("out")).expect("removed");
    assert_eq!(wait(&mut child), Some(3));
    let output = child.wait_with_output().expect("ended");
    assert!(text(&output.stderr).contains("error: "));
    assert!(text(&output.stdout).contains("verdict"));
}

#[test]
fn two_at_once_do_not_mix() {
    let bench = Bench::new();
    let scenario = bench.scenario("600ms", "");
    let start = || {
        let mut command = bench.run_command(&scenario, &[]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command.spawn().expect("started")
    };
    let (mut one, mut two) = (start(), start());
    let mut codes = [wait(&mut one), wait(&mut two)];
    codes.sort_unstable();
    assert_eq!(
        codes,
        [Some(0), Some(3)],
        "one has the folder, the other is refused"
    );
    assert_eq!(bench.result()["end_reason"], "completed");
}
