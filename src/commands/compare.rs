//! `wsbench compare BASE... -- CANDIDATE...`: what changed between saved results.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::compare::gate::{self, Comparison, Gate, comparable};
use crate::exit::Exit;
use crate::report::comparison::{junit, markdown};
use crate::report::{Look, html, terminal};
use crate::result::{RunResult, Verdict};
use crate::scenario::GatePlan;

/// Most results of one side.
const MOST: usize = 1_000;

/// What is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Terminal,
    /// The document.
    Json,
    /// For a pull request.
    Markdown,
    /// For the test report of a CI.
    Junit,
}

/// What a CI calls a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailOn {
    /// Exit 1 for a regression, 4 when the data cannot tell.
    Regressed,
    /// Exit 1 for both.
    Inconclusive,
}

/// Flags.
#[derive(Clone, Debug)]
pub struct Options {
    /// Results, or folders of results.
    pub base: Vec<PathBuf>,
    /// Results, or folders of results.
    pub candidate: Vec<PathBuf>,
    /// Minimum effect of times and rates.
    pub minimum: Option<f64>,
    /// The n-th result of each side ran next to the other's: rounds of an `ab`.
    pub paired: bool,
    /// Compare different things.
    pub force: bool,
    /// What is called a failure.
    pub fail_on: FailOn,
    /// What is printed.
    pub format: Format,
    /// Where a page of it is saved.
    pub html: Option<PathBuf>,
    /// What stdout can show.
    pub look: Look,
}

/// Compares, prints, and says how it went by the exit code.
pub fn run(options: &Options) -> anyhow::Result<Exit> {
    let (base, candidate) = (load(&options.base)?, load(&options.candidate)?);
    let refusals = comparable::refusals(&base, &candidate);
    if !refusals.is_empty() && !options.force {
        let reasons = refusals.join("\n  ");
        anstream::eprintln!(
            "error: these results are not of the same thing\n  {reasons}\nhint: compare runs of one \
             scenario on one machine, or say --force"
        );
        return Ok(Exit::Usage);
    }
    let gate = gate_of(&candidate, options.minimum)?;
    let mut comparison = if options.paired {
        let (a, b) = (base.len(), candidate.len());
        if a != b || a < 3 {
            anstream::eprintln!(
                "error: --paired with {a} results of the base and {b} of the candidate\n\
                 hint: give three or more of each, equally many, in the order they were made"
            );
            return Ok(Exit::Usage);
        }
        let rounds: Vec<_> = base
            .iter()
            .cloned()
            .zip(candidate.iter().cloned())
            .collect();
        gate::compare_rounds(&rounds, &gate)
    } else {
        gate::compare(&base, &candidate, &gate)
    };
    comparison
        .warnings
        .extend(refusals.into_iter().map(|r| format!("forced although {r}")));
    super::ci::tell_of_comparison(&comparison);
    if let Some(path) = &options.html {
        save_page(path, &comparison, &base, &candidate)?;
    }
    show(&comparison, options.format, options.look)?;
    Ok(exit(comparison.verdict, options.fail_on))
}

/// The gate as the scenario of the newest candidate wants it.
fn gate_of(candidate: &[RunResult], minimum: Option<f64>) -> anyhow::Result<Gate> {
    let Some(newest) = candidate.last() else {
        return Ok(Gate::with_minimum(minimum));
    };
    let scenario = &newest.scenario;
    let changes = scenario.changes.clone().unwrap_or_default();
    let plan = super::with_statistics(|known| GatePlan::of_text(&scenario.text, &changes, known));
    let plan = plan.map_err(anyhow::Error::msg);
    Ok(Gate::of(
        &plan.context("read [gate] of the scenario in the result")?,
        minimum,
    ))
}

/// Saves the page of a comparison.
///
/// # Errors
/// A file that cannot be written.
pub fn save_page(
    path: &Path,
    comparison: &Comparison,
    base: &[RunResult],
    candidate: &[RunResult],
) -> anyhow::Result<()> {
    let page = html::comparison(comparison, base, candidate);
    std::fs::write(path, page).with_context(|| format!("write {}", path.display()))
}

/// Prints it.
pub fn show(comparison: &Comparison, format: Format, look: Look) -> anyhow::Result<()> {
    let text = match format {
        Format::Terminal => terminal::comparison::render(comparison, look),
        Format::Json => serde_json::to_string_pretty(comparison)? + "\n",
        Format::Markdown => markdown::render(comparison),
        Format::Junit => junit::render(comparison),
    };
    super::print(&text)
}

/// The exit code of a verdict.
pub fn exit(verdict: Verdict, fail_on: FailOn) -> Exit {
    match verdict {
        Verdict::Pass => Exit::Pass,
        Verdict::Fail => Exit::Fail,
        Verdict::Inconclusive | Verdict::Invalid if fail_on == FailOn::Inconclusive => Exit::Fail,
        Verdict::Inconclusive | Verdict::Invalid => Exit::Unanswered,
    }
}

/// Every result at or directly below the paths, in the order of their names.
pub fn load(paths: &[PathBuf]) -> anyhow::Result<Vec<RunResult>> {
    let mut results = Vec::new();
    for path in paths {
        for file in files(path)? {
            if results.len() == MOST {
                bail!("more than {MOST} results on one side");
            }
            results.push(RunResult::load(&file)?);
        }
    }
    Ok(results)
}

/// A result itself, or the results in a folder of them.
pub(super) fn files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() || path.join("result.json").exists() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).with_context(|| format!("read {}", path.display()))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|folder| folder.join("result.json").exists())
        .collect();
    found.sort();
    if found.is_empty() {
        bail!(
            "no result in {}\nhint: give a folder with a result.json, or one that holds such folders",
            path.display()
        );
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::fixture;

    #[test]
    fn a_page_is_saved_beside_what_is_printed() {
        let dir = tempfile::tempdir().unwrap();
        let result = dir.path().join("result.json");
        std::fs::write(&result, fixture::result().to_json()).unwrap();
        let options = |html: PathBuf| Options {
            base: vec![result.clone()],
            candidate: vec![result.clone()],
            minimum: None,
            force: false,
            fail_on: FailOn::Regressed,
            format: Format::Json,
            html: Some(html),
            paired: false,
            look: Look {
                width: 80,
                color: false,
            },
        };
        let page = dir.path().join("page.html");
        assert!(run(&options(page.clone())).is_ok());
        let page = std::fs::read_to_string(page).unwrap();
        assert!(page.contains("<svg id=\"forest\"") && page.contains("spectrum-round-trip"));
        let nowhere = dir.path().join("no/page.html");
        let error = run(&options(nowhere)).unwrap_err();
        assert!(format!("{error:#}").contains("page.html"), "{error:#}");
    }
}
