//! `wsbench probe URL`: what is wrong with this WebSocket path, and how to fix it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

use crate::clock::Epoch;
use crate::exit::Exit;
use crate::probe::seen::Seen;
use crate::probe::{self, Health, HttpProxy, Settings, Watching};
use crate::report::Look;
use crate::report::probe as pages;
use crate::report::terminal;
use crate::wire::inspect::InspectTls;
use crate::wire::{Override, TlsSettings, Url};

/// How long connections are held idle unless told otherwise.
const IDLE: Duration = Duration::from_millis(4_400);
/// The same with `--deep`: every default of 50, 55 and 60 s is found.
const DEEP_IDLE: Duration = Duration::from_secs(75);

/// What is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Terminal,
    /// The versioned document.
    Json,
    /// For an issue.
    Markdown,
}

/// Flags, as given.
#[derive(Clone, Debug)]
pub struct Options {
    /// The target.
    pub url: String,
    /// Added headers.
    pub headers: Vec<(String, String)>,
    /// Origin header.
    pub origin: Option<String>,
    /// Offered subprotocols.
    pub subprotocols: Vec<String>,
    /// PEM bundle to trust.
    pub ca: Option<PathBuf>,
    /// PEM chain of ours.
    pub cert: Option<PathBuf>,
    /// PEM key of `cert`.
    pub key: Option<PathBuf>,
    /// Do not judge certificates.
    pub insecure: bool,
    /// Addresses instead of the resolver's.
    pub resolve: Vec<Override>,
    /// Forward proxy.
    pub proxy: Option<HttpProxy>,
    /// Limit of everything but the slow part.
    pub timeout: Duration,
    /// The slow part too.
    pub deep: bool,
    /// Length of the holds.
    pub idle: Option<Duration>,
    /// Watch a reload for that long.
    pub reload: Option<Duration>,
    /// Connections at once.
    pub clients: u32,
    /// What is printed.
    pub format: Format,
    /// No progress.
    pub quiet: bool,
    /// What stdout can show.
    pub look: Look,
}

/// Probes, prints, and says how it went by the exit code.
pub fn run(options: Options) -> anyhow::Result<Exit> {
    let url = match Url::parse(&options.url) {
        Ok(url) => url,
        Err(error) => return usage(&format!("{}: {error}", plain_url(&options.url))),
    };
    let tls = TlsSettings {
        ca: options.ca.clone(),
        cert: options.cert.clone(),
        key: options.key.clone(),
        ..TlsSettings::default()
    };
    let settings = settings(&options, url, InspectTls::new(&tls)?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    let mut seen = Seen::default();
    runtime.block_on(probe::look(&settings, &mut seen, &mut |_| {}));
    let diagnosis = probe::diagnose(&seen);
    let text = match options.format {
        Format::Terminal => terminal::probe::render(&seen, &diagnosis, options.look),
        Format::Json => pages::json(&seen, &diagnosis),
        Format::Markdown => pages::markdown(&seen, &diagnosis),
    };
    super::print(&text)?;
    Ok(match diagnosis.health {
        Health::Healthy => Exit::Pass,
        Health::Faulty => Exit::Fail,
        Health::Undecided => Exit::Unanswered,
        Health::CouldNotProbe => Exit::CouldNotRun,
    })
}

fn usage(text: &str) -> anyhow::Result<Exit> {
    anstream::eprintln!("error: {text}\nhint: give a ws:// or wss:// URL");
    Ok(Exit::Usage)
}

/// A URL that did not parse, without what may be a token.
fn plain_url(text: &str) -> &str {
    text.split(['?', '#']).next().unwrap_or_default()
}

fn settings(options: &Options, url: Url, tls: InspectTls) -> Settings {
    let idle = if options.deep { DEEP_IDLE } else { IDLE };
    Settings {
        url,
        headers: options.headers.clone(),
        origin: options.origin.clone(),
        subprotocols: options.subprotocols.clone(),
        tls,
        own_ca: options.ca.is_some(),
        insecure: options.insecure,
        overrides: options.resolve.clone(),
        proxy: options.proxy.clone(),
        timeout: options.timeout,
        watching: Watching {
            idle: options.idle.unwrap_or(idle),
            reload: options.reload,
            clients: options.clients,
            deep: options.deep,
        },
        now: i64::try_from(Epoch::now().unix().as_secs()).unwrap_or(i64::MAX),
    }
}
