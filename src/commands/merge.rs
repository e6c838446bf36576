//! `wsbench merge RESULT... --out DIR`: what several machines measured together, as one result.
//!
//! The union is judged again by the limits that the parts were judged by, saved as a run is, and shown.
//! Its folder has no `failures.csv`: which failure came when stays in those of the parts.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::commands::compare::files;
use crate::compare::verdict;
use crate::exit::Exit;
use crate::report::{Look, junit, markdown, terminal};
use crate::result::merge::{self, Log, Part, Union};
use crate::result::store::write_whole;
use crate::result::timeline::COLUMNS;
use crate::result::{InvalidReason, RunResult, StoreError, csv, hlog, storm};
use crate::scenario::Threshold;

/// Most results of one union.
const MOST: usize = 256;
/// Larger logs are not read: cells that need them stay empty.
const LARGEST_LOG: u64 = 1 << 30;

/// Flags.
#[derive(Clone, Debug)]
pub struct Options {
    /// Results, or folders of results.
    pub results: Vec<PathBuf>,
    /// The folder for the union.
    pub out: PathBuf,
    /// Merge different things.
    pub force: bool,
    /// Nothing but errors.
    pub quiet: bool,
    /// What stdout can show.
    pub look: Look,
}

/// Merges, saves, shows; the exit code is that of the union's verdict.
pub fn run(options: &Options) -> anyhow::Result<Exit> {
    let parts = load(&options.results)?;
    let refusals = merge::refusals(&parts);
    let mut talk = anstream::stderr();
    if !refusals.is_empty() && !options.force {
        let reasons = refusals.join("\n  ");
        let _ = writeln!(
            talk,
            "error: these results are not parts of one run\n  {reasons}\nhint: merge what ran one \
             scenario at the same time, or say --force"
        );
        return Ok(Exit::Usage);
    }
    let limits = limits(&parts)?;
    let mut union = merge::merge(parts)?;
    judge(&mut union.result, &limits);
    save(&options.out, &union)?;
    if !options.quiet {
        for note in &union.notes {
            let _ = writeln!(talk, "note: {note}");
        }
        super::print(&terminal::render(
            &union.result,
            options.look,
            Some(&options.out),
        ))?;
    }
    Ok(verdict::exit(&union.result))
}

fn load(paths: &[PathBuf]) -> anyhow::Result<Vec<Part>> {
    let mut parts = Vec::new();
    for path in paths {
        for folder in files(path)? {
            if parts.len() == MOST {
                bail!("more than {MOST} results\nhint: merge some of them first");
            }
            parts.push(Part {
                name: folder.display().to_string(),
                result: RunResult::load(&folder)?,
                log: log(&folder)?,
            });
        }
    }
    Ok(parts)
}

/// The interval log beside a result, if it is there.
fn log(folder: &Path) -> anyhow::Result<Log> {
    let path = folder.join("histograms.hlog");
    match fs::metadata(&path) {
        Ok(found) if found.len() <= LARGEST_LOG => {}
        _ => return Ok(Log::default()),
    }
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    Log::parse(&text).with_context(|| {
        format!(
            "read {}\nhint: move it away to merge without it",
            path.display()
        )
    })
}

/// The limits of the parts, each once: by those they were judged, flags included.
fn limits(parts: &[Part]) -> anyhow::Result<Vec<Threshold>> {
    let mut text = "[thresholds]\n".to_owned();
    let mut seen: Vec<&str> = Vec::new();
    for outcome in parts.iter().flat_map(|part| &part.result.thresholds) {
        if !seen.contains(&outcome.name.as_str()) {
            seen.push(&outcome.name);
            // Names and limits are short words that a scenario's reader took.
            writeln!(text, "{:?} = {:?}", outcome.name, outcome.limit)?;
        }
    }
    let limits = super::with_statistics(|known| Threshold::of_text(&text, known));
    limits
        .map_err(anyhow::Error::msg)
        .context("read the thresholds of the results")
}

/// Judges the union, without forgetting what made a part invalid: the quantile of all may hide the one
/// generator that was late.
fn judge(result: &mut RunResult, limits: &[Threshold]) {
    let of_parts: Vec<InvalidReason> = std::mem::take(&mut result.validity.reasons);
    verdict::judge(result, limits);
    for reason in of_parts {
        if !result.validity.reasons.contains(&reason) {
            result.validity.reasons.push(reason);
        }
    }
    result.validity.valid = result.validity.reasons.is_empty();
    result.verdict = verdict::of_run(result);
}

/// The files of a results folder, as far as a union has them.
fn save(out: &Path, union: &Union) -> anyhow::Result<()> {
    let result = &union.result;
    let folder_error = |error| StoreError::Folder {
        path: out.to_owned(),
        error,
    };
    fs::create_dir_all(out).map_err(folder_error)?;
    if fs::read_dir(out).map_err(folder_error)?.next().is_some() {
        return Err(StoreError::NotEmpty {
            path: out.to_owned(),
        }
        .into());
    }
    let mut intervals = csv::heading(COLUMNS);
    for row in &result.timeline.rows {
        intervals += &csv::interval_line(row);
    }
    let started: jiff::Timestamp = result.started.parse().unwrap_or_default();
    let log = hlog::header(started.into()) + &union.log.concat();
    for (name, text) in [
        ("result.json", result.to_json()),
        ("summary.csv", csv::summary(&result.summary)),
        ("intervals.csv", intervals),
        ("histograms.csv", csv::distributions(&result.summary)),
        ("histograms.hlog", log),
        ("storms.csv", storm::csv::storms(&result.storms)),
        ("storm_series.csv", storm::csv::series(&result.storms)),
        ("summary.md", markdown::render(result)),
        ("junit.xml", junit::render(result, None)),
    ] {
        write_whole(&out.join(name), text.as_bytes())?;
    }
    Ok(())
}
