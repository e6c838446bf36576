//! From everything measured to what can be trusted, in figures and in a sentence.

use super::document::{Beyond, Bottleneck, Calibration, Knee, Trusted};
use super::noise;
use super::point::{Point, Quantiles};
use super::search::Found;
use crate::exit::Exit;

/// A thread that is busy for so much of its time answers late for want of it. Below the 95 % of
/// validity, since a queue is long before its server is full.
const FULL: f64 = 0.8;

impl Knee {
    /// From a search and the points it tried.
    pub fn new(shards: u16, found: Found, points: &[Point]) -> Self {
        let mut there = points
            .iter()
            .filter(|point| point.shards == shards && Some(point.asked_per_s) == found.lying);
        Self {
            shards,
            honest_per_s: found.honest,
            lying_per_s: found.lying,
            bottleneck: there.next_back().map(bottleneck),
            disturbed: found.disturbed,
        }
    }
}

/// Who had no time left.
fn bottleneck(point: &Point) -> Bottleneck {
    let generator = point.measured.busy;
    let server = point.measured.server_busy.unwrap_or(0.0);
    if generator.max(server) < FULL {
        Bottleneck::Machine
    } else if server > generator {
        Bottleneck::Server
    } else {
        Bottleneck::Generator
    }
}

impl Calibration {
    /// Fills in everything that follows from what was measured.
    pub fn conclude(&mut self) {
        self.noise = noise::of(self);
        let lied = self.lying_points().next().is_some();
        self.beyond = lied.then(|| self.beyond());
        self.trusted = self
            .knees
            .iter()
            .filter_map(|knee| self.trusted(knee.shards))
            .collect();
        self.statement = self.in_words();
    }

    /// Whether the question was answered.
    pub fn exit(&self) -> Exit {
        let grave = self.noise.iter().any(super::Noise::is_grave);
        if self.interrupted {
            Exit::Interrupted
        } else if self.trusted.is_empty() || grave || self.is_deaf() {
            Exit::Unanswered
        } else {
            Exit::Pass
        }
    }

    /// Points of the search that no second attempt took back.
    pub fn lying_points(&self) -> impl Iterator<Item = &Point> {
        let honest = |point: &Point| {
            let mut same = self.points.iter();
            same.any(|other| {
                (other.shards, other.asked_per_s) == (point.shards, point.asked_per_s)
                    && other.is_honest()
            })
        };
        self.points.iter().filter(move |point| !honest(point))
    }

    /// The generator lied, and `wsbench run` never noticed.
    pub fn is_deaf(&self) -> bool {
        let beyond = self.beyond.as_ref();
        beyond.is_some_and(|beyond| beyond.invalid_per_s.is_none())
    }

    fn beyond(&self) -> Beyond {
        let noticed = |point: &&Point| !point.measured.invalid.is_empty();
        let first = self.lying_points().filter(noticed);
        let first = first.min_by_key(|point| point.asked_per_s);
        let below = |per_s: &u64| first.is_none_or(|first| *per_s < first.asked_per_s);
        let still = self.lying_points().filter(|point| !noticed(point));
        let still = still.map(|point| point.asked_per_s).filter(below);
        let mut still_valid_per_s: Vec<_> = still.collect();
        still_valid_per_s.sort_unstable();
        still_valid_per_s.dedup();
        Beyond {
            invalid_per_s: first.map(|point| point.asked_per_s),
            reasons: first.map_or_else(Vec::new, |point| point.measured.invalid.clone()),
            still_valid_per_s,
        }
    }

    /// The highest load at which round_trip was held against the truth with an honest generator, and
    /// its largest error up to there.
    fn trusted(&self, shards: u16) -> Option<Trusted> {
        let points = self.truth.iter();
        let honest = points.filter(|t| t.point.shards == shards && t.point.is_honest());
        // The tails of two distributions are subtracted, and the server's holds its answers to the
        // ramp too: the difference may be below zero, or below that at p50, which is the way there
        // and back and in every message. Neither is promised.
        let error_ms = honest.clone().map(|truth| truth.error_ms.abs().rising());
        Some(Trusted {
            shards,
            per_s: honest.map(|truth| truth.point.asked_per_s).max()?,
            error_ms: error_ms.reduce(Quantiles::max)?,
        })
    }

    fn in_words(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let grave = self.noise.iter().any(super::Noise::is_grave);
        if let Some(trusted) = self.trusted.first() {
            lines.push(self.promise(trusted, grave));
        } else if self.interrupted {
            lines.push("Stopped before anything could be said.".to_owned());
        } else {
            lines.push(
                "This machine is too noisy to say how far its numbers can be trusted.".into(),
            );
        }
        lines.extend(self.knees.iter().map(limit_in_words));
        lines.extend(self.beyond.as_ref().map(beyond_in_words));
        lines
    }

    fn promise(&self, trusted: &Trusted, grave: bool) -> String {
        let (p50, p99) = (trusted.error_ms.p50, trusted.error_ms.p99);
        let machine = match self.trusted.get(1) {
            Some(more) => format!(
                " ({} from this machine's {} shards)",
                thousands(more.per_s),
                more.shards
            ),
            None => String::new(),
        };
        let doubt = if grave {
            "; but this machine is too noisy to rely on it"
        } else {
            ""
        };
        let clients = thousands(u64::from(self.clients));
        format!(
            "Up to {} messages/s from one shard{machine} over {clients} clients, round_trip is true \
             within {p50:.3} ms at p50 and {p99:.3} ms at p99{doubt}.",
            thousands(trusted.per_s)
        )
    }
}

fn limit_in_words(knee: &Knee) -> String {
    let whose = match knee.shards {
        1 => "One shard's limit".to_owned(),
        more => format!("The limit of this machine's {more} shards"),
    };
    let who = match knee.bottleneck {
        Some(Bottleneck::Generator) => "; the generator itself had no time left there",
        Some(Bottleneck::Server) => {
            "; the built-in server had no time left first, so the generator may be good for more"
        }
        Some(Bottleneck::Machine) => {
            "; neither it nor the server was busy there, so this machine woke them late"
        }
        None => "",
    };
    match (knee.honest_per_s, knee.lying_per_s) {
        (Some(honest), Some(lying)) => format!(
            "{whose} is between {} and {} messages/s{who}.",
            thousands(honest),
            thousands(lying)
        ),
        (Some(honest), None) => format!(
            "{whose} is above {} messages/s, the highest load tried.",
            thousands(honest)
        ),
        (None, Some(lying)) => format!("{whose} is below {} messages/s{who}.", thousands(lying)),
        (None, None) => format!("{whose} is unknown: nothing was tried."),
    }
}

fn beyond_in_words(beyond: &Beyond) -> String {
    let Some(invalid) = beyond.invalid_per_s else {
        return "Above it wsbench run did NOT call a run invalid: a hole in its validity, please report it."
            .to_owned();
    };
    let mut text = format!(
        "Above it wsbench run calls runs invalid: it did at {} messages/s",
        thousands(invalid)
    );
    let still: Vec<_> = beyond
        .still_valid_per_s
        .iter()
        .map(|n| thousands(*n))
        .collect();
    if !still.is_empty() {
        text += &format!(
            "; at {} messages/s, late by the tighter limits of this command, it still did not",
            still.join(" and ")
        );
    }
    text + "."
}

/// `1,234`.
pub(super) fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
