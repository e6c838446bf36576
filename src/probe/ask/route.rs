//! From the name to an open connection, seen for each address.

use std::net::SocketAddr;

use tokio::time::{Duration, Instant, timeout_at};

use super::exchange::Path;
use super::request::PROXY_LINE;
use crate::probe::Settings;
use crate::probe::certificate;
use crate::probe::seen::{
    Millis, Outcome, Route, Seen, TEXT, TcpOpened, TlsProblem, TlsSeen, Variation, escaped,
};
use crate::wire::inspect::{self, ConnectFault, Line, TlsFault};

/// Most addresses of a name that are tried.
const MAX_ADDRESSES: usize = 8;

/// Asks the resolver, unless the address is given.
pub async fn resolve(settings: &Settings, seen: &mut Seen, deadline: Instant) {
    let (host, port) = match &settings.proxy {
        Some(proxy) => (proxy.host.clone(), proxy.port),
        None => (settings.url.host.clone(), settings.url.port),
    };
    if let (None, Some(address)) = (&settings.proxy, settings.fixed_address()) {
        seen.resolved.addresses = vec![SocketAddr::new(address, port).to_string()];
        return;
    }
    let started = Instant::now();
    let asking = tokio::net::lookup_host((host.as_str(), port));
    let found = timeout_at(deadline, asking).await;
    let took = Millis::from(started.elapsed());
    seen.resolved.took_ms = Some(took);
    match found {
        Err(_) => seen.resolved.error = Some("no answer in time".to_owned()),
        Ok(Err(error)) => seen.resolved.error = Some(escaped(error.to_string().as_bytes(), TEXT)),
        Ok(Ok(addresses)) => {
            let mut list: Vec<_> = addresses.map(|a| a.to_string()).collect();
            list.dedup();
            if list.is_empty() {
                seen.resolved.error = Some("no address".to_owned());
            }
            list.truncate(MAX_ADDRESSES);
            seen.resolved.addresses = list;
        }
    }
}

/// Opens TCP and TLS to every address at once; the first in the resolver's order that works is the
/// path of all that follows; without one, the first whose TCP opened, for comparisons.
pub async fn open<'a>(
    settings: &'a Settings,
    seen: &mut Seen,
    started: Instant,
    deadline: Instant,
) -> Option<Path<'a>> {
    let addresses = seen.resolved.addresses.iter();
    let addresses: Vec<SocketAddr> = addresses.filter_map(|a| a.parse().ok()).collect();
    let tries = addresses.iter().map(|a| one(settings, *a, deadline));
    seen.routes = futures_util::future::join_all(tries).await;
    let opened = |route: &Route| route.tcp.is_some();
    let works = (seen.routes.iter().position(Route::is_open))
        .or_else(|| seen.routes.iter().position(opened))?;
    Some(Path {
        settings,
        address: addresses[works],
        started,
    })
}

/// TCP and, for `wss` without a proxy between, TLS to one address, closed again.
async fn one(settings: &Settings, address: SocketAddr, deadline: Instant) -> Route {
    let started = Instant::now();
    let mut route = Route {
        address: address.to_string(),
        ..Route::default()
    };
    match Line::connect(address, deadline).await {
        // It opened, and was reset before we looked: what follows sees the same.
        Err(ConnectFault::Reset) => {
            let took_ms = Millis::from(started.elapsed());
            route.tcp = Some(TcpOpened {
                took_ms,
                syn_resends: 0,
            });
            route.tls = settings.url.secure.then(|| TlsSeen {
                problem: Some(TlsProblem::Reset),
                ..TlsSeen::default()
            });
        }
        Err(fault) => route.fault = Some(words(&fault)),
        Ok(line) => {
            route.tcp = Some(TcpOpened {
                took_ms: Millis::from(started.elapsed()),
                syn_resends: line.tcp().total_retransmits,
            });
            if settings.url.secure && settings.proxy.is_none() {
                let (line, tls) = secure(line, settings, &settings.url.host, deadline).await;
                route.tls = Some(tls);
                if let Some(mut line) = line {
                    let soon = Instant::now() + Duration::from_millis(200);
                    line.finish(soon.min(deadline)).await;
                }
            }
        }
    }
    route.took_ms = Millis::from(started.elapsed());
    route
}

async fn secure(
    line: Line,
    settings: &Settings,
    name: &str,
    deadline: Instant,
) -> (Option<Line>, TlsSeen) {
    let started = Instant::now();
    let (outcome, seen) = line.secure(&settings.tls, name, deadline).await;
    let mut tls = tls_seen(&seen);
    tls.took_ms = Millis::from(started.elapsed());
    match outcome {
        Ok(line) => (Some(line), tls),
        Err(fault) => {
            tls.problem = Some(problem(&fault));
            (None, tls)
        }
    }
}

fn tls_seen(seen: &inspect::TlsSeen) -> TlsSeen {
    let (chain, unreadable) = certificate::chain(&seen.chain);
    TlsSeen {
        version: seen.version.clone(),
        cipher: seen.cipher.clone(),
        alpn: seen.alpn.clone(),
        client_certificate_asked: seen.client_certificate_asked,
        chain,
        unreadable,
        distrust: seen.distrust.clone(),
        ..TlsSeen::default()
    }
}

fn problem(fault: &TlsFault) -> TlsProblem {
    match fault {
        TlsFault::Alert(alert) => TlsProblem::Alert(alert.clone()),
        TlsFault::NotTls(bytes) => TlsProblem::NotTls(bytes.clone()),
        TlsFault::Closed => TlsProblem::Closed,
        TlsFault::Reset => TlsProblem::Reset,
        TlsFault::TimedOut => TlsProblem::TimedOut,
        TlsFault::Other(text) => TlsProblem::Other(escaped(text.as_bytes(), TEXT)),
    }
}

fn words(fault: &ConnectFault) -> String {
    match fault {
        ConnectFault::Refused => "refused".to_owned(),
        ConnectFault::TimedOut => "timeout".to_owned(),
        ConnectFault::Reset => "reset".to_owned(),
        ConnectFault::Unreachable(text) => format!("unreachable: {text}"),
        ConnectFault::Local(text) => format!("local: {text}"),
        ConnectFault::Other(text) => text.clone(),
    }
}

/// A fresh connection along the path, ready for the request of `variation`.
pub async fn line(
    path: &Path<'_>,
    variation: &Variation,
    deadline: Instant,
) -> Result<Line, Outcome> {
    let settings = path.settings;
    let secure_wanted = settings.url.secure != (*variation == Variation::OtherScheme);
    let line = Line::connect(path.address, deadline)
        .await
        .map_err(|fault| not_opened(&fault, secure_wanted))?;
    if !secure_wanted || *variation == Variation::Connect {
        return Ok(line);
    }
    let name = match variation {
        Variation::ServerName(name) => name,
        _ => &settings.url.host,
    };
    match secure(line, settings, name, deadline).await {
        (Some(line), _) => Ok(line),
        (None, tls) => Err(Outcome::NoTls(tls.problem.unwrap_or(TlsProblem::TimedOut))),
    }
}

/// What came of a connection that did not open, or was reset as soon as it did.
fn not_opened(fault: &ConnectFault, secure: bool) -> Outcome {
    match fault {
        ConnectFault::Reset if secure => Outcome::NoTls(TlsProblem::Reset),
        ConnectFault::Reset => Outcome::NoBytes {
            end: Some("RST".to_owned()),
        },
        _ => Outcome::NotOpened(words(fault)),
    }
}

/// A connection on which TLS came up behind a line of PROXY protocol.
pub async fn line_behind_proxy_line(path: &Path<'_>, deadline: Instant) -> Result<Line, Outcome> {
    let settings = path.settings;
    let mut line = Line::connect(path.address, deadline)
        .await
        .map_err(|fault| not_opened(&fault, true))?;
    // A peer that is gone shows itself at the ClientHello.
    let _ = line.send(PROXY_LINE.as_bytes(), deadline).await;
    match secure(line, settings, &settings.url.host, deadline).await {
        (Some(line), _) => Ok(line),
        (None, tls) => Err(Outcome::NoTls(tls.problem.unwrap_or(TlsProblem::TimedOut))),
    }
}
