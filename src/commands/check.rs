//! `wsbench check`: validates a scenario and says in words what it would do.

use std::fmt::Write;
use std::path::Path;

use crate::commands::run::{addresses_for, processes_for};
use crate::exit::Exit;
use crate::scenario::{
    AnswerPings, FaultKind, Forecast, GatePlan, Heartbeat, HeartbeatStyle, Load, LoadModel,
    Overrides, Scenario, Statistics, Step, redact, redact_url,
};
use crate::units::{ByteSize, Ratio, TimeSpan};

/// Prints the plan on stdout, or all problems on stderr.
pub fn run(
    path: &Path,
    overrides: &Overrides,
    statistics: &Statistics<'_>,
    color: bool,
) -> anyhow::Result<Exit> {
    match Scenario::load(path, overrides, statistics) {
        Ok(scenario) => {
            super::print(&plan(&scenario, processes_for(&scenario)))?;
            Ok(Exit::Pass)
        }
        Err(problems) => {
            // The stream strips styles where they cannot be shown.
            let text = problems.render(color);
            let _ = std::io::Write::write_all(&mut anstream::stderr(), text.as_bytes());
            Ok(Exit::Usage)
        }
    }
}

/// Connections from one source address to one target with Linux's default range of ephemeral ports.
const EPHEMERAL_PORTS: u64 = 28_232;

/// The plan in words, one fact a line, without secrets; `processes` generate its load.
pub fn plan(scenario: &Scenario, processes: u16) -> String {
    let forecast = Forecast::of(scenario);
    let mut out = format!("{}: {}\n", scenario.name, scenario.description);
    let mut row = |name: &str, text: String| {
        if !text.is_empty() {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "  {name:<11} {text}");
        }
    };
    for url in &scenario.target.urls {
        row("target", redact_url(&url.to_string()));
    }
    if let Some(server) = &scenario.server {
        let behaviour = format!("{:?}", server.behaviour).to_lowercase();
        let processes = match server.processes {
            None | Some(1) => String::new(),
            Some(processes) => format!(", {processes} processes"),
        };
        row(
            "server",
            format!("built in, started by the run: {behaviour}{processes}"),
        );
    }
    row("relay", relay(scenario));
    row("load", load(&scenario.load, &forecast));
    row("phases", phases(&scenario.load));
    let weights: u32 = scenario.sessions.iter().map(|session| session.weight).sum();
    for session in &scenario.sessions {
        let share = 100.0 * f64::from(session.weight) / f64::from(weights.max(1));
        let text = format!(
            "{} ({share:.0} % of clients): {}",
            session.name,
            steps(&session.steps)
        );
        row("session", text);
    }
    row("messages", messages(&forecast));
    row("deliveries", deliveries(&forecast));
    row("heartbeats", heartbeat(&scenario.heartbeat, &forecast));
    row("reconnect", scenario.reconnect.to_string());
    row("limits", super::limits::in_words(scenario));
    row("needs", needs(scenario, &forecast, processes));
    for threshold in &scenario.thresholds {
        let symbol = threshold.comparison.symbol();
        let abort = if threshold.abort_run {
            ", ends the run when broken"
        } else {
            ""
        };
        row(
            "threshold",
            format!(
                "{} {symbol} {}{abort}",
                threshold.name, threshold.limit_text
            ),
        );
    }
    row("gate", gate(&scenario.gate));
    for warning in &scenario.warnings {
        row("warning", warning.to_string());
    }
    if let Some(refusal) = super::limits::beyond(scenario) {
        let text = format!("a run is refused: {}; {}", refusal.reason, refusal.hint);
        row("note", text);
    }
    if let Some(question) = super::limits::unasked(scenario) {
        row("note", format!("{}: a run needs --yes", question.reason));
    }
    redact(&out, &scenario.secrets).into_owned()
}

fn relay(scenario: &Scenario) -> String {
    let Some(plan) = &scenario.relay else {
        return String::new();
    };
    let shown: Vec<String> = plan
        .toxics
        .iter()
        .take(6)
        .map(ToString::to_string)
        .collect();
    let mut text = "between clients and target, from the start: ".to_owned();
    text.push_str(&match &shown[..] {
        [] => "no toxic".to_owned(),
        _ => shown.join("; "),
    });
    if plan.toxics.len() > shown.len() {
        let _ = write!(text, "; and {} more", plan.toxics.len() - shown.len());
    }
    let faults = scenario.faults.iter();
    let timed = faults.filter(|fault| matches!(fault.kind, FaultKind::Relay(_)));
    let timed = timed.count();
    if timed > 0 {
        let _ = write!(text, "; {timed} of the faults are its too");
    }
    if scenario
        .target
        .urls
        .iter()
        .any(|url| url.to_string().starts_with("wss:"))
    {
        text.push_str(" (TLS: it sees no frames)");
    }
    text
}

fn load(load: &Load, forecast: &Forecast) -> String {
    let unit = match load.model {
        LoadModel::Closed => "clients",
        LoadModel::Open { .. } => "arrivals/s",
    };
    let mut level = 0.0;
    let mut text = match load.model {
        LoadModel::Closed => "closed".to_owned(),
        LoadModel::Open { poisson: true, .. } => "open, Poisson arrivals".to_owned(),
        LoadModel::Open { .. } => "open, even arrivals".to_owned(),
    };
    for stage in load.stages.iter().take(8) {
        let span = TimeSpan(stage.duration);
        let goal = number(stage.goal);
        let part = if stage.goal == level {
            format!("; {goal} {unit} for {span}")
        } else {
            format!("; to {goal} {unit} in {span}")
        };
        text.push_str(&part);
        level = stage.goal;
    }
    if load.stages.len() > 8 {
        let _ = write!(text, "; and {} more stages", load.stages.len() - 8);
    }
    let arrivals = number(forecast.arrivals);
    let _ = match load.model {
        LoadModel::Closed => write!(text, " ({arrivals} clients started)"),
        LoadModel::Open { max_clients, .. } => {
            write!(
                text,
                " ({arrivals} arrivals, at most {} clients at once)",
                number(f64::from(max_clients))
            )
        }
    };
    text
}

fn phases(load: &Load) -> String {
    let (warm_up, end) = (TimeSpan(load.warm_up), TimeSpan(load.duration()));
    let measure = TimeSpan(load.duration().saturating_sub(load.warm_up));
    let drain = TimeSpan(load.drain);
    let measured = format!("measure {warm_up} to {end} ({measure}), drain up to {drain}");
    if load.warm_up.is_zero() {
        return measured;
    }
    format!("warm-up 0s to {warm_up}, {measured}")
}

fn steps(steps: &[Step]) -> String {
    if steps.is_empty() {
        return "stays connected".to_owned();
    }
    let mut words: Vec<String> = steps.iter().take(6).map(step).collect();
    if steps.len() > 6 {
        words.push(format!("and {} more steps", steps.len() - 6));
    }
    words.join(", then ")
}

fn step(step: &Step) -> String {
    match step {
        Step::Send(send) => {
            let answer = match (&send.reply, send.blocking) {
                (None, _) => "",
                (Some(_), true) => " and waits for its answer",
                (Some(_), false) => ", answer measured",
            };
            match &send.schedule {
                Some(schedule) => format!("sends every {}{answer}", TimeSpan(schedule.period)),
                None => format!("sends once{answer}"),
            }
        }
        Step::Expect(reply) => format!("waits up to {} for a message", TimeSpan(reply.timeout)),
        Step::Pause { min, max } if min == max => format!("pauses {}", TimeSpan(*min)),
        Step::Pause { min, max } => format!("pauses {} to {}", TimeSpan(*min), TimeSpan(*max)),
        Step::Repeat {
            times: Some(times),
            steps: inner,
        } => {
            format!("{} times ({})", number(*times as f64), steps(inner))
        }
        Step::Repeat {
            times: None,
            steps: inner,
        } => format!("until the end ({})", steps(inner)),
        Step::Ping { .. } => "pings".to_owned(),
        Step::Close { code, .. } => format!("closes with {code}"),
    }
}

fn messages(forecast: &Forecast) -> String {
    let total = number(forecast.messages);
    let mut text = match forecast.peak_rate {
        _ if forecast.messages == 0.0 && !forecast.closed_loop => return "none".to_owned(),
        Some(rate) if rate > 0.0 => format!("about {total}, {}/s at the peak", number(rate)),
        _ => format!("about {total}"),
    };
    if forecast.closed_loop {
        if forecast.messages == 0.0 {
            text.clear();
        } else {
            text.push_str(", and ");
        }
        text.push_str(
            "as many as the server answers (closed loop: a stalled server also slows the schedule)",
        );
    }
    text
}

fn deliveries(forecast: &Forecast) -> String {
    let Some(receivers) = forecast.receivers else {
        return String::new();
    };
    let each = format!("{} receivers a message", number(receivers));
    match forecast.peak_deliveries {
        Some(rate) => format!("{each}, {}/s at the peak", number(rate)),
        None => each,
    }
}

fn heartbeat(heartbeat: &Heartbeat, forecast: &Forecast) -> String {
    let (interval, timeout) = (TimeSpan(heartbeat.interval), TimeSpan(heartbeat.timeout));
    let style = match &heartbeat.style {
        HeartbeatStyle::None => "none of our own".to_owned(),
        HeartbeatStyle::Ping { .. } => format!("ping every {interval}, answer within {timeout}"),
        HeartbeatStyle::Text { .. } => format!("text every {interval}, answer within {timeout}"),
        HeartbeatStyle::Json { .. } => format!("JSON every {interval}, answer within {timeout}"),
        HeartbeatStyle::OneWay { .. } => format!("one-way text every {interval}"),
    };
    let mut text = match forecast.peak_beats {
        Some(beats) => format!("{style}; {}/s at the peak", number(beats)),
        None => style,
    };
    if let Some(missed) = heartbeat.max_missed {
        let _ = write!(text, "; dead after {missed} missed in a row");
    }
    if let Some(quiet) = heartbeat.max_quiet {
        let _ = write!(text, "; dead after {} of silence", TimeSpan(quiet));
    }
    match heartbeat.answer_pings {
        AnswerPings::AtOnce => {}
        AnswerPings::Never => text.push_str("; pings of the server are not answered"),
        AnswerPings::After(delay) => {
            let _ = write!(
                text,
                "; pings of the server are answered after {}",
                TimeSpan(delay)
            );
        }
    }
    text
}

fn needs(scenario: &Scenario, forecast: &Forecast, processes: u16) -> String {
    let memory = ByteSize((forecast.memory >> 20) << 20);
    let clients = u64::from(forecast.max_clients);
    let paths = forecast.paths;
    let mut text = format!(
        "{} descriptors, about {memory} of memory, {} ephemeral ports",
        number(forecast.descriptors as f64),
        number(clients as f64)
    );
    if processes > 1 {
        let _ = write!(text, ", {processes} generator processes here");
    }
    if let Some(addresses) = addresses_for(scenario, EPHEMERAL_PORTS) {
        let _ = write!(text, " (spread over 127.0.0.1 to 127.0.0.{addresses})");
    } else if clients > EPHEMERAL_PORTS * paths {
        let wanted = clients.div_ceil(EPHEMERAL_PORTS);
        let _ = write!(
            text,
            " (one source address has {} for one target, and {} of such pairs are dialled: \
             give {wanted} target.source_addresses)",
            number(EPHEMERAL_PORTS as f64),
            number(paths as f64)
        );
    }
    text
}

/// Only what is not as usual.
fn gate(plan: &GatePlan) -> String {
    let share =
        |share: f64| Ratio::new(share).map_or_else(|_| share.to_string(), |r| r.to_string());
    let mut parts = Vec::new();
    if let Some(effect) = plan.min_effect {
        parts.push(format!("changes count from {}", share(effect)));
    }
    for rule in plan.statistics.iter().take(8) {
        let what = match (rule.decides, rule.min_effect) {
            (false, _) => "is only shown".to_owned(),
            (true, None) => "decides".to_owned(),
            (true, Some(effect)) => format!("decides from {}", share(effect)),
        };
        parts.push(format!("{} {what}", rule.statistic));
    }
    if let Some(more) = plan
        .statistics
        .len()
        .checked_sub(8)
        .filter(|more| *more > 0)
    {
        parts.push(format!("and {more} more"));
    }
    parts.join(", ")
}

/// With thousands separators; a decimal below ten.
fn number(value: f64) -> String {
    if value < 10.0 && value.fract() != 0.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
