//! What a probe says when nothing connected: the cause in words, where a run only counts failures.
//!
//! A short probe of the first client's target, without holds; it says nothing it is not sure is wrong.

use std::time::Duration;

use anyhow::Context as _;

use crate::clock::Epoch;
use crate::engine::identity::Identity;
use crate::engine::plan::Plan;
use crate::probe::seen::Seen;
use crate::probe::{self, Diagnosis, Settings, Severity, Watching};
use crate::result::text::printable;
use crate::scenario::redact;
use crate::wire::TlsSettings;
use crate::wire::inspect::InspectTls;

/// Limit of the probe: it stands between the user and what the run has to say.
const LIMIT: Duration = Duration::from_secs(3);
/// Longer than this it may not last, whatever it waits for.
const LONGEST: Duration = Duration::from_secs(4);

/// Two lines for stderr; `None` when the probe knows nothing, or would not dial as the run does.
pub fn advice(plan: &Plan) -> Option<String> {
    let scenario = &plan.scenario;
    // A probe dials neither through a relay nor under another name; the built-in server is known.
    let another_way = scenario.relay.is_some() || scenario.target.tls.server_name.is_some();
    if another_way || scenario.server.is_some() {
        return None;
    }
    let settings = settings(plan)?;
    let diagnosis = look(&settings).ok()?;
    let text = words(&diagnosis, &settings.url.to_string())?;
    Some(redact(&text, &scenario.secrets).into_owned())
}

/// As the first client dials.
fn settings(plan: &Plan) -> Option<Settings> {
    let target = &plan.scenario.target;
    let identity = Identity::new(plan, 0).ok()?;
    let door = &identity.door;
    let tls = TlsSettings {
        ca: target.tls.ca.clone(),
        cert: target.tls.cert.clone(),
        key: target.tls.key.clone(),
        ..TlsSettings::default()
    };
    let is_origin = |(name, _): &(String, String)| name.eq_ignore_ascii_case("origin");
    let (origin, headers) =
        (door.request.own_headers(&door.url).into_iter()).partition::<Vec<_>, _>(is_origin);
    Some(Settings {
        url: door.url.clone(),
        headers,
        origin: origin.into_iter().next().map(|(_, value)| value),
        subprotocols: door.request.subprotocols.clone(),
        tls: InspectTls::new(&tls).ok()?,
        own_ca: target.tls.ca.is_some(),
        insecure: target.tls.insecure,
        overrides: plan.dial_settings().overrides,
        proxy: None,
        timeout: LIMIT,
        watching: Watching {
            idle: Duration::ZERO,
            reload: None,
            clients: 0,
            deep: false,
        },
        now: i64::try_from(Epoch::now().unix().as_secs()).unwrap_or(i64::MAX),
    })
}

fn look(settings: &Settings) -> anyhow::Result<Diagnosis> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the probe")?;
    let mut seen = Seen::default();
    let mut tell = |_: &str| {};
    let looking = probe::look(settings, &mut seen, &mut tell);
    // A session that opens after all has a time of its own, and is no help here.
    let ended = runtime.block_on(async { tokio::time::timeout(LONGEST, looking).await.is_ok() });
    // A resolver that hangs must not hold the run up.
    runtime.shutdown_background();
    let diagnosis = probe::diagnose(&seen);
    Ok(if ended {
        diagnosis
    } else {
        diagnosis.interrupted()
    })
}

/// The top finding, when it says that something is wrong.
fn words(diagnosis: &Diagnosis, url: &str) -> Option<String> {
    let top = diagnosis.findings.first()?;
    if top.severity < Severity::Undecided {
        return None;
    }
    let (title, url) = (printable(&top.title), printable(url));
    Some(format!(
        "probe: {title}\nhint: `wsbench probe {url}` says on what evidence, and how to fix it"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::entry::{Entry, Fix, Layer};
    use crate::probe::fingerprint::Product;
    use crate::probe::{Finding, Health};

    const ENTRY: Entry = Entry {
        id: "refused",
        layer: Layer::Tcp,
        severity: Severity::Fault,
        title: "Nothing listens on the port",
        evidence: "",
        expected: "",
        causes: &[],
        fixes: &[Fix {
            product: Product::Server,
            snippet: "start it",
        }],
        limits: "",
    };

    fn diagnosis(severity: Option<Severity>) -> Diagnosis {
        let finding = severity.map(|severity| Finding::new(&ENTRY).severity(severity));
        Diagnosis {
            health: Health::Faulty,
            could_not: None,
            interrupted: false,
            findings: finding.into_iter().collect(),
            products: Vec::new(),
        }
    }

    #[test]
    fn only_what_is_wrong_is_said() {
        let said = |severity| words(&diagnosis(severity), "ws://x/");
        assert_eq!(
            said(Some(Severity::Fault)).as_deref(),
            Some(
                "probe: Nothing listens on the port\n\
                 hint: `wsbench probe ws://x/` says on what evidence, and how to fix it"
            )
        );
        assert!(said(Some(Severity::Undecided)).is_some());
        assert_eq!(said(Some(Severity::Warning)), None);
        assert_eq!(said(Some(Severity::Note)), None);
        assert_eq!(said(None), None);
    }
}
