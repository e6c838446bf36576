//! Storms in words: the same facts for the terminal and for Markdown.

use super::view::{self, NO_FIGURE, count, plain, seconds};
use crate::result::StormReport;
use crate::result::storm::{BackAfter, StormEnd};

/// Storms that are shown; the rest is in `storms.csv`.
pub const SHOWN: usize = 5;

/// `storm at 15 s: 2,000 of 2,000 clients lost (fault restart_server), all back after 3.02 s`.
pub fn title(storm: &StormReport) -> String {
    let mut text = format!(
        "storm at {}: {} of {} clients lost",
        seconds(storm.at_s),
        count(storm.clients_lost),
        // Clients that connected after t = 0 can be lost in it too.
        count(storm.connected_before.max(storm.clients_lost))
    );
    if let Some(fault) = &storm.fault {
        text += &format!(" (fault {})", plain(fault));
    }
    text += ", ";
    text += &ending(storm);
    if let Some(source) = &storm.source {
        text += &format!("; on {}", plain(source));
    }
    if !storm.measured {
        text += "; outside measure";
    }
    text
}

fn ending(storm: &StormReport) -> String {
    let length = seconds(storm.length_s);
    let mut parts = Vec::new();
    for (clients, words) in [
        (storm.gave_up, "gave up"),
        (storm.left, "left before they were back"),
        (storm.away, "never came back"),
    ] {
        if clients > 0 {
            parts.push(format!("{} {words}", count(clients)));
        }
    }
    let gone = parts.join(", ");
    match storm.ended {
        StormEnd::AllBack => format!("all back after {length}"),
        StormEnd::SomeGone => format!("{gone}; over after {length}"),
        StormEnd::RunEnded => format!("the run ended after {length}: {gone}"),
        StormEnd::CutOff => format!("followed for {length}: {gone}"),
    }
}

/// What a storm was like, as label and text.
pub fn facts(storm: &StormReport) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("back after", back(storm)),
        ("attempts", attempts(storm)),
        ("peaks", peaks(storm)),
    ];
    facts.extend(floor(storm).map(|text| ("floor", text)));
    facts.extend(spread(storm).map(|text| ("spread", text)));
    facts.push(("target", target(storm)));
    facts.extend(clients(storm).map(|text| ("clients", text)));
    facts
}

/// What makes its numbers less than they seem.
pub fn caveats(storm: &StormReport) -> Vec<String> {
    let mut caveats = Vec::new();
    if storm.generator.limited {
        let late = storm.generator.lag.map_or(0.0, |lag| lag.p99_ms);
        let late = view::millis(late);
        caveats.push(format!(
            "generator-limited: peaks are lower bounds (attempts began {late} ms late at p99)"
        ));
    }
    if storm.generator.events_dropped > 0 {
        caveats.push(format!(
            "{} events were not kept: all numbers are lower bounds",
            count(storm.generator.events_dropped)
        ));
    }
    if storm.attempts.duplicates > 0 {
        caveats.push(format!(
            "{} attempts began while another of the same client was in flight or open",
            count(storm.attempts.duplicates)
        ));
    }
    caveats
}

/// The last line when there are more storms than are shown.
pub fn more(storms: &[StormReport], omitted: u64) -> Option<String> {
    let hidden = storms.len().saturating_sub(SHOWN) as u64;
    let mut parts = Vec::new();
    if hidden > 0 {
        parts.push(format!("{} more storms in storms.csv", count(hidden)));
    }
    if omitted > 0 {
        parts.push(format!("{} beyond the limit, not followed", count(omitted)));
    }
    (!parts.is_empty()).then(|| format!("and {}", parts.join(", ")))
}

fn back(storm: &StormReport) -> String {
    let recovery = &storm.recovery;
    let shares = [
        ("50 %", recovery.t50),
        ("90 %", recovery.t90),
        ("99 %", recovery.t99),
        ("all", recovery.t100),
    ];
    let shares = shares.map(|(share, back)| format!("{share} {}", time(back)));
    shares.join(", ")
}

/// Connected at one time; in brackets when clients flapped.
fn time(back: BackAfter) -> String {
    let figure = |time: Option<f64>| time.map_or_else(|| NO_FIGURE.to_owned(), seconds);
    let now = figure(back.now_s);
    if back.now_s == back.ever_s {
        now
    } else {
        format!("{now} (ever {})", figure(back.ever_s))
    }
}

fn attempts(storm: &StormReport) -> String {
    let attempts = &storm.attempts;
    let mut text = format!(
        "{} ({} a client, p99 {}, most {}): {} succeeded",
        count(attempts.total),
        view::number(attempts.per_client_mean),
        count(attempts.per_client_p99),
        count(attempts.per_client_max),
        count(attempts.succeeded)
    );
    let ours = attempts.failed_locally.iter();
    let ours = ours.map(|(kind, n)| (format!("{} (our own)", plain(kind)), *n));
    let theirs = attempts.failed.iter();
    let mut failed: Vec<_> = theirs
        .map(|(kind, n)| (plain(kind).into_owned(), *n))
        .chain(ours)
        .collect();
    failed.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    for (kind, n) in failed {
        text += &format!(", {} {kind}", count(n));
    }
    for (n, words) in [
        (attempts.abandoned, "abandoned"),
        (attempts.unfinished, "unfinished"),
    ] {
        if n > 0 {
            text += &format!(", {} {words}", count(n));
        }
    }
    text
}

fn peaks(storm: &StormReport) -> String {
    format!(
        "{} attempts in 100 ms, {} in 1 s",
        count(storm.attempts.peak_100ms),
        count(storm.attempts.peak_1s)
    )
}

fn floor(storm: &StormReport) -> Option<String> {
    let recovery = &storm.recovery;
    let text = format!(
        "{} = {} outage + {} clients at {}/s",
        seconds(recovery.floor_s?),
        seconds(recovery.outage_s?),
        count(storm.clients_lost),
        count(recovery.best_1s)
    );
    Some(match recovery.efficiency {
        Some(efficiency) if efficiency > 1.0 => {
            format!("{text}; all were back sooner: within the second that the rate is counted over")
        }
        Some(efficiency) => format!("{text}; efficiency {:.0} %", efficiency * 100.0),
        None => text,
    })
}

fn spread(storm: &StormReport) -> Option<String> {
    let spread = storm.spread?;
    if spread.bins == 1 {
        let width = view::number(spread.bin_ms);
        return Some(format!(
            "all attempts until T99 in one bin of w = {width} ms: lockstep"
        ));
    }
    let mut text = format!(
        "fano {} (1 = independent clients), sync {} (1 = lockstep) over k = {} bins of w = {} ms",
        view::number(spread.fano),
        view::number(spread.sync),
        count(spread.bins),
        view::number(spread.bin_ms)
    );
    if let (Some(in_phase), Some(period)) = (spread.in_phase, spread.period_s) {
        let period = seconds(period);
        text += &format!("; in phase with {period}: {}", view::number(in_phase));
    }
    Some(text)
}

fn target(storm: &StormReport) -> String {
    let work = &storm.work;
    let bound = if work.lower_bound { "at least " } else { "" };
    let mut text = format!(
        "amplification {bound}{}, {} handshakes wasted",
        view::number(work.amplification),
        count(work.wasted)
    );
    if storm.syn.resends > 0 {
        text += &format!(
            "; {} SYNs resent by {} attempts",
            count(storm.syn.resends),
            count(storm.syn.attempts)
        );
        let steps = storm.syn.steps.iter();
        let steps = steps.map(|step| format!("{} {}", plain(&step.label), count(step.connects)));
        text += &format!(": {}", steps.collect::<Vec<_>>().join(", "));
    }
    text
}

fn clients(storm: &StormReport) -> Option<String> {
    let cost = &storm.cost;
    let mut parts = Vec::new();
    for (name, times) in [
        ("reconnect_time", cost.reconnect_time),
        ("handshake", cost.handshake),
        ("first message", cost.first_message),
    ] {
        if let Some(times) = times {
            let [p50, p99] = [times.p50_ms, times.p99_ms].map(view::millis);
            parts.push(format!("{name} p50 {p50}, p99 {p99} ms"));
        }
    }
    if let Some(bytes) = cost.bytes_per_success {
        parts.push(format!("{} bytes a handshake", view::number(bytes)));
    }
    if cost.without_message > 0 {
        parts.push(format!("{} got no message", count(cost.without_message)));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::fixture;

    #[test]
    fn figures_that_say_nothing_are_replaced_by_words() {
        let mut storm = fixture::storm();
        storm.recovery.efficiency = Some(2.9);
        storm.spread.as_mut().unwrap().bins = 1;
        let text = |label| {
            let facts = facts(&storm);
            facts.iter().find(|(l, _)| *l == label).unwrap().1.clone()
        };
        assert!(
            text("floor").contains("all were back sooner"),
            "{}",
            text("floor")
        );
        assert_eq!(
            text("spread"),
            "all attempts until T99 in one bin of w = 100 ms: lockstep"
        );
        storm.recovery.floor_s = None;
        assert!(facts(&storm).iter().all(|(label, _)| *label != "floor"));
    }

    #[test]
    fn every_end_has_its_words() {
        let mut storm = fixture::storm();
        for (ended, expected) in [
            (StormEnd::AllBack, "all back after 4.2 s"),
            (StormEnd::SomeGone, "1 gave up; over after 4.2 s"),
            (StormEnd::RunEnded, "the run ended after 4.2 s: 1 gave up"),
            (StormEnd::CutOff, "followed for 4.2 s: 1 gave up"),
        ] {
            storm.ended = ended;
            assert!(title(&storm).ends_with(expected), "{}", title(&storm));
        }
    }
}
