//! `[thresholds]`: absolute limits.

use std::path::Path;
use std::time::Duration;

use super::super::threshold::{StatisticKind, Statistics};
use super::super::{Comparison, Threshold};
use super::builder::Builder;
use super::findings::Findings;
use super::section::Section;
use super::tree::{Entry, Node, Value};
use super::{plant, tables};
use crate::units::{Count, Number, Rate, Ratio, TimeSpan, UnitError};

impl Threshold {
    /// The `[thresholds]` of a text that may hold nothing else; those of a result are judged again so.
    ///
    /// # Errors
    /// The first problem of the table.
    pub fn of_text(text: &str, statistics: &Statistics<'_>) -> Result<Vec<Self>, String> {
        let mut elsewhere = Findings::default();
        let root = plant(text, &|_| None, &mut elsewhere);
        let mut builder = Builder {
            folder: Path::new(""),
            data: None,
            findings: Findings::default(),
            steps: 0,
            regexes: 0,
        };
        let section = Section::new(&tables::ROOT, &root);
        let entries = section.entries("thresholds");
        let thresholds = builder.thresholds(entries, statistics, Duration::MAX);
        match builder.findings.problems.first() {
            Some(problem) => Err(problem.message.clone()),
            None => Ok(thresholds),
        }
    }
}

impl Builder<'_> {
    /// All thresholds; `measure` is the length of the measured phase.
    pub(super) fn thresholds(
        &mut self,
        entries: &[Entry],
        statistics: &Statistics<'_>,
        measure: Duration,
    ) -> Vec<Threshold> {
        let mut thresholds = Vec::new();
        for entry in entries {
            thresholds.extend(self.threshold(entry, statistics, measure));
        }
        thresholds
    }

    fn threshold(
        &mut self,
        entry: &Entry,
        statistics: &Statistics<'_>,
        measure: Duration,
    ) -> Option<Threshold> {
        let (limit, section) = match &entry.node.value {
            Value::Text(_) => (&entry.node, None),
            Value::Table(_) => {
                let section = Section::new(&tables::THRESHOLD, &entry.node);
                (section.get("limit")?, Some(section))
            }
            _ => return None,
        };
        let Some(kind) = (statistics.kind)(&entry.key) else {
            let known = statistics.names.iter().map(String::as_str);
            let hint = match super::super::nearest(&entry.key, known) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "a name is METRIC.STATISTIC, for example \"round_trip.p99\"".to_owned(),
            };
            let message = format!("unknown metric or statistic `{}`", entry.key);
            self.findings.value(&entry.place, message, hint);
            return None;
        };
        let (comparison, value, text) = self.limit(limit, kind)?;
        let grace = section
            .map(|section| section.time("grace"))
            .unwrap_or_default();
        if grace >= measure && !measure.is_zero() {
            let message = format!(
                "this threshold is never judged: the measured phase lasts {}",
                TimeSpan(measure)
            );
            let place = section.map_or(&entry.place, |section| section.place("grace"));
            self.findings
                .contradiction(place, message, "shorten its grace");
        }
        Some(Threshold {
            name: entry.key.clone(),
            comparison,
            limit: value,
            limit_text: text,
            abort_run: section.is_some_and(|section| section.flag("abort_run")),
            grace,
        })
    }

    fn limit(&mut self, node: &Node, kind: StatisticKind) -> Option<(Comparison, f64, String)> {
        let text = node.as_text().filter(|_| !node.unresolved)?;
        let trimmed = text.trim_start();
        let found = Comparison::ALL
            .into_iter()
            .find_map(|comparison| Some((comparison, trimmed.strip_prefix(comparison.symbol())?)));
        let Some((comparison, rest)) = found else {
            let hint = format!("start it with <, <=, >, >= or ==: \"< {}\"", example(kind));
            self.findings
                .value(&node.place, "the limit has no comparison", hint);
            return None;
        };
        let value = rest.trim();
        match quantity(value, kind) {
            Ok(limit) => Some((comparison, limit, value.to_owned())),
            Err(error) => {
                let offset = text.len() - rest.trim_start().len();
                let place = node.place_within(offset, value.len());
                let hint = format!(
                    "write for example \"{} {}\"",
                    comparison.symbol(),
                    example(kind)
                );
                self.findings.value(
                    &place,
                    format!("the limit cannot be read: {}", error.message),
                    hint,
                );
                None
            }
        }
    }
}

const fn example(kind: StatisticKind) -> &'static str {
    match kind {
        StatisticKind::Time => "50ms",
        StatisticKind::Ratio => "0.1%",
        StatisticKind::Count => "100",
        StatisticKind::Rate => "50/s",
        StatisticKind::Number => "1.5",
    }
}

/// In the statistic's base unit.
fn quantity(text: &str, kind: StatisticKind) -> Result<f64, UnitError> {
    Ok(match kind {
        StatisticKind::Time => text.parse::<TimeSpan>()?.0.as_secs_f64(),
        StatisticKind::Ratio => text.parse::<Ratio>()?.share(),
        StatisticKind::Count => text.parse::<Count>()?.0 as f64,
        StatisticKind::Rate => match text.parse::<Count>() {
            Ok(count) => count.0 as f64,
            Err(_) => text.parse::<Rate>()?.per_second(),
        },
        StatisticKind::Number => text.parse::<Number>()?.0,
    })
}
