//! `[reconnect]`: what a client does after losing its connection.

use super::super::{Jitter, Reconnect, ReconnectPolicy};
use super::builder::Builder;
use super::section::Section;

impl Builder<'_> {
    pub(super) fn reconnect(&mut self, section: &Section<'_>) -> Reconnect {
        let policy = section.text("policy");
        let unused: &[&str] = match policy {
            "exponential" => &["delay"],
            "fixed" => &["initial", "factor", "max_delay"],
            _ => &[
                "delay",
                "initial",
                "factor",
                "max_delay",
                "jitter",
                "max_attempts",
                "stable_after",
            ],
        };
        for key in unused.iter().filter(|key| section.get(key).is_some()) {
            let message = format!("`reconnect.{key}` has no meaning with the policy {policy}");
            let hint = match (policy, *key) {
                ("none", _) => "set reconnect.policy = \"exponential\" or \"fixed\", or remove it",
                ("exponential", _) => {
                    "write initial and max_delay, or set reconnect.policy = \"fixed\""
                }
                _ => "write delay, or set reconnect.policy = \"exponential\"",
            };
            self.findings
                .contradiction(section.key_place(key), message, hint);
        }
        let jitter = match section.text("jitter") {
            "none" => Jitter::None,
            "equal" => Jitter::Equal,
            "decorrelated" => Jitter::Decorrelated,
            _ => Jitter::Full,
        };
        if jitter == Jitter::Decorrelated && policy == "fixed" {
            let message = "decorrelated jitter needs a delay that grows";
            let hint = "set reconnect.policy = \"exponential\", or another jitter";
            self.findings
                .contradiction(section.place("jitter"), message, hint);
        }
        let (initial, max_delay) = (section.time("initial"), section.time("max_delay"));
        if policy == "exponential" && max_delay < initial {
            let message = "`reconnect.max_delay` is shorter than `reconnect.initial`";
            let hint = "lengthen max_delay or shorten initial";
            let key = if section.get("max_delay").is_some() {
                "max_delay"
            } else {
                "initial"
            };
            self.findings
                .contradiction(section.place(key), message, hint);
        }
        Reconnect {
            policy: match policy {
                "fixed" => ReconnectPolicy::Fixed {
                    delay: section.time("delay"),
                    jitter,
                },
                "exponential" => ReconnectPolicy::Exponential {
                    initial,
                    factor: section.number("factor"),
                    max_delay,
                    jitter,
                },
                _ => ReconnectPolicy::None,
            },
            max_attempts: section.optional_u32("max_attempts"),
            stable_after: section.time("stable_after"),
        }
    }
}
