//! `[limits]`: caps, with defaults that depend on where the target is.

use super::super::{Limits, Target};
use super::builder::Builder;
use super::section::Section;

impl Builder<'_> {
    pub(super) fn caps(&self, section: &Section<'_>, target: &Target) -> Limits {
        let default = if target.is_loopback() {
            Limits::LOOPBACK
        } else {
            Limits::ELSEWHERE
        };
        let given = |key| section.optional_integer(key);
        Limits {
            dials_per_s: given("dials_per_s").unwrap_or(default.dials_per_s),
            messages_per_s: given("messages_per_s").or(default.messages_per_s),
            clients: given("clients").or(default.clients),
        }
    }
}
