//! Reading a saved result again, and telling apart what is none.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::RunResult;
use super::run::{FILE_NAME, SCHEMA_VERSION, Tool};

/// Larger files are not results.
const LARGEST_FILE: u64 = 256 << 20;

impl RunResult {
    /// Reads a results folder or a `result.json`.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let path = if path.is_dir() {
            path.join(FILE_NAME)
        } else {
            path.to_owned()
        };
        let size = fs::metadata(&path).map(|metadata| metadata.len());
        let text = match size {
            Ok(size) if size > LARGEST_FILE => return Err(LoadError::TooLarge { path, size }),
            Ok(_) => fs::read_to_string(&path),
            Err(error) => Err(error),
        };
        let text = text.map_err(|error| LoadError::Read {
            path: path.clone(),
            error,
        })?;
        Self::parse(&text, &path)
    }

    /// Reads the text of a `result.json`; `path` is for messages.
    pub fn parse(text: &str, path: &Path) -> Result<Self, LoadError> {
        #[derive(Deserialize)]
        struct Head {
            schema_version: Option<u32>,
            tool: Option<Tool>,
        }
        let path = || path.to_owned();
        let damaged = |error| LoadError::Damaged {
            path: path(),
            error,
        };
        // Syntax first: a truncated file is damaged, whatever it was.
        let value: serde_json::Value = serde_json::from_str(text).map_err(damaged)?;
        let head = Head::deserialize(&value).unwrap_or(Head {
            schema_version: None,
            tool: None,
        });
        let ours = head
            .tool
            .is_some_and(|tool| tool.name == env!("CARGO_PKG_NAME"));
        match head.schema_version {
            Some(version) if ours && version > SCHEMA_VERSION => Err(LoadError::Newer {
                path: path(),
                version,
            }),
            Some(_) if ours => {
                let counts = value.as_object().into_iter().flatten();
                let mut counts = counts.filter(|(key, _)| *key != "scenario");
                if counts.any(|(_, value)| !is_countable(value)) {
                    let text = "a count is larger than 2^53";
                    return Err(damaged(serde::de::Error::custom(text)));
                }
                Self::deserialize(value).map_err(damaged)
            }
            _ => Err(LoadError::Foreign { path: path() }),
        }
    }
}

/// Whether every whole number in it is a possible count, so that sums of some of them fit: those that
/// JSON carries exactly. The seed of a scenario may be any number.
fn is_countable(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Number(number) => number.as_u64().is_none_or(|n| n <= 1 << 53),
        serde_json::Value::Array(items) => items.iter().all(is_countable),
        serde_json::Value::Object(entries) => entries.values().all(is_countable),
        _ => true,
    }
}

/// A saved result that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Missing or unreadable.
    #[error("read result {path}: {error}\nhint: give a folder under results/, or its result.json", path = path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        error: std::io::Error,
    },
    /// Far too large.
    #[error("read result {path}: {size} bytes, a result is smaller\nhint: give a folder under results/, or its result.json", path = path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
        /// Its size.
        size: u64,
    },
    /// JSON, but not a result.
    #[error("read result {path}: not a result of wsbench\nhint: give a folder under results/, or its result.json", path = path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// A result of a later version.
    #[error("read result {path}: schema version {version}, this build reads up to {SCHEMA_VERSION}\nhint: update wsbench", path = path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// Cut short or changed.
    #[error("read result {path}: {error}\nhint: the file is damaged; intervals.csv and histograms.hlog beside it may be whole", path = path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Where and what.
        error: serde_json::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::fixture;

    #[test]
    fn other_files_are_told_apart() {
        let whole = fixture::result().to_json();
        let newer = whole.replacen("\"schema_version\": 1", "\"schema_version\": 99", 1);
        let changed = whole.replacen("\"pass\"", "\"splendid\"", 1);
        let changed = changed.replacen("\"inconclusive\"", "\"splendid\"", 1);
        for (text, message) in [
            ("", "EOF"),
            (&whole[..whole.len() / 2], "EOF"),
            ("{}", "not a result of wsbench"),
            ("[1]", "not a result of wsbench"),
            ("{\"schema_version\": 1}", "not a result of wsbench"),
            (&newer, "schema version 99"),
            (&changed, "splendid"),
        ] {
            let error = RunResult::parse(text, Path::new("x.json")).unwrap_err();
            let error = error.to_string();
            assert!(
                error.contains(message) && error.contains("hint: "),
                "{error}"
            );
        }
        assert!(matches!(
            RunResult::load(Path::new("no/such/place")),
            Err(LoadError::Read { .. })
        ));
    }
}
