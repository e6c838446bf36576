//! The CSV files of a result, their columns defined beside the code that fills them.
//!
//! Text that a server chose is escaped and cannot start a formula; numbers stay numbers.

use crate::metrics::{Interval, Metric, Phase, Sheet, sheet::Tally};

use super::summary::{MetricSummary, Redact, Summary};
use super::text::csv_cell;
use super::timeline::{COLUMNS, Column, TimelineRow};

/// The columns of `summary.csv`: one row a metric.
pub const SUMMARY_COLUMNS: &[Column] = &[
    column("metric", "", "Its name."),
    column("unit", "", "Of the times in the row."),
    column("count", "", "How many samples."),
    column(
        "censored_count",
        "",
        "How many unanswered messages rank above all samples.",
    ),
    column(
        "min",
        "ms",
        "The shortest sample; empty when nothing was answered.",
    ),
    column("mean", "ms", "The arithmetic mean of the samples."),
    column(
        "stddev",
        "ms",
        "The population standard deviation of the samples.",
    ),
    column(
        "p50",
        "ms",
        "The median over samples and unanswered messages.",
    ),
    column("p75", "ms", "Likewise."),
    column("p90", "ms", "Likewise."),
    column("p95", "ms", "Likewise."),
    column("p99", "ms", "Likewise."),
    column("p999", "ms", "Likewise; 99.9 %."),
    column(
        "max",
        "ms",
        "The longest; a lower bound when any message went unanswered.",
    ),
    column(
        "censored_from",
        "",
        "This figure and all above it are lower bounds; empty when none is.",
    ),
];

/// The columns of `histograms.csv`: the percentile distribution of each metric.
pub const DISTRIBUTION_COLUMNS: &[Column] = &[
    column("metric", "", "Its name."),
    column("value_ms", "ms", "A time."),
    column(
        "quantile",
        "ratio",
        "The share of all messages, unanswered ones included, that took at most this long.",
    ),
    column(
        "cumulative_count",
        "",
        "How many samples took at most this long.",
    ),
    column(
        "total_count",
        "",
        "Samples and unanswered messages together.",
    ),
];

/// The columns of `failures.csv`: one row for each kind in each interval it was seen in.
pub const FAILURE_COLUMNS: &[Column] = &[
    column(
        "start_s",
        "s",
        "Start of the interval, from the start of the run.",
    ),
    column(
        "phase",
        "",
        "warm_up, measure or drain: where the interval's start lies.",
    ),
    column(
        "stage",
        "",
        "dial (it did not open) or connection (it was lost).",
    ),
    column(
        "kind",
        "",
        "The kind with its parameter, e.g. http_status{503}.",
    ),
    column("count", "", "How often in this interval."),
    column("example", "", "What the first of its kind said, escaped."),
];

/// A column from its parts.
pub(super) const fn column(
    name: &'static str,
    unit: &'static str,
    definition: &'static str,
) -> Column {
    Column {
        name,
        unit,
        definition,
    }
}

/// The heading line of a file.
pub fn heading(columns: &[Column]) -> String {
    lines([columns.iter().map(|column| column.name)])
}

/// One line of `intervals.csv`.
pub fn interval_line(row: &TimelineRow) -> String {
    debug_assert_eq!(row.cells().len(), COLUMNS.len());
    lines([row.cells()])
}

/// `summary.csv`.
pub fn summary(summary: &Summary) -> String {
    let rows = summary.metrics.iter();
    heading(SUMMARY_COLUMNS) + &lines(rows.map(|(metric, row)| summary_cells(*metric, row)))
}

fn summary_cells(metric: Metric, row: &MetricSummary) -> Vec<String> {
    let time = |value: f64| format!("{value:.3}");
    let optional = |value: Option<f64>| value.map(time).unwrap_or_default();
    let quantiles = [
        row.p50, row.p75, row.p90, row.p95, row.p99, row.p999, row.max,
    ];
    let mut cells = vec![
        metric.name().to_owned(),
        row.unit.clone(),
        row.count.to_string(),
        row.censored_count.to_string(),
        optional(row.min),
        optional(row.mean),
        optional(row.stddev),
    ];
    cells.extend(quantiles.map(time));
    cells.push(row.censored_from.clone().unwrap_or_default());
    cells
}

/// `histograms.csv`; a metric whose histogram is damaged is left out (it can come from a file).
pub fn distributions(summary: &Summary) -> String {
    let mut text = heading(DISTRIBUTION_COLUMNS);
    for (metric, row) in &summary.metrics {
        let Ok(histogram) = row.decode() else {
            continue;
        };
        let total = histogram.count() + row.censored_count;
        let steps = histogram.distribution();
        text += &lines(steps.iter().map(|step| {
            [
                metric.name().to_owned(),
                format!("{:.3}", super::summary::millis(step.value)),
                format!("{:.9}", step.cumulative as f64 / total as f64),
                step.cumulative.to_string(),
                total.to_string(),
            ]
        }));
    }
    text
}

/// The lines of `failures.csv` for an interval: empty when nothing failed.
pub fn failure_lines(interval: &Interval, redact: Redact<'_>) -> String {
    let start = format!("{:.3}", interval.window.start.secs_f64());
    let phase: Phase = interval.window.phase;
    let mut both = Sheet::default();
    for sheet in [&interval.measured, &interval.other] {
        for (kind, tally) in &sheet.failures {
            both.failures.entry(*kind).or_default().merge(tally);
        }
        for (cause, tally) in &sheet.closes {
            both.closes.entry(*cause).or_default().merge(tally);
        }
    }
    let row = |stage: &str, kind: String, tally: &Tally| {
        let example = tally.example.as_deref().map(redact).unwrap_or_default();
        [
            start.clone(),
            phase.name().to_owned(),
            stage.to_owned(),
            kind,
            tally.count.to_string(),
            csv_cell(&example).into_owned(),
        ]
    };
    let dials = both.failures.iter();
    let dials = dials.map(|(kind, tally)| row("dial", kind.to_string(), tally));
    let losses = both.closes.iter().filter_map(|(cause, tally)| {
        let kind = cause.failure()?;
        Some(row("connection", kind.to_string(), tally))
    });
    lines(dials.chain(losses))
}

/// Rows as CSV text (RFC 4180 quoting, but line ends as on Unix).
pub(super) fn lines<R>(rows: impl IntoIterator<Item = R>) -> String
where
    R: IntoIterator<Item: AsRef<str>>,
{
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        for cell in row {
            writer
                .write_field(cell.as_ref())
                .expect("memory takes every write");
        }
        writer
            .write_record(None::<&[u8]>)
            .expect("rows of one file have equal length");
    }
    let bytes = writer.into_inner().expect("memory takes every write");
    String::from_utf8(bytes).expect("cells are text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Offset;
    use crate::failure::{CloseCause, FailureKind};
    use crate::metrics::{Gauges, Origin, Recorder, Window};

    fn interval(record: impl FnOnce(&mut Recorder)) -> Interval {
        let mut recorder = Recorder::new();
        record(&mut recorder);
        let window = Window {
            index: 3,
            start: Offset::from_nanos(3_000_000_000),
            end: Offset::from_nanos(4_000_000_000),
            phase: Phase::Measure,
        };
        recorder.cut(window, Gauges::default())
    }

    #[test]
    fn hostile_reasons_stay_in_their_cell() {
        let interval = interval(|recorder| {
            let lost = CloseCause::Lost(FailureKind::CloseCode(4000));
            recorder.close(Origin::Measured, lost, || {
                "=cmd|'/c calc'!A1,\"\n\x1b[2J".to_owned()
            });
            recorder.close(Origin::Other, lost, || "=cmd".to_owned());
            recorder.close(Origin::Measured, CloseCause::ByUs, String::new);
            recorder.fail(Origin::Measured, FailureKind::Refused, || {
                "token=s3cret".to_owned()
            });
        });
        let text = failure_lines(&interval, &|text| text.replace("s3cret", "***"));
        assert_eq!(
            text,
            "3.000,measure,dial,refused,1,token=***\n\
             3.000,measure,connection,close_code{4000},2,'=cmd\n"
        );
    }

    #[test]
    fn nothing_failed_is_no_line() {
        assert_eq!(failure_lines(&interval(|_| {}), &str::to_owned), "");
    }

    #[test]
    fn every_interval_line_has_a_cell_for_each_heading() {
        let row = TimelineRow::new(&interval(|_| {}), &Default::default());
        let line = interval_line(&row);
        assert_eq!(line.matches(',').count() + 1, COLUMNS.len());
        assert_eq!(heading(COLUMNS).matches(',').count() + 1, COLUMNS.len());
    }
}
