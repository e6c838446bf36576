//! `storms.csv` and `storm_series.csv`, their columns defined beside the code that fills them.

use super::StormReport;
use crate::result::csv::{column, heading, lines};
use crate::result::text::csv_cell;
use crate::result::timeline::Column;

/// Writes the columns and the cells of a storm's row from one list.
macro_rules! storm_row {
    ($($name:literal, $unit:literal, $definition:literal => |$storm:ident| $cell:expr;)*) => {
        /// The columns of `storms.csv`: one row a storm.
        pub const STORM_COLUMNS: &[Column] = &[$(column($name, $unit, $definition),)*];

        fn cells(storm: &StormReport) -> Vec<String> {
            vec![$({ let $storm = storm; cell($cell) },)*]
        }
    };
}

storm_row! {
    "storm", "", "From 1, in order of their beginning." => |s| s.number;
    "at_s", "s", "t = 0 from the start of the run: the first loss, or the commanded fault." => |s| Time(s.at_s);
    "measured", "", "1 when t = 0 lies in the measured phase: only then thresholds look at it." => |s| u64::from(s.measured);
    "fault", "", "The commanded fault that caused it; empty when it came by itself." => |s| s.fault.as_deref().map(|name| csv_cell(name).into_owned());
    "connected_before", "", "Open connections just before." => |s| s.connected_before;
    "clients_lost", "", "Clients that lost their connection in it: N_d." => |s| s.clients_lost;
    "ended", "", "all_back, some_gone (gave up or left), run_ended, or cut_off (too many at once)." => |s| s.ended.name().to_owned();
    "length_s", "s", "From t = 0 to its end." => |s| Time(s.length_s);
    "gave_up", "", "Clients that used up their attempts." => |s| s.gave_up;
    "left", "", "Clients that left before they were back." => |s| s.left;
    "away", "", "Clients still away at its end." => |s| s.away;
    "attempts", "", "Dials begun by the lost clients." => |s| s.attempts.total;
    "attempts_per_client_mean", "", "attempts / clients_lost." => |s| Time(s.attempts.per_client_mean);
    "attempts_per_client_p99", "", "99 % of the clients needed at most so many." => |s| s.attempts.per_client_p99;
    "attempts_per_client_max", "", "What the most persistent client needed." => |s| s.attempts.per_client_max;
    "succeeded", "", "Attempts that became connections." => |s| s.attempts.succeeded;
    "failed", "", "Attempts that failed by the target or the path." => |s| s.attempts.failed.values().sum::<u64>();
    "failed_locally", "", "Attempts that failed for want of our own ports or descriptors." => |s| s.attempts.failed_locally.values().sum::<u64>();
    "duplicates", "", "Attempts begun while another of the client was in flight or open." => |s| s.attempts.duplicates;
    "peak_100ms", "", "Most attempts begun in any 100 ms (sliding)." => |s| s.attempts.peak_100ms;
    "peak_1s", "", "Most attempts begun in any 1 s (sliding)." => |s| s.attempts.peak_1s;
    "t50_s", "s", "From t = 0 until 50 % were connected at one time; empty when never." => |s| s.recovery.t50.now_s.map(Time);
    "t90_s", "s", "Likewise 90 %." => |s| s.recovery.t90.now_s.map(Time);
    "t99_s", "s", "Likewise 99 %." => |s| s.recovery.t99.now_s.map(Time);
    "t100_s", "s", "Likewise all." => |s| s.recovery.t100.now_s.map(Time);
    "t50_ever_s", "s", "From t = 0 until 50 % had been connected again at some time." => |s| s.recovery.t50.ever_s.map(Time);
    "t90_ever_s", "s", "Likewise 90 %." => |s| s.recovery.t90.ever_s.map(Time);
    "t99_ever_s", "s", "Likewise 99 %." => |s| s.recovery.t99.ever_s.map(Time);
    "t100_ever_s", "s", "Likewise all." => |s| s.recovery.t100.ever_s.map(Time);
    "outage_s", "s", "From t = 0 to the first success, or the commanded length of the fault: D." => |s| s.recovery.outage_s.map(Time);
    "best_1s", "", "Most successful handshakes in any 1 s: R." => |s| s.recovery.best_1s;
    "floor_s", "s", "D + clients_lost / R: no policy brings everybody back sooner." => |s| s.recovery.floor_s.map(Time);
    "efficiency", "ratio", "floor_s / t100_s; above 1 when all came back within the second that R is counted over." => |s| s.recovery.efficiency.map(Time);
    "fano", "", "Variance over mean of the 100 ms bins from the first attempt to T99: 1 independent, N a herd of N." => |s| s.spread.map(|spread| Time(spread.fano));
    "sync", "", "0: attempts evenly spread over these bins; 1: all in one." => |s| s.spread.map(|spread| Time(spread.sync));
    "bins", "", "How many bins fano and sync are over: k." => |s| s.spread.map(|spread| spread.bins);
    "in_phase", "", "How far attempts are in phase with a fixed period of the policy: 1 lockstep." => |s| s.spread.and_then(|spread| spread.in_phase).map(Time);
    "syn_resends", "", "SYNs sent again: a full accept queue, or loss." => |s| s.syn.resends;
    "syn_resent_attempts", "", "Attempts with at least one." => |s| s.syn.attempts;
    "wasted", "", "Handshakes the target finished for clients that had gone." => |s| s.work.wasted;
    "wasted_lower_bound", "", "1 when wasted is only what was seen from outside: timeouts after TCP was up." => |s| u64::from(s.work.lower_bound);
    "refusals", "", "Attempts refused, or answered with an HTTP status." => |s| s.work.refusals;
    "amplification", "", "(succeeded + wasted + 0.1 x refusals) / clients_lost." => |s| Time(s.work.amplification);
    "reconnect_time_p50_ms", "ms", "From the loss to being connected again, p50." => |s| s.cost.reconnect_time.map(|t| Time(t.p50_ms));
    "reconnect_time_p99_ms", "ms", "Likewise p99." => |s| s.cost.reconnect_time.map(|t| Time(t.p99_ms));
    "reconnect_time_max_ms", "ms", "Likewise the longest." => |s| s.cost.reconnect_time.map(|t| Time(t.max_ms));
    "handshake_p50_ms", "ms", "Successful handshakes, p50." => |s| s.cost.handshake.map(|t| Time(t.p50_ms));
    "handshake_p99_ms", "ms", "Likewise p99." => |s| s.cost.handshake.map(|t| Time(t.p99_ms));
    "bytes_per_success", "bytes", "Of a successful upgrade, both directions, without TLS and TCP." => |s| s.cost.bytes_per_success.map(Time);
    "first_message_p50_ms", "ms", "From the opening to the first message, p50." => |s| s.cost.first_message.map(|t| Time(t.p50_ms));
    "first_message_p99_ms", "ms", "Likewise p99." => |s| s.cost.first_message.map(|t| Time(t.p99_ms));
    "without_message", "", "Clients that were back and got no message." => |s| s.cost.without_message;
    "lag_p99_ms", "ms", "Begin of attempts after they were due, p99: the generator's own lateness." => |s| s.generator.lag.map(|t| Time(t.p99_ms));
    "generator_limited", "", "1 when that is over 100 ms: peaks are lower bounds." => |s| u64::from(s.generator.limited);
    "events_dropped", "", "Events not kept; with any, all numbers are lower bounds." => |s| s.generator.events_dropped;
}

/// The columns of `storm_series.csv`: one row for each 100 ms of each storm.
pub const SERIES_COLUMNS: &[Column] = &[
    column("storm", "", "As in storms.csv."),
    column("t_s", "s", "Start of the bin, from t = 0 of the storm."),
    column("attempts", "", "Attempts begun."),
    column("succeeded", "", "Attempts that succeeded."),
    column("failed", "", "Attempts that failed."),
    column(
        "connected",
        "",
        "Open connections of the whole run at the end of the bin.",
    ),
];

/// `storms.csv`.
pub fn storms(storms: &[StormReport]) -> String {
    heading(STORM_COLUMNS) + &lines(storms.iter().map(cells))
}

/// `storm_series.csv`.
pub fn series(storms: &[StormReport]) -> String {
    let mut text = heading(SERIES_COLUMNS);
    for storm in storms {
        let series = &storm.series;
        let counts = series.attempts.iter().zip(&series.succeeded);
        let counts = counts.zip(&series.failed).zip(&series.connected);
        let rows = counts
            .enumerate()
            .map(|(bin, (((attempts, succeeded), failed), connected))| {
                let start = bin as f64 * series.bin_ms / 1e3;
                let counts = [attempts, succeeded, failed, connected];
                let cells = [storm.number.to_string(), format!("{start:.1}")];
                cells.into_iter().chain(counts.map(u32::to_string))
            });
        text += &lines(rows);
    }
    text
}

/// A number of three decimals.
struct Time(f64);

/// A value that can stand in a cell.
trait Cell {
    fn text(self) -> String;
}

impl Cell for u64 {
    fn text(self) -> String {
        self.to_string()
    }
}

impl Cell for Time {
    fn text(self) -> String {
        format!("{:.3}", self.0)
    }
}

impl Cell for String {
    fn text(self) -> String {
        self
    }
}

impl<T: Cell> Cell for Option<T> {
    fn text(self) -> String {
        self.map_or_else(String::new, Cell::text)
    }
}

fn cell(value: impl Cell) -> String {
    value.text()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::fixture;

    #[test]
    fn a_storm_is_a_row_and_its_bins_are_rows() {
        let reports = [fixture::storm()];
        let text = storms(&reports);
        let [heading, row] = text.lines().collect::<Vec<_>>()[..] else {
            panic!("{text}");
        };
        let cells = heading.split(',').zip(row.split(','));
        let cells: Vec<_> = cells.map(|(name, cell)| format!("{name} {cell}")).collect();
        assert_eq!(row.matches(',').count() + 1, STORM_COLUMNS.len());
        insta::assert_snapshot!(cells.join("\n"));
        assert_eq!(
            series(&reports),
            "storm,t_s,attempts,succeeded,failed,connected\n\
             1,0.0,0,0,0,4\n1,0.1,3,1,2,5\n1,0.2,2,0,2,5\n"
        );
    }

    #[test]
    fn without_storms_only_the_heading_is_written() {
        assert_eq!(storms(&[]).lines().count(), 1);
        assert_eq!(
            series(&[]),
            "storm,t_s,attempts,succeeded,failed,connected\n"
        );
    }

    #[test]
    fn the_name_of_a_fault_cannot_start_a_formula() {
        let mut storm = fixture::storm();
        storm.fault = Some("=cmd()".to_owned());
        assert!(storms(&[storm]).contains(",'=cmd(),"));
    }
}
