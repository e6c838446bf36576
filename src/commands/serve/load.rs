//! How busy the server's threads are, as the kernel accounts for it: nothing is measured on the path
//! of a message. Linux only; elsewhere it is unknown.

use std::fs;
use std::io;

use crate::commands::control::{ProcessLoad, ThreadTime};

/// Threads that are reported; a server has at most as many.
const MOST_THREADS: usize = 256;
/// Server threads are named so, with their number.
const NAME: &str = "server-";

/// Processor time of this process, in seconds.
pub fn cpu_s() -> f64 {
    let time = nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID.now();
    time.map_or(0.0, |time| std::time::Duration::from(time).as_secs_f64())
}

/// Of this process so far.
///
/// # Errors
/// When /proc is not there, or its schedstat is not.
pub fn read() -> io::Result<ProcessLoad> {
    let mut threads = Vec::new();
    for task in fs::read_dir("/proc/self/task")?.take(4 * MOST_THREADS) {
        let folder = task?.path();
        let name = fs::read_to_string(folder.join("comm")).unwrap_or_default();
        let Some(number) = name.trim_end().strip_prefix(NAME) else {
            continue;
        };
        let Ok(number) = number.parse::<u16>() else {
            continue;
        };
        let text = fs::read_to_string(folder.join("schedstat"))?;
        let time = times(&text).ok_or_else(|| io::Error::other("schedstat is no such file"))?;
        threads.push((number, time));
    }
    threads.sort_by_key(|(number, _)| *number);
    threads.truncate(MOST_THREADS);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    Ok(ProcessLoad {
        at_us: now_us(),
        memory_kib: field(&status, "VmHWM:").unwrap_or(0),
        threads: threads.into_iter().map(|(_, time)| time).collect(),
    })
}

/// On the clock that all processes of a machine have in common.
fn now_us() -> u64 {
    let time = nix::time::ClockId::CLOCK_MONOTONIC.now();
    time.map_or(0, |time| {
        u64::try_from(std::time::Duration::from(time).as_micros()).unwrap_or(u64::MAX)
    })
}

/// Of `schedstat`: nanoseconds run, nanoseconds waited for a core, turns.
fn times(text: &str) -> Option<ThreadTime> {
    let mut numbers = text.split_whitespace();
    let mut micros = || -> Option<u64> { Some(numbers.next()?.parse::<u64>().ok()? / 1_000) };
    Some(ThreadTime(micros()?, micros()?))
}

/// The number behind a name.
fn field(lines: &str, name: &str) -> Option<u64> {
    let line = lines.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_understood() {
        assert_eq!(times("1234567 89000 42\n"), Some(ThreadTime(1_234, 89)));
        assert_eq!(times("1234567\n"), None);
        assert_eq!(times(""), None);
        assert_eq!(field("VmHWM:\t  12 kB\n", "VmHWM:"), Some(12));
    }

    #[test]
    fn threads_are_found_by_their_names() {
        let (tell, told) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::Builder::new().name("server-7".to_owned());
        let thread = thread.spawn(move || {
            let sum: u64 = (0..3_000_000_u64).map(std::hint::black_box).sum();
            let _ = told.recv();
            sum
        });
        let thread = thread.expect("a thread");
        let mut spent = 0;
        for _ in 0..1_000 {
            let load = read().expect("Linux");
            // Other tests of this process may have threads of that name too.
            spent = load.threads.iter().map(|time| time.0).max().unwrap_or(0);
            if spent > 0 {
                assert!(load.memory_kib > 0 && load.at_us > 0);
                break;
            }
            std::thread::yield_now();
        }
        drop(tell);
        thread.join().expect("no panic");
        assert!(spent > 0, "it worked");
    }
}
