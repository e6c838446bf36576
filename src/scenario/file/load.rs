//! `[load]`: the curve and its phases.

use std::time::Duration;

use super::super::{Load, LoadModel, Stage, Warning};
use super::builder::Builder;
use super::section::Section;
use super::tables;
use crate::units::TimeSpan;

/// Longest run.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);
/// Most stages.
const MAX_STAGES: usize = 1_000;

impl Builder<'_> {
    pub(super) fn load(&mut self, section: &Section<'_>) -> Load {
        let open = section.text("model") == "open";
        let model = if open {
            self.open_model(section)
        } else {
            self.closed_model(section)
        };
        let load = Load {
            model,
            stages: self.stages(section, open),
            warm_up: section.time("warm_up"),
            drain: section.time("drain"),
            shards: section.optional_u16("shards"),
        };
        if !load.stages.is_empty() {
            self.check_load(section, &load, open);
        }
        load
    }

    fn open_model(&mut self, section: &Section<'_>) -> LoadModel {
        let max_clients = section.optional_u32("max_clients");
        if max_clients.is_none() && section.get("max_clients").is_none() {
            let message = "an open load needs `load.max_clients`";
            let hint = "arrivals beyond so many clients at once are dropped and counted; add for example max_clients = 1000";
            self.findings
                .contradiction(section.place("model"), message, hint);
        }
        LoadModel::Open {
            max_clients: max_clients.unwrap_or(1),
            poisson: section.text("arrivals") == "poisson",
        }
    }

    fn closed_model(&mut self, section: &Section<'_>) -> LoadModel {
        for key in ["max_clients", "arrivals"] {
            if section.get(key).is_some() {
                let message = format!("`load.{key}` has no meaning in a closed load");
                let hint = "remove it, or set load.model = \"open\"";
                self.findings
                    .contradiction(section.key_place(key), message, hint);
            }
        }
        LoadModel::Closed
    }

    fn stages(&mut self, section: &Section<'_>, open: bool) -> Vec<Stage> {
        let (goal, other, model, other_model) = if open {
            ("arrivals_per_s", "clients", "open", "closed")
        } else {
            ("clients", "arrivals_per_s", "closed", "open")
        };
        let tables = section.children("stages", &tables::STAGE);
        if tables.is_empty() && section.get("stages").is_some() {
            let hint = "write for example stages = [ { duration = \"30s\", clients = 100 } ]";
            self.findings
                .value(section.place("stages"), "the load has no stages", hint);
        }
        if tables.len() > MAX_STAGES {
            let message = format!("the load has {} stages", tables.len());
            let hint = format!("at most {MAX_STAGES} are allowed");
            self.findings.value(section.place("stages"), message, hint);
        }
        let mut stages = Vec::new();
        for table in tables {
            if table.get(other).is_some() {
                let message = format!("`{other}` in a stage of a load that is {model}");
                let hint = format!("write `{goal}`, or set load.model = \"{other_model}\"");
                self.findings
                    .contradiction(table.key_place(other), message, hint);
            }
            stages.push(Stage {
                duration: table.time("duration"),
                goal: if open {
                    table.number(goal)
                } else {
                    table.integer(goal) as f64
                },
            });
        }
        stages
    }

    fn check_load(&mut self, section: &Section<'_>, load: &Load, open: bool) {
        let duration = load.duration();
        if duration > LONGEST {
            let hint = "the stages together may last a year";
            self.findings
                .value(section.place("stages"), "the load lasts too long", hint);
        }
        let goal = if open { "arrivals_per_s" } else { "clients" };
        let tables = section.children("stages", &tables::STAGE);
        let stated = tables.iter().all(|table| table.get(goal).is_some());
        if stated && load.stages.iter().all(|stage| stage.goal <= 0.0) {
            let hint = "give at least one stage a goal above zero";
            self.findings
                .contradiction(section.place("stages"), "the load is always zero", hint);
        }
        if load.warm_up >= duration {
            let message = format!(
                "warm-up lasts {} but the stages only {}: nothing would be measured",
                TimeSpan(load.warm_up),
                TimeSpan(duration)
            );
            let hint = "shorten load.warm_up or lengthen the stages";
            self.findings
                .contradiction(section.place("warm_up"), message, hint);
        }
        let ramp = first_ascent(&load.stages);
        if ramp > load.warm_up && ramp < duration {
            let warm_up = load.warm_up;
            self.findings
                .warnings
                .push(Warning::RampMeasured { ramp, warm_up });
        }
    }
}

/// Until the curve first stops rising.
fn first_ascent(stages: &[Stage]) -> Duration {
    let mut level = 0.0;
    let mut ramp = Duration::ZERO;
    for stage in stages {
        if stage.goal <= level {
            break;
        }
        level = stage.goal;
        ramp += stage.duration;
    }
    ramp
}
