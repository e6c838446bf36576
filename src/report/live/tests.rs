use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use super::*;
use crate::result::fixture;

const KEYS: &str = "q quit";

/// A minute in which clients come, the server stalls, and all is well again.
fn minute() -> Vec<TimelineRow> {
    let calm = fixture::result().timeline.rows[1].clone();
    let row = |n: u64| {
        let stalled = (30..36).contains(&n);
        TimelineRow {
            index: n,
            start_s: n as f64,
            end_s: n as f64 + 1.0,
            clients: (n * 100).min(1_000),
            connected: (n * 100).min(1_000),
            messages_sent: 10_000,
            replies_matched: if stalled { 2_000 } else { 10_000 },
            unanswered: if stalled { 150 } else { 0 },
            round_trip_p50_ms: (n != 50).then_some(if stalled { 900.0 } else { 0.2 }),
            round_trip_p90_ms: Some(if stalled { 2_000.0 } else { 0.5 }),
            round_trip_p99_ms: Some(if stalled { 5_000.0 } else { 1.5 }),
            censored_from: stalled.then(|| "p99".to_owned()),
            faults: if stalled {
                "stall".to_owned()
            } else {
                String::new()
            },
            ..calm.clone()
        }
    };
    (0..60).map(row).collect()
}

fn board(color: bool, rows: &[TimelineRow]) -> Board {
    let mut board = Board::new("chat", KEYS, color).planned(Duration::from_secs(60));
    rows.iter().for_each(|row| board.add(row.clone()));
    board
}

fn drawn(board: &Board, width: u16, height: u16) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("it cannot fail");
    terminal
        .draw(|frame| board.draw(frame))
        .expect("it cannot fail");
    terminal
}

fn text(board: &Board, width: u16, height: u16) -> String {
    drawn(board, width, height).backend().to_string()
}

#[test]
fn a_run_in_full_on_a_wide_terminal_and_in_short_on_a_narrow_one() {
    let board = board(false, &minute());
    insta::assert_snapshot!("wide", text(&board, 120, 40));
    insta::assert_snapshot!("narrow", text(&board, 60, 24));
}

#[test]
fn every_size_is_survived() {
    let mut board = board(true, &minute());
    board.note(Some("storm: 3 of 9 back".to_owned()));
    for width in (0..140).step_by(7) {
        for height in 0..45 {
            drawn(&board, width, height);
        }
    }
}

#[test]
fn before_the_first_interval_it_says_so() {
    let board = Board::new("chat", KEYS, false);
    let text = text(&board, 80, 24);
    assert!(text.contains("waiting for the first interval"), "{text}");
}

#[test]
fn lower_bounds_and_faults_are_told_while_they_last() {
    let rows = minute();
    let during = text(&board(false, &rows[..34]), 120, 40);
    for part in [
        "p99 > 5 s",
        "fault: stall",
        "so far: 600 unanswered",
        "lower bounds",
    ] {
        assert!(during.contains(part), "{part}: {during}");
    }
    let before = text(&board(false, &rows[..20]), 120, 40);
    // What never happened has no chart.
    for part in [
        "p99 >",
        "fault",
        "unanswered",
        "lower bounds",
        "troubles an",
    ] {
        assert!(!before.contains(part), "{part}: {before}");
    }
    assert!(before.contains("no troubles so far"), "{before}");
}

#[test]
fn every_trouble_has_its_words_and_its_sum() {
    let [first, second] = [3, 4].map(|n| TimelineRow {
        failed: n,
        lost: 10 * n,
        unanswered: 100 * n,
        heartbeats_missed: 1_000 * n,
        sends_skipped: 10_000 * n,
        arrivals_dropped: 100_000 * n,
        ..minute()[0].clone()
    });
    let text = text(&board(false, &[first, second]), 160, 10);
    let all = "so far: 7 failed dials, 70 lost connections, 700 unanswered, 7,000 missed beats, \
               70,000 skipped sends, 700,000 arrivals dropped";
    assert!(text.contains(all), "{text}");
}

#[test]
fn zoom_shows_the_end_and_comes_round_to_the_whole() {
    let mut board = board(false, &minute());
    for (first, words) in [
        ("0 s", "the whole run"),
        ("0 s", "the last 600 s"),
        ("0 s", "the last 120 s"),
        ("30 s", "the last 30 s"),
        ("0 s", "the whole run"),
    ] {
        let text = text(&board, 80, 24);
        assert!(text.contains(words), "{words}: {text}");
        assert!(text.contains(&format!("{first} ")), "{first}: {text}");
        board.zoom();
    }
}

#[test]
fn the_end_is_a_verdict_with_its_reason() {
    let mut board = board(false, &minute());
    let result = fixture::result();
    board.end(&result);
    let text = text(&board, 160, 24);
    let verdict = format!("verdict: {}", result.verdict.name());
    assert!(text.contains(&verdict), "{text}");
}

#[test]
fn without_colour_there_is_none_and_lines_differ_by_their_marks() {
    let plain = drawn(&board(false, &minute()), 120, 40);
    let cells = &plain.backend().buffer().content;
    assert!(
        cells
            .iter()
            .all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset)
    );
    let colored = drawn(&board(true, &minute()), 120, 40);
    let cells = &colored.backend().buffer().content;
    assert!(cells.iter().any(|cell| cell.fg == Color::Cyan));
}

#[test]
fn names_cannot_move_the_cursor() {
    let mut board = Board::new("\x1b[2Jevil\u{202e}", KEYS, false);
    board.note(Some("\x1b]0;title\x07".to_owned()));
    let text = text(&board, 80, 24);
    assert!(!text.contains(['\x1b', '\x07', '\u{202e}']), "{text:?}");
    assert!(text.contains("evil"), "{text}");
}
