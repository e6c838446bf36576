//! Scenario files with flags: a plan or problems, never a panic, never a secret. A line
//! `# set: KEY=VALUE` in the text is also a `--set` flag, `# target: URL` and `# header: NAME: VALUE`
//! likewise.

use wsbench::commands::check::plan;
use wsbench::result::statistics;
use wsbench::scenario::{Overrides, Problems, Scenario, StatisticKind, Statistics};

/// Stands in the environment; must not come out again.
const SECRET: &str = "5ecret-v41ue";
/// Bytes of the longest list of problems: 50 are shown, each with a line of at most 2,000 bytes.
const LONGEST: usize = 500_000;

pub fn body(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // Devices never end and pipes wait: a fuzzer that makes up paths is kept from them.
    if ["/dev", "/proc", "/sys"]
        .iter()
        .any(|folder| text.contains(folder))
    {
        return;
    }
    let known = text.contains(SECRET);
    match read(&text) {
        Ok(scenario) => {
            let _ = plan(&scenario, 2);
            assert!(!scenario.sessions.is_empty() && !scenario.target.urls.is_empty());
        }
        Err(problems) => {
            assert!(problems.iter().count() > 0);
            for color in [false, true] {
                let shown = problems.render(color);
                assert!(
                    !shown.is_empty() && shown.len() < LONGEST,
                    "{}",
                    shown.len()
                );
                assert!(known || !shown.contains(SECRET), "{shown}");
            }
        }
    }
}

/// Reads a scenario in a folder that is not there.
pub fn read(text: &str) -> Result<Scenario, Problems> {
    let mut overrides = Overrides::default();
    for line in text.lines().take(1_000) {
        if let Some((key, value)) = line.strip_prefix("# set: ").and_then(|l| l.split_once('=')) {
            overrides.set.push((key.to_owned(), value.to_owned()));
        } else if let Some(url) = line.strip_prefix("# target: ") {
            overrides.target = Some(url.to_owned());
        } else if let Some((name, value)) = line
            .strip_prefix("# header: ")
            .and_then(|l| l.split_once(": "))
        {
            overrides.headers.push((name.to_owned(), value.to_owned()));
        }
    }
    let env = |name: &str| (name == "SECRET").then(|| SECRET.to_owned());
    let kind = |name: &str| {
        Some(match statistics::kind(name)? {
            statistics::Kind::Time => StatisticKind::Time,
            statistics::Kind::Ratio => StatisticKind::Ratio,
            statistics::Kind::Count => StatisticKind::Count,
            statistics::Kind::Rate => StatisticKind::Rate,
            statistics::Kind::Number => StatisticKind::Number,
        })
    };
    let names: Vec<String> = statistics::known().map(|(name, _)| name).collect();
    let statistics = Statistics {
        kind: &kind,
        names: &names,
    };
    Scenario::parse("nowhere/x.toml", text, &overrides, &env, &statistics)
}
