//! What others build into their pipelines: action.yml, ci/gitlab.yml and the Dockerfile are well-formed,
//! name flags, variables, scenarios and files that exist, and run nothing as root. No container engine
//! and no CI is asked: whether an image builds is not tested here.

use std::collections::BTreeSet;

use assert_cmd::Command;
use saphyr::{LoadableYamlNode, Yaml};

fn read(path: &str) -> String {
    std::fs::read_to_string(path).expect(path)
}

/// The only document of a file.
fn yaml(text: &str) -> Yaml<'_> {
    let mut documents = Yaml::load_from_str(text).expect("YAML");
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

fn get<'a, 'y>(node: &'a Yaml<'y>, path: &[&str]) -> &'a Yaml<'y> {
    path.iter().fold(node, |node, key| {
        node.as_mapping_get(key)
            .unwrap_or_else(|| panic!("no {key} of {path:?}"))
    })
}

fn text<'a>(node: &'a Yaml<'_>, path: &[&str]) -> &'a str {
    let found = get(node, path);
    found
        .as_str()
        .unwrap_or_else(|| panic!("{path:?} is no text"))
}

fn keys(node: &Yaml<'_>) -> BTreeSet<String> {
    let mapping = node.as_mapping().expect("a mapping");
    let keys = mapping.keys().map(|key| key.as_str().expect("a word"));
    keys.map(str::to_owned).collect()
}

fn help(command: &str) -> String {
    let mut wsbench = Command::cargo_bin("wsbench").expect("built");
    let output = wsbench.args([command, "--help"]).output().expect("it runs");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// `--flags` of the lines that are not of other programs.
fn flags(script: &str) -> BTreeSet<String> {
    let lines = script.lines().filter(|line| !line.contains("cargo "));
    let words =
        lines.flat_map(|line| line.split(|c: char| c.is_whitespace() || "()\"".contains(c)));
    let flags = words.filter(|word| word.starts_with("--") && word.len() > 2);
    flags.map(str::to_owned).collect()
}

/// Those that the help of `command` does not list.
fn unknown(flags: &BTreeSet<String>, command: &str) -> Vec<String> {
    let help = help(command);
    let known: BTreeSet<&str> = help
        .split(|c: char| c.is_whitespace() || "[],`".contains(c))
        .collect();
    let unknown = flags.iter().filter(|flag| !known.contains(flag.as_str()));
    unknown.cloned().collect()
}

#[test]
fn the_rule_for_flags_can_fail() {
    let wrong = flags("wsbench run x --out y --no-such-flag");
    assert_eq!(unknown(&wrong, "run"), ["--no-such-flag"]);
}

#[test]
fn the_action_calls_wsbench_as_it_is() {
    let whole = read("action.yml");
    let action = yaml(&whole);
    assert_eq!(text(&action, &["runs", "using"]), "composite");
    let steps = get(&action, &["runs", "steps"])
        .as_sequence()
        .expect("steps");
    let mut scripts = String::new();
    for step in steps {
        let step_keys = keys(step);
        assert!(
            step_keys.contains("run") != step_keys.contains("uses"),
            "{step_keys:?}"
        );
        if step_keys.contains("run") {
            // The composite rule that is forgotten most.
            assert_eq!(text(step, &["shell"]), "bash");
            let script = text(step, &["run"]);
            assert!(
                !script.contains("${{"),
                "text of others in a script: {script}"
            );
            scripts += script;
        }
    }
    let found = flags(&scripts);
    assert!(found.len() >= 5, "{found:?}");
    assert_eq!(unknown(&found, "run"), [""; 0]);
    // Each input is used, and each that is used is there.
    let inputs = keys(get(&action, &["inputs"]));
    let used = whole.split("inputs.").skip(1).map(|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_lowercase() || c == '-'));
        rest[..end.unwrap_or(rest.len())].to_owned()
    });
    assert_eq!(used.collect::<BTreeSet<_>>(), inputs);
    for input in &inputs {
        let input = get(&action, &["inputs", input]);
        assert!(!text(input, &["description"]).is_empty());
        let keys = keys(input);
        assert!(keys.contains("default") != keys.contains("required"));
    }
    assert!(text(&action, &["outputs", "verdict", "value"]).contains("steps.run.outputs.verdict"));
}

/// The shell line of the action finds the verdict where a result has it.
#[test]
fn a_result_has_its_verdict_where_the_action_looks() {
    let action = read("action.yml");
    let line = action
        .lines()
        .find(|line| line.contains("sed -n"))
        .expect("sed");
    assert!(
        line.contains(r#"s/^  "verdict": "\([a-z]*\)",$/\1/p"#),
        "{line}"
    );
    let source = read("src/result/run.rs");
    // A field that is not the last of the document, so that a comma follows it.
    assert!(source.contains("pub verdict: Verdict,\n"));
}

#[test]
fn the_gitlab_template_calls_wsbench_as_it_is() {
    let whole = read("ci/gitlab.yml");
    let template = yaml(&whole);
    let job = get(&template, &[".wsbench"]);
    let script = get(job, &["script"]).as_sequence().expect("lines");
    let lines: Vec<&str> = script
        .iter()
        .map(|line| line.as_str().expect("text"))
        .collect();
    for (command, line) in ["run", "report"].iter().flat_map(|command| {
        let call = format!("wsbench {command} ");
        let calls = lines.iter().filter(move |line| line.contains(&call));
        calls.map(move |line| (command, line))
    }) {
        assert_eq!(unknown(&flags(line), command), [""; 0], "{line}");
    }
    assert!(help("report").contains("gitlab"));
    let of_run = help("run");
    for name in ["WSBENCH_TARGET", "WSBENCH_BASELINE", "WSBENCH_SEED"] {
        assert!(
            whole.contains(name) && of_run.contains(&format!("[env: {name}")),
            "{name}"
        );
    }
    let scenario = text(job, &["variables", "WSBENCH_SCENARIO"]);
    assert!(std::path::Path::new(scenario).exists(), "{scenario}");
    let reports = keys(get(job, &["artifacts", "reports"]));
    assert!(reports.contains("junit") && reports.contains("metrics"));
    assert_eq!(text(job, &["artifacts", "when"]), "always");
}

#[test]
fn the_image_holds_one_program_that_runs_without_rights() {
    let dockerfile = read("Dockerfile");
    let lines = dockerfile.lines().map(str::trim);
    let lines: Vec<&str> = lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let known = [
        "FROM",
        "RUN",
        "WORKDIR",
        "COPY",
        "USER",
        "ENTRYPOINT",
        "CMD",
    ];
    let mut stages: Vec<Vec<(&str, &str)>> = Vec::new();
    for line in &lines {
        let (word, rest) = line.split_once(' ').expect("an instruction");
        assert!(known.contains(&word), "{line}");
        if word == "FROM" {
            stages.push(Vec::new());
        }
        stages
            .last_mut()
            .expect("FROM comes first")
            .push((word, rest));
    }
    assert!(stages.len() >= 2, "built in one stage, run in another");
    for stage in &stages[1..] {
        let user = stage
            .iter()
            .find(|(word, _)| *word == "USER")
            .expect("a user")
            .1;
        let id: u32 = user
            .split(':')
            .next()
            .and_then(|id| id.parse().ok())
            .expect("a number");
        assert!(id > 0, "not root");
        let entry = stage
            .iter()
            .find(|(word, _)| *word == "ENTRYPOINT")
            .expect("an entry")
            .1;
        let entry: Vec<String> = serde_json::from_str(entry).expect("the exec form");
        assert_eq!(entry, ["/usr/local/bin/wsbench"]);
        assert!(
            stage.iter().all(|(word, _)| *word != "RUN"),
            "there is no shell"
        );
    }
    let copied = stages[0].iter().filter(|(word, _)| *word == "COPY");
    for source in copied.flat_map(|(_, rest)| {
        let words: Vec<_> = rest.split(' ').collect();
        words[..words.len() - 1].to_vec()
    }) {
        assert!(std::path::Path::new(source).exists(), "{source}");
        let ignore = read(".dockerignore");
        assert!(
            ignore
                .lines()
                .any(|line| line == format!("!{}", source.trim_start_matches("./")))
        );
    }
}
