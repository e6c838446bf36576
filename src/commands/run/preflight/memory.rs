//! Memory: what clients take against what the machine and its cgroup have left.

use std::path::Path;

use anyhow::bail;

use crate::scenario::Forecast;
use crate::units::ByteSize;

/// Bytes this process may still take; `None` where that cannot be read.
pub fn available() -> Option<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let machine = field(&meminfo, "MemAvailable:").map(|kib| kib << 10);
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"));
    let group = own.and_then(|own| left_in_groups(Path::new("/sys/fs/cgroup"), own));
    machine.into_iter().chain(group).min()
}

/// The number behind a name.
fn field(lines: &str, name: &str) -> Option<u64> {
    let line = lines.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The least that a cgroup (v2) or one above it has left; `None` without any limit.
fn left_in_groups(root: &Path, own: &str) -> Option<u64> {
    let folder = root.join(own);
    let folders = folder.ancestors().take_while(|f| f.starts_with(root));
    folders.filter_map(left_in).min()
}

fn left_in(folder: &Path) -> Option<u64> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let most: u64 = read("memory.max")?.trim().parse().ok()?;
    let used: u64 = read("memory.current")?.trim().parse().ok()?;
    // The kernel gives the cache of files back when memory is short.
    let cache = field(&read("memory.stat").unwrap_or_default(), "inactive_file ");
    Some(most.saturating_sub(used.saturating_sub(cache.unwrap_or(0))))
}

/// The arithmetic, or the refusal of what does not fit.
pub fn judge(forecast: &Forecast, available: Option<u64>) -> anyhow::Result<String> {
    let (needed, clients) = (shown(forecast.memory), forecast.max_clients);
    match available {
        Some(available) if forecast.memory > available => bail!(
            "{clients} clients need about {needed} of memory (4KiB each, 16KiB more with TLS, \
             4KiB in the kernel, and our own), but {} are left\n\
             hint: run fewer clients, or give the machine (or its cgroup, memory.max) more",
            shown(available)
        ),
        Some(available) => Ok(format!("memory: about {needed} of {}", shown(available))),
        None => Ok(format!("memory: about {needed} of an unknown amount")),
    }
}

/// In MiB: more would claim too much.
fn shown(bytes: u64) -> ByteSize {
    ByteSize((bytes >> 20) << 20)
}

#[cfg(test)]
mod tests {
    use super::super::tests::forecast;
    use super::*;

    #[test]
    fn more_than_is_left_is_refused() {
        let needs = Forecast {
            memory: 100 << 20,
            ..forecast(10_000)
        };
        for (available, expected) in [
            (Some(100 << 20), Ok("memory: about 100MiB of 100MiB")),
            (None, Ok("memory: about 100MiB of an unknown amount")),
            (Some((100 << 20) - 1), Err("but 99MiB are left\nhint: ")),
        ] {
            match (judge(&needs, available), expected) {
                (Ok(fact), Ok(expected)) => assert_eq!(fact, expected),
                (Err(refused), Err(part)) => {
                    let refused = refused.to_string();
                    assert!(refused.contains(part), "{refused}");
                }
                (judged, _) => panic!("{available:?}: {judged:?}"),
            }
        }
    }

    #[test]
    fn the_tightest_group_counts_and_cache_is_free() {
        let root = tempfile::tempdir().expect("a folder");
        let write = |folder: &str, files: [(&str, &str); 3]| {
            let folder = root.path().join(folder);
            std::fs::create_dir_all(&folder).expect("made");
            for (name, text) in files {
                std::fs::write(folder.join(name), text).expect("written");
            }
        };
        let stat = "anon 5\ninactive_file 30\n";
        write(
            "a",
            [
                ("memory.max", "100\n"),
                ("memory.current", "80\n"),
                ("memory.stat", stat),
            ],
        );
        write(
            "a/b",
            [
                ("memory.max", "max\n"),
                ("memory.current", "70\n"),
                ("memory.stat", ""),
            ],
        );
        write(
            "c",
            [
                ("memory.max", "10\n"),
                ("memory.current", "90\n"),
                ("memory.stat", stat),
            ],
        );
        for (own, expected) in [
            ("a/b", Some(50)),
            ("a", Some(50)),
            ("c", Some(0)),
            ("d", None),
        ] {
            assert_eq!(left_in_groups(root.path(), own), expected, "{own}");
        }
    }

    #[test]
    fn a_field_is_found() {
        let text = "MemTotal:  16 kB\nMemAvailable:    8 kB\n";
        assert_eq!(field(text, "MemAvailable:"), Some(8));
        assert_eq!(field(text, "SwapFree:"), None);
    }
}
