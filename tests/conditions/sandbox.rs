//! Namespaces of our own, for one command each.

use std::path::Path;
use std::process::{Command, Output};

/// Whether `unshare` with these flags works here; says so when it does not.
pub fn can_unshare(flags: &[&str]) -> bool {
    let tried = Command::new("unshare").args(flags).arg("true").output();
    let able = tried.is_ok_and(|output| output.status.success());
    if !able {
        println!("skipped: unshare {flags:?} is not possible here");
    }
    able
}

/// Whether a program is installed; says so when it is not.
pub fn has(program: &str) -> bool {
    let tried = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .output();
    let able = tried.is_ok_and(|output| output.status.success());
    if !able {
        println!("skipped: {program} is not installed");
    }
    able
}

/// Runs a shell script in new namespaces, in `folder`; `$WSBENCH` is the program.
pub fn script(flags: &[&str], folder: &Path, script: &str) -> Output {
    let mut command = Command::new("timeout");
    command.args(["60", "unshare"]).args(flags);
    command
        .args(["sh", "-c", script])
        .env("WSBENCH", env!("CARGO_BIN_EXE_wsbench"))
        .env_remove("CI")
        .current_dir(folder);
    super::bench::finish(&mut command)
}
