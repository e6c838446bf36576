//! The scenario file: strict TOML in, an always-valid [`Scenario`] or all of its problems out.
//!
//! Text -> tree with places -> flags laid over it -> checked against the tables -> built. Every step goes
//! on after a problem, so that one reading shows all of them. This is the only room that knows TOML.

mod builder;
mod check;
mod data;
mod environment;
mod fault;
mod findings;
mod gate;
mod heartbeat;
mod limits;
mod load;
mod matcher;
mod overrides;
mod payload;
mod preset;
mod reconnect;
mod schema;
mod section;
mod server;
mod session;
mod spec;
mod tables;
mod target;
mod threshold;
mod tree;
mod value;

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use toml::de::DeTable;

use super::problem::{Kind as ProblemKind, Place, Problem, Problems, SourceText};
use super::threshold::Statistics;
use super::{Load, Recipe, Scenario, Session, Step, Validity, Warning};
use builder::{Builder, reason};
use environment::Environment;
use findings::Findings;
use section::Section;
use tree::{Node, Planter, Value};

pub use overrides::Overrides;
pub use schema::schema;

/// Largest scenario file.
const MAX_FILE: u64 = 1 << 20;
/// How the TOML parser says that its own depth limit was met, and what the limit is.
const DEPTH_MESSAGES: [&str; 2] = ["recursion limit", "max recursion depth"];
const MAX_DEPTH: u32 = 80;
/// How it says that something was opened and not closed.
const UNCLOSED: [&str; 2] = ["unclosed", "multi-line"];

impl Scenario {
    /// Reads a scenario file; `-` is stdin. `${NAME}` is looked up in the process's environment.
    pub fn load(
        path: &Path,
        overrides: &Overrides,
        statistics: &Statistics<'_>,
    ) -> Result<Self, Problems> {
        let stdin = path == Path::new("-");
        let name = if stdin {
            "<stdin>".to_owned()
        } else {
            path.display().to_string()
        };
        let read = if stdin {
            limited(std::io::stdin().lock())
        } else {
            read_file(path)
        };
        let bytes = read.map_err(|error| {
            let message = format!("cannot read the scenario {name}: {}", reason(&error));
            Problems::whole(
                &name,
                message,
                "give the path of a scenario file, or - for stdin",
            )
        })?;
        let text = decode(&name, &bytes)?;
        let env = |name: &str| std::env::var(name).ok();
        let mut scenario = Self::parse(&name, text, overrides, &env, statistics)?;
        scenario.recipe.environment = true;
        Ok(scenario)
    }

    /// Reads a scenario from text. `name` is shown in messages; files that the scenario names are
    /// looked for in its folder. `env` looks up `${NAME}`.
    pub fn parse(
        name: &str,
        text: &str,
        overrides: &Overrides,
        env: &dyn Fn(&str) -> Option<String>,
        statistics: &Statistics<'_>,
    ) -> Result<Self, Problems> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.len() as u64 > MAX_FILE {
            return Err(too_large(name));
        }
        if let Some(at) = text.find('\0') {
            let message = format!("the scenario holds a NUL byte at byte offset {at}");
            return Err(Problems::whole(name, message, "a scenario is a text file"));
        }
        let mut sources = vec![SourceText {
            name: name.to_owned(),
            text: text.to_owned(),
        }];
        let mut findings = Findings::default();
        let mut root = plant(text, env, &mut findings);
        overrides::apply(overrides, &mut root, &mut sources, &mut findings);
        check::table(&tables::ROOT, &root, "", &mut findings);
        if findings.too_large || findings.is_full() {
            return Err(Problems::new(sources, worth_showing(findings.problems)));
        }
        let mut builder = Builder {
            folder: Path::new(name).parent().unwrap_or(Path::new("")),
            data: None,
            findings,
            steps: 0,
            regexes: 0,
        };
        let scenario = builder.scenario(&Section::new(&tables::ROOT, &root), text, statistics);
        let problems = worth_showing(builder.findings.problems);
        if problems.is_empty() {
            let recipe = Recipe {
                file: name.to_owned(),
                overrides: overrides.clone(),
                environment: false,
            };
            Ok(Self { recipe, ..scenario })
        } else {
            Err(Problems::new(sources, problems))
        }
    }
}

/// Parses TOML with best effort: its errors become problems, the rest a tree.
fn plant(text: &str, env: &Environment<'_>, findings: &mut Findings) -> Node {
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = error.span().unwrap_or(text.len()..text.len());
        let place = Place { source: 0, span };
        let deep = DEPTH_MESSAGES
            .iter()
            .any(|known| error.message().contains(known));
        let (message, hint) = if deep {
            (
                format!("nested deeper than {MAX_DEPTH} levels"),
                "write it flatter",
            )
        } else {
            let hint = if error.message().contains("must be quoted") {
                "put it in quotes: \"...\""
            } else if UNCLOSED.iter().any(|word| error.message().contains(word)) {
                "what follows was not checked"
            } else {
                ""
            };
            (format!("not TOML: {}", error.message()), hint)
        };
        findings.add(ProblemKind::Syntax, &place, message, hint);
    }
    let planter = Planter {
        source: 0,
        text,
        offset: 0,
        env: Some(env),
    };
    Node {
        place: Place {
            source: 0,
            span: 0..0,
        },
        value: Value::Table(planter.table(table.get_ref(), findings)),
        text_at: None,
        expanded: Vec::new(),
        unresolved: false,
    }
}

/// Leaves out what only follows from another problem.
fn worth_showing(mut problems: Vec<Problem>) -> Vec<Problem> {
    let start = |p: &Problem| {
        p.place
            .as_ref()
            .filter(|at| at.source == 0)
            .map(|at| at.span.start)
    };
    let is_syntax = |p: &Problem| p.kind == ProblemKind::Syntax;
    if problems.iter().any(is_syntax) {
        // What is missing or contradictory may only seem so: the parser skipped something.
        problems.retain(|p| matches!(p.kind, ProblemKind::Syntax | ProblemKind::Value));
        // Behind a bracket or quote that was not closed, everything is read as something else.
        let unclosed =
            |p: &&Problem| is_syntax(p) && UNCLOSED.iter().any(|word| p.message.contains(word));
        if let Some(end) = problems.iter().filter(unclosed).filter_map(start).min() {
            problems.retain(|p| start(p).is_none_or(|at| at <= end));
        }
    }
    let mut shown: Vec<Problem> = Vec::new();
    let (contradictions, others): (Vec<_>, Vec<_>) = problems
        .into_iter()
        .partition(|p| p.kind == ProblemKind::Contradiction);
    for problem in others {
        if problem.place.is_none() || shown.iter().all(|known| known.place != problem.place) {
            shown.push(problem);
        }
    }
    let certain = shown.len();
    for problem in contradictions {
        let touches = |known: &Problem| match (&known.place, &problem.place) {
            (Some(a), Some(b)) => {
                a.source == b.source && a.span.start < b.span.end && b.span.start < a.span.end
            }
            _ => false,
        };
        if !shown[..certain].iter().any(touches) {
            shown.push(problem);
        }
    }
    shown
}

fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    limited(std::fs::File::open(path)?)
}

/// Reads one byte more than allowed, so that the limit shows without reading the rest.
fn limited(from: impl Read) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX_FILE + 4).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn decode<'b>(name: &str, bytes: &'b [u8]) -> Result<&'b str, Problems> {
    if bytes.len() as u64 > MAX_FILE {
        return Err(too_large(name));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let message = format!(
            "the scenario is not UTF-8: byte offset {}",
            error.valid_up_to()
        );
        Problems::whole(name, message, "save it as UTF-8")
    })
}

fn too_large(name: &str) -> Problems {
    let message = format!("the scenario is larger than {} MiB", MAX_FILE >> 20);
    Problems::whole(
        name,
        message,
        "move data into a CSV file ([[data]]) and payloads into files",
    )
}

impl Builder<'_> {
    fn scenario(
        &mut self,
        root: &Section<'_>,
        text: &str,
        statistics: &Statistics<'_>,
    ) -> Scenario {
        self.data = self.data_set(root);
        let server_section = root.child("server", &tables::SERVER);
        let address = server_section
            .is_there()
            .then(|| self.server_address(&server_section));
        let (target, url) = self.target(&root.child("target", &tables::TARGET), address.as_ref());
        let server = server_section
            .is_there()
            .then(|| self.server(&server_section, url.as_ref(), root.integer("seed")));
        let load = self.load(&root.child("load", &tables::LOAD));
        let limits = self.caps(&root.child("limits", &tables::LIMITS), &target);
        let heartbeat = self.heartbeat(&root.child("heartbeat", &tables::HEARTBEAT));
        let reconnect = self.reconnect(&root.child("reconnect", &tables::RECONNECT));
        let sessions = self.sessions(root);
        let measure = load.duration().saturating_sub(load.warm_up);
        let thresholds = self.thresholds(root.entries("thresholds"), statistics, measure);
        let gate = self.gate(&root.child("gate", &tables::GATE), statistics);
        let validity = root.child("validity", &tables::VALIDITY);
        let relay = root.child("relay", &tables::RELAY);
        let faults = self.faults(root, measure, (server.is_some(), relay.is_there()));
        if let Some(plan) = &server {
            self.processes(&server_section, plan, &faults);
        }
        let relay = relay.is_there().then(|| self.relay(&relay, &target));
        let run = load.duration();
        let beats = !matches!(heartbeat.style, super::HeartbeatStyle::None);
        if beats && root.get("heartbeat").is_some() && heartbeat.interval > run {
            let interval = heartbeat.interval;
            self.findings
                .warnings
                .push(Warning::HeartbeatRare { interval, run });
        }
        self.warn(&load, &sessions);
        self.findings.secrets.retain(|secret| !secret.is_empty());
        self.findings.secrets.sort();
        self.findings.secrets.dedup();
        Scenario {
            name: root.text("name").to_owned(),
            description: root.text("description").to_owned(),
            seed: root.integer("seed"),
            source: text.into(),
            recipe: Recipe::default(),
            target,
            server,
            load,
            limits,
            heartbeat,
            reconnect,
            sessions,
            data: self.data.clone(),
            faults,
            relay,
            thresholds,
            gate,
            validity: validity_of(&validity),
            secrets: std::mem::take(&mut self.findings.secrets),
            warnings: std::mem::take(&mut self.findings.warnings),
        }
    }

    fn warn(&mut self, load: &Load, sessions: &[Session]) {
        let run = load.duration();
        let drain = load.drain;
        let longest = sessions
            .iter()
            .flat_map(|session| timeouts(&session.steps))
            .max();
        if let Some(timeout) = longest.filter(|timeout| *timeout > run) {
            self.findings
                .warnings
                .push(Warning::TimeoutBeyondRun { timeout, run });
        } else if let Some(timeout) = longest.filter(|timeout| *timeout > drain) {
            self.findings
                .warnings
                .push(Warning::DrainShort { timeout, drain });
        }
        let clients = load.max_clients();
        if let Some(rows) = self.data.as_ref().map(|data| data.rows.len())
            && rows < clients as usize
        {
            self.findings
                .warnings
                .push(Warning::RowsReused { rows, clients });
        }
        let total: u64 = sessions
            .iter()
            .map(|session| u64::from(session.weight))
            .sum();
        for session in sessions {
            if u64::from(clients) * u64::from(session.weight) < total && clients > 0 {
                let session = session.name.clone();
                self.findings
                    .warnings
                    .push(Warning::SessionUnused { session, clients });
            }
        }
    }
}

fn validity_of(section: &Section<'_>) -> Validity {
    Validity {
        schedule_lag_p99: section.optional_time("schedule_lag_p99"),
        busy: section.ratio("busy"),
        dropped_arrivals: section.flag("dropped_arrivals"),
        longest_stall: section.optional_time("longest_stall"),
    }
}

/// The timeouts of all replies of these steps.
fn timeouts(steps: &[Step]) -> Vec<Duration> {
    let mut found = Vec::new();
    for step in steps {
        match step {
            Step::Send(send) => found.extend(send.reply.as_ref().map(|reply| reply.timeout)),
            Step::Expect(reply) => found.push(reply.timeout),
            Step::Ping { timeout } => found.push(*timeout),
            Step::Repeat { steps, .. } => found.extend(timeouts(steps)),
            Step::Pause { .. } | Step::Close { .. } => {}
        }
    }
    found
}
