//! The rules of this tree, held against its code: import direction, fences around crates, calls
//! that are not made, sizes, no path of one machine.
//!
//! Beside it: `scenario_files` reads every shipped scenario, `readme` holds the README against the
//! program, `.clippy.toml` bans single calls. Every rule is also shown made-up text that breaks it.

#[path = "tidy/layers.rs"]
mod layers;
#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/source.rs"]
mod source;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use source::Source;

/// Every file under `folder` that is kept in the repository, from its root.
fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.expect("the folder can be listed").path();
            let path = path.strip_prefix("./").unwrap_or(&path).to_owned();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // Raw runs end in their time, e.g. results/chat/2026-01-02T03-04-05Z.
            let raw = path.starts_with("results") && name.contains('T') && name.contains('Z');
            if raw || ["target", ".git"].contains(&&*name) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> Source {
    let text = std::fs::read_to_string(path).expect("readable");
    Source::new(&path.to_string_lossy(), &text)
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rs")
}

/// The program's code without files of tests.
fn program() -> Vec<Source> {
    let paths: Vec<_> = files("src").into_iter().filter(|p| is_rust(p)).collect();
    let sources: Vec<_> = paths.iter().map(|path| read(path)).collect();
    assert!(sources.len() > 100, "{} files", sources.len());
    let tests: BTreeSet<PathBuf> = sources.iter().flat_map(test_files).collect();
    let is_test = |path: &Path| tests.iter().any(|test| path.starts_with(test));
    let keep = |source: &Source| {
        let path = Path::new(&source.path);
        !is_test(path) && !is_test(&path.with_extension(""))
    };
    sources.into_iter().filter(keep).collect()
}

/// Modules of tests that a file declares, as paths without an extension.
fn test_files(source: &Source) -> Vec<PathBuf> {
    let path = Path::new(&source.path);
    let folder = match path.file_name() {
        Some(name) if name == "mod.rs" || name == "lib.rs" => path.with_file_name(""),
        _ => path.with_extension(""),
    };
    let names = source.test_modules.iter();
    names.map(|name| folder.join(name)).collect()
}

fn hold(rule: impl Fn(&Source) -> Vec<String>, sources: &[Source]) {
    let broken: Vec<_> = sources.iter().flat_map(rule).collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn imports_point_down() {
    hold(layers::violations, &program());
}

#[test]
fn crates_stay_behind_their_fences() {
    hold(rules::fences, &program());
}

#[test]
fn no_panic_no_print_no_unfinished_work() {
    hold(rules::calls, &program());
}

#[test]
fn files_and_functions_are_small() {
    let folders = ["src", "tests", "benches"].map(files).concat();
    let rust = folders.iter().filter(|path| is_rust(path));
    let sources: Vec<_> = rust.map(|path| read(path)).collect();
    hold(rules::sizes, &sources);
}

#[test]
fn no_file_names_a_path_of_one_machine() {
    let mut broken = Vec::new();
    for path in files(".") {
        // What is not text holds no path to follow.
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        broken.extend(rules::machine_paths(&path.to_string_lossy(), &text));
    }
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

/// How often a rule is broken by made-up text at a made-up place.
fn complaints(rule: impl Fn(&Source) -> Vec<String>, path: &str, text: &str) -> usize {
    rule(&Source::new(path, text)).len()
}

#[test]
fn a_wrong_import_is_found() {
    for (path, text, expected) in [
        ("src/wire/dial.rs", "use crate::failure::Kind;", 0),
        ("src/wire/dial.rs", "use crate::wire::Url;", 0),
        ("src/wire/dial.rs", "use crate::metrics::Counter;", 1),
        (
            "src/wire/dial.rs",
            "use crate::{failure, scenario::{Load, metrics}};",
            1,
        ),
        ("src/wire/dial.rs", "fn f() { crate::engine::run() }", 1),
        ("src/wire/dial.rs", "use super::super::engine;", 1),
        ("src/wire/dial.rs", "use super::engine;", 0),
        ("src/wire/mod.rs", "use super::engine;", 1),
        (
            "src/wire/dial.rs",
            "// use crate::engine;\n/// [`crate::engine`]\nfn f() {}",
            0,
        ),
        (
            "src/wire/dial.rs",
            "#[cfg(test)]\nmod tests { use crate::engine; }",
            0,
        ),
        ("src/scenario/load.rs", "use crate::result::Store;", 1),
        ("src/engine/run.rs", "use crate::server::serve;", 1),
        ("src/report/view.rs", "use crate::commands::run;", 1),
        ("src/commands/run.rs", "use crate::report::view;", 0),
        ("src/main.rs", "fn main() { wsbench::cli::main() }", 0),
        ("src/novel/mod.rs", "", 1),
    ] {
        assert_eq!(
            complaints(layers::violations, path, text),
            expected,
            "{path}: {text}"
        );
    }
}

#[test]
fn a_crate_outside_its_fence_is_found() {
    for (path, text, expected) in [
        ("src/engine/plan.rs", "use rustls::ClientConfig;", 1),
        ("src/wire/tls.rs", "use rustls::ClientConfig;", 0),
        ("src/engine/plan.rs", "use crate::wire::rustls::X;", 0),
        ("src/engine/plan.rs", "struct S { tls: rustls::X }", 1),
        ("src/scenario/load.rs", "fn f() { toml::from_str(\"\") }", 1),
        ("src/result/hlog.rs", "use hdrhistogram;", 1),
        (
            "src/engine/run.rs",
            "fn f() -> anyhow::Result<()> { g() }",
            1,
        ),
        (
            "src/engine/run.rs",
            "#[arg(action = clap::ArgAction::Count)] struct S;",
            1,
        ),
        (
            "src/engine/run.rs",
            "#[cfg(test)] mod tests { use rcgen::X; }",
            0,
        ),
    ] {
        assert_eq!(
            complaints(rules::fences, path, text),
            expected,
            "{path}: {text}"
        );
    }
}

#[test]
fn a_call_that_is_not_made_is_found() {
    let path = "src/engine/run.rs";
    for (path, text, expected) in [
        (path, "fn f() { g().unwrap() }", 1),
        (path, "fn f() { g().unwrap_or(1) }", 0),
        (path, "#[test] fn f() { g().unwrap() }", 1),
        (
            path,
            "#[cfg(test)] mod tests { fn f() { g().unwrap() } }",
            0,
        ),
        (path, "fn f() { todo!() }", 1),
        (path, "fn f() { dbg!(1); panic![] }", 2),
        (path, "fn f() { let todo = todo != (1); }", 0),
        (path, "fn f() { \"todo!()\"; }", 0),
        (path, "fn f() { println!(\"x\") }", 1),
        ("src/commands/run.rs", "fn f() { println!(\"x\") }", 0),
        ("src/report/terminal/mod.rs", "fn f() { print!(\"x\") }", 0),
        ("src/report/view.rs", "fn f() { eprintln!(\"x\") }", 1),
    ] {
        assert_eq!(
            complaints(rules::calls, path, text),
            expected,
            "{path}: {text}"
        );
    }
}

#[test]
fn a_large_file_or_function_is_found() {
    let path = "src/engine/run.rs";
    let function = |lines: usize| format!("fn f() {{\n{}}}\n", "g();\n".repeat(lines - 2));
    assert_eq!(complaints(rules::sizes, path, &function(70)), 0);
    assert_eq!(complaints(rules::sizes, path, &function(71)), 1);
    let file = |lines: usize| "fn f();\n// why\n\n".repeat(lines);
    assert_eq!(complaints(rules::sizes, path, &file(450)), 0);
    assert_eq!(complaints(rules::sizes, path, &file(451)), 1);
}

#[test]
fn a_path_of_one_machine_is_found() {
    let paths = |text: &str| rules::machine_paths("x", &text.replace('~', "/ro")).len();
    assert_eq!(paths("see ~ot/x"), 1);
    assert_eq!(paths("https://example.com~ot/x"), 0);
    assert_eq!(paths("$HOME/x, ./home"), 0);
}

#[test]
fn a_file_of_tests_is_left_out() {
    let source = Source::new("src/a/b.rs", "#[cfg(test)]\nmod tests;\nmod other;");
    assert_eq!(test_files(&source), [PathBuf::from("src/a/b/tests")]);
    let source = Source::new("src/a/mod.rs", "#[cfg(test)]\npub(crate) mod fixture;");
    assert_eq!(test_files(&source), [PathBuf::from("src/a/fixture")]);
}
