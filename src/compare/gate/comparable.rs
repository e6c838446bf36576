//! Whether two sets of results may be compared at all.

use crate::result::RunResult;

/// Why two sets cannot be compared; empty when they can.
pub fn refusals(base: &[RunResult], candidate: &[RunResult]) -> Vec<String> {
    let mut reasons = Vec::new();
    let all = || base.iter().chain(candidate);
    let mut differ = |what: &str, of: &dyn Fn(&RunResult) -> String| {
        let mut seen: Vec<String> = Vec::new();
        for run in all() {
            let value = of(run);
            if !seen.contains(&value) {
                seen.push(value);
            }
        }
        if seen.len() > 1 {
            seen.truncate(3);
            reasons.push(format!("{what} differ: {}", seen.join(" / ")));
        }
    };
    differ("scenarios", &|run| {
        let short: String = run.scenario.sha256.chars().take(12).collect();
        format!("{} ({short})", run.scenario.name)
    });
    differ("seeds", &|run| run.scenario.seed.to_string());
    differ("loads", &|run| run.load.clone());
    differ("builds of wsbench", &|run| {
        format!("{} {}", run.tool.version, run.environment.build_profile)
    });
    differ("processors", &|run| {
        format!("{} x {}", run.environment.cores, run.environment.cpu)
    });
    differ("kernels", &|run| run.environment.kernel.clone());
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
