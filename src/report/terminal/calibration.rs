//! A calibration for people: read in ten seconds, the sentence that counts last.

use anstyle::Style;

use super::Look;
use super::page::{BAD, BOLD, DIM, GOOD, Page, WARN};
use crate::calibrate::{Calibration, Capacity, Point, Truth};
use crate::exit::Exit;
use crate::report::table::Table;
use crate::report::view::{count, millis, percent};

/// The whole page.
pub fn render(calibration: &Calibration, look: Look) -> String {
    let mut page = Page {
        text: String::new(),
        look,
    };
    machine(&mut page, calibration);
    page.text.push('\n');
    truth(&mut page, &calibration.truth);
    statement(&mut page, calibration);
    page.text
}

fn machine(page: &mut Page, calibration: &Calibration) {
    let machine = &calibration.machine;
    let environment = &machine.environment;
    let (cpu, cores, kernel) = (&environment.cpu, environment.cores, &environment.kernel);
    let governor = machine.governor.as_deref().unwrap_or("unknown");
    let build = &environment.build_profile;
    page.field(
        "machine",
        &format!("{cpu}, {cores} cores, kernel {kernel}, governor {governor}, {build} build"),
    );
    let timer = &machine.timer;
    page.field(
        "timer",
        &format!(
            "an idle thread is woken late by {} ms at p50, {} at p99, {} at p99.9 ({})",
            millis(timer.quantiles.p50),
            millis(timer.quantiles.p99),
            millis(timer.quantiles.p999),
            machine.timer_kind
        ),
    );
    let clock = format!("{:.0} ns a reading", machine.clock_read_ns);
    page.field("clock", &clock);
    let share = |share: Option<f64>| share.map_or_else(|| "unknown".to_owned(), tenths);
    page.field(
        "neighbours",
        &format!(
            "{} of the processors' time stolen by the hypervisor, {} taken by other programs",
            share(machine.stolen),
            share(machine.others)
        ),
    );
    page.field("idle clients", &capacity(&calibration.capacity));
    if let Some(handshakes) = &calibration.handshakes {
        let mut text = format!(
            "{}/s from one shard, {} at a time; {}",
            count(handshakes.per_s.round() as u64),
            handshakes.at_once,
            busy(handshakes.busy, handshakes.server_busy)
        );
        if handshakes.failed > 0 {
            text += &format!("; {} dials failed", count(handshakes.failed));
        }
        page.field("handshakes", &text);
    }
}

/// `12.3 %`.
fn tenths(share: f64) -> String {
    percent((share * 1e3).round() / 1e3)
}

fn busy(generator: f64, server: Option<f64>) -> String {
    let whole = |share: f64| format!("{:.0} %", share * 100.0);
    let server = server.map_or_else(|| "unknown".to_owned(), whole);
    format!("generator {}, server {server} busy", whole(generator))
}

fn capacity(capacity: &Capacity) -> String {
    let number = |n: Option<u64>| match n {
        Some(u64::MAX) => "any number".to_owned(),
        Some(n) => count(n),
        None => "unknown".to_owned(),
    };
    let all = format!(
        "descriptors {}, ports {}, memory {}",
        number(capacity.descriptors),
        number(capacity.ports),
        number(capacity.memory)
    );
    match capacity.least() {
        Some((least, by)) => format!("up to {} by {by} ({all})", count(least)),
        None => all,
    }
}

fn truth(page: &mut Page, truth: &[Truth]) {
    let Some(first) = truth.first() else {
        return;
    };
    let heading = format!(
        "round_trip against a server that answers after {} ms",
        first.delay_ms
    );
    page.line(BOLD, &heading);
    let figures = [
        "busy",
        "truth p50",
        "p99",
        "measured p50",
        "p99",
        "error p50",
        "p99",
    ];
    let mut table = Table::new("messages/s", &figures);
    for truth in truth {
        let late = truth.server_late_ms.unwrap_or_default();
        let measured = &truth.point.measured;
        let cells = [
            format!("{:.0} %", measured.busy * 100.0),
            millis(truth.delay_ms + late.p50),
            millis(truth.delay_ms + late.p99),
            millis(measured.round_trip_ms.p50),
            millis(measured.round_trip_ms.p99),
            signed(truth.error_ms.p50),
            signed(truth.error_ms.p99),
        ];
        let rate = count(truth.point.asked_per_s);
        let shards = match truth.point.shards {
            1 => String::new(),
            more => format!(", {more} shards"),
        };
        let share = format!("{rate} ({:.0} % of the limit{shards})", truth.share * 100.0);
        table.row(&share, cells);
    }
    for line in table.lines(page.look.width) {
        page.styled(Style::new(), &line);
    }
    let note = "times in ms; truth = the delay and how late the server's answers really left; the \
                error holds the way there and back too, so it is an upper bound";
    page.line(DIM, note);
    page.text.push('\n');
}

/// Milliseconds that may be less than none.
fn signed(value: f64) -> String {
    let sign = if value < 0.0 { "-" } else { "" };
    sign.to_owned() + &millis(value.abs())
}

fn statement(page: &mut Page, calibration: &Calibration) {
    for noise in &calibration.noise {
        page.line(WARN, &format!("warning: {noise}"));
    }
    if !calibration.noise.is_empty() {
        page.text.push('\n');
    }
    let style = match calibration.exit() {
        Exit::Pass => GOOD,
        _ => BAD,
    };
    let mut lines = calibration.statement.iter();
    if let Some(first) = lines.next() {
        page.paragraph(style, first, 0);
    }
    for line in lines {
        page.paragraph(Style::new(), line, 0);
    }
    if calibration.interrupted {
        page.paragraph(WARN, "Stopped before its end.", 0);
    }
}

/// A load of the search, while it goes on.
pub fn progress(point: &Point) -> String {
    let measured = &point.measured;
    let shards = match point.shards {
        1 => "1 shard".to_owned(),
        more => format!("{more} shards"),
    };
    let verdict = match point.lies.first() {
        None => "on time".to_owned(),
        Some(lie) => format!("late: {lie}"),
    };
    format!(
        "{:>9} messages/s, {shards}: schedule_lag p99 {} ms, {}; {verdict}",
        count(point.asked_per_s),
        millis(measured.schedule_lag_ms.p99),
        busy(measured.busy, measured.server_busy),
    )
}

/// A load held against the truth, while it goes on.
pub fn progress_of_truth(truth: &Truth) -> String {
    format!(
        "{:>9} messages/s against a delay of {} ms: round_trip off by {} ms at p50, {} ms at p99",
        count(truth.point.asked_per_s),
        truth.delay_ms,
        signed(truth.error_ms.p50),
        signed(truth.error_ms.p99),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibrate::tests::calibration;

    fn look(width: usize) -> Look {
        Look {
            width,
            color: false,
        }
    }

    #[test]
    fn the_page_of_a_calibration() {
        insta::assert_snapshot!(render(&calibration(), look(100)));
    }

    #[test]
    fn no_line_of_text_is_wider_than_the_terminal() {
        for width in [40, 60, 80, 200] {
            let page = render(&calibration(), look(width));
            let widest = page.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(width), "{width}:\n{page}");
        }
    }

    #[test]
    fn loads_are_told_of_while_they_are_tried() {
        let lines: Vec<_> = calibration().points.iter().map(progress).collect();
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn an_error_below_zero_keeps_its_sign() {
        assert_eq!([signed(-0.05), signed(0.05)], ["-0.050", "0.050"]);
    }
}
