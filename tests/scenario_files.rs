//! Every shipped scenario reads and fits the printed schema; every bad one is refused with all its
//! problems, word for word as recorded beside it.

#[path = "scenario_errors/random.rs"]
mod random;

use std::collections::BTreeMap;
use std::path::PathBuf;

use wsbench::scenario::{GatePlan, Overrides, Problems, Scenario, StatisticKind, Statistics};

/// Stands for the statistics of the results: the tests of files do not depend on their number.
fn kind(name: &str) -> Option<StatisticKind> {
    Some(match name {
        "round_trip.p50" | "round_trip.p99" | "round_trip.max" | "handshake.p50"
        | "handshake.p99" | "storm.recovered_99" => StatisticKind::Time,
        "heartbeats.missed_ratio" | "handshakes.failed_ratio" | "messages.unanswered_ratio" => {
            StatisticKind::Ratio
        }
        "heartbeats.missed" | "messages.sent" | "connections.lost" | "storm.gave_up"
        | "storm.peak_100ms" => StatisticKind::Count,
        "messages.rate" => StatisticKind::Rate,
        _ => return None,
    })
}

fn env(name: &str) -> Option<String> {
    match name {
        "HOST" => Some("127.0.0.1:9001".to_owned()),
        "SECRET" => Some("very-secret".to_owned()),
        "PAYLOAD" => Some("only-in-a-payload".to_owned()),
        "BAD_TIME" => Some("hidden-value".to_owned()),
        _ => None,
    }
}

fn read(name: &str, text: &str, overrides: &Overrides) -> Result<Scenario, Problems> {
    let names = [
        "round_trip.p50",
        "round_trip.p99",
        "heartbeats.missed_ratio",
        "messages.sent",
    ];
    let names = names.map(str::to_owned);
    let statistics = Statistics {
        kind: &kind,
        names: &names,
    };
    Scenario::parse(name, text, overrides, &env, &statistics)
}

fn files(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("the folder can be listed").path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} has scenarios");
    files
}

#[test]
fn bad_scenarios_are_refused_word_for_word() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("scenario_errors");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let files = files("tests/scenario_errors");
    assert!(files.len() >= 30, "{} bad files", files.len());
    for path in files {
        let text = std::fs::read_to_string(&path).expect("readable");
        let name = path.to_string_lossy();
        let problems = read(&name, &text, &Overrides::default()).expect_err(&name);
        let shown = problems.render(false);
        assert!(
            !shown.contains("very-secret") && !shown.contains("hidden-value"),
            "{shown}"
        );
        let stem = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        settings.bind(|| insta::assert_snapshot!(stem, shown));
    }
}

#[test]
fn shipped_scenarios_read_and_fit_the_schema() {
    let schema = wsbench::scenario::schema();
    jsonschema::meta::validate(&schema).expect("the schema itself is right");
    let schema = jsonschema::validator_for(&schema).expect("the schema compiles");
    let mut ports = BTreeMap::new();
    for path in files("scenarios") {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(&path).expect("readable");
        let scenario = read(&name, &text, &Overrides::default()).unwrap_or_else(|p| panic!("{p}"));
        assert_eq!(
            Some(scenario.name.as_str()),
            path.file_stem().and_then(|stem| stem.to_str())
        );
        assert!(scenario.server.is_some(), "{name} runs out of the box");
        assert!(!scenario.description.is_empty(), "{name} says what it is");
        assert!(
            text.contains("# Question: ") && text.contains("# Expect: "),
            "{name} opens with its question"
        );
        for threshold in &scenario.thresholds {
            let known =
                wsbench::result::statistics::known().any(|(known, _)| known == threshold.name);
            assert!(known, "{name}: results hold no {}", threshold.name);
        }
        let value: serde_json::Value = toml::from_str(&text).expect("TOML");
        let errors: Vec<_> = schema
            .iter_errors(&value)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        let port = scenario.target.urls[0].to_string();
        let port = port.split(':').nth(2).map(|rest| rest[..4].to_owned());
        let earlier = ports.insert(port, name.clone());
        assert_eq!(earlier, None, "{name} has a port of its own");
    }
}

#[test]
fn plans_say_in_words_what_a_scenario_does() {
    let mut plans = String::new();
    for path in files("scenarios") {
        let text = std::fs::read_to_string(&path).expect("readable");
        let name = path.display().to_string();
        let scenario = read(&name, &text, &Overrides::default()).unwrap_or_else(|p| panic!("{p}"));
        plans.push_str(&wsbench::commands::check::plan(&scenario, 1));
        plans.push('\n');
    }
    assert!(!plans.contains("my-secret"), "{plans}");
    insta::assert_snapshot!("plans", plans);
}

#[test]
fn the_schema_refuses_what_the_decoder_refuses() {
    let schema = wsbench::scenario::schema();
    let schema = jsonschema::validator_for(&schema).expect("the schema compiles");
    for file in [
        "unknown_keys",
        "wrong_types",
        "bad_units",
        "missing_keys",
        "step_nothing",
        "faults",
    ] {
        let text = std::fs::read_to_string(format!("tests/scenario_errors/{file}.toml"))
            .expect("readable");
        let mut value: serde_json::Value = toml::from_str(&text).expect("TOML");
        if value["load"]["drain"].is_object() {
            // A TOML date has no JSON form.
            value["load"]["drain"] = serde_json::json!("1s");
        }
        assert!(!schema.is_valid(&value), "{file}");
    }
    let good = serde_json::json!({ "name": "x", "load": { "stages": [ { "duration": "${D}", "clients": 1 } ] } });
    assert!(schema.is_valid(&good));
    let unknown = serde_json::json!({ "name": "x", "load": { "stages": [], "conections": 1 } });
    assert!(!schema.is_valid(&unknown));
}

#[test]
fn byte_order_mark_and_crlf_are_fine() {
    let text = std::fs::read_to_string("scenarios/echo.toml").expect("readable");
    let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    read("echo.toml", &windows, &Overrides::default()).unwrap_or_else(|p| panic!("{p}"));
}

#[test]
fn unreadable_files_are_refused_with_the_reason() {
    let statistics = Statistics {
        kind: &kind,
        names: &[],
    };
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("writable");
        path
    };
    let many_steps = format!(
        "name = \"x\"\n[target]\nurl = \"ws://h/\"\n[load]\nstages = [ {{ duration = \"1s\", clients = 1 }} ]\n[[session]]\nname = \"s\"\n{}",
        "[[session.step]]\nping = {}\n".repeat(10_001)
    );
    for (path, reason) in [
        (folder.path().join("missing.toml"), "no such file"),
        (folder.path().to_owned(), "is a directory"),
        (
            write("latin1", b"name = \"\xe9\""),
            "not UTF-8: byte offset 8",
        ),
        (write("nul", b"name = \"\0\""), "NUL byte at byte offset 8"),
        (write("large", &vec![b'#'; 10 << 20]), "larger than 1 MiB"),
        (
            write("steps", many_steps.as_bytes()),
            "at most 10000 are allowed",
        ),
    ] {
        let problems = Scenario::load(&path, &Overrides::default(), &statistics).expect_err(reason);
        assert!(problems.to_string().contains(reason), "{problems}");
    }
}

#[test]
fn hostile_sizes_are_refused_in_a_few_lines() {
    // Work that grows with the square of the size would take minutes here.
    let numbered = |line: &dyn Fn(usize) -> String| -> String {
        let mut text = String::new();
        for index in 0.. {
            let line = line(index);
            if text.len() + line.len() > 1 << 20 {
                return text;
            }
            text.push_str(&line);
        }
        text
    };
    for text in [
        numbered(&|n| format!("k{n}=1\n")),
        numbered(&|n| format!("[target.headers{n}]\n")),
        format!(
            "[target.headers]\n{}",
            numbered(&|n| format!("h{n}=\"\"\n"))
        ),
        numbered(&|_| "[[session]]\n".to_owned()),
        numbered(&|_| "}\n".to_owned()),
        format!("name = \"{}\"", "x".repeat((1 << 20) - 20)),
        "\"".repeat(1 << 20),
        "[".repeat(1 << 20),
        "a.".repeat(1 << 19),
        "{".repeat(1 << 20),
    ] {
        let problems = read(
            "x.toml",
            &text[..text.len().min(1 << 20)],
            &Overrides::default(),
        );
        let shown = problems.expect_err("not a scenario").render(false);
        assert!(shown.len() < 100_000, "{} bytes of messages", shown.len());
    }
}

fn echo(overrides: &Overrides) -> Result<Scenario, Problems> {
    let text = std::fs::read_to_string("scenarios/echo.toml").expect("readable");
    read("scenarios/echo.toml", &text, overrides)
}

#[test]
fn flags_win_over_the_file() {
    let set = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let overrides = Overrides {
        set: vec![
            set("load.stages.1.clients", "5k"),
            set("load.stages.0.duration", "2s"),
            set("heartbeat.interval", "\"7s\""),
            set("thresholds.\"round_trip.p99\"", "< 5ms"),
            set("session.0.step.0.every", "50/s"),
        ],
        target: Some("wss://[::1]:8443/?token=abcd1234".to_owned()),
        headers: vec![
            ("X-A".to_owned(), "1".to_owned()),
            ("X-A".to_owned(), "2".to_owned()),
        ],
        subprotocols: vec!["v2".to_owned()],
        insecure: true,
        server_name: Some("example.com".to_owned()),
        source_addresses: vec!["127.0.0.2".to_owned()],
        seed: Some(u64::MAX),
        ..Overrides::default()
    };
    let scenario = echo(&overrides).unwrap_or_else(|p| panic!("{p}"));
    assert_eq!(scenario.load.max_clients(), 5_000);
    assert_eq!(scenario.load.stages[0].duration.as_secs(), 2);
    assert_eq!(scenario.heartbeat.interval.as_secs(), 7);
    assert_eq!(scenario.thresholds[0].limit, 0.005);
    assert_eq!(
        scenario.target.urls[0].to_string(),
        "wss://[::1]:8443/?token=abcd1234"
    );
    assert!(
        scenario.server.is_none(),
        "--target: the server is not started"
    );
    assert_eq!(scenario.target.headers.len(), 2);
    assert_eq!(scenario.target.subprotocols[0].to_string(), "v2");
    assert!(scenario.target.tls.insecure);
    assert_eq!(scenario.target.source_addresses.len(), 1);
    assert_eq!(scenario.seed, u64::MAX);
    assert!(scenario.secrets.contains(&"abcd1234".to_owned()));
}

#[test]
fn wrong_flags_are_shown_as_given() {
    let set = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let overrides = Overrides {
        set: vec![
            set("load.stages.9.clients", "1"),
            set("load.cleints", "5"),
            set("load.warm_up", "5"),
            set("name.x", "1"),
            set("load..x", "1"),
            set("load.stages.first", "1"),
        ],
        target: Some("http://h/?token=abcd1234".to_owned()),
        headers: vec![("Upgrade".to_owned(), "x-secret".to_owned())],
        source_addresses: vec!["here".to_owned()],
        ..Overrides::default()
    };
    let problems = echo(&overrides).expect_err("wrong flags").render(false);
    assert!(
        !problems.contains("abcd1234") && !problems.contains("x-secret"),
        "{problems}"
    );
    insta::assert_snapshot!("wrong_flags", problems);
}

#[test]
fn the_environment_fills_text_and_stays_secret() {
    let text = "name = \"x\"\n[target]\nurl = \"ws://${HOST}/?token=${SECRET}\"\n[target.headers]\nAuthorization = \"Bearer ${SECRET}\"\n[load]\ndrain = \"${NONE:-3s}\"\nstages = [ { duration = \"1s\", clients = 1 } ]\n[[session]]\n[[session.step]]\nsend = \"$${SECRET} costs $5\"\n[[session.step]]\nsend = \"${PAYLOAD}\"\n";
    let scenario = read("x.toml", text, &Overrides::default()).unwrap_or_else(|p| panic!("{p}"));
    assert_eq!(
        scenario.target.urls[0].to_string(),
        "ws://127.0.0.1:9001/?token=very-secret"
    );
    assert_eq!(scenario.load.drain.as_secs(), 3);
    assert!(!scenario.source.contains("very-secret"));
    assert!(scenario.secrets.contains(&"very-secret".to_owned()));
    assert!(scenario.secrets.contains(&"only-in-a-payload".to_owned()));
    assert!(!scenario.secrets.contains(&"3s".to_owned()));
    let wsbench::scenario::Step::Send(send) = &scenario.sessions[0].steps[0] else {
        panic!("a send");
    };
    let wsbench::scenario::Payload::Text(payload) = &send.payload else {
        panic!("text");
    };
    assert_eq!(payload.to_string(), "${SECRET} costs $5");
}

#[test]
fn a_scenario_without_url_goes_to_its_server() {
    let text = "name = \"x\"\n[server]\ntoken = \"a b\"\ntls = true\nlisten = \"0.0.0.0:9100\"\n[load]\nstages = [ { duration = \"1s\", clients = 1 } ]\n";
    let scenario = read("x.toml", text, &Overrides::default()).unwrap_or_else(|p| panic!("{p}"));
    assert_eq!(
        scenario.target.urls[0].to_string(),
        "wss://127.0.0.1:9100/?token=a%20b"
    );
    assert!(scenario.target.tls.insecure, "its certificate is its own");
}

#[test]
fn presets_take_the_habits_of_their_stack() {
    for preset in [
        "ws",
        "websockets",
        "phoenix",
        "signalr",
        "discord",
        "stomp",
        "pusher",
        "actioncable",
    ] {
        let text = format!(
            "name = \"x\"\n[target]\nurl = \"ws://h/\"\n[load]\nstages = [ {{ duration = \"10m\", clients = 1 }} ]\n[heartbeat]\npreset = \"{preset}\"\n"
        );
        let scenario =
            read("x.toml", &text, &Overrides::default()).unwrap_or_else(|p| panic!("{p}"));
        let heartbeat = scenario.heartbeat;
        assert!(
            heartbeat.max_missed.is_some() != heartbeat.max_quiet.is_some(),
            "{preset}: {heartbeat:?}"
        );
    }
}

#[test]
fn a_gate_is_read_from_a_whole_file_and_from_the_text_of_a_result_alike() {
    let text = "name = \"g\"\ntarget.url = \"ws://${HOST}/\"\n\
                load.stages = [ { duration = \"1s\", clients = 1 } ]\n\
                [[data]]\nfile = \"scenario_errors/rows.csv\"\n\
                [gate]\nmin_effect = \"3%\"\n[gate.statistics]\n\
                \"round_trip.p99\" = \"10%\"\n\"heartbeats.missed_ratio\" = 0.002\n\
                \"handshake.p99\" = false\n\"messages.rate\" = true\n";
    let scenario = read("tests/g.toml", text, &Overrides::default()).expect("it reads");
    let plan = &scenario.gate;
    assert_eq!(plan.min_effect, Some(0.03));
    let rules = plan.statistics.iter();
    let rules: Vec<_> = rules
        .map(|rule| (rule.statistic.as_str(), rule.decides, rule.min_effect))
        .collect();
    assert_eq!(
        rules,
        [
            ("round_trip.p99", true, Some(0.1)),
            ("heartbeats.missed_ratio", true, Some(0.002)),
            ("handshake.p99", false, None),
            ("messages.rate", true, None),
        ]
    );
    let shown = wsbench::commands::check::plan(&scenario, 1);
    assert!(
        shown.contains("changes count from 3%, round_trip.p99 decides from 10%"),
        "{shown}"
    );
    assert!(!shown.contains("generator processes"), "{shown}");
    let apart = wsbench::commands::check::plan(&scenario, 3);
    assert!(apart.contains(", 3 generator processes here"), "{apart}");
    let statistics = Statistics {
        kind: &kind,
        names: &[],
    };
    // Neither the file with rows nor the variable is there.
    let none = BTreeMap::new();
    let elsewhere = GatePlan::of_text(text, &none, &statistics);
    assert_eq!(elsewhere.as_ref(), Ok(plan));
    let changed = |key: &str, value: &str| {
        let changes = [(key.to_owned(), value.to_owned())].into();
        GatePlan::of_text(text, &changes, &statistics)
    };
    let other = changed("gate.min_effect", "7%").expect("good");
    assert_eq!(other.min_effect, Some(0.07));
    assert_eq!(other.statistics, plan.statistics);
    let only = changed("gate.statistics", r#"{ "round_trip.p50" = true }"#).expect("good");
    assert_eq!(only.statistics.len(), 1);
    let elsewhere = changed("gates.min_effect", "7%");
    assert_eq!(elsewhere.as_ref(), Ok(plan), "another table");
    let bad = GatePlan::of_text("[gate]\nmin_efect = 1\n", &none, &statistics);
    assert!(bad.is_err_and(|error| error.contains("min_efect")));
    assert_eq!(
        GatePlan::of_text("", &none, &statistics),
        Ok(GatePlan::default())
    );
}
