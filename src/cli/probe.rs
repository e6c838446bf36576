//! `probe`: its flags, and from flags to settings.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;

use crate::commands::probe::{self, Format, Options};
use crate::exit::Exit;
use crate::probe::HttpProxy;
use crate::report::Look;
use crate::units::TimeSpan;
use crate::wire::Override;

use super::arguments::header;

const PROBE: &str = "Examples:
  wsbench probe wss://example.com/ws                       what is wrong with it, in a few seconds
  wsbench probe wss://example.com/ws --idle 75s            also what ends a connection that is idle
  wsbench probe wss://example.com/ws -H 'Cookie: sid=...' --origin https://example.com --markdown

Exit codes:
  0    healthy; there may be notes and warnings
  1    a fault was found
  2    usage error: nothing was asked
  3    could not probe: this machine could not connect, or a file could not be read
  4    undecided: something is wrong and what was seen does not say what
  130  interrupted (Ctrl-C), 143 terminated; what was seen so far is printed";

/// `wsbench probe`.
#[derive(Args, Debug)]
#[command(after_help = PROBE)]
pub struct ProbeArguments {
    /// A ws:// or wss:// URL
    #[arg(value_name = "URL", required_unless_present = "explain")]
    pub url: Option<String>,
    /// Add a header to the upgrade request. Repeatable; values are never shown
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    pub header: Vec<(String, String)>,
    /// Send this Origin, as a browser on that site would
    #[arg(long, value_name = "ORIGIN")]
    pub origin: Option<String>,
    /// Offer a subprotocol. Repeatable, in order of preference
    #[arg(long, value_name = "NAME")]
    pub subprotocol: Vec<String>,
    /// Trust this PEM bundle instead of the system's roots
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Our certificate (PEM chain), for servers that ask for one
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// The private key of --cert (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// Do not judge the server's certificate
    #[arg(long)]
    pub insecure: bool,
    /// Connect to this address instead of what the name resolves to. Repeatable
    #[arg(long, value_name = "HOST:PORT:ADDRESS", value_parser = resolve)]
    pub resolve: Vec<Override>,
    /// Reach the target through this HTTP proxy (CONNECT): http://[USER:PASSWORD@]HOST:PORT
    #[arg(long, value_name = "URL", value_parser = http_proxy, hide_env_values = true)]
    pub proxy: Option<HttpProxy>,
    /// Limit for everything but the slow checks
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub timeout: TimeSpan,
    /// Also the slow checks: sizes up to 1 MiB, 40 pings, connections held for 75 s
    #[arg(long, help_heading = "Slow checks")]
    pub deep: bool,
    /// Hold connections idle for so long, with and without pings [default: 4.4s; 75s with --deep; 0s holds none]
    #[arg(long, value_name = "TIME", help_heading = "Slow checks")]
    pub idle: Option<TimeSpan>,
    /// Watch held connections and new handshakes for so long while you reload or restart something
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "30s", help_heading = "Slow checks")]
    pub reload: Option<TimeSpan>,
    /// Open and hold so many connections, to find limits, queues and bad backends
    #[arg(long, value_name = "N", default_value = "0", value_parser = clap::value_parser!(u32).range(0..=10_000), help_heading = "Slow checks")]
    pub clients: u32,
    /// Print a JSON document
    #[arg(long, conflicts_with = "markdown", help_heading = "Output")]
    pub json: bool,
    /// Print Markdown, to paste into an issue
    #[arg(long, help_heading = "Output")]
    pub markdown: bool,
    /// Print what a finding means and how it is fixed; without ID, list all findings. Asks nobody
    #[arg(long, value_name = "ID", num_args = 0..=1, default_missing_value = "", conflicts_with_all = ["url", "json"], help_heading = "Output")]
    pub explain: Option<String>,
}

/// `wsbench probe`.
pub fn probe(arguments: ProbeArguments, quiet: bool) -> anyhow::Result<Exit> {
    let format = match (arguments.json, arguments.markdown) {
        (true, _) => Format::Json,
        (_, true) => Format::Markdown,
        _ => Format::Terminal,
    };
    let look = look();
    if let Some(id) = arguments.explain {
        let id = Some(id.as_str()).filter(|id| !id.is_empty());
        return probe::explain(id, format, look);
    }
    let options = Options {
        // clap lets nobody pass without one.
        url: arguments.url.unwrap_or_default(),
        headers: arguments.header,
        origin: arguments.origin,
        subprotocols: arguments.subprotocol,
        ca: arguments.ca,
        cert: arguments.cert,
        key: arguments.key,
        insecure: arguments.insecure,
        resolve: arguments.resolve,
        proxy: arguments.proxy,
        timeout: arguments.timeout.0,
        deep: arguments.deep,
        idle: arguments.idle.map(|span| span.0),
        reload: arguments.reload.map(|span| span.0),
        clients: arguments.clients,
        format,
        quiet,
        look,
    };
    probe::run(&options)
}

/// A page that goes into a file or a pipe has whole lines: sentences can be searched for.
fn look() -> Look {
    let narrow = std::io::stdout().is_terminal() || std::env::var_os("COLUMNS").is_some();
    let look = super::look();
    Look {
        width: if narrow { look.width } else { usize::MAX },
        ..look
    }
}

/// `HOST:PORT:ADDRESS`, as curl's `--resolve`; an IPv6 address may stand in brackets.
fn resolve(text: &str) -> Result<Override, String> {
    let wrong = || "write HOST:PORT:ADDRESS, e.g. app.example.com:443:203.0.113.7".to_owned();
    let (host, rest) = text.split_once(':').ok_or_else(wrong)?;
    let (port, address) = rest.split_once(':').ok_or_else(wrong)?;
    let address = address.trim_start_matches('[').trim_end_matches(']');
    Ok(Override {
        host: host.to_ascii_lowercase(),
        port: port.parse().map_err(|_| wrong())?,
        address: address.parse().map_err(|_| wrong())?,
    })
}

/// `http://[USER:PASSWORD@]HOST:PORT`.
fn http_proxy(text: &str) -> Result<HttpProxy, String> {
    let wrong = || "write http://HOST:PORT or http://USER:PASSWORD@HOST:PORT".to_owned();
    let rest = text.strip_prefix("http://").ok_or_else(wrong)?;
    let rest = rest.trim_end_matches('/');
    let (user, place) = match rest.rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, rest),
    };
    let (host, port) = place.rsplit_once(':').ok_or_else(wrong)?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() || host.contains('/') {
        return Err(wrong());
    }
    Ok(HttpProxy {
        host: host.to_owned(),
        port: port.parse().map_err(|_| wrong())?,
        authorization: user.map(|user| format!("Basic {}", STANDARD.encode(user))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_proxies_are_read() {
        let fixed = resolve("App.example:443:[::1]").unwrap();
        assert_eq!((fixed.host.as_str(), fixed.port), ("app.example", 443));
        assert_eq!(fixed.address.to_string(), "::1");
        let proxy = http_proxy("http://me:pw@127.0.0.1:3128/").unwrap();
        assert_eq!((proxy.host.as_str(), proxy.port), ("127.0.0.1", 3128));
        assert_eq!(proxy.authorization.as_deref(), Some("Basic bWU6cHc="));
        for bad in ["app", "app:443", "app:x:1.2.3.4", "app:443:host"] {
            assert!(resolve(bad).is_err(), "{bad}");
        }
        for bad in ["socks://h:1", "http://h", "http://:80", "http://h:x"] {
            assert!(http_proxy(bad).is_err(), "{bad}");
        }
    }
}
