//! A comparison for a pull request.

use super::{advice, because, detectable, grounds, interval, signed, value, word};
use crate::compare::gate::Comparison;
use crate::report::markdown::{cell, table};

/// The page, verdict first.
pub fn render(comparison: &Comparison) -> String {
    let mut text = format!(
        "## wsbench compare: {}\n\n{}.\n\n",
        comparison.verdict,
        cell(&because(comparison))
    );
    for gated in [true, false] {
        let of = comparison.changes.iter().filter(|c| c.gated == gated);
        let rows = of.map(|change| {
            vec![
                change.statistic.clone(),
                value(change, change.base),
                value(change, change.candidate),
                signed(change, change.change),
                interval(change),
                word(change.word).to_owned(),
                detectable(change),
            ]
        });
        let first = if gated { "decides" } else { "shown only" };
        table(
            &mut text,
            &[
                first,
                "base",
                "candidate",
                "change",
                "95 % interval",
                "verdict",
                "would have seen",
            ],
            rows,
        );
    }
    for omitted in &comparison.omitted {
        let line = format!("{}: {}", omitted.statistic, omitted.reason);
        text += &format!("- not compared: {}\n", cell(&line));
    }
    for warning in &comparison.warnings {
        text += &format!("> **warning** {}\n\n", cell(warning));
    }
    for line in advice(comparison) {
        text += &format!("- {}\n", cell(&line));
    }
    text += &format!("{}.\n", cell(&grounds(comparison)));
    text
}
