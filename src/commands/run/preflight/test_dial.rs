//! One dial before the load, as a client would: a target that nothing can reach ends the run in a
//! moment instead of a minute.
//!
//! Only a target behind which nobody speaks refuses the run, and only when no client would dial
//! again. One that answers, however badly, is worth measuring: then this is a warning.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::ready;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::time::Instant;

use super::super::advice::advice;
use super::Findings;
use crate::engine::identity::Identity;
use crate::engine::plan::Plan;
use crate::failure::FailureKind;
use crate::scenario::{ReconnectPolicy, Scenario, redact};
use crate::wire::{Connection, Dial as _, Dialled, Dialler, Limits, Role, Scratch};

/// Longest wait for all test dials together, whatever the scenario's connect_timeout.
const LIMIT: Duration = Duration::from_secs(3);
/// Longest wait for the answer to the close frame.
const CLOSE: Duration = Duration::from_millis(300);
/// Most URLs that are tried; they are dealt to clients in turn.
const MAX_TARGETS: usize = 4;

/// A test dial that did not open.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Failed {
    kind: FailureKind,
    text: String,
}

/// Dials as the first client of each URL until one opens, and closes at once.
pub fn test_dial(scenario: &Arc<Scenario>) -> anyhow::Result<Findings> {
    let plan = Plan::new(Arc::clone(scenario), 1)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the test dial")?;
    let mut failed = Vec::new();
    let opened = runtime.block_on(try_targets(&plan, &mut failed));
    // A resolver that hangs must not hold the run up.
    runtime.shutdown_background();
    let mut findings = Findings::default();
    let advice = match (&opened, failed.is_empty()) {
        (None, false) => advice(&plan),
        _ => None,
    };
    if let Some(fact) = opened {
        findings.facts.push(fact);
    } else if is_hopeless(&failed, scenario) {
        let texts: Vec<_> = failed.iter().map(|failed| failed.text.as_str()).collect();
        let hint = failed.first().map_or("", |failed| failed.kind.hint());
        let advice = advice.map(|advice| format!("\n{advice}"));
        bail!(
            "target unreachable: {}\nhint: {hint}; --no-test-dial runs the load all the same{}",
            texts.join("; "),
            advice.unwrap_or_default()
        );
    }
    findings.advice = advice;
    let warn = |failed: &Failed| format!("{} ({})", failed.text, failed.kind.hint());
    findings.warnings.extend(failed.iter().map(warn));
    Ok(findings)
}

/// Whether no client of the run would get any further.
fn is_hopeless(failed: &[Failed], scenario: &Scenario) -> bool {
    let reconnect = &scenario.reconnect;
    let retries = reconnect.policy != ReconnectPolicy::None && reconnect.max_attempts != Some(0);
    let all_tried = failed.len() == scenario.target.urls.len();
    !retries && all_tried && failed.iter().all(|failed| keeps_out(failed.kind))
}

/// Whether a failure says that nobody is there, or that we cannot dial at all.
fn keeps_out(kind: FailureKind) -> bool {
    use FailureKind as F;
    match kind {
        F::Dns | F::Refused | F::Unreachable | F::ConnectTimeout | F::Tls(_) => true,
        F::PortExhausted | F::FdExhausted => true,
        F::HttpStatus(_) | F::BadUpgrade(_) | F::HandshakeTimeout | F::Reset => false,
        F::EofWithoutClose | F::CloseCode(_) | F::Protocol(_) => false,
        F::HeartbeatDead | F::Io(_) => false,
    }
}

/// What opened, in words; the failures before it are added to `failed`.
async fn try_targets(plan: &Plan, failed: &mut Vec<Failed>) -> Option<String> {
    let target = &plan.scenario.target;
    let deadline = Instant::now() + LIMIT;
    for client in 0..target.urls.len().min(MAX_TARGETS) as u64 {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        let mut settings = plan.dial_settings();
        settings.timeout = settings.timeout.min(left);
        let Ok(identity) = Identity::new(plan, client) else {
            // Its clients will say so; the others may be well.
            continue;
        };
        let dialler = Dialler::new(settings);
        let (url, request) = (&identity.door.url, &identity.door.request);
        match dialler.dial(url, request, identity.source(plan)).await {
            Ok(dialled) => {
                let took = dialled.answer.timings.handshake.as_secs_f64() * 1e3;
                let fact = format!("test dial: {url} opened in {took:.1} ms");
                close(dialled, plan.limits()).await;
                return Some(redact(&fact, &plan.scenario.secrets).into_owned());
            }
            Err(error) => {
                let (kind, detail) = (error.kind, &error.detail);
                let text = format!("the test dial to {url} failed: {kind}: {detail}");
                let text = redact(&text, &plan.scenario.secrets).into_owned();
                failed.push(Failed { kind, text });
            }
        }
    }
    None
}

/// Says goodbye, so that the place is free before the load begins.
async fn close(dialled: Dialled, limits: Limits) {
    let leftover = dialled.answer.leftover;
    let mut connection = Connection::new(dialled.stream, Role::Client, limits, &leftover);
    let mut scratch = Scratch::new();
    connection.outbox.close(Some(1000), "");
    let ended = poll_fn(|cx| {
        // A peer that has gone needs no goodbye.
        let _ = ready!(connection.poll_flush(cx));
        while ready!(connection.poll_discard(cx, &mut scratch)).is_ok() {}
        std::task::Poll::Ready(())
    });
    if tokio::time::timeout(CLOSE, ended).await.is_err() {
        connection.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::BadUpgrade;
    use crate::scenario::{Overrides, Statistics};

    fn scenario(target: &str, rest: &str) -> Scenario {
        let statistics = Statistics {
            kind: &|_| None,
            names: &[],
        };
        let text = format!(
            "name = \"x\"\n[load]\nstages = [ {{ duration = \"1s\", clients = 9 }} ]\n[target]\n{target}\n{rest}\n"
        );
        let none = Overrides::default();
        let read = Scenario::parse("x.toml", &text, &none, &|_| None, &statistics);
        read.unwrap_or_else(|problems| panic!("{problems}"))
    }

    #[test]
    fn only_a_target_that_nobody_reaches_is_hopeless() {
        let one = "url = \"ws://a/\"";
        let two = "urls = [\"ws://a/\", \"ws://b/\"]";
        let retries = "[reconnect]\npolicy = \"fixed\"\ndelay = \"1s\"";
        let (refused, tls) = (FailureKind::Refused, FailureKind::Tls(Some(42)));
        let busy = FailureKind::HttpStatus(503);
        let text = FailureKind::BadUpgrade(BadUpgrade::NotHttp);
        for (target, rest, kinds, expected) in [
            (one, "", &[refused][..], true),
            (one, "", &[FailureKind::Dns], true),
            (one, "", &[FailureKind::Unreachable], true),
            (one, "", &[FailureKind::ConnectTimeout], true),
            (one, "", &[FailureKind::PortExhausted], true),
            (one, "", &[tls], true),
            (one, "", &[busy], false),
            (one, "", &[text], false),
            (one, "", &[FailureKind::HandshakeTimeout], false),
            (one, "", &[FailureKind::Reset], false),
            (one, retries, &[refused], false),
            (two, "", &[refused, tls], true),
            (two, "", &[refused, busy], false),
            // The time was over before the second was tried.
            (two, "", &[refused], false),
        ] {
            let failed: Vec<_> = kinds.iter().map(|kind| failed(*kind)).collect();
            let scenario = scenario(target, rest);
            assert_eq!(
                is_hopeless(&failed, &scenario),
                expected,
                "{kinds:?} {rest}"
            );
        }
    }

    fn failed(kind: FailureKind) -> Failed {
        Failed {
            kind,
            text: String::new(),
        }
    }
}
