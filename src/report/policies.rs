//! The table of `wsbench storm`: one storm under several reconnect policies, to paste into a design.

use serde::Serialize;

use crate::result::storm::{BackAfter, StormReport};
use crate::result::{RunResult, Verdict};

use super::Look;
use super::table::{Table, wrap};
use super::view::{count, millis, percent};

/// One policy and what became of the storm under it.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyRun {
    /// The policy's name.
    pub policy: String,
    /// What it does, in words.
    pub words: String,
    /// The run's answer.
    pub verdict: Verdict,
    /// The largest storm of the measured phase; `null` when there was none.
    pub storm: Option<StormReport>,
    /// Where the run was saved.
    pub files: String,
}

impl PolicyRun {
    /// The row of a run.
    pub fn new(policy: &str, words: String, result: &RunResult, files: String) -> Self {
        let storms = result.storms.iter().filter(|storm| storm.measured);
        Self {
            policy: policy.to_owned(),
            words,
            verdict: result.verdict,
            storm: storms.max_by_key(|storm| storm.clients_lost).cloned(),
            files,
        }
    }
}

/// A column: its heading, what it means, and its cell.
struct Column {
    heading: &'static str,
    meaning: &'static str,
    cell: fn(&StormReport) -> String,
}

const COLUMNS: [Column; 16] = [
    column("lost", "clients that lost their connection", |s| {
        count(s.clients_lost)
    }),
    column("attempts", "dials begun until all were back", |s| {
        count(s.attempts.total)
    }),
    column("each", "attempts for each lost client, mean", |s| {
        format!("{:.2}", s.attempts.per_client_mean)
    }),
    column("max", "attempts of the most persistent client", |s| {
        count(s.attempts.per_client_max)
    }),
    column("peak 0.1s", "most attempts in any 100 ms", |s| {
        count(s.attempts.peak_100ms)
    }),
    column("peak 1s", "most attempts in any 1 s", |s| {
        count(s.attempts.peak_1s)
    }),
    column("T50 s", "half of them connected again", |s| {
        back(s.recovery.t50)
    }),
    column("T90 s", "90 %", |s| back(s.recovery.t90)),
    column("T99 s", "99 %", |s| back(s.recovery.t99)),
    column("T100 s", "all", |s| back(s.recovery.t100)),
    column("gave up", "clients that used up their attempts", |s| {
        count(s.gave_up)
    }),
    column(
        "efficiency",
        "the soonest any policy could be done / T100",
        |s| optional(s.recovery.efficiency.map(percent)),
    ),
    column(
        "fano",
        "variance / mean of attempts in 100 ms bins: 1 = independent, N = a herd of N",
        |s| optional(s.spread.map(|spread| format!("{:.1}", spread.fano))),
    ),
    column("sync", "0 = even, 1 = all in one bin", |s| {
        optional(s.spread.map(|spread| format!("{:.3}", spread.sync)))
    }),
    column(
        "work",
        "handshakes the target did for each lost client, wasted ones and 0.1 for each refusal \
         included",
        |s| format!("{:.2}", s.work.amplification),
    ),
    column("SYN resends", "SYNs that had to be sent again", |s| {
        count(s.syn.resends)
    }),
];

const fn column(
    heading: &'static str,
    meaning: &'static str,
    cell: fn(&StormReport) -> String,
) -> Column {
    Column {
        heading,
        meaning,
        cell,
    }
}

fn back(after: BackAfter) -> String {
    optional(after.now_s.map(|seconds| format!("{seconds:.2}")))
}

fn optional(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

/// The name with a mark when the numbers are not to be believed as they stand.
fn label(run: &PolicyRun) -> String {
    let limited = run.storm.as_ref().is_some_and(|s| s.generator.limited);
    let mark = match (limited, run.verdict) {
        (true, _) => " (generator-limited)",
        (_, Verdict::Invalid) => " (invalid)",
        _ => "",
    };
    format!("{}{mark}", run.policy)
}

fn cells(run: &PolicyRun) -> Vec<String> {
    let cell = |column: &Column| run.storm.as_ref().map(column.cell);
    COLUMNS
        .iter()
        .map(|column| optional(cell(column)))
        .collect()
}

/// The table for a terminal, with what the columns mean and the conclusions.
pub fn terminal(scenario: &str, runs: &[PolicyRun], look: Look) -> String {
    // A policy a column: there are more figures than policies.
    let labels: Vec<String> = runs.iter().map(label).collect();
    let headings: Vec<&str> = labels.iter().map(String::as_str).collect();
    let mut table = Table::new(scenario, &headings);
    let all: Vec<Vec<String>> = runs.iter().map(cells).collect();
    for (index, column) in COLUMNS.iter().enumerate() {
        table.row(column.heading, all.iter().map(|cells| cells[index].clone()));
    }
    let mut lines = table.lines(look.width);
    lines.push(String::new());
    for line in conclusions(runs) {
        lines.extend(wrap(&line, look.width, 2));
    }
    lines.push(String::new());
    for column in &COLUMNS {
        let text = format!("{:<12}{}", column.heading, column.meaning);
        lines.extend(wrap(&text, look.width, 12));
    }
    for run in runs {
        let text = format!("{}: {}", run.policy, run.words);
        lines.extend(wrap(&text, look.width, 2));
    }
    lines.join("\n") + "\n"
}

/// The same as Markdown.
pub fn markdown(scenario: &str, runs: &[PolicyRun]) -> String {
    let mut text = format!("## {scenario}: one storm, {} policies\n\n", runs.len());
    let headings: Vec<&str> = COLUMNS.iter().map(|column| column.heading).collect();
    text += &format!("| policy | {} |\n", headings.join(" | "));
    text += &format!("|---|{}\n", "---:|".repeat(COLUMNS.len()));
    for run in runs {
        text += &format!("| {} | {} |\n", label(run), cells(run).join(" | "));
    }
    text.push('\n');
    for line in conclusions(runs) {
        text += &format!("- {line}\n");
    }
    text.push('\n');
    for column in &COLUMNS {
        text += &format!("- *{}*: {}\n", column.heading, column.meaning);
    }
    for run in runs {
        text += &format!("- `{}`: {}\n", run.policy, run.words);
    }
    text
}

/// The same as CSV, for a spreadsheet: times in seconds, `-` where there is none.
pub fn csv(runs: &[PolicyRun]) -> String {
    let headings: Vec<&str> = COLUMNS.iter().map(|column| column.heading).collect();
    let mut text = format!("policy,{}\n", headings.join(","));
    for run in runs {
        let cells: Vec<String> = cells(run)
            .iter()
            .map(|cell| cell.replace(',', ""))
            .collect();
        text += &format!("{},{}\n", run.policy, cells.join(","));
    }
    text
}

/// Whole reports, as `storms` of result.json holds them.
pub fn json(scenario: &str, runs: &[PolicyRun]) -> String {
    let document = serde_json::json!({
        "schema_version": 1,
        "scenario": scenario,
        "policies": runs,
    });
    format!("{document:#}\n")
}

/// Which policy is soonest, which does the least, and which come out best at both.
fn conclusions(runs: &[PolicyRun]) -> Vec<String> {
    let known: Vec<(&PolicyRun, &StormReport)> = runs
        .iter()
        .filter_map(|run| Some((run, run.storm.as_ref()?)))
        .collect();
    let mut lines = Vec::new();
    let t99 = |storm: &StormReport| storm.recovery.t99.now_s;
    let soonest = known
        .iter()
        .filter(|(_, storm)| t99(storm).is_some())
        .min_by(|(_, a), (_, b)| {
            let (a, b) = (t99(a).unwrap_or(f64::MAX), t99(b).unwrap_or(f64::MAX));
            a.total_cmp(&b)
        });
    if let Some((run, storm)) = soonest {
        let seconds = t99(storm).unwrap_or_default();
        lines.push(format!(
            "soonest back (T99): {}, {seconds:.2} s",
            run.policy
        ));
    }
    let all_back = known.iter().filter(|(_, storm)| storm.recovered);
    if let Some((run, storm)) = all_back.clone().min_by(|(_, a), (_, b)| {
        let work = |s: &StormReport| s.work.amplification;
        work(a).total_cmp(&work(b))
    }) {
        let work = storm.work.amplification;
        lines.push(format!(
            "least work with everybody back: {}, {work:.2} handshakes for each client",
            run.policy
        ));
    }
    if let Some((run, storm)) = all_back.min_by_key(|(_, storm)| storm.attempts.peak_100ms) {
        let peak = count(storm.attempts.peak_100ms);
        lines.push(format!(
            "gentlest peak with everybody back: {}, {peak} attempts in 100 ms",
            run.policy
        ));
    }
    let failed: Vec<&str> = known
        .iter()
        .filter(|(_, storm)| !storm.recovered)
        .map(|(run, _)| run.policy.as_str())
        .collect();
    if !failed.is_empty() {
        lines.push(format!("not everybody came back: {}", failed.join(", ")));
    }
    for run in runs.iter().filter(|run| run.storm.is_none()) {
        lines.push(format!("{}: no storm was seen", run.policy));
    }
    for (run, storm) in known.iter().filter(|(_, storm)| storm.generator.limited) {
        let lag = storm.generator.lag.map_or(0.0, |lag| lag.p99_ms);
        lines.push(format!(
            "{}: attempts began {} ms late at p99: its peaks are lower bounds",
            run.policy,
            millis(lag)
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::storm::{StormAttempts, StormRecovery, StormWork};

    fn run(policy: &str, attempts: u64, t99: Option<f64>) -> PolicyRun {
        let after = |now_s| BackAfter {
            now_s,
            ever_s: now_s,
        };
        PolicyRun {
            policy: policy.to_owned(),
            words: "as told".to_owned(),
            verdict: Verdict::Pass,
            storm: Some(StormReport {
                clients_lost: 1_000,
                recovered: t99.is_some(),
                attempts: StormAttempts {
                    total: attempts,
                    peak_100ms: attempts / 10,
                    ..StormAttempts::default()
                },
                recovery: StormRecovery {
                    t99: after(t99),
                    ..StormRecovery::default()
                },
                work: StormWork {
                    amplification: attempts as f64 / 1_000.0,
                    ..StormWork::default()
                },
                ..StormReport::default()
            }),
            files: "results/x".to_owned(),
        }
    }

    fn three() -> [PolicyRun; 3] {
        [
            run("fixed", 6_000, Some(3.02)),
            run("full", 3_400, Some(14.16)),
            run("signalr", 3_000, None),
        ]
    }

    #[test]
    fn conclusions_name_the_best_at_each_thing() {
        assert_eq!(
            conclusions(&three()),
            [
                "soonest back (T99): fixed, 3.02 s",
                "least work with everybody back: full, 3.40 handshakes for each client",
                "gentlest peak with everybody back: full, 340 attempts in 100 ms",
                "not everybody came back: signalr",
            ]
        );
        let mut none = three();
        none[0].storm = None;
        assert!(conclusions(&none).contains(&"fixed: no storm was seen".to_owned()));
        assert_eq!(conclusions(&[]), [""; 0]);
    }

    #[test]
    fn every_format_has_every_policy_and_column() {
        let runs = three();
        let look = Look {
            width: 200,
            color: false,
        };
        let text = terminal("storm", &runs, look);
        let table = markdown("storm", &runs);
        let sheet = csv(&runs);
        for format in [&text, &table, &sheet, &json("storm", &runs)] {
            for run in &runs {
                assert!(format.contains(&run.policy), "{format}");
            }
        }
        for column in &COLUMNS {
            for format in [&text, &table, &sheet] {
                assert!(format.contains(column.heading), "{}", column.heading);
            }
        }
        let width = sheet.lines().map(|line| line.split(',').count());
        assert!(width.clone().all(|n| n == COLUMNS.len() + 1), "{sheet}");
        assert!(text.contains("14.16") && table.contains("| signalr | 1,000 |"));
        let narrow = terminal(
            "storm",
            &runs,
            Look {
                width: 20,
                color: false,
            },
        );
        assert!(
            narrow.contains("T99 s\n  fixed 3.02\n  full 14.16"),
            "{narrow}"
        );
    }
}
