//! `[gate]`: what decides when runs are compared.

use std::collections::BTreeMap;

use super::super::problem::SourceText;
use super::super::threshold::{StatisticKind, Statistics};
use super::super::{GatePlan, GateRule};
use super::builder::Builder;
use super::findings::Findings;
use super::section::Section;
use super::tree::{Entry, Node, Value};
use super::{Overrides, check, overrides, plant, tables, value};
use crate::metrics::{Metric, Orientation};

impl GatePlan {
    /// The `[gate]` of a scenario's text and of what flags changed, as a result saved them; whatever
    /// else stands there is not looked at, so that it reads without the scenario's files and
    /// environment.
    ///
    /// # Errors
    /// The first problem of the table.
    pub fn of_text(
        text: &str,
        changes: &BTreeMap<String, String>,
        statistics: &Statistics<'_>,
    ) -> Result<Self, String> {
        let mut findings = Findings::default();
        let mut root = plant(text, &|_| None, &mut findings);
        let ours = changes.iter().filter(|(key, _)| {
            let rest = key.strip_prefix("gate");
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        });
        let set = ours.map(|(key, value)| (key.clone(), value.clone()));
        let overrides = Overrides {
            set: set.collect(),
            ..Overrides::default()
        };
        let mut sources = vec![SourceText {
            name: String::new(),
            text: text.to_owned(),
        }];
        overrides::apply(&overrides, &mut root, &mut sources, &mut findings);
        // What is wrong elsewhere was none of this table's business when the run was made.
        let mut findings = Findings::default();
        let section = Section::new(&tables::ROOT, &root).child("gate", &tables::GATE);
        if let Some(node) = root.as_table().and_then(|table| table.get("gate")) {
            check::table(&tables::GATE, node, "gate", &mut findings);
        }
        let plan = read(&section, statistics, &mut findings);
        match findings.problems.first() {
            Some(problem) => Err(problem.message.clone()),
            None => Ok(plan),
        }
    }
}

impl Builder<'_> {
    pub(super) fn gate(&mut self, section: &Section<'_>, statistics: &Statistics<'_>) -> GatePlan {
        read(section, statistics, &mut self.findings)
    }
}

fn read(section: &Section<'_>, statistics: &Statistics<'_>, findings: &mut Findings) -> GatePlan {
    let min_effect = section.get("min_effect");
    let min_effect = min_effect.and_then(|node| effect(node, findings));
    let entries = section.entries("statistics").iter();
    let rules = entries.filter_map(|entry| rule(entry, statistics, findings));
    GatePlan {
        min_effect,
        statistics: rules.collect(),
    }
}

fn rule(entry: &Entry, statistics: &Statistics<'_>, findings: &mut Findings) -> Option<GateRule> {
    let Some(kind) = (statistics.kind)(&entry.key) else {
        let known = statistics.names.iter().map(String::as_str);
        let hint = match super::super::nearest(&entry.key, known) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => "a name is METRIC.STATISTIC, for example \"round_trip.p99\"".to_owned(),
        };
        let message = format!("unknown metric or statistic `{}`", entry.key);
        findings.value(&entry.place, message, hint);
        return None;
    };
    if !has_a_better_way(&entry.key, kind) {
        let message = format!("`{}` has no better way: it cannot decide", entry.key);
        let hint = "times, rates and shares can; counts, and times without a better way, cannot";
        findings.value(&entry.place, message, hint);
        return None;
    }
    let (decides, min_effect) = match &entry.node.value {
        Value::Bool(decides) => (*decides, None),
        _ => (true, effect(&entry.node, findings)),
    };
    Some(GateRule {
        statistic: entry.key.clone(),
        decides,
        min_effect,
    })
}

/// Wrong types were reported by the checker.
fn effect(node: &Node, findings: &mut Findings) -> Option<f64> {
    let share = value::ratio(&node.value)
        .ok()
        .filter(|_| !node.unresolved)?;
    if share <= 0.0 {
        let message = "a minimum effect of zero: no two runs are that alike";
        findings.value(&node.place, message, "write for example \"5%\"");
        return None;
    }
    Some(share)
}

fn has_a_better_way(name: &str, kind: StatisticKind) -> bool {
    let metric = name.split_once('.').map(|(metric, _)| metric);
    match kind {
        StatisticKind::Rate | StatisticKind::Ratio => true,
        StatisticKind::Count | StatisticKind::Number => false,
        StatisticKind::Time => {
            let metric = metric.and_then(Metric::from_name);
            let orientation = metric.map(Metric::orientation);
            matches!(
                orientation,
                None | Some(Orientation::Lower | Orientation::Higher)
            )
        }
    }
}
