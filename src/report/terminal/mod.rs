//! The summary a person reads in ten seconds; the verdict stands last.
//!
//! Sections without data are left out. Everything that came from a server is escaped. Returns text:
//! printing it is the command's work, so that a closed pipe or a file is no special case.

pub mod calibration;
mod charts;
pub mod comparison;
mod judgement;
mod page;
pub mod probe;
mod storms;
mod traffic;

use std::path::Path;

use anstyle::Style;

use crate::metrics::Metric;
use crate::result::RunResult;

use super::table::Table;
use super::view::{self, FIGURES, plain, seconds};
use page::{BOLD, DIM, Page};

/// What the reader's terminal can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Columns; 80 when it is not a terminal.
    pub width: usize,
    /// Whether to style with ANSI codes.
    pub color: bool,
}

/// The whole summary, ending with a line end. `files` is where the result was saved.
pub fn render(result: &RunResult, look: Look, files: Option<&Path>) -> String {
    summary(result, look, files, |_| {})
}

/// The summary with pictures of the run over time: for a reader who has come back to it.
pub fn report(result: &RunResult, look: Look, files: Option<&Path>) -> String {
    summary(result, look, files, |page| {
        page.timeline(result);
        page.percentiles(result);
    })
}

fn summary(
    result: &RunResult,
    look: Look,
    files: Option<&Path>,
    pictures: impl Fn(&mut Page),
) -> String {
    let mut page = Page {
        text: String::new(),
        look,
    };
    page.header(result);
    page.times(result);
    pictures(&mut page);
    page.messages(result);
    page.heartbeats(result);
    page.deliveries(result);
    page.connections(result);
    page.storms(result);
    let (measured, outside) = (&result.summary, &result.outside_measure);
    page.failures("failed handshakes", &measured.failures);
    page.failures("lost connections", &measured.closes);
    page.failures("failed handshakes outside measure", &outside.failures);
    page.failures("lost connections outside measure", &outside.closes);
    page.thresholds(result);
    page.warnings(result);
    if let Some(files) = files {
        page.text.push('\n');
        page.field("files", &files.display().to_string());
    }
    page.verdict(result);
    page.text
}

impl Page {
    fn header(&mut self, result: &RunResult) {
        let scenario = &result.scenario;
        self.line(BOLD, &plain(&scenario.name));
        if !scenario.description.is_empty() {
            self.line(DIM, &plain(&scenario.description));
        }
        self.field("target", &result.target.urls.join(", "));
        if let Some(server) = view::server(result) {
            self.field("server", &server);
        }
        let ends = result.phases;
        let drain = ends.drain_end_s - ends.measure_end_s;
        let length = format!(
            "{} measured, after {} warm-up, before {} drain; seed {}",
            seconds(result.summary.measured_s),
            seconds(ends.warm_up_end_s),
            seconds(drain.max(0.0)),
            scenario.seed
        );
        self.field("load", &result.load);
        self.field("run", &length);
        if let Some(limits) = view::limits(result) {
            self.field("limits", &limits);
        }
        if !result.faults.is_empty() {
            self.field("faults", &view::faults(result));
        }
    }

    /// Every distribution in one table: the path of a connection, then of a message.
    fn times(&mut self, result: &RunResult) {
        let order = [
            Metric::RoundTrip,
            Metric::ServiceTime,
            Metric::ScheduleLag,
            Metric::Delivery,
            Metric::HeartbeatRtt,
            Metric::HeartbeatLag,
            Metric::PongDelay,
            Metric::Handshake,
            Metric::Resolve,
            Metric::TcpConnect,
            Metric::TlsHandshake,
            Metric::Upgrade,
            Metric::ArrivalLag,
            Metric::DialLag,
            Metric::ReconnectTime,
            Metric::DeathDetection,
            Metric::SessionTime,
            Metric::QuietBeforeLoss,
        ];
        let mut table = Table::new("times in ms", &FIGURES);
        for metric in order {
            if let Some(summary) = result.summary.metrics.get(&metric) {
                let part = matches!(
                    metric,
                    Metric::Resolve | Metric::TcpConnect | Metric::TlsHandshake | Metric::Upgrade
                );
                let indent = if part { "  " } else { "" };
                let label = format!("{indent}{}", metric.name());
                table.row(&label, view::figures(summary));
            }
        }
        if table.is_empty() {
            return;
        }
        self.text.push('\n');
        for (index, line) in table.lines(self.look.width).iter().enumerate() {
            let style = if index == 0 { BOLD } else { Style::new() };
            self.styled(style, line);
        }
        if result.validity.closed_loop && result.summary.metrics.contains_key(&Metric::RoundTrip) {
            self.line(DIM, "closed loop: a stalled server also slows the schedule");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::{InvalidReason, ThresholdOutcome, ThresholdState, Verdict, fixture};

    const WIDE: Look = Look {
        width: 80,
        color: false,
    };

    fn outcome(
        name: &str,
        limit: &str,
        value: Option<f64>,
        state: ThresholdState,
    ) -> ThresholdOutcome {
        ThresholdOutcome {
            name: name.to_owned(),
            limit: limit.to_owned(),
            value,
            unit: "s".to_owned(),
            censored: false,
            few_samples: None,
            state,
        }
    }

    /// The fixture as `compare` would have judged it.
    fn judged() -> RunResult {
        let mut result = fixture::result();
        result.thresholds = vec![
            outcome(
                "round_trip.p50",
                "< 50ms",
                Some(0.000_7),
                ThresholdState::Pass,
            ),
            outcome(
                "round_trip.p90",
                "< 1ms",
                Some(0.001_2),
                ThresholdState::Fail,
            ),
            outcome("delivery.p99", "< 1s", None, ThresholdState::NoData),
        ];
        result.verdict = Verdict::Fail;
        result.storms = vec![fixture::storm()];
        result
    }

    #[test]
    fn the_summary_of_a_run_with_some_of_everything() {
        let page = render(
            &judged(),
            WIDE,
            Some(Path::new("results/chat/2026-01-02T03-04-05Z")),
        );
        insta::assert_snapshot!(page);
    }

    #[test]
    fn storms_say_what_was_recovered_and_what_to_doubt() {
        let mut back = fixture::storm();
        back.ended = crate::result::storm::StormEnd::AllBack;
        (back.fault, back.gave_up, back.recovered) = (None, 0, true);
        for share in [&mut back.recovery.t90, &mut back.recovery.t99] {
            (share.now_s, share.ever_s) = (Some(3.5), Some(2.5));
        }
        (back.recovery.t100.now_s, back.recovery.t100.ever_s) = (Some(4.2), Some(4.2));
        back.recovery.efficiency = Some(3.0 / 4.2);
        back.work.lower_bound = false;
        back.generator.limited = true;
        back.generator.events_dropped = 5;
        back.attempts.duplicates = 1;
        let mut cut = fixture::storm();
        cut.ended = crate::result::storm::StormEnd::RunEnded;
        (cut.away, cut.measured, cut.spread) = (2, false, None);
        let mut result = fixture::result_of(fixture::facts(), &[]);
        result.storms = vec![back, cut];
        result.storms.resize(7, fixture::storm());
        result.storms_omitted = 3;
        let page = render(&result, WIDE, None);
        insta::assert_snapshot!(page);
    }

    #[test]
    fn an_invalid_run_says_why_and_ends_with_it() {
        let mut result = judged();
        result.verdict = Verdict::Invalid;
        result.validity.closed_loop = true;
        result.validity.reasons = vec![InvalidReason::ScheduleLag {
            p99_ms: 12.5,
            limit_ms: 11.0,
        }];
        let page = render(&result, WIDE, None);
        assert!(page.contains("warning: the generator sent late"), "{page}");
        assert!(
            page.contains("closed loop: a stalled server also slows"),
            "{page}"
        );
        assert!(page.ends_with("see the warnings)\n"), "{page}");
    }

    #[test]
    fn a_run_without_data_is_short() {
        let result = fixture::result_of(fixture::facts(), &[]);
        insta::assert_snapshot!(render(&result, WIDE, None));
    }

    #[test]
    fn a_target_that_never_answered_is_explained_though_measure_was_never_reached() {
        let mut facts = fixture::facts();
        facts.end_reason = crate::result::EndReason::NothingConnected;
        let refused = fixture::refused();
        let page = render(&fixture::result_of(facts, &[refused]), WIDE, None);
        assert!(page.contains("1 refused"), "{page}");
        assert!(page.contains("nothing listens there"), "{page}");
        assert!(page.contains("warning: nothing connected"), "{page}");
    }

    #[test]
    fn every_width_works() {
        for width in 0..200 {
            let page = render(&judged(), Look { width, color: true }, None);
            assert!(page.contains("fail"), "{width}");
        }
        let page = render(
            &judged(),
            Look {
                width: 20,
                color: false,
            },
            None,
        );
        let longest_word = "connections_attempted".len() + 20;
        assert!(
            page.lines()
                .all(|line| line.chars().count() <= longest_word),
            "{page}"
        );
    }

    #[test]
    fn colour_is_only_added_when_asked_for() {
        let plain = render(&judged(), WIDE, None);
        let colored = render(
            &judged(),
            Look {
                color: true,
                ..WIDE
            },
            None,
        );
        assert!(!plain.contains('\x1b') && colored.contains('\x1b'));
        assert_eq!(anstream::adapter::strip_str(&colored).to_string(), plain);
    }

    #[test]
    fn a_foreign_string_cannot_move_the_cursor() {
        let mut result = judged();
        result.scenario.name = "a\x1b[2J\nb".to_owned();
        result.summary.failures[0].example = Some("\u{202e}x\x07".to_owned());
        result.thresholds[0].name = "\x1b]0;x\x07".to_owned();
        result.storms[0].fault = Some("\x1b[2J".to_owned());
        result.storms[0].syn.steps[0].label = "\x07".to_owned();
        result.target.urls[0] = "ws://\x1b[1m".to_owned();
        let page = render(&result, WIDE, None);
        assert!(page.chars().all(|c| c == '\n' || !c.is_control()), "{page}");
    }
}
