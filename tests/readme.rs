//! The README against the program: its tables are what the program says, its flags exist, its files
//! are there. After a change of keys, columns or definitions: `UPDATE_README=1 cargo test --test readme`.

#[path = "readme/reference.rs"]
mod reference;

use std::collections::BTreeMap;

use assert_cmd::Command;

const PATH: &str = "README.md";

fn readme() -> String {
    std::fs::read_to_string(PATH).expect("the README is there")
}

fn output(arguments: &[&str]) -> String {
    let mut command = Command::cargo_bin("wsbench").expect("built");
    let output = command.args(arguments).output().expect("it runs");
    assert!(output.status.success(), "{arguments:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The exit codes as `--help` lists them.
fn exit_codes() -> String {
    let help = output(&["--help"]);
    let (_, codes) = help.split_once("Exit codes:\n").expect("listed");
    format!("```text\n{}\n```\n\n", codes.trim_end())
}

/// The text between `<!-- NAME -->` and `<!-- end NAME -->` replaced.
fn with_section(readme: &str, name: &str, body: &str) -> String {
    let (start, end) = (format!("<!-- {name} -->\n"), format!("<!-- end {name} -->"));
    let (before, rest) = readme
        .split_once(&start)
        .unwrap_or_else(|| panic!("no {start}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("no {end}"));
    format!("{before}{start}{body}{end}{after}")
}

#[test]
fn tables_are_what_the_program_says() {
    let old = readme();
    let mut new = old.clone();
    for (name, body) in [
        ("scenario keys", reference::scenario()),
        ("threshold names", reference::thresholds()),
        ("metrics", reference::catalogue()),
        ("columns", reference::columns()),
        ("exit codes", exit_codes()),
        (
            "starter",
            format!("```toml\n{}```\n", wsbench::commands::init::STARTER),
        ),
    ] {
        new = with_section(&new, name, &body);
    }
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(PATH, new).expect("writable");
    } else {
        assert!(old == new, "run UPDATE_README=1 cargo test --test readme");
    }
}

/// Flags of a line: `--name` until something that is no part of it.
fn flags(line: &str) -> Vec<&str> {
    let is_part = |c: char| c.is_ascii_lowercase() || c == '-' || c.is_ascii_digit();
    let words = line.match_indices("--").filter_map(|(at, _)| {
        let before = line[..at].chars().next_back();
        let rest = &line[at + 2..];
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let starts = before.is_none_or(|c| " `(|".contains(c));
        (starts && rest.starts_with(|c: char| c.is_ascii_lowercase()))
            .then_some(&line[at..at + 2 + end])
    });
    words.collect()
}

/// Flags that no help mentions, with the line they are on. A line that calls a command counts against
/// the help of that command, any other against all of them.
fn unknown_flags(text: &str, help: &BTreeMap<String, String>) -> Vec<String> {
    let knows = |help: &str, flag: &str| {
        let is_end = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '-');
        help.match_indices(flag)
            .any(|(at, _)| is_end(&help[at + flag.len()..]))
    };
    let mut unknown = Vec::new();
    for line in text.lines() {
        // Of other programs: `cargo test --test readme`.
        let foreign = ["cargo", "git", "benches/peers/run.py"]
            .iter()
            .any(|name| line.contains(&format!("{name} ")));
        let call = line
            .split("wsbench ")
            .nth(1)
            .and_then(|rest| rest.split([' ', '`']).next());
        for flag in flags(line).into_iter().filter(|_| !foreign) {
            let known = match call.and_then(|command| help.get(command)) {
                Some(help) => knows(help, flag),
                None => help.values().any(|help| knows(help, flag)),
            };
            if !known {
                unknown.push(format!("{flag} in: {line}"));
            }
        }
    }
    unknown
}

#[test]
fn every_flag_is_in_the_help_of_its_command() {
    let help = output(&["--help"]);
    let (_, commands) = help.split_once("Commands:\n").expect("listed");
    let names = commands.lines().take_while(|line| !line.is_empty());
    let names: Vec<_> = names
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let mut helps: BTreeMap<_, _> = names
        .iter()
        .filter(|name| **name != "help")
        .map(|name| ((*name).to_owned(), output(&[name, "--help"])))
        .collect();
    assert!(helps.len() >= 8, "{names:?}");
    helps.insert("".to_owned(), help.clone());
    let text = readme();
    assert_eq!(unknown_flags(&text, &helps), Vec::<String>::new());
    for name in helps.keys() {
        assert!(
            text.contains(&format!("wsbench {name}")),
            "no word about {name}"
        );
    }
    // The rule can fail: a flag of another command, and one of none.
    assert_eq!(
        unknown_flags("wsbench run x.toml --listen", &helps).len(),
        1
    );
    assert_eq!(unknown_flags("wsbench serve --listen", &helps).len(), 0);
    assert_eq!(unknown_flags("or `--no-such`", &helps).len(), 1);
    assert_eq!(unknown_flags("a -- b, --", &helps).len(), 0);
}

#[test]
fn every_file_it_names_is_there() {
    let text = readme();
    let words = text.split(|c: char| c.is_whitespace() || "`()[]\"|".contains(c));
    let kept = ["scenarios/", "src/", "tests/", "benches/", ".ci/"];
    let named: Vec<_> = words
        .filter(|word| kept.iter().any(|folder| word.starts_with(folder)))
        .map(|word| word.trim_end_matches([',', '.', ':', ';']))
        .collect();
    assert!(named.len() > 5, "{named:?}");
    for path in named {
        assert!(std::path::Path::new(path).exists(), "{path} is not there");
    }
}
