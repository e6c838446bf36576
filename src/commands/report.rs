//! `wsbench report RESULT`: a saved result, rendered again.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;

use crate::report::{Look, html, junit, markdown, terminal, trackers};
use crate::result::{RunResult, csv};

/// What a result can be rendered as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The summary for people.
    Terminal,
    /// `result.json` itself.
    Json,
    /// `summary.csv`.
    Csv,
    /// `summary.md`.
    Markdown,
    /// `junit.xml`.
    Junit,
    /// OpenMetrics text.
    Gitlab,
    /// JSON for github-action-benchmark.
    GithubActionBenchmark,
    /// JSON for Bencher.
    Bencher,
    /// `report.html`.
    Html,
}

/// Writes the result at `path` (a folder or a `result.json`) to `out`. A reader that went away is no
/// error; a missing, damaged or foreign file is.
pub fn run(path: &Path, format: Format, look: Look, out: &mut dyn Write) -> anyhow::Result<()> {
    let result = RunResult::load(path)?;
    let files = path.is_dir().then_some(path);
    let text = match format {
        Format::Terminal => terminal::report(&result, look, files),
        Format::Json => result.to_json(),
        Format::Csv => csv::summary(&result.summary),
        Format::Markdown => markdown::render(&result),
        Format::Junit => junit::render(&result, None),
        Format::Gitlab => trackers::openmetrics(&result),
        Format::GithubActionBenchmark => trackers::github_action_benchmark(&result),
        Format::Bencher => trackers::bencher(&result),
        Format::Html => html::run(&result),
    };
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.context("write report to stdout"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::fixture;

    const LOOK: Look = Look {
        width: 80,
        color: false,
    };

    #[test]
    fn a_saved_result_is_rendered_again_in_every_format() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("result.json");
        std::fs::write(&file, fixture::result().to_json()).unwrap();
        for (format, expected) in [
            (Format::Terminal, "verdict: "),
            (Format::Json, "\"schema_version\": 1"),
            (Format::Csv, "metric,unit,count"),
            (Format::Markdown, "## wsbench chat"),
            (Format::Junit, "<testsuites"),
            (Format::Gitlab, "# EOF"),
            (Format::GithubActionBenchmark, "\"unit\""),
            (Format::Bencher, "\"latency\""),
            (Format::Html, "<!DOCTYPE html>"),
        ] {
            for path in [dir.path(), &file] {
                let mut out = Vec::new();
                run(path, format, LOOK, &mut out).unwrap();
                let text = String::from_utf8(out).unwrap();
                assert!(text.contains(expected), "{format:?}: {text}");
            }
        }
    }

    #[test]
    fn a_damaged_file_is_named_with_a_hint() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("result.json"), "{\"schema_version\": 1,").unwrap();
        let error = run(dir.path(), Format::Json, LOOK, &mut Vec::new()).unwrap_err();
        let error = format!("{error:#}");
        assert!(
            error.contains("result.json") && error.contains("hint: "),
            "{error}"
        );
    }
}
