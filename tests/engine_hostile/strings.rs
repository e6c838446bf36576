//! Texts of a server that would like to be more than text (RELIABILITY 4.5 no. 52).

use super::trial::{Case, MANY, each};

#[test]
fn texts_of_a_server_are_escaped_cut_and_quoted_in_every_file() {
    each(&[1, MANY], |clients| {
        let paths = [
            "/after/reason_for_terminals",
            "/after/full_reason",
            "/before/http09",
            "/before/endless_body",
            "/before/huge_reason",
        ];
        let trial = Case::new(paths, *clients).sound();
        let reason = trial.example("closes", "lost:close_code{4000}");
        assert!(reason.contains(r"\u{1b}[2J\u{202e}\"), "{reason}");
        for (path, bytes) in trial.files() {
            let text = String::from_utf8(bytes).expect("every file is UTF-8");
            let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
            let shown = path.display();
            assert!(!text.contains(bad), "{shown}: {text}");
            let long = "reason ".repeat(60);
            assert!(!text.contains(&long), "{shown}: 64 KiB of a reason");
            if path.extension().is_some_and(|extension| extension == "csv") {
                assert_table(&shown.to_string(), &text);
            }
        }
    });
}

/// Every row has as many cells as the head, and no cell starts as a formula would.
fn assert_table(name: &str, text: &str) {
    let mut reader = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .from_reader(text.as_bytes());
    for row in reader.records() {
        let row = row.expect("as wide as its head");
        for cell in &row {
            assert!(!cell.starts_with(['=', '@', '+']), "{name}: {cell}");
            assert!(!cell.contains('\n'), "{name}: {cell}");
        }
    }
}
