//! `[reconnect]`: a preset with its times changed, or a policy of the user's own.

use std::borrow::Cow;
use std::time::Duration;

use super::super::reconnect;
use super::super::{Factors, Jitter, Reconnect, ReconnectPolicy};
use super::builder::Builder;
use super::section::Section;
use super::tables::reconnect::MAX_DELAYS;

/// Keys that shape the delay: each belongs to some policies only.
const SHAPE: [&str; 5] = ["delay", "delays", "initial", "factor", "max_delay"];
/// Keys that spread a delay, whatever its policy.
const SPREAD: [&str; 4] = ["jitter", "first_jitter", "jitter_once", "added"];
/// Keys with a meaning for everything but never.
const LIMITS: [&str; 3] = ["max_wait", "max_attempts", "stable_after"];

impl Builder<'_> {
    pub(super) fn reconnect(&mut self, section: &Section<'_>) -> Reconnect {
        let plan = match section.optional_text("preset") {
            None => self.own_policy(section),
            Some(name) => match reconnect::preset(name) {
                Some(plan) => self.changed_preset(section, name, plan),
                // Reported by the checker; what else is said would only repeat it.
                None => return own_plan(section, ReconnectPolicy::None, Jitter::NONE),
            },
        };
        self.check_reconnect(section, &plan);
        plan
    }

    /// A preset, with the times that the file changes.
    fn changed_preset(
        &mut self,
        section: &Section<'_>,
        name: &str,
        mut plan: Reconnect,
    ) -> Reconnect {
        let mut times = times_of(&plan);
        if plan.policy != ReconnectPolicy::None {
            times.extend(["max_attempts", "stable_after"]);
        }
        let keys = ["policy"]
            .iter()
            .chain(&SHAPE)
            .chain(&SPREAD)
            .chain(&LIMITS);
        for key in keys.filter(|key| section.get(key).is_some() && !times.contains(key)) {
            let message = format!("`reconnect.{key}` beside the preset {name}");
            let hint = if times.is_empty() {
                "this preset has nothing to change; remove one of the two".to_owned()
            } else if *key == "delays" {
                "remove the preset and set reconnect.policy = \"list\"".to_owned()
            } else {
                let times = times.join(", ");
                format!("a preset fixes the shape of the waits; it can be changed by {times}")
            };
            self.findings
                .contradiction(section.key_place(key), message, hint);
        }
        let change = |key: &str, time: &mut Duration| {
            if section.get(key).is_some() && times.contains(&key) {
                *time = section.optional_time(key).unwrap_or(*time);
            }
        };
        match &mut plan.policy {
            ReconnectPolicy::None | ReconnectPolicy::List { .. } => {}
            ReconnectPolicy::Fixed { delay } | ReconnectPolicy::Linear { step: delay } => {
                change("delay", delay);
            }
            ReconnectPolicy::Exponential {
                initial,
                factor,
                max_delay,
            } => {
                change("initial", initial);
                change("max_delay", max_delay);
                if section.get("factor").is_some() {
                    *factor = section.number("factor");
                }
            }
            ReconnectPolicy::Decorrelated { initial, max_delay } => {
                change("initial", initial);
                change("max_delay", max_delay);
            }
        }
        if let Some(longest) = &mut plan.max_wait {
            change("max_wait", longest);
        }
        change("stable_after", &mut plan.stable_after);
        plan.max_attempts = section.optional_u32("max_attempts").or(plan.max_attempts);
        plan
    }

    fn own_policy(&mut self, section: &Section<'_>) -> Reconnect {
        let name = section.text("policy");
        self.check_shape(section, name);
        let jitter = self.jitter(section);
        let decorrelated = section.optional_text("jitter") == Some("decorrelated");
        if decorrelated && !matches!(name, "exponential" | "none") {
            let message = "decorrelated jitter goes with the policy exponential only";
            let hint = "set reconnect.policy = \"exponential\", or another jitter";
            self.findings
                .contradiction(section.place("jitter"), message, hint);
        }
        let (initial, max_delay) = (section.time("initial"), section.time("max_delay"));
        let policy = match name {
            "fixed" => ReconnectPolicy::Fixed {
                delay: section.time("delay"),
            },
            "linear" => ReconnectPolicy::Linear {
                step: section.time("delay"),
            },
            "exponential" if decorrelated => ReconnectPolicy::Decorrelated { initial, max_delay },
            "exponential" => ReconnectPolicy::Exponential {
                initial,
                factor: section.number("factor"),
                max_delay,
            },
            "list" => ReconnectPolicy::List {
                delays: Cow::Owned(self.delays(section)),
            },
            _ => ReconnectPolicy::None,
        };
        Reconnect {
            added: self.added(section),
            ..own_plan(section, policy, jitter)
        }
    }

    /// Keys that the policy does not use are contradictions.
    fn check_shape(&mut self, section: &Section<'_>, policy: &str) {
        let (used, instead): (&[&str], &str) = match policy {
            "fixed" | "linear" => (&["delay"], "delay"),
            "exponential" => (&["initial", "factor", "max_delay"], "initial and max_delay"),
            "list" => (&["delays"], "delays"),
            _ => (&[], ""),
        };
        let none = used.is_empty();
        let unused = SHAPE.iter().filter(|key| !used.contains(key));
        let spread = SPREAD.iter().chain(&LIMITS).filter(|_| none);
        for key in unused.chain(spread) {
            if section.get(key).is_none() {
                continue;
            }
            let message = format!("`reconnect.{key}` has no meaning with the policy {policy}");
            let hint = if none {
                "set reconnect.policy = \"exponential\" or \"fixed\", or remove it".to_owned()
            } else {
                let owner = match *key {
                    "delay" => "fixed",
                    "delays" => "list",
                    _ => "exponential",
                };
                format!("write {instead}, or set reconnect.policy = \"{owner}\"")
            };
            self.findings
                .contradiction(section.key_place(key), message, hint);
        }
    }

    fn jitter(&mut self, section: &Section<'_>) -> Jitter {
        let word = section.optional_text("jitter");
        let factors = match word {
            Some("none" | "decorrelated" | "backo2") => Factors::ONE,
            Some("equal") => Factors::EQUAL,
            Some(_) => Factors::FULL,
            None => self.factors(section, "jitter").unwrap_or(Factors::FULL),
        };
        let first = self.factors(section, "first_jitter");
        let once = section.flag("jitter_once");
        for (key, there) in [("first_jitter", first.is_some()), ("jitter_once", once)] {
            let word = match word {
                Some(word @ ("decorrelated" | "backo2")) => word,
                _ if key == "first_jitter" && once => "that is drawn once",
                _ => continue,
            };
            if there {
                let message = format!("`reconnect.{key}` beside a jitter {word}");
                let hint = "remove it, or write the jitter as two factors: [0.5, 1.5]";
                self.findings
                    .contradiction(section.key_place(key), message, hint);
            }
        }
        match (word, first) {
            _ if section.text("policy") == "none" => Jitter::NONE,
            (Some("backo2"), _) => Jitter::Backo2,
            _ if once => Jitter::Once(factors),
            (_, Some(first)) => Jitter::FirstThen(first, factors),
            (_, None) => Jitter::Each(factors),
        }
    }

    /// Two numbers; `None` when they are absent or wrong.
    fn factors(&mut self, section: &Section<'_>, key: &str) -> Option<Factors> {
        section.get(key).filter(|node| node.as_text().is_none())?;
        let numbers = section.numbers(key)?;
        if let [low, high] = numbers[..]
            && low <= high
            && high > 0.0
        {
            return Some(Factors { low, high });
        }
        let message = format!("`reconnect.{key}` must be two factors, the smaller first");
        let hint = "write for example [0.5, 1.5]: half to one and a half times the delay";
        self.findings.value(section.place(key), message, hint);
        None
    }

    fn added(&mut self, section: &Section<'_>) -> (Duration, Duration) {
        if let Some(time) = section.optional_time("added") {
            return (time, time);
        }
        let times = section.times("added").unwrap_or_default();
        match times[..] {
            [low, high] if low <= high => (low, high),
            _ => {
                // Unless the checker has said what is wrong with one of them.
                if section.times("added").is_some() && section.get("added").is_some() {
                    let message = "`reconnect.added` must be one time, or two, the shorter first";
                    let hint = "write for example [\"300ms\", \"3s\"]";
                    self.findings.value(section.place("added"), message, hint);
                }
                (Duration::ZERO, Duration::ZERO)
            }
        }
    }

    /// At least one delay, whatever the file says.
    fn delays(&mut self, section: &Section<'_>) -> Vec<Duration> {
        let delays = section.times("delays").unwrap_or_default();
        let hint = "write for example delays = [\"0s\", \"2s\", \"10s\", \"30s\"]";
        let problem = if section.get("delays").is_none() {
            "the policy list needs `reconnect.delays`".to_owned()
        } else if section.times("delays").is_none() {
            // Reported by the checker.
            String::new()
        } else if delays.is_empty() {
            "`reconnect.delays` is empty".to_owned()
        } else if delays.len() > MAX_DELAYS {
            format!("`reconnect.delays` has more than {MAX_DELAYS} delays")
        } else if delays.last().is_some_and(Duration::is_zero) {
            "the last of `reconnect.delays` repeats: it must be longer than zero".to_owned()
        } else {
            return delays;
        };
        if !problem.is_empty() {
            let place = section.get("delays").map_or("policy", |_| "delays");
            self.findings
                .contradiction(section.place(place), problem, hint);
        }
        vec![Duration::from_secs(1)]
    }

    /// Longest waits that are shorter than the first one.
    fn check_reconnect(&mut self, section: &Section<'_>, plan: &Reconnect) {
        let shorter = |key: &str, than: &str| {
            let message = format!("`reconnect.{key}` is shorter than `reconnect.{than}`");
            let hint = format!("lengthen {key} or shorten {than}");
            let at = [key, than]
                .into_iter()
                .find(|key| section.get(key).is_some());
            (section.place(at.unwrap_or(key)), message, hint)
        };
        let (first, key) = match &plan.policy {
            ReconnectPolicy::None => return,
            ReconnectPolicy::Fixed { delay } | ReconnectPolicy::Linear { step: delay } => {
                (*delay, "delay")
            }
            ReconnectPolicy::Exponential {
                initial, max_delay, ..
            }
            | ReconnectPolicy::Decorrelated { initial, max_delay } => {
                if max_delay < initial {
                    let (place, message, hint) = shorter("max_delay", "initial");
                    self.findings.contradiction(place, message, hint);
                }
                (*initial, "initial")
            }
            ReconnectPolicy::List { delays } => (delays[0], "delays"),
        };
        let least = first.as_secs_f64() * plan.jitter.smallest() + plan.added.0.as_secs_f64();
        if plan.max_wait.is_some_and(|most| most.as_secs_f64() < least) {
            let (place, message, hint) = shorter("max_wait", key);
            self.findings.contradiction(place, message, hint);
        }
    }
}

/// A plan with the limits of the file and nothing added.
fn own_plan(section: &Section<'_>, policy: ReconnectPolicy, jitter: Jitter) -> Reconnect {
    Reconnect {
        policy,
        jitter,
        added: (Duration::ZERO, Duration::ZERO),
        max_wait: section.optional_time("max_wait"),
        max_attempts: section.optional_u32("max_attempts"),
        stable_after: section.time("stable_after"),
    }
}

/// The keys that can change the times of a preset.
fn times_of(plan: &Reconnect) -> Vec<&'static str> {
    let mut keys = match plan.policy {
        ReconnectPolicy::None | ReconnectPolicy::List { .. } => vec![],
        ReconnectPolicy::Fixed { .. } | ReconnectPolicy::Linear { .. } => vec!["delay"],
        ReconnectPolicy::Exponential { max_delay, .. } if max_delay == Duration::MAX => {
            vec!["initial", "factor"]
        }
        ReconnectPolicy::Exponential { .. } => vec!["initial", "factor", "max_delay"],
        ReconnectPolicy::Decorrelated { .. } => vec!["initial", "max_delay"],
    };
    if plan.max_wait.is_some() {
        keys.push("max_wait");
    }
    keys
}
