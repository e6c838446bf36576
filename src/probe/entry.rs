//! The catalogue of findings: what each means, how it is recognised, how it is fixed.
//!
//! Each check owns its entries; [`all`] lists them. The documents are generated from them, so they
//! cannot say anything else than the program.

use schemars::JsonSchema;
use serde::Serialize;

use super::fingerprint::Product;

/// Where on the path, from the bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// Names to addresses.
    Dns,
    /// Connections.
    Tcp,
    /// Encryption and certificates.
    Tls,
    /// The HTTP upgrade.
    Upgrade,
    /// Frames and messages.
    WebSocket,
    /// What happens when nothing happens.
    Idle,
    /// Reloads and restarts.
    Reload,
    /// More than one connection.
    Load,
}

/// A piece of configuration or an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Fix {
    /// For whom.
    #[serde(rename = "for")]
    pub product: Product,
    /// Lines to put in, or one sentence.
    pub snippet: &'static str,
}

/// One kind of finding.
#[derive(Debug)]
pub struct Entry {
    /// `upgrade-not-forwarded`: stable, lower case.
    pub id: &'static str,
    /// Where.
    pub layer: Layer,
    /// How bad, normally.
    pub severity: super::Severity,
    /// One sentence in plain words, when nothing more exact can be said.
    pub title: &'static str,
    /// How it is recognised, for the documents.
    pub evidence: &'static str,
    /// What a healthy path does.
    pub expected: &'static str,
    /// (cause, what would tell it from the others), the likeliest first.
    pub causes: &'static [(&'static str, &'static str)],
    /// What to do.
    pub fixes: &'static [Fix],
    /// What cannot be known from outside; may be empty.
    pub limits: &'static str,
}

/// Every entry, from the lowest layer up.
pub fn all() -> Vec<&'static Entry> {
    let mut entries: Vec<_> = super::checks::all()
        .flat_map(|check| check.entries.iter().copied())
        .collect();
    entries.sort_by_key(|entry| entry.layer);
    entries
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn entries_are_whole_and_their_names_unique() {
        let mut seen = HashSet::new();
        for entry in all() {
            assert!(seen.insert(entry.id), "{} twice", entry.id);
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(entry.id.chars().all(plain), "{}", entry.id);
            for text in [entry.title, entry.evidence, entry.expected] {
                assert!(text.len() > 10, "{}: {text:?}", entry.id);
            }
            assert!(!entry.causes.is_empty(), "{}", entry.id);
            assert!(!entry.fixes.is_empty(), "{}", entry.id);
            // Several causes without anything that tells them apart help nobody.
            let told = entry.causes.len() == 1 || entry.causes.iter().any(|(_, t)| !t.is_empty());
            assert!(told || !entry.limits.is_empty(), "{}", entry.id);
        }
    }
}
