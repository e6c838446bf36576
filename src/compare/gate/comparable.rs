//! Whether two sets of results may be compared at all.

use std::collections::BTreeMap;

use crate::result::run::fingerprint;
use crate::result::{Environment, RunResult};

/// What must be alike in runs that are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    scenario: String,
    seed: u64,
    load: String,
    changes: Option<String>,
    build: String,
    processors: String,
    kernel: String,
}

impl Identity {
    /// Of a run that is still to come, by this build of wsbench. `text` is the scenario as it will
    /// be saved, `changes` what flags changed of it, `load` what it asks for in words.
    pub fn planned(
        (name, text, changes): (&str, &str, &BTreeMap<String, String>),
        seed: u64,
        load: String,
        on: &Environment,
    ) -> Self {
        Self {
            scenario: scenario(name, &fingerprint(text)),
            seed,
            load,
            changes: Some(conditions(changes)),
            build: build(env!("CARGO_PKG_VERSION"), on),
            processors: processors(on),
            kernel: on.kernel.clone(),
        }
    }
}

impl From<&RunResult> for Identity {
    fn from(run: &RunResult) -> Self {
        Self {
            scenario: scenario(&run.scenario.name, &run.scenario.sha256),
            seed: run.scenario.seed,
            load: run.load.clone(),
            changes: run.scenario.changes.as_ref().map(conditions),
            build: build(&run.tool.version, &run.environment),
            processors: processors(&run.environment),
            kernel: run.environment.kernel.clone(),
        }
    }
}

fn scenario(name: &str, sha256: &str) -> String {
    let short: String = sha256.chars().take(12).collect();
    format!("{name} ({short})")
}

/// What is tested, and how it is judged, may be another; everything else is part of the question.
const NO_CONDITION: [&str; 7] = [
    "target",
    "server",
    "gate",
    "thresholds",
    "validity",
    "description",
    "seed",
];

/// The changes by flags that make two runs of one text different questions.
fn conditions(changes: &BTreeMap<String, String>) -> String {
    let is_condition = |key: &str| {
        let top = key.split('.').next().unwrap_or(key);
        !NO_CONDITION.contains(&top)
    };
    let changes = changes.iter().filter(|(key, _)| is_condition(key));
    let mut text: Vec<String> = changes
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    if text.is_empty() {
        text.push("none".to_owned());
    }
    text.join(", ")
}

fn build(version: &str, on: &Environment) -> String {
    format!("{version} {}", on.build_profile)
}

fn processors(on: &Environment) -> String {
    format!("{} x {}", on.cores, on.cpu)
}

/// Why two sets cannot be compared; empty when they can.
pub fn refusals(base: &[RunResult], candidate: &[RunResult]) -> Vec<String> {
    let all: Vec<Identity> = base.iter().chain(candidate).map(Identity::from).collect();
    differences(&all)
}

/// In what they differ, in words; empty when they are of the same thing.
pub fn differences(all: &[Identity]) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut differ = |what: &str, of: &dyn Fn(&Identity) -> Option<String>| {
        let mut seen: Vec<String> = Vec::new();
        // What an earlier version did not write down is not known to differ.
        for value in all.iter().filter_map(of) {
            if !seen.contains(&value) {
                seen.push(value);
            }
        }
        if seen.len() > 1 {
            seen.truncate(3);
            reasons.push(format!("{what} differ: {}", seen.join(" / ")));
        }
    };
    differ("scenarios", &|run| Some(run.scenario.clone()));
    differ("seeds", &|run| Some(run.seed.to_string()));
    differ("loads", &|run| Some(run.load.clone()));
    differ("settings by flags", &|run| run.changes.clone());
    differ("builds of wsbench", &|run| Some(run.build.clone()));
    differ("processors", &|run| Some(run.processors.clone()));
    differ("kernels", &|run| Some(run.kernel.clone()));
    reasons
}

/// Most of the runs can be believed: a generator that was late measured itself.
pub fn is_believed(runs: &[RunResult]) -> bool {
    let invalid = runs.iter().filter(|run| !run.validity.valid).count();
    2 * invalid <= runs.len()
}

/// What a reader should know.
pub fn warnings(base: &[RunResult], candidate: &[RunResult]) -> Vec<String> {
    let mut warnings = Vec::new();
    for (side, runs) in [("base", base), ("candidate", candidate)] {
        let invalid = runs.iter().filter(|run| !run.validity.valid).count();
        if invalid > 0 {
            let of = runs.len();
            warnings.push(format!(
                "{invalid} of {of} runs of the {side} are invalid: the generator was late or busy"
            ));
        }
        let cut = runs
            .iter()
            .filter(|run| run.end_reason != crate::result::EndReason::Completed)
            .count();
        if cut > 0 {
            let of = runs.len();
            warnings.push(format!("{cut} of {of} runs of the {side} did not complete"));
        }
    }
    if base.len() == 1 && candidate.len() == 1 {
        warnings.push(
            "one run on each side: how much runs differ by themselves is assumed (5 % of medians \
             and rates, 10 % of tails); three or more runs a side show it"
                .to_owned(),
        );
    }
    warnings
}
