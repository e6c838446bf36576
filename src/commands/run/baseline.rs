//! `run --baseline` and `run --save-baseline`: the gate in one step.
//!
//! A baseline is a set of runs: `results/baseline/NAME/` with a folder for each, which holds nothing
//! but its `result.json`, small enough to be committed. What does not fit is refused before the load.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::commands::compare;
use crate::compare::gate::{self, Comparison, Gate, comparable};
use crate::compare::verdict;
use crate::report::comparison::because;
use crate::result::store::write_whole;
use crate::result::{BaselineOutcome, EndReason, Environment, RunResult, Verdict};
use crate::scenario::{Scenario, redact};

use super::conclude::load_in_words;

/// Where sets of runs are kept.
const ROOT: &str = "results/baseline";
/// Most runs of a set; the oldest goes when one more is kept. The spread of more says no more.
const MOST_RUNS: usize = 20;

/// What to compare with, and whether to become part of it.
#[derive(Clone, Debug)]
pub struct Options {
    /// A result, a folder of results, or the name of a kept set.
    pub baseline: Option<PathBuf>,
    /// Keep the run in the set of this name.
    pub save: Option<String>,
    /// Compare with runs of something else, too.
    pub force: bool,
    /// Minimum effect of times and rates.
    pub minimum: Option<f64>,
    /// What exits with 1.
    pub fail_on: compare::FailOn,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            baseline: None,
            save: None,
            force: false,
            minimum: None,
            fail_on: compare::FailOn::Regressed,
        }
    }
}

/// The runs to compare with, read before the load.
pub(super) struct Baseline {
    from: String,
    runs: Vec<RunResult>,
    gate: Gate,
    warnings: Vec<String>,
}

/// What became of `--baseline`.
pub(super) enum Opened {
    /// Nothing to compare with: not asked for, or this run is the first of the set it is to join.
    Nothing,
    /// This.
    Set(Box<Baseline>),
    /// It may not be compared with; the text says why and what to do.
    Refused(String),
}

/// Reads the baseline of a run that is still to come.
///
/// # Errors
/// Results that cannot be read.
pub(super) fn open(scenario: &Scenario, options: &Options) -> anyhow::Result<Opened> {
    let Some(given) = &options.baseline else {
        return Ok(Opened::Nothing);
    };
    let place = place(given);
    if !holds_results(&place) {
        let own = options.save.as_deref().map(folder);
        if own.is_some_and(|own| own == place || own == folder(&given.to_string_lossy())) {
            return Ok(Opened::Nothing);
        }
        return Ok(Opened::Refused(missing(given, &scenario.name)));
    }
    let runs = compare::load(&[place])?;
    let mut all: Vec<_> = runs.iter().map(comparable::Identity::from).collect();
    let text = redact(&scenario.source, &scenario.secrets);
    let hide = |text: String| redact(&text, &scenario.secrets).into_owned();
    let changes = scenario.recipe.overrides.changes().into_iter();
    let changes = changes
        .map(|(key, value)| (hide(key), hide(value)))
        .collect();
    all.push(comparable::Identity::planned(
        (&scenario.name, &text, &changes),
        scenario.seed,
        load_in_words(scenario),
        &Environment::read(),
    ));
    let differences = comparable::differences(&all);
    let from = given.display().to_string();
    if !differences.is_empty() && !options.force {
        let reasons = differences.join("\n  ");
        return Ok(Opened::Refused(format!(
            "error: the baseline {from} is not of the same thing\n  {reasons}\nhint: save a new one \
             with --save-baseline, or say --force"
        )));
    }
    let forced = differences.into_iter();
    Ok(Opened::Set(Box::new(Baseline {
        from,
        runs,
        gate: Gate::of(&scenario.gate, options.minimum),
        warnings: forced.map(|d| format!("forced although {d}")).collect(),
    })))
}

/// A path, or the name of a kept set.
fn place(given: &Path) -> PathBuf {
    let named = folder(&given.to_string_lossy());
    match !given.exists() && named.is_dir() {
        true => named,
        false => given.to_owned(),
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(ROOT).join(name)
}

/// A result, or a folder with one or more of them.
fn holds_results(path: &Path) -> bool {
    let within = |folder: &Path| folder.join("result.json").exists();
    let below = || fs::read_dir(path).into_iter().flatten().flatten();
    path.is_file() || within(path) || below().any(|entry| within(&entry.path()))
}

fn missing(given: &Path, scenario: &str) -> String {
    format!(
        "error: no baseline at {}: there is no result in it\nhint: make one first, three runs or more \
         say most: wsbench run SCENARIO --save-baseline {scenario}; then --baseline {ROOT}/{scenario}",
        given.display()
    )
}

impl Baseline {
    /// Compares a judged run and joins the answer to its verdict. A run cut short is not compared:
    /// it is not what the baseline's runs were.
    pub(super) fn judge(&self, result: &mut RunResult) -> Option<Comparison> {
        if result.end_reason != EndReason::Completed {
            return None;
        }
        let mut comparison = gate::compare(&self.runs, std::slice::from_ref(result), &self.gate);
        comparison.warnings.extend(self.warnings.iter().cloned());
        let outcome = BaselineOutcome {
            from: self.from.clone(),
            runs: self.runs.len(),
            verdict: comparison.verdict,
            because: because(&comparison),
        };
        verdict::join_baseline(result, outcome);
        Some(comparison)
    }
}

/// Keeps a run as part of its set, and says what it did.
///
/// # Errors
/// A set that cannot be written.
pub(super) fn keep(name: &str, result: &RunResult, quiet: bool) -> anyhow::Result<()> {
    let mut talk = anstream::stderr();
    if let Some(reason) = unfit(result) {
        let _ = writeln!(talk, "baseline {name}: this run is not kept: {reason}");
        return Ok(());
    }
    let (dir, runs) = add(Path::new(ROOT), name, result)?;
    if !quiet {
        let dir = dir.display();
        let _ = writeln!(
            talk,
            "baseline {name}: kept as {dir} ({runs} of at most {MOST_RUNS} runs)"
        );
    }
    Ok(())
}

/// Why later runs had better not be compared with this one.
fn unfit(result: &RunResult) -> Option<&'static str> {
    let regressed = |outcome: &BaselineOutcome| outcome.verdict == Verdict::Fail;
    if result.end_reason != EndReason::Completed {
        Some("it did not complete")
    } else if !result.validity.valid {
        Some("its numbers cannot be believed")
    } else if result.baseline.as_ref().is_some_and(regressed) {
        Some("it regressed; without --baseline it is kept as it is")
    } else {
        None
    }
}

/// Writes the run below `root/name/` and drops the oldest beyond the limit. Returns its folder and how
/// many there are now.
fn add(root: &Path, name: &str, result: &RunResult) -> anyhow::Result<(PathBuf, usize)> {
    let set = root.join(name);
    let stamp = result.started.replace(':', "-");
    let dir = set.join(stamp);
    fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
    write_whole(&dir.join("result.json"), result.to_json().as_bytes())?;
    let mut kept = kept(&set);
    while kept.len() > MOST_RUNS {
        let oldest = kept.remove(0);
        // Only what `add` wrote: a folder that holds more stays, without being a run any more.
        fs::remove_file(oldest.join("result.json"))
            .with_context(|| format!("drop the oldest run {}", oldest.display()))?;
        let _ = fs::remove_dir(&oldest);
    }
    Ok((dir, kept.len()))
}

/// The runs of a set, the oldest first: their folders are named by when they began.
fn kept(set: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(set).into_iter().flatten().flatten();
    let mut kept: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|folder| folder.join("result.json").exists())
        .collect();
    kept.sort();
    kept
}

#[cfg(test)]
mod tests {
    use super::super::exit_of;
    use super::*;
    use crate::exit::Exit;
    use crate::result::fixture;

    #[test]
    fn a_set_grows_to_its_limit_and_then_loses_the_oldest() {
        let root = tempfile::tempdir().unwrap();
        let mut result = fixture::result();
        let first = "2026-01-01T00:00:00.000Z";
        for second in 0..MOST_RUNS + 2 {
            result.started = format!("2026-01-01T00:00:{second:02}.000Z");
            let (dir, runs) = add(root.path(), "main", &result).unwrap();
            assert_eq!(runs, (second + 1).min(MOST_RUNS));
            assert_eq!(RunResult::load(&dir).unwrap(), result);
        }
        let set = root.path().join("main");
        assert!(!set.join(first.replace(':', "-")).exists());
        let runs = compare::load(&[set]).unwrap();
        assert_eq!(runs.len(), MOST_RUNS);
        assert_eq!(runs[0].started, "2026-01-01T00:00:02.000Z");
    }

    #[test]
    fn the_exit_code_is_the_joined_verdicts_and_the_callers_choice() {
        use compare::FailOn::{Inconclusive, Regressed};
        let mut result = fixture::result();
        crate::compare::judge(&mut result, &[]);
        for (verdict, regressed, inconclusive) in [
            (Verdict::Pass, Exit::Pass, Exit::Pass),
            (Verdict::Fail, Exit::Fail, Exit::Fail),
            (Verdict::Inconclusive, Exit::Unanswered, Exit::Fail),
            (Verdict::Invalid, Exit::Unanswered, Exit::Fail),
        ] {
            let outcome = BaselineOutcome {
                from: "main".to_owned(),
                runs: 3,
                verdict,
                because: String::new(),
            };
            verdict::join_baseline(&mut result, outcome);
            assert_eq!(result.verdict, verdict);
            assert_eq!(exit_of(&result, true, Regressed), regressed);
            assert_eq!(exit_of(&result, true, Inconclusive), inconclusive);
        }
        result.end_reason = EndReason::Interrupted;
        assert_eq!(exit_of(&result, false, Inconclusive), Exit::Interrupted);
    }

    #[test]
    fn what_would_spoil_a_set_is_not_kept() {
        let mut result = fixture::result();
        crate::compare::judge(&mut result, &[]);
        assert_eq!(unfit(&result), None);
        let with = |change: &dyn Fn(&mut RunResult)| {
            let mut result = result.clone();
            change(&mut result);
            unfit(&result).is_some()
        };
        assert!(with(&|r| r.end_reason = EndReason::Interrupted));
        assert!(with(&|r| r.validity.valid = false));
        let outcome = |verdict| {
            Some(BaselineOutcome {
                from: "main".to_owned(),
                runs: 3,
                verdict,
                because: "regressed: round_trip.p99".to_owned(),
            })
        };
        assert!(with(&|r| r.baseline = outcome(Verdict::Fail)));
        assert!(!with(&|r| r.baseline = outcome(Verdict::Inconclusive)));
    }
}
