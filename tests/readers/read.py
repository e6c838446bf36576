#!/usr/bin/env python3
"""Reads a results folder as its users do: the CSV files with pandas, the log with HdrHistogram.

  read.py RESULTS      exits with 0 when everything agrees with result.json, with 1 and a line when not,
                       with 77 when a package is missing
"""
import json
import math
import os
import sys

try:
    import pandas
    from hdrh.histogram import HdrHistogram
    from hdrh.log import HistogramLogReader
except ImportError as missing:
    print(missing)
    sys.exit(77)

folder = sys.argv[1]
with open(os.path.join(folder, "result.json"), encoding="utf-8") as file:
    result = json.load(file)

# Columns that hold names; every other one holds numbers.
TEXTS = {
    "intervals.csv": ["phase", "censored_from", "faults"],
    "summary.csv": ["metric", "unit", "censored_from"],
    "histograms.csv": ["metric"],
    "failures.csv": ["phase", "stage", "kind", "example"],
    "storms.csv": ["fault", "ended"],
    "storm_series.csv": [],
}


def check(holds, what):
    if not holds:
        print(what)
        sys.exit(1)


def close(a, b, what, share=1e-9):
    check(math.isclose(a, b, rel_tol=share, abs_tol=1e-9), "%s: %r is not %r" % (what, a, b))


def near(value, expected, what):
    # Three significant digits, of values in whole microseconds.
    check(abs(value - expected) <= 2e-3 * expected + 1.1e-3, "%s: %r is not %r" % (what, value, expected))


tables = {}
for name, texts in TEXTS.items():
    table = pandas.read_csv(os.path.join(folder, name))
    tables[name] = table
    for column in table.columns:
        empty = table[column].isna().all()
        is_number = pandas.api.types.is_numeric_dtype(table[column]) and table[column].dtype != bool
        check(empty or is_number != (column in texts), "%s %s: %s" % (name, column, table[column].dtype))

# Interval by interval: in order, without a gap, and together what the totals say.
rows = tables["intervals.csv"]
check(len(rows) == len(result["timeline"]["rows"]), "intervals.csv: %d rows" % len(rows))
check(list(rows["index"]) == list(range(len(rows))), "intervals.csv: the index has gaps")
check((rows["start_s"].iloc[1:].to_numpy() == rows["end_s"].iloc[:-1].to_numpy()).all(), "a gap in time")
both = [result["counters"], result["outside_measure"]["counters"]]
for column, counters in {
    "attempted": ["connections_attempted"],
    "opened": ["connections_opened"],
    "failed": ["connections_failed"],
    "closed": ["connections_closed"],
    "messages_sent": ["messages_sent", "messages_sent_unmatched"],
    "messages_received": ["messages_received"],
    "replies_matched": ["replies_matched"],
    "unanswered": ["replies_timed_out", "replies_lost"],
    "heartbeats_sent": ["heartbeats_sent"],
    "bytes_sent": ["bytes_sent"],
    "bytes_received": ["bytes_received"],
}.items():
    total = sum(of.get(counter, 0) for of in both for counter in counters)
    close(rows[column].sum(), total, "sum of intervals.csv %s" % column)
check(rows["messages_sent"].sum() > 0, "nothing was sent")

# Metric by metric: the summary, its distribution, and the log.
summary = tables["summary.csv"].set_index("metric")
check(set(summary.index) == set(result["metrics"]), "summary.csv: other metrics than result.json")
logged = {}
reader = HistogramLogReader(os.path.join(folder, "histograms.hlog"), HdrHistogram(1, 3_600_000_000, 3))
while True:
    interval = reader.get_next_interval_histogram()
    if interval is None:
        break
    logged.setdefault(interval.get_tag(), HdrHistogram(1, 3_600_000_000, 3)).add(interval)
check(set(logged) == {name for name, m in result["metrics"].items() if m["count"] > 0}, "other tags in the log")
for metric, histogram in logged.items():
    expected = result["metrics"][metric]
    row = summary.loc[metric]
    close(row["count"], expected["count"], "summary.csv count of %s" % metric)
    close(histogram.get_total_count(), expected["count"], "the log's count of %s" % metric)
    # Figures among unanswered messages are no samples.
    if not expected["censored_count"]:
        near(histogram.get_max_value() / 1e3, expected["max"], "the log's maximum of %s" % metric)
        for name, percentile in [("p50", 50), ("p90", 90), ("p99", 99)]:
            close(row[name], expected[name], "summary.csv %s of %s" % (name, metric))
            # The package rounds the rank where we round up: a neighbour may be meant.
            rank = percentile / 100 * expected["count"]
            around = [100 * (rank + step) / expected["count"] for step in (-1, 1)]
            low, high = [histogram.get_value_at_percentile(min(max(p, 0), 100)) / 1e3 for p in around]
            near(min(max(expected[name], low), high), expected[name], "the log's %s of %s" % (name, metric))
    steps = tables["histograms.csv"]
    steps = steps[steps["metric"] == metric]
    check(steps["cumulative_count"].is_monotonic_increasing, "histograms.csv of %s goes back" % metric)
    close(steps["cumulative_count"].iloc[-1], expected["count"], "histograms.csv of %s" % metric)
    share = steps["cumulative_count"] / steps["total_count"]
    check((abs(share - steps["quantile"]) < 1e-8).all(), "histograms.csv quantiles of %s" % metric)

# Failures by kind, with what a server said as it said it, but for what would start a formula.
failures = tables["failures.csv"]
told = [row for of in (result, result["outside_measure"]) for row in of["failures"]]
close(failures[failures["stage"] == "dial"]["count"].sum(), sum(row["count"] for row in told), "failed dials")
lost = rows["lost"].sum()
close(failures[failures["stage"] == "connection"]["count"].sum(), lost, "lost connections")
examples = failures["example"].dropna().astype(str)
check(not examples.str.match(r"[=+\-@]").any(), "an example starts a formula")
check(not examples.str.contains(r"[\x00-\x1f]").any(), "an example has control characters")

storms = tables["storms.csv"]
check(len(storms) == len(result["storms"]), "storms.csv: %d rows" % len(storms))
series = tables["storm_series.csv"]
for _, storm in storms.iterrows():
    own = series[series["storm"] == storm["storm"]]
    check(own["attempts"].sum() <= storm["attempts"], "attempts of a storm")
print("read %d intervals, %d metrics, %d failures, %d storms" % (len(rows), len(logged), len(failures), len(storms)))
