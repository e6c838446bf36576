//! Where a run took place: enough to tell whether two results are comparable, nothing private.
//!
//! No host name, no user name, no addresses, no environment variables.

use std::fs;

use serde::{Deserialize, Serialize};

/// The machine and the build.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// The operating system with its version.
    pub os: String,
    /// The kernel's release; empty where it cannot be read.
    pub kernel: String,
    /// `x86_64`, `aarch64`.
    pub arch: String,
    /// Cores this process may use (affinity and cgroup limits included).
    pub cores: usize,
    /// The processor's name; empty where it cannot be read.
    pub cpu: String,
    /// Memory of the machine in bytes; 0 where it cannot be read.
    pub memory_bytes: u64,
    /// `release` or `debug`: figures of a debug build say little.
    pub build_profile: String,
}

impl Environment {
    /// Looks around. What cannot be read stays empty: no run fails for it.
    pub fn read() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let kib = value(&meminfo, "MemTotal", ':').and_then(|text| {
            let digits = text.split_whitespace().next()?;
            digits.parse::<u64>().ok()
        });
        let os = value(&release, "PRETTY_NAME", '=').map(|text| text.trim_matches('"'));
        Self {
            os: os.unwrap_or(std::env::consts::OS).to_owned(),
            kernel: kernel.trim().to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            cpu: value(&cpuinfo, "model name", ':').unwrap_or("").to_owned(),
            memory_bytes: kib.unwrap_or(0).saturating_mul(1024),
            build_profile: if cfg!(debug_assertions) {
                "debug".to_owned()
            } else {
                "release".to_owned()
            },
        }
    }
}

/// The first `key SEPARATOR value` in a list of lines.
fn value<'a>(lines: &'a str, key: &str, separator: char) -> Option<&'a str> {
    lines.lines().find_map(|line| {
        let (name, value) = line.split_once(separator)?;
        (name.trim() == key).then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_of_a_key_is_found() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nmodel name\t: Other\n";
        assert_eq!(value(text, "model name", ':'), Some("Some CPU @ 2 GHz"));
        assert_eq!(value(text, "MemTotal", ':'), None);
    }

    #[test]
    fn this_machine_has_a_core_and_a_system() {
        let here = Environment::read();
        assert!(here.cores >= 1 && !here.os.is_empty() && !here.arch.is_empty());
    }
}
