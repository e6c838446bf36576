//! `result.json`: everything about one run in one document.
//!
//! Additive changes keep `schema_version`; a renamed or re-defined field raises it. Texts that a
//! server or a secret had a hand in are redacted and escaped before they get here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::metrics::{AtEnd, Counter, Total, conservation};

use super::judgement::{InvalidReason, ThresholdOutcome, Verdict};
use super::summary::{Redact, Summary, counters, millis};
use super::{EndReason, Environment, Phases, RunFacts, Timeline};

/// The version this build writes, and the newest it reads.
pub const SCHEMA_VERSION: u32 = 1;
/// The name of the document in a results folder.
pub const FILE_NAME: &str = "result.json";
/// Larger files are not results.
const LARGEST_FILE: u64 = 256 << 20;

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
    /// What the load asked for, in words.
    pub load: String,
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
    /// The numbers of the measured phase: counters, failures, closes, metrics.
    #[serde(flatten)]
    pub summary: Summary,
    /// Counters of events that began in warm-up or drain.
    pub counters_outside_measure: BTreeMap<Counter, u64>,
    /// Connections still open when the books were closed.
    pub open_at_end: u64,
    /// Mass disconnects.
    #[serde(default)]
    pub storms: Vec<serde_json::Value>,
    /// Faults that were injected.
    #[serde(default)]
    pub faults: Vec<serde_json::Value>,
    /// The run second by second.
    pub timeline: Timeline,
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
    /// How many shards generated the load.
    pub shards: usize,
    /// What woke the senders.
    pub pacing: String,
    /// A stalled server also slowed the schedule.
    pub closed_loop: bool,
    /// CPU time of the generator over the run, in seconds.
    pub cpu_s: f64,
    /// Conservation laws that do not hold; always empty, or this tool has a bug.
    pub broken_laws: Vec<String>,
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
                sha256: hex(&Sha256::digest(text.as_bytes())),
                text,
            },
            target: TargetFacts {
                urls: facts.targets.iter().map(|url| redact(url)).collect(),
            },
            server: facts.server,
            load: facts.load,
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
            summary,
            counters_outside_measure: counters(&total.other),
            open_at_end: at_end.open_connections,
            storms: Vec::new(),
            faults: Vec::new(),
            timeline,
        }
    }

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
            Some(_) if ours => Self::deserialize(value).map_err(damaged),
            _ => Err(LoadError::Foreign { path: path() }),
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
            shards: facts.shards,
            pacing: facts.pacing.clone(),
            closed_loop: facts.closed_loop,
            cpu_s: total.gauges.cpu.as_secs_f64(),
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
    use crate::metrics::Metric;
    use crate::result::fixture;

    #[test]
    fn what_is_saved_is_what_is_read() {
        let result = fixture::result();
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
        let outside = &result.counters_outside_measure;
        assert_eq!(outside[&Counter::ConnectionsOpened], 8);
        assert_eq!(result.summary.metrics[&Metric::Handshake].count, 4);
    }

    #[test]
    fn no_secret_and_no_escape_code_is_saved() {
        let json = fixture::result().to_json();
        assert!(json.contains("token=***") && !json.contains("s3cret"));
        assert!(json.contains("u{1b}[31m") && !json.contains("\\u001b"));
    }

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
