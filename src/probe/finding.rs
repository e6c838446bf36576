//! A finding, and what all of them together mean.

use schemars::JsonSchema;
use serde::Serialize;

use super::entry::{Entry, Fix, Layer};
use super::fingerprint::Product;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; the path is healthy.
    Note,
    /// Will hurt some clients or some day; the path works now.
    Warning,
    /// Something is wrong, but what was seen does not say what.
    Undecided,
    /// The path does not do what was asked.
    Fault,
}

/// How sure the cause is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// What was seen has one cause.
    Certain,
    /// It is one of the causes named; nothing outside tells which.
    OneOf,
}

/// A cause that fits, and what would tell it from the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cause {
    /// One sentence.
    pub cause: String,
    /// What would tell; empty when it is the only one.
    pub tell: String,
}

/// What is wrong, by what evidence, and what to do.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Finding {
    /// Name in the catalogue.
    pub id: &'static str,
    /// Where.
    pub layer: Layer,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub certainty: Certainty,
    /// One sentence in plain words.
    pub title: String,
    /// The evidence: bytes, times, codes. One line each, escaped.
    pub observed: Vec<String>,
    /// What a healthy path does.
    pub expected: &'static str,
    /// All causes that fit, the likeliest first.
    pub causes: Vec<Cause>,
    /// Snippets; those for the product seen first.
    pub fixes: Vec<Fix>,
    /// What cannot be known from outside; may be empty.
    pub limits: &'static str,
}

impl Finding {
    /// A finding of the catalogue with its standard words; a check puts in what it saw.
    pub fn new(entry: &'static Entry) -> Self {
        Self {
            id: entry.id,
            layer: entry.layer,
            severity: entry.severity,
            certainty: if entry.causes.len() == 1 {
                Certainty::Certain
            } else {
                Certainty::OneOf
            },
            title: entry.title.to_owned(),
            observed: Vec::new(),
            expected: entry.expected,
            causes: (entry.causes.iter())
                .map(|&(cause, tell)| Cause {
                    cause: cause.to_owned(),
                    tell: tell.to_owned(),
                })
                .collect(),
            fixes: entry.fixes.to_vec(),
            limits: entry.limits,
        }
    }

    /// With this title.
    #[must_use]
    pub fn titled(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// With one more line of evidence.
    #[must_use]
    pub fn saw(mut self, line: impl Into<String>) -> Self {
        self.observed.push(line.into());
        self
    }

    /// With only the causes that `keep` accepts (by their index in the entry); one left is certain.
    #[must_use]
    pub fn only(mut self, keep: &[usize]) -> Self {
        let mut index = 0;
        self.causes.retain(|_| {
            index += 1;
            keep.contains(&(index - 1))
        });
        if self.causes.len() == 1 {
            self.certainty = Certainty::Certain;
        }
        self
    }

    /// With this severity.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// With the fixes for `products` first.
    #[must_use]
    pub fn fixes_first_for(mut self, products: &[Product]) -> Self {
        self.fixes
            .sort_by_key(|fix| !products.contains(&fix.product));
        self
    }
}

/// What a probe concludes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// No fault.
    Healthy,
    /// At least one fault.
    Faulty,
    /// Something is wrong and no check knows what.
    Undecided,
    /// This machine could not probe.
    CouldNotProbe,
}

/// All findings, the worst and deepest-rooted first.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Diagnosis {
    /// The conclusion.
    pub health: Health,
    /// Why this machine could not probe.
    pub could_not: Option<String>,
    /// A signal ended it early: what is missing was not looked for.
    pub interrupted: bool,
    /// Sorted: severity, then the lowest layer.
    pub findings: Vec<Finding>,
    /// Products that showed themselves, as evidence.
    pub products: Vec<Product>,
}

impl Diagnosis {
    /// The same of a probe that a signal ended: whatever was found, the question is open.
    #[must_use]
    pub fn interrupted(self) -> Self {
        Self {
            health: Health::Undecided,
            interrupted: true,
            ..self
        }
    }
}
