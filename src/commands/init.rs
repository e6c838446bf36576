//! `wsbench init`: a commented starter scenario.

use std::io::Write;
use std::path::Path;

use anyhow::Context;

use crate::exit::Exit;

/// The starter scenario.
pub const STARTER: &str = include_str!("starter.toml");

/// Writes the starter to `path`, which must not exist yet; prints it without a path or for `-`.
pub fn run(path: Option<&Path>) -> anyhow::Result<Exit> {
    let Some(path) = path.filter(|path| *path != Path::new("-")) else {
        super::print(STARTER)?;
        return Ok(Exit::Pass);
    };
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path);
    let mut file = match file {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let shown = path.display();
            eprintln!(
                "error: write the starter to {shown}: it exists already\nhint: give another name"
            );
            return Ok(Exit::Usage);
        }
        Err(error) => {
            return Err(error).with_context(|| format!("write the starter to {}", path.display()));
        }
    };
    file.write_all(STARTER.as_bytes())
        .with_context(|| format!("write the starter to {}", path.display()))?;
    let shown = path.display();
    super::print(&format!(
        "wrote {shown}; run it with: wsbench run {shown}
"
    ))?;
    Ok(Exit::Pass)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::statistics;
    use crate::scenario::{Overrides, Scenario, StatisticKind, Statistics};

    #[test]
    fn the_starter_is_a_good_scenario() {
        let kind = |name: &str| {
            statistics::kind(name).map(|kind| match kind {
                statistics::Kind::Time => StatisticKind::Time,
                statistics::Kind::Ratio => StatisticKind::Ratio,
                statistics::Kind::Count => StatisticKind::Count,
                statistics::Kind::Rate => StatisticKind::Rate,
                statistics::Kind::Number => StatisticKind::Number,
            })
        };
        let statistics = Statistics {
            kind: &kind,
            names: &[],
        };
        let read = Scenario::parse(
            "starter.toml",
            STARTER,
            &Overrides::default(),
            &|_| None,
            &statistics,
        );
        let scenario = read.unwrap_or_else(|problems| panic!("{problems}"));
        assert!(scenario.warnings.is_empty(), "{:?}", scenario.warnings);
    }

    #[test]
    fn a_file_that_exists_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.toml");
        assert_eq!(run(Some(&path)).expect("writable"), Exit::Pass);
        std::fs::write(&path, "mine").expect("writable");
        assert_eq!(run(Some(&path)).expect("no error"), Exit::Usage);
        assert_eq!(std::fs::read_to_string(&path).expect("readable"), "mine");
    }
}
