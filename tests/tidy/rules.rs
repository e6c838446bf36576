//! What the code of this tree does not do, and how large its parts may be.

use super::source::Source;

/// Crates and the only places that know them.
const FENCES: &[(&[&str], &[&str])] = &[
    (&["anyhow"], &["src/main.rs", "src/cli/", "src/commands/"]),
    (
        &["clap", "clap_complete", "clap_mangen"],
        &["src/cli/", "src/commands/"],
    ),
    (&["toml"], &["src/scenario/file/"]),
    (
        &[
            "tokio_tungstenite",
            "rustls",
            "rustls_native_certs",
            "tokio_rustls",
            "rcgen",
            "socket2",
            "httparse",
        ],
        &["src/wire/"],
    ),
    (&["hdrhistogram"], &["src/metrics/histogram.rs"]),
    (&["indicatif"], &["src/commands/"]),
    (
        &["ratatui"],
        &[
            "src/report/live/",
            "src/commands/screen.rs",
            "src/commands/watch.rs",
        ],
    ),
    (&["x509_parser"], &["src/probe/certificate.rs"]),
];

/// Macros that print, and the only places that do.
const PRINTS: [&str; 4] = ["print", "println", "eprint", "eprintln"];
const PRINTERS: [&str; 2] = ["src/commands/", "src/report/terminal/"];

/// Lines of code of a file; lines of a function.
const FILE: usize = 450;
const FUNCTION: usize = 70;

/// Crates named outside their fence.
pub fn fences(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    for (crates, places) in FENCES {
        if places.iter().any(|place| source.path.starts_with(place)) {
            continue;
        }
        for (index, lexeme) in source.lexemes.iter().enumerate() {
            let path = source.is_at(index + 1, &[":", ":"]);
            let used = index > 0 && source.is_at(index - 1, &["use"]);
            let inner = index > 1 && source.is_at(index - 2, &[":", ":"]);
            if crates.contains(&lexeme.text.as_str()) && (path || used) && !inner {
                let name = &lexeme.text;
                let places = places.join(", ");
                let line = lexeme.line;
                found.push(format!("{}:{line}: {name} outside {places}", source.path));
            }
        }
    }
    found
}

/// `unwrap`, macros for unfinished work, and printing from where nothing prints.
pub fn calls(source: &Source) -> Vec<String> {
    let prints = PRINTERS.iter().any(|place| source.path.starts_with(place));
    let mut found = Vec::new();
    for (index, lexeme) in source.lexemes.iter().enumerate() {
        let word = lexeme.text.as_str();
        let is_macro = ["(", "[", "{"]
            .iter()
            .any(|open| source.is_at(index + 1, &["!", open]));
        let complaint = if source.is_at(index, &[".", "unwrap", "("]) {
            "`unwrap`: return the error, or state the invariant with `expect`"
        } else if is_macro && ["todo", "unimplemented", "dbg"].contains(&word) {
            "unfinished work"
        } else if is_macro && ["panic", "unreachable"].contains(&word) {
            "a panic loses what was measured: return an error"
        } else if is_macro && PRINTS.contains(&word) && !prints {
            "prints outside src/commands and src/report/terminal"
        } else {
            continue;
        };
        found.push(format!("{}:{}: {complaint}", source.path, lexeme.line));
    }
    found
}

/// Files and functions that are too large to live in.
pub fn sizes(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let code = |line: &&str| !line.is_empty() && !line.starts_with("//");
    let lines = source.text.lines().map(str::trim).filter(code).count();
    if lines > FILE {
        found.push(format!(
            "{}: {lines} lines of code, over {FILE}",
            source.path
        ));
    }
    for (index, lexeme) in source.lexemes.iter().enumerate() {
        let Some(name) = source.lexemes.get(index + 1) else {
            continue;
        };
        let named = name
            .text
            .starts_with(|c: char| c.is_alphabetic() || c == '_');
        if lexeme.text != "fn" || !named {
            continue;
        }
        let Some(last) = body_end(source, index) else {
            continue;
        };
        let lines = last + 1 - lexeme.line;
        if lines > FUNCTION {
            let (path, line, name) = (&source.path, lexeme.line, &name.text);
            found.push(format!(
                "{path}:{line}: {name} has {lines} lines, over {FUNCTION}"
            ));
        }
    }
    found
}

/// The line of the closing brace of the function that begins at `index`; a mere signature has none.
fn body_end(source: &Source, index: usize) -> Option<usize> {
    let mut depth = 0;
    for lexeme in &source.lexemes[index..] {
        match lexeme.text.as_str() {
            ";" if depth == 0 => return None,
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 && lexeme.text == "}" {
            return Some(lexeme.line);
        }
    }
    None
}

/// Absolute paths that only one machine has.
pub fn machine_paths(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for folder in ["work", "farm", "root", "home", "Users"] {
            let marker = format!("/{folder}/");
            let stands_first = |(at, _): (usize, &str)| {
                let before = line[..at].chars().next_back();
                !before.is_some_and(|c| c.is_alphanumeric() || "_.-}".contains(c))
            };
            if line.match_indices(&marker).any(stands_first) {
                found.push(format!("{path}:{}: a path of one machine", number + 1));
            }
        }
    }
    found
}
