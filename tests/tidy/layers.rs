//! Who may import whom: rows of rooms, imports point down, rooms of one row are strangers.

use super::source::Source;

/// From the top. `probe` and `stats` are rooms to come.
const ROWS: [&[&str]; 8] = [
    &["main"],
    &["cli"],
    &["commands"],
    &["report"],
    &["engine", "server", "relay", "probe", "compare", "calibrate"],
    &["scenario", "result"],
    &["wire", "metrics", "stats"],
    &["units", "clock", "exit", "failure"],
];

/// Every import that does not point down, as `path:line: what`.
pub fn violations(source: &Source) -> Vec<String> {
    let Some(own) = room(&source.path) else {
        return Vec::new();
    };
    let Some(own_row) = row(own) else {
        return vec![format!("{}: the room {own} has no row", source.path)];
    };
    let mut found = Vec::new();
    for (line, other) in imports(source) {
        // Not a room: an item that the crate's root makes, or a macro.
        let Some(other_row) = row(&other) else {
            continue;
        };
        if other != own && other_row <= own_row {
            found.push(format!("{}:{line}: {own} imports {other}", source.path));
        }
    }
    found
}

/// The room of a file: the first name under `src`; the crate's root is none.
fn room(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("src/")?;
    let name = inside.split('/').next()?;
    Some(name.strip_suffix(".rs").unwrap_or(name)).filter(|name| *name != "lib")
}

fn row(room: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&room))
}

/// What is named through the crate's root: `crate::x`, `crate::{x, y}`, `super::super::x` from deep
/// enough, `wsbench::x` in the binary.
fn imports(source: &Source) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut index = 0;
    while index < source.lexemes.len() {
        let start = index;
        let mut supers = 0;
        while source.is_at(index, &["super", ":", ":"]) {
            supers += 1;
            index += 3;
        }
        let from_root = supers > 0 && supers >= depth(&source.path);
        let by_name = ["crate", "wsbench"]
            .iter()
            .any(|root| source.is_at(start, &[root, ":", ":"]));
        if by_name {
            index = start + 3;
        }
        if from_root || by_name {
            named(source, index, &mut found);
        }
        index = index.max(start + 1);
    }
    found
}

/// The name at `index`, or each first name inside the braces there.
fn named(source: &Source, index: usize, found: &mut Vec<(usize, String)>) {
    let mut depth = 0;
    for at in index..source.lexemes.len() {
        let lexeme = &source.lexemes[at];
        let first = at == index || source.is_at(at - 1, &["{"]) || source.is_at(at - 1, &[","]);
        match lexeme.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            word if first && depth <= 1 => found.push((lexeme.line, word.to_owned())),
            _ => {}
        }
        if depth == 0 {
            return;
        }
    }
}

/// How many `super::` lead from a file to the crate's root.
fn depth(path: &str) -> usize {
    let names = path.split('/').skip(1);
    names.filter(|name| *name != "mod.rs").count()
}
