//! `wsbench probe URL`: what is wrong with this WebSocket path, and how to fix it.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::sync::mpsc;

use crate::clock::Epoch;
use crate::engine::run::Interrupt;
use crate::exit::Exit;
use crate::probe::seen::Seen;
use crate::probe::{self, Health, HttpProxy, Settings, Watching, entry};
use crate::report::Look;
use crate::report::probe as pages;
use crate::report::terminal;
use crate::result::text::printable;
use crate::scenario::nearest;
use crate::wire::inspect::InspectTls;
use crate::wire::{Override, TlsSettings, Url, UrlError};

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
pub fn run(options: &Options) -> anyhow::Result<Exit> {
    let url = match Url::parse(&options.url) {
        Ok(url) => url,
        Err(error) => {
            let (scheme, host, path) = plain_url(&options.url);
            let url = format!("{scheme}{host}{path}");
            let hint = hint(&options.url, &error);
            anstream::eprintln!("error: {}: {error}\nhint: {hint}", printable(&url));
            return Ok(Exit::Usage);
        }
    };
    let tls = TlsSettings {
        ca: options.ca.clone(),
        cert: options.cert.clone(),
        key: options.key.clone(),
        ..TlsSettings::default()
    };
    let settings = settings(options, url, InspectTls::new(&tls)?);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    let interrupts = super::run::watch_signals(true)?;
    let (seen, interrupt) = runtime.block_on(look(&settings, interrupts, options.quiet));
    // A resolver that hangs must not hold the report up.
    runtime.shutdown_background();
    let diagnosis = match interrupt {
        None => probe::diagnose(&seen),
        Some(_) => probe::diagnose(&seen).interrupted(),
    };
    let text = match options.format {
        Format::Terminal => terminal::probe::render(&seen, &diagnosis, options.look),
        Format::Json => pages::json(&seen, &diagnosis),
        Format::Markdown => pages::markdown(&seen, &diagnosis),
    };
    super::print(&text)?;
    Ok(match (interrupt, diagnosis.health) {
        (Some(Interrupt::Interrupted), _) => Exit::Interrupted,
        (Some(Interrupt::Terminated), _) => Exit::Terminated,
        (None, Health::Healthy) => Exit::Pass,
        (None, Health::Faulty) => Exit::Fail,
        (None, Health::Undecided) => Exit::Unanswered,
        (None, Health::CouldNotProbe) => Exit::CouldNotRun,
    })
}

/// Looks until all is seen or a signal comes.
async fn look(
    settings: &Settings,
    mut interrupts: mpsc::Receiver<Interrupt>,
    quiet: bool,
) -> (Seen, Option<Interrupt>) {
    let spinner = spinner(quiet);
    let mut seen = Seen::default();
    let mut tell = |what: &str| spinner.set_message(what.to_owned());
    let looking = probe::look(settings, &mut seen, &mut tell);
    let interrupt = tokio::select! {
        () = looking => None,
        interrupt = interrupts.recv() => interrupt,
    };
    spinner.finish_and_clear();
    (seen, interrupt)
}

/// What is being done and for how long, on stderr; nothing without a terminal.
fn spinner(quiet: bool) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let target = ProgressDrawTarget::stderr_with_hz(8);
    let spinner = ProgressBar::with_draw_target(None, target);
    let style = ProgressStyle::with_template("{spinner:.cyan} {elapsed} {wide_msg}")
        .expect("the template names known fields only");
    spinner.set_style(style);
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}

/// Prints the catalogue: all of it as a list, or one entry whole.
pub fn explain(id: Option<&str>, format: Format, look: Look) -> anyhow::Result<Exit> {
    let entries = entry::all();
    let text = match (id, format) {
        (None, Format::Markdown) => pages::catalogue::markdown(&entries),
        (None, _) => pages::catalogue::list(&entries),
        (Some(id), format) => {
            let Some(found) = entries.iter().find(|entry| entry.id == id) else {
                anstream::eprintln!("error: there is no finding `{}`", printable(id));
                let names = entries.iter().map(|entry| entry.id);
                let near = nearest(id, names).map(|near| format!("did you mean `{near}`?"));
                let hint = near.unwrap_or("wsbench probe --explain lists all of them".to_owned());
                anstream::eprintln!("hint: {hint}");
                return Ok(Exit::Usage);
            };
            match format {
                Format::Markdown => pages::catalogue::markdown(&[*found]),
                _ => terminal::probe::explain(found, look),
            }
        }
    };
    super::print(&text)?;
    Ok(Exit::Pass)
}

/// What to write instead.
fn hint(text: &str, error: &UrlError) -> String {
    let (scheme, host, path) = plain_url(text);
    let rest = format!("{host}{path}");
    let rest = printable(&rest);
    match error {
        UrlError::Scheme(_) if scheme == "http://" => format!("write ws://{rest}"),
        UrlError::Scheme(_) if scheme == "https://" => format!("write wss://{rest}"),
        UrlError::Syntax(_) if scheme.is_empty() => {
            format!("write ws://{rest}, or wss://{rest} for TLS")
        }
        UrlError::Credentials => {
            "write -H 'Authorization: Basic ...' with the base64 of user:password".to_owned()
        }
        _ => "give a URL like ws://host:port/path or wss://host/path".to_owned(),
    }
}

/// A URL that did not parse as (scheme with `://`, host and port, path), without what may be a
/// secret: user, password, query and fragment.
fn plain_url(text: &str) -> (&str, &str, &str) {
    let base = text.split(['?', '#']).next().unwrap_or_default();
    let at = base.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = base.split_at(at);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    (scheme, host, path)
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
