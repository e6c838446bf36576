//! `result.json`: everything about one run in one document.
//!
//! Additive changes keep `schema_version`; a renamed or re-defined field raises it. Texts that a
//! server or a secret had a hand in are redacted and escaped before they get here.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::metrics::{AtEnd, Counter, Sheet, Total, conservation};

use super::judgement::{BaselineOutcome, InvalidReason, ThresholdOutcome, Verdict};
use super::merge::Source;
use super::storm::StormReport;
use super::summary::{self, Redact, Summary, TallyRow, millis};
use super::{
    Caps, EndReason, Environment, FaultRecord, Phases, RunFacts, ServerCounts, ServerLoad, Stall,
    Timeline,
};

/// The version this build writes, and the newest it reads.
pub const SCHEMA_VERSION: u32 = 1;
/// The name of the document in a results folder.
pub const FILE_NAME: &str = "result.json";

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// The version of this document's fields.
    pub schema_version: u32,
    /// What wrote it.
    pub tool: Tool,
    /// What was run.
    pub scenario: ScenarioFacts,
    /// What was tested.
    pub target: TargetFacts,
    /// The built-in server's behaviour, when the run started one.
    pub server: Option<String>,
    /// What it counted, when it could be asked.
    #[serde(default)]
    pub server_counts: Option<ServerCounts>,
    /// How busy it was in the measured phase, where that is known.
    #[serde(default)]
    pub server_load: Option<ServerLoad>,
    /// What the load asked for, in words.
    pub load: String,
    /// How hard the run might press its target; results of earlier versions do not say.
    #[serde(default)]
    pub limits: Option<Caps>,
    /// Where it ran.
    pub environment: Environment,
    /// Wall time at the start, RFC 3339 in UTC.
    pub started: String,
    /// Where the phases ended, in seconds from the start.
    pub phases: PhaseEnds,
    /// Why it ended.
    pub end_reason: EndReason,
    /// The answer.
    pub verdict: Verdict,
    /// Whether the numbers can be believed.
    pub validity: Validity,
    /// The limits stated in the scenario.
    pub thresholds: Vec<ThresholdOutcome>,
    /// How it compares with the baseline it was run against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineOutcome>,
    /// The numbers of the measured phase: counters, failures, closes, metrics.
    #[serde(flatten)]
    pub summary: Summary,
    /// What began in warm-up or drain: not in the totals, but never hidden.
    pub outside_measure: OutsideMeasure,
    /// Connections still open when the books were closed.
    pub open_at_end: u64,
    /// Mass disconnects, and how the clients came back.
    #[serde(default)]
    pub storms: Vec<StormReport>,
    /// Storms beyond those that are kept.
    #[serde(default)]
    pub storms_omitted: u64,
    /// Faults that were injected.
    #[serde(default)]
    pub faults: Vec<FaultRecord>,
    /// When the generator itself stood still, in order; at most 1,000.
    #[serde(default)]
    pub stalls: Vec<Stall>,
    /// Stalls beyond those.
    #[serde(default)]
    pub stalls_beyond: u64,
    /// The results it was merged of; empty for a run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// The run second by second.
    pub timeline: Timeline,
}

/// Events that began in warm-up or drain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OutsideMeasure {
    /// Every counter, zeros included.
    pub counters: BTreeMap<Counter, u64>,
    /// Failed dials by kind, the most frequent first.
    pub failures: Vec<TallyRow>,
    /// Ended connections by cause, the most frequent first.
    pub closes: Vec<TallyRow>,
}

/// What wrote a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// `wsbench`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The scenario of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioFacts {
    /// Its name.
    pub name: String,
    /// Its one line for people.
    pub description: String,
    /// The seed of every random draw.
    pub seed: u64,
    /// SHA-256 of the text as saved, in hex.
    pub sha256: String,
    /// The text, without secrets.
    pub text: String,
    /// The keys that flags gave another value (`--set`, `--target`, ...), and that value, without
    /// secrets; results of earlier versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<BTreeMap<String, String>>,
}

/// What was tested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetFacts {
    /// The URLs, without secrets.
    pub urls: Vec<String>,
}

/// Ends of the phases in seconds from the start of the run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseEnds {
    /// End of warm-up, start of measure.
    pub warm_up_end_s: f64,
    /// End of measure, start of drain.
    pub measure_end_s: f64,
    /// End of drain, and of the run.
    pub drain_end_s: f64,
}

/// Whether the numbers can be believed, and the facts that say so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validity {
    /// Nothing was found against them.
    pub valid: bool,
    /// What was found.
    pub reasons: Vec<InvalidReason>,
    /// The largest schedule_lag p99 that is believed, in ms.
    pub schedule_lag_limit_ms: f64,
    /// The largest share of an interval a shard may be busy.
    pub busy_limit: f64,
    /// Whether dropped arrivals are tolerated.
    pub dropped_arrivals_tolerated: bool,
    /// The longest stall of the generator that is tolerated, in ms.
    #[serde(default)]
    pub stall_limit_ms: f64,
    /// How many shards generated the load.
    pub shards: usize,
    /// In how many processes.
    #[serde(default = "one")]
    pub processes: usize,
    /// What woke the senders.
    pub pacing: String,
    /// A stalled server also slowed the schedule.
    pub closed_loop: bool,
    /// CPU time of the generator over the run, in seconds.
    pub cpu_s: f64,
    /// Generator processes that ended early: what they had not reported is missing.
    #[serde(default)]
    pub lost: Vec<String>,
    /// Conservation laws that do not hold; always empty, or this tool has a bug.
    pub broken_laws: Vec<String>,
}

/// Results of earlier versions do not say.
const fn one() -> usize {
    1
}

impl RunResult {
    /// Puts a result together; it is judged afterwards (`compare::judge`). `redact` sees every text
    /// that may hold a secret.
    pub fn new(
        facts: RunFacts,
        environment: Environment,
        total: &Total,
        timeline: Timeline,
        at_end: AtEnd,
        redact: Redact<'_>,
    ) -> Self {
        let measured = facts.phases.measured();
        let mut summary = Summary::new(&total.measured, measured, &facts.unanswered_after, redact);
        summary.attach_histograms(&total.measured);
        let validity = Validity::unjudged(&facts, total, at_end);
        let text = redact(&facts.text);
        Self {
            schema_version: SCHEMA_VERSION,
            tool: Tool {
                name: env!("CARGO_PKG_NAME").to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            scenario: ScenarioFacts {
                name: facts.name,
                description: redact(&facts.description),
                seed: facts.seed,
                sha256: fingerprint(&text),
                text,
                changes: Some(without_secrets(facts.changes, redact)),
            },
            target: TargetFacts {
                urls: facts.targets.iter().map(|url| redact(url)).collect(),
            },
            server: facts.server,
            server_counts: None,
            server_load: None,
            load: facts.load,
            limits: Some(facts.caps),
            environment,
            started: jiff::Timestamp::try_from(facts.started)
                .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
                .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
                .to_string(),
            phases: facts.phases.into(),
            end_reason: facts.end_reason,
            verdict: Verdict::Inconclusive,
            validity,
            thresholds: Vec::new(),
            baseline: None,
            summary,
            outside_measure: OutsideMeasure::new(&total.other, redact),
            open_at_end: at_end.open_connections,
            storms: Vec::new(),
            storms_omitted: 0,
            faults: Vec::new(),
            stalls: facts.stalls,
            stalls_beyond: facts.stalls_beyond,
            sources: Vec::new(),
            timeline,
        }
    }

    /// The document as saved: one line a field, ending with a line end.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self)
            .expect("every key is a string and every float is finite or null");
        text.push('\n');
        text
    }

    /// How long the whole run lasted.
    pub fn length(&self) -> Duration {
        Duration::try_from_secs_f64(self.phases.drain_end_s).unwrap_or_default()
    }
}

impl OutsideMeasure {
    fn new(other: &Sheet, redact: Redact<'_>) -> Self {
        Self {
            counters: summary::counters(other),
            failures: summary::failures(other, redact),
            closes: summary::closes(other, redact),
        }
    }
}

impl Validity {
    /// The facts, before `compare` has looked at them.
    fn unjudged(facts: &RunFacts, total: &Total, at_end: AtEnd) -> Self {
        let mut broken = conservation::check(&total.everything(), &at_end);
        for law in conservation::check_measured(&total.measured) {
            if !broken.iter().any(|known| known.law == law.law) {
                broken.push(law);
            }
        }
        Self {
            valid: true,
            reasons: Vec::new(),
            schedule_lag_limit_ms: millis(facts.limits.lag()),
            busy_limit: facts.limits.busy,
            dropped_arrivals_tolerated: facts.limits.dropped_arrivals,
            stall_limit_ms: millis(facts.limits.stall()),
            shards: facts.shards,
            processes: facts.processes,
            pacing: facts.pacing.clone(),
            closed_loop: facts.closed_loop,
            cpu_s: total.gauges.cpu.as_secs_f64(),
            lost: Vec::new(),
            broken_laws: broken.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<Phases> for PhaseEnds {
    fn from(phases: Phases) -> Self {
        Self {
            warm_up_end_s: phases.warm_up_end.secs_f64(),
            measure_end_s: phases.measure_end.secs_f64(),
            drain_end_s: phases.drain_end.secs_f64(),
        }
    }
}

fn without_secrets(
    changes: BTreeMap<String, String>,
    redact: Redact<'_>,
) -> BTreeMap<String, String> {
    let changes = changes.into_iter();
    let hidden = changes.map(|(key, value)| (redact(&key), redact(&value)));
    hidden.collect()
}

/// SHA-256 of a scenario's text as saved, in hex.
pub fn fingerprint(text: &str) -> String {
    let bytes = Sha256::digest(text.as_bytes());
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::metrics::Metric;
    use crate::result::fixture;

    #[test]
    fn what_is_saved_is_what_is_read() {
        let mut result = fixture::result();
        result.storms = vec![fixture::storm()];
        let again = RunResult::parse(&result.to_json(), Path::new("result.json")).unwrap();
        assert_eq!(again, result);
    }

    #[test]
    fn the_document_has_every_field_of_the_design() {
        let json: serde_json::Value = serde_json::from_str(&fixture::result().to_json()).unwrap();
        for pointer in [
            "/schema_version",
            "/tool/version",
            "/scenario/text",
            "/scenario/sha256",
            "/scenario/seed",
            "/target",
            "/limits/dials_per_s",
            "/environment/cpu",
            "/phases/measure_end_s",
            "/end_reason",
            "/validity/valid",
            "/counters/messages_sent",
            "/failures/0/count",
            "/closes/0/kind",
            "/storms",
            "/faults",
            "/thresholds",
            "/verdict",
        ] {
            assert!(json.pointer(pointer).is_some(), "{pointer}");
        }
        for field in [
            "unit",
            "count",
            "min",
            "mean",
            "stddev",
            "p50",
            "p75",
            "p90",
            "p95",
            "p99",
            "p999",
            "max",
            "censored_count",
            "censored",
            "histogram",
        ] {
            let field = format!("/metrics/round_trip/{field}");
            assert!(json.pointer(&field).is_some(), "{field}");
        }
    }

    #[test]
    fn books_balance_and_only_measure_enters_totals() {
        let result = fixture::result();
        assert_eq!(result.validity.broken_laws, [""; 0]);
        assert_eq!(result.summary.counter(Counter::ConnectionsOpened), 4);
        let outside = &result.outside_measure.counters;
        assert_eq!(outside[&Counter::ConnectionsOpened], 8);
        assert_eq!(result.summary.metrics[&Metric::Handshake].count, 4);
    }

    #[test]
    fn no_secret_and_no_escape_code_is_saved() {
        let json = fixture::result().to_json();
        assert!(json.contains("token=***") && !json.contains("s3cret"));
        assert!(json.contains("u{1b}[31m") && !json.contains("\\u001b"));
    }
}
