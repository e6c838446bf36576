//! The line that lives on stderr while a run lasts.

use std::time::Duration;

use crate::metrics::{Counter, Total};
use crate::result::TimelineRow;

use super::view;

/// The latest interval in one line, `of` being the planned length of the run.
pub fn line(row: &TimelineRow, total: &Total, of: Option<Duration>) -> String {
    let length = (row.end_s - row.start_s).max(1e-9);
    let all = |counter| total.measured.counter(counter) + total.other.counter(counter);
    let mut text = format!("{} {:.0} s", row.phase.name(), row.end_s);
    if let Some(of) = of {
        text += &format!(" of {}", view::seconds(of.as_secs_f64().round()));
    }
    text += &format!(", {} connected", view::count(row.connected));
    if row.messages_sent > 0 {
        text += &format!(", {} sent", view::rate(row.messages_sent as f64 / length));
    }
    if let Some(p99) = row.round_trip_p99_ms {
        let from = row.censored_from.as_deref();
        let value = match from {
            None | Some("max") => format!("{} ms", view::millis(p99)),
            Some(_) => view::more_than(p99),
        };
        text += &format!(", round_trip p99 {value}");
    }
    for (counter, words) in [
        (Counter::ConnectionsFailed, "handshakes failed"),
        (Counter::RepliesTimedOut, "timed out"),
        (Counter::HeartbeatsMissed, "heartbeats missed"),
        (Counter::ArrivalsDropped, "arrivals dropped"),
    ] {
        if all(counter) > 0 {
            text += &format!(", {} {words}", view::count(all(counter)));
        }
    }
    text
}

/// Beside the line while a storm is on.
pub fn storm(back: u64, lost: u64) -> String {
    format!("storm: {} of {} back", view::count(back), view::count(lost))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::fixture;

    #[test]
    fn the_line_holds_the_latest_interval_and_the_troubles_so_far() {
        let mut total = Total::default();
        let mut lines = String::new();
        for interval in fixture::intervals() {
            total.add(&interval);
            let row = TimelineRow::new(&interval, &fixture::facts().unanswered_after);
            lines += &line(&row, &total, Some(Duration::from_secs(4)));
            lines.push('\n');
        }
        insta::assert_snapshot!(lines);
    }

    #[test]
    fn a_storm_is_named() {
        assert_eq!(storm(1234, 2000), "storm: 1,234 of 2,000 back");
    }
}
